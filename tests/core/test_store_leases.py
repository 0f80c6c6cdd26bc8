"""Which process works on which thread, on a Postgres that several share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from sqlalchemy import update

from core.domain import ConversationId, MessageId, RunId, Turn, TurnState
from core.errors import NotOurs, StoreInUse
from core.store import Store
from core.store.database import CONNECTIONS
from core.store.leases import CLAIMED_AT_ONCE, LEASE
from core.store.schema import processes
from core.store.turns import lock_thread
from servers.mentions import mention

PLATFORMS = ["slack", "discord"]


@pytest.fixture
async def pair(migrated_postgres_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores on one Postgres, both alive."""
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(await Store.open(migrated_postgres_url))
            for _ in range(2)
        ]
        for store in (first, second):
            await store.leases.beat(PLATFORMS)
        yield first, second


async def taken(store: Store, text: str = "q", thread: str = "t1", claim: bool = True) -> Turn:
    turn = await store.turns.take(mention(text, thread=thread), claim=claim)
    assert turn is not None
    return turn


async def fall_silent(store: Store) -> None:
    """Let the heartbeat of a process be older than its lease."""
    async with store._database.write() as connection:
        await connection.execute(
            update(processes)
            .where(processes.c.id == store.leases.process)
            .values(seen_at=processes.c.seen_at - LEASE - 1)
        )


async def test_whoever_takes_a_question_holds_its_thread(pair: tuple[Store, Store]) -> None:
    first, second = pair
    turn = await taken(first)
    assert first.leases.holds(turn)
    assert not second.leases.holds(turn)
    assert await second.leases.claim(PLATFORMS) == []
    assert await first.leases.claim(PLATFORMS) == [turn]


