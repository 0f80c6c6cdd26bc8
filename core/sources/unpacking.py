"""What a site sent compressed, unpacked: from two encodings that every server knows.

Not left to the HTTP library: which encodings that one takes depends on what else is installed, and
a reply in another one would look like none.
"""

import re
import zlib

from core.errors import PageUnreadable

#: The `Accept-Encoding` that we send.
ASKED_FOR = "gzip, deflate"

_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_NAME = re.compile(r"[a-z0-9-]{1,20}")
_ZLIB, _RAW = 15, -15  # what servers send for "deflate", the first by the standard


def check_encoding(encoding: str) -> None:
    """Look at a `Content-Encoding` before its body is read. Raises PageUnreadable for others."""
    name = _normal(encoding)
    if name not in {*_PLAIN, *_GZIP, "deflate"}:
        shown = name if _NAME.fullmatch(name) else "several, or none that is known"
        raise PageUnreadable(f"sent in an encoding that was not asked for ({shown})")


def unpack(body: bytes, encoding: str, most: int) -> bytes:
    """Unpack a whole body into at most `most` bytes. CPU work: call it in a thread.

    Raises PageUnreadable for more than that, and for a body that is damaged or cut off.
    """
    name = _normal(encoding)
    if name in _PLAIN or not body:
        return body
    unpacked = bytearray()
    while body:
        stream = zlib.decompressobj(_window(name, body))
        try:
            unpacked += stream.decompress(body, most + 1 - len(unpacked))
        except zlib.error as problem:
            raise PageUnreadable(f"no usable reply (damaged {name})") from problem
        if len(unpacked) > most:
            raise PageUnreadable(f"more than {most / 1_000_000:g} MB")
        if not stream.eof:
            raise PageUnreadable(f"no usable reply (cut off {name})")
        # A gzip may be several, one behind the other; what else stands behind it is no part of it.
        body = stream.unused_data if stream.unused_data.startswith(b"\x1f\x8b") else b""
    return bytes(unpacked)


def _window(name: str, body: bytes) -> int:
    if name in _GZIP:
        return 31
    return _ZLIB if body[0] & 0x0F == 8 else _RAW


def _normal(encoding: str) -> str:
    return encoding.strip().lower()
