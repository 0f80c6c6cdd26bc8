"""How a refresh is told to the admin who asked for it, on every platform.

Plain text without markup: each adapter escapes it for its platform. No sending here.
"""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from core.domain import RefreshProgress, RefreshReport

BAR_CELLS: Final = 10
FAILURES_SHOWN: Final = 10
#: Longest line of a summary, so that the whole fits into one Discord message (2,000 characters).
LINE_LENGTH: Final = 150

_PHASES: Final = {"listing": "Listing", "reading": "Checking", "indexing": "Indexing"}


def progress_line(p: RefreshProgress) -> str:
    """One line that says how far the refresh is, with a bar where the end is known."""
    doing = title(p)
    if p.total <= 0:
        return _cut(f"{doing} …")
    share = min(1.0, max(0.0, p.done / p.total))
    full = int(share * BAR_CELLS)
    bar = "█" * full + "░" * (BAR_CELLS - full)
    return f"{bar} {share:.0%} · {_cut(doing)} · {p.done} of {p.total}"


def title(p: RefreshProgress) -> str:
    """What the refresh is about, without how far it is."""
    return f"{_PHASES[p.phase]} {_called(p.what)}"


def summary(report: RefreshReport) -> str:
    """What the refresh did, with the first failures and their reasons: at most 1,900 characters."""
    counts = (
        f"{len(report.added)} added, {len(report.changed)} changed, "
        f"{len(report.removed)} removed, {report.unchanged} unchanged, {len(report.failed)} failed"
    )
    but = ", but for what failed" if report.failed else ""
    head = f"The documentation is up to date{but} ({report.seconds:.1f} s).\n{counts}."
    return "\n".join((head, *_failures(report.failed)))


def _failures(failed: Sequence[tuple[str, str]]) -> list[str]:
    lines = [_cut(f"- {_called(what)}: {reason}") for what, reason in failed[:FAILURES_SHOWN]]
    more = len(failed) - len(lines)
    return [*lines, f"- … and {more} more"] if more else lines


def _called(what: str) -> str:
    """What people call a source: where a folder is on the server is nobody's business."""
    folder, _, base = what.partition("=")
    if base.startswith("http"):
        return base
    return what if "://" in what else PurePath(folder).name


def _cut(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…"