async def test_a_question_in_a_thread_of_another_process_is_left_to_it(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    await taken(first, "a")
    assert not second.leases.holds(await taken(second, "b"))
    assert [turn.question for turn in await first.leases.claim(PLATFORMS)] == ["a"]


async def test_a_rush_that_two_processes_hear_of_is_taken_once(pair: tuple[Store, Store]) -> None:
    asked = [mention(f"q{number}", thread=f"t{number}") for number in range(40)]
    heard = [
        *((pair[0], one) for one in asked),
        *((pair[1], one) for one in reversed(asked)),
    ]
    async with asyncio.timeout(60):
        found = await asyncio.gather(*(store.intake.take(one) for store, one in heard))

    turns = [turn for turn in found if turn]
    assert sorted(turn.question for turn in turns) == sorted(one.text for one in asked)
    for (store, _), turn in zip(heard, found, strict=True):
        assert turn is None or store.leases.holds(turn)
    assert len(await pair[0].turns.heads()) == len(asked)


async def test_a_rush_of_questions_in_threads_of_another_process_is_left_to_it(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    for number in range(5):
        await taken(first, f"q{number}", thread=f"t{number}")
    asked = [mention(f"more{number}", thread=f"t{number}") for number in range(5)]
    async with asyncio.timeout(60):
        found = await asyncio.gather(*map(second.intake.take, asked))

    assert [turn.holder for turn in found if turn] == [first.leases.process] * 5
    assert [turn.waits for turn in found if turn] == [True] * 5


async def test_the_threads_of_a_process_that_fell_silent_are_taken_over(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    turn = await taken(first)
    await fall_silent(first)
    assert await second.leases.claim(PLATFORMS) == []  # nobody has noticed yet

    assert (await second.leases.beat(PLATFORMS)).others_died
    assert [found.id for found in await second.leases.claim(PLATFORMS)] == [turn.id]
    assert (await first.leases.beat(PLATFORMS)).was_dead
    assert await first.leases.claim(PLATFORMS) == []


async def test_a_process_that_leaves_hands_its_threads_over_at_once(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    turn = await taken(first)
    await first.leases.leave()
    assert [found.id for found in await second.leases.claim(PLATFORMS)] == [turn.id]


async def test_nobody_but_the_holder_takes_a_turn_further(pair: tuple[Store, Store]) -> None:
    first, second = pair
    turn = await taken(first)
    for step in (
        second.progress.gather(turn),
        second.progress.link(turn, "openai", ConversationId("conv_1")),
        second.progress.began(turn, RunId("resp_1")),
        second.progress.requeue(turn),
        second.progress.settle(turn, TurnState.FAILED, "overdue", None, ["sorry"]),
        second.progress.posted(turn, 0, MessageId("m1"), last=True),
        second.progress.close(turn, TurnState.CANCELLED, "refused"),
        second.leases.next_or_release(turn.thread_id),
    ):
        if step.__name__ == "gather":
            await taken(first, "more")  # one that is alone changes nothing
        with pytest.raises(NotOurs):
            await step
    assert await first.turns.get(turn.id) == turn


async def test_a_thread_without_an_open_question_is_free_for_whoever_takes_the_next(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    turn = await taken(first)
    await first.progress.close(turn, TurnState.CANCELLED, "refused")
    assert await first.leases.next_or_release(turn.thread_id) is None
    assert second.leases.holds(await taken(second, "again"))


async def test_a_question_taken_while_its_thread_is_released_is_somebodys(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    for number in range(20):
        turn = await taken(first, thread=f"t{number}")
        await first.progress.close(turn, TurnState.CANCELLED, "refused")
        found, asked = await asyncio.gather(
            first.leases.next_or_release(turn.thread_id),
            taken(second, "again", thread=f"t{number}"),
        )
        assert (found is None) == second.leases.holds(asked)


async def test_processes_that_claim_at_once_share_what_is_free(pair: tuple[Store, Store]) -> None:
    first, second = pair
    for number in range(3 * CLAIMED_AT_ONCE):
        await taken(first, thread=f"t{number}", claim=False)
    claims = await asyncio.gather(*(store.leases.claim(PLATFORMS) for store in (first, second)))
    claimed = [turn.thread_id for claim in claims for turn in claim]
    assert len(claimed) == len(set(claimed)) > 0
    assert all(len(claim) <= CLAIMED_AT_ONCE for claim in claims)


async def test_only_threads_of_platforms_that_one_serves_are_claimed(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    await taken(first, claim=False)
    assert await second.leases.claim(["discord"]) == []
    assert len(await second.leases.claim(["slack"])) == 1


async def test_a_question_that_its_taker_leaves_to_others_wakes_them(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    async with asyncio.timeout(60), aclosing(second.news()) as news:  # type: ignore[type-var]
        assert await anext(news) == ""
        await taken(first, claim=False)
        assert await anext(news) == "free"


async def test_an_edit_and_a_deletion_wake_the_holder(pair: tuple[Store, Store]) -> None:
    first, second = pair
    asked = mention("q")
    turn = await first.turns.take(asked)
    assert turn is not None
    async with asyncio.timeout(60), aclosing(first.news()) as news:  # type: ignore[type-var]
        assert await anext(news) == ""
        await second.turns.withdraw(asked.ref)
        assert await anext(news) == f"changed {turn.thread_id}"


async def test_a_heartbeat_tells_which_platforms_have_a_worker(pair: tuple[Store, Store]) -> None:
    first, second = pair
    assert (await first.leases.beat([])).workers_for == frozenset(PLATFORMS)
    beat = await second.leases.beat(["slack"])
    assert (beat.workers_for, beat.alone) == (frozenset(["slack"]), False)
    await first.leases.leave()
    assert (await second.leases.beat(["slack"])).alone


async def test_a_heartbeat_does_not_wait_for_the_connections_of_others(
    pair: tuple[Store, Store],
) -> None:
    first, _ = pair
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(first._database.read())
        await first.leases.beat(PLATFORMS)


def test_a_sqlite_file_has_one_docent_run_at_a_time(tmp_path: Path) -> None:
    async def two() -> None:
        url = f"sqlite:///{tmp_path / 'docent.db'}"
        async with await Store.open(url) as first:
            first.leases.lock_file()
            async with await Store.open(url) as second:
                with pytest.raises(StoreInUse):
                    second.leases.lock_file()
        async with await Store.open(url) as third:
            third.leases.lock_file()  # it ends with its process

    asyncio.run(two())


async def test_a_thread_that_a_claim_passes_over_is_not_forgotten(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    turn = await taken(first, claim=False)
    async with first._database.write() as connection:
        await connection.execute(lock_thread(turn.thread_id))  # it is delivered once more
        assert await second.leases.claim(PLATFORMS) == []
        assert await second.leases.leaves_some(PLATFORMS)
    assert len(await second.leases.claim(PLATFORMS)) == 1
    assert not await second.leases.leaves_some(PLATFORMS)


async def test_processes_that_were_all_held_up_do_not_lock_each_other_out(
    pair: tuple[Store, Store],
) -> None:
    """As after a Postgres that stood still: all beats come at once, and find the others silent."""
    for _ in range(10):
        for store in pair:
            await fall_silent(store)
            store.leases._beaten_at -= LEASE + 1
        beats = await asyncio.gather(*(store.leases.beat(PLATFORMS) for store in pair))
        assert not any(beat.was_dead or beat.others_died for beat in beats)
        assert not (await pair[0].leases.beat(PLATFORMS)).alone
