"""Reads a question, and those before it in its thread, as weighted search terms. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.local_engine.vocabulary import (
    ALIKE,
    BACK_REFERENCES,
    CONTINUATIONS,
    EVERYDAY_WORDS,
    PARTICLES,
    PHRASES,
    SMALL_TALK,
    STOP_WORDS,
)
from core.local_engine.words import Token, stem, tokens_of

# How well a word stands for the one that was asked for.
SAME = 1.0
JOINED = 0.9  # "web hook" and "webhook"
RELATED = 0.8  # "remove" and "delete"

EVERYDAY = 0.25  # the weight of a word that people wrap questions in
EARLIER = 0.5  # of a question that this one goes on from; again for each further back
THIN = 3  # a question that names more things than this speaks for itself
MOST_BETWEEN = 3  # words in a phrase: "turn the debug mode off"
MOST_TERMS = 40  # of all questions together: what people paste may be long


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One thing that a question names."""

    raw: str  #: as it was asked, in lower case
    word: str  #: as it is compared; of an identifier all parts as one
    forms: Mapping[str, float]  #: the words that stand for it, itself too, and how well
    parts: tuple[str, ...] = ()  #: of an identifier: all of them together stand for it too
    everyday: bool = False  #: it says little about what the question is about
    back: int = 0  #: 0 for the question itself, 1 for the one it goes on from, and so on

    @property
    def weight(self) -> float:
        """What it counts for, apart from how rare it is."""
        return (EVERYDAY if self.everyday else 1.0) * EARLIER**self.back


def words_in(terms: Iterable[Term]) -> set[str]:
    """Every word that stands for one of the terms or for a part of it."""
    return {word for term in terms for word in (*term.forms, *term.parts)}


def read_questions(questions: Sequence[str]) -> list[Term]:
    """Read the last question of a thread in the light of those before it, oldest first.

    Returns nothing where the question asks nothing: it is empty, or small talk.
    """
    if not questions or _is_small_talk(questions[-1]):
        return []
    terms = _read(questions[-1])
    later, back = questions[-1], 0
    for question in reversed(questions[:-1]):
        if not _goes_on(later):
            break
        if not _is_small_talk(question):
            later, back = question, back + 1
            terms += [replace(term, back=back) for term in _read(question)]
    return terms[:MOST_TERMS]


def related_to(word: str) -> Collection[str]:
    """The words that stand for a word, itself too; all by their stems."""
    return _RELATED.get(word, frozenset())


def _read(question: str) -> list[Term]:
    tokens = list(tokens_of(question))
    terms: dict[str, Term] = {}
    meant = _meant(tokens)
    for number, token in enumerate(tokens):
        if token.raw in STOP_WORDS or not token.word or token.word in terms:
            continue
        forms = dict.fromkeys(related_to(token.word), RELATED)
        neighbours = tokens[max(number - 1, 0) : number], tokens[number + 1 : number + 2]
        forms |= dict.fromkeys(meant.get(number, ()), RELATED)
        forms |= dict.fromkeys(_joined(token, *neighbours), JOINED)
        forms |= {token.word: SAME}
        everyday = token.raw in EVERYDAY_WORDS
        terms[token.word] = Term(
            raw=token.raw, word=token.word, forms=forms, parts=token.parts, everyday=everyday
        )
    return list(terms.values())


def _meant(tokens: Sequence[Token]) -> dict[int, frozenset[str]]:
    """What the phrases among the tokens stand for, by the numbers of the tokens that say so."""
    words = [token.word for token in tokens]
    meant: dict[int, frozenset[str]] = {}
    for start, word in enumerate(words):
        for phrase, stands_for in _PHRASES.get(word, ()):
            for number in _places(phrase, words, start):
                meant[number] = meant.get(number, frozenset()) | stands_for
    return meant


def _places(phrase: Sequence[str], words: Sequence[str], start: int) -> Sequence[int]:
    """The numbers of the words that make up a phrase from `start` on; none where they do not."""
    end = start + len(phrase)
    if words[start:end] == list(phrase):
        return range(start, end)
    if len(phrase) == 2 and phrase[1] in PARTICLES:
        for number in range(start + 2, min(start + 2 + MOST_BETWEEN, len(words))):
            if words[number] == phrase[1]:
                return (start, number)
    return ()


def _joined(token: Token, before: Sequence[Token], after: Sequence[Token]) -> Iterator[str]:
    """The token and each of its neighbours as one word."""
    for first, second in [(token, other) for other in after] + [(other, token) for other in before]:
        if not first.parts and not second.parts:
            yield stem(first.raw + second.raw)


def _is_small_talk(question: str) -> bool:
    return all(token.raw in SMALL_TALK for token in tokens_of(question))


def _goes_on(question: str) -> bool:
    """Whether the question needs the one before it to be understood."""
    topics = sum(not term.everyday for term in _read(question))
    if topics < 2:
        return True
    words = [token.raw for token in tokens_of(question)]
    if words[0] in CONTINUATIONS or "+".join(words[:2]) in CONTINUATIONS:
        return True
    return topics <= THIN and not BACK_REFERENCES.isdisjoint(words)


def _related() -> dict[str, frozenset[str]]:
    related: dict[str, frozenset[str]] = {}
    for group in ALIKE:
        stems = frozenset(map(stem, group))
        for word in stems:
            related[word] = related.get(word, frozenset()) | stems
    return related


def _phrases() -> dict[str, list[tuple[tuple[str, ...], frozenset[str]]]]:
    """The phrases and what they stand for, by their first words; all by their stems."""
    phrases: dict[str, list[tuple[tuple[str, ...], frozenset[str]]]] = {}
    for said, meant in PHRASES.items():
        words = tuple(map(stem, said))
        phrases.setdefault(words[0], []).append((words, frozenset(map(stem, meant))))
    return phrases


_RELATED = _related()
_PHRASES = _phrases()
