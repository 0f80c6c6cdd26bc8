"""A platform may show a draft, and then not let its message be changed: the reply comes anyway."""

from collections.abc import Sequence

import pytest

from core import drafts, pacing
from core.domain import Answer, Answered, TurnState, Working
from core.errors import PlatformBusy, PlatformRefused
from core.store import Store
from servers.loop_rig import Bench
from servers.scripted import RecordingPlatform, ScriptedEngine

REFUSED = PlatformRefused("edit_window_closed")


@pytest.mark.parametrize(
    ("errors", "shown"),
    [
        ([REFUSED], ["", "It is blue."]),
        ([REFUSED, REFUSED], ["It is", "It is blue."]),  # nor to be deleted
        ([PlatformBusy(0.001), REFUSED], ["", "It is blue."]),
    ],
)
async def test_a_draft_that_cannot_become_the_reply_gives_way_to_it(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    errors: Sequence[Exception],
    shown: Sequence[str],
) -> None:
    monkeypatch.setattr(pacing, "FIRST_LOOK", 0.001)
    monkeypatch.setattr(pacing, "FIRST_SETBACK", 0.001)
    monkeypatch.setattr(drafts, "FIRST_WORDS", 0.0)
    engine, platform = ScriptedEngine(), RecordingPlatform()
    engine.speaks = True
    engine.script("q", Working())
    bench = Bench(store, engine, platform)
    async with bench.running():
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        platform.edit_errors = list(errors)
        engine.finish("run_1", Answered(answer=Answer(text="It is blue.")))
        engine.end_words("run_1")
        await bench.idle()
    assert platform.threads["t1"] == shown
    assert (await bench.turn()).state is TurnState.DELIVERED
