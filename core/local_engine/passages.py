"""Cuts a page into passages: by its headings, and long sections between their paragraphs. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.documents import Page, Passage

LONGEST = 1500  # characters of a passage, about what a person takes in at a glance
LONGEST_CODE = 3000  # characters of a code block that is still kept whole
TINY = 80  # characters: a section that says less goes with the section it belongs to

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_GIVEN_ANCHOR = re.compile(r"\s*\{#([\w.:-]+)\s*\}\s*$")  # "Heading {#its-anchor}"
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A paragraph, list, table or code block, as it is written."""

    kind: str  #: "h1" to "h6"; else as markdown-it has it: "paragraph", "table", "fence", …
    text: str


@dataclass(kw_only=True, slots=True)
class _Section:
    headings: tuple[str, ...] = ()
    anchor: str = ""  #: "" for the top of the page
    blocks: list[Block] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(len(block.text) for block in self.blocks)


def cut(page: Page) -> list[Passage]:
    """Cut a page into passages, in their order; none where it has no text.

    Headings become the passages' paths and anchors. A code block stays whole where it can.
    """
    return [
        Passage(
            url=_with_anchor(page.url, section.anchor),
            title=page.title,
            headings=section.headings,
            text=text,
        )
        for section in _join_tiny(_sections(page))
        for text in _fill(section.blocks)
    ]


def blocks_of(markdown: str) -> list[Block]:
    """The blocks of a text in their order."""
    return [block for block, _ in _read(markdown)]


def _read(markdown: str) -> Iterator[tuple[Block, Token]]:
    """Each block of a text, with the token that has its words where it is a heading."""
    # As markdown-it counts lines: str.splitlines would count form feeds and others as well.
    lines = markdown.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    tokens = _MARKDOWN.parse(markdown)
    for number, token in enumerate(tokens):
        if token.level or token.nesting < 0 or not token.map:
            continue
        start, end = token.map
        text = "\n".join(lines[start:end]).rstrip()
        if token.type == "heading_open":
            yield Block(kind=token.tag, text=text), tokens[number + 1]
        else:
            yield Block(kind=token.type.removesuffix("_open"), text=text), token


def _sections(page: Page) -> list[_Section]:
    sections = [_Section()]
    path: list[tuple[str, str]] = []
    anchors: dict[str, int] = {}
    for block, words in _read(page.markdown):
        if block.kind in _HEADINGS:
            heading, anchor = _heading(words, anchors)
            path = [*(above for above in path if above[0] < block.kind), (block.kind, heading)]
            is_top = len(sections) == 1 and (block.kind == "h1" or heading == page.title)
            headings = tuple(name for _, name in path)
            sections.append(_Section(headings=headings, anchor="" if is_top else anchor))
        elif not block.text.startswith("<!--"):
            sections[-1].blocks.append(block)
    return sections


def _heading(inline: Token, taken: dict[str, int]) -> tuple[str, str]:
    """A heading's words without their markup, and its anchor."""
    kinds = ("text", "code_inline", "softbreak")
    children = [child for child in inline.children or () if child.type in kinds]
    text = "".join(child.content or " " for child in children).strip()
    if given := _GIVEN_ANCHOR.search(text):
        return text[: given.start()], given.group(1)
    # As GitHub does it, and most documentation tools after it.
    anchor = _NOT_IN_ANCHOR.sub("", text.lower()).replace(" ", "-")
    times = taken.get(anchor, 0)
    taken[anchor] = times + 1
    return text, f"{anchor}-{times}" if times else anchor


def _with_anchor(url: str, anchor: str) -> str:
    return f"{url}#{anchor}" if anchor and "#" not in url else url


def _join_tiny(sections: Sequence[_Section]) -> list[_Section]:
    """Put sections of a few words into the section they belong to, where they follow on it."""
    has_sections = {section.headings[:-1] for section in sections if section.headings}
    joined: list[_Section] = []
    for section in sections:
        above = joined[-1] if joined else _Section()
        is_tiny = 0 < section.size < TINY and section.headings not in has_sections
        belongs = len(section.headings) > 1 and above.headings == section.headings[:-1]
        if is_tiny and belongs and above.size + section.size < LONGEST:
            name = Block(kind="paragraph", text=f"**{section.headings[-1]}**")
            above.blocks += [name, *section.blocks]
        else:
            joined.append(section)
    return joined


def _fill(blocks: Iterable[Block]) -> Iterator[str]:
    """Put blocks together to texts of at most LONGEST characters, or of one long code block."""
    text = ""
    for block in blocks:
        for piece in _pieces(block):
            if text and len(text) + len(piece) + 2 > LONGEST:
                yield text
                text = ""
            text = f"{text}\n\n{piece}" if text else piece
    if text.strip():
        yield text


def _pieces(block: Block) -> Iterator[str]:
    """Cut a block that is too long; each piece of a table or of code is one again."""
    if len(block.text) <= (LONGEST_CODE if block.kind == "fence" else LONGEST):
        yield block.text
        return
    lines = block.text.split("\n")
    if block.kind == "fence" and (fence := _FENCE.match(lines[0])):
        inside = lines[1:-1] if _FENCE.match(lines[-1]) else lines[1:]
        yield from _frame(inside, lines[0] + "\n", "\n" + fence.group(1))
    elif block.kind == "table":
        yield from _frame(lines[2:], "\n".join(lines[:2]) + "\n", "")
    elif block.kind == "paragraph":
        yield from _frame(_SENTENCE_END.split(block.text), "", "", between=" ")
    else:
        yield from _frame(lines, "", "")


def _frame(parts: Iterable[str], head: str, tail: str, between: str = "\n") -> Iterator[str]:
    """Put parts together to pieces of at most LONGEST characters, each with head and tail."""
    if len(head) + len(tail) > LONGEST // 2:
        head = tail = ""
    room = LONGEST - len(head) - len(tail)
    inside = ""
    for part in parts:
        for start in range(0, max(len(part), 1), room):
            bit = part[start : start + room]
            if inside and len(inside) + len(bit) + len(between) > room:
                yield head + inside + tail
                inside = ""
            inside = f"{inside}{between}{bit}" if inside else bit
    if inside:
        yield head + inside + tail
