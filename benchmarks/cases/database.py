"""Database: statements and time of a turn, on SQLite and Postgres, new and among a million turns.

One turn goes through the steps that the loop takes with it, by the methods of the store alone: no
engine and no platform are in the way. Then the same among a million old turns: a step that looks
at them one by one would show, and so would a plan that reads a whole table.
"""

import asyncio
import itertools
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy import event

from benchmarks.frame import Options, Result, yardstick
from benchmarks.old_turns import DAY, add_old_turns, plans_that_read_all
from benchmarks.postgres import KINDS, Kind, fresh_database
from core.domain import (
    Answer,
    Citation,
    ConversationId,
    Mention,
    MessageId,
    MessageRef,
    RunId,
    ThreadRef,
    TurnState,
)
from core.settings import Limit
from core.store import Store

T = TypeVar("T")

OLD_TURNS: Final = 1_000_000
OLD_TURNS_QUICK: Final = 20_000
TURNS: Final = 300  # one after the other
AT_ONCE: Final = 32
ANSWER: Final = Answer(
    text="Set `ACME_TOKEN` in the environment, and start the server again. " * 12,
    citations=(Citation(url="https://docs.example.com/tokens", title="Access tokens"),),
)
USER_LIMIT: Final = Limit(count=10, seconds=600)
CHANNEL_LIMIT: Final = Limit(count=1_000, seconds=3_600)
OF_A_TURN: Final = (
    "take",
    "gather",
    "link",
    "began",
    "settle",
    "posted",
)
BESIDE: Final = ("scan", "overhear", "unknown deleted", "delivered again")
_numbers = itertools.count(1)


async def measure(options: Options) -> list[Result]:
    """Measure each kind of database, empty and grown."""
    results = []
    for kind in KINDS:
        results += await _measure(kind, quick=options.quick)
    return results


async def _measure(kind: Kind, *, quick: bool) -> list[Result]:
    turns = TURNS // 5 if quick else TURNS
    old = OLD_TURNS_QUICK if quick else OLD_TURNS
    async with _open_store(kind) as store:
        await _steps(store, 20)  # statements are compiled once
        new = await _steps(store, turns)
        again = await _steps(store, turns, thread="C1:one")
        yard = yardstick()
        speed, cpu = await _speed(store, turns, 1)
        at_once, _ = await _speed(store, turns * 2, AT_ONCE)
    async with _open_store(kind) as store:
        await add_old_turns(store, old)
        await _steps(store, 20)
        grown = await _steps(store, turns)
        plans = await plans_that_read_all(store, grown.sent)
    for plan in plans:
        print(f"  {kind}: a whole table is read: {plan}")
    found = [
        Result(name=f"{kind}: statements, first turn of a thread", value=new.statements, unit="",
               goal=9),
        Result(name=f"{kind}: statements, later turns", value=again.statements, unit="", goal=9),
        Result(name=f"{kind}: transactions, first turn of a thread", value=new.transactions,
               unit=""),
        Result(name=f"{kind}: CPU per turn", value=cpu * 1000, unit="ms", reference=yard * 1000),
        Result(name=f"{kind}: turns one by one", value=speed, unit="1/s", better="higher",
               reference=1 / yard),
        Result(name=f"{kind}: turns, {AT_ONCE} at once", value=at_once, unit="1/s",
               better="higher", reference=1 / yard),
        Result(name=f"{kind}: a turn among {old:,} old ones, beside none",
               value=grown.seconds(OF_A_TURN) * 1000, unit="ms",
               reference=new.seconds(OF_A_TURN) * 1000),
        Result(name=f"{kind}: plans that read a whole table", value=len(plans), unit="", goal=0),
    ]  # fmt: skip
    for step in (*OF_A_TURN, *BESIDE):
        found.append(
            Result(
                name=f"{kind}: {step}, among old turns beside none",
                value=grown.median(step) * 1000,
                unit="ms",
                reference=new.median(step) * 1000,
            )
        )
    return found


@dataclass
class Watch:
    """What is sent to the database while it looks, and how long each named step takes."""

    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)  #: of statements, by step
    begun: Counter[str] = field(default_factory=Counter)  #: transactions, by step
    sent: dict[tuple[str, str], Any] = field(default_factory=dict)  #: parameters, by step and SQL
    step: str = ""

    async def timed(self, step: str, work: Awaitable[T]) -> T:
        """Wait for a step, and note what it took."""
        self.step = step
        began = time.perf_counter()
        result = await work
        self.times[step].append(time.perf_counter() - began)
        return result

    @property
    def statements(self) -> float:
        """Statements of a turn."""
        return sum(self.counts[step] for step in OF_A_TURN) / len(self.times["take"])

    @property
    def transactions(self) -> float:
        """Transactions of a turn."""
        return sum(self.begun[step] for step in OF_A_TURN) / len(self.times["take"])

    def median(self, step: str) -> float:
        """Seconds of a step."""
        return statistics.median(self.times[step])

    def seconds(self, steps: tuple[str, ...]) -> float:
        """Seconds of several steps together."""
        return sum(self.median(step) for step in steps if step in self.times)


