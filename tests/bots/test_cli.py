"""The command line itself: what it refuses before a command begins."""

import pytest

from bots.cli import EXIT_CONFIG, main


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
