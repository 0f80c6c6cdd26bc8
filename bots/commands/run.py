"""`docent run`: serve the platforms until told to stop."""

import argparse
import asyncio
import logging

from bots.app import Roles, assemble, make_platforms, open_store
from bots.cli import explain
from bots.commands.tool_list import told_in_vain
from bots.garbage import no_search, spare_what_is_there
from bots.hangup import hear_hangups
from bots.serving import serve, stop_on_signals
from core.config import load_settings
from core.errors import ConfigError, DocentError
from core.log import set_up_logging
from core.settings import Settings
from core.waiting import first_of

log = logging.getLogger(__name__)

TOKENS = {
    "slack": "SLACK_BOT_TOKEN and SLACK_APP_TOKEN",
    "discord": "DISCORD_TOKEN",
}


async def main(options: argparse.Namespace) -> int:
    """Serve; 0 when a signal ended it, else the code of what did, which is in the log."""
    settings = load_settings()
    present = {"slack": settings.slack, "discord": settings.discord}
    roles = Roles.named(options.roles, settings)
    problems = [
        f"`docent run {name}` needs {TOKENS[name]} to be set."
        for name in sorted(roles.listens)
        if present[name] is None
    ]
    if not problems and not any(present.values()):
        problems = [
            f"No platform has its tokens: set {TOKENS['slack']}, or {TOKENS['discord']}. "
            "`docent demo` shows Docent without any."
        ]
    if problems:
        raise ConfigError([*problems, *settings.slips])
    set_up_logging(settings.log_level, settings.log_format)
    for slip in settings.slips:
        log.warning(slip)
    if in_vain := told_in_vain(settings):
        log.warning(in_vain)
    try:
        await _serve_until_stopped(settings, roles)
    except (DocentError, ExceptionGroup) as error:
        return explain(error, log.error)  # whoever watches the log is to see it, too
    return 0


async def _serve_until_stopped(settings: Settings, roles: Roles) -> None:
    stop, opened = asyncio.Event(), asyncio.Event()
    with stop_on_signals(stop), hear_hangups(stop) as hung_up, no_search():
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(_serve(settings, roles, stop, opened, hung_up))
            await first_of(stop, opened)
            # Once it is open, `serve` ends in good order by itself. Before, there is nothing to
            # lose, and a database that does not answer must not hold up the stop.
            if not opened.is_set():
                serving.cancel()


async def _serve(
    settings: Settings,
    roles: Roles,
    stop: asyncio.Event,
    opened: asyncio.Event,
    hung_up: asyncio.Event,
) -> None:
    async with open_store(settings) as store:
        store.leases.lock_file()
        opened.set()
        platforms = make_platforms(settings, store, roles)
        async with assemble(settings, store, platforms, works=roles.works) as docent:
            await store.intake.rehearse()  # those who asked while nobody was there ask at once
            spare_what_is_there()
            await serve(docent, settings, stop, roles.listens, hung_up)