@contextmanager
def _watching(store: Store) -> Iterator[Watch]:
    """Count what the store sends; what begins a transaction is not counted as a statement."""
    watch = Watch()
    engine = store._database._engine.sync_engine

    def on_statement(_c: Any, _cursor: Any, sql: str, parameters: Any, *_more: Any) -> None:
        if not sql.startswith("BEGIN"):
            watch.counts[watch.step] += 1
            watch.sent[watch.step, sql] = parameters

    def on_begin(_connection: Any) -> None:
        watch.begun[watch.step] += 1

    event.listen(engine, "before_cursor_execute", on_statement)
    event.listen(engine, "begin", on_begin)
    try:
        yield watch
    finally:
        event.remove(engine, "before_cursor_execute", on_statement)
        event.remove(engine, "begin", on_begin)


async def _one_turn(store: Store, watch: Watch, mention: Mention) -> None:
    """Bring a turn from its mention to its end, step by step, as the loop does."""
    turn = await watch.timed("take", store.turns.take(mention))
    assert turn is not None
    looked_up = store.progress.gather(turn, person=USER_LIMIT, channel=CHANNEL_LIMIT)
    gathered = await watch.timed("gather", looked_up)
    assert gathered is not None
    turn = gathered.turn
    if turn.conversation is None:
        if gathered.follows is not None:
            await watch.timed("history", store.turns.history(turn, 10))
        conversation = ConversationId(f"conv_{turn.id}")
        assert await watch.timed("link", store.progress.link(turn, "openai", conversation))
    assert await watch.timed("began", store.progress.began(turn, RunId(f"resp_{turn.id}")))
    settled = store.progress.settle(turn, TurnState.ANSWERED, "answered", ANSWER, [ANSWER.text])
    parts = await watch.timed("settle", settled)
    assert parts is not None
    (part,) = parts
    posted = store.progress.posted(turn, part.number, MessageId(f"r{turn.id}"), last=True)
    assert await watch.timed("posted", posted)  # and nothing else is open in the thread


async def _beside(store: Store, watch: Watch, mention: Mention) -> None:
    """What the database is asked beside the turns, often."""
    await watch.timed("scan", store.leases.claim(["slack"]))
    standing = store.standings.of(mention.thread, mention.author)
    assert await watch.timed("overhear", standing) is not None
    unknown = MessageRef(
        platform="slack", tenant="T1", channel=mention.channel, message=MessageId("unknown")
    )
    await watch.timed("unknown deleted", store.turns.withdraw(unknown, asked=False))
    assert await watch.timed("delivered again", store.turns.take(mention)) is None


async def _steps(store: Store, turns: int, thread: str | None = None) -> Watch:
    """One turn after the other: what each step takes, and sends."""
    with _watching(store) as watch:
        if thread is not None:
            await _one_turn(store, Watch(), _mention(thread))
            watch.counts.clear()
            watch.begun.clear()
        for number in range(turns):
            mention = _mention(thread)
            await _one_turn(store, watch, mention)
            if number % 3 == 0:
                await _beside(store, watch, mention)
    return watch


async def _speed(store: Store, turns: int, at_once: int) -> tuple[float, float]:
    """Turns a second with so many in hand at a time, and the CPU seconds of one."""
    waiting, idle = iter(range(turns)), Watch()

    async def hand() -> None:
        for _ in waiting:
            await _one_turn(store, idle, _mention())

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(hand())
    return turns / (time.perf_counter() - began), (time.process_time() - cpu) / turns


def _mention(thread: str | None = None) -> Mention:
    number = next(_numbers)
    return Mention(
        thread=ThreadRef(platform="slack", tenant="T1", key=thread or f"C1:new{number}"),
        channel=f"C{number % 200}",
        message=MessageId(f"new{number}"),
        author=f"U{number % 10_000}",
        text="How do I renew a token that has expired?",
        at=time.time() - DAY + number,  # nobody asks too much
    )


@asynccontextmanager
async def _open_store(kind: Kind) -> AsyncIterator[Store]:
    async with fresh_database(kind) as url, await Store.open(url) as store:
        await store.leases.beat(["slack"])
        yield store
