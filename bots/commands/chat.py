"""`docent chat`: the same desk and loop, behind a prompt."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bots.app import Docent, assemble, open_store
from bots.commands.tool_list import told_in_vain
from bots.serving import stop_on_signals
from bots.terminal_bot.adapter import TerminalPlatform
from bots.terminal_bot.events import HELP
from bots.terminal_bot.screen import open_screen
from core.config import load_settings
from core.errors import ConfigError
from core.log import set_up_logging

NOT_READ = "There is no documentation yet: /refresh-docs here, or `docent refresh`, reads it."
NOTHING_FOUND = (
    "There is no documentation: the last refresh left no page. `docent doctor` says why, as does "
    "/refresh-docs here."
)
NO_SOURCES = "DOCS_SOURCES is not set, and there is no documentation: name a folder or a site."
GRACE = 1.0  # seconds that work under way gets at the end: somebody sits there and waits


async def main(options: argparse.Namespace) -> int:
    """Talk until the input ends or a signal comes.

    1 where the output was not read to its end, or had no room; 2 where there is nothing to ask
    about, nor where to read it.
    """
    settings = load_settings()
    set_up_logging("WARNING", settings.log_format)
    stop = asyncio.Event()
    screen = open_screen(stop)
    platform = TerminalPlatform(screen)
    async with (
        open_store(settings) as store,
        assemble(settings, store, [platform]) as docent,
    ):
        with stop_on_signals(stop):
            if await store.documents.count() == 0:
                if not settings.docs_sources:
                    raise ConfigError([NO_SOURCES, *settings.slips])
                tried = await docent.refresher.was_tried()
                print(NOTHING_FOUND if tried else NOT_READ, file=sys.stderr)
            if platform.interactive:
                screen.print(f"Ask about the documentation. {HELP}", markup=False)
            if in_vain := told_in_vain(settings):
                print(in_vain, file=sys.stderr)
            async with answering(docent, stop):
                await platform.run(docent.desk, stop, asyncio.Event())
    return int(screen.gone)


@asynccontextmanager
async def answering(docent: Docent, stop: asyncio.Event) -> AsyncIterator[None]:
    """Answer what is asked in the block; at its end set `stop`, and wait `GRACE` at most."""
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(docent.loop.run(stop))
        yield
        stop.set()
        await asyncio.wait([loop], timeout=GRACE)
        # What is not done yet stays open in the store, as it would if the process were killed.
        loop.cancel()
