"""A platform may show a draft, and then not let its message be changed, or deleted."""

from collections.abc import Sequence

import pytest

from core.domain import Answer, Answered, TurnState, Working
from core.errors import PlatformBusy, PlatformRefused
from core.store import Store
from servers.loop_rig import Bench
from servers.scripted import RecordingPlatform, ScriptedEngine

REFUSED = PlatformRefused("edit_window_closed")


pytestmark = pytest.mark.usefixtures("drafts_at_once")


@pytest.fixture
def engine() -> ScriptedEngine:
    engine = ScriptedEngine()
    engine.speaks = True
    engine.script("q", Working())
    return engine


@pytest.mark.parametrize(
    ("errors", "shown"),
    [
        ([REFUSED], ["", "It is blue."]),
        ([REFUSED, REFUSED], ["It is", "It is blue."]),  # nor to be deleted
        ([PlatformBusy(0.001), REFUSED], ["", "It is blue."]),
    ],
)
async def test_a_draft_that_cannot_become_the_reply_gives_way_to_it(
    store: Store, engine: ScriptedEngine, errors: Sequence[Exception], shown: Sequence[str]
) -> None:
    platform = RecordingPlatform()
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


@pytest.mark.parametrize(
    ("error", "left"), [(None, ["…", "…"]), (PlatformRefused("cant_update_message"), ["one", "…"])]
)
async def test_what_was_written_for_a_deleted_question_is_emptied_where_it_cannot_be_deleted(
    store: Store, engine: ScriptedEngine, error: Exception | None, left: Sequence[str]
) -> None:
    platform = RecordingPlatform()
    platform.can_delete = False
    bench = Bench(store, engine, platform)
    async with bench.running():
        (asked,) = await bench.ask("q")
        engine.write("run_1", "one|two")
        await platform.drafted("two")
        # The one to delete the first message, the other to change it.
        platform.edit_errors = [error, error] if error else []
        await bench.desk.withdraw(asked.ref)
        await bench.idle()
        assert (await bench.turn()).state is TurnState.CANCELLED
    assert platform.threads["t1"] == left
    assert all(not post.buttons for post in platform.posts if post.text == "…")


async def test_a_reply_is_delivered_where_a_message_that_it_does_not_need_cannot_be_deleted(
    store: Store, engine: ScriptedEngine
) -> None:
    platform = RecordingPlatform()
    platform.can_delete = False
    bench = Bench(store, engine, platform)
    async with bench.running():
        await bench.ask("q")
        engine.write("run_1", "one|two")
        await platform.drafted("two")
        engine.finish("run_1", Answered(answer=Answer(text="x")))
        engine.end_words("run_1")
        await bench.idle()
    assert platform.threads["t1"] == ["x", "…"]
    assert (await bench.turn()).state is TurnState.DELIVERED
