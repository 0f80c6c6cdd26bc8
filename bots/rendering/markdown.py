"""Reads Markdown into blocks: CommonMark with tables, ~~strikethrough~~, task lists and `extras`.

Whatever the text is, reading it ends soon and loses no word: from where a text is too long or nests
too deeply to be meant as Markdown, it is taken as plain paragraphs. HTML is text like any other.

Text is read from the front while it is being written (see `growing`), so what stands further down
never says what became of a block that is complete: links by reference and headings that are
underlined are text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bots.rendering.blocks import (
    Align,
    Block,
    Cell,
    Container,
    Fence,
    Item,
    Mark,
    Prose,
    Quote,
    Span,
    Table,
    joined,
)
from bots.rendering.extras import SOFT_BREAK, with_extras, with_signs
from bots.rendering.links import bare_addresses, linkable

LONGEST_MARKDOWN = 40_000  # characters; the parser takes up to a second for hostile ones
DEEPEST_NESTING = 50  # containers; the parser drops what is nested deeper, and recurses for each

RULE = "─" * 10

#: Reads all that is shown. Tokens of escaped characters are told from those of text.
parser = with_extras(
    MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST_NESTING})
    .enable(["table", "strikethrough"])
    .disable(["reference", "lheading", "text_join"])
)

# Control characters reach terminals; half a surrogate pair cannot be encoded; U+202D and U+202E
# reverse what follows them, which could be the address that a link is shown with.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")

_BOXES = {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}

_MARKS = {"strong": Mark.BOLD, "em": Mark.ITALIC, "s": Mark.STRIKE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Top:
    """Where the last block begins that stands in no list or quote: all before it are complete."""

    line: int = 0  #: its first one, counted from 0
    blocks: int = 0  #: how many come before it
    ended: int = 0  #: the line after the last one of these


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a text was read into."""

    blocks: tuple[Block, ...]
    last: Token | None  #: what the last block was made of; None where no more can become of it
    top: Top = Top()


def parse(text: str) -> tuple[Block, ...]:
    """Read Markdown; never raises."""
    return read(text).blocks


def read(text: str, *, ended: int = 0) -> Reading:
    """Read Markdown, and say what the last block was made of; never raises.

    `ended` is the line at which blocks before the text ended, counted from its first one.
    """
    text = printable(text)
    text, rest = text[:LONGEST_MARKDOWN], text[LONGEST_MARKDOWN:]
    tokens = parser.parse(text)
    deep = next((token for token in tokens if token.level >= DEEPEST_NESTING - 1), None)
    if deep:
        lines = text.split("\n")
        line = deep.map[0] if deep.map else 0
        text, rest = "\n".join(lines[:line]), "\n".join(lines[line:]) + rest
        tokens = parser.parse(text)
    reader = _Reader(ended)
    for token in tokens:
        reader.take(token)
    if rest:
        return Reading(blocks=(*reader.blocks, *_plain(rest)), last=None)
    return Reading(blocks=tuple(reader.blocks), last=reader.last, top=reader.top)


def closed(text: str) -> str:
    """End a fence that a text leaves open, so that more can be written after it."""
    tokens = parser.parse(text)
    last = tokens[-1] if tokens else None
    if last is None or last.type != "fence" or not last.map:
        return text
    lines = text.split("\n")[last.map[0] + 1 : last.map[1]]
    ends = bool(lines) and lines[-1].strip().startswith(last.markup)
    return text if ends else f"{text}\n{last.markup}"


