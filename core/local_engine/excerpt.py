"""Shortens a passage to what fits the question best. Pure."""

import re
from collections.abc import Iterator, Sequence

from core.local_engine.passages import Block, blocks_of
from core.local_engine.ranking import Weighted, presence
from core.local_engine.words import words_of

MORE = "…"  # stands where something is left out

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def excerpt(markdown: str, weighted: Weighted, room: int) -> str:
    """About `room` characters of a text, from where it fits the question best.

    It is cut between blocks where that goes, else between lines or sentences. A code block that
    is cut is closed again.
    """
    if len(markdown) <= room:
        return _closed(markdown)
    blocks = blocks_of(markdown) or [Block(kind="paragraph", text=markdown)]
    start = _best([block.text for block in blocks], weighted)
    if start and blocks[start - 1].text.endswith(":") and len(blocks[start - 1].text) < room // 2:
        start -= 1  # "Run this:" belongs to what follows it
    kept: list[str] = []
    for block in blocks[start:]:
        left = room - sum(map(len, kept))
        if len(block.text) > left:
            # What is left of the room is not worth a snippet, unless there is nothing else.
            if not kept:
                kept.append(_shortened(block, weighted, left))
            else:
                announces_it = kept[-1].endswith(":") and len(kept) > 1
                kept = [*kept[: -1 if announces_it else None], MORE]
            break
        kept.append(block.text)
    if start and blocks[start].kind == "paragraph" and not kept[0].startswith(MORE):
        kept[0] = f"{MORE} {kept[0]}"
    return _closed("\n\n".join(kept))


def _shortened(block: Block, weighted: Weighted, room: int) -> str:
    if block.kind != "paragraph":
        lines = block.text.split("\n")
        return _closed("\n".join([*_fitting(lines, room), MORE]))
    sentences = _SENTENCE_END.split(block.text)
    start = _best(sentences, weighted)
    lead = [MORE] if start else []
    return " ".join([*lead, *_fitting(sentences[start:], room), MORE])


def _fitting(parts: Sequence[str], room: int) -> Iterator[str]:
    """The parts that fit, and of the first at least its beginning."""
    yield parts[0] if len(parts[0]) <= room else parts[0][:room].rsplit(" ", 1)[0]
    left = room - len(parts[0])
    for part in parts[1:]:
        left -= len(part) + 1
        if left < 0:
            return
        yield part


def _best(texts: Sequence[str], weighted: Weighted) -> int:
    """The number of the first of those texts that have most of what was asked for."""
    values = []
    for text in texts:
        words = set(words_of(text))
        values.append(sum(weight * presence(term, words) for term, weight in weighted))
    return values.index(max(values))


def _closed(markdown: str) -> str:
    """The text with a code block closed that it leaves open."""
    fence = ""
    for line in markdown.split("\n"):
        match = _FENCE.match(line)
        if fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence and match:
            fence = match.group(1)
            indent = line[: match.start(1)]
    return f"{markdown}\n{indent}{fence}" if fence else markdown
