"""The Slack adapter at work against the Slack server, with a reception that tests can script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from bots.slack_bot.adapter import SlackPlatform
from core.domain import Mention, RefreshReport
from core.ports import OnProgress, Reception
from core.settings import SlackSettings
from servers.slack_server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackServer

Refresh = Callable[[OnProgress], Awaitable[RefreshReport]]

NOTHING_DONE = RefreshReport(added=(), changed=(), removed=(), unchanged=3, failed=(), seconds=0.1)


class FakeReception:
    """Remembers mentions; takes and refreshes can be made to wait or to fail."""

    def __init__(self) -> None:
        self.taken: list[Mention] = []
        self.offered = 0
        self._known: dict[tuple[str, str, str], Mention] = {}
        self._offer = asyncio.Condition()
        self.failures: list[Exception] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.refreshes: list[tuple[str, str]] = []
        self.refresh_as: Refresh = nothing_to_do

    async def take(self, mention: Mention) -> bool:
        self.offered += 1
        async with self._offer:
            self._offer.notify_all()
        await self.may_take.wait()
        if self.failures:
            raise self.failures.pop(0)
        identity = (mention.thread.tenant, mention.channel, mention.message)
        known = self._known.setdefault(identity, mention)
        assert known == mention, "two deliveries of one message read differently"
        if known is mention:
            self.taken.append(mention)
        return known is mention

    async def wait_until_offered(self, times: int = 1) -> None:
        """Wait until so many mentions were handed over, taken or not."""
        async with asyncio.timeout(5), self._offer:
            await self._offer.wait_for(lambda: self.offered >= times)

    async def refresh(self, platform: str, user: str, on_progress: OnProgress) -> RefreshReport:
        self.refreshes.append((platform, user))
        return await self.refresh_as(on_progress)


async def nothing_to_do(_: OnProgress) -> RefreshReport:
    return NOTHING_DONE


def slack_settings(server: SlackServer, **changes: Any) -> SlackSettings:
    """The settings for Socket Mode on a server."""
    given = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "api_url": server.api_url} | changes
    return SlackSettings(**given)


def http_settings(server: SlackServer, **changes: Any) -> SlackSettings:
    """The settings for HTTP mode on a free port."""
    http = {"app_token": None, "signing_secret": SIGNING_SECRET, "port": 0}
    return slack_settings(server, **(http | changes))


@asynccontextmanager
async def running(
    settings: SlackSettings, reception: Reception, *, stop: asyncio.Event | None = None
) -> AsyncIterator[SlackPlatform]:
    """Run the adapter while the block lasts; then stop it, which must take seconds only."""
    platform = SlackPlatform(settings)
    stop, ready = stop or asyncio.Event(), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(platform.run(reception, stop, ready))
            async with asyncio.timeout(5):
                await ready.wait()
            try:
                yield platform
            finally:
                stop.set()
                async with asyncio.timeout(10):
                    await asyncio.wait([run])
    finally:
        await platform.close()
