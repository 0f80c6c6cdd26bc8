"""Questions that come at the same time are written down together, in one transaction.

A platform waits for each of them to be acknowledged, and a transaction costs about the same for
one question as for a hundred. The first is written down at once, with what comes in the same
moment; what comes meanwhile goes next.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from core.domain import Mention, MessageRef, Turn
from core.errors import StoreError
from core.store.database import Database
from core.store.leases import Leases
from core.store.many import rehearse, take_many
from core.store.standings import Kind
from core.store.turns import Turns

AT_ONCE: Final = 200  #: questions, at most, in one transaction
MOMENT: Final = 0.03  # seconds, at most, in which questions that keep coming go together
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
        self._is_rush = False  # from where one has to wait until nobody is written down
        self._rush_since = 0.0
        self._known: dict[MessageRef, None] = {}  # the oldest first
        self._coming: dict[MessageRef, asyncio.Event] = {}  # set when they are written down, or not

    def busy(self, seconds: float) -> bool:
        """Whether several questions are being written down, and for no longer than that."""
        return self._is_rush and time.monotonic() - self._rush_since < seconds

    async def rehearse(self) -> None:
        """Get ready for many at once; changes nothing. Raises StoreError."""
        async with self._database.write() as connection:
            await rehearse(connection, self._leases)

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
            if not self._is_rush:
                self._is_rush, self._rush_since = True, time.monotonic()
            self._waiting.append(mine)
            told = await self._wait(mine)
            if told is _Word.ALONE:
                return await self._turns.take(mine.mention, claim=mine.claim)
            if not isinstance(told, _Word):
                return told
        else:
            self._is_writing = True
        try:
            await self._let_come()
            return await self._lead(mine)
        finally:
            self._pass_on()

    async def _let_come(self) -> None:
        """Let what comes at the same moment go in the same transaction; mostly that is nothing."""
        there, began = -1, time.monotonic()
        while len(self._waiting) > there and time.monotonic() - began < MOMENT:
            there = len(self._waiting)
            await asyncio.sleep(0)

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
        self._is_writing = self._is_rush = False

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

    async def _take_all(self, batch: Sequence[_Waiting]) -> dict[MessageRef, Turn]:
        """Write down what nobody took before: the turns of that, by their messages."""
        mentions, claim = [one.mention for one in batch], batch[0].claim
        async with self._database.write(first=True) as connection:
            return await take_many(connection, self._leases, mentions, claim=claim)


def _tell(waiting: _Waiting, what: "Turn | _Word | None") -> None:
    if not waiting.told.done():
        waiting.told.set_result(what)
