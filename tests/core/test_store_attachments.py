"""Attached files on record: taken with their question, judged once, and forgotten with it."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from core.domain import Attached, Mention, Turn, TurnState
from core.errors import NotOurs
from core.store import Store
from core.store.attachments import AT_ONCE, KeptFile
from core.store.schema import attachments
from servers.attached_files import attached
from servers.mentions import mention
from servers.steps import gathered, read, take

LATER = 1e12  # seconds: everything is older


@pytest.fixture
async def pair(migrated_postgres_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores on one Postgres, both alive."""
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(await Store.open(migrated_postgres_url))
            for _ in range(2)
        ]
        for store in (first, second):
            await store.leases.beat(["slack"])
        yield first, second


def asked_with(*files: Attached, text: str = "what is this?", **more: str) -> Mention:
    return replace(mention(text, **more), files=files)


async def names(store: Store, turn: Turn) -> list[str]:
    return [kept.file.name for kept in await store.attachments.of(turn)]


async def one(store: Store, turn: Turn) -> KeptFile:
    (kept,) = await store.attachments.of(turn)
    return kept


async def to_delete(store: Store, engine: str = "openai") -> list[str]:
    return [upload for each in await store.erasures.waiting(engine) for upload in each.uploads]


async def upload(store: Store, turn: Turn, ref: str = "file-1", engine: str = "openai") -> None:
    await store.attachments.uploaded(turn, await one(store, turn), "image", engine, ref)


# --- taken ----------------------------------------------------------------------------------------


async def test_files_are_on_record_with_their_question_as_they_were_described(
    store: Store,
) -> None:
    log = attached("a\0.log", 12, ref="F1")
    turn = await take(store, asked_with(log, attached("b.png", 3, ref="F2")))
    first, second = await store.attachments.of(turn)
    assert first.file == replace(log, name="a.log")  # a NUL is in no name that Postgres takes
    assert (second.file.name, second.position, second.problem) == ("b.png", 1, None)
    assert turn.has_files
    assert not (await take(store, mention("without", thread="t2"))).has_files


async def test_a_message_that_is_taken_twice_has_its_files_once(store: Store) -> None:
    asked = asked_with(attached("a.log"))
    turn = await take(store, asked)
    assert await store.turns.take(asked) is None
    assert await names(store, turn) == ["a.log"]


async def test_an_edit_keeps_the_files_whatever_it_says_of_them(store: Store) -> None:
    asked = asked_with(attached("a.log"))
    turn = await take(store, asked)
    await upload(store, turn)
    edited = await store.turns.edit(replace(asked, text="and this?", files=()))
    assert edited is not None
    assert (edited.has_files, await names(store, edited)) == (True, ["a.log"])
    assert (await one(store, edited)).upload == "file-1"
    assert await to_delete(store) == []


async def test_messages_that_are_answered_together_have_the_files_of_all(store: Store) -> None:
    leading = await take(store, mention("look at this:"))
    assert not leading.has_files
    await take(store, asked_with(attached("a.log"), attached("b.log"), text=""))
    await take(store, asked_with(attached("c.log"), text="and why?"))
    together = await gathered(store, leading)
    assert (together.has_files, together.question) == (True, "look at this:\n\nand why?")
    assert await names(store, together) == ["a.log", "b.log", "c.log"]
    assert await names(store, await take(store, mention("other", thread="t2"))) == []


# --- judged ---------------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_said_once_and_to_all_who_read_the_turn(store: Store) -> None:
    turn = await take(store, asked_with(attached("a.zip")))
    kept = await one(store, turn)
    assert await store.attachments.unreadable(turn, kept, "an archive") == "a.zip (an archive)"
    assert await store.attachments.unreadable(turn, kept, "gone") is None
    assert (await one(store, turn)).problem == "an archive"
    assert (await read(store, turn)).unread == ("a.zip (an archive)",)


async def test_what_cannot_be_read_of_a_joined_message_is_said_in_the_reply_to_all(
    store: Store,
) -> None:
    leading = await take(store, mention("look:"))
    await take(store, asked_with(attached("a.zip"), text=""))
    together = await gathered(store, leading)
    kept = await one(store, together)
    assert await store.attachments.unreadable(together, kept, "an archive")
    assert (await gathered(store, leading)).unread == ("a.zip (an archive)",)
    assert (await read(store, leading)).unread == ("a.zip (an archive)",)  # after a restart


async def test_an_upload_in_place_of_another_lets_that_one_be_deleted(store: Store) -> None:
    turn = await take(store, asked_with(attached("a.png")))
    await upload(store, turn, "file-1", engine="another")
    await upload(store, turn, "file-2")
    kept = await one(store, turn)
    assert (kept.upload, kept.engine, kept.kind) == ("file-2", "openai", "image")
    assert abs((kept.uploaded_at or 0.0) - time.time()) < 600
    assert (await to_delete(store, "another"), await to_delete(store)) == (["file-1"], [])


