"""What counts as a yes at the terminal, and how to get away from the question."""

import asyncio
import io
import signal

import pytest

from bots.commands.yes_or_no import agrees


class Keyboard(io.StringIO):
    """Somebody presses Ctrl-C while the question waits, and later answers with yes."""

    def readline(self, size: int | None = -1, /) -> str:
        signal.raise_signal(signal.SIGINT)
        return super().readline(-1 if size is None else size)


@pytest.mark.parametrize(
    ("typed", "is_yes"),
    [
        ("y\n", True),
        (" YES \n", True),
        ("n\n", False),
        ("\n", False),
        ("yep\n", False),
        ("", False),
    ],
)
def test_only_yes_is_yes_and_the_end_of_the_input_is_no(
    typed: str, is_yes: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert agrees("Remove them?") == is_yes
    assert capsys.readouterr().out.startswith("Remove them? [y/N] ")


def test_the_first_ctrl_c_ends_the_command_and_not_only_the_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = []

    async def command() -> None:
        before = signal.getsignal(signal.SIGINT)
        assert before is not signal.default_int_handler  # the loop's own, which lets us wait
        try:
            answers.append(agrees("Remove them?"))
        finally:
            assert signal.getsignal(signal.SIGINT) is before

    monkeypatch.setattr("sys.stdin", Keyboard("yes\n"))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(command())
    assert answers == []
