"""From bytes to text, and the one way in which Markdown is written down."""

import pytest

from core.sources.content import tidy
from core.sources.encoding import decode, decode_strictly
from servers.growth import FACTOR, LINEAR, growth


@pytest.mark.parametrize(
    ("data", "charset", "expected"),
    [
        ("grün".encode(), None, "grün"),
        ("grün".encode(), "utf-8", "grün"),
        ("grün".encode("latin-1"), "iso-8859-1", "grün"),
        ("“x”".encode("cp1252"), "ISO-8859-1", "“x”"),
        ("слово".encode("koi8-r"), "KOI8-R", "слово"),
        ("語".encode("shift_jis"), "Shift_JIS", "語"),
        (b'<meta charset="windows-1252">\xfc', None, '<meta charset="windows-1252">ü'),
        (b'<meta charset="windows-1252">\xc3\xbc', "utf-8", '<meta charset="windows-1252">ü'),
        ("grün".encode("utf-8-sig"), "iso-8859-1", "grün"),
        ("grün".encode("utf-16"), "utf-8", "grün"),
        (b"gr\xfcn", None, "gr\ufffdn"),
        (b"abc", "no-such-charset", "abc"),
        (b"xn--a", "idna", "xn--a"),
        (b"\\u0041", "unicode_escape", "\\u0041"),
        (b"789c", "hex", "789c"),
        (b"+AGE-", "utf-7", "+AGE-"),
    ],
)
def test_a_page_is_decoded_by_mark_then_header_then_meta_then_utf_8(
    data: bytes, charset: str | None, expected: str
) -> None:
    assert decode(data, charset) == expected


def test_a_page_cannot_choose_a_slow_encoding() -> None:
    def decoded(size: int) -> str:
        return decode(b"<meta charset=punycode>" + b"a" * size + b"-" + b"a" * size, "punycode")

    assert growth(decoded, 40_000) < LINEAR


def test_an_encoding_is_looked_for_in_the_beginning_only() -> None:
    def decoded(size: int) -> str:
        return decode(b"<meta " * size, None)

    assert growth(decoded, 1_000) < FACTOR / 2  # the rest is decoded, which is next to nothing


def test_a_file_is_decoded_as_utf_8_else_by_its_meta() -> None:
    assert decode_strictly("grün".encode()) == "grün"
    assert decode_strictly('<meta charset="latin1">ü'.encode("latin-1")).endswith("ü")
    with pytest.raises(UnicodeDecodeError):
        decode_strictly(b"gr\xfcn")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a  \nb\t\n", "a\nb"),
        ("\n\na\n \n\t\n\nb\n\n", "a\n\nb"),
        ("e\u0301", "é"),
        ("so\u00adft \ufeffmark", "soft mark"),
        ("a\ud800b\x00c", "abc"),
        ("    code", "    code"),
    ],
)
def test_markdown_is_written_in_one_way(text: str, expected: str) -> None:
    assert tidy(text) == expected
    assert tidy(tidy(text)) == tidy(text)
