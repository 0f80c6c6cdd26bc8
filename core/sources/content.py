"""What is left of a page when its format is gone: a title and Markdown.

The formats themselves have a module each; `extract.py` chooses among them.
"""

import re
import unicodedata
from dataclasses import dataclass

MAX_TITLE = 200  #: characters; longer titles are cut

# Control characters and halves of surrogate pairs, which Postgres or UTF-8 refuses; byte order
# marks and soft hyphens, which hide words from a search.
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\xad\ud800-\udfff\ufeff\ufffe\uffff]")
_TRAILING_SPACE = re.compile(r"[ \t\u00a0]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """The main content of a page as Markdown. An empty title means that the page names none."""

    title: str
    markdown: str
    canonical: str | None = None  #: what an HTML page says its address is, as written


def tidy(markdown: str) -> str:
    """Write Markdown the one way that is hashed and stored: a change is then a change of content.

    Line feeds only, no spaces at the end of a line, no two blank lines in a row, Unicode NFC.
    """
    text = markdown.replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", _UNWANTED.sub("", text))
    return _BLANK_LINES.sub("\n\n", _TRAILING_SPACE.sub("", text)).strip("\n")


def one_line(text: str) -> str:
    """Write a title on one line, cut to `MAX_TITLE` characters."""
    line = " ".join(unicodedata.normalize("NFC", _UNWANTED.sub("", text)).split())
    return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1].rstrip()}…"
