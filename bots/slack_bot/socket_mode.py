"""Requests of Slack over a websocket that we open (Socket Mode), and keeping one open.

What a request means is decided in `intake`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final

from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bots.slack_bot.api import SlackApi, sdk_log
from bots.slack_bot.errors import within
from bots.slack_bot.intake import Intake, complain
from bots.slack_bot.presence import Presence
from core.errors import PlatformBusy, PlatformUnreachable

log = logging.getLogger(__name__)

EVENTS: Final = "events_api"  #: the type of the requests that tell of something
CONNECT_SECONDS: Final = 8.0  #: to get an address and open it
PING_SECONDS: Final = 5.0  #: a connection that does not answer is given up after one and a half
SETTLE_SECONDS: Final = 3.0  #: for requests at work when a connection is closed
GOODBYE_SECONDS: Final = 1.0  #: for Slack to answer that it closes too
STABLE_SECONDS: Final = 30.0  #: a connection that lasted longer is replaced without a pause
LONGEST_PAUSE_SECONDS: Final = 30.0


async def serve(
    intake: Intake,
    api: SlackApi,
    app_token: str,
    presence: Presence,
    stop: asyncio.Event,
    ready: asyncio.Event,
) -> None:
    """Hand requests over until `stop` is set, replacing connections that end.

    `presence` hears of each time in which there was none.
    Raises PlatformRefused at any time, PlatformBusy and PlatformUnreachable before `ready` is set.
    """
    socket = await _connect(intake, api, app_token, stop)
    losses = 0
    try:
        ready.set()
        presence.connected(socket.alive)
        while await _lost(socket, stop):
            losses = losses + 1 if socket.age() < STABLE_SECONDS else 0
            fresh = await _reconnect(intake, api, app_token, stop, losses)
            if fresh is None:
                return
            # Slack warns before it closes a connection: only now, with another one open.
            old, socket = socket, fresh
            if not old.alive():
                presence.lost()
            presence.connected(socket.alive)
            await old.retire()
    finally:
        await socket.retire()


async def _connect(intake: Intake, api: SlackApi, app_token: str, stop: asyncio.Event) -> "_Socket":
    socket: _Socket | None = None
    try:
        async with within(CONNECT_SECONDS):
            socket = _Socket(intake, api, await api.socket_url(app_token), stop)
            await socket.connect()  # type: ignore[no-untyped-call]
    except BaseException:
        if socket:
            await socket.retire()
        raise
    return socket


async def _reconnect(
    intake: Intake, api: SlackApi, app_token: str, stop: asyncio.Event, losses: int
) -> "_Socket | None":
    """Try until it works, with growing pauses; None where `stop` is set first."""
    pause = _pause(losses)
    while not await _waited(stop.wait(), pause):
        try:
            socket = await _connect(intake, api, app_token, stop)
        except PlatformBusy as busy:
            pause = busy.retry_after or LONGEST_PAUSE_SECONDS
        except PlatformUnreachable:
            losses += 1
            pause = _pause(losses + 1)
        else:
            log.info("connected to Slack again")
            return socket
        log.warning("no connection to Slack, trying again", extra={"seconds": pause})
    return None


def _pause(losses: int) -> float:
    """Nothing for the first loss, then 1 s, 2 s, 4 s …"""
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** (losses - 2)) if losses > 1 else 0.0


async def _waited(what: Awaitable[Any], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await what
    except TimeoutError:
        return False
    return True


async def _lost(socket: "_Socket", stop: asyncio.Event) -> bool:
    """Wait until the connection is lost or `stop` is set; whether it is the former alone."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(event.wait()) for event in (socket.lost, stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    return not stop.is_set()


class _Socket(SocketModeClient):
    """One connection, used once.

    The SDK's client reconnects by itself, but for ever: to an address that works only once, or with
    a token that is refused. So this one only notes that its connection is lost.
    """

    def __init__(self, intake: Intake, api: SlackApi, url: str, stop: asyncio.Event) -> None:
        # Silent: the SDK's complaints quote the address, which is a secret. `serve` complains.
        silent = sdk_log("slack_sdk.socket_mode", logging.CRITICAL)
        super().__init__(
            app_token="", logger=silent, web_client=api.web_client(), ping_interval=PING_SECONDS
        )
        self.proxy = api.proxy(self.proxy)
        self.wss_uri = url
        self.lost = asyncio.Event()
        self._intake = intake
        self._broken = False
        self._since = time.monotonic()
        self._stop = stop
        self._at_work: set[asyncio.Task[Any]] = set()
        self.socket_mode_request_listeners.append(self._serve)

    def age(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._since

    def alive(self) -> bool:
        """Whether events come over it; also after Slack's warning that it will close it."""
        session = self.current_session
        return not self._broken and session is not None and not session.closed

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        self._broken = self._broken or not force  # the SDK forces it where Slack gave a warning
        self.lost.set()

    async def retire(self) -> None:
        """Let the requests at work be acknowledged, and close; bounded."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    while self._at_work:
                        await asyncio.wait(self._at_work)
        finally:
            await self._end()

    async def _end(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.close()  # type: ignore[no-untyped-call]
        await self.close()  # type: ignore[no-untyped-call]  # without waiting for a goodbye
        ended = (self.message_processor, self.message_receiver, self.current_session_monitor)
        await asyncio.gather(*(end for end in ended if end), return_exceptions=True)

    async def _answer(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type != EVENTS:
            response = await run_async_bolt_app(self._intake.app, request)
            await send_async_response(client, request, response, time.time())
            return
        try:
            await self._intake.events.take(request.payload)
        except Exception as error:  # noqa: BLE001 (not acknowledged: Slack delivers it again)
            await complain(error)
        else:
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    async def _serve(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        task = asyncio.current_task()
        if self._stop.is_set() or task is None:
            return  # not acknowledged: Slack delivers it again, to whoever is there
        self._at_work.add(task)
        try:
            await self._answer(client, request)
        finally:
            self._at_work.discard(task)
