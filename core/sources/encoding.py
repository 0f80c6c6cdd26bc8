"""From the bytes of a page to its text."""

import codecs
import re

# Web pages are labelled with these. Python knows other "encodings" that run code paths of their own
# (punycode, unicode_escape) or take quadratic time (idna): a page may not choose them.
_ON_THE_WEB = re.compile(
    r"utf-?8|utf-?16(le|be)?|us-ascii|ascii|iso-?8859-?\d+|latin-?1|windows-?125\d|cp125\d|koi8-[ru]"
    r"|macintosh|shift[_-]jis|euc-(jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5",
    re.IGNORECASE,
)
_META = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{1,40})", re.IGNORECASE
)
_META_WITHIN = 4096  # bytes; the standard says 1024, pages say otherwise

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(data: bytes, charset: str | None) -> str:
    """Decode a fetched page: by its byte order mark, its header, its `<meta>`, else as UTF-8.

    Never fails: what cannot be decoded becomes U+FFFD.
    """
    codec = _marked(data) or _codec(charset) or _codec(declared_charset(data)) or "utf-8"
    return data.decode(codec, errors="replace")


def decode_strictly(data: bytes) -> str:
    """Decode a file: by its byte order mark, as UTF-8, else by its `<meta>`.

    Raises UnicodeDecodeError where it is none of these.
    """
    try:
        return data.decode(_marked(data) or "utf-8")
    except UnicodeDecodeError:
        codec = _codec(declared_charset(data))
        if codec is None:
            raise
        return data.decode(codec)


def declared_charset(data: bytes) -> str | None:
    """Find the encoding that an HTML page says it has."""
    found = _META.search(data, 0, _META_WITHIN)
    return found[1].decode("ascii") if found else None


def _marked(data: bytes) -> str | None:
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), None)


def _codec(label: str | None) -> str | None:
    if label is None or not _ON_THE_WEB.fullmatch(label):
        return None
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    # Browsers read these labels as Windows-1252, and pages rely on it.
    return "cp1252" if name in {"ascii", "iso8859-1"} else name
