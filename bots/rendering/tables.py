"""What becomes of a table, which no platform shows: aligned columns, or one record per row."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bots.rendering.blocks import Align, Block, Cell, Fence, Item, Mark, Prose, Span, Table

WIDEST = 80  # columns of text; more than this wraps, even in a wide window
LONGEST_LINE = 160  # characters: a line may be narrow and long, as many characters have no width


def without_table(block: Block, table: Table) -> tuple[Block, ...]:
    """Make blocks of a table, whose links have been through `links.show`."""
    if lines := _columns(table):
        heading = 2 if len(table.rows) > 1 else 0
        return (replace(block, content=Fence(code="\n".join(lines), heading=heading)),)
    return tuple(_records(block, table))


def _columns(table: Table) -> list[str]:
    """Lay the table out in a monospaced font, a ruler under its header; empty if it is too wide."""
    rows = [[_text(cell) for cell in row] for row in table.rows]
    widths = [max(1, *map(_width, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + len(" | ") * (len(widths) - 1) > WIDEST:
        return []
    lines = [" | ".join(map(_pad, row, widths, table.aligns)).rstrip() for row in rows]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return lines if all(len(line) <= LONGEST_LINE for line in lines) else []


def _records(block: Block, table: Table) -> Iterator[Block]:
    """Make each row an item of a list, with a line "Header: value" for each cell."""
    header, *rows = table.rows
    for number, row in enumerate(rows or [((),) * len(header)]):
        yield replace(
            block,
            content=Prose(spans=tuple(_record(header, row))),
            within=(*block.within, Item()),
            spaced=block.spaced and number == 0,
        )


def _record(header: Sequence[Cell], row: Sequence[Cell]) -> Iterator[Span]:
    for number, (name, value) in enumerate(zip(header, row, strict=True)):
        if number:
            yield Span(text="\n")
        if name:
            yield Span(text=f"{_text(name)}:", marks=(Mark.BOLD,))
            yield Span(text=" ")
        yield from value


def _text(cell: Cell) -> str:
    return "".join(span.text or span.url or "" for span in cell).replace("\n", " ")


def _pad(text: str, width: int, align: Align) -> str:
    missing = width - _width(text)
    before = {"left": 0, "center": missing // 2, "right": missing}[align]
    return " " * before + text + " " * (missing - before)


def _width(text: str) -> int:
    """Columns that a text takes in a monospaced font."""
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
