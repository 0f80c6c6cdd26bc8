"""Private answers that everybody in their channel is to see: once each, until that is done.

A share is done when the answer is a turn of the channel's thread. From then on it is posted as
every reply is.
"""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageId, Root, ThreadId, Turn, TurnState
from core.store.counting import SHARED
from core.store.news import FREE, announce
from core.store.outboxes import Entries, Entry
from core.store.schema import parts, shares, threads, turns
from core.store.standings import is_place
from core.store.turns import lock_thread


@dataclass(frozen=True, kw_only=True, slots=True)
class Share(Entry):
    """An answer that is to be shared: that of its turn."""


class Shares(Entries[Share]):
    """Answers to be shared."""

    _table = shares
    _wanted_at = shares.c.shared_at

    async def add(self, turn: Turn, at: float) -> bool:
        """Have the turn's answer shared; whether nobody wanted that before."""
        made = self._database.insert(shares).values(turn_id=turn.id, shared_at=at)
        made = made.on_conflict_do_nothing(index_elements=["turn_id"])
        async with self._database.write() as connection:
            added = await connection.execute(made.returning(shares.c.turn_id))
            return added.first() is not None

    async def take_back(self, share: Share) -> None:
        """Forget that the answer was to be shared: it may be wanted again."""
        async with self._database.write() as connection:
            await connection.execute(delete(shares).where(shares.c.turn_id == share.turn.id))

    async def settle(self, share: Share, root: Root) -> None:
        """Make the answer that of a turn under `root`: its reply is to be posted there.

        That turn is no further question: it counts neither for limits nor in reports. A repeat
        changes nothing; nor does it where the answer was forgotten meanwhile.
        """
        async with self._database.write() as connection:
            thread = await self._enter(connection, root)
            await connection.execute(lock_thread(thread))
            if (made := await self._copy(connection, share, thread, root)) is not None:
                await connection.execute(
                    insert(parts).from_select(
                        ["turn_id", "part", "text"],
                        select(literal(made), parts.c.part, parts.c.text).where(
                            parts.c.turn_id == share.turn.id, parts.c.text != ""
                        ),
                    )
                )
                await announce(connection, FREE)
            ended = update(shares).where(shares.c.turn_id == share.turn.id)
            await connection.execute(ended.values(ended_at=time.time()))

    async def _enter(self, connection: AsyncConnection, root: Root) -> ThreadId:
        place = root.thread
        row = {"platform": place.platform, "tenant": place.tenant, "key": place.key}
        made = self._database.insert(threads).values(**row, created_at=time.time())
        await connection.execute(made.on_conflict_do_nothing())
        query = select(threads.c.id).where(is_place(place))
        return ThreadId((await connection.execute(query)).scalar_one())

    async def _copy(
        self, connection: AsyncConnection, share: Share, thread: ThreadId, root: Root
    ) -> int | None:
        """The new turn's id; None where there is one, or nothing to be seen any more."""
        of = select(turns).where(turns.c.id == share.turn.id, turns.c.answer.is_not(None))
        original = (await connection.execute(of)).one_or_none()
        if original is None:
            return None
        made = self._database.insert(turns).values(
            thread_id=thread,
            platform=original.platform,
            tenant=original.tenant,
            channel=root.channel,
            message=MessageId(root.message),
            author=original.author,
            question=original.question,
            unread=original.unread,
            state=TurnState.ANSWERED,
            asked_at=share.wanted_at,
            attempt=0,
            outcome=SHARED,
            answer=original.answer,
            citations=original.citations,
        )
        made = made.on_conflict_do_nothing(
            index_elements=["platform", "tenant", "channel", "message"]
        )
        inserted = await connection.execute(made.returning(turns.c.id))
        number: int | None = inserted.scalar_one_or_none()
        return number

    def _entry(self, row: Row[Any], turn: Turn) -> Share:
        return Share(turn=turn, wanted_at=row.shared_at, tried_before=row.tried_at is not None)
