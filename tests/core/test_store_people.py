"""Texts that are forgotten, identities that stay, and what engines are told to delete."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import select

from core.domain import Answer, ConversationId, MessageId, RunId, Turn, TurnState
from core.store import Store
from core.store.erasures import RUNS_AT_ONCE
from core.store.people import AT_ONCE
from core.store.schema import abandoned_runs, parts, threads, turns
from servers.mentions import mention
from servers.steps import read, take

LATER = 1e12  # seconds: everything is older
SAID = Answer(text="a private answer")


async def start(store: Store, turn: Turn, conversation: str, run: str) -> Turn:
    """Begin a run, as the loop does."""
    await store.progress.link(turn, "openai", ConversationId(conversation))
    assert await store.progress.began(await read(store, turn), RunId(run))
    return await read(store, turn)


async def answer(store: Store, turn: Turn, *rendered: str) -> Turn:
    turn = await read(store, turn)
    rendered = rendered or ("rendered",)
    assert await store.progress.settle(turn, TurnState.ANSWERED, "answered", SAID, rendered)
    return await read(store, turn)


async def deliver(store: Store, turn: Turn) -> Turn:
    turn = await answer(store, turn)
    await store.progress.posted(turn, 0, MessageId(f"p{turn.id}"), last=True)
    return await read(store, turn)


async def texts(store: Store, *words: str) -> list[str]:
    """Everything in turns and parts that has one of these words in it."""
    async with store._database.read() as connection:
        rows: list[Any] = []
        for table in (turns, parts):
            rows += (await connection.execute(select(table))).all()
    cells = [str(cell) for row in rows for cell in row]
    return [cell for cell in cells if any(word in cell for word in words)]


async def abandoned(store: Store) -> list[str]:
    async with store._database.read() as connection:
        return list((await connection.execute(select(abandoned_runs.c.run))).scalars())


async def conversation_of(store: Store, turn: Turn) -> str | None:
    query = select(threads.c.conversation).where(threads.c.id == turn.thread_id)
    async with store._database.read() as connection:
        found: str | None = (await connection.execute(query)).scalar_one()
        return found


async def waiting(store: Store) -> list[tuple[str | None, tuple[str, ...]]]:
    """What the engine `openai` is to delete."""
    return [(each.conversation, each.runs) for each in await store.erasures.waiting("openai")]


# --- the retention time ---------------------------------------------------------------------------


async def test_every_text_of_a_turn_that_ended_goes_and_its_identity_stays(store: Store) -> None:
    asked = mention("a private question", unread=("private.xlsx",))
    turn = await deliver(store, await take(store, asked))

    assert await store.people.forget_texts(turn.asked_at - 1e6) == 0
    assert await store.people.forget_texts(LATER) == 1
    assert await store.people.forget_texts(LATER) == 0
    assert await texts(store, "private", "rendered") == []
    assert await store.turns.take(asked) is None


@pytest.mark.parametrize("state", ["queued", "running", "answered", "failed"])
async def test_a_turn_that_waits_for_its_reply_keeps_its_text_however_old(
    store: Store, state: str
) -> None:
    turn = await take(store, mention("a private question"))
    if state == "running":
        await start(store, turn, "conv", "run")
    if state in ("answered", "failed"):
        settled = TurnState(state)
        assert await store.progress.settle(turn, settled, "x", None, ["a private part"])
    assert (await read(store, turn)).state == state

    assert await store.people.forget_texts(LATER) == 0
    assert (await read(store, turn)).question == "a private question"
    assert await texts(store, "a private part") == (
        ["a private part"] if state in ("answered", "failed") else []
    )


async def test_a_turn_that_was_given_up_loses_its_text_and_the_parts_it_never_posted(
    store: Store,
) -> None:
    turn = await answer(store, await take(store, mention("a private question")), "private", "2")
    await store.progress.close(turn, TurnState.CANCELLED, "thread_gone")
    assert await store.people.forget_texts(LATER) == 1
    assert await texts(store, "private") == []


async def test_a_reply_to_a_mention_without_words_is_forgotten_too(store: Store) -> None:
    turn = await take(store, mention(""))
    await store.progress.settle(turn, TurnState.ANSWERED, "small_talk", None, ["private part"])
    await store.progress.posted(turn, 0, MessageId("p"), last=True)
    assert await store.people.forget_texts(LATER) == 1
    assert await texts(store, "private") == []


async def test_a_follower_keeps_its_text_until_the_reply_to_all_is_delivered(
    store: Store,
) -> None:
    first = await take(store, mention("private one"))
    second = await take(store, mention("private two"))
    await store.progress.gather(first)
    assert await store.people.forget_texts(LATER) == 0

    await deliver(store, first)
    assert await store.people.forget_texts(LATER) == 2
    assert await texts(store, "private") == []
    assert (await read(store, second)).state is TurnState.DELIVERED


async def test_a_withdrawn_turn_that_nobody_clears_up_keeps_no_text_for_ever(
    store: Store,
) -> None:
    turn = await take(store, mention("a private question"))
    async with store._database.write() as connection:
        change = turns.update().where(turns.c.id == turn.id).values(state=TurnState.WITHDRAWN)
        await connection.execute(change)
    assert await store.people.forget_texts(turn.asked_at - 1) == 0
    assert await store.people.forget_texts(turn.asked_at + 1) == 1
    assert await texts(store, "private") == []


async def test_more_than_one_batch_is_forgotten_at_a_time(sqlite_store: Store) -> None:
    turn = await take(sqlite_store, mention("a private question"))
    await sqlite_store.progress.close(turn, TurnState.DELIVERED, "answered")
    async with sqlite_store._database.write() as connection:
        (row,) = (await connection.execute(select(turns))).mappings().all()
        copies = [{**row, "id": None, "message": f"copy {n}"} for n in range(2 * AT_ONCE)]
        for copy in copies:
            del copy["id"]
        await connection.execute(turns.insert(), copies)
    assert await sqlite_store.people.forget_texts(LATER) == 2 * AT_ONCE + 1
    assert await texts(sqlite_store, "private") == []


async def test_what_an_engine_keeps_of_a_thread_is_let_go_of_when_all_in_it_is_old(
    store: Store,
) -> None:
    old = await take(store, mention("old", thread="old"))
    await deliver(store, await start(store, old, "conv_old", "run_old"))
    alive = await take(store, mention("one", thread="alive"))
    await deliver(store, await start(store, alive, "conv_alive", "run_alive"))
    await take(store, mention("two", thread="alive"))

    assert await store.people.let_go_of_old(old.asked_at - 1e6, 10) == 0
    assert await store.people.let_go_of_old(LATER, 10) == 1
    assert await store.people.let_go_of_old(LATER, 10) == 0
    assert await waiting(store) == [("conv_old", ("run_old",))]
    assert await conversation_of(store, old) is None
    assert await conversation_of(store, alive) == "conv_alive"


async def test_no_more_threads_are_let_go_of_than_asked_for(store: Store) -> None:
    for number in range(3):
        turn = await take(store, mention("q", thread=f"t{number}"))
        await deliver(store, await start(store, turn, f"conv{number}", f"run{number}"))
    assert await store.people.let_go_of_old(LATER, 2) == 2
    assert await store.people.let_go_of_old(LATER, 2) == 1


async def test_many_runs_of_a_thread_are_erased_a_few_at_a_time(store: Store) -> None:
    runs = [f"run{number:03}" for number in range(RUNS_AT_ONCE + 5)]
    for run in runs:
        turn = await take(store, mention("q"))
        await deliver(store, await start(store, turn, "conv", run))
    assert await store.people.let_go_of_old(LATER, 10) == 1
    first, second = await waiting(store)
    assert (first[0], second[0]) == ("conv", None)
    assert sorted(first[1] + second[1]) == runs
    assert len(first[1]) == RUNS_AT_ONCE


# --- a person -------------------------------------------------------------------------------------


async def test_a_person_is_forgotten_in_all_workspaces_and_others_are_not(store: Store) -> None:
    asked = [
        mention("secret", author="UGONE", tenant=tenant, thread=tenant) for tenant in ("T1", "T2")
    ]
    others = [mention("public", author="UGONE", platform="discord"), mention("public", author="U2")]
    for each in (*asked, *others):
        await deliver(store, await take(store, each))

    before = await store.people.traces("slack", "UGONE")
    forgotten = await store.people.forget("slack", "UGONE")
    assert forgotten == before
    assert (forgotten.questions, forgotten.threads, forgotten.waiting) == (2, 2, 0)
    assert await texts(store, "secret") == []
    assert len(await texts(store, "public")) == len(await texts(store, "private answer")) == 2
    assert await texts(store, "UGONE") == ["UGONE"]  # on Discord, somebody else
    assert [await store.turns.take(each) for each in asked] == [None, None]

    again = await store.people.forget("slack", "UGONE")
    assert (again.questions, again.threads, again.conversations) == (0, 0, 0)


async def test_what_engines_keep_of_a_persons_threads_is_to_be_deleted(store: Store) -> None:
    mine = await take(store, mention("q", author="UGONE", thread="ours"))
    await deliver(store, await start(store, mine, "conv", "run_mine"))
    theirs = await take(store, mention("q", author="U2", thread="ours"))
    await deliver(store, await start(store, theirs, "conv", "run_theirs"))
    elsewhere = await take(store, mention("q", author="U2", thread="theirs"))
    await deliver(store, await start(store, elsewhere, "conv_2", "run_2"))

    assert (await store.people.forget("slack", "UGONE")).conversations == 1
    assert [(c, sorted(r)) for c, r in await waiting(store)] == [
        ("conv", ["run_mine", "run_theirs"])
    ]
    assert await conversation_of(store, mine) is None
    assert await conversation_of(store, elsewhere) == "conv_2"
    assert await abandoned(store) == []
    assert len(await texts(store, "a private answer")) == 2  # to others


async def test_what_waits_is_withdrawn_and_its_run_is_to_be_cancelled(store: Store) -> None:
    turn = await start(store, await take(store, mention("private", author="UGONE")), "conv", "run")
    second = await take(store, mention("private", author="UGONE"))

    assert (await store.people.forget("slack", "UGONE")).waiting == 2
    assert await abandoned(store) == ["run"]
    assert await waiting(store) == [("conv", ("run",))]
    for each in (turn, second):
        now = await read(store, each)
        assert (now.state, now.author, now.question) == (TurnState.WITHDRAWN, "", "")
    assert [head.id for head in await store.turns.heads()] == [turn.id]


async def test_nothing_of_a_run_that_ends_after_all_is_stored(store: Store) -> None:
    asked = mention("private", author="UGONE")
    queued = await take(store, asked)
    await store.people.forget("slack", "UGONE")
    assert not await store.progress.began(queued, RunId("run_late"))
    assert await abandoned(store) == ["run_late"]

    running = await start(store, await take(store, mention("private", author="UGONE")), "c", "run")
    await store.people.forget("slack", "UGONE")
    assert not await store.progress.settle(running, TurnState.ANSWERED, "answered", SAID, ["x"])
    assert await texts(store, "private") == []


async def test_of_a_reply_on_its_way_no_further_part_is_posted(store: Store) -> None:
    turn = await answer(store, await take(store, mention("q", author="UGONE")), "part 1", "part 2")
    await store.progress.posted(turn, 0, MessageId("p0"), last=False)
    await store.people.forget("slack", "UGONE")
    assert await store.progress.unposted(turn) == []
    assert (await read(store, turn)).state is TurnState.WITHDRAWN
    assert await texts(store, "part") == []


async def test_messages_answered_together_are_forgotten_together(store: Store) -> None:
    first = await take(store, mention("private one", author="UGONE"))
    second = await take(store, mention("private two", author="UGONE"))
    await store.progress.gather(first)
    await store.people.forget("slack", "UGONE")

    assert (await read(store, first)).state is TurnState.WITHDRAWN
    assert (await read(store, second)).state is TurnState.CANCELLED
    assert await texts(store, "private") == []
    await store.progress.close(await read(store, first), TurnState.CANCELLED, "deleted")
    assert await store.turns.heads() == []


async def test_a_run_for_somebody_else_in_the_thread_is_begun_anew(store: Store) -> None:
    mine = await take(store, mention("q", author="UGONE"))
    await deliver(store, await start(store, mine, "conv", "run_mine"))
    theirs = await start(store, await take(store, mention("public", author="U2")), "conv", "run_2")

    await store.people.forget("slack", "UGONE")
    now = await read(store, theirs)
    assert (now.state, now.run, now.conversation) == (TurnState.QUEUED, None, None)
    assert (now.question, now.author) == ("public", "U2")
    assert now.revision > theirs.revision
    assert await abandoned(store) == ["run_2"]
    assert await store.turns.history(now, 10) == []


async def test_a_person_is_forgotten_while_questions_come_in(store: Store) -> None:
    await asyncio.gather(
        *(take(store, mention("private", author="UGONE", thread=f"t{n % 3}")) for n in range(12)),
        *(store.people.forget("slack", "UGONE") for _ in range(4)),
    )
    await store.people.forget("slack", "UGONE")
    assert await texts(store, "private", "UGONE") == []
    assert (await store.people.traces("slack", "UGONE")).questions == 0


# --- claims ---------------------------------------------------------------------------------------


async def test_of_many_who_claim_one_gets_it_until_its_time_is_over(store: Store) -> None:
    claimed = await asyncio.gather(*(store.values.claim("x", 1000.0, 60.0) for _ in range(8)))
    assert sorted(claimed) == [False] * 7 + [True]
    assert not await store.values.claim("x", 1059.0, 60.0)
    assert await store.values.claim("y", 1059.0, 60.0)
    assert await store.values.claim("x", 1060.0, 60.0)


async def test_a_claim_is_free_again_when_it_is_released_and_one_of_many_hears_so(
    store: Store,
) -> None:
    assert await store.values.claim("x", 1000.0, 60.0)
    released = await asyncio.gather(*(store.values.release("x") for _ in range(4)))
    assert sorted(released) == [False] * 3 + [True]
    assert await store.values.claim("x", 1000.0, 60.0)


async def test_a_claim_of_a_clock_that_was_far_ahead_does_not_hold(store: Store) -> None:
    assert await store.values.claim("x", 2_000_000.0, 60.0)
    assert await store.values.claim("x", 1_000_000.0, 60.0)


async def test_a_claim_and_a_string_of_the_same_name_do_not_meet(store: Store) -> None:
    await store.values.put("x", "a string")
    assert await store.values.claim("x", 1000.0, 60.0)
    assert await store.values.get("x") == "a string"


async def test_looking_for_what_is_old_keeps_nobody_from_writing(sqlite_store: Store) -> None:
    # It may take a while where there are many turns: here, it must not even ask for the lock.
    await sqlite_store.turns.take(mention("q"))
    file = sqlite_store._database.file
    assert file is not None
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(5):  # half of what a writer would wait
            assert await sqlite_store.people.forget_texts(before=0.0) == 0
            assert await sqlite_store.people.let_go_of_old(before=0.0, limit=10) == 0
