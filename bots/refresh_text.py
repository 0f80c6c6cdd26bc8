"""How a refresh is told to the admin who asked for it, on every platform.

Plain text without markup: each adapter escapes it for its platform. No sending here.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from core.documents import RefreshPhase, RefreshProgress, RefreshReport
from core.refresh.names import called
from core.text import shortened

BAR_CELLS: Final = 10
FAILURES_SHOWN: Final = 10
#: Longest line of a summary, so that the whole fits into one Discord message (2,000 characters).
LINE_LENGTH: Final = 150
#: Of a summary that asks whether pages are to go: the first of them, and fewer failures.
GONE_SHOWN: Final = 5
FAILURES_BESIDE: Final = 4

KEPT: Final = (
    "The pages were kept. The next refresh will ask about them again. If a source was moved, put "
    "that right in DOCS_SOURCES."
)

OTHERS: Final = "Nothing was removed: other pages are gone now than those you were asked about."

_PHASES: Final[Mapping[RefreshPhase, str]] = {
    "listing": "Listing",
    "reading": "Checking",
    "comparing": "Comparing",
    "indexing": "Indexing",
    "removing": "Tidying",
}


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
    return f"{_PHASES[p.phase]} {called(p.what)}"


def summary(report: RefreshReport) -> str:
    """What the refresh did, with the first failures and their reasons: at most 1,900 characters."""
    lines = [_head(report), _counts(report)]
    if report.withheld:
        lines.append(
            f"{gone(report)} They stay until somebody confirms that they go: docent refresh --yes."
        )
    failures = _reasons(report.failed, FAILURES_SHOWN)
    room = FAILURES_SHOWN - len(failures)
    skipped = _reasons(report.skipped, room, "skipped, ") if room > 0 else []
    return "\n".join((*lines, *failures, *skipped))


def question(report: RefreshReport, *, again: bool = False) -> str:
    """What the refresh did, and which pages would go if somebody confirms it; as long at most.

    `again`: somebody did, and other pages are gone by now than those that were shown.
    """
    more = len(report.withheld) - GONE_SHOWN
    lines = [
        *([OTHERS] if again else []),
        _head(report),
        _counts(report),
        f"{gone(report)} They stay until an admin removes them:",
        *(_cut(f"- {url}") for url in report.withheld[:GONE_SHOWN]),
        *([f"- … and {more} more"] if more > 0 else []),
    ]
    if report.failed:
        lines += ["What failed:", *_reasons(report.failed, FAILURES_BESIDE)]
    return "\n".join(lines)


def gone(report: RefreshReport) -> str:
    """How much would be removed, to be asked about: a sentence."""
    count, share = len(report.withheld), len(report.withheld) / max(1, report.known)
    return f"{count} of {report.known} pages ({share:.0%}) are no longer in their sources."


def _head(report: RefreshReport) -> str:
    if report.dry_run:
        return f"A refresh would do this; nothing was changed ({report.seconds:.1f} s)."
    achieved = report.added or report.changed or report.removed or report.unchanged
    if report.failed and not (achieved or report.skipped or report.withheld):
        kept = "all stays as it was" if report.known else "there is no documentation yet"
        return f"Nothing could be read: {kept} ({report.seconds:.1f} s)."
    but = ", but for what failed" if report.failed else ""
    if report.withheld:
        but = ", but for what failed and what is to be confirmed" if but else ", but for removals"
    return f"The documentation is up to date{but} ({report.seconds:.1f} s)."


def _counts(report: RefreshReport) -> str:
    counts = {
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
        "failed": len(report.failed),
    }
    if report.skipped:
        counts["skipped"] = len(report.skipped)
    return ", ".join(f"{count} {what}" for what, count in counts.items()) + "."


def _reasons(of: Sequence[tuple[str, str]], shown: int, prefix: str = "") -> list[str]:
    lines = [_cut(f"- {called(what)}: {prefix}{reason}") for what, reason in of[:shown]]
    more = len(of) - len(lines)
    return [*lines, f"- … and {more} more"] if more else lines


def _cut(line: str) -> str:
    return shortened(" ".join(line.split()), LINE_LENGTH)
