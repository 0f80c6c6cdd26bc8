"""Calls of tools that something befalls: edits, stops, confirmations, and a store that fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from core import feedback, rounds
from core.domain import Answer, Answered, Button, Failed, Mention, Working
from core.errors import EngineUnreachable, StoreError
from core.replies import DEFAULT_FALLBACK, QUIET, STOPPED
from core.store import Store, migrate_database
from core.store.tool_calls import CallState
from servers.attached_files import attached
from servers.loop_rig import Bench
from servers.mentions import mention, press
from servers.rounds_rig import (
    ASKER,
    DONE,
    Told,
    answered,
    call,
    calls,
    outputs,
    said,
    tools,
    waits,
)
from servers.scripted import RecordingPlatform, ScriptedEngine

RESTART = call("restart", service="api")


pytestmark = pytest.mark.usefixtures("short_waits")


def before_each(
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    method: str,
    act: Callable[[], Awaitable[object]],
) -> None:
    """Let something happen right before a method does what it is asked."""
    works = getattr(owner, method)

    async def wrapped(*given: object, **named: object) -> object:
        await act()
        return await works(*given, **named)

    monkeypatch.setattr(owner, method, wrapped)


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: object, method: str) -> asyncio.Event:
    """Let a method fail the first time, without an effect; the event says that it has."""
    failed = asyncio.Event()

    async def fails() -> None:
        if not failed.is_set():
            failed.set()
            raise StoreError

    before_each(monkeypatch, owner, method, fails)
    return failed


# --- a store that fails ---------------------------------------------------------------------------


async def test_what_came_of_a_call_outlasts_a_database_that_is_away_for_a_moment(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    engine: ScriptedEngine,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = fail_once(monkeypatch, sqlite_store.tool_calls, "end")
    async with bench().running() as made:
        await answered(made, calls(), DONE)
    assert failed.is_set()
    assert told.calls == ["api"]
    assert outputs(engine, 2) == ["api is up"]


async def test_a_call_whose_output_cannot_be_written_down_does_not_end_those_beside_it(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    engine: ScriptedEngine,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = fail_once(monkeypatch, sqlite_store.tool_calls, "end")
    engine.script("up?", calls(call("slow", 1), call("status", 2, service="web")))
    engine.script("up?", DONE)
    async with bench().running() as made:
        await made.ask("up?", author=ASKER)
        await told.began.wait()
        await failed.wait()
        for _ in range(10):  # in which an error would have ended what is beside it
            await asyncio.sleep(0)
        told.may_end.set()
        await made.idle()
    assert sorted(told.calls) == ["api", "web"]
    assert outputs(engine, 2) == ["slow is up", "web is up"]


async def test_a_process_that_lost_the_thread_during_a_call_leaves_the_rest_to_the_other_one(
    postgres_url: str, engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    await migrate_database(postgres_url)
    engine.script("up?", calls(call("slow")))
    engine.script("up?", DONE)
    async with await Store.open(postgres_url) as store, await Store.open(postgres_url) as other:
        first = Bench(store, engine, platform, toolbox=tools(told))
        second = Bench(other, engine, platform, toolbox=tools(told))
        async with first.running():
            await first.ask("up?", author=ASKER)
            await told.began.wait()
            async with second.running():
                with psycopg.connect(postgres_url) as database:  # as if the first had been silent
                    taken = "UPDATE threads SET holder = %s WHERE holder = %s"
                    database.execute(taken, (other.leases.process, store.leases.process))
                second.loop.scan_soon()
                await platform.posted(1)
                await second.idle()
                told.may_end.set()
                await first.idle()
                turn = await second.turn()
                (kept,) = await other.tool_calls.of_round(turn)
    assert told.calls == ["api"]
    assert outputs(engine, 2) == [rounds.INTERRUPTED]
    assert (kept.state, kept.output) == (CallState.DONE, rounds.INTERRUPTED)
    assert platform.threads == {"t1": ["It is up."]}


# --- what people do meanwhile ---------------------------------------------------------------------


async def do(made: Bench, what: str, asked: Mention) -> None:
    """Do something about a question that is being answered."""
    match what:
        case "edit":
            await made.desk.edit(replace(asked, text="new"))
        case "deletion":
            await made.desk.withdraw(asked.ref)
        case "button":
            await made.desk.press(press(Button.STOP))
        case "word":
            assert await made.desk.take(mention("stop", author=ASKER))


AFTER = {
    "edit": ["answer to new"],
    "deletion": [],
    "button": [STOPPED],
    "word": [QUIET],
}


@pytest.mark.parametrize("what", AFTER)
async def test_a_call_that_is_not_wanted_any_more_is_not_begun(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    engine.script("up?", calls())
    async with bench().running() as made:
        asked: list[Mention] = []

        async def meanwhile() -> None:
            if asked:
                await do(made, what, asked.pop())

        before_each(monkeypatch, sqlite_store.tool_calls, "begin", meanwhile)
        asked += [mention("up?", author=ASKER)]
        assert await made.desk.take(asked[0])
        await made.idle()
    assert told.calls == []
    assert platform.threads["t1"] == AFTER[what]


@pytest.mark.parametrize("what", AFTER)
async def test_what_a_call_brought_is_on_record_though_nobody_wants_it_any_more(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    told: Told,
    what: str,
) -> None:
    engine.script("up?", calls(call("slow")))
    async with bench().running() as made:
        (asked,) = await made.ask("up?", author=ASKER)
        await told.began.wait()
        await do(made, what, asked)
        told.may_end.set()
        await made.idle()
        turn = await made.turn()
    kept = await sqlite_store.tool_calls.made(turn.id)
    assert [each.output for each in kept] == ([] if what == "deletion" else ["slow is up"])
    assert platform.threads["t1"] == AFTER[what]
    assert [question.text for _, question in engine.started if question.text != "new"] == ["up?"]


async def test_what_was_called_for_messages_together_counts_for_those_that_are_left(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    engine.script("before", Working())
    engine.script("hello\n\nup?", calls(call("slow")))
    async with bench().running() as made:
        await made.ask("before")
        await engine.has_started("run_1")
        (hello, _) = await made.ask("hello", "up?", author=ASKER)
        engine.finish("run_1", Answered(answer=Answer(text="before")))
        await told.began.wait()
        await made.desk.withdraw(hello.ref)
        told.may_end.set()
        await made.idle()
        assert (await made.turn(3)).revision == 1
    assert platform.threads["t1"] == ["before", "answer to up?"]
    assert engine.started[-1][1].text == "up?"
    (output,) = engine.started[-1][1].made
    assert (output.call.name, output.text) == ("slow", "slow is up")
    assert told.calls == ["api"]


STEPS = {
    "calls written down": ("tool_calls", "asked", 1),
    "calls read": ("tool_calls", "of_round", 1),
    "output written down": ("tool_calls", "end", 1),
    "outputs told": ("engine", "start", 2),
    "next run written down": ("progress", "began", 2),
    "outcome written down": ("progress", "settle", 1),
}


@pytest.mark.parametrize("what", AFTER)
@pytest.mark.parametrize("step", STEPS)
async def test_a_question_that_is_not_wanted_any_more_is_left_at_every_step_of_a_round(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    what: str,
) -> None:
    owner, method, passage = STEPS[step]
    asked = mention("up?", author=ASKER)
    passages: list[str] = []
    engine.script("up?", calls())
    engine.script("up?", DONE)
    async with bench().running() as made:

        async def meanwhile() -> None:
            passages.append(step)
            if len(passages) == passage:
                await do(made, what, asked)

        on = engine if owner == "engine" else getattr(sqlite_store, owner)
        before_each(monkeypatch, on, method, meanwhile)
        assert await made.desk.take(asked)
        await made.idle()
    # Who presses a button when the whole answer is there already gets it.
    too_late = (step, what) == ("outcome written down", "button")
    assert platform.threads["t1"] == (["It is up."] if too_late else AFTER[what])
    assert len(passages) >= passage
    assert told.calls in ([], ["api"])
    new = [question for _, question in engine.started if question.text == "new"]
    assert [len(question.made) for question in new] == [len(told.calls)] * (what == "edit")


async def test_a_deadline_that_passes_during_a_call_does_not_spoil_the_next_question(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.answering.LAST_CALL", 0.01)
    hangs = [asyncio.Event()]

    async def once() -> None:
        if hangs:
            await hangs.pop().wait()

    before_each(monkeypatch, sqlite_store.tool_calls, "begin", once)
    async with bench(deadline=0.5).running() as made:
        await answered(made, calls())
        await made.ask("next?", author=ASKER)
        await made.idle()
    first, second = platform.threads["t1"]
    assert DEFAULT_FALLBACK in first
    assert second == "answer to next?"


async def test_an_answer_that_came_while_files_were_read_is_not_asked_for_again(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    class Slow(RecordingPlatform):
        async def read_file(self, *given: Any) -> bytes:
            if self.files_read:  # the run that was in doubt ends
                engine.lost["up?"] = DONE
            return await super().read_file(*given)

    platform = Slow()
    platform.files["a.log"] = b"disk full"
    engine.reads_files = True
    engine.start_errors = [EngineUnreachable()]
    made = Bench(bench().store, engine, platform)
    async with made.running():
        asked = replace(mention("up?", author=ASKER), files=(attached("a.log"),))
        assert await made.desk.take(asked)
        await made.idle()
    assert platform.files_read == ["a.log", "a.log"]
    assert engine.started == []
    assert platform.threads == {"t1": ["It is up."]}


# --- confirmations --------------------------------------------------------------------------------


async def test_only_what_the_reply_showed_is_confirmed(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    engine.script("old", calls(RESTART))
    engine.script("old", Working())
    engine.script("new", calls(call("restart", service="web")))
    engine.script("new", DONE)
    async with bench().running() as made:
        (asked,) = await made.ask("old", author=ASKER)
        await engine.looked_at(2)
        await made.desk.edit(replace(asked, text="new"))
        await made.idle()
        assert await said(made, press(Button.CONFIRM)) == feedback.AT_IT
        await made.idle()
    assert told.calls == ["web"]


async def test_an_apology_does_not_ask_for_a_confirmation_of_what_it_does_not_name(
    bench: Callable[..., Bench], platform: RecordingPlatform
) -> None:
    async with bench().running() as made:
        await answered(made, calls(RESTART), Failed(reason="unknown", transient=False))
    assert DEFAULT_FALLBACK in platform.threads["t1"][0]
    assert Button.CONFIRM not in platform.posts[-1].buttons


async def test_a_call_that_is_denied_before_it_is_begun_is_not_made(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    engine: ScriptedEngine,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bench().running() as made:
        await waits(made)
        before_each(
            monkeypatch,
            sqlite_store.tool_calls,
            "begin",
            lambda: made.desk.press(press(Button.DENY)),
        )
        assert await said(made, press(Button.CONFIRM)) == feedback.AT_IT
        await made.idle()
    assert told.calls == []
    assert [output.text for output in engine.started[-1][1].made] == [rounds.UNWANTED]


async def test_a_call_is_not_made_long_after_it_was_confirmed(
    bench: Callable[..., Bench], engine: ScriptedEngine, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
        long_ago = time.time() - rounds.CONFIRMED_FOR - 60  # nothing ran since then
        await made.desk.press(press(Button.CONFIRM, at=long_ago))
        await made.idle()
    assert told.calls == []
    assert [output.text for output in engine.started[-1][1].made] == [rounds.LATE]


async def test_a_confirmation_waits_its_turn_behind_a_question_that_is_being_answered(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    engine.script("next?", Working())
    async with bench().running() as made:
        await waits(made)
        await made.ask("next?", author=ASKER)
        await engine.has_started("run_3")
        assert await said(made, press(Button.CONFIRM)) == feedback.AT_IT
        assert told.calls == []
        engine.finish("run_3", Answered(answer=Answer(text="next")))
        await made.idle()
    assert told.calls == ["api"]
    assert platform.threads["t1"] == ["May I?", "next", "answer to Yes, please: restart."]


async def test_nothing_is_called_for_a_person_who_was_forgotten_meanwhile(
    bench: Callable[..., Bench],
    sqlite_store: Store,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bench().running() as made:
        await waits(made)
        before_each(
            monkeypatch,
            sqlite_store.tool_calls,
            "begin",
            lambda: sqlite_store.people.forget("slack", ASKER),
        )
        await made.desk.press(press(Button.CONFIRM))
        await made.idle()
        assert await said(made, press(Button.CONFIRM)) != feedback.AT_IT
        turn = await made.turn()
    assert told.calls == []
    assert await sqlite_store.tool_calls.waiting(turn) == []


async def test_what_was_wanted_is_not_waiting_any_more_after_the_retention_time(
    bench: Callable[..., Bench], sqlite_store: Store, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
        await sqlite_store.people.forget_texts(time.time() + 60)
        assert await said(made, press(Button.CONFIRM)) == feedback.NOTHING_WAITS
    assert told.calls == []
