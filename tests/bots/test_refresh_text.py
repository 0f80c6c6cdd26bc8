import pytest

from bots.refresh_text import progress_line, summary
from core.documents import RefreshProgress, RefreshReport


def report(**changes: object) -> RefreshReport:
    given = {"added": (), "changed": (), "removed": (), "unchanged": 0, "failed": (), "seconds": 1}
    return RefreshReport(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("done", "total", "line"),
    [
        (0, 0, "Listing docs …"),
        (0, 10, "░░░░░░░░░░ 0% · Listing docs · 0 of 10"),
        (5, 10, "█████░░░░░ 50% · Listing docs · 5 of 10"),
        (10, 10, "██████████ 100% · Listing docs · 10 of 10"),
        (11, 10, "██████████ 100% · Listing docs · 11 of 10"),
    ],
)
def test_progress_is_one_line_with_a_bar(done: int, total: int, line: str) -> None:
    progress = RefreshProgress(phase="listing", done=done, total=total, what="docs")
    assert progress_line(progress) == line


def test_a_summary_counts_what_was_done() -> None:
    text = summary(report(added=["a", "b"], changed=["c"], removed=["d"], unchanged=7, seconds=3.4))
    assert text == (
        "The documentation is up to date (3.4 s).\n"
        "2 added, 1 changed, 1 removed, 7 unchanged, 0 failed."
    )


def test_a_summary_names_ten_failures_with_their_reasons_and_counts_the_rest() -> None:
    failed = [(f"https://d.example/{n}", "timed out") for n in range(13)]
    text = summary(report(failed=failed, unchanged=1))
    assert text.startswith("The documentation is up to date, but for what failed")
    lines = text.splitlines()[2:]
    assert lines[0] == "- https://d.example/0: timed out"
    assert len(lines) == 11
    assert lines[-1] == "- … and 3 more"


@pytest.mark.parametrize(
    ("known", "head"),
    [(0, "there is no documentation yet"), (3, "all stays as it was")],
)
def test_a_summary_of_a_refresh_in_which_all_failed_does_not_call_that_up_to_date(
    known: int, head: str
) -> None:
    lines = summary(report(failed=[(".", "has no page")], known=known)).splitlines()
    assert lines[0] == f"Nothing could be read: {head} (1.0 s)."
    assert lines[2] == "- .: has no page"


@pytest.mark.parametrize("folder", [".", "./", "docs/.."])
def test_a_source_is_never_called_nothing(folder: str) -> None:
    progress = RefreshProgress(phase="listing", done=0, total=0, what=folder)
    assert progress_line(progress) in ("Listing . …", "Listing .. …")


def test_a_summary_fits_into_a_message_of_any_platform() -> None:
    long = [("https://d.example/" + "x" * 900, "y\n" * 900)] * 99
    text = summary(report(failed=long, skipped=long))
    assert len(text) <= 1_900
    assert len(text.splitlines()) == 13


def test_a_summary_says_what_waits_for_a_yes_and_how_much_that_is() -> None:
    text = summary(report(withheld=["a"] * 12, known=20, unchanged=8))
    assert text.splitlines() == [
        "The documentation is up to date, but for removals (1.0 s).",
        "0 added, 0 changed, 0 removed, 8 unchanged, 0 failed.",
        "12 of 20 pages (60%) are no longer in their sources. They stay until somebody "
        "confirms that they go: docent refresh --yes.",
    ]


def test_a_summary_names_what_was_skipped_after_what_failed() -> None:
    failed = [(f"https://d.example/{n}", "timed out") for n in range(9)]
    skipped = [("https://d.example/x", "no content"), ("https://d.example/y", "no content")]
    lines = summary(report(failed=failed, skipped=skipped)).splitlines()
    assert lines[1] == "0 added, 0 changed, 0 removed, 0 unchanged, 9 failed, 2 skipped."
    assert lines[-2:] == ["- https://d.example/x: skipped, no content", "- … and 1 more"]


def test_the_summary_of_a_dry_run_says_that_nothing_was_done() -> None:
    text = summary(report(added=["a"], dry_run=True))
    assert text.startswith("A refresh would do this; nothing was changed (1.0 s).")
