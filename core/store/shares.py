"""Private answers that everybody in their channel is to see: once each, until that is done.

A share is written down before anything is posted, and stays open until the answer is a turn of the
channel's thread. From then on it is posted as every reply is.
"""

import time
from dataclasses import dataclass

from sqlalchemy import delete, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageId, Root, ThreadId, Turn, TurnId, TurnState
from core.store.database import Database
from core.store.news import FREE, announce
from core.store.people import SHARED
from core.store.rows import one_turn
from core.store.schema import parts, shares, threads, turns
from core.store.standings import is_place
from core.store.turns import lock_thread

AT_ONCE = 20  # shares, that one process takes on


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """An answer that is to be shared."""

    turn: Turn  #: whose answer it is
    shared_at: float
    tried_before: bool  #: whether a process may have posted the question already


class Shares:
    """Answers to be shared."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, turn: Turn, at: float) -> bool:
        """Have the turn's answer shared; whether nobody wanted that before."""
        made = self._database.insert(shares).values(turn_id=turn.id, shared_at=at)
        made = made.on_conflict_do_nothing(index_elements=["turn_id"])
        async with self._database.write() as connection:
            added = await connection.execute(made.returning(shares.c.turn_id))
            return added.first() is not None

    async def claim(self, platforms: list[str], now: float, seconds: float) -> list[Share]:
        """Open shares on these platforms that nobody tried for so many seconds.

        They are this process's to make, for as long. Of two that ask at once, one gets a share.
        """
        is_due = or_(shares.c.tried_at.is_(None), shares.c.tried_at <= now - seconds)
        due = (
            select(shares)
            .join(turns)
            .where(shares.c.ended_at.is_(None), is_due, turns.c.platform.in_(platforms))
            .order_by(shares.c.shared_at)
            .limit(AT_ONCE)
        )
        async with self._database.read() as connection:
            if (await connection.execute(due)).first() is None:
                return []  # the usual case, without a write
        found: list[Share] = []
        async with self._database.write() as connection:
            locked = due.with_for_update(of=shares, skip_locked=True)
            for row in (await connection.execute(locked)).all():
                which = shares.c.turn_id == row.turn_id
                await connection.execute(update(shares).where(which).values(tried_at=now))
                turn = await one_turn(connection, turns.c.id == TurnId(row.turn_id))
                if turn is not None:
                    tried = row.tried_at is not None
                    found.append(Share(turn=turn, shared_at=row.shared_at, tried_before=tried))
        return found

    async def set_back(self, turn: TurnId) -> None:
        """Hear that a try has failed: the next one need not wait until the claim is over."""
        await self._set(turn, tried_at=0.0)

    async def ended(self, turn: TurnId) -> None:
        """Hear that the answer cannot be shared."""
        await self._set(turn, ended_at=time.time())

    async def take_back(self, turn: TurnId) -> None:
        """Forget that the answer was to be shared: it may be wanted again."""
        async with self._database.write() as connection:
            await connection.execute(delete(shares).where(shares.c.turn_id == turn))

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
            asked_at=share.shared_at,
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

    async def _set(self, turn: TurnId, **values: object) -> None:
        async with self._database.write() as connection:
            change = update(shares).where(shares.c.turn_id == turn).values(**values)
            await connection.execute(change)
