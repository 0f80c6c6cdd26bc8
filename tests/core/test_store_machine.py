"""Any order of what people do, of steps, and of deaths: the store keeps its promises.

Two processes act on what they remember, which may be out of date: that is what the store must see
through. At the end of each run a last process brings everything to its end.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select

from core.domain import Answer, MessageId, RunId, ThreadId, Turn, TurnState
from core.errors import NotOurs
from core.store import Store, migrate_database
from core.store.schema import abandoned_runs, parts, processes, threads, turns, withdrawals
from servers.mentions import mention

T = TypeVar("T")
PLATFORMS = ["slack"]
ENDED = {TurnState.DELIVERED, TurnState.CANCELLED}
PROCESS = st.integers(0, 1)
THREAD = st.sampled_from(["t1", "t2"])
AUTHOR = st.sampled_from(["U1", "U2"])


class StoreMachine(RuleBasedStateMachine):
    """Two processes and the people who ask them. `url` is set by the tests."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open_stores = AsyncExitStack()
        self.asked: list[str] = []  # ids of messages
        self.runs: set[str] = set()  # that the store was told of
        self.read: set[str] = set()  # whose answer was stored
        self.unknown: set[str] = set()  # that no process could tell the store of
        self.ended: dict[int, tuple[str, str | None]] = {}
        self.posts: dict[tuple[int, int], int] = {}
        self.numbers = iter(range(1_000_000))
        self.run(self._empty())
        count = 1 if self.url.startswith("sqlite") else 2
        self.stores = [self.run(self._process()) for _ in range(count)]
        self.hands: list[dict[ThreadId, Turn]] = [{} for _ in range(count)]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _empty(self) -> None:
        async with await Store.open(self.url) as store, store._database.write() as connection:
            for table in (parts, turns, threads, processes, abandoned_runs, withdrawals):
                if table is turns:  # followers before their leaders
                    await connection.execute(delete(turns).where(turns.c.leader.is_not(None)))
                await connection.execute(delete(table))

    async def _process(self) -> Store:
        store = await self.open_stores.enter_async_context(await Store.open(self.url))
        await store.leases.beat(PLATFORMS)
        return store

    def which(self, process: int) -> int:
        return process % len(self.stores)

    # --- people -----------------------------------------------------------------------------------

    @rule(process=PROCESS, thread=THREAD, author=AUTHOR, claim=st.booleans())
    def ask(self, process: int, thread: str, author: str, claim: bool) -> None:
        process = self.which(process)
        message = f"m{next(self.numbers)}"
        self.asked.append(message)
        asked = mention(f"text of {message}", thread=thread, author=author, message=message)
        turn = self.run(self.stores[process].turns.take(asked, claim=claim))
        assert turn is not None
        if self.stores[process].leases.holds(turn) and not turn.waits:
            self.hands[process].setdefault(turn.thread_id, turn)

    @precondition(lambda self: self.asked)
    @rule(process=PROCESS, thread=THREAD, data=st.data())
    def deliver_again(self, process: int, thread: str, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.asked))
        store = self.stores[self.which(process)]
        assert self.run(store.turns.take(mention("x", thread=thread, message=message))) is None

    @precondition(lambda self: self.asked)
    @rule(process=PROCESS, thread=THREAD, data=st.data())
    def edit(self, process: int, thread: str, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.asked))
        edited = mention(f"edit {next(self.numbers)}", thread=thread, message=message)
        self.run(self.stores[self.which(process)].turns.edit(edited))

    @precondition(lambda self: self.asked)
    @rule(process=PROCESS, data=st.data())
    def withdraw(self, process: int, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.asked))
        store = self.stores[self.which(process)]
        self.run(store.turns.withdraw(mention("", message=message).ref))

    @rule(process=PROCESS, other=PROCESS, thread=THREAD, edited=st.booleans())
    def delete_before_it_comes(self, process: int, other: int, thread: str, edited: bool) -> None:
        """A message that is gone when its question is delivered has no turn."""
        asked = mention("gone", thread=thread, message=f"m{next(self.numbers)}")
        withdrawing = self.stores[self.which(process)].turns.withdraw(asked.ref, asked=True)
        assert self.run(withdrawing) is None
        turns = self.stores[self.which(other)].turns
        assert self.run(turns.edit(asked) if edited else turns.take(asked)) is None

    # --- processes --------------------------------------------------------------------------------

    @rule(process=PROCESS)
    def claim(self, process: int) -> None:
        process = self.which(process)
        for turn in self.run(self.stores[process].leases.claim(PLATFORMS)):
            self.hands[process].setdefault(turn.thread_id, turn)

    @rule(process=PROCESS)
    def die(self, process: int) -> None:
        """The process is gone, the others see it, and another one starts."""
        process = self.which(process)
        self.run(self._forget(self.stores[process]))
        self.stores[process] = self.run(self._process())
        self.hands[process] = {}

    @rule(process=PROCESS)
    def be_taken_for_dead(self, process: int) -> None:
        """The others see no heartbeat, but the process goes on with what it has in hand."""
        self.run(self._forget(self.stores[self.which(process)]))

    async def _forget(self, store: Store) -> None:
        async with store._database.write() as connection:
            await connection.execute(
                delete(processes).where(processes.c.id == store.leases.process)
            )

    @rule(process=PROCESS)
    def come_back(self, process: int) -> None:
        process = self.which(process)
        if self.run(self.stores[process].leases.beat(PLATFORMS)).was_dead:
            self.hands[process] = {}

    @rule(process=PROCESS)
    def release(self, process: int) -> None:
        process = self.which(process)
        leases = self.stores[process].leases
        self.run(leases.release())
        if leases.shared:
            self.hands[process] = {}

    # --- steps ------------------------------------------------------------------------------------

    @rule(process=PROCESS, thread=st.integers(0, 1))
    def step(self, process: int, thread: int) -> None:
        """The next step of a turn in hand, as this process remembers it."""
        process = self.which(process)
        hand = list(self.hands[process])
        if hand:
            self._step(self.stores[process], self.hands[process], hand[thread % len(hand)])

    @rule(process=PROCESS, thread=st.integers(0, 1))
    def read_again(self, process: int, thread: int) -> None:
        process = self.which(process)
        hand = list(self.hands[process])
        if hand:
            key = hand[thread % len(hand)]
            self._read(self.stores[process], self.hands[process], key)

    def _read(self, store: Store, hand: dict[ThreadId, Turn], key: ThreadId) -> None:
        turn = self.run(store.turns.get(hand[key].id))
        assert turn is not None
        if store.leases.holds(turn):
            hand[key] = turn
        else:
            del hand[key]

    def _step(self, store: Store, hand: dict[ThreadId, Turn], key: ThreadId) -> None:
        turn = hand[key]
        try:
            match turn.state:
                case TurnState.QUEUED:
                    self._begin(store, hand, turn)
                case TurnState.RUNNING:
                    self._settle(store, hand, turn)
                case TurnState.ANSWERED | TurnState.FAILED:
                    self._post(store, hand, turn)
                case TurnState.WITHDRAWN:
                    closing = store.progress.close(turn, TurnState.CANCELLED, "deleted")
                    self.run(closing)
                    self._read(store, hand, key)
                case _:
                    following = self.run(store.leases.next_or_release(key))
                    del hand[key]
                    if following is not None:
                        hand[key] = following
        except NotOurs:
            del hand[key]

    def _begin(self, store: Store, hand: dict[ThreadId, Turn], turn: Turn) -> None:
        found = self.run(store.progress.gather(turn))
        if found is None:
            self._read(store, hand, turn.thread_id)
            return
        turn = found.turn
        run = RunId(f"run_{next(self.numbers)}")
        try:
            self.run(store.progress.link(turn, "scripted", None))
            begun = self.run(store.progress.began(replace(turn, engine="scripted"), run))
        except NotOurs:
            self.unknown.add(run)
            raise
        self.runs.add(run)
        if begun:
            hand[turn.thread_id] = replace(turn, state=TurnState.RUNNING, run=run)
        else:
            self._read(store, hand, turn.thread_id)

    def _settle(self, store: Store, hand: dict[ThreadId, Turn], turn: Turn) -> None:
        answer = Answer(text=f"answer to {turn.question}")
        settling = store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["a", "b"])
        if self.run(settling):
            assert turn.run is not None
            self.read.add(turn.run)
        self._read(store, hand, turn.thread_id)

    def _post(self, store: Store, hand: dict[ThreadId, Turn], turn: Turn) -> None:
        waiting = self.run(store.progress.unposted(turn))
        number = waiting[0].number if waiting else 1
        message = MessageId(f"{turn.id}/{number}")
        self.run(store.progress.posted(turn, number, message, last=len(waiting) <= 1))
        post = (turn.id, number)
        if waiting:
            self.posts[post] = self.posts.get(post, 0) + 1
        self._read(store, hand, turn.thread_id)

    # --- promises ---------------------------------------------------------------------------------

    def rows(self) -> list[Any]:
        async def read() -> list[Any]:
            async with self.stores[0]._database.read() as connection:
                return list((await connection.execute(select(turns).order_by(turns.c.id))).all())

        return self.run(read())

    def abandoned(self) -> set[str]:
        return {run for run, _ in self.run(self.stores[0].progress.abandoned("scripted"))}

    @invariant()
    def the_promises_hold(self) -> None:
        rows, abandoned = self.rows(), self.abandoned()
        self._what_has_ended_stays_as_it_ended(rows)
        self._every_run_is_followed_read_or_to_be_cancelled(rows, abandoned)
        self._who_is_answered_together_wrote_in_one_thread(rows)
        running = [row.thread_id for row in rows if row.state == TurnState.RUNNING]
        assert len(running) == len(set(running)), "a thread has one run at a time"
        assert all(count == 1 for count in self.posts.values()), "no part is recorded twice"

    def _what_has_ended_stays_as_it_ended(self, rows: list[Any]) -> None:
        ended = {row.id: (row.state, row.answer) for row in rows if row.state in ENDED}
        assert self.ended.items() <= ended.items()
        self.ended = ended

    def _every_run_is_followed_read_or_to_be_cancelled(
        self, rows: list[Any], abandoned: set[str]
    ) -> None:
        followed = {row.run for row in rows if row.state == TurnState.RUNNING}
        assert self.runs <= followed | self.read | abandoned
        assert not followed & abandoned

    def _who_is_answered_together_wrote_in_one_thread(self, rows: list[Any]) -> None:
        by_id = {row.id: row for row in rows}
        for row in rows:
            if row.leader is not None:
                leader = by_id[row.leader]
                assert (leader.thread_id, leader.author) == (row.thread_id, row.author)
                assert leader.leader is None
                assert leader.id < row.id

    def teardown(self) -> None:
        try:
            self._bring_everything_to_its_end()
        finally:
            self.run(self.open_stores.aclose())
            self.runner.close()

    def _bring_everything_to_its_end(self) -> None:
        for store in self.stores:
            self.run(self._forget(store))
        last, hand = self.run(self._process()), dict[ThreadId, Turn]()
        for _ in range(20 * len(self.asked) + 1):
            for turn in self.run(last.leases.claim(PLATFORMS)):
                hand.setdefault(turn.thread_id, turn)
            if not hand:
                break
            for key in list(hand):
                self._step(last, hand, key)
        by_id = {row.id: row for row in self.rows()}
        assert len(by_id) == len(self.asked)
        for row in by_id.values():
            assert row.state in ENDED
            leader = by_id[row.leader] if row.leader is not None else row
            if row.state == TurnState.DELIVERED:
                assert leader.state == TurnState.DELIVERED
                assert [self.posts.get((leader.id, part)) for part in (0, 1)] == [1, 1]
            else:
                assert row.outcome == "deleted"
        self.the_promises_hold()


@pytest.fixture
def sqlite_file() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'docent.db'}"


def play(url: str, examples: int) -> None:
    machine = type("Machine", (StoreMachine,), {"url": url})
    asyncio.run(migrate_database(url))
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_sqlite_keeps_its_promises_in_any_order_of_events(sqlite_file: str) -> None:
    play(sqlite_file, examples=8)


def test_postgres_keeps_its_promises_for_two_processes(postgres_url: str) -> None:
    play(postgres_url, examples=6)
