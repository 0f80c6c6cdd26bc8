"""What a file is, whatever it says of itself."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
import zlib

import pytest

from core.file_kinds import (
    ANIMATED,
    ARCHIVE,
    BOMB,
    EMPTY,
    ENTRIES,
    UNKNOWN,
    Inspected,
    Readable,
    Unreadable,
    inspect,
)
from servers.attached_files import EXECUTABLE, JPEG, PDF, PNG, WEBP, archive, bomb, gif, office


def text_of(data: bytes) -> str | None:
    seen = inspect(data)
    return seen.text if isinstance(seen, Readable) and seen.kind == "text" else None


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "kind", "ending"),
    [
        (PNG, "image", "png"),
        (JPEG, "image", "jpg"),
        (gif(), "image", "gif"),
        (WEBP, "image", "webp"),
        (PDF, "document", "pdf"),
        (b"\xef\xbb\xbf\r\n" + PDF, "document", "pdf"),
        (office("word"), "document", "docx"),
        (office("xl"), "document", "xlsx"),
        (office("ppt"), "document", "pptx"),
        (b"Traceback (most recent call last):\n", "text", "txt"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text", "txt"),
        (b"#!/bin/sh\nrm -rf /tmp/x\n", "text", "txt"),
        (b"MZ is how the names of his poems begin.", "text", "txt"),
    ],
)
def test_a_file_is_what_its_bytes_say(data: bytes, kind: str, ending: str) -> None:
    seen = inspect(data)
    assert isinstance(seen, Readable)
    assert (seen.kind, seen.ending) == (kind, ending)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", EMPTY),
        (b" \r\n\t\n", EMPTY),
        (gif(frames=2), ANIMATED),
        (archive({"a.txt": b"a"}), ARCHIVE),
        (archive({}), ARCHIVE),
        (archive({"[Content_Types].xml": b"", "readme.txt": b"no office document"}), ARCHIVE),
        (archive({"word/document.xml": b"", "xl/workbook.xml": b""}), ARCHIVE),
        (gzip.compress(b"a log", mtime=0), ARCHIVE),
        (bz2.compress(b"a log"), ARCHIVE),
        (lzma.compress(b"a log"), ARCHIVE),
        (b"7z\xbc\xaf\x27\x1c\0\4", ARCHIVE),
        (b"Rar!\x1a\x07\x01\0", ARCHIVE),
        (tar(), ARCHIVE),
        (EXECUTABLE, UNKNOWN),
        (b"MZ\x90\0\3\0\0\0", UNKNOWN),
        (b"ID3\x04\0\0\0\0\0\0", UNKNOWN),
        (b"\0\0\0\x20ftypisom\0\0\2\0", UNKNOWN),
        (b"\0\0\0\x18ftypheic\0\0\0\0", UNKNOWN),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16, UNKNOWN),
        ("no byte order mark".encode("utf-16-le"), UNKNOWN),
        ("a text of another alphabet: привет".encode("utf-32"), UNKNOWN),
        ("Привет, мир, как твои дела".encode("koi8-r"), UNKNOWN),
        (b"half a text \xff\x01\x02\x03", UNKNOWN),
    ],
)
def test_what_cannot_be_read_is_told_by_its_bytes(data: bytes, problem: str) -> None:
    assert inspect(data) == Unreadable(problem)


@pytest.mark.parametrize(
    "data",
    [
        "Größe – naïve façade".encode(),
        "Größe – naïve façade".encode("utf-8-sig"),
        "Größe – naïve façade".encode("utf-16"),
        "Größe – naïve façade".encode("cp1252"),
    ],
)
def test_texts_are_read_in_the_encodings_that_people_use(data: bytes) -> None:
    assert text_of(data) == "Größe – naïve façade"


def test_colours_in_a_log_do_not_make_it_something_else() -> None:
    assert text_of(b"\x1b[31mERROR\x1b[0m disk full\n") == "\x1b[31mERROR\x1b[0m disk full\n"


def test_a_picture_of_millions_of_frames_takes_no_memory_to_look_through() -> None:
    data = gif() + b"\x00\x21\xf9\x04\x00\x00\x00\x00\x00\x2c" * 200_000
    tracemalloc.start()
    try:
        assert inspect(data) == Unreadable(ANIMATED)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


# --- zip files that lie ---------------------------------------------------------------------------


def test_a_document_that_unpacks_to_a_gigabyte_is_not_passed_on_and_not_unpacked() -> None:
    data = bomb()
    assert len(data) < 2_000_000
    assert inspect(data) == Unreadable(BOMB)
    damaged = data[:1_000] + bytes(b ^ 0xFF for b in data[1_000:2_000]) + data[2_000:]
    with zipfile.ZipFile(io.BytesIO(damaged)) as packed, pytest.raises(zlib.error):
        packed.read("word/document.xml")
    assert inspect(damaged) == Unreadable(BOMB)


def test_a_small_document_that_unpacks_to_a_hundred_times_as_much_is_a_bomb_too() -> None:
    assert inspect(office(content=bytes(3_000_000))) == Unreadable(BOMB)
    assert isinstance(inspect(office(content=b"<p>words</p>" * 100)), Readable)


def test_the_entries_of_a_document_are_bounded_before_they_are_read() -> None:
    assert inspect(office(content=b"", entries=ENTRIES)) == Unreadable(ARCHIVE)


@pytest.mark.parametrize("cut", [1, 10, 30, 100])
def test_half_a_document_is_not_passed_on(cut: int) -> None:
    assert inspect(office()[:-cut]) == Unreadable(ARCHIVE)


def test_a_table_of_contents_that_is_not_where_it_says_is_not_believed() -> None:
    data = bytearray(office())
    data[-6] ^= 0x01  # where it begins
    assert inspect(bytes(data)) == Unreadable(ARCHIVE)


def test_no_bytes_make_the_look_at_them_fail() -> None:
    whole = office(entries=3)
    seen: list[Inspected] = []
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        seen.append(inspect(bytes(broken)))
    assert len(seen) == len(whole)
    assert Unreadable(ARCHIVE) in seen
