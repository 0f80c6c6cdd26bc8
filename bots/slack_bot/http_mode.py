"""Requests of Slack over HTTP, to a server of ours, for apps without Socket Mode.

What a request means, and whether it is from Slack, is decided in `intake`.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

from bots.slack_bot.presence import Presence
from core.errors import PlatformRefused

log = logging.getLogger(__name__)

PATH: Final = "/slack/events"
HEALTH_PATH: Final = "/healthz"
SETTLE_SECONDS: Final = 3.0  #: for requests at work when the server is closed


async def serve(
    app: AsyncApp,
    port: int,
    presence: Presence,
    stop: asyncio.Event,
    ready: asyncio.Event,
    bound: Callable[[int], None],
    routes: Sequence[web.RouteDef] = (),
) -> None:
    """Hand requests to the app until `stop` is set; tells the port that it got by `bound`.

    `routes` are others' that the same server is to take. Raises PlatformRefused where the port
    cannot be had.
    """

    async def receive(request: web.Request) -> web.Response:
        if stop.is_set():
            return web.Response(status=503)  # Slack delivers it again, to whoever is there
        if not request.headers.get("X-Slack-Request-Timestamp", "").isdecimal():
            return web.Response(status=401)  # bolt would fail on it
        with suppress(ValueError):  # a body that is no text, or no JSON
            bolt_request = await to_bolt_request(request)
            return await to_aiohttp_response(await app.async_dispatch(bolt_request))
        return web.Response(status=400)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    server = web.Application()
    server.router.add_post(PATH, receive)
    server.router.add_routes(routes)
    server.router.add_get(HEALTH_PATH, healthy)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=SETTLE_SECONDS)
    await runner.setup()
    try:
        # All interfaces: Slack comes from outside, through whatever stands before a container.
        try:
            await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104
        except OSError as error:
            raise PlatformRefused(
                f"Port {port} cannot be had.", "Set PORT to a free one."
            ) from error
        bound(runner.addresses[0][1])
        log.info("listening for Slack", extra={"port": runner.addresses[0][1]})
        ready.set()
        presence.connected(lambda: True)
        await stop.wait()
    finally:
        await runner.cleanup()
