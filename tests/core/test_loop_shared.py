"""Several processes' loops on one Postgres: who answers what, and who takes over."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from core import lease as lease_module
from core import loop as loop_module
from core.domain import Answer, Answered, Turn, TurnId, Working
from core.errors import StoreError
from core.store import Store
from core.store.leases import Beat
from servers.loop_rig import Bench
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine

DONE = Answered(answer=Answer(text="late answer"))


class World:
    """What the processes share: a database, an engine and a platform."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = ScriptedEngine()
        self.platform = RecordingPlatform()

    @asynccontextmanager
    async def process(self, *, works: bool = True) -> AsyncIterator[Bench]:
        """One process, from its start to an orderly stop at the end of the block."""
        async with (
            await Store.open(self.url) as store,
            Bench(store, self.engine, self.platform, works=works).running() as bench,
        ):
            yield bench


async def no_reply(works_for: object) -> Beat:
    raise StoreError


@pytest.fixture
async def world(
    migrated_postgres_url: str, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setattr(lease_module, "HEARTBEAT", 0.05)
    monkeypatch.setattr("core.store.leases.LEASE", 0.5)
    monkeypatch.setattr(lease_module, "FENCE", 0.3)
    return World(migrated_postgres_url)


async def test_a_worker_answers_what_a_process_without_that_role_hears(world: World) -> None:
    world.engine.script("a", Working())
    async with world.process() as worker, world.process(works=False) as ear:
        await ear.desk.take(mention("a", thread="t1"))
        await world.engine.looked.wait()
        assert (await ear.turn()).holder == worker.store.leases.process
        world.engine.finish("run_1", DONE)
        await world.platform.posted(1)
    assert world.platform.threads["t1"] == ["late answer"]


async def test_a_process_without_a_worker_beside_it_answers_by_itself(world: World) -> None:
    async with world.process(works=False) as ear:
        async with world.process():
            await ear.lease.join()
            assert not ear.lease.wants("slack")
        await ear.desk.take(mention("a", thread="t1"))
        await world.platform.posted(1)
    assert world.platform.threads["t1"] == ["answer to a"]


async def test_what_a_dead_process_had_in_hand_is_answered_once_by_another(world: World) -> None:
    world.engine.script("a", Working())
    async with world.process() as survivor:
        async with world.process() as victim:
            await victim.desk.take(mention("a", thread="t1"))
            await world.engine.looked.wait()
            victim.kill()
        world.engine.finish("run_1", DONE)
        await world.platform.posted(1)
        await asyncio.wait_for(survivor.loop.idle.wait(), 60)
    assert world.platform.threads["t1"] == ["late answer"]
    assert len(world.engine.started) == 1
    assert world.platform.working == set()


async def test_a_process_that_stops_hands_over_what_is_not_done(world: World) -> None:
    world.engine.script("a", Working())
    async with world.process() as survivor:
        async with world.process() as leaver:
            await leaver.desk.take(mention("a", thread="t1"))
            await world.engine.looked.wait()
        taken_over = (await survivor.turn()).holder
        world.engine.finish("run_1", DONE)
        await world.platform.posted(1)
    assert taken_over != leaver.store.leases.process
    assert world.platform.threads["t1"] == ["late answer"]
    assert len(world.engine.started) == 1


async def test_a_process_that_lost_its_lease_does_nothing_more_about_a_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.engine.script("a", Working())
    async with world.process(), world.process() as sleeper:
        await sleeper.desk.take(mention("a", thread="t1"))
        await world.engine.looked.wait()
        monkeypatch.setattr(sleeper.store.leases, "beat", no_reply)
        await asyncio.wait_for(sleeper.loop.idle.wait(), 60)
        world.engine.finish("run_1", DONE)
        await world.platform.posted(1)
    assert world.platform.threads["t1"] == ["late answer"]
    assert len(world.engine.started) == 1


async def test_a_thread_that_was_let_go_of_is_taken_up_again_though_its_last_step_is_not_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "IDLE", 3_600.0)  # no scan but those that somebody asks for
    async with world.process() as worker, world.process(works=False) as ear:
        claim, claimed = worker.store.leases.claim, asyncio.Event()
        posted = worker.store.progress.posted

        async def claims(platforms: Sequence[str]) -> list[Turn]:
            found = await claim(platforms)
            if [turn.question for turn in found] == ["b"]:
                claimed.set()
            return found

        async def posts_slowly(*arguments: Any, **named: Any) -> bool:
            monkeypatch.setattr(worker.store.progress, "posted", posted)
            released = await posted(*arguments, **named)
            await ear.desk.take(mention("b", thread="t1"))
            await asyncio.wait_for(claimed.wait(), 60)
            return released

        monkeypatch.setattr(worker.store.leases, "claim", claims)
        monkeypatch.setattr(worker.store.progress, "posted", posts_slowly)
        await worker.desk.take(mention("a", thread="t1"))
        await world.platform.posted(2)
    assert world.platform.threads["t1"] == ["answer to a", "answer to b"]


