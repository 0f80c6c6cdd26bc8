"""Threads, turns and the parts of their replies: the durable side of answering.

The table is the truth about what is still to be done; whatever a process holds in memory is a copy.
"""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, Text, and_, cast, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import (
    OPEN_STATES,
    Answer,
    ConversationId,
    Exchange,
    Mention,
    MessageId,
    RunId,
    ThreadId,
    ThreadRef,
    Turn,
    TurnId,
    TurnState,
)
from core.store.database import Database
from core.store.schema import parts, threads, turns
from core.text import storable

_TURN_COLUMNS = (
    turns.c.id,
    turns.c.thread_id,
    turns.c.platform,
    turns.c.tenant,
    threads.c.key,
    turns.c.channel,
    turns.c.message,
    turns.c.author,
    turns.c.question,
    turns.c.unread,
    turns.c.state,
    turns.c.asked_at,
    turns.c.started_at,
    turns.c.attempt,
    turns.c.run,
    turns.c.outcome,
    threads.c.engine,
    threads.c.conversation,
)
UNSETTLED = (TurnState.QUEUED, TurnState.RUNNING)
_IS_OPEN = turns.c.state.in_(OPEN_STATES)


class Turns:
    """Questions from the moment they are taken to the moment their reply is delivered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, mention: Mention) -> Turn | None:
        """Write a mention down as a queued turn, in one transaction with its thread.

        Returns None, and changes nothing, where the same message was taken before.
        """
        async with self._database.write() as connection:
            thread_id = await self._thread_id(connection, mention.thread)
            turn_id = await self._insert_turn(connection, thread_id, mention)
            if turn_id is None:
                return None
            return await _one_turn(connection, turns.c.id == turn_id)

    async def _thread_id(self, connection: AsyncConnection, thread: ThreadRef) -> int:
        place = {"platform": thread.platform, "tenant": thread.tenant, "key": thread.key}
        upsert = self._database.insert(threads).values(**place, created_at=time.time())
        # An update that changes nothing, because DO NOTHING would return no id.
        upsert = upsert.on_conflict_do_update(
            index_elements=["platform", "tenant", "key"], set_={"key": thread.key}
        )
        return int((await connection.execute(upsert.returning(threads.c.id))).scalar_one())

    async def _insert_turn(
        self, connection: AsyncConnection, thread_id: int, mention: Mention
    ) -> int | None:
        statement = self._database.insert(turns).values(
            thread_id=thread_id,
            platform=mention.thread.platform,
            tenant=mention.thread.tenant,
            channel=mention.channel,
            message=mention.message,
            author=mention.author,
            question=storable(mention.text),
            unread=[storable(name) for name in mention.unread],
            state=TurnState.QUEUED,
            asked_at=mention.at,
            attempt=0,
        )
        statement = statement.on_conflict_do_nothing(
            index_elements=["platform", "tenant", "channel", "message"]
        )
        inserted = await connection.execute(statement.returning(turns.c.id))
        turn_id: int | None = inserted.scalar_one_or_none()
        return turn_id

    async def heads(self) -> list[Turn]:
        """The oldest open turn of each thread, oldest first."""
        oldest = select(func.min(turns.c.id)).where(_IS_OPEN).group_by(turns.c.thread_id)
        async with self._database.read() as connection:
            rows = await connection.execute(_select_turns().where(turns.c.id.in_(oldest)))
            return [_turn(row) for row in rows]

    async def next_open(self, thread: ThreadId) -> Turn | None:
        """The oldest open turn of one thread, or None where nothing waits."""
        async with self._database.read() as connection:
            return await _one_turn(connection, turns.c.thread_id == thread, _IS_OPEN)

    async def get(self, turn: TurnId) -> Turn | None:
        """One turn, or None where there is none of that id."""
        async with self._database.read() as connection:
            return await _one_turn(connection, turns.c.id == turn)

    async def link(
        self, thread: ThreadId, engine: str, conversation: ConversationId | None
    ) -> None:
        """Pair a thread with its conversation; None: the next turn opens a new one."""
        await self._write(
            update(threads)
            .where(threads.c.id == thread)
            .values(engine=engine, conversation=conversation)
        )

    async def began(self, turn: Turn, run: RunId) -> None:
        """Remember the run of a turn: from now on a restart follows it and starts no second one."""
        await self._write(
            update(turns)
            .where(turns.c.id == turn.id)
            .values(
                state=TurnState.RUNNING,
                run=run,
                attempt=turn.attempt + 1,
                started_at=turn.started_at,
            )
        )

    async def requeue(self, turn: TurnId) -> None:
        """Give up the turn's run, so that another is started for it."""
        await self._write(
            update(turns).where(turns.c.id == turn).values(state=TurnState.QUEUED, run=None)
        )

    async def settle(
        self,
        turn: TurnId,
        state: TurnState,
        outcome: str,
        answer: Answer | None,
        rendered: Sequence[str],
    ) -> None:
        """Store the outcome and the reply's parts, before any of them is posted.

        A turn that has its outcome keeps it: after an error nobody knows whether a first try took
        effect, and the second one must not matter.
        """
        citations = [
            {"url": storable(citation.url), "title": storable(citation.title)}
            for citation in (answer.citations if answer else ())
        ]
        async with self._database.write() as connection:
            settled = await connection.execute(
                update(turns)
                .where(turns.c.id == turn, turns.c.state.in_(UNSETTLED))
                .values(
                    state=state,
                    outcome=outcome,
                    answer=storable(answer.text) if answer else None,
                    citations=citations,
                )
            )
            if settled.rowcount == 0:
                return
            await connection.execute(
                insert(parts),
                [
                    {"turn_id": turn, "part": number, "text": storable(text)}
                    for number, text in enumerate(rendered)
                ],
            )

    async def unposted(self, turn: TurnId) -> list[tuple[int, str]]:
        """Number and text of the reply's parts whose posting is not on record, in order."""
        query = (
            select(parts.c.part, parts.c.text)
            .where(parts.c.turn_id == turn, parts.c.message.is_(None))
            .order_by(parts.c.part)
        )
        async with self._database.read() as connection:
            return [(row.part, row.text) for row in await connection.execute(query)]

    async def posted(self, turn: TurnId, part: int, message: MessageId, *, last: bool) -> None:
        """Record the message that a part became; with the `last` one the turn is delivered."""
        async with self._database.write() as connection:
            await connection.execute(
                update(parts)
                .where(parts.c.turn_id == turn, parts.c.part == part)
                .values(message=message)
            )
            if last:
                await connection.execute(_close(turn, TurnState.DELIVERED))

    async def close(self, turn: TurnId, state: TurnState, outcome: str) -> None:
        """End a turn that gets no (further) reply, and say why in `outcome`."""
        await self._write(_close(turn, state).values(outcome=outcome))

    async def history(self, before: Turn, limit: int) -> list[Exchange]:
        """The last `limit` answered exchanges of the thread before a turn, oldest first."""
        query = (
            select(turns.c.question, turns.c.answer)
            .where(
                turns.c.thread_id == before.thread_id,
                turns.c.id < before.id,
                turns.c.answer.is_not(None),
            )
            .order_by(turns.c.id.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Exchange(question=row.question, answer=row.answer) for row in reversed(rows)]

    async def questions(self, turn: TurnId, limit: int = 6) -> list[str]:
        """The thread's last questions up to and including this turn's, oldest first."""
        thread = select(turns.c.thread_id).where(turns.c.id == turn).scalar_subquery()
        query = (
            select(turns.c.question)
            .where(turns.c.thread_id == thread, turns.c.id <= turn)
            .order_by(turns.c.id.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list(reversed((await connection.execute(query)).scalars().all()))

    async def forget_texts(self, before: float) -> int:
        """Delete what was asked and answered in turns that ended before then; how many there were.

        The rows stay: their identities prevent that a message is answered a second time.
        """
        has_text = or_(turns.c.question != "", cast(turns.c.unread, Text) != "[]")
        old = and_(turns.c.finished_at < before, has_text)
        async with self._database.write() as connection:
            ids = select(turns.c.id).where(old)
            await connection.execute(update(parts).where(parts.c.turn_id.in_(ids)).values(text=""))
            forgotten = await connection.execute(
                update(turns).where(old).values(question="", answer=None, citations=None, unread=[])
            )
        return forgotten.rowcount

    async def _write(self, statement: Any) -> None:
        async with self._database.write() as connection:
            await connection.execute(statement)


def _select_turns() -> Select[Any]:
    return select(*_TURN_COLUMNS).join(threads).order_by(turns.c.id)


async def _one_turn(connection: AsyncConnection, *where: Any) -> Turn | None:
    row = (await connection.execute(_select_turns().where(*where).limit(1))).one_or_none()
    return _turn(row) if row else None


def _close(turn: TurnId, state: TurnState) -> Any:
    return update(turns).where(turns.c.id == turn).values(state=state, finished_at=time.time())


def _turn(row: Row[Any]) -> Turn:
    return Turn(
        id=TurnId(row.id),
        thread_id=ThreadId(row.thread_id),
        thread=ThreadRef(platform=row.platform, tenant=row.tenant, key=row.key),
        channel=row.channel,
        message=MessageId(row.message),
        author=row.author,
        question=row.question,
        unread=tuple(row.unread),
        state=TurnState(row.state),
        asked_at=row.asked_at,
        started_at=row.started_at,
        attempt=row.attempt,
        run=RunId(row.run) if row.run else None,
        engine=row.engine,
        conversation=ConversationId(row.conversation) if row.conversation else None,
        outcome=row.outcome,
    )
