"""`docent refresh`: bring the documents in line with their sources."""

import argparse
import asyncio
import sys

from rich.console import Console

from bots.app import assemble, open_store
from bots.cli import EXIT_CONFIG, EXIT_FAILED
from bots.commands.yes_or_no import agrees
from bots.refresh_text import gone, summary
from bots.terminal_bot.progress import showing_progress
from bots.terminal_bot.screen import open_screen
from core.config import load_settings
from core.documents import RefreshReport, removals_key
from core.errors import ConfigError, UnknownSource
from core.log import set_up_logging
from core.refresh import ANY_REMOVALS, Refresher

EXIT_UNCONFIRMED = 3  # so much is gone that somebody has to confirm it
BY = "the command line"


async def main(options: argparse.Namespace) -> int:
    """Refresh, and ask where much would be removed.

    0 when every page and index is in line, 1 when something failed, 2 when `--source` names none
    that there is, 3 when pages that are gone wait for a yes.
    """
    settings = load_settings()
    if not settings.docs_sources:
        not_set = "DOCS_SOURCES is not set: name a folder or a site to read."
        raise ConfigError([not_set, *settings.slips])
    set_up_logging("ERROR", settings.log_format)
    console = open_screen(asyncio.Event())  # whose reader may go away: the refresh goes on
    try:
        async with (
            open_store(settings) as store,
            assemble(settings, store, []) as docent,
        ):
            report = await _refresh(
                docent.refresher, options, console, confirm=ANY_REMOVALS if options.yes else None
            )
            _show(report, console, everything=options.dry_run)
            if report.withheld and not options.dry_run and _agrees(report):
                report = await _refresh(
                    docent.refresher, options, console, confirm=removals_key(report.withheld)
                )
                _show(report, console)
    except UnknownSource as error:
        print(f"--source: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return _exit_code(report)


async def _refresh(
    refresher: Refresher, options: argparse.Namespace, console: Console, *, confirm: str | None
) -> RefreshReport:
    only = options.source or ()
    with showing_progress(console) as on_progress:
        if options.dry_run:
            return await refresher.dry_run(on_progress, only=only, confirm=confirm)
        return await refresher.refresh(
            on_progress, by=BY, only=only, confirm=confirm, adopt=options.adopt
        )


def _show(report: RefreshReport, console: Console, *, everything: bool = False) -> None:
    console.print(summary(report), markup=False, highlight=False, soft_wrap=True)
    if not everything:
        return
    parts = {"+": report.added, "~": report.changed, "-": (*report.removed, *report.withheld)}
    for sign, urls in parts.items():
        for url in urls:
            console.print(f"{sign} {url}", markup=False, highlight=False, soft_wrap=True)


def _agrees(report: RefreshReport) -> bool:
    """Ask whether the pages are to go; elsewhere than on a terminal, say how to confirm."""
    if not sys.stdin.isatty():
        print(f"{gone(report)} Run `docent refresh --yes` to remove them.", file=sys.stderr)
        return False
    return agrees("Remove them?")


def _exit_code(report: RefreshReport) -> int:
    if report.failed:
        return EXIT_FAILED
    return EXIT_UNCONFIRMED if report.withheld else 0
