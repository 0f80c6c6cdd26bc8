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
from core.store.part_rows import Unposted
from core.store.schema import abandoned_runs, processes, threads, turns
from core.store.turns import lock_thread
from core.store.withdrawals import lock_key
from servers.mentions import mention

#: By whether processes share the database, for the first turn of a thread and for each later one.
MOST = {False: (9, 8), True: (9, 8)}
LIMIT = Limit(count=10, seconds=600)
OTHER = ProcessId("other")


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
    found = await store.progress.gather(await taken(store), person=LIMIT, channel=LIMIT)
    assert found is not None
    turn = found.turn
    if turn.conversation is None:
        assert found.follows is None  # there is no history
        assert await store.progress.link(turn, "openai", ConversationId("c"))
    assert await store.progress.began(turn, RunId(f"r{turn.id}"))
    said = Answer(text="a")
    settled = await store.progress.settle(turn, TurnState.ANSWERED, "answered", said, ["a"])
    assert settled == [Unposted(0, "a", None)]
    assert await store.progress.posted(turn, 0, MessageId(f"m{turn.id}"), last=True)


async def test_a_turn_takes_few_statements(store: Store) -> None:
    await store.leases.beat(["slack"])
    first, later = MOST[store.leases.shared]
    with counting(store) as sent:
        await answer(store)
    assert len(sent) <= first, sent
    with counting(store) as sent:
        await answer(store)
    assert len(sent) <= later, sent


async def test_a_last_part_that_is_recorded_again_does_not_say_how_the_thread_goes_on(
    store: Store,
) -> None:
    await store.leases.beat(["slack"])
    turn = await taken(store)
    following = await taken(store, "more", author="U2")
    assert await store.progress.settle(turn, TurnState.ANSWERED, "answered", None, ["a"])
    for _ in range(2):
        assert not await store.progress.posted(turn, 0, MessageId("m"), last=True)
    head = await store.leases.next_or_release(turn.thread_id)
    assert head is not None
    assert head.id == following.id


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


def edited(turn: Turn, **values: object) -> Any:
    """What somebody else makes of a turn."""
    change = update(turns).where(turns.c.id == turn.id)
    return change.values(revision=turn.revision + 1, **values)


async def hand_over(connection: Any) -> None:
    """Let another process have every thread."""
    joined = processes.insert().values(id=OTHER, works_for="slack", seen_at=9e9)
    await connection.execute(joined)
    await connection.execute(update(threads).values(holder=OTHER))


async def rows(store: Store, query: Any) -> list[Any]:
    async with store._database.read() as connection:
        return list((await connection.execute(query)).all())


async def test_a_run_for_a_question_that_is_being_edited_does_not_begin(shared: Store) -> None:
    turn = await taken(shared)
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            begun = tasks.create_task(shared.progress.began(turn, RunId("r")))
            await waits_for_a_lock(shared)
            await connection.execute(edited(turn))
        assert await begun is False
    assert [row.run for row in await rows(shared, select(abandoned_runs))] == ["r"]


async def test_a_question_that_is_being_edited_gets_no_conversation(shared: Store) -> None:
    turn = await taken(shared)
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            linking = shared.progress.link(turn, "openai", ConversationId("c"))
            linked = tasks.create_task(linking)
            await waits_for_a_lock(shared)
            await connection.execute(edited(turn))
        assert await linked is False
    still = await shared.turns.get(turn.id)
    assert still is not None
    assert still.conversation is None
    assert [one.conversation for one in await shared.erasures.waiting("openai")] == ["c"]


async def test_a_draft_of_a_question_that_is_being_deleted_is_not_recorded(shared: Store) -> None:
    turn = await taken(shared)
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            drafted = tasks.create_task(raised(shared.progress.drafted(turn, 0, MessageId("m"))))
            await waits_for_a_lock(shared)
            await connection.execute(edited(turn, state=TurnState.WITHDRAWN))
        assert isinstance(await drafted, NotOurs)
    assert await shared.progress.drafts(turn) == {}


async def test_a_thread_is_kept_for_a_question_that_is_being_taken_when_a_turn_ends(
    shared: Store,
) -> None:
    turn = await taken(shared)
    row = (await rows(shared, select(turns)))[0]._asdict()
    another = {**row, "id": turn.id + 1, "message": "another"}
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            posting = shared.progress.posted(turn, 0, MessageId("m"), last=True)
            posted = tasks.create_task(posting)
            await waits_for_a_lock(shared)
            await connection.execute(turns.insert().values(another))
        assert await posted is False
    following = await shared.leases.next_or_release(turn.thread_id)
    assert following is not None
    assert (following.id, following.holder) == (turn.id + 1, shared.leases.process)


@pytest.mark.parametrize("last", [True, False])
async def test_a_part_of_a_thread_that_is_changing_hands_is_not_recorded(
    shared: Store, last: bool
) -> None:
    turn = await taken(shared)
    assert await shared.progress.settle(turn, TurnState.ANSWERED, "answered", None, ["a", "b"])
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            posting = shared.progress.posted(turn, 0, MessageId("m"), last=last)
            posted = tasks.create_task(raised(posting))
            await waits_for_a_lock(shared)
            await hand_over(connection)
        assert isinstance(await posted, NotOurs)
    assert [part.number for part in await shared.progress.unposted(turn)] == [0, 1]


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
    async with asyncio.TaskGroup() as tasks:
        async with thread_locked(shared, turn) as connection:
            closing = shared.progress.close(turn, TurnState.CANCELLED, "refused")
            closed = tasks.create_task(raised(closing))
            await waits_for_a_lock(shared)
            await hand_over(connection)
        assert isinstance(await closed, NotOurs)
    still = await shared.turns.get(turn.id)
    assert still is not None
    assert (still.state, still.holder) == (TurnState.QUEUED, OTHER)


async def raised(work: Any) -> BaseException | None:
    try:
        await work
    except NotOurs as error:
        return error
    return None
