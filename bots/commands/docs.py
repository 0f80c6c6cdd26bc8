"""`docent docs`: look at the documents, in our database and in the indexes."""

import argparse
import asyncio
import difflib
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from bots.app import Docent, assemble, open_store
from bots.cli import EXIT_FAILED
from bots.terminal_bot.progress import showing_progress
from bots.terminal_bot.screen import Screen, open_screen
from core.config import load_settings
from core.documents import PageState
from core.gap_replies import counted
from core.log import set_up_logging
from core.refresh import IndexCheck

BY = "docent docs verify"
SHOWN = 20  # of each kind of difference
EXCERPT = 300  # characters of a passage

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


async def main(options: argparse.Namespace) -> int:
    """Do what is asked for.

    1 where there is no such page, nothing is found, indexes differ, or nobody read to the end.
    """
    settings = load_settings()
    set_up_logging("ERROR", settings.log_format)
    screen = open_screen(asyncio.Event())
    async with (
        open_store(settings, must_exist=True) as store,
        assemble(settings, store, []) as docent,
    ):
        code = await _do(docent, screen, options)
    return code or int(screen.gone)


async def _do(docent: Docent, screen: Screen, options: argparse.Namespace) -> int:
    match options.action:
        case "list":
            return await _list(docent, screen, options.state)
        case "show":
            return await _show(docent, screen, options.url)
        case "search":
            return await _search(docent, screen, " ".join(options.words), options.limit)
        case _:
            return await _verify(docent, screen, repair=options.repair)


# --- list and show --------------------------------------------------------------------------------


async def _list(docent: Docent, screen: Screen, wanted: str | None) -> int:
    """A table on a terminal; elsewhere lines with tabs, for other programs."""
    indexes = docent.refresher.index_names
    rows = [
        (page, [page.copies.get(index, "missing") for index in indexes])
        for page in await docent.store.documents.states()
    ]
    rows = [(page, states) for page, states in rows if wanted is None or wanted in states]
    if not rows and wanted is None:
        print("There are no pages yet: `docent refresh` reads them.", file=sys.stderr)
        return 0
    if not screen.is_terminal:
        for page, states in rows:
            _say(screen, "\t".join((*_columns(page), *states)))
        return 0
    table = Table(box=None, pad_edge=False)
    table.add_column("read", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("address", overflow="fold")
    for name in indexes:
        table.add_column(name, no_wrap=True)
    for page, states in rows:
        table.add_row(*map(Text, (*_columns(page), *states)))  # a string would be read as markup
    screen.print(table)
    screen.print(
        f"{counted(len(rows), 'page')}. Times are in UTC, sizes in characters.", highlight=False
    )
    return 0


def _columns(page: PageState) -> tuple[str, str, str]:
    return _time(page.fetched_at), str(page.size), page.url


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _say(screen: Screen, text: str) -> None:
    """Print a line, however long, with its tabs, and without what would steer the terminal."""
    if screen.quiet:
        return
    try:
        screen.file.write(_STEERING.sub("", text) + "\n")
        screen.file.flush()
    except BrokenPipeError:
        screen.on_broken_pipe()


async def _show(docent: Docent, screen: Screen, url: str) -> int:
    documents = docent.store.documents
    found = await documents.page(url) or await documents.page(url.partition("#")[0])
    if found is None:
        known = [page.url for page in await documents.states()]
        near = difflib.get_close_matches(url, known, n=3) or [one for one in known if url in one]
        hint = f" Is it {' or '.join(near[:3])}?" if near else " `docent docs list` has them all."
        print(f"There is no page {url}.{hint}", file=sys.stderr)
        return EXIT_FAILED
    page, state = found
    copies = [
        f"{name} {state.copies.get(name, 'missing')}" for name in docent.refresher.index_names
    ]
    _say(screen, f"Title:   {page.title}")
    _say(screen, f"Address: {page.url}")
    _say(screen, f"Source:  {page.source}")
    _say(screen, f"Read:    {_time(state.fetched_at)} UTC, {state.size} characters")
    _say(screen, f"Indexes: {', '.join(copies)}")
    _say(screen, f"\n{page.markdown.strip()}")
    return 0


# --- search ---------------------------------------------------------------------------------------


async def _search(docent: Docent, screen: Screen, words: str, limit: int) -> int:
    """The passages that come near the words, each with how much of them it covers."""
    found = await docent.finder.passages(words, limit)
    answered, _ = await docent.finder.find([words])
    for passage, coverage in found:
        _say(screen, f"{coverage:.2f}  {' > '.join(passage.headings) or passage.title}")
        _say(screen, f"      {passage.url}")
        text = " ".join(passage.text.split())
        _say(screen, f"      {text[:EXCERPT]}{'…' if len(text) > EXCERPT else ''}\n")
    if not found:
        print("Nothing comes near it.", file=sys.stderr)
        return EXIT_FAILED
    if not answered:
        print("The local engine would say that the documentation has no answer.", file=sys.stderr)
    return 0


# --- verify ---------------------------------------------------------------------------------------


async def _verify(docent: Docent, screen: Screen, *, repair: bool) -> int:
    """Compare; with `repair`, mend and compare again. 0 where the indexes are in line then."""
    with showing_progress(screen) as on_progress:
        checks = await docent.refresher.verify(on_progress, by=BY, repair=repair)
    for check in checks:
        _tell(screen, check)
    if all(check.is_in_line for check in checks):
        return 0
    advice = "Some could not be mended" if repair else "`docent docs verify --repair` mends it"
    print(f"{advice}.", file=sys.stderr)
    return EXIT_FAILED


def _tell(screen: Screen, check: IndexCheck) -> None:
    state = "in line with the pages" if check.is_in_line else "NOT in line with the pages"
    _say(screen, f"{check.index}: {state}; {counted(check.copies, 'document')} on record")
    if check.foreign:
        _say(screen, f"  {check.foreign} files of others are in it, which are left alone")
    for mark, count in check.others.items():
        _say(screen, f"  {count} of them bear the mark {mark} of another Docent; if that was this")
        _say(screen, f"  one, before its database was lost: docent refresh --adopt {mark}")
    _tell_some(screen, "missing from the index", check.missing)
    _tell_some(screen, "on record, but not there", [copy.url for copy in check.lost])
    _tell_some(screen, "there, but not on record", [copy.ref for copy in check.orphans])
    _tell_some(screen, "out of date", [copy.url for copy in check.stale])
    _tell_some(screen, "not mended", [f"{what}: {reason}" for what, reason in check.failed])


def _tell_some(screen: Screen, what: str, items: Sequence[str]) -> None:
    if items:
        _say(screen, f"  {len(items)} {what}:")
    for item in items[:SHOWN]:
        _say(screen, f"    {item}")
    if len(items) > SHOWN:
        _say(screen, f"    … and {len(items) - SHOWN} more")
