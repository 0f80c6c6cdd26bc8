"""What a file is, by its bytes. Its name and its media type are only what somebody says it is."""

import re
import struct
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from core.sources.encoding import decode_strictly

EMPTY = "empty"
ARCHIVE = "an archive"
UNKNOWN = "a kind of file that I cannot read"
ANIMATED = "an animated picture"
BOMB = "it unpacks to too much"

# Of office documents, which are zip files: what they may unpack to, and of how many files.
UNPACKED = 200 * 2**20  # bytes
RATIO = 100  # times the size of the file
ENTRIES = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Readable:
    """A file that can be read."""

    kind: Literal["text", "image", "document"]
    ending: str  #: of a name for it, without the dot
    text: str = ""  #: of "text"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be read."""

    problem: str


Inspected = Readable | Unreadable

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ARCHIVES = (
    b"\x1f\x8b",  # gzip
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",  # zstandard
    b"\x04\x22\x4d\x18",  # lz4
)
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
_TAR_AT, _TAR = 257, b"ustar"
_PDF_WITHIN = 1024  # bytes in which a PDF begins
# A picture of a GIF begins with what says how long it is shown: more than one, and it moves.
_FRAME = re.compile(rb"\x00\x21\xf9\x04.{4}\x00[\x2c\x21]", re.DOTALL)

_TABLE_END = struct.Struct("<4s4H2LH")  # of a zip file: the end of its table of contents
_TABLE_ENTRY = struct.Struct("<4s6H3L5H2L")
_TABLE_END_MARK, _TABLE_ENTRY_MARK = b"PK\x05\x06", b"PK\x01\x02"
_COMMENT = 65_535  # bytes that may follow the end of the table
_BETWEEN = (0, 76)  # bytes before it: some write the same once more there, with longer numbers
_OFFICE = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}

# What texts in an 8-bit encoding do not have, and how much of them is ASCII at least.
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r\f\x08\x1b")
_ASCII = bytes(range(128))
_MOST_NOT_ASCII = 0.5


def inspect(data: bytes) -> Inspected:
    """Say what a file is. Nothing is unpacked, and nothing is believed but its bytes."""
    if not data:
        return Unreadable(EMPTY)
    if (picture := _picture(data)) is not None:
        return picture
    if data[:_PDF_WITHIN].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-"):
        return Readable(kind="document", ending="pdf")
    if data.startswith(_ZIP):
        return _zip(data)
    if _is_archive(data):
        return Unreadable(ARCHIVE)
    text = _text(data)
    if text is None:
        return Unreadable(UNKNOWN)
    is_empty = not text or text.isspace()
    return Unreadable(EMPTY) if is_empty else Readable(kind="text", ending="txt", text=text)


def _picture(data: bytes) -> Inspected | None:
    for mark, ending in _PICTURES:
        if data.startswith(mark):
            # Not all of them: there can be millions.
            if ending == "gif" and len(list(islice(_FRAME.finditer(data), 2))) > 1:
                return Unreadable(ANIMATED)
            return Readable(kind="image", ending=ending)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Readable(kind="image", ending="webp")
    return None


def _is_archive(data: bytes) -> bool:
    in_tar = data[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR
    return data.startswith(_ARCHIVES) or _BZIP2.match(data) is not None or in_tar


def _text(data: bytes) -> str | None:
    try:
        text = decode_strictly(data)
    except UnicodeDecodeError:
        has_controls = len(data.translate(None, _CONTROLS)) < len(data)
        not_ascii = len(data.translate(None, _ASCII)) / len(data)
        if has_controls or not_ascii > _MOST_NOT_ASCII:
            return None
        text = data.decode("cp1252", errors="replace")
    return None if "\0" in text else text


# --- office documents -----------------------------------------------------------------------------


def _zip(data: bytes) -> Inspected:
    """Tell an office document from any other zip file, by the table of contents at its end."""
    table = _table(data)
    if table is None:
        return Unreadable(ARCHIVE)
    names, unpacked = table
    endings = {ending for name in names for start, ending in _OFFICE.items() if _is_in(name, start)}
    if b"[Content_Types].xml" not in names or len(endings) != 1:
        return Unreadable(ARCHIVE)
    if unpacked > min(UNPACKED, RATIO * len(data)):
        return Unreadable(BOMB)
    return Readable(kind="document", ending=endings.pop())


def _is_in(name: bytes, folder: str) -> bool:
    return name.startswith(folder.encode())


def _table(data: bytes) -> tuple[set[bytes], int] | None:
    """Read which files a zip file has, and what they unpack to; None where that is not plain.

    The module `zipfile` makes an object of each entry, without a bound on them.
    """
    at = data.rfind(_TABLE_END_MARK, max(0, len(data) - _COMMENT - _TABLE_END.size))
    if at < 0 or at + _TABLE_END.size > len(data):
        return None
    _, _, _, _, count, size, start, _ = _TABLE_END.unpack_from(data, at)
    if count > ENTRIES or at - start - size not in _BETWEEN:
        return None
    names: set[bytes] = set()
    unpacked, place = 0, start
    for _ in range(count):
        if place + _TABLE_ENTRY.size > start + size:
            return None
        entry = _TABLE_ENTRY.unpack_from(data, place)
        mark, length, name, extra, comment = entry[0], entry[9], *entry[10:13]
        if mark != _TABLE_ENTRY_MARK:
            return None
        place += _TABLE_ENTRY.size
        names.add(data[place : place + name])
        unpacked += length
        place += name + extra + comment
    return (names, unpacked) if place == start + size else None
