"""From the text of a page to its title and Markdown, by format.

CPU work of milliseconds to seconds: call it in a thread. Each format has a module of its own; this
one chooses, and holds to the promise that one strange page never stops a refresh.
"""

from collections.abc import Callable
from enum import StrEnum

from core.errors import PageEmpty, PageUnreadable
from core.sources.content import Content, one_line, tidy
from core.sources.html import html_to_content
from core.sources.links import Resolve
from core.sources.markdown import markdown_to_content
from core.sources.mdx import mdx_to_content
from core.sources.rst import rst_to_content
from core.sources.text import text_to_content

#: Part of every stamp. Raise it when pages come out differently, so that all are read again.
EXTRACTION = 3

MAX_MARKDOWN = 5_000_000  #: characters; a deeply indented page may grow far beyond its size


class Format(StrEnum):
    """How a page is written."""

    HTML = "html"
    MARKDOWN = "markdown"
    MDX = "mdx"
    RST = "rst"
    TEXT = "text"


BY_SUFFIX = {
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".mdx": Format.MDX,
    ".rst": Format.RST,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".txt": Format.TEXT,
}

_EXTRACTORS: dict[Format, Callable[[str, Resolve], Content]] = {
    Format.HTML: html_to_content,
    Format.MARKDOWN: markdown_to_content,
    Format.MDX: mdx_to_content,
    Format.RST: rst_to_content,
    Format.TEXT: text_to_content,
}


def extract(text: str, form: Format, *, name: str, resolve: Resolve) -> Content:
    """Extract a page's main content as tidy Markdown, its links made absolute by `resolve`.

    `name` is the title of a page that names none. Raises PageEmpty where there is no content, and
    PageUnreadable where a page is too large or too strange to be read.
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").lstrip("\ufeff")
    try:
        content = _EXTRACTORS[form](unified, resolve)
    except PageUnreadable:
        raise
    except RecursionError as problem:
        raise PageUnreadable("nested too deeply") from problem
    except Exception as problem:
        # The parsers under us are not made for hostile pages, and name no errors of theirs.
        raise PageUnreadable(f"not readable as {form} ({type(problem).__name__})") from problem
    if len(content.markdown) > MAX_MARKDOWN:
        raise PageUnreadable(f"more than {MAX_MARKDOWN:,} characters of text")
    markdown = tidy(content.markdown)
    if not any(character.isalnum() for character in markdown):
        raise PageEmpty("no content")
    title = one_line(content.title) or name
    return Content(title=title, markdown=markdown, canonical=content.canonical)
