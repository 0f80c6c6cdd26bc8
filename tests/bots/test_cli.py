"""The command line itself: what it refuses before a command begins."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bots.cli import EXIT_CONFIG, EXIT_FAILED, main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "--pages"], "write --format csv --pages"),
        (["report", "--pages", "--format", "json"], "write --format csv --pages"),
        (["manifest", "discord", "--agent"], "write docent manifest slack --agent"),
        (["manifest", "slack", "--application-id", "5"], "write docent manifest discord"),
    ],
)
def test_what_would_be_ignored_is_refused_with_what_to_write(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == EXIT_CONFIG
    assert said in capsys.readouterr().err


def test_what_fits_together_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "discord", "--application-id", "5"]) == 0
    assert "client_id=5" in capsys.readouterr().out


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments",
    [("doctor",), ("manifest", "slack"), ("forget", "--user", "slack:U1"), ("migrate",)],
)
def test_an_output_without_room_is_told_in_a_line(
    tmp_path: Path, arguments: Sequence[str], unbuffered: str
) -> None:
    docent(tmp_path, "migrate")
    with Path("/dev/full").open("w") as full:
        ended = docent(tmp_path, *arguments, output=full.fileno(), PYTHONUNBUFFERED=unbuffered)
    said = "The output cannot be written (No space left on device).\n"
    assert (ended.returncode, ended.stderr) == (EXIT_FAILED, said)


@pytest.mark.parametrize(
    "arguments", [("doctor",), ("manifest", "slack"), ("docs", "list"), ("report",), ("chat",)]
)
def test_a_closed_output_is_told_in_a_line(tmp_path: Path, arguments: Sequence[str]) -> None:
    docent(tmp_path, "migrate")
    ended = docent(tmp_path, *arguments, closed=">&-")
    assert (ended.returncode, ended.stderr) == (
        EXIT_FAILED,
        "The output cannot be written (it is closed).\n",
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_what_needs_no_output_is_done_without_one(tmp_path: Path, closed: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "hay.md").write_text("# Hay\n\nFeed the zebra with hay.\n")
    ended = docent(tmp_path, "refresh", closed=closed, DOCS_SOURCES="docs")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "hay.md" in docent(tmp_path, "docs", "list").stdout


def docent(
    folder: Path, *arguments: str, output: int | None = None, closed: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command, with streams closed as the shell does it, or its output into a file."""
    command = [sys.executable, "-m", "bots", *arguments]
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more},  # noqa: TID251
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if output is None else output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_reader_that_goes_away_before_the_end_gets_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "bots", "manifest", "slack"]
    try:
        ended = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (EXIT_FAILED, "")
