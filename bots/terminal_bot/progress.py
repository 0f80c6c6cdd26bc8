"""A refresh on the terminal: a bar where there is one, a line a phase where there is none."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bots.refresh_text import progress_line, title
from core.domain import RefreshProgress
from core.ports import OnProgress


@contextmanager
def showing_progress(console: Console) -> Iterator[OnProgress]:
    """Show how far a refresh is, for as long as the block lasts."""
    if not console.is_terminal:

        async def print_ends(progress: RefreshProgress) -> None:
            if progress.done == progress.total:
                console.print(
                    progress_line(progress), markup=False, highlight=False, soft_wrap=True
                )

        yield print_ends
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {}

        async def move_bar(progress: RefreshProgress) -> None:
            if progress.phase == "listing":
                return  # how much it is, nobody knows before it is done
            key = (progress.phase, progress.what)
            if key not in tasks:
                tasks[key] = bars.add_task(title(progress), total=None)
            bars.update(tasks[key], completed=progress.done, total=progress.total or None)

        yield move_bar