async def test_an_upload_that_cannot_be_read_is_deleted(store: Store) -> None:
    turn = await take(store, asked_with(attached("a.png")))
    await upload(store, turn)
    await store.attachments.unreadable(turn, await one(store, turn), "the model could not read it")
    assert (await one(store, turn)).upload is None
    assert await to_delete(store) == ["file-1"]


async def test_an_upload_that_the_engine_has_lost_is_only_forgotten(store: Store) -> None:
    turn = await take(store, asked_with(attached("a.png")))
    await upload(store, turn)
    await store.attachments.forget_upload(turn, await one(store, turn))
    kept = await one(store, turn)
    assert (kept.upload, kept.problem, await to_delete(store)) == (None, None, [])


async def test_who_does_not_hold_the_thread_changes_nothing(pair: tuple[Store, Store]) -> None:
    first, second = pair
    turn = await take(first, asked_with(attached("a.png")))
    kept = await one(first, turn)
    for change in (
        second.attachments.unreadable(turn, kept, "an archive"),
        second.attachments.uploaded(turn, kept, "image", "openai", "file-1"),
        second.attachments.forget_upload(turn, kept),
    ):
        with pytest.raises(NotOurs):
            await change
    assert await one(first, turn) == kept
    assert (await read(first, turn)).unread == ()


# --- forgotten ------------------------------------------------------------------------------------


async def test_a_person_is_forgotten_with_files_and_uploads(store: Store) -> None:
    mine = await take(store, asked_with(attached("payroll.png", ref="secret"), author="UGONE"))
    others = await take(store, asked_with(attached("public.png"), author="U2", thread="t2"))
    await upload(store, mine, "file-mine")
    await upload(store, others, "file-others")
    await store.people.forget("slack", "UGONE")
    assert await store.attachments.of(mine) == []
    assert await names(store, others) == ["public.png"]
    assert await to_delete(store) == ["file-mine"]


async def test_a_deleted_question_takes_its_files_with_it(store: Store) -> None:
    asked = asked_with(attached("a.png"))
    turn = await take(store, asked)
    await upload(store, turn)
    assert await store.turns.withdraw(asked.ref)
    assert (await store.attachments.of(turn), await to_delete(store)) == ([], ["file-1"])


async def test_files_are_forgotten_with_the_texts_even_of_a_question_without_text(
    store: Store,
) -> None:
    turn = await take(store, asked_with(attached("a.png"), text=""))
    await upload(store, turn)
    await store.progress.close(turn, TurnState.DELIVERED, "answered")
    assert await store.people.forget_texts(turn.asked_at - 1e6) == 0
    assert await store.people.forget_texts(LATER) == 1
    assert (await store.attachments.of(turn), await to_delete(store)) == ([], ["file-1"])
    assert await store.people.forget_texts(LATER) == 0


async def test_an_upload_that_comes_when_its_question_is_forgotten_is_deleted(
    store: Store,
) -> None:
    asked = asked_with(attached("a.png"))
    turn = await take(store, asked)
    kept = await one(store, turn)
    assert await store.turns.withdraw(asked.ref)
    await store.attachments.uploaded(turn, kept, "image", "openai", "file-late")
    assert await store.attachments.unreadable(turn, kept, "too late to say") is None
    assert (await store.attachments.of(turn), await to_delete(store)) == ([], ["file-late"])


async def test_uploads_whose_time_is_over_are_let_go_of_and_their_files_stay_named(
    store: Store,
) -> None:
    turn = await take(store, asked_with(attached("a.png")))
    await upload(store, turn)
    assert await store.attachments.let_go_of_old(time.time() - 600) == 0
    assert await store.attachments.let_go_of_old(time.time() + 600) == 1
    assert await store.attachments.let_go_of_old(time.time() + 600) == 0
    kept = await one(store, turn)
    assert (kept.file.name, kept.upload, await to_delete(store)) == ("a.png", None, ["file-1"])


async def test_more_than_one_batch_of_uploads_is_let_go_of_at_a_time(sqlite_store: Store) -> None:
    turn = await take(sqlite_store, asked_with(attached("a.png")))
    await upload(sqlite_store, turn, "file-0")
    rows = [
        {
            "turn_id": turn.id,
            "position": number,
            "size": 1,
            "engine": "openai",
            "upload": f"file-{number}",
            "uploaded_at": 1.0,
            **dict.fromkeys(("name", "media_type", "ref", "channel", "message"), "x"),
        }
        for number in range(1, AT_ONCE + 11)
    ]
    async with sqlite_store._database.write() as connection:
        await connection.execute(attachments.insert(), rows)
    assert await sqlite_store.attachments.let_go_of_old(2.0) == AT_ONCE + 10
    assert len(set(await to_delete(sqlite_store))) == AT_ONCE + 10
