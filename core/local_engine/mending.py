"""Finds out what was meant by words of a question that no passage has."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from core.local_engine.query import RELATED, Term, related_to, words_in
from core.local_engine.spelling import halves_of, one_slip_away, slips_near_the_end
from core.local_engine.words import stem

MISTYPED = 0.75  # how well a word stands for one that may be a slip of it
MOST_MISTYPED = 3  # words of one question that are looked up again

Frequencies = Callable[[Iterable[str]], Awaitable[tuple[int, dict[str, int]]]]
Guess = tuple[str, ...]  # what may be meant by one word: another, or two that it is made of


async def mend(
    terms: Sequence[Term], counts: Mapping[str, int], frequencies: Frequencies
) -> tuple[list[Term], dict[str, int]]:
    """Let words that the index knows stand for unknown ones, as far as they may be meant.

    First the most common word that is a slip away; else one whose stem a slip has hidden, or the
    two words that were written as one. Returns the counts of these words, too.
    """
    known = dict(counts)
    unknown = [term for term in terms if _is_unknown(term, known)][:MOST_MISTYPED]
    mended: dict[str, Term] = {}
    for guessed in (_slips, _hidden):
        guesses = {term.word: set(guessed(term)) for term in unknown if term.word not in mended}
        words = {word for some in guesses.values() for guess in some for word in guess}
        found = (await frequencies(words))[1] if words else {}
        known |= found
        for term in unknown:
            possible = [guess for guess in guesses.get(term.word, ()) if found.keys() >= {*guess}]
            if possible:
                best = max(possible, key=lambda guess: (-len(guess), _rarest(guess, known), guess))
                mended[term.word] = _with(term, best)
    related = words_in(mended.values()) - known.keys()
    known |= (await frequencies(related))[1] if related else {}
    return [mended.get(term.word, term) for term in terms], known


def _is_unknown(term: Term, counts: Mapping[str, int]) -> bool:
    return not (term.everyday or term.parts) and counts.keys().isdisjoint(term.forms)


def _slips(term: Term) -> Iterator[Guess]:
    return ((word,) for word in one_slip_away(term.word))


def _hidden(term: Term) -> Iterator[Guess]:
    yield from ((stem(word),) for word in slips_near_the_end(term.raw))
    yield from ((stem(one), stem(other)) for one, other in halves_of(term.raw))


def _rarest(words: Iterable[str], counts: Mapping[str, int]) -> int:
    return min(counts[word] for word in words)


def _with(term: Term, guess: Guess) -> Term:
    if len(guess) > 1:
        return replace(term, parts=guess)
    related = dict.fromkeys(related_to(guess[0]), MISTYPED * RELATED)
    return replace(term, forms={**related, **term.forms, guess[0]: MISTYPED})
