"""Conversations that are locked, gone, too long or half-written, and runs whose id was lost."""

import asyncio
import logging

import pytest

from core import answering, clock
from core.domain import Answer, Answered, Exchange, Failed, RunId, TurnState, Working
from core.errors import (
    ConversationGone,
    ConversationTooLong,
    EngineBusy,
    EngineError,
    EngineUnreachable,
    TokenRefused,
)
from core.store import Store
from servers.loop_rig import Bench, Running, runner
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def running(sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform) -> Running:
    return runner(sqlite_store, engine, platform)


async def ask_twice(bench: Bench, engine: ScriptedEngine, *errors: EngineError) -> None:
    """Ask "a", then "b", whose run meets these errors first."""
    await bench.ask("a")
    await bench.idle()
    engine.start_errors = list(errors)
    await bench.ask("b")
    await bench.idle()


async def test_a_run_whose_id_was_lost_is_found_in_the_conversation_and_not_paid_twice(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.lost["b"] = Answered(answer=Answer(text="found answer"))
    async with running() as bench:
        await ask_twice(bench, engine, EngineUnreachable())
        assert (await bench.turn(2)).outcome == "answered"
    assert platform.threads["t1"] == ["answer to a", "found answer"]
    assert [question.text for _, question in engine.started] == ["a"]


async def test_a_lost_run_that_is_still_at_work_is_waited_for(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
        conversation = engine.started[0][0]
        engine.start_errors = [EngineUnreachable()]
        engine._busy[conversation] = RunId("lost")
        await bench.ask("b")
        async with asyncio.timeout(60):
            await engine.recovered_often.wait()
        engine.lost["b"] = Answered(answer=Answer(text="found answer"))
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "found answer"]
    assert [question.text for _, question in engine.started] == ["a"]


async def test_a_question_taken_up_after_a_restart_is_looked_for_before_a_run_is_created(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    sqlite_store: Store,
) -> None:
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    # Taken by a process that dies before it records the run.
    assert await sqlite_store.turns.take(mention("b", thread="t1"))
    engine.lost["b"] = Answered(answer=Answer(text="found answer"))
    async with running() as bench:
        await platform.posted(2)
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "found answer"]
    assert [question.text for _, question in engine.started] == ["a"]


async def test_without_a_trace_of_a_lost_run_the_question_is_asked_again(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await ask_twice(bench, engine, EngineUnreachable())
    assert platform.threads["t1"] == ["answer to a", "answer to b"]
    assert {question.text for _, question in engine.recoveries} == {"b"}


async def test_a_half_written_conversation_is_rebuilt(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.lost["b"] = Failed(reason="half_written", transient=True)
    async with running() as bench:
        await ask_twice(bench, engine, EngineUnreachable())
    assert platform.threads["t1"] == ["answer to a", "answer to b"]
    assert engine.opened[-1][1] == [Exchange(question="a", answer="answer to a")]


async def test_a_conversation_that_stays_locked_is_left_and_the_question_answered(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(answering, "LOCK_PATIENCE", 0.001)
    caplog.set_level(logging.INFO)
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
        engine._busy[engine.started[0][0]] = RunId("somebody else's")
        await bench.ask("b")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "answer to b"]
    assert engine.opened[-1][1] == [Exchange(question="a", answer="answer to a")]
    assert "Conversation stays locked: it is rebuilt from the turns on record" in caplog.messages


async def test_a_conversation_that_is_too_long_is_rebuilt_from_fewer_turns(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        for number in range(5):
            await bench.ask(f"q{number}")
            await bench.idle()
        engine.start_errors = [ConversationTooLong()]
        await bench.ask("b")
        await bench.idle()
    assert platform.threads["t1"][-1] == "answer to b"
    assert [exchange.question for exchange in engine.opened[-1][1]] == ["q3", "q4"]


async def test_a_question_that_is_too_long_even_alone_brings_the_fallback(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await ask_twice(bench, engine, *(ConversationTooLong() for _ in range(9)))
        assert (await bench.turn(2)).outcome == "too_long"
    assert platform.threads["t1"][1].startswith("I cannot reply")
    assert len(engine.opened[-1][1]) == 0


async def test_a_run_that_failed_for_its_length_is_tried_with_less_history(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q4", Failed(reason=answering.TOO_LONG, transient=True))
    async with running() as bench:
        for number in range(5):
            await bench.ask(f"q{number}")
            await bench.idle()
    assert platform.threads["t1"][-1] == "answer to q4"
    assert [exchange.question for exchange in engine.opened[-1][1]] == ["q2", "q3"]


async def test_a_conversation_that_is_gone_when_a_lost_run_is_looked_for_is_rebuilt(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await ask_twice(bench, engine, EngineUnreachable(), ConversationGone())
    assert platform.threads["t1"] == ["answer to a", "answer to b"]
    assert len(engine.opened) == 2


async def test_who_would_wait_for_longer_than_the_deadline_hears_at_once(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.start_errors = [EngineBusy(300)]
    async with running(deadline=120) as bench:
        await bench.ask("a")
        await bench.idle()
        assert (await bench.turn()).outcome == "busy"
    assert platform.threads["t1"][0].startswith("I cannot reply")


async def test_a_clock_that_jumps_fails_nothing_and_holds_nothing_up(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.script("a", Working())
    async with running(deadline=60) as bench:
        await bench.ask("a")
        await engine.looked.wait()
        before = clock.now()
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert 0 <= clock.now() - before < 5
        monkeypatch.setattr("time.time", lambda: before + 86_400)
        engine.finish("run_1", Answered(answer=Answer(text="answer to a")))
        await bench.idle()
        assert (await bench.turn()).outcome == "answered"
    assert platform.threads["t1"] == ["answer to a"]


async def test_a_reply_waits_for_a_token_that_is_accepted_and_the_operator_hears(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.errors = [TokenRefused("Slack refuses the token."), TokenRefused("Slack …")]
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
        assert (await bench.turn()).state is TurnState.DELIVERED
    assert platform.threads["t1"] == ["answer to a"]
    of_token = [text for key, text in bench.troubles if key == "token:slack"]
    assert of_token[0] == "Slack refuses the token."
    assert of_token[-1] is None


async def test_a_lost_run_answers_only_what_it_was_asked(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a", author="U1")
        await bench.idle()
        engine.start_errors = [EngineUnreachable()]
        engine._busy[engine.started[0][0]] = RunId("lost")
        await bench.ask("b", author="U1")
        async with asyncio.timeout(60):
            await engine.recovered_often.wait()
        await bench.ask("c", author="U1")  # the lost run knows nothing of it
        engine.lost["b"] = Answered(answer=Answer(text="found answer"))
        engine._busy.clear()
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "found answer", "answer to c"]
