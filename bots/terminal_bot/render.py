"""How a terminal shows a reply: as Markdown, which rich draws.

In a pipe it is drawn without a width: no line is wrapped, so that addresses stay whole, or padded.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.markdown import Heading, HorizontalRule, Markdown, MarkdownElement, TableElement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from bots.rendering.links import address
from bots.rendering.markdown import closed, printable
from core.domain import Reply
from core.replies import WAITS

_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
# Every address is shown in full and none can be clicked unseen, so that of a file is one too.
_parser.validateLink = lambda _: True  # type: ignore[method-assign,assignment]

RULE = 40  # cells of a line across


class LeftHeading(Heading):
    """A heading that begins where the text does."""

    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}  # rich's own centres the first level


class ShortRule(HorizontalRule):
    """A line across."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, but not as wide as a pipe may be."""
        yield Text("-" * min(options.max_width, RULE), "markdown.hr")
        yield Text()


class FoldedTable(TableElement):
    """A table in which words that are too long go on in the next line; rich's own cuts them."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        for table in super().__rich_console__(console, options):
            for column in table.columns if isinstance(table, Table) else ():
                column.overflow = "fold"
            yield table


class Drawn(Markdown):
    """Markdown of which nothing is lost, however wide it is drawn."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": LeftHeading,
        "hr": ShortRule,
        "table_open": FoldedTable,
    }


@dataclass(frozen=True, slots=True)
class Drawing:
    """Markdown, as wide as a terminal, and in a pipe as wide as it needs."""

    markdown: Markdown
    width: int  #: cells that are enough for any of its lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; in a pipe without the blanks that fill lines."""
        if console.is_terminal:
            yield self.markdown
            return
        wide = options.update(width=self.width)
        for line in Segment.split_lines(console.render(self.markdown, wide)):
            yield Segment("".join(part.text for part in line).rstrip())
            yield Segment.line()


def render(reply: Reply) -> list[str]:
    """Render a reply as Markdown, in one part: terminals have no limit. Never raises."""
    text = closed(printable(reply.text)).rstrip()
    return ["\n\n".join(filter(None, (text, *_footer(reply)))) or "…"]


def show(console: Console, text: str) -> None:
    """Print what rich draws of Markdown: links with their address, and HTML as it is written."""
    # Not cropped: where a line is wider than the terminal, that has to wrap it.
    console.print(_drawing(text), crop=False)


def _drawing(text: str) -> Drawing:
    markdown = Drawn("", hyperlinks=False, code_theme="ansi_dark")
    # rich's own parser takes <name> for HTML, and leaves it out.
    markdown.parsed = _parser.parse(text)
    for token in markdown.parsed:
        token.children = list(_without_echoes(token.children or []))
    return Drawing(markdown, 2 * cell_len(text) + RULE)  # twice: a table has edges


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
