"""Questions that come at the same time are written down together, in one transaction.

A platform waits for each of them to be acknowledged, and a transaction costs about the same for
one question as for a hundred. The first is written down at once; what comes meanwhile goes next.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Mention, MessageRef, ThreadRef, Turn, TurnState
from core.errors import StoreError
from core.store import standings, withdrawals
from core.store.database import Database
from core.store.leases import Leases, is_free
from core.store.news import FREE, announce
from core.store.rows import IS_LEADING, select_turns, turn_of
from core.store.schema import threads, turns
from core.store.standings import Kind
from core.store.turns import Turns
from core.text import storable

AT_ONCE: Final = 200  #: questions, at most, in one transaction
REMEMBERED: Final = 10_000  #: messages that are known to be taken without a look


class _Word(Enum):
    """What somebody who waits is told, other than what became of the question."""

    LEAD = "lead"  # write it down, with those that wait
    ALONE = "alone"  # write it down: together with others it failed


@dataclass(frozen=True, eq=False, slots=True)
class _Waiting:
    mention: Mention
    claim: bool
    told: "asyncio.Future[Turn | _Word | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Intake:
    """Where mentions are written down."""

    def __init__(self, database: Database, leases: Leases, taken: Turns) -> None:
        self._database = database
        self._leases = leases
        self._turns = taken
        self._waiting: list[_Waiting] = []
        self._is_writing = False
        self._busy_since = 0.0
        self._known: dict[MessageRef, None] = {}  # the oldest first
        self._coming: dict[MessageRef, asyncio.Event] = {}  # set when they are written down, or not

    def busy(self, seconds: float) -> bool:
        """Whether questions wait to be written down, and have waited for no longer than that."""
        return bool(self._waiting) and time.monotonic() - self._busy_since < seconds

    async def take(
        self, mention: Mention, *, claim: bool = True, kind: Kind = "call"
    ) -> Turn | None:
        """Do as `Turns.take` does."""
        if kind != "call" or mention.bot or mention.files or mention.confirms is not None:
            return await self._turns.take(mention, claim=claim, kind=kind)
        ref = mention.ref
        while (earlier := self._coming.get(ref)) is not None:
            await earlier.wait()  # the same message; where that failed, it is for us to write down
        if ref in self._known:
            return None
        self._coming[ref] = done = asyncio.Event()
        try:
            return await self._take(_Waiting(mention, claim))
        finally:
            del self._coming[ref]
            done.set()

    async def _take(self, mine: _Waiting) -> Turn | None:
        if self._is_writing:
            self._busy_since = self._busy_since if self._waiting else time.monotonic()
            self._waiting.append(mine)
            told = await self._wait(mine)
            if told is _Word.ALONE:
                return await self._turns.take(mine.mention, claim=mine.claim)
            if not isinstance(told, _Word):
                return told
        self._is_writing = True
        try:
            return await self._lead(mine)
        finally:
            self._pass_on()

    async def _wait(self, mine: _Waiting) -> "Turn | _Word | None":
        try:
            return await mine.told
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.told.cancelled() and mine.told.result() is _Word.LEAD:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Let the next who waits write down what is there by then."""
        while self._waiting:
            following = self._waiting.pop(0)
            if not following.told.done():
                following.told.set_result(_Word.LEAD)
                return
        self._is_writing = False

    async def _lead(self, mine: _Waiting) -> Turn | None:
        others = self._others(mine)
        if not others:
            turn = await self._turns.take(mine.mention, claim=mine.claim)
            self._remember([mine.mention])
            return turn
        try:
            found = await self._take_all([mine, *others])
        except BaseException as error:
            for other in others:
                _tell(other, _Word.ALONE)
            if not isinstance(error, StoreError):
                raise
            return await self._turns.take(mine.mention, claim=mine.claim)
        for other in others:
            _tell(other, found.get(other.mention.ref))
        self._remember([mine.mention, *(other.mention for other in others)])
        return found.get(mine.mention.ref)

    def _others(self, mine: _Waiting) -> list[_Waiting]:
        """Those that wait and can go with this one."""
        chosen = [one for one in self._waiting[: AT_ONCE - 1] if one.claim == mine.claim]
        going = set(chosen)
        self._waiting = [one for one in self._waiting if one not in going]
        return chosen

    def _remember(self, taken: Sequence[Mention]) -> None:
        self._known |= dict.fromkeys(mention.ref for mention in taken)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    # --- many in one transaction ------------------------------------------------------------------

    async def _take_all(self, batch: Sequence[_Waiting]) -> dict[MessageRef, Turn]:
        """Write down what nobody took before: the turns of that, by their messages."""
        claim = batch[0].claim
        async with self._database.write(first=True) as connection:
            gone = await withdrawals.noted_of(
                connection, self._database, [one.mention.ref for one in batch]
            )
            # All processes lock threads in the same order: else two could wait for each other.
            mentions = sorted(
                (one.mention for one in batch if one.mention.ref not in gone),
                key=lambda mention: _key(mention.thread),  # those of one thread as they came
            )
            if not mentions:
                return {}
            places = await standings.enter_all(connection, self._database, mentions)
            ids = await self._insert(connection, mentions, places)
            await self._claim(connection, list(places.values()) if ids else [], claim=claim)
            return await _read(connection, ids)

    async def _insert(
        self,
        connection: AsyncConnection,
        mentions: Sequence[Mention],
        places: Mapping[ThreadRef, int],
    ) -> list[int]:
        insert = self._database.insert(turns).on_conflict_do_nothing(
            index_elements=["platform", "tenant", "channel", "message"]
        )
        rows = [_row(mention, places[mention.thread]) for mention in mentions]
        return list((await connection.execute(insert.returning(turns.c.id), rows)).scalars())

    async def _claim(
        self, connection: AsyncConnection, places: Collection[int], *, claim: bool
    ) -> None:
        if not self._leases.shared or not places:
            return
        free = threads.c.id.in_(places) & is_free()
        if claim:
            await connection.execute(
                update(threads).where(free).values(holder=self._leases.process)
            )
        elif (await connection.execute(select(threads.c.id).where(free).limit(1))).first():
            await announce(connection, FREE)


