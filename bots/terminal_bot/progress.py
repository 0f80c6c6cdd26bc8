"""A refresh on the terminal: a bar where there is one, a line a phase where there is none."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bots.refresh_text import progress_line, title
from core.documents import OnProgress, RefreshProgress

LINE_EVERY = 10.0  # seconds, where there is no terminal to show a bar on


@contextmanager
def showing_progress(console: Console) -> Iterator[OnProgress]:
    """Show how far a refresh is, for as long as the block lasts."""
    if not console.is_terminal:
        yield _printer(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {}

        async def move_bar(progress: RefreshProgress) -> None:
            if not progress.total:
                return  # how much it is, nobody knows before it is done
            key = (progress.phase, progress.what)
            if key not in tasks:
                tasks[key] = bars.add_task(title(progress), total=None)
            bars.update(tasks[key], completed=progress.done, total=progress.total or None)

        yield move_bar


def _printer(console: Console) -> OnProgress:
    """Print a line at the end of each phase, and in long ones now and then."""
    printed = time.monotonic()

    async def print_some(progress: RefreshProgress) -> None:
        nonlocal printed
        if progress.done != progress.total and time.monotonic() - printed < LINE_EVERY:
            return
        printed = time.monotonic()
        console.print(progress_line(progress), markup=False, highlight=False, soft_wrap=True)

    return print_some
