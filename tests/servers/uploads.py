"""Files as the loopback platforms serve them: whole, cut off, or sent on to another address."""

from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

_PIECE: Final = 16 * 1024


@dataclass(kw_only=True)
class Upload:
    """A file that somebody has uploaded."""

    id: str
    name: str
    content: bytes
    media_type: str
    said: int  #: its size, as messages tell it
    tells_length: bool = True  #: whether the reply names its length
    cut_at: int | None = None  #: the connection breaks after so many bytes
    redirects: list[str] = field(default_factory=list)  #: where the next requests are sent
    sent: int = 0  #: bytes that went out, in all


@dataclass(frozen=True, kw_only=True)
class FileRequest:
    """A request for a file, also one that was refused."""

    path: str
    query: str
    token: str  #: "": none


async def served(upload: Upload, request: web.Request) -> web.StreamResponse:
    """Send a file, or where it is, or as much of it as is to arrive."""
    if upload.redirects:
        return web.Response(status=302, headers={"Location": upload.redirects.pop(0)})
    response = web.StreamResponse(headers={"Content-Type": upload.media_type})
    if upload.tells_length:
        response.content_length = len(upload.content)
    else:
        response.enable_chunked_encoding()
    await response.prepare(request)
    whole = upload.content[: upload.cut_at]
    for start in range(0, len(whole), _PIECE):
        await response.write(whole[start : start + _PIECE])
        upload.sent += len(whole[start : start + _PIECE])
    if upload.cut_at is not None:
        assert request.transport is not None
        request.transport.abort()
        return response
    await response.write_eof()
    return response