def _tell(waiting: _Waiting, what: "Turn | _Word | None") -> None:
    if not waiting.told.done():
        waiting.told.set_result(what)


def _row(mention: Mention, thread: int) -> dict[str, Any]:
    """A mention without files that confirms nothing, as `Turns.take` would write it down."""
    return {
        "thread_id": thread,
        "platform": mention.thread.platform,
        "tenant": mention.thread.tenant,
        "channel": mention.channel,
        "message": mention.message,
        "author": mention.author,
        "question": storable(mention.text),
        "unread": [storable(name) for name in mention.unread],
        "state": TurnState.QUEUED,
        "asked_at": mention.at,
        "attempt": 0,
        "files": 0,
    }


def _key(thread: ThreadRef) -> tuple[str, str, str]:
    return thread.platform, thread.tenant, thread.key


async def _read(connection: AsyncConnection, ids: Sequence[int]) -> dict[MessageRef, Turn]:
    if not ids:
        return {}
    rows = (await connection.execute(select_turns().where(turns.c.id.in_(ids)))).all()
    found = [turn_of(row) for row in rows]
    heads = (
        select(turns.c.thread_id, func.min(turns.c.id))
        .where(turns.c.thread_id.in_([turn.thread_id for turn in found]), IS_LEADING)
        .group_by(turns.c.thread_id)
    )
    first: dict[Any, Any] = {row[0]: row[1] for row in await connection.execute(heads)}
    return {
        _ref(turn): replace(turn, waits=first.get(turn.thread_id, turn.id) < turn.id)
        for turn in found
    }


def _ref(turn: Turn) -> MessageRef:
    return MessageRef(
        platform=turn.thread.platform,
        tenant=turn.thread.tenant,
        channel=turn.channel,
        message=turn.message,
    )
