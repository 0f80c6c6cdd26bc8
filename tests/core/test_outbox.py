"""What is in an outbox is sent once, and tried until it is, whoever dies meanwhile."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.domain import Turn
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    StoreError,
    ThreadGone,
    TokenRefused,
)
from core.outbox import GIVEN_UP, Lines, Outbox
from core.store import Store, outboxes
from core.store.outboxes import Entries
from core.store.shares import Share
from servers.mentions import mention
from servers.scripted import RecordingPlatform

Add = Callable[[Turn, float], Awaitable[bool]]
PASSING = (
    PlatformBusy(5.0),
    PlatformUnreachable(),
    TokenRefused("No."),
    StoreError("No."),
    TimeoutError(),
)
LASTING = (PlatformRefused("No."), ThreadGone())


@dataclass(kw_only=True, slots=True)
class Notes(Outbox[Share]):
    """Notes what it sends; shares are the entries, because nothing else is in their way."""

    errors: dict[str, Exception] = field(default_factory=dict)  # of the next try, by question
    sent: list[tuple[str, bool]] = field(default_factory=list)  # question, tried before
    sent_one: asyncio.Event = field(default_factory=asyncio.Event)
    while_sending: Callable[[], Awaitable[None]] | None = None
    _lines = Lines(
        log=logging.getLogger("core.notes"),
        unread="Notes cannot be read",
        set_back="A note could not be sent",
        unforeseen="Unforeseen error in a note",
    )

    @property
    def _entries(self) -> Entries[Share]:
        return self.store.shares

    async def _send(self, entry: Share) -> None:
        question = entry.turn.question
        if question in self.errors:
            raise self.errors.pop(question)
        if self.while_sending:
            await self.while_sending()
        self.sent.append((question, entry.tried_before))
        await self.store.shares.ended(entry)
        self.sent_one.set()


@dataclass(kw_only=True, slots=True)
class Resigned(Notes):
    """Takes a refusal for an end."""

    async def _refused(self, entry: Share, error: PlatformError) -> None:
        await self.store.shares.ended(entry)


def notes(store: Store, **fields: Any) -> Notes:
    return Notes(store=store, platforms={"slack": RecordingPlatform()}, **fields)


async def asked(store: Store, question: str = "a", platform: str = "slack") -> Turn:
    """A question in a thread of its own: people are called to each once."""
    turn = await store.turns.take(mention(question, platform=platform, thread=question))
    assert turn is not None
    return turn


async def add(store: Store, *questions: str) -> None:
    for question in questions:
        assert await store.shares.add(await asked(store, question), time.time())


# --- sending --------------------------------------------------------------------------------------


async def test_each_entry_is_sent_once(store: Store) -> None:
    outbox = notes(store)
    await add(store, "a", "b")
    for _ in range(2):
        await outbox.flush()
    assert sorted(outbox.sent) == [("a", False), ("b", False)]


async def test_what_is_added_while_it_runs_is_sent_when_it_is_told(store: Store) -> None:
    outbox = notes(store)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(outbox.run())
        for question in ("a", "b"):
            await add(store, question)
            outbox.look_soon()
            async with asyncio.timeout(20):  # less than it waits by itself
                await outbox.sent_one.wait()
            outbox.sent_one.clear()
        running.cancel()
    assert outbox.sent == [("a", False), ("b", False)]


async def test_what_is_added_while_another_is_sent_does_not_wait(store: Store) -> None:
    async def adds_another() -> None:
        outbox.while_sending = None
        await add(store, "b")
        outbox.look_soon()

    outbox = notes(store, while_sending=adds_another)
    await add(store, "a")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(outbox.run())
        async with asyncio.timeout(20):  # less than it waits by itself
            while len(outbox.sent) < 2:
                await outbox.sent_one.wait()
                outbox.sent_one.clear()
        running.cancel()
    assert outbox.sent == [("a", False), ("b", False)]


@pytest.mark.parametrize("error", [*PASSING, *LASTING], ids=lambda error: type(error).__name__)
async def test_what_fails_is_tried_again_without_waiting_for_the_claim_to_end(
    store: Store, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = notes(store, errors={"a": error})
    await add(store, "a")
    await outbox.flush()
    assert outbox.sent == []
    (line,) = caplog.records
    assert (line.name, line.getMessage()) == ("core.notes", "A note could not be sent")
    assert vars(line)["error"] == type(error).__name__
    await outbox.flush()
    assert outbox.sent == [("a", True)]


@pytest.mark.parametrize("error", [*PASSING, *LASTING], ids=lambda error: type(error).__name__)
async def test_what_a_platform_refuses_may_be_taken_for_an_end(
    store: Store, error: Exception
) -> None:
    platforms = {"slack": RecordingPlatform()}
    outbox = Resigned(store=store, platforms=platforms, errors={"a": error})
    await add(store, "a")
    for _ in range(2):
        await outbox.flush()
    assert outbox.sent == ([] if error in LASTING else [("a", True)])


async def test_an_entry_that_nobody_can_send_stands_in_no_others_way(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = notes(store, errors={"a": ZeroDivisionError("somebody's words")})
    await add(store, "a", "b")
    await outbox.flush()
    assert outbox.sent == [("b", False)]
    lines = [line.getMessage() for line in caplog.records if line.levelno > logging.DEBUG]
    assert lines == ["Unforeseen error in a note: ZeroDivisionError"]


async def test_what_was_broken_off_waits_only_where_another_process_could_be_at_it(
    store: Store,
) -> None:
    outbox = notes(store, errors={"a": ZeroDivisionError()})
    await add(store, "a")
    for _ in range(2):
        await outbox.flush()
    assert outbox.sent == ([] if store.leases.shared else [("a", True)])


async def test_what_is_too_old_is_let_be(store: Store) -> None:
    outbox = notes(store)
    assert await store.shares.add(await asked(store), time.time() - GIVEN_UP - 60)
    await outbox.flush()
    assert outbox.sent == []
    assert await store.shares.claim(["slack"], time.time() + 1e6, 0.0) == []


async def test_while_the_entries_cannot_be_read_they_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*given: object) -> list[Share]:
        raise StoreError("The database is away.")

    outbox = notes(store)
    await add(store, "a")
    with monkeypatch.context() as patch:
        patch.setattr(store.shares, "claim", fails)
        await outbox.flush()
    (line,) = caplog.records
    assert line.getMessage() == "Notes cannot be read: The database is away."
    await outbox.flush()
    assert outbox.sent == [("a", False)]


# --- the tables -----------------------------------------------------------------------------------


@pytest.fixture(params=["calls", "shares"])
def kind(request: pytest.FixtureRequest, store: Store) -> tuple[Entries[Any], Add]:
    """Each kind of entry, and how one is added."""
    if request.param == "calls":
        return store.calls, lambda turn, at: store.calls.add(turn, "U2", at)
    return store.shares, store.shares.add


async def test_an_entry_is_one_processs_for_a_while_and_anothers_if_that_dies(
    store: Store, kind: tuple[Entries[Any], Add]
) -> None:
    entries, add = kind
    turn, now = await asked(store), time.time() + 1_000
    assert await add(turn, now)
    assert not await add(turn, now)
    (entry,) = await entries.claim(["slack"], now, 90)
    assert (entry.turn, entry.wanted_at, entry.tried_before) == (turn, now, False)
    assert await entries.claim(["slack"], now + 80, 90) == []
    (entry,) = await entries.claim(["slack"], now + 100, 90)
    assert entry.tried_before


async def test_an_entry_that_was_set_back_is_due_at_once_and_one_that_has_ended_never(
    store: Store, kind: tuple[Entries[Any], Add]
) -> None:
    entries, add = kind
    for question in ("a", "b"):
        assert await add(await asked(store, question), 1_000.0)
    first, second = await entries.claim(["slack"], 2_000.0, 90)
    await entries.set_back(first)
    await entries.ended(second)
    (again,) = await entries.claim(["slack"], 2_001.0, 90)
    assert (again.turn, again.tried_before) == (first.turn, True)
    assert await entries.claim(["slack"], 9_000.0, 90) == [again]


async def test_entries_for_platforms_of_other_processes_are_theirs(
    store: Store, kind: tuple[Entries[Any], Add]
) -> None:
    entries, add = kind
    turns = [await asked(store, platform=platform) for platform in ("discord", "slack")]
    for turn in turns:
        assert await add(turn, 1_000.0)
    assert [one.turn for one in await entries.claim(["slack"], 2_000.0, 90)] == turns[1:]
    assert await entries.claim([], 2_000.0, 90) == []
    assert [one.turn for one in await entries.claim(["discord"], 2_000.0, 90)] == turns[:1]


async def test_of_many_entries_the_oldest_are_the_first(
    store: Store, kind: tuple[Entries[Any], Add], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, add = kind
    turns = [await asked(store, question) for question in ("late", "early", "between")]
    for turn, at in zip(turns, (1_300.0, 1_100.0, 1_200.0), strict=True):
        assert await add(turn, at)
    monkeypatch.setattr(outboxes, "AT_ONCE", 2)
    claimed = [one.turn.question for one in await entries.claim(["slack"], 2_000.0, 90)]
    assert claimed == ["early", "between"]
