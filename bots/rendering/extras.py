"""What models write beyond CommonMark: mathematics, emoji by name, footnotes, line breaks in HTML.

Each is read where it stands, with no look at what comes later than `LONGEST_FORMULA` characters:
a text that is still being written must not change what was shown of it.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_inline import StateInline
from rich.emoji import Emoji

SOFT_BREAK = "\r"  # stands where a line of the source ends; no text that is printable holds it
LONGEST_FORMULA = 500  # characters between two signs of mathematics

_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
# $x$ is mathematics, US$5 and $HOME/$PATH are none: nothing may touch the outside of the signs.
_DOUBLE_DOLLARS = re.compile(rf"\$\$([^$`]{{1,{LONGEST_FORMULA}}})\$\$")
_DOLLARS = re.compile(rf"\$(?![\s\d$])([^$`]{{1,{LONGEST_FORMULA}}})(?<!\s)\$(?![\w$])")
_BRACKETS = re.compile(rf"\\\((?!\s*\\\))([^`]{{1,{LONGEST_FORMULA}}}?)\\\)")
_DISPLAY = re.compile(rf"\\\[(?=\s)([^`]{{1,{LONGEST_FORMULA}}}?)\\\]")

_EMOJI = re.compile(r"(?<![\w:]):[a-z0-9_+-]{1,60}:(?![\w:])")
_FOOTNOTE = re.compile(r"\[\^(\d{1,3})\]")
_FOOTNOTE_TEXT = re.compile(rf"(\A|{SOFT_BREAK})\[\^(\d{{1,3}})\]:(?=\s|\Z)")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_extras(parser: MarkdownIt) -> MarkdownIt:
    """Teach a parser mathematics, which becomes code, and line breaks in HTML.

    A table is one only if its header begins with |: any line could become a header otherwise.
    """
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.before("escape", "mathematics", _mathematics)
    parser.inline.ruler.before("escape", "line_break", _line_break)
    return parser


def with_signs(text: str, *, begins: bool) -> str:
    """Draw emoji that are named, and the numbers of footnotes; a soft break becomes a space.

    `begins` says that the text stands at the beginning of its paragraph.
    """
    if ":" in text:
        text = _EMOJI.sub(lambda name: Emoji.replace(name[0]), text)
    if "[^" in text:
        text = _FOOTNOTE_TEXT.sub(lambda found: _footnote(found, begins=begins), text)
        text = _FOOTNOTE.sub(lambda number: number[1].translate(_RAISED), text)
    return text.replace(SOFT_BREAK, " ")


def _footnote(found: re.Match[str], *, begins: bool) -> str:
    """Begin the text of a footnote, on a line of its own."""
    if not found[1] and not begins:
        return found[0]
    return ("\n" if found[1] else "") + found[2].translate(_RAISED)


def _mathematics(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    if state.pos and state.src[state.pos] == "$" and _touches(state.src[state.pos - 1]):
        return False
    for signs in (_DOUBLE_DOLLARS, _DOLLARS, _BRACKETS, _DISPLAY):
        if found := signs.match(state.src, state.pos, state.posMax):
            if not silent:
                token = state.push("code_inline", "code", 0)
                token.content = " ".join(found[1].split())
            state.pos = found.end()
            return True
    return False


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    begins = state.src.startswith("|", state.bMarks[start] + state.tShift[start])
    return begins and table(state, start, end, silent)


def _touches(before: str) -> bool:
    return before.isalnum() or before in "$_"


def _line_break(state: StateInline, silent: bool) -> bool:
    found = _BREAK.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True
