"""Finds the section of a page that a sentence rests on, so that a citation can lead to it."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from core.documents import Page
from core.domain import Citation
from core.local_engine.answer import cite
from core.local_engine.passages import cut
from core.local_engine.words import words_of

COVERED = 0.5  # of what the sentence says, that a section has to hold
CLEARLY = 1.2  # times more than any other section: else the page itself is cited
FEWEST_WORDS = 3  # of a sentence: fewer fit by chance

GetPages = Callable[[Sequence[str]], Awaitable[Sequence[Page]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sections:
    """Leads citations to the sections that they rest on."""

    get_pages: GetPages  #: pages by their addresses; those that there are not are left out

    async def locate(self, citation: Citation, sentence: str) -> Citation:
        """Return the citation of the section of the page that holds what the sentence says.

        That of the whole page where no section clearly does. Raises StoreError.
        """
        pages = await self.get_pages([citation.url])
        if not pages:
            return citation
        # In a thread: cutting a long page takes as long as many questions.
        section = await asyncio.to_thread(section_of, pages[0], sentence)
        return section or citation


def section_of(page: Page, sentence: str) -> Citation | None:
    """The one section of a page that clearly holds what a sentence says, or None."""
    said = set(words_of(sentence))
    sections: dict[str, set[str]] = defaultdict(set)
    named: dict[str, Citation] = {}
    for passage in cut(page):
        sections[passage.url] |= set(words_of(" ".join((*passage.headings, passage.text))))
        named.setdefault(passage.url, cite(passage))
    if len(said) < FEWEST_WORDS or len(sections) < 2:
        return None
    best, second = _ranked(sections, said)
    if best[0] < COVERED or best[0] < CLEARLY * second[0]:
        return None
    return named[best[1]]


def _ranked(sections: Mapping[str, set[str]], said: set[str]) -> list[tuple[float, str]]:
    """The two best sections, with the share of the sentence that each holds.

    A word that stands in every section of the page tells little.
    """
    spread = Counter(word for words in sections.values() for word in words & said)
    weights = {word: math.log(1 + len(sections) / (1 + spread[word])) for word in said}
    whole = sum(weights.values())
    shares = [
        (sum(weights[word] for word in words & said) / whole, url)
        for url, words in sections.items()
    ]
    return sorted(shares, reverse=True)[:2]
