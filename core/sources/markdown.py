"""Markdown pages: front matter off, links absolute, HTML within turned into Markdown.

The dialect that holds JSX, MDX, is in `mdx.py`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.errors import PageUnreadable
from core.sources.content import Content
from core.sources.front_matter import split_front_matter
from core.sources.html import html_to_content
from core.sources.links import Resolve
from core.sources.markdown_text import plain, rewrite

MAX_HTML_BLOCKS = 5_000  #: each is parsed by itself, which takes a fraction of a millisecond

# In angle brackets but none of these is a placeholder such as <token>, and stays.
_HTML_TAGS = frozenset(
    (
        *("a", "abbr", "article", "aside", "b", "big", "blockquote", "br", "center", "cite"),
        *("code", "dd", "del", "details", "div", "dl", "dt", "em", "figcaption", "figure", "font"),
        *("footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "iframe", "img"),
        *("ins", "kbd", "li", "main", "mark", "nav", "ol", "p", "picture", "pre", "q", "s"),
        *("samp", "section", "small", "source", "span", "strike", "strong", "sub", "summary"),
        *("sup", "svg", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul"),
        *("var", "video", "wbr"),
    )
)
# Behind a heading, in two ways: {#its-anchor} and [#its-anchor].
_CUSTOM_ID = re.compile(r"^([ ]{0,3}#{1,6}[ ].*?)[ ]*[{\[](#[\w.:-]+)[}\]][ ]*$", re.MULTILINE)
_CONTAINER = re.compile(r"^[ \t]*:{3,}[ \t]*(\w*)[ \t]*(?:\[(.*)\]|(.*?))[ \t]*$", re.MULTILINE)
_H1 = re.compile(r"^# (.+)$", re.MULTILINE)


def markdown_to_content(text: str, resolve: Resolve) -> Content:
    """Extract a Markdown page. Its title is the front matter's, else its first top heading."""
    title, text = split_front_matter(text)
    lines = text.split("\n")
    tokens = parse_blocks(text)
    title = title or top_heading(tokens)
    html_blocks = list(_html_blocks(tokens))
    if len(html_blocks) > MAX_HTML_BLOCKS:
        raise PageUnreadable(f"more than {MAX_HTML_BLOCKS:,} pieces of HTML")
    for start, end, html in html_blocks:
        converted = html_to_content(html, resolve).markdown
        # In place, so that the line numbers of the other blocks stay true.
        lines[start:end] = [converted, *[""] * (end - start - 1)]
        title = title or _h1(converted)
    code = lines_of(tokens, {"fence", "code_block", "html_block"})
    markdown = rewrite_text(lines, code, resolve, _HTML_TAGS.__contains__)
    return Content(title=title, markdown=markdown)


def parse_blocks(text: str, *, without: Sequence[str] = ()) -> list[Token]:
    """Find the blocks of a page; what is within paragraphs and headings is not parsed."""
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.block.ruler.disable(list(without))
    return parser.parse(text)


def lines_of(tokens: Iterable[Token], types: set[str]) -> set[int]:
    """Give the numbers of the lines that blocks of these types take."""
    return {
        line
        for token in tokens
        if token.type in types and token.map is not None
        for line in range(*token.map)
    }


def top_heading(tokens: Sequence[Token]) -> str:
    """Give the words of the first heading of level 1, "" where there is none."""
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1" and token.level == 0:
            return plain(_CUSTOM_ID.sub(r"\1", f"# {inline.content}")[2:])
    return ""


def rewrite_text(
    lines: Sequence[str], code: set[int], resolve: Resolve, is_tag: Callable[[str], bool]
) -> str:
    """Rewrite all that is not in a line of code, paragraph by paragraph."""
    return "\n".join(
        text if is_code else _rewrite_paragraph(text, resolve, is_tag)
        for is_code, text in _paragraphs(lines, code)
    )


def _paragraphs(lines: Sequence[str], code: set[int]) -> Iterator[tuple[bool, str]]:
    """Join the lines between blank ones: an unclosed backtick reaches no further than that."""
    numbered = enumerate(lines)
    for (is_code, _), group in groupby(
        numbered, key=lambda item: (item[0] in code, not item[1].strip())
    ):
        yield is_code, "\n".join(line for _, line in group)


def _rewrite_paragraph(text: str, resolve: Resolve, is_tag: Callable[[str], bool]) -> str:
    text = _CUSTOM_ID.sub(r"\1 {\2}", text)
    return rewrite(_CONTAINER.sub(_container_title, text), resolve, is_tag)


def _container_title(found: re.Match[str]) -> str:
    """`:::note Title` begins a box in several generators, and `:::` ends it."""
    title = found[2] or found[3] or found[1].capitalize()
    return f"**{title}**\n" if title else ""


def _html_blocks(tokens: Iterable[Token]) -> Iterator[tuple[int, int, str]]:
    for token in tokens:
        if token.type == "html_block" and token.level == 0 and token.map is not None:
            yield token.map[0], token.map[1], token.content


def _h1(markdown: str) -> str:
    """Find a heading that was written in HTML."""
    found = _H1.search(markdown)
    return plain(found[1]) if found else ""
