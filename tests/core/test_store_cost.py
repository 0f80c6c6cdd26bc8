"""What a turn costs at the database, and that what one statement decides holds though it waits."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from sqlalchemy import event, func, select, text, update

from core.domain import Answer, ConversationId, MessageId, ProcessId, RunId, Turn, TurnState
from core.errors import NotOurs
from core.settings import Limit
from core.store import Store
from core.store.schema import abandoned_runs, processes, threads, turns
from core.store.turns import lock_thread
from core.store.withdrawals import lock_key
from servers.mentions import mention

#: By whether processes share the database, for the first turn of a thread and for each later one.
MOST = {False: (15, 13), True: (16, 14)}
LIMIT = Limit(count=10, seconds=600)


@contextmanager
def counting(store: Store) -> Iterator[list[str]]:
    """The statements that are sent, without those that begin and end transactions."""
    sent: list[str] = []

    def on_statement(_connection: Any, _cursor: Any, sql: str, *_more: Any) -> None:
        sent.append(sql)

    engine = store._database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", on_statement)
    yield sent
    event.remove(engine, "before_cursor_execute", on_statement)


async def taken(store: Store, question: str = "q", **said: str) -> Turn:
    turn = await store.turns.take(mention(question, **said))
    assert turn is not None
    return turn


async def answer(store: Store) -> None:
    """Bring a turn of the thread to its end, as the loop does."""
    turn = await store.progress.gather(await taken(store))
    await store.people.filled_since(turn, LIMIT, LIMIT)
    if turn.conversation is None:
        await store.turns.history(turn, 10)
        assert await store.progress.link(turn, "openai", ConversationId("c"))
    else:
        await store.turns.last_asked(turn)
    assert await store.progress.began(turn, RunId(f"r{turn.id}"))
    said = Answer(text="a")
    assert await store.progress.settle(turn, TurnState.ANSWERED, "answered", said, ["a"])
    for part in await store.progress.unposted(turn):
        await store.progress.posted(turn, part.number, MessageId(f"m{turn.id}"), last=True)
    assert await store.leases.next_or_release(turn.thread_id) is None


async def test_a_turn_takes_few_statements(store: Store) -> None:
    await store.leases.beat(["slack"])
    first, later = MOST[store.leases.shared]
    with counting(store) as sent:
        await answer(store)
    assert len(sent) <= first, sent
    with counting(store) as sent:
        await answer(store)
    assert len(sent) <= later, sent


async def test_a_message_that_was_taken_before_leaves_no_claim_on_its_thread(store: Store) -> None:
    await store.leases.beat(["slack"])
    asked = mention("q")
    turn = await store.turns.take(asked)
    assert turn is not None
    await store.progress.close(turn, TurnState.CANCELLED, "refused")
    assert await store.leases.next_or_release(turn.thread_id) is None
    assert await store.turns.take(asked) is None
    async with store._database.read() as connection:
        assert (await connection.execute(select(threads.c.holder))).scalars().all() == [None]


async def test_a_message_that_was_deleted_before_it_came_makes_no_thread(store: Store) -> None:
    asked = mention("q")
    await store.turns.withdraw(asked.ref, asked=True)
    assert await store.turns.take(asked) is None
    async with store._database.read() as connection:
        assert (await connection.execute(select(threads.c.id))).first() is None


async def test_what_is_taken_is_what_is_on_record(store: Store) -> None:
    await store.leases.beat(["slack"])
    first = await taken(store, "q\0", author="U1")  # with what no database takes
    assert not first.waits
    assert await store.progress.link(first, "openai", ConversationId("c"))
    second = await taken(store, "also", author="U2")
    assert second.waits
    for turn in (second, await store.turns.get(second.id)):
        assert turn is not None
        assert (turn.conversation, turn.engine, turn.question) == ("c", "openai", "also")
    assert await store.turns.get(second.id) == second


# --- statements that wait, on Postgres ------------------------------------------------------------


@pytest.fixture
async def shared(migrated_postgres_url: str) -> AsyncIterator[Store]:
    async with await Store.open(migrated_postgres_url) as opened:
        await opened.leases.beat(["slack"])
        yield opened


async def waits_for_a_lock(store: Store) -> None:
    query = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE NOT granted AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while True:
            async with store._database.read(apart=True) as connection:
                if (await connection.execute(query)).scalar_one():
                    return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def thread_locked(store: Store, turn: Turn) -> AsyncIterator[Any]:
    """A transaction of somebody else, who has the thread."""
    async with store._database.write(apart=True) as connection:
        await connection.execute(lock_thread(turn.thread_id))
        yield connection


async def test_a_run_for_a_question_that_is_being_edited_does_not_begin(shared: Store) -> None:
    turn = await taken(shared)
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            begun = tasks.create_task(shared.progress.began(turn, RunId("r")))
            await waits_for_a_lock(shared)
            edited = update(turns).where(turns.c.id == turn.id)
            await connection.execute(edited.values(revision=turn.revision + 1))
        assert await begun is False
    async with shared._database.read() as connection:
        runs = (await connection.execute(select(abandoned_runs.c.run))).scalars().all()
    assert runs == ["r"]


async def test_a_message_is_locked_before_its_thread(shared: Store) -> None:
    # Whoever takes many at once has to lock them in this order, too.
    turn = await taken(shared)
    another = mention("another")
    lock = select(func.pg_advisory_xact_lock(lock_key(another.ref)))
    async with asyncio.TaskGroup() as tasks:
        async with shared._database.write(apart=True) as connection:
            await connection.execute(lock)
            taking = tasks.create_task(shared.turns.take(another))
            await waits_for_a_lock(shared)
            thread = select(threads.c.id).where(threads.c.id == turn.thread_id)
            await connection.execute(thread.with_for_update(nowait=True))  # nobody has it
        assert await taking is not None


async def test_a_thread_that_is_changing_hands_is_ours_no_longer(shared: Store) -> None:
    turn = await taken(shared)
    other = ProcessId("other")
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            closing = shared.progress.close(turn, TurnState.CANCELLED, "refused")
            closed = tasks.create_task(raised(closing))
            await waits_for_a_lock(shared)
            joined = processes.insert().values(id=other, works_for="slack", seen_at=9e9)
            await connection.execute(joined)
            await connection.execute(update(threads).values(holder=other))
        assert isinstance(await closed, NotOurs)
    still = await shared.turns.get(turn.id)
    assert still is not None
    assert (still.state, still.holder) == (TurnState.QUEUED, other)


async def raised(work: Any) -> BaseException | None:
    try:
        await work
    except NotOurs as error:
        return error
    return None