def printable(text: str) -> str:
    """Take characters away that are no text but could act on whoever shows them."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _plain(text: str) -> tuple[Block, ...]:
    paragraphs = re.split(r"\n\s*\n", text)
    return tuple(
        Block(content=Prose(spans=tuple(bare_addresses(Span(text=paragraph.strip("\n"))))))
        for paragraph in paragraphs
        if paragraph.strip()
    )


class _Reader:
    """Takes the parser's tokens one after the other and keeps track of what is open."""

    def __init__(self, ended: int) -> None:
        self.blocks: list[Block] = []
        self.last: Token | None = None
        self.top = Top()
        self._within: list[Container] = []
        self._numbers: list[int | None] = []  # of each open list: its next number, None for bullets
        self._heading = 0
        self._table: _OpenTable | None = None
        self._line = ended  # of the source: where the last block ended

    def take(self, token: Token) -> None:
        if token.level == 0 and token.nesting >= 0 and token.map:
            self.top = Top(line=token.map[0], blocks=len(self.blocks), ended=self._line)
        match token.type:
            case "inline" if self._table:
                self._table.rows[-1].append(spans_of(token.children or ()))
            case "inline":
                spans = self._boxed(spans_of(token.children or ()))
                self._add(Prose(spans=spans, heading=self._heading), token)
            case "fence" | "code_block":
                self._add(Fence(code=token.content.removesuffix("\n"), language=token.info), token)
            case "hr":
                self._add(Prose(spans=(Span(text=RULE),)), token)
            case "heading_open":
                self._heading = int(token.tag[1:])
            case "heading_close":
                self._heading = 0
            case "table_open" | "tr_open" | "th_open" | "table_close":
                self._take_table(token)
            case _:
                self._take_container(token)

    def _take_container(self, token: Token) -> None:
        match token.type:
            case "blockquote_open":
                self._within.append(Quote())
            case "bullet_list_open":
                self._numbers.append(None)
            case "ordered_list_open":
                start = token.attrGet("start")
                self._numbers.append(1 if start is None else int(start))
            case "list_item_open":
                number = self._numbers[-1]
                self._within.append(Item(number=number))
                self._numbers[-1] = None if number is None else number + 1
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
            case "list_item_close" if self._starts_item():
                self._add(Prose(), token)
                self._within.pop()
            case "blockquote_close" | "list_item_close":
                self._within.pop()

    def _take_table(self, token: Token) -> None:
        if token.type == "table_open":
            self._table = _OpenTable(token)
        elif self._table and token.type == "tr_open":
            self._table.rows.append([])
        elif self._table and token.type == "th_open":
            self._table.aligns.append(_align(token))
        elif self._table:
            table, self._table = self._table, None
            rows = tuple(tuple(row) for row in table.rows)
            self._add(Table(rows=rows, aligns=tuple(table.aligns)), table.opened)

    def _starts_item(self) -> bool:
        """Whether the innermost container is a list item that has no block yet."""
        last = self.blocks[-1].within if self.blocks else ()
        inner = self._within[-1] if self._within else None
        return isinstance(inner, Item) and inner not in last

    def _boxed(self, spans: tuple[Span, ...]) -> tuple[Span, ...]:
        """Draw the box of a task list's item."""
        return boxed(spans) if self._starts_item() else spans

    def _add(self, content: Prose | Fence | Table, token: Token) -> None:
        start, end = token.map or (self._line, self._line + 1)  # an empty item has none
        spaced = start > self._line
        self.blocks.append(Block(content=content, within=tuple(self._within), spaced=spaced))
        self._line = max(end, self._line)
        self.last = token


class _OpenTable:
    """A table whose end is still to come."""

    def __init__(self, opened: Token) -> None:
        self.opened = opened
        self.rows: list[list[Cell]] = []
        self.aligns: list[Align] = []


def _align(token: Token) -> Align:
    style = str(token.attrGet("style") or "")
    return "right" if "right" in style else "center" if "center" in style else "left"


def boxed(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Draw the box of a task list's item, where it begins with one."""
    if not (spans and spans[0].text[:4] in _BOXES):
        return spans
    first = spans[0]
    return (replace(first, text=_BOXES[first.text[:4]] + first.text[4:]), *spans[1:])


def spans_of(inline: Iterable[Token]) -> tuple[Span, ...]:
    """Read what stands in one paragraph, heading or cell."""
    spans: list[Span] = []
    marks: list[Mark] = []
    link: Span | None = None  # the open one; its label loses its marks
    for token in inline:
        kind, _, edge = token.type.rpartition("_")
        if token.type == "link_open":
            link = _link(token, tuple(marks))
            spans += [] if link else [Span(text="<", marks=tuple(marks))]
        elif token.type == "link_close":
            spans.append(link or Span(text=">", marks=tuple(marks)))
            link = None
        elif kind in _MARKS:
            marks = [*marks, _MARKS[kind]] if edge == "open" else marks[:-1]
        elif link:
            link = replace(link, text=link.text + _text(token))
        else:
            spans.append(_span(token, tuple(marks)))
    return tuple(_with_addresses(spans))


def _link(token: Token, marks: tuple[Mark, ...]) -> Span | None:
    """Open a link, unless it is a <name:of> something that only looks like an address."""
    url = str(token.attrGet("href") or "")
    return (
        None if token.info == "auto" and not linkable(url) else Span(text="", marks=marks, url=url)
    )


def _span(token: Token, marks: tuple[Mark, ...]) -> Span:
    match token.type:
        case "code_inline" if token.content.strip():
            return Span(text=token.content.strip(), marks=(*marks, Mark.CODE))
        case "image":
            return Span(text=_text(token), marks=marks, url=str(token.attrGet("src") or ""))
        case "hardbreak":
            return Span(text="\n", marks=marks)
        case _:
            return Span(text=_text(token), marks=marks)


def _text(token: Token) -> str:
    if token.type == "image":
        return "".join(_text(child) for child in token.children or ())
    return SOFT_BREAK if token.type in ("softbreak", "hardbreak") else token.content


def _with_addresses(spans: Iterable[Span]) -> Iterator[Span]:
    for number, span in enumerate(joined(spans)):
        if span.url is None and Mark.CODE not in span.marks:
            text = with_signs(span.text, begins=number == 0)
            yield from bare_addresses(replace(span, text=text))
        else:
            yield replace(span, text=span.text.replace(SOFT_BREAK, " "))