async def test_a_last_part_that_was_recorded_although_the_database_failed_ends_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.process() as process:
        posted = process.store.progress.posted

        async def fails_after_effect(*arguments: Any, **named: Any) -> bool:
            monkeypatch.setattr(process.store.progress, "posted", posted)
            await posted(*arguments, **named)
            raise StoreError

        monkeypatch.setattr(process.store.progress, "posted", fails_after_effect)
        with caplog.at_level(logging.INFO):
            await process.desk.take(mention("a", thread="t1"))
            await world.platform.posted(1)
            await asyncio.wait_for(process.loop.idle.wait(), 60)
        assert (await process.turn()).holder is None
    assert world.platform.threads["t1"] == ["answer to a"]
    assert world.platform.working == set()
    assert [record.getMessage() for record in caplog.records].count("Turn ended") == 1


async def test_many_questions_through_several_processes_are_each_answered_once_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody dies here: on a busy machine a beat is late, and what is taken over is asked twice.
    monkeypatch.setattr(lease_module, "HEARTBEAT", 10.0)
    monkeypatch.setattr("core.store.leases.LEASE", 120.0)
    monkeypatch.setattr(lease_module, "FENCE", 100.0)
    asked = [
        mention(f"{thread}.{number}", thread=f"t{thread}", author=f"{number}")
        for number in range(4)
        for thread in range(12)
    ]
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(world.process()) for _ in range(3)]
        for number, question in enumerate(asked):
            await processes[number % 3].desk.take(question)
            await processes[(number + 1) % 3].desk.take(question)  # delivered twice
        await world.platform.posted(len(asked))
    for thread in range(12):
        replies = [f"answer to {thread}.{number}" for number in range(4)]
        assert world.platform.threads[f"t{thread}"] == replies
    assert len(world.engine.started) == len(asked)


async def test_a_deletion_heard_by_another_process_ends_the_run(world: World) -> None:
    world.engine.script("a", Working())
    async with world.process() as holder, world.process() as other:
        asked = mention("a", thread="t1")
        await holder.desk.take(asked)
        await world.engine.looked.wait()
        await other.desk.withdraw(asked.ref)
        await asyncio.wait_for(holder.loop.idle.wait(), 60)
        await asyncio.wait_for(world.engine.cancelled_one.wait(), 60)
    assert set(world.engine.cancelled) == {"run_1"}
    assert world.platform.threads == {}
    assert world.platform.working == set()


async def test_a_question_taken_while_an_ended_turn_is_read_again_does_not_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan that read a head before it ended takes it up again; a question comes meanwhile."""
    world.engine.script("first", Working())
    async with world.process() as process:
        claim, get = process.store.leases.claim, process.store.turns.get
        read, ended = asyncio.Event(), asyncio.Event()
        asked: list[str] = []
        looked = world.engine.looked

        async def claims_slowly(wanted: Sequence[str]) -> list[Turn]:
            found = await claim(wanted)
            if found and looked.is_set() and not read.is_set():
                read.set()
                await ended.wait()
            return found

        async def reads_slowly(turn: TurnId) -> Turn | None:
            found = await get(turn)
            if ended.is_set() and turn == TurnId(1) and not asked:
                asked.append("second")
                await process.ask("second")
            return found

        monkeypatch.setattr(process.store.leases, "claim", claims_slowly)
        monkeypatch.setattr(process.store.turns, "get", reads_slowly)
        await process.ask("first")
        await looked.wait()
        process.loop.scan_soon()
        await asyncio.wait_for(read.wait(), 60)
        world.engine.finish("run_1", DONE)
        await world.platform.posted(1)
        await process.idle()
        ended.set()
        await world.platform.posted(2)
    assert world.platform.threads["t1"] == ["late answer", "answer to second"]
