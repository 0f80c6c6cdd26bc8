"""What people do while their question waits: they go on writing, edit, delete, ask too much."""

import asyncio
import time
from dataclasses import replace

import pytest

from core import abandoned, pacing
from core.domain import Failed, RunId, RunState, Turn, TurnState, Working
from core.errors import EngineUnreachable, StoreError
from core.pacing import RequestBudget
from core.replies import QUIET
from core.settings import CatchUp, Limit
from core.store import Store
from core.store.gathering import TOGETHER_LENGTH
from servers.loop_rig import Running
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine, done
from servers.waiting import until

pytestmark = pytest.mark.usefixtures("short_waits")


async def cancelled(engine: ScriptedEngine) -> list[RunId]:
    await asyncio.wait_for(engine.cancelled_one.wait(), 60)
    return engine.cancelled


async def test_what_one_author_writes_while_a_run_is_open_is_answered_in_one_run(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        await bench.ask("a", author="U1")
        await engine.looked.wait()
        await bench.ask("b", "c", author="U1")
        await bench.ask("d", author="U2")
        engine.finish("run_1", done("answer to a"))
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "answer to b\n\nc", "answer to d"]
    assert [(await bench.turn(number)).state for number in range(1, 5)] == (
        [TurnState.DELIVERED] * 4
    )


async def test_a_stop_and_the_question_right_after_it_are_two_things(
    running: Running, platform: RecordingPlatform, store: Store
) -> None:
    await store.turns.take(mention("Stop!", author="U1", at=1.0), claim=False, kind="stop")
    await store.turns.take(mention("b", author="U1", at=2.0), claim=False)
    async with running() as bench:  # it goes by what is on record
        await bench.ask("c", thread="t2")
        await until(lambda: len(platform.threads["t1"]) == 2, asyncio.Event, 60)
        await bench.idle()
    assert platform.threads["t1"] == [QUIET, "answer to b"]


