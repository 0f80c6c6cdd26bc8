"""Tells what of a text that is still being written can no longer change, whatever follows.

A block is settled when the next one has begun or an empty line stands after it. Of the last one,
code is settled line by line, and a paragraph up to a space before which every mark, link and code
span is closed: an asterisk may still make what follows bold, a bracket may become a link. A table
is settled as a whole, because the width of its columns is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markdown_it.common.utils import isWhiteSpace
from markdown_it.token import Token

from bots.rendering.blocks import Block, Fence, Item, Prose, Table
from bots.rendering.extras import LONGEST_FORMULA
from bots.rendering.markdown import Top, boxed, parser, printable, read, spans_of

LONGEST_HOLD = 200  # characters that are not shown yet because a mark or link may include them
LONGEST_BOX = 4  # characters that a task list's box may take

# A line that may become anything: signs and digits only, or the edge of a fence.
_UNDECIDED = re.compile(r"[\s>*+\-\d.)]*(?:[\s>*_+\-\d.)#`~|:=\\]*|(?:`{3,}|~{3,}).*)")

# At a space a text may be cut, and after these also without one.
_IDEOGRAPHS = "\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_CUT = re.compile(f"[ \t{_IDEOGRAPHS}]")

# What may begin a mark or a formula.
_SIGN = re.compile(r"[*_~`$]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """The blocks of a text that is still being written."""

    settled: tuple[Block, ...]  #: nothing changes them; the last one may go on if `goes_on`
    shown: tuple[Block, ...]  #: for now; the same but for the last one
    goes_on: bool
    top: Top  #: what stands before it is settled, and read on its own


def unfinished(text: str, *, ended: int = 0) -> Unfinished:
    """Read the beginning of a text, which has been through `decided`; never raises.

    `ended` is as for `read`.
    """
    reading = read(text, ended=ended)
    if not reading.blocks or not reading.last:
        return _as_it_is(reading.blocks[:-1], reading.top)
    *before, block = reading.blocks
    if _closed(block, reading.last, text):
        return _as_it_is(reading.blocks, reading.top)
    settled, shown = _last(block, reading.last, text)
    return Unfinished(
        settled=(*before, settled) if settled else tuple(before),
        shown=(*before, shown) if shown else tuple(before),
        goes_on=settled is not None,
        top=reading.top,
    )


def _as_it_is(blocks: Sequence[Block], top: Top) -> Unfinished:
    return Unfinished(settled=tuple(blocks), shown=tuple(blocks), goes_on=False, top=top)


def decided(text: str) -> str:
    """Leave the last line out while it may become anything; the text is printable then."""
    text = printable(text)
    start = text.rfind("\n") + 1
    return text[:start] if _UNDECIDED.fullmatch(text, start) else text


def _closed(block: Block, token: Token, text: str) -> bool:
    """Whether no further line can belong to the last block."""
    if not token.map:  # an item that is empty for now
        return False
    lines = text.count("\n")  # that are complete
    start, end = token.map
    single = (
        token.type == "hr"
        or (isinstance(block.content, Prose) and block.content.heading > 0)
        or (token.type == "fence" and end - start > token.content.count("\n") + 1)  # it has an end
    )
    return end <= lines if single else end < lines


def _last(block: Block, token: Token, text: str) -> tuple[Block | None, Block | None]:
    """Say what of the last block is settled, and what is shown of it for now."""
    match block.content:
        case Prose() as prose if not prose.heading and token.children is not None:
            item = isinstance(block.within[-1], Item) if block.within else False
            settled, shown = _paragraph(token, ended=text.endswith("\n"))
            return _prose(block, settled, item), _prose(block, shown, item)
        case Fence() as fence:
            lines = fence.code.split("\n")
            whole = text.endswith("\n") or (token.map or [0, 0])[1] <= text.count("\n")
            code = "\n".join(lines if whole else lines[:-1])
            return (replace(block, content=replace(fence, code=code)) if code else None), block
        case Table() as table if table.rows[1:] and not text.endswith("\n"):
            return None, replace(block, content=replace(table, rows=table.rows[:-1]))
        case Table():
            return None, block
    return None, None


def _prose(block: Block, inline: Sequence[Token], item: bool) -> Block | None:
    was = block.content
    spans = spans_of(inline)
    if not spans or not isinstance(was, Prose):
        return None
    drawn = boxed(spans) if item and was.spans[0].text[:1] in "☐☑" else spans
    return replace(block, content=replace(was, spans=drawn))


# --- paragraphs -----------------------------------------------------------------------------------


def _paragraph(token: Token, *, ended: bool) -> tuple[list[Token], list[Token]]:
    """Cut the last paragraph where it is settled, and where it is shown up to.

    `ended` says that its last line is complete.
    """
    children = token.children or []
    lines = token.content.split("\n")
    if lines[-1].startswith("|"):  # it may be the header of a table
        lines.pop()
        children = parser.parseInline("\n".join(lines))[0].children or []
        ended = True
    if ended and not (lines and lines[-1].endswith("\\")):
        children = [*children, Token("softbreak", "br", 0)]
    settled, held = _cuts(children)
    shown = held if _length(children, settled) > LONGEST_HOLD else settled
    return _until(children, settled), _until(children, shown)


Cut = tuple[int, int]  # a token's index, and how many characters of it come before the cut


def _cuts(children: Sequence[Token]) -> tuple[Cut, Cut]:
    """Find the last place that is settled, and the last one at all where a text may be cut."""
    places = [(0, 0), *_places(children)]
    pending = _first_pending(children)
    settled = [place for place in places if pending is None or place <= pending]
    return settled[-1], places[-1]


def _places(children: Sequence[Token]) -> Iterator[Cut]:
    """Find where a text may be cut: outside of all marks, and behind the box of a task."""
    depth = passed = 0
    is_boxed = not (children and children[0].type == "text" and children[0].content[:1] != "[")
    least = LONGEST_BOX if is_boxed else 0
    for index, child in enumerate(children):
        depth += child.nesting
        if not depth and child.type in ("softbreak", "hardbreak") and passed > least:
            yield index, 0
        elif not depth and child.type == "text":
            for cut in _CUT.finditer(child.content):
                at = cut.start()
                if passed + at > least and _may_end(child.content, at):
                    yield (index, at) if cut[0] in " \t" else (index, at + 1)
        passed += len(child.content) or 1


def _first_pending(children: Sequence[Token]) -> Cut | None:
    """Find the first sign that further text may make the beginning of something."""
    sign = next(_pending_signs(children), None)
    for opening, closing in _brackets(children):
        if closing is None or (sign and closing > sign):
            return min(opening, sign) if sign else opening
    return sign


def _pending_signs(children: Sequence[Token]) -> Iterator[Cut]:
    left = _length(children, (0, 0))
    for index, child in enumerate(children):
        if child.type == "text_special":
            if child.markup in ("\\(", "\\[") and left < LONGEST_FORMULA:
                yield index, 0
        elif child.type == "text":
            for sign in _SIGN.finditer(child.content):
                at = sign.start()
                formula = sign[0] == "$" and left - at < LONGEST_FORMULA
                if (formula and _opens_formula(child, at)) or _may_open(children, index, at):
                    yield index, at
        left -= len(child.content) or 1


def _may_end(text: str, at: int) -> bool:
    """Whether a cut may come at a space or after an ideograph: not within a line break of HTML."""
    return text[at] not in " \t" or text[max(0, at - 3) : at].lower() != "<br"


def _may_open(children: Sequence[Token], index: int, at: int) -> bool:
    """Whether a sign, which is text so far, may begin something that further text closes."""
    text = children[index].content
    sign = text[at]
    if sign not in "*_~`":
        return False
    after = text[at + 1] if at + 1 < len(text) else _first(children, index + 1)
    if sign == "`":
        return True
    if sign == "~" and after != "~" and (at == 0 or text[at - 1] != "~") and after:
        return False
    if sign == "_" and at and text[at - 1].isalnum() and after.isalnum():
        return False
    return not after or not isWhiteSpace(ord(after))


def _first(children: Sequence[Token], index: int) -> str:
    """The character that a token begins with; "" at the end, a sign for all but text."""
    if index >= len(children):
        return ""
    child = children[index]
    if child.type == "softbreak":
        return "\n"
    return child.content[:1] if child.type == "text" else "*"


def _opens_formula(child: Token, at: int) -> bool:
    after = child.content[at + 1 : at + 2]
    return not after or not (after.isspace() or after.isdigit())


def _brackets(children: Sequence[Token]) -> list[tuple[Cut, Cut | None]]:
    """Find the brackets that are text, in their order, and where each is closed.

    One that stands before a ( or the end may yet be a link: it counts as unclosed.
    """
    found: dict[Cut, Cut | None] = {}
    stack: list[Cut] = []
    for index, child in enumerate(children):
        if child.type != "text":
            continue
        for at, sign in enumerate(child.content):
            if sign == "[":
                stack.append((index, at))
                found[index, at] = None
            elif sign == "]" and stack:
                opening = stack.pop()
                after = child.content[at + 1 : at + 2] or _first(children, index + 1)
                found[opening] = None if after in ("", "(") else (index, at)
    return list(found.items())


def _length(children: Sequence[Token], cut: Cut) -> int:
    """How many characters stand after a cut."""
    index, at = cut
    return sum(len(child.content) or 1 for child in children[index:]) - at


def _until(children: Sequence[Token], cut: Cut) -> list[Token]:
    index, at = cut
    kept = list(children[:index])
    if at:
        kept.append(children[index].copy(content=children[index].content[:at]))
    return kept
