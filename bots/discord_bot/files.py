"""Reading the files that people attach, from Discord's hosts and no others.

Links to files are signed and expire; a new one comes with the message when it is asked for again.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import aiohttp
from yarl import URL

from bots.discord_bot.attached import Ref, attachments_of
from bots.discord_bot.places import Places
from bots.download import GONE, Hosts, NotGiven, download, too_large
from core.domain import Attached
from core.errors import (
    FileUnreadable,
    MessageGone,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)

NOT_LET: Final = "Discord does not let me read it"

_HOSTS: Final = frozenset({"cdn.discordapp.com", "media.discordapp.net"})

#: Makes calls by the client; see `connection.calls`.
Calls = Callable[[], AbstractAsyncContextManager[Places]]


class Files:
    """Reads files, over one session of its own: that of discord.py reads all, however much."""

    def __init__(self, api_url: str | None, calls: Calls) -> None:
        self._hosts = Hosts(names=_HOSTS, own=URL(api_url) if api_url else None)
        self._calls = calls
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def read(self, file: Attached, limit: int) -> bytes:
        """See `Platform.read_file`."""
        if file.size > limit:
            raise too_large(limit)
        ref = Ref.read(file.ref)
        try:
            return await self._load(ref.url, limit)
        except NotGiven:
            url = await self._new_link(file, ref)
        try:
            return await self._load(url, limit)
        except NotGiven:
            raise FileUnreadable(GONE) from None

    async def close(self) -> None:
        """Close the session. A second call does nothing."""
        self._closed = True
        session, self._session = self._session, None
        if session:
            await session.close()

    async def _load(self, url: str, limit: int) -> bytes:
        if self._closed:
            raise PlatformUnreachable("The Discord adapter is closed.")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return (await download(self._session, url, self._hosts, limit)).data

    async def _new_link(self, file: Attached, ref: Ref) -> str:
        """Look the file's message up, where the link may have expired."""
        try:
            async with self._calls() as places:
                channel = places.client.get_partial_messageable(int(file.channel))
                message = await channel.fetch_message(int(file.message))
        except TokenRefused:
            raise
        except MessageGone:
            raise FileUnreadable(GONE) from None
        except (PlatformRefused, ThreadGone):
            raise FileUnreadable(NOT_LET) from None
        for found in attachments_of(message):
            if found.id == ref.id:
                return found.url
        raise FileUnreadable(GONE)
