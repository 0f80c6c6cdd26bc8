"""`docent chat`: the same desk and loop, behind a prompt."""

import argparse

from rich.console import Console

from bots.app import assemble, open_store, talk
from bots.terminal_bot.adapter import TerminalPlatform
from bots.terminal_bot.events import HELP
from core.config import load_settings
from core.log import set_up_logging


async def main(options: argparse.Namespace) -> int:
    """Talk until the input ends."""
    settings = load_settings()
    set_up_logging("WARNING", settings.log_format)
    console = Console()
    platform = TerminalPlatform(console)
    async with (
        open_store(settings) as store,
        assemble(settings, store, [platform]) as docent,
    ):
        if platform.interactive:
            console.print(f"Ask about the documentation. {HELP}", markup=False)
            if await store.documents.count() == 0:
                console.print(
                    "There is no documentation yet: set DOCS_SOURCES, then /refresh-docs."
                )
        await talk(docent, platform)
    return 0
