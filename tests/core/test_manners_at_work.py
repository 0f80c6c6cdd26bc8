"""Manners while runs are at work: what a stop ends, what a follow-up begins, and what it costs."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from core.domain import TurnState, Working
from core.replies import QUIET
from core.store import Store
from servers.loop_rig import Bench, Running
from servers.mentions import mention, remark
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")


async def test_a_follow_up_is_answered_in_the_same_conversation(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a", author="U1")
        await bench.idle()
        assert await bench.desk.overhear(remark("b", author="U1"))
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "answer to b"]
    assert [conversation for conversation, _ in engine.started] == ["conv_1", "conv_1"]


async def test_a_stop_cancels_the_run_and_what_waits_and_is_acknowledged(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        await bench.ask("a", "b", "c")
        await engine.looked.wait()
        assert await bench.desk.take(mention("stop"))
        await bench.idle()
        await asyncio.wait_for(engine.cancelled_one.wait(), 60)
        ends = [await bench.turn(number) for number in (1, 2, 3)]
    assert platform.threads["t1"] == [QUIET]
    assert engine.cancelled == ["run_1"]
    assert [(turn.state, turn.outcome) for turn in ends] == [(TurnState.CANCELLED, "silenced")] * 3
    assert platform.working == set()


async def test_a_question_that_is_edited_into_a_stop_ends_and_is_acknowledged(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        (asked,) = await bench.ask("a", author="U1")
        await engine.looked_at(1)
        await bench.desk.edit(replace(asked, text="stop", at=asked.at + 1))
        await bench.idle()
        assert not await bench.desk.overhear(remark("b", author="U1", at=asked.at + 2))
    assert platform.threads["t1"] == [QUIET]
    assert engine.cancelled == ["run_1"]


async def test_the_loop_hears_of_a_stop_at_once(store: Store) -> None:
    bench = Bench(store, ScriptedEngine(), RecordingPlatform())
    changed: list[int] = []
    bench.desk._on_change = changed.append
    await bench.ask("a")
    assert changed == []
    await bench.desk.take(mention("stop"))
    assert changed == [(await bench.turn()).thread_id]


async def test_a_mention_after_a_stop_is_answered(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a", author="U1")
        await bench.idle()
        await bench.desk.take(mention("stop", author="U2"))
        await bench.idle()
        assert not await bench.desk.overhear(remark("b", author="U1"))
        await bench.ask("c", author="U1")
        await bench.idle()
        assert await bench.desk.overhear(remark("d", author="U1"))
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", QUIET, "answer to c", "answer to d"]


async def test_asking_for_people_leaves_what_is_under_way_and_keeps_quiet_then(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        (asked,) = await bench.ask("a", author="U1")
        await bench.desk.silence(asked.thread, "human", asked.at)
        await bench.idle()
        assert not await bench.desk.overhear(remark("b", author="U1"))
    assert platform.threads["t1"] == ["answer to a"]


async def test_a_bot_that_is_not_allowed_is_not_answered(
    running: Running, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        beep = mention("beep", author="B1", bot=("B1",))
        assert not await bench.desk.take(beep)
        await bench.desk.edit(beep)
        await bench.idle()
        assert await bench.desk.turned_away(beep) == ""
    assert platform.threads == {}


async def test_what_is_said_in_threads_of_others_costs_one_read(store: Store) -> None:
    engine, platform = ScriptedEngine(), RecordingPlatform()
    bench = Bench(store, engine, platform)
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sync_engine = store._database._engine.sync_engine
    event.listen(sync_engine, "before_cursor_execute", note)
    assert not await bench.desk.overhear(remark())
    event.remove(sync_engine, "before_cursor_execute", note)
    (statement,) = [one for one in statements if "threads" in one]
    assert statement.startswith("SELECT")
    writing = ("INSERT", "UPDATE", "DELETE")
    assert not [one for one in statements if one.startswith(writing)]
