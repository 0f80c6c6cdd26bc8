"""Questions that come at the same time are written down together, as if each had come alone."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, text

from core.domain import Mention, Turn
from core.errors import StoreError
from core.store import Store
from core.store.many import take_many
from core.store.schema import turns
from servers.mentions import mention

MANY = 30


@contextmanager
def commits(store: Store) -> Iterator[list[int]]:
    """One entry for each transaction that ends meanwhile."""
    ended: list[int] = []
    engine = store._database._engine.sync_engine

    def count(_: object) -> None:
        ended.append(1)

    event.listen(engine, "commit", count)
    try:
        yield ended
    finally:
        event.remove(engine, "commit", count)


async def take_all(store: Store, mentions: list[Mention]) -> list[Turn | None]:
    async with asyncio.timeout(60):
        return list(await asyncio.gather(*map(store.intake.take, mentions)))


async def test_many_at_once_are_written_down_in_two_transactions(store: Store) -> None:
    asked = [mention(f"q{n}", thread=f"t{n}") for n in range(MANY)]
    with commits(store) as ended:
        taken = await take_all(store, asked)

    assert [turn.question for turn in taken if turn] == [one.text for one in asked]
    assert len(ended) <= 2
    assert len(await store.turns.heads()) == MANY


async def test_a_question_is_the_same_row_whether_it_came_alone_or_with_others(
    store: Store,
) -> None:
    said: dict[str, Any] = {"text": 'Wie "größer"?\n\ud83d 🙂\0', "unread": ("ä.bin", "b.bin")}
    at = 1_763_832_001.123457  # which has no short form in binary
    await store.turns.take(mention(**said, thread="t0", at=at))
    together = [mention(**said, thread=f"t{n}", at=at) for n in range(1, 4)]
    await take_all(store, together)

    async with store._database.read() as connection:
        rows = [row._asdict() for row in await connection.execute(select(turns))]
    own = ("id", "thread_id", "message")
    alike = [{name: value for name, value in row.items() if name not in own} for row in rows]
    assert len(rows) == 4
    assert alike == [alike[0]] * 4


async def test_what_comes_back_is_as_from_a_take_alone(store: Store) -> None:
    earlier = await store.turns.take(mention("first", thread="t5"))
    asked = [mention(f"q{n}", thread=f"t{n}") for n in range(8)]
    taken = await take_all(store, asked)

    assert earlier is not None
    assert taken == [await store.turns.get(turn.id) for turn in taken if turn]
    assert [turn.waits for turn in taken if turn] == [n == 5 for n in range(8)]
    assert all(turn and store.leases.holds(turn) for turn in taken)


async def test_a_message_that_comes_again_in_the_rush_is_taken_once(store: Store) -> None:
    asked = [mention(f"q{n}", thread=f"t{n}") for n in range(5)]
    taken = await take_all(store, [*asked, *asked, *asked])

    assert len([turn for turn in taken if turn]) == 5
    assert len(await store.turns.heads()) == 5


async def test_a_message_that_was_taken_costs_nothing_when_it_comes_again(store: Store) -> None:
    asked = mention()
    assert await store.intake.take(asked)
    with commits(store) as ended:
        assert await store.intake.take(asked) is None
    assert ended == []


async def test_a_message_that_was_taken_before_the_start_is_not_taken_again(store: Store) -> None:
    asked = [mention(f"q{n}", thread=f"t{n}") for n in range(4)]
    for one in asked[1:]:
        await store.turns.take(one)
    taken = await take_all(store, asked)

    assert [turn.question for turn in taken if turn] == ["q0"]


async def test_questions_of_one_thread_keep_their_order(store: Store) -> None:
    asked = [mention(f"q{n}", thread="t1") for n in range(6)]
    taken = await take_all(store, asked)

    ids = [turn.id for turn in taken if turn]
    assert len(ids) == 6
    assert ids == sorted(ids)


async def test_a_message_that_is_known_to_be_deleted_is_not_taken(store: Store) -> None:
    asked = [mention(f"q{n}", thread=f"t{n}") for n in range(4)]
    gone = asked[2].ref
    await store.turns.withdraw(gone, asked=True)
    taken = await take_all(store, asked)

    assert [turn.question for turn in taken if turn] == ["q0", "q1", "q3"]


async def test_who_is_cancelled_takes_nobody_along(store: Store) -> None:
    asked = [mention(f"q{n}", thread=f"t{n}") for n in range(6)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        taking = [tasks.create_task(store.intake.take(one)) for one in asked]
        await asyncio.sleep(0)
        taking[0].cancel()
        taking[3].cancel()
    done = [task.result() for task in taking if not task.cancelled()]

    assert {turn.question for turn in done if turn} >= {"q1", "q2", "q4", "q5"}
    assert await store.intake.take(mention("later", thread="t9"))


async def test_what_fails_together_is_written_down_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = store.intake._take_all

    async def fail(batch: Any) -> Any:
        if len(batch) > 1:
            raise StoreError("not together")
        return await take(batch)

    monkeypatch.setattr(store.intake, "_take_all", fail)
    taken = await take_all(store, [mention(f"q{n}", thread=f"t{n}") for n in range(5)])

    assert sorted(turn.question for turn in taken if turn) == [f"q{n}" for n in range(5)]


async def test_a_database_that_fails_is_told_to_everybody_and_works_again_later(
    store: Store,
) -> None:
    asked = [mention(f"q{n}", thread=f"t{n}") for n in range(4)]
    async with store._database.write() as connection:
        await connection.execute(text("ALTER TABLE turns RENAME TO elsewhere"))
    async with asyncio.timeout(60):
        told = await asyncio.gather(*map(store.intake.take, asked), return_exceptions=True)
    assert [type(one) for one in told] == [StoreError] * 4

    async with store._database.write() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO turns"))
    assert all(await take_all(store, asked))


async def test_a_rush_is_told_while_questions_wait(store: Store) -> None:
    assert not store.intake.busy(60.0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(store.intake.take(mention(thread=f"t{number}")))
        await asyncio.sleep(0)
        assert store.intake.busy(60.0)
        assert not store.intake.busy(0.0)
    assert not store.intake.busy(60.0)


async def test_a_rehearsal_changes_nothing_and_leaves_nothing_to_be_prepared(store: Store) -> None:
    await store.intake.rehearse()
    compiled = len(store._database._engine.sync_engine._compiled_cache or ())
    assert await store.turns.heads() == []

    async with store._database.write() as connection:
        asked = [mention(f"q{n}", thread=f"t{n}") for n in range(3)]
        await take_many(connection, store.leases, asked, claim=True)
    known = len(store._database._engine.sync_engine._compiled_cache or ())
    assert known == compiled + 1  # that of `heads`
