"""`docent refresh`: bring the documents in line with their sources."""

import argparse

from rich.console import Console

from bots.app import assemble, open_store
from bots.refresh_text import summary
from bots.terminal_bot.progress import showing_progress
from core.config import load_settings
from core.errors import ConfigError
from core.log import set_up_logging


async def main(options: argparse.Namespace) -> int:
    """Refresh; 0 when every page and index is in line, 1 when something failed."""
    settings = load_settings()
    if not settings.docs_sources:
        raise ConfigError(["DOCS_SOURCES is not set: name a folder or a site to read."])
    set_up_logging("ERROR", settings.log_format)
    console = Console()
    async with (
        open_store(settings) as store,
        assemble(settings, store, []) as docent,
    ):
        with showing_progress(console) as on_progress:
            report = await docent.refresher.refresh(on_progress)
    console.print(summary(report), markup=False, highlight=False)
    return 1 if report.failed else 0
