"""How far `docent refresh` is, with a terminal to show it on and without one."""

import io

import pytest
from rich.console import Console

from bots.terminal_bot import progress
from bots.terminal_bot.progress import showing_progress
from core.documents import RefreshPhase, RefreshProgress


async def shown(*, is_terminal: bool) -> str:
    """What is written while 300 pages are read and indexed."""
    screen = io.StringIO()
    with showing_progress(Console(file=screen, force_terminal=is_terminal, width=80)) as tell:
        await tell(RefreshProgress(phase="listing", done=0, total=0, what="docs"))
        phases: tuple[RefreshPhase, ...] = ("reading", "indexing")
        for phase in phases:
            for done in range(0, 301, 10):
                await tell(RefreshProgress(phase=phase, done=done, total=300, what="docs"))
    return screen.getvalue()


async def test_without_a_terminal_there_is_a_line_for_each_phase_and_nothing_that_steers_one() -> (
    None
):
    output = await shown(is_terminal=False)
    assert output.isprintable() or set(output) - set(filter(str.isprintable, output)) == {"\n"}
    assert output.splitlines() == [
        "Listing docs …",
        "██████████ 100% · Checking docs · 300 of 300",
        "██████████ 100% · Indexing docs · 300 of 300",
    ]


async def test_without_a_terminal_a_long_phase_is_told_of_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    assert len((await shown(is_terminal=False)).splitlines()) == 1 + 2 * 31


async def test_on_a_terminal_there_is_a_bar_for_each_phase() -> None:
    output = await shown(is_terminal=True)
    assert "\x1b[" in output
    assert "Checking docs" in output
    assert "300/300" in output
