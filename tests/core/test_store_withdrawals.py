"""Deletions that are heard before their question."""

import asyncio
import time
from typing import Any

from sqlalchemy import func, select, text

from core.domain import TurnState
from core.forgetting import Forgetting
from core.store import Store, migrate_database
from core.store.schema import turns, withdrawals
from core.store.withdrawals import KEPT, note
from servers.mentions import mention
from servers.scripted import ScriptedEngine

SECONDS = 20.0


async def remembered(store: Store) -> list[str]:
    async with store._database.read() as connection:
        return list((await connection.execute(select(withdrawals.c.message))).scalars())


async def waits_for_a_lock(store: Store) -> bool:
    query = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE NOT granted AND datname = current_database()"
    )
    async with store._database.read(apart=True) as connection:
        return int((await connection.execute(query)).scalar_one()) > 0


async def blocked_or_done(task: asyncio.Task[Any], store: Store) -> None:
    while not await waits_for_a_lock(store):
        done, _ = await asyncio.wait([task], timeout=0.01)
        if done:
            return


async def test_a_question_that_was_deleted_before_it_came_is_not_taken(store: Store) -> None:
    asked = mention("private")
    assert await store.turns.withdraw(asked.ref, asked=True) is None
    assert await store.turns.take(asked) is None
    assert await store.turns.edit(mention("private, too", message=asked.message)) is None
    assert await store.turns.heads() == []
    assert await store.turns.take(mention("of somebody else")) is not None


async def test_the_same_message_elsewhere_is_another_one(store: Store) -> None:
    asked = mention("q", message="7")
    await store.turns.withdraw(asked.ref, asked=True)
    for elsewhere in ({"channel": "C2"}, {"tenant": "T2"}, {"platform": "discord"}):
        assert await store.turns.take(mention("q", message="7", **elsewhere)) is not None


async def test_hearing_twice_of_a_deletion_is_hearing_of_it_once(store: Store) -> None:
    asked = mention("q")
    for _ in range(2):
        assert await store.turns.withdraw(asked.ref, asked=True) is None
    assert await remembered(store) == [asked.message]


async def test_a_deletion_of_what_may_be_a_question_counts_where_somebody_asked_before(
    store: Store,
) -> None:
    await store.turns.take(mention("of the past", channel="CHELP"))
    asked, elsewhere = mention("q", channel="CHELP"), mention("q", channel="CPARTY")
    for one in (asked, elsewhere):
        await store.turns.withdraw(one.ref)
    assert await remembered(store) == [asked.message]
    assert await store.turns.take(asked) is None


async def test_what_concerns_nobody_is_not_written_down(sqlite_store: Store) -> None:
    await sqlite_store.turns.take(mention("of the past", channel="CHELP"))
    chat, party = mention(channel="CHELP").ref, mention(channel="CPARTY").ref
    async with asyncio.timeout(SECONDS), sqlite_store._database.write():
        # Whoever wanted to write now would wait for ever.
        assert await sqlite_store.turns.withdraw(chat, asked=False) is None
        assert await sqlite_store.turns.withdraw(party) is None
    assert await remembered(sqlite_store) == []


async def test_a_question_that_is_being_taken_while_another_process_hears_of_its_deletion_goes(
    postgres_url: str,
) -> None:
    await migrate_database(postgres_url)
    asked = mention("private")
    async with (
        await Store.open(postgres_url) as taker,
        await Store.open(postgres_url) as hearer,
        asyncio.timeout(SECONDS),
        asyncio.TaskGroup() as tasks,
    ):
        async with taker._database.write() as connection:
            turn = await taker.turns._take(connection, asked, claim=True)
            withdrawing = tasks.create_task(hearer.turns.withdraw(asked.ref, asked=True))
            await blocked_or_done(withdrawing, hearer)
        gone = await withdrawing
        assert turn is not None
        assert gone is not None
        assert (gone.id, gone.state) == (turn.id, TurnState.WITHDRAWN)


async def test_a_question_that_comes_while_another_process_notes_its_deletion_is_not_taken(
    postgres_url: str,
) -> None:
    await migrate_database(postgres_url)
    asked = mention("private")
    async with (
        await Store.open(postgres_url) as taker,
        await Store.open(postgres_url) as hearer,
        asyncio.timeout(SECONDS),
        asyncio.TaskGroup() as tasks,
    ):
        async with hearer._database.write() as connection:
            assert await note(connection, hearer._database, asked.ref)
            taking = tasks.create_task(taker.turns.take(asked))
            await blocked_or_done(taking, hearer)
        assert await taking is None


async def test_deletions_are_remembered_for_a_day(store: Store) -> None:
    asked, now = mention("q"), time.time()
    await store.turns.withdraw(asked.ref, asked=True)
    forgetting = Forgetting(store=store, engine=ScriptedEngine())
    await forgetting.tidy(now + KEPT - 60, None)
    assert await remembered(store) == [asked.message]
    await forgetting.tidy(now + KEPT + 7_200, None)
    assert await remembered(store) == []


async def test_nothing_of_a_deletion_is_kept_but_which_message_it_was(store: Store) -> None:
    await store.turns.withdraw(mention("private").ref, asked=True)
    async with store._database.read() as connection:
        columns = {column.name for column in withdrawals.columns}
        taken = (await connection.execute(select(func.count()).select_from(turns))).scalar_one()
    assert columns == {"platform", "tenant", "channel", "message", "withdrawn_at"}
    assert taken == 0
