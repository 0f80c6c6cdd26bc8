"""How a terminal shows a reply: as Markdown, which rich draws."""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.markdown import Markdown

from bots.rendering.links import address
from bots.rendering.markdown import closed, printable
from core.domain import Reply
from core.replies import WAITS

_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
# Every address is shown in full and none can be clicked unseen, so that of a file is one too.
_parser.validateLink = lambda _: True  # type: ignore[method-assign,assignment]


def render(reply: Reply) -> list[str]:
    """Render a reply as Markdown, in one part: terminals have no limit. Never raises."""
    text = closed(printable(reply.text)).rstrip()
    return ["\n\n".join(filter(None, (text, *_footer(reply)))) or "…"]


def drawing(text: str) -> Markdown:
    """Make what rich draws of Markdown: links with their address, and HTML as it is written."""
    markdown = Markdown("", hyperlinks=False, code_theme="ansi_dark")
    # rich's own parser takes <name> for HTML, and leaves it out.
    markdown.parsed = _parser.parse(text)
    for token in markdown.parsed:
        token.children = list(_without_echoes(token.children or []))
    return markdown


def _without_echoes(tokens: Sequence[Token]) -> Iterator[Token]:
    """Leave out links whose text is their address: rich would show it twice."""
    echoes = 0
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.type == "link_open" and following and following.content == token.attrs["href"]:
            echoes += 1
        elif token.type == "link_close" and echoes:
            echoes -= 1
        else:
            yield token


def _footer(reply: Reply) -> Iterator[str]:
    if reply.links:
        yield f"**{_escape(reply.links_title)}**"
        yield "\n".join(
            f"{number}. {_escape(link.title)}\\\n   {_escape(address(link.url))}"
            for number, link in enumerate(reply.links, start=1)
        )
    for call in reply.waiting:
        yield f"*{_escape(WAITS)}* `{call.replace('`', ' ')}`"
    for note in reply.notes:
        yield f"*{_escape(note)}*"


def _escape(text: str) -> str:
    """Keep text on one line, and from being read as Markdown."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(printable(text).split()))
