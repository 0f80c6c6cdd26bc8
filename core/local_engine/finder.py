"""Finds the passages that fit a question."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain

from core.domain import Citation
from core.local_engine.answer import cite
from core.local_engine.query import Term, read_questions
from core.local_engine.ranking import Match, Weighted, rank, weigh, what_counts
from core.local_engine.spelling import one_slip_away
from core.store.passages import Passages

LOOKED_AT = 5_000  # passages that the database ranks, so that its work ends in large indexes
CANDIDATES = 40  # of them, to be looked at closely
HELPS = 0.35  # coverage of the question from which on a passage may help
ANSWERS = 0.55  # … and from which on one of the first of them shows that there is an answer
FIRST = 3
LONG = 8  # a question that names more things than this is probably pasted
LEAST_SHARE = 0.45  # of HELPS and ANSWERS, for the longest questions
MISTYPED = 0.6  # how well a word stands for one that may be a slip of it
MOST_MISTYPED = 3  # words of one question that are looked up again
SOME_PART = 0.5  # what a part of an identifier weighs in the search


class PageFinder:
    """Looks questions up in the local index, for the local engine and without any."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages

    async def find(self, questions: Sequence[str]) -> tuple[list[Match], Weighted]:
        """Find what may answer the last of a thread's questions (oldest first), the best first.

        Nothing where the documentation has no answer. Also says what was looked for. Raises
        StoreError.
        """
        matches, weighted = await self._find(questions)
        needed = ANSWERS * _share_to_expect(weighted)
        answered = any(match.coverage >= needed for match in matches[:FIRST])
        return (matches if answered else []), weighted

    async def helpful_pages(self, question: str, limit: int) -> Sequence[Citation]:
        """Up to `limit` pages that may help with a question that got no answer, the best first.

        None where no page comes near it. Raises StoreError.
        """
        matches, _ = await self._find([question])
        pages: dict[str, Citation] = {}
        for match in matches:
            citation = cite(match.entry.passage)
            pages.setdefault(citation.url.partition("#")[0], citation)
        return list(pages.values())[:limit]

    async def _find(self, questions: Sequence[str]) -> tuple[list[Match], Weighted]:
        terms = read_questions(questions)
        if not terms:
            return [], []
        total, counts = await self._passages.frequencies(_words(terms))
        terms, counts = await self._allow_for_slips(terms, counts)
        weighted = weigh(terms, total, counts)
        found = await self._passages.search(_search_weights(weighted, counts), CANDIDATES)
        matches = rank(weighted, [entry for entry, _ in found])
        needed = HELPS * _share_to_expect(weighted)
        return [match for match in matches if match.coverage >= needed], weighted

    async def _allow_for_slips(
        self, terms: Sequence[Term], counts: dict[str, int]
    ) -> tuple[list[Term], dict[str, int]]:
        """Let the most common word that is a slip away from an unknown one stand for it."""
        unknown = [t for t in terms if not t.everyday and counts.keys().isdisjoint(_words([t]))]
        slips = {term.word: one_slip_away(term.word) for term in unknown[:MOST_MISTYPED]}
        _, known = await self._passages.frequencies(chain.from_iterable(slips.values()))
        mended = []
        for term in terms:
            possible = known.keys() & slips.get(term.word, ())
            meant = sorted(possible, key=lambda word: (known[word], word))[-1:]
            mended.append(replace(term, forms={**term.forms, **dict.fromkeys(meant, MISTYPED)}))
        return mended, counts | known


def _share_to_expect(weighted: Weighted) -> float:
    """What share of a question to look for: of a pasted log, no passage has every word."""
    topics = sum(not term.everyday for term, _ in what_counts(weighted))
    return min(1.0, max(LEAST_SHARE, LONG / max(topics, 1)))


def _words(terms: Iterable[Term]) -> set[str]:
    return {word for term in terms for word in (*term.forms, *term.parts)}


def _search_weights(weighted: Weighted, counts: Mapping[str, int]) -> dict[str, float]:
    """The words to search for and what each weighs: those that tell most, while it stays cheap."""
    weights: dict[str, float] = {}
    for term, weight in weighted:
        qualities = {**dict.fromkeys(term.parts, SOME_PART), **term.forms}
        for word in qualities.keys() & counts.keys():
            weights[word] = max(weights.get(word, 0.0), weight * qualities[word])
    heaviest = sorted(weights, key=lambda word: (-weights[word], word))
    reached = accumulate(counts[word] for word in heaviest)
    cheap = [
        word for word, passages in zip(heaviest, reached, strict=True) if passages <= LOOKED_AT
    ]
    return {word: weights[word] for word in cheap or heaviest[:1]}
