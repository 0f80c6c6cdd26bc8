"""MDX pages: Markdown with JSX, of which only the text is kept."""

import re
from collections.abc import Sequence
from itertools import pairwise

from markdown_it.token import Token

from core.sources.content import Content
from core.sources.front_matter import split_front_matter
from core.sources.links import Resolve
from core.sources.markdown import lines_of, parse_blocks, rewrite_text, top_heading

_IMPORT_OR_EXPORT = re.compile(
    r"import\s+(?:[\"']|[\w*{$][^\n]*\bfrom\b|[\w$*, ]*\{)"
    r"|export\s+(?:default|const|let|var|function|class|async|\{|\*)"
)


def mdx_to_content(text: str, resolve: Resolve) -> Content:
    """Extract an MDX page: imports, exports, comments and tags go, the text in them stays."""
    title, text = split_front_matter(text)
    # MDX knows neither HTML blocks nor code by indentation: children of a component are indented.
    tokens = parse_blocks(text, without=["html_block", "code"])
    lines = _dedented(text.split("\n"), tokens)
    for token, inline in pairwise(tokens):
        if (
            token.type == "paragraph_open"
            and token.level == 0
            and token.map is not None
            and _IMPORT_OR_EXPORT.match(inline.content)
        ):
            lines[slice(*token.map)] = [""] * (token.map[1] - token.map[0])
    markdown = rewrite_text(lines, lines_of(tokens, {"fence"}), resolve, lambda name: True)
    return Content(title=title or top_heading(tokens), markdown=markdown)


def _dedented(lines: list[str], tokens: Sequence[Token]) -> list[str]:
    """Move each outermost block to the left margin, as it was meant inside of its component."""
    for token in tokens:
        if token.level == 0 and token.map is not None:
            start, end = token.map
            margin = len(lines[start]) - len(lines[start].lstrip(" "))
            for number in range(start, end):
                indent = len(lines[number]) - len(lines[number].lstrip(" "))
                lines[number] = lines[number][min(margin, indent) :]
    return lines
