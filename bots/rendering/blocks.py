"""The values that a reply is read into: blocks with their surroundings, and spans of text.

No parsing and no output here. The blocks of a reply are one flat sequence: a list or a quote is no
block that holds others, it is a container that each block inside it names. So nothing recurses,
however deeply a text nests.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Literal


class Mark(StrEnum):
    """How a span stands out."""

    BOLD = "bold"
    ITALIC = "italic"
    STRIKE = "strike"
    CODE = "code"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Text in one style, without markup of its own; a newline is a line break that was meant."""

    text: str
    marks: tuple[Mark, ...] = ()  #: outermost first
    url: str | None = None  #: where the text links to, as written; "" text is a bare address


@dataclass(frozen=True, kw_only=True, slots=True)
class Prose:
    """A paragraph or a heading."""

    spans: tuple[Span, ...] = ()
    heading: int = 0  #: 1 to 6; 0 for a paragraph


@dataclass(frozen=True, kw_only=True, slots=True)
class Fence:
    """Code, shown as it is."""

    code: str
    language: str = ""
    heading: int = 0  #: how many of its first lines every part repeats; there are more lines


Cell = tuple[Span, ...]
Align = Literal["left", "center", "right"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of cells, all of the same length."""

    rows: tuple[tuple[Cell, ...], ...]  #: the header first
    aligns: tuple[Align, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Quote:
    """A block quote. Two quotes are never equal: each is the one that it is."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Item:
    """An item of a list. Two items are never equal: each is the one that it is."""

    number: int | None = None  #: None for a bullet


Container = Quote | Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Content and where it stands."""

    content: Prose | Fence | Table
    within: tuple[Container, ...] = ()  #: outermost first
    spaced: bool = True  #: a blank line stands before it


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Join neighbours of plain text in the same style, so that whoever reads them sees it whole."""
    for (marks, url), group in groupby(spans, key=lambda span: (span.marks, span.url)):
        if url is None and Mark.CODE not in marks:
            yield Span(text="".join(span.text for span in group), marks=marks)
        else:
            yield from group
