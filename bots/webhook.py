"""The HTTP side of a deploy hook: a documentation site says that it was deployed.

Who may say so is checked in `core/webhook.py`. Where Slack's events come over HTTP, the same server
takes both; else there is one of its own.
"""

import asyncio
import logging
from typing import Final

from aiohttp import web

from core.errors import WebhookRefused
from core.webhook import LARGEST_BODY, DeployHook

log = logging.getLogger(__name__)

PATH: Final = "/refresh-docs"
HEALTH_PATH: Final = "/healthz"
SETTLE_SECONDS: Final = 3.0  #: for requests at work when the server is closed


def routes(hook: DeployHook) -> list[web.RouteDef]:
    """What a server takes for the hook: 202 where a refresh will be, 401 for a stranger."""

    async def receive(request: web.Request) -> web.Response:
        try:
            hook.receive(await request.read(), request.headers)
        except WebhookRefused as refusal:
            return web.Response(status=401, text=str(refusal))
        return web.Response(status=202, text="The documentation will be refreshed.")

    return [web.post(PATH, receive)]


async def serve(hook: DeployHook, port: int, stop: asyncio.Event) -> None:
    """Take requests until `stop` is set.

    A port that cannot be had ends nothing but this: another process may be the one that has it.
    """

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    server = web.Application(client_max_size=LARGEST_BODY)
    server.router.add_routes([*routes(hook), web.get(HEALTH_PATH, healthy)])
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=SETTLE_SECONDS)
    await runner.setup()
    try:
        # All interfaces: hooks come from outside, through whatever stands before a container.
        await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104
        log.info("Listening for deploy hooks", extra={"port": runner.addresses[0][1]})
        await stop.wait()
    except OSError as error:
        reason = {"port": port, "reason": error.strerror}
        log.warning("Deploy hooks are not taken here: the port cannot be had", extra=reason)
    finally:
        await runner.cleanup()
