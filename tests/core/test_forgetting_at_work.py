"""A person is forgotten by one process while another one is at work on what they asked."""

from collections.abc import AsyncIterator

import pytest

from core.domain import Answer, Answered, Failed, MessageId, Post, TurnState, Working
from core.store import Store
from servers.loop_rig import Bench
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
async def operator(store: Store, migrated_url: str) -> AsyncIterator[Store]:
    """The store as another process has it, that of `docent forget`."""
    async with await Store.open(migrated_url) as opened:
        yield opened


async def test_a_question_at_work_is_given_up_and_the_next_one_is_answered_without_it(
    store: Store, operator: Store
) -> None:
    engine, platform = ScriptedEngine(), RecordingPlatform()
    engine.script("before", Answered(answer=Answer(text="private answer")))
    engine.script("private", Working())
    async with Bench(store, engine, platform).running() as bench:
        await bench.ask("before", author="UGONE")
        await bench.idle()
        engine.looked.clear()
        await bench.ask("private", author="UGONE")
        await bench.ask("public", author="U2")
        await engine.looked.wait()

        assert (await operator.people.forget("slack", "UGONE")).waiting == 1
        # What the command does next ends the run, as far as a process can tell that hears nothing.
        engine.finish("run_2", Failed(reason="unknown_run", transient=True))
        bench.loop.cancel_soon()
        await platform.posted(2)
        await bench.idle()
        assert (await bench.turn(2)).state is TurnState.CANCELLED
    assert platform.threads == {"t1": ["private answer", "answer to public"]}
    assert platform.working == set()
    assert "run_2" in engine.cancelled
    assert [list(history) for _, history in engine.opened] == [[]] * len(engine.opened)
    assert [question.text for _, question in engine.started] == ["before", "private", "public"]


async def test_a_run_for_somebody_else_in_the_thread_is_begun_anew_and_answered_once(
    store: Store, operator: Store
) -> None:
    engine, platform = ScriptedEngine(), RecordingPlatform()
    engine.script("public", Working())
    async with Bench(store, engine, platform).running() as bench:
        await bench.ask("private", author="UGONE")
        await bench.idle()
        engine.looked.clear()
        await bench.ask("public", author="U2")
        await engine.looked.wait()

        await operator.people.forget("slack", "UGONE")
        engine.finish("run_2", Failed(reason="unknown_run", transient=True))
        await platform.posted(2)
        await bench.idle()
    assert platform.threads == {"t1": ["answer to private", "answer to public"]}
    assert [list(history) for _, history in engine.opened] == [[]] * len(engine.opened)


class Interrupted(RecordingPlatform):
    """Has somebody forgotten after the first part that it posts."""

    def __init__(self, operator: Store) -> None:
        super().__init__(parts=2)
        self._operator: Store | None = operator

    async def post(self, post: Post) -> MessageId:
        posted = await super().post(post)
        if self._operator is not None:
            operator, self._operator = self._operator, None
            await operator.people.forget("slack", "UGONE")
        return posted


async def test_a_reply_that_was_on_its_way_leaves_nothing_hanging(
    store: Store, operator: Store
) -> None:
    platform = Interrupted(operator)
    async with Bench(store, ScriptedEngine(), platform).running() as bench:
        await bench.ask("private", author="UGONE")
        await bench.idle()
        turn = await bench.turn()
        assert turn.state in (TurnState.DELIVERED, TurnState.CANCELLED)
        assert (turn.question, turn.author) == ("", "")
        assert await store.progress.unposted(turn) == []
    assert platform.working == set()
    assert "" not in platform.threads["t1"]
