import asyncio

import pytest
from sqlalchemy import Connection, Inspector, inspect

from core.domain import Answer, Citation, ConversationId, MessageId, RunId, TurnState
from core.errors import StoreBehind, StoreError, StoreTooNew
from core.store import Store, migrate_database
from core.store.database import open_database
from core.store.migrations import MIGRATIONS, current_version
from core.store.part_rows import Unposted
from core.store.schema import metadata
from servers.mentions import mention


async def test_a_mention_becomes_a_queued_turn(store: Store) -> None:
    turn = await store.turns.take(mention("How do I start?", thread="t1", unread=("log.txt",)))

    assert turn is not None
    assert turn.state is TurnState.QUEUED
    assert turn.question == "How do I start?"
    assert turn.thread.key == "t1"
    assert turn.unread == ("log.txt",)
    assert await store.turns.heads() == [turn]


async def test_the_same_message_is_taken_once_however_often_it_arrives(store: Store) -> None:
    asked = mention("How do I start?")
    taken = await asyncio.gather(*(store.turns.take(asked) for _ in range(10)))

    assert len([turn for turn in taken if turn]) == 1
    assert len(await store.turns.heads()) == 1


async def test_a_message_id_may_return_in_another_channel_or_tenant(store: Store) -> None:
    assert await store.turns.take(mention("a", channel="c1", message="1"))
    assert await store.turns.take(mention("b", channel="c2", message="1", thread="t2"))
    assert await store.turns.take(mention("c", tenant="other", channel="c1", message="1"))


async def test_the_head_of_a_thread_is_its_oldest_open_turn(store: Store) -> None:
    first = await store.turns.take(mention("first", thread="t1"))
    second = await store.turns.take(mention("second", thread="t1"))
    other = await store.turns.take(mention("other", thread="t2"))
    assert first is not None
    assert second is not None

    assert await store.turns.heads() == [first, other]

    await store.progress.close(first, TurnState.CANCELLED, "deleted")
    assert await store.turns.heads() == [second, other]
    assert await store.leases.next_or_release(first.thread_id) == second


async def test_a_run_and_a_conversation_are_there_again_after_a_restart(database_url: str) -> None:
    await migrate_database(database_url)
    async with await Store.open(database_url) as store:
        turn = await store.turns.take(mention("q"))
        assert turn is not None
        await store.progress.link(turn, "openai", ConversationId("conv_1"))
        await store.progress.began(turn, RunId("resp_1"))

    async with await Store.open(database_url) as store:
        (again,) = await store.turns.heads()
        assert (again.run, again.conversation, again.attempt) == ("resp_1", "conv_1", 1)
        assert again.state is TurnState.RUNNING


async def test_parts_are_unposted_until_their_message_is_recorded(store: Store) -> None:
    turn = await store.turns.take(mention("q"))
    assert turn is not None
    answer = Answer(text="a b", citations=(Citation(url="https://x", title="X"),))
    await store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["a", "b"])

    await store.progress.posted(turn, 0, MessageId("m0"), last=False)
    assert await store.progress.unposted(turn) == [Unposted(1, "b", None)]
    (open_turn,) = await store.turns.heads()
    assert open_turn.state is TurnState.ANSWERED

    await store.progress.posted(turn, 1, MessageId("m1"), last=True)
    assert await store.progress.unposted(turn) == []
    assert await store.turns.heads() == []


async def test_history_holds_the_answered_exchanges_before_a_turn_oldest_first(
    store: Store,
) -> None:
    for number in range(4):
        turn = await store.turns.take(mention(f"q{number}", thread="t1"))
        assert turn is not None
        answer = None if number == 1 else Answer(text=f"a{number}")
        await store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["x"])
    now = await store.turns.take(mention("now", thread="t1"))
    assert now is not None

    history = await store.turns.history(now, limit=2)
    assert [(e.question, e.answer) for e in history] == [("q2", "a2"), ("q3", "a3")]
    assert await store.turns.questions(now.id, limit=3) == ["q2", "q3", "now"]


async def test_text_that_a_database_does_not_take_is_mended_and_loses_nothing_else(
    store: Store,
) -> None:
    turn = await store.turns.take(mention("a\0b \ud83d c", unread=("\0x.log",)))
    assert turn is not None
    assert turn.question == "ab ? c"
    answer = Answer(text="\0a", citations=(Citation(url="https://x", title="\udc00"),))
    await store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["\0p"])
    assert await store.progress.unposted(turn) == [Unposted(0, "p", None)]


async def test_the_schema_is_what_the_migrations_lead_to(database_url: str) -> None:
    await migrate_database(database_url)
    database = open_database(database_url)
    async with database.read() as connection:
        found = await connection.run_sync(columns_by_table)
    await database.close()
    for table in metadata.tables.values():
        expected = {column.name: column.nullable for column in table.columns}
        assert found[table.name] == expected, table.name


def columns_by_table(connection: Connection) -> dict[str, dict[str, bool]]:
    inspector = inspect(connection)
    return {
        table: {
            column["name"]: column["nullable"] and column["name"] not in keys(inspector, table)
            for column in inspector.get_columns(table)
        }
        for table in inspector.get_table_names()
    }


def keys(inspector: Inspector, table: str) -> list[str]:
    return inspector.get_pk_constraint(table)["constrained_columns"]


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert await migrate_database(database_url) == (0, len(MIGRATIONS))
    assert await migrate_database(database_url) == (len(MIGRATIONS), len(MIGRATIONS))


async def test_two_processes_may_migrate_at_once(postgres_url: str) -> None:
    await asyncio.gather(migrate_database(postgres_url), migrate_database(postgres_url))
    database = open_database(postgres_url)
    assert await current_version(database) == len(MIGRATIONS)
    await database.close()


async def test_a_newer_database_is_refused_with_both_versions(database_url: str) -> None:
    await migrate_database(database_url)
    database = open_database(database_url)
    async with database.write() as connection:
        await connection.exec_driver_sql("UPDATE schema_version SET version = 999")
    await database.close()

    with pytest.raises(StoreTooNew, match=r"version 999.*knows"):
        await Store.open(database_url)


async def test_a_postgres_that_was_not_migrated_is_refused(postgres_url: str) -> None:
    with pytest.raises(StoreBehind, match="docent migrate"):
        await Store.open(postgres_url)


async def test_a_migration_that_fails_leaves_no_trace(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate_database(database_url)

    async def fails(connection: object, sqlite: bool) -> None:
        await connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")  # type: ignore[attr-defined]
        await connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")  # type: ignore[attr-defined]

    before = len(MIGRATIONS)
    monkeypatch.setattr("core.store.migrations.MIGRATIONS", (*MIGRATIONS, fails))
    with pytest.raises(StoreError):
        await migrate_database(database_url)

    database = open_database(database_url)
    assert await current_version(database) == before
    with pytest.raises(StoreError, match="half"):
        async with database.read() as connection:
            await connection.exec_driver_sql("SELECT * FROM half")
    await database.close()


async def test_an_error_of_the_database_does_not_show_what_somebody_wrote(store: Store) -> None:
    asked = mention("a secret question")
    object.__setattr__(asked, "at", None)
    with pytest.raises(StoreError) as caught:
        await store.turns.take(asked)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db"])
def test_a_database_url_of_another_kind_is_refused_with_what_works(url: str) -> None:
    with pytest.raises(StoreError, match="sqlite"):
        open_database(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
async def test_every_form_of_a_postgres_url_works(postgres_url: str, scheme: str) -> None:
    url = postgres_url.replace("postgresql", scheme, 1)
    assert await migrate_database(url) == (0, len(MIGRATIONS))
