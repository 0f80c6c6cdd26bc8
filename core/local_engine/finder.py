"""Finds the passages that fit a question."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate

from core.documents import Passage
from core.domain import Citation
from core.local_engine.answer import cite
from core.local_engine.mending import mend
from core.local_engine.query import read_questions, words_in
from core.local_engine.ranking import Match, Weighted, rank, weigh, what_counts
from core.store.passages import Entry, Passages

LOOKED_AT = 2_500  # passages that the database ranks, so that its work ends in large indexes
CANDIDATES = 80  # of them, to be looked at closely
HELPS = 0.35  # coverage of the question from which on a passage may help
ANSWERS = 0.55  # … and from which on one of the first of them shows that there is an answer
FIRST = 3
FEW = 3  # words to look for where each of them is in most passages
LONG = 8  # a question that names more things than this is probably pasted
LEAST_SHARE = 0.45  # of HELPS and ANSWERS, for the longest questions
SOME_PART = 0.5  # what a part of an identifier weighs in the search


class PageFinder:
    """Looks questions up in the local index, for the local engine and without any."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages

    async def find(
        self, questions: Sequence[str], sources: Sequence[str] = ()
    ) -> tuple[list[Match], Weighted]:
        """Find what may answer the last of a thread's questions (oldest first), the best first.

        Nothing where the documentation has no answer. Also says what was looked for. Only in pages
        of `sources`, where any are named. Raises StoreError.
        """
        matches, weighted = await self._find(questions, sources)
        needed = ANSWERS * _share_to_expect(weighted)
        answered = any(match.coverage >= needed for match in matches[:FIRST])
        return (matches if answered else []), weighted

    async def helpful_pages(
        self, question: str, limit: int, sources: Sequence[str] = ()
    ) -> Sequence[Citation]:
        """Up to `limit` pages that may help with a question that got no answer, the best first.

        None where no page comes near it. Only those of `sources`, where any are named. Raises
        StoreError.
        """
        return await self.pages([question], limit, sources)

    async def pages(
        self, questions: Sequence[str], limit: int, sources: Sequence[str] = ()
    ) -> Sequence[Citation]:
        """The pages that come nearest to the last of a thread's questions, the best first.

        Whether or not they answer it. Raises StoreError.
        """
        matches, _ = await self._find(questions, sources)
        pages: dict[str, Citation] = {}
        for match in matches:
            citation = cite(match.entry.passage)
            pages.setdefault(citation.url.partition("#")[0], citation)
        return list(pages.values())[:limit]

    async def passages(self, words: str, limit: int) -> Sequence[tuple[Passage, float]]:
        """Up to `limit` passages that come near the words, the best first, each with its coverage.

        Also where the documentation has no answer: to show what there is. Raises StoreError.
        """
        matches, _ = await self._find([words])
        return [(match.entry.passage, match.coverage) for match in matches[:limit]]

    async def _find(
        self, questions: Sequence[str], sources: Sequence[str] = ()
    ) -> tuple[list[Match], Weighted]:
        terms = read_questions(questions)
        if not terms:
            return [], []
        total, counts = await self._passages.frequencies(words_in(terms))
        terms, counts = await mend(terms, counts, self._passages.frequencies)
        weighted = weigh(terms, total, counts)
        weights = _search_weights(weighted, counts)
        candidates = await self._candidates(weights, total, counts, sources)
        matches = rank(weighted, candidates)
        needed = HELPS * _share_to_expect(weighted)
        return [match for match in matches if match.coverage >= needed], weighted

    async def _candidates(
        self,
        weights: Mapping[str, float],
        total: int,
        counts: Mapping[str, int],
        sources: Sequence[str],
    ) -> list[Entry]:
        """What the database finds for these words: for those that tell most, while it is cheap."""
        heaviest = sorted(weights, key=lambda word: (-weights[word], word))
        reached = accumulate(counts[word] for word in heaviest)
        cheap = [
            word
            for word, passages in zip(heaviest, reached, strict=True)
            if min(passages, total) <= LOOKED_AT
        ]
        search = partial(self._passages.search, sources=sources)
        if cheap:
            found = await search({word: weights[word] for word in cheap}, CANDIDATES)
        else:  # most passages have any of the words: it is about those that are named after one
            names = {word: weights[word] for word in heaviest[:FEW]}
            found = await search(names, CANDIDATES, named=True)
        return [entry for entry, _ in found]


def _share_to_expect(weighted: Weighted) -> float:
    """What share of a question to look for: of a pasted log, no passage has every word."""
    topics = sum(not term.everyday for term, _ in what_counts(weighted))
    return min(1.0, max(LEAST_SHARE, LONG / max(topics, 1)))


def _search_weights(weighted: Weighted, counts: Mapping[str, int]) -> dict[str, float]:
    """The words to search for, of those that the index has, and what each weighs."""
    weights: dict[str, float] = {}
    for term, weight in weighted:
        qualities = {**dict.fromkeys(term.parts, SOME_PART), **term.forms}
        for word in qualities.keys() & counts.keys():
            weights[word] = max(weights.get(word, 0.0), weight * qualities[word])
    return weights