async def test_a_question_edited_while_it_is_worked_on_is_answered_as_it_reads_now(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("old", Working())
    async with running() as bench:
        (asked,) = await bench.ask("old")
        await engine.looked.wait()
        await bench.desk.edit(replace(asked, text="new"))
        await bench.idle()
        assert await cancelled(engine) == ["run_1"]
    assert platform.threads["t1"] == ["answer to new"]
    # What the cancelled run left in its conversation is not certain.
    assert [conversation for conversation, _ in engine.started] == ["conv_1", "conv_2"]


async def test_news_of_an_edit_at_the_moment_a_step_is_due_does_not_double_the_step(
    running: Running, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NewsAtTheFirstLook(RequestBudget):
        def take(self, now: float) -> bool:
            if not engine.looks:
                # It is heard after the step was scheduled, and before it begins.
                asyncio.get_running_loop().call_soon(bench.loop.changed, thread)
            return super().take(now)

    looking: list[int] = [0]
    check = engine.check

    async def slowly(run: RunId) -> RunState:
        looking.append(looking[-1] + 1)
        for _ in range(5):
            await bench.turn()  # longer than a second step would need to come here
        looking.append(looking[-1] - 1)
        return await check(run)

    monkeypatch.setattr(engine, "check", slowly)
    async with running(budget=NewsAtTheFirstLook()) as bench:
        asked = mention("a", thread="t1")
        turn = await bench.store.turns.take(asked)
        assert turn is not None
        thread = turn.thread_id
        bench.loop.notice(turn)
        await bench.idle()
    assert max(looking) == 1


async def test_an_edit_does_not_use_up_the_second_try_of_a_run_that_fails(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("old", Working())
    engine.script("new", Failed(reason="server_error", transient=True))
    engine.script("new", done("It works like this."))
    async with running() as bench:
        (asked,) = await bench.ask("old")
        await engine.looked_at(1)
        await bench.desk.edit(replace(asked, text="new"))
        await bench.idle()
    assert platform.threads["t1"] == ["It works like this."]


async def test_a_question_edited_while_its_run_is_created_is_answered_as_it_reads_now(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        asked = mention("old", thread="t1")

        async def edits_first() -> None:
            engine.before_reply = None
            await bench.desk.edit(replace(asked, text="new"))

        engine.before_reply = edits_first
        await bench.desk.take(asked)
        await bench.idle()
        assert await cancelled(engine) == ["run_1"]
    assert platform.threads["t1"] == ["answer to new"]


async def test_a_deleted_question_gets_no_reply_and_its_run_and_sign_end(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        (asked,) = await bench.ask("a")
        await engine.looked.wait()
        await bench.ask("b")
        await bench.desk.withdraw(asked.ref)
        await bench.idle()
        assert await cancelled(engine) == ["run_1"]
        assert (await bench.turn()).state is TurnState.CANCELLED
    assert platform.threads["t1"] == ["answer to b"]
    assert platform.working == set()


async def test_a_waiting_question_that_is_deleted_costs_no_run(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        await bench.ask("a")
        await engine.looked.wait()
        (waiting,) = await bench.ask("b")
        await bench.desk.withdraw(waiting.ref)
        engine.finish("run_1", done("answer to a"))
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]
    assert [question.text for _, question in engine.started] == ["a"]


async def test_a_run_that_cannot_be_cancelled_now_is_cancelled_later(
    running: Running, engine: ScriptedEngine
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        (asked,) = await bench.ask("a")
        await engine.looked.wait()
        engine.cancel_errors = [EngineUnreachable(), EngineUnreachable()]
        await bench.desk.withdraw(asked.ref)
        assert await cancelled(engine) == ["run_1"]
        assert engine.cancel_errors == []


async def test_a_run_that_could_not_be_cancelled_for_too_long_is_let_be(
    running: Running, engine: ScriptedEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled, is_off = store.progress.cancelled, asyncio.Event()

    async def takes_it_off_the_record(run: RunId) -> None:
        await cancelled(run)
        is_off.set()

    monkeypatch.setattr(store.progress, "cancelled", takes_it_off_the_record)
    monkeypatch.setattr(abandoned, "GIVEN_UP", 0.0)
    engine.script("a", Working())
    async with running() as bench:
        (asked,) = await bench.ask("a")
        await engine.looked.wait()
        engine.cancel_errors = [EngineUnreachable()]
        await bench.desk.withdraw(asked.ref)
        await asyncio.wait_for(is_off.wait(), 60)
    assert await store.progress.abandoned(engine.name) == []
    assert (engine.cancelled, engine.cancel_errors) == ([], [])


async def test_who_asks_too_much_is_told_when_to_try_again(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running(user_limit=Limit(count=2, seconds=600)) as bench:
        for thread in ("t1", "t2", "t3"):
            await bench.ask("q", thread=thread, author="U1")
            await bench.idle()
        await bench.ask("q", thread="t4", author="U2")
        await bench.idle()
    (refusal,) = platform.threads["t3"]
    assert "2 questions" in refusal
    assert "10 minutes" in refusal
    assert platform.threads["t4"] == ["answer to q"]
    assert len(engine.started) == 3


async def test_a_question_that_is_found_too_late_gets_an_apology_and_points_to_people(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    catch_up = CatchUp(answer_age=3600, apology_age=86_400, messages=10)
    async with running(catch_up=catch_up) as bench:
        await bench.desk.take(replace(mention("old", thread="t1"), at=time.time() - 3700))
        await bench.desk.take(replace(mention("new", thread="t2"), at=time.time() - 3500))
        await bench.idle()
    (apology,) = platform.threads["t1"]
    assert apology.startswith("I am sorry: I was away")
    assert "I cannot reply at this time" in apology
    assert platform.threads["t2"] == ["answer to new"]
    assert len(engine.started) == 1


async def test_a_flood_in_one_thread_does_not_hold_up_another(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("flood 0", Working())
    async with running() as bench:
        await bench.ask(*(f"flood {number}" for number in range(50)))
        await bench.ask("q", thread="quiet")
        await platform.posted(1)
        assert platform.threads == {"quiet": ["answer to q"]}
        engine.finish("run_1", done("answer to flood 0"))
        await platform.posted(51)
    assert platform.threads["t1"] == [f"answer to flood {number}" for number in range(50)]


@pytest.mark.parametrize("how", ["edit", "withdraw"])
async def test_a_run_whose_id_could_not_be_written_is_cancelled_when_the_question_changes(
    running: Running,
    engine: ScriptedEngine,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    began, failed = store.progress.began, asyncio.Event()

    async def fails_once(turn: Turn, run: RunId) -> bool:
        if failed.is_set():
            return await began(turn, run)
        failed.set()
        raise StoreError

    monkeypatch.setattr(store.progress, "began", fails_once)
    monkeypatch.setattr(pacing, "FIRST_SETBACK", 0.2)
    engine.script("old", Working())
    async with running() as bench:
        (asked,) = await bench.ask("old")
        await failed.wait()
        if how == "edit":
            await bench.desk.edit(replace(asked, text="new"))
        else:
            await bench.desk.withdraw(asked.ref)
        assert await cancelled(engine) == ["run_1"]
        await bench.idle()


async def test_a_joined_message_that_is_too_long_after_an_edit_is_answered_by_itself(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("first", Working())
    engine.script("one\n\ntwo", Working())
    async with running() as bench:
        await bench.ask("first")
        await engine.looked.wait()
        await bench.ask("one", author="U1")
        (two,) = await bench.ask("two", author="U1")
        engine.finish("run_1", done("answer to first"))
        await engine.looked_at(2)
        long = "t" * (TOGETHER_LENGTH + 1)
        await bench.desk.edit(replace(two, text=long))
        await bench.idle()
    replies = ["answer to first", "answer to one", f"answer to {long}"]
    assert platform.threads["t1"] == replies


async def test_an_unforeseen_error_in_a_cancellation_ends_nothing(
    running: Running, engine: ScriptedEngine
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        (asked,) = await bench.ask("a")
        await engine.looked.wait()
        engine.cancel_errors = [ValueError("a bug")]
        await bench.desk.withdraw(asked.ref)
        assert await cancelled(engine) == ["run_1"]
        await bench.idle()


@pytest.mark.parametrize(
    ("days", "notes"), [(6, ()), (31, ("The documentation was last refreshed 31 days ago.",))]
)
async def test_an_answer_from_old_documentation_says_how_old_it_is(
    running: Running, platform: RecordingPlatform, days: int, notes: tuple[str, ...]
) -> None:
    refreshed_at = time.time() - days * 86_400 - 60
    async with running(refreshed_at=refreshed_at, max_age=7 * 86_400) as bench:
        await bench.ask("a")
        await bench.idle()
    assert [reply.notes for reply in platform.replies] == [notes]
