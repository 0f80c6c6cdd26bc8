"""The command line itself: what it refuses before a command begins."""

import os
import subprocess
import sys

import pytest

from bots.cli import EXIT_CONFIG, EXIT_FAILED, main


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
