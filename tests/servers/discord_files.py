"""The files of the loopback Discord: their links are signed, expire, and are new in each reply."""

import asyncio
import hashlib
import mimetypes
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from servers.faults import Fault
from servers.uploads import FileRequest, Upload, served

Json = dict[str, Any]

LINK_SECONDS: Final = 24 * 3600
_GONE: Final = "This content is no longer available."


class DiscordFiles:
    """What people have attached, and how it is described and served."""

    def __init__(self, snowflake: Callable[[], int]) -> None:
        self._snowflake = snowflake
        self._secret = 0
        self.base_url = "https://cdn.discordapp.com"
        self.changed: Callable[[], None] = lambda: None
        self.uploads: dict[str, Upload] = {}
        self.requests: list[FileRequest] = []
        self.faults: list[Fault] = []  #: of the next requests, one each

    def attach(
        self,
        name: str,
        content: bytes = b"0123456789",
        *,
        media_type: str | None = None,
        said: int | None = None,
    ) -> Json:
        """A new file, as messages describe it."""
        number, size = str(self._snowflake()), len(content) if said is None else said
        kind = media_type or mimetypes.guess_type(name)[0] or "text/plain"
        self.uploads[number] = Upload(
            id=number, name=name, content=content, media_type=kind, said=size
        )
        kind += "; charset=utf-8" if kind.startswith("text/") else ""
        return self.signed({"id": number, "filename": name, "size": size, "content_type": kind})

    def signed(self, attachment: Json) -> Json:
        """The same with links that are good for a day."""
        number, at = attachment["id"], int(time.time())
        until = f"{at + LINK_SECONDS:x}"
        query = f"ex={until}&is={at:x}&hm={self._mark(number, until)}&"
        url = f"{self.base_url}/attachments/1/{number}/{attachment['filename']}?{query}"
        return {**attachment, "url": url, "proxy_url": url}

    def signed_anew(self, message: Json) -> Json:
        """A message with new links, as the API tells it."""
        snapshots = [
            {**one, "message": self.signed_anew(one["message"])}
            for one in message.get("message_snapshots", ())
        ]
        renewed = {"attachments": [self.signed(one) for one in message["attachments"]]}
        return message | renewed | ({"message_snapshots": snapshots} if snapshots else {})

    def expire_links(self) -> None:
        """Let every link that was told so far be of yesterday."""
        self._secret += 1

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a file."""
        token = request.headers.get("Authorization", "")
        self.requests.append(
            FileRequest(path=request.path, query=request.query_string, token=token)
        )
        self.changed()
        if self.faults:
            return await self.faults.pop(0).apply(request, self._give, asyncio.Event())
        return await self._give(request)

    async def _give(self, request: web.Request) -> web.StreamResponse:
        number, until = request.match_info["id"], request.query.get("ex", "0")
        upload = self.uploads.get(number)
        is_signed = request.query.get("hm") == self._mark(number, until)
        if upload is None or not is_signed or int(until, 16) < time.time():
            return web.Response(status=404, text=_GONE)
        return await served(upload, request)

    def _mark(self, number: str, until: str) -> str:
        return hashlib.sha256(f"{self._secret} {number} {until}".encode()).hexdigest()
