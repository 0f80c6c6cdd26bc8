"""Writes the answer: from the best passages, what fits the question. Pure."""

import re
from collections.abc import Iterator, Sequence

from core.documents import Passage
from core.domain import Answer, Citation
from core.local_engine.excerpt import excerpt
from core.local_engine.ranking import Match, Weighted

FIRST_LINE = "These passages of the documentation fit best:"
MUCH_WORSE = 0.5  # of the best score: a passage below it only distracts
# Characters of each passage, by how many there are: together they fit into one message everywhere.
ROOM = {1: (1500,), 2: (900, 600), 3: (800, 350, 350)}

_SPECIAL = re.compile(r"([\\`*_\[\]<~|])")


def write_answer(matches: Sequence[Match], weighted: Weighted) -> Answer:
    """Write down the best of the matches (there is one at least), each section of a page once."""
    passages = _worth_showing(matches)
    parts = [FIRST_LINE, *_parts(passages, weighted)]
    return Answer(text="\n\n".join(parts), citations=tuple(map(cite, passages)))


def cite(passage: Passage) -> Citation:
    """The passage's page, with its section where it has one."""
    path = _path(passage)
    title = path[0] if len(path) == 1 else f"{path[0]} › {path[-1]}"
    return Citation(url=passage.url, title=title)


def _worth_showing(matches: Sequence[Match]) -> list[Passage]:
    sections: dict[str, Passage] = {}
    for match in matches:
        if match.score >= MUCH_WORSE * matches[0].score:
            sections.setdefault(match.entry.passage.url, match.entry.passage)
    return list(sections.values())[: max(ROOM)]


def _parts(passages: Sequence[Passage], weighted: Weighted) -> Iterator[str]:
    for passage, room in zip(passages, ROOM[len(passages)], strict=True):
        # A heading is text of the page's: nothing in it may turn into markup here.
        title = _SPECIAL.sub(r"\\\1", " › ".join(_path(passage)))
        yield f"**{title}**\n\n{excerpt(passage.text, weighted, room)}"


def _path(passage: Passage) -> list[str]:
    return [passage.title, *(name for name in passage.headings if name != passage.title)]
