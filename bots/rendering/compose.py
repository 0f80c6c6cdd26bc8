"""Puts a reply together: reads its text, writes it in a platform's dialect and cuts it to parts."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

from bots.rendering.blocks import Block, Container, Fence, Item, Mark, Prose, Quote, Span, Table
from bots.rendering.dialect import Dialect
from bots.rendering.links import LONGEST_LABEL, same_page, show
from bots.rendering.markdown import parse, printable
from bots.rendering.parts import Headed, Lines, Piece, add, pack
from bots.rendering.prose import Words, atoms, without_blanks, written
from bots.rendering.tables import without_table
from core.domain import Reply
from core.replies import WAITS
from core.text import shortened

NOTHING = "…"  # what an empty reply shows: platforms refuse an empty message
DEEPEST_QUOTE = 4  # what is nested deeper looks like this deep: words need room, too
DEEPEST_LIST = 8


def compose(reply: Reply, dialect: Dialect) -> list[str]:
    """Render a reply as parts: each within the dialect's limit, whole in itself and not empty.

    There is at least one part. The same reply gives the same parts, always. Never raises.
    """
    allowed = allowed_pages(reply)
    parts = pack(headed(pieces(parse(reply.text), allowed, dialect)), dialect.limit)
    if lines := (*_sources(reply, allowed, dialect), *_small_print(reply, dialect)):
        parts = add(parts, "\n\n", Lines(lines=lines).narrowed(dialect.limit), dialect.limit)
    return visible(parts) or [NOTHING]


def footer(reply: Reply, dialect: Dialect) -> str:
    """Write sources and small print in one piece, as paragraphs; "" if there are none."""
    sources = "\n".join(_sources(reply, allowed_pages(reply), dialect))
    return "\n\n".join(filter(None, (sources, *_small_print(reply, dialect))))


def allowed_pages(reply: Reply) -> frozenset[str]:
    """The pages, in the form of `same_page`, whose links keep their label."""
    return frozenset(map(same_page, (*(link.url for link in reply.links), *reply.labelled)))


def pieces(
    blocks: Iterable[Block], allowed: frozenset[str], dialect: Dialect
) -> Iterator[tuple[str, Piece]]:
    """Write blocks, each with the gap before it.

    `allowed` is what `allowed_pages` says.
    """
    return _pieces(_prepared(blocks, allowed), dialect)


def visible(parts: Iterable[str]) -> list[str]:
    """Leave parts out in which there is nothing to see: platforms refuse to show them."""
    return [part for part in parts if _visible(part)]


def _prepared(blocks: Iterable[Block], allowed: frozenset[str]) -> Iterator[Block]:
    """Settle what links become, and make something else of tables."""

    def shown(spans: Iterable[Span]) -> tuple[Span, ...]:
        return tuple(part for span in spans for part in show(span, allowed))

    for block in blocks:
        match block.content:
            case Prose() as prose:
                yield replace(block, content=replace(prose, spans=shown(prose.spans)))
            case Table() as table:
                rows = tuple(tuple(map(shown, row)) for row in table.rows)
                yield from without_table(block, replace(table, rows=rows))
            case Fence() as fence if fence.code.strip():
                yield block


def _pieces(blocks: Iterable[Block], dialect: Dialect) -> Iterator[tuple[str, Piece]]:
    """Write blocks, each with the gap before it."""
    before: tuple[Container, ...] = ()
    quote = ""
    for block in blocks:
        last, quote = quote, _quote(block, dialect)
        goes_on = last and any(isinstance(c, Quote) and c in before for c in block.within)
        gap = f"\n{quote if goes_on else ''}\n" if block.spaced else "\n"
        first, rest = _indents(block.within, before, dialect)
        match block.content:
            case Prose() as prose:
                words = _words(prose, quote + first, quote + rest, dialect)
                if words.atoms or first != rest:  # the sign of an empty item is shown
                    yield gap, words
            case Fence() as fence:
                if first != rest:  # the fence begins an item, whose sign gets a line of its own
                    yield gap, Words(atoms=(), dialect=dialect, first=quote + first)
                    gap = "\n"
                yield gap, _lines(fence, quote, dialect)
        before = block.within


def headed(pieces: Iterable[tuple[str, Piece]]) -> Iterator[tuple[str, Piece]]:
    """Tie each heading to the piece after it."""
    heading: tuple[str, Piece] | None = None
    for gap, piece in pieces:
        if heading:
            yield heading[0], Headed(heading=heading[1], gap=gap, body=piece)
            heading = None
        elif isinstance(piece, Words) and piece.heading:
            heading = gap, piece
        else:
            yield gap, piece
    if heading:
        yield heading


def _quote(block: Block, dialect: Dialect) -> str:
    """What begins each line of a block in quotes: platforms know no quote within a quote."""
    depth = sum(isinstance(container, Quote) for container in block.within)
    if not depth or (isinstance(block.content, Fence) and not dialect.quotes_hold_fences):
        return ""
    return "> " + dialect.escape("> ") * (min(depth, DEEPEST_QUOTE) - 1)


def _indents(
    within: tuple[Container, ...], before: tuple[Container, ...], dialect: Dialect
) -> tuple[str, str]:
    """What begins the first line of a block in lists, and the further ones."""
    first = rest = ""
    items = [container for container in within if isinstance(container, Item)]
    for depth, item in enumerate(items[-DEEPEST_LIST:]):
        marker = dialect.bullet(depth) if item.number is None else f"{item.number}. "
        indent = dialect.indent(marker)
        first += indent if item in before else marker
        rest += indent
    return first, rest


def _words(prose: Prose, first: str, rest: str, dialect: Dialect) -> Words:
    spans, heading = prose.spans, prose.heading > 0
    sign = dialect.heading(prose.heading) if heading else ""
    if heading and not sign:
        spans = tuple(replace(span, marks=_bold(span.marks)) for span in spans)
    words = without_blanks(atoms(spans, dialect))
    return Words(atoms=words, dialect=dialect, first=first + sign, rest=rest, heading=heading)


def _bold(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    return (Mark.BOLD, *(mark for mark in marks if mark is not Mark.BOLD))


def _lines(fence: Fence, quote: str, dialect: Dialect) -> Lines:
    lines = [dialect.escape_fenced(line) for line in fence.code.split("\n")]
    return Lines(
        opening=(dialect.fence(fence.language), *lines[: fence.heading]),
        lines=tuple(lines[fence.heading :]),
        closing=("```",),
        prefix=quote,
    ).narrowed(dialect.limit)


def _sources(reply: Reply, allowed: frozenset[str], dialect: Dialect) -> Iterator[str]:
    """Write the pages that the reply rests on, a line each."""
    if reply.links:
        heading = Span(text=_one_line(reply.links_title), marks=(Mark.BOLD,))
        yield dialect.small + _line((heading,), dialect)
    for number, link in enumerate(reply.links, start=1):
        title = shortened(_one_line(link.title), LONGEST_LABEL)
        shown = show(Span(text=title, url=_one_line(link.url)), allowed)
        yield f"{dialect.small}{number}. {_line(shown, dialect)}"


def _small_print(reply: Reply, dialect: Dialect) -> Iterator[str]:
    for call in reply.waiting:
        words, space = Span(text=WAITS, marks=dialect.notes), Span(text=" ")
        code = Span(text=_one_line(call), marks=(Mark.CODE,))
        yield dialect.small + _line((words, space, code), dialect)
    for note in reply.notes:
        yield dialect.small + _line((Span(text=_one_line(note), marks=dialect.notes),), dialect)


def _line(spans: Iterable[Span], dialect: Dialect) -> str:
    return written(atoms(spans, dialect), dialect)


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())


def _visible(part: str) -> bool:
    return any(unicodedata.category(character)[0] not in "ZC" for character in part)
