"""Cuts what was written into the messages of a reply, for every platform alike.

Sizes are UTF-16 code units, the largest of the ways in which a platform may count characters.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

# What is never cut: an entity, an escaped character, a flag, a character with its accents, its
# skin tone and whatever a joiner ties to it (up to a bound: text may pile up accents for ever).
_SIGN = r"(?:&(?:amp|lt|gt);|\\\S|[\U0001F1E6-\U0001F1FF]{2}|.)"
_ACCENT = r"[\u0300-\u036f\u200b\ufe00-\ufe0f\u20d0-\u20ff\U0001F3FB-\U0001F3FF]"
_UNIT = re.compile(rf"{_SIGN}(?:{_ACCENT}|\u200d{_SIGN}){{0,15}}", re.DOTALL)

LEAST = 6  # a part that is full to one part in so many may end before what does not fit


def size(text: str) -> int:
    """Count UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def chunks(text: str, most: int) -> Iterator[str]:
    """Cut text, escaped already, into pieces of at most `most`; a single unit may be larger."""
    if size(text) <= most:
        yield text
        return
    chunk: list[str] = []
    spent = 0
    for unit in _UNIT.findall(text):
        if chunk and spent + size(unit) > most:
            yield "".join(chunk)
            chunk, spent = [], 0
        chunk.append(unit)
        spent += size(unit)
    yield "".join(chunk)


class Piece(Protocol):
    """Something that is shown in one part if it fits there, and can be cut if it does not."""

    def cut(self, room: int) -> tuple[str, "Piece | None"]:
        """Write as much as fits in `room`, and say what is left of it.

        Where nothing fits the text is empty. In the room of a whole part something always fits.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Lines that belong together in a frame, which each part repeats: a fence, a table, a list."""

    lines: tuple[str, ...]  #: escaped; at least one
    opening: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    prefix: str = ""  #: stands before every line

    def cut(self, room: int) -> tuple[str, "Lines | None"]:
        """Keep the promise of `Piece.cut`; lines that are `narrowed` are never cut."""
        spent, count = self._frame() - 1, 0
        for line in self.lines:
            spent += size(self.prefix + line) + 1
            if spent > room:
                break
            count += 1
        if count == 0:
            return "", self
        framed = (*self.opening, *self.lines[:count], *self.closing)
        text = "\n".join(self.prefix + line for line in framed)
        left = self.lines[count:]
        return text, replace(self, lines=left) if left else None

    def narrowed(self, room: int) -> "Lines":
        """Cut lines that fit into no part; the rest of such a line stands in the next part."""
        most = room - self._frame() - size(self.prefix)
        lines = (chunk for line in self.lines for chunk in chunks(line, most))
        return replace(self, lines=tuple(lines))

    def _frame(self) -> int:
        return sum(size(self.prefix + line) + 1 for line in (*self.opening, *self.closing))


@dataclass(frozen=True, kw_only=True, slots=True)
class Headed:
    """A heading and what follows it: they are not parted if one part can hold both."""

    heading: Piece
    gap: str
    body: Piece

    def cut(self, room: int) -> tuple[str, Piece | None]:
        """Keep the promise of `Piece.cut`."""
        text, left = self.heading.cut(room)
        if left:
            return text, replace(self, heading=left)
        begun, left = self.body.cut(room - size(text + self.gap))
        return (text + self.gap + begun, left) if begun else (text, self.body)


def pack(pieces: Iterable[tuple[str, Piece]], limit: int, begun: Sequence[str] = ()) -> list[str]:
    """Fill parts of at most `limit` with pieces, each given with the gap before it.

    It goes on in the last of the parts that were `begun`.

    A piece that does not fit where the last one ended begins a part of its own, unless that would
    leave a part that is nearly empty. Nothing that comes later changes a part after which another
    one was begun: it looks at no more of a piece than fits, so that text may still be growing.
    """
    parts = list(begun[:-1])
    part = begun[-1] if begun else ""
    for gap, piece in pieces:
        left: Piece | None = piece
        while left is not None:
            lead = gap if part else ""
            room = limit - size(part + lead)
            text, after = left.cut(room)
            if not part and not text:
                raise RuntimeError("A piece does not fit into a part of its own.")
            if part and after and (size(part) * LEAST >= limit or not text):
                parts.append(part)
                part = ""
                continue
            part, left = part + lead + text, after
            if left:
                parts.append(part)
                part = ""
    return [*parts, part] if part else parts


def add(parts: list[str], gap: str, piece: Piece, limit: int) -> list[str]:
    """Put a piece at the end of parts; it is cut only if it fits into none."""
    if parts:
        text, left = piece.cut(limit - size(parts[-1] + gap))
        if text and not left:
            return [*parts[:-1], parts[-1] + gap + text]
    return [*parts, *pack([(gap, piece)], limit)]
