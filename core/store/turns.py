"""Questions: taken, edited and withdrawn by people, and read. What becomes of them: `progress.py`.

The table is the truth about what is still to be done; whatever a process holds in memory is a copy.
"""

import time
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import (
    Exchange,
    Mention,
    MessageRef,
    ThreadId,
    ThreadRef,
    Turn,
    TurnId,
    TurnState,
)
from core.store import standings, taking, withdrawals
from core.store.attached_rows import forget_files
from core.store.database import Database
from core.store.erasures import leave_conversation, withdraw_calls
from core.store.leases import Leases
from core.store.news import ABANDONED, CHANGED, FREE, announce
from core.store.rows import (
    HAS_TEXTS,
    IS_HEAD,
    IS_UNSETTLED,
    UNSETTLED,
    is_message,
    one_turn,
    questions_of_followers,
    select_turns,
    turn_of,
    with_unread,
)
from core.store.schema import abandoned_runs, threads, turns
from core.store.standings import Kind
from core.text import storable

RECENT_TURNS = 200  # of a platform, among which threads count as recent
LOOKED_THROUGH = 100_000  # turns, at most, for those: the newest of all platforms
STOPPED = "stopped"  #: the outcome of a turn that somebody stopped, even before it is settled
SILENCED = "silenced"  #: that of one whose thread was to be quiet before it was settled


class Turns:
    """What people ask. A turn is known by its message for ever; a repeat changes nothing."""

    def __init__(self, database: Database, leases: Leases) -> None:
        self._database = database
        self._leases = leases

    # --- what people do ---------------------------------------------------------------------------

    async def take(
        self, mention: Mention, *, claim: bool = True, kind: Kind = "call"
    ) -> Turn | None:
        """Write a mention down as a queued turn, in one transaction with its thread.

        With `claim`, a thread that nobody holds is ours from now on, as the turn's `holder` tells;
        else the processes that work are woken. Returns None, and changes nothing, where the same
        message was taken before, or is known to be deleted; where bots have asked
        `standings.BOTS_IN_A_ROW` times and this is one; and where it is a follow-up in a thread to
        keep quiet in. A `call` of a person ends that; a `stop` begins it, and ends what waits for
        an answer there or has a run.
        """
        async with self._database.write(first=True) as connection:
            return await self._take(connection, mention, claim=claim, kind=kind)

    async def edit(
        self, mention: Mention, *, claim: bool = True, kind: Kind = "call", may_take: bool = True
    ) -> Turn | None:
        """Let the new text of a message count, while it has no outcome; an unknown one is taken.

        Unless it `may_take`: then only what was taken before counts.

        A run for the old text is abandoned, and the turn is queued again; a `stop` ends what else
        waits in the thread, as for `take`. Returns the turn that is to be looked at now, that of
        the run; None where nothing changes.
        """
        async with self._database.write() as connection:
            turn = await self._lock(connection, mention.ref)
            if turn is None:
                if not may_take:
                    return None
                return await self._take(connection, mention, claim=claim, kind=kind)
            text = storable(mention.text)
            leading = await self._leading(connection, turn.id)
            if leading is None or turn.question == text:
                return None
            await _change(connection, turns.c.id == turn.id, question=text)
            if kind == "stop":  # which is answered by itself
                await _change(connection, turns.c.leader == leading.id, leader=None)
                await self._stop_all(connection, turn.thread_id, before=turn.id)
                await standings.quieten(connection, turn.thread_id, "stop", mention.at)
                leading = turn
            # What was stopped was the answer to something else.
            await _change(connection, turns.c.id == leading.id, outcome=None)
            return await self._begin_anew(connection, leading)

    async def withdraw(self, message: MessageRef, *, asked: bool | None = None) -> Turn | None:
        """Let a question that has no outcome have none; its text is forgotten.

        A run for it is abandoned; questions that were to be answered together with it are asked
        anew. One that is yet to come is not taken any more, for `withdrawals.KEPT` seconds, where
        `asked` says that it asks us; None: where somebody asked us something in its channel before.
        Returns the turn that is to be looked at now, None where nothing changes.
        """
        # Most deleted messages asked us nothing: they cost a look, and no write.
        async with self._database.read() as connection:
            turn = await one_turn(connection, is_message(turns, message))
            if turn is None and asked is None:
                asked = await withdrawals.may_be_asked(connection, message)
        if turn is None and not (asked and await self._came_meanwhile(message)):
            return None
        if turn is not None and turn.state not in UNSETTLED:
            return None
        return await self._withdraw(message)

    async def silence(self, thread: ThreadRef, why: str, at: float, *, end: bool) -> Turn | None:
        """Keep quiet in a thread from `at` on; `end` what waits there, or has a run, as well.

        Returns a turn of the thread where something was ended, None where there is nothing to do.
        """
        async with self._database.write() as connection:
            place = standings.is_place(thread)
            query = select(threads.c.id).where(place).with_for_update(key_share=True)
            found = (await connection.execute(query)).scalar_one_or_none()
            if found is None:
                return None
            await standings.quieten(connection, found, why, at)
            last = select(func.max(turns.c.id)).where(turns.c.thread_id == found)
            newest = (await connection.execute(last)).scalar_one() or 0
            if not end or not await self._stop_all(connection, found, before=newest + 1):
                return None
            return await one_turn(connection, turns.c.id == newest)

    async def stop(self, turn: Turn) -> bool:
        """Ask whoever has the thread to end the turn's run and reply with what is written.

        Its outcome says so before it has one. Returns False where there is nothing to stop.
        """
        async with self._database.write() as connection:
            await connection.execute(lock_thread(turn.thread_id))
            is_at_work = and_(turns.c.id == turn.id, IS_UNSETTLED)
            stopped = await connection.execute(
                update(turns).where(is_at_work).values(outcome=STOPPED)
            )
            await announce(connection, f"{CHANGED} {turn.thread_id}")
            return stopped.rowcount > 0

    async def forget_withdrawals(self, before: float) -> None:
        """Forget which messages were deleted before then without having been taken."""
        async with self._database.write() as connection:
            await withdrawals.forget(connection, before)

    # --- reading ----------------------------------------------------------------------------------

    async def heads(self) -> list[Turn]:
        """The open turn of each thread that comes first, in the order of taking."""
        async with self._database.read() as connection:
            return [turn_of(row) for row in await connection.execute(select_turns().where(IS_HEAD))]

    async def get(self, turn: TurnId) -> Turn | None:
        """One turn, with what of those joined with it is unread; None where there is none."""
        async with self._database.read() as connection:
            found = await one_turn(connection, turns.c.id == turn)
            return found and await with_unread(connection, found)

    async def history(self, before: Turn, limit: int) -> list[Exchange]:
        """The last `limit` answered exchanges of the thread before a turn, oldest first."""
        query = (
            select(turns.c.id, turns.c.question, turns.c.answer)
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
            more = await questions_of_followers(connection, [row.id for row in rows])
        return [
            Exchange(question="\n\n".join((row.question, *more[row.id])), answer=row.answer)
            for row in reversed(rows)
        ]

    async def question(self, turn: TurnId) -> str | None:
        """What a run for the turn is asked, with what was asked together; None once forgotten.

        "" where the turn is a mention alone.
        """
        which = or_(turns.c.id == turn, turns.c.leader == turn)
        query = select(turns.c.question, HAS_TEXTS.label("kept")).where(which).order_by(turns.c.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        if not any(row.kept for row in rows):
            return None
        return "\n\n".join(row.question for row in rows if row.question)

    async def questions(self, turn: TurnId, limit: int = 6) -> list[str]:
        """The thread's last questions up to and including this turn's, oldest first."""
        thread = select(turns.c.thread_id).where(turns.c.id == turn).scalar_subquery()
        query = (
            select(turns.c.question)
            .where(
                turns.c.thread_id == thread,
                or_(turns.c.id <= turn, turns.c.leader == turn),
                turns.c.question != "",
            )
            .order_by(turns.c.id.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list(reversed((await connection.execute(query)).scalars().all()))

    async def recent_threads(self, platform: str) -> list[ThreadRef]:
        """Where people talked with the bot lately, the latest first."""
        newest = select(func.max(turns.c.id)).correlate(None).scalar_subquery()
        # Said so that the newest turns are read, and not all of the platform by an index.
        is_there = turns.c.platform.concat("") == platform
        latest = (
            select(turns.c.thread_id)
            .where(is_there, turns.c.id > newest - LOOKED_THROUGH)
            .order_by(turns.c.id.desc())
            .limit(RECENT_TURNS)
        )
        async with self._database.read() as connection:
            order = list(dict.fromkeys((await connection.execute(latest)).scalars()))
            rows = await connection.execute(select(threads).where(threads.c.id.in_(order)))
            found = {
                row.id: ThreadRef(platform=row.platform, tenant=row.tenant, key=row.key)
                for row in rows
            }
        return [found[thread] for thread in order]

    # --- steps of a transaction, and transactions -------------------------------------------------

    async def _came_meanwhile(self, message: MessageRef) -> bool:
        """Whether a message that was not taken is now; else it is remembered as deleted."""
        async with self._database.write() as connection:
            return not await withdrawals.note(connection, self._database, message)

    async def _withdraw(self, message: MessageRef) -> Turn | None:
        async with self._database.write() as connection:
            turn = await self._lock(connection, message)
            leading = await self._leading(connection, turn.id) if turn else None
            if turn is None or leading is None:
                return None
            gone = {"question": "", "unread": [], "outcome": "deleted"}
            await withdraw_calls(connection, turn.id)
            await forget_files(connection, [turn.id])
            if leading.id != turn.id:
                ended = {"state": TurnState.CANCELLED, "finished_at": time.time()}
                await _change(connection, turns.c.id == turn.id, leader=None, **gone, **ended)
                return await self._begin_anew(connection, leading)
            await self._begin_anew(connection, turn)
            await _change(connection, turns.c.leader == turn.id, leader=None)
            await _change(connection, turns.c.id == turn.id, state=TurnState.WITHDRAWN, **gone)
            return await one_turn(connection, turns.c.id == turn.id)

    async def _take(
        self, connection: AsyncConnection, mention: Mention, *, claim: bool, kind: Kind = "call"
    ) -> Turn | None:
        thread = await taking.enter(connection, self._leases, mention, kind, claim=claim)
        turn = thread and await taking.insert_turn(connection, self._leases, mention, thread)
        if thread is None or turn is None:
            await connection.rollback()  # no claim is left of it, nor anything else
            return None
        if kind == "stop":
            await self._stop_all(connection, turn.thread_id, before=turn.id)
            await standings.quieten(connection, turn.thread_id, "stop", mention.at)
            stopped = await one_turn(connection, turns.c.id == turn.id)
            turn = replace(stopped, waits=turn.waits) if stopped else None
        is_ours = claim and thread.holder == self._leases.process
        if self._leases.shared and thread.free and not is_ours:
            await announce(connection, FREE)
        return turn

    async def _stop_all(self, connection: AsyncConnection, thread: ThreadId, before: int) -> bool:
        """Withdraw what waits for an answer in a thread, or has a run; whether there was such."""
        at_work = and_(turns.c.thread_id == thread, turns.c.id < before, IS_UNSETTLED)
        leading = select_turns().where(at_work, turns.c.leader.is_(None))
        rows = (await connection.execute(leading)).all()
        ended = {"state": TurnState.CANCELLED, "finished_at": time.time(), "outcome": SILENCED}
        await _change(connection, at_work & turns.c.leader.is_not(None), leader=None, **ended)
        for row in rows:
            await self._begin_anew(connection, turn_of(row))
        withdrawn = {"state": TurnState.WITHDRAWN, "outcome": SILENCED}
        await _change(connection, turns.c.id.in_([row.id for row in rows]), **withdrawn)
        return bool(rows)

    async def _lock(self, connection: AsyncConnection, message: MessageRef) -> Turn | None:
        """The turn of a message; nobody else changes its thread until the transaction ends.

        Every writer locks the thread before its turns: else two could wait for each other.
        """
        turn = await one_turn(connection, is_message(turns, message))
        if turn is None:
            return None
        await connection.execute(lock_thread(turn.thread_id))
        return await one_turn(connection, turns.c.id == turn.id)

    async def _leading(self, connection: AsyncConnection, turn: TurnId) -> Turn | None:
        """The turn whose run answers this one, where it has no outcome yet: mostly itself."""
        leader = (
            await connection.execute(select(turns.c.leader).where(turns.c.id == turn))
        ).scalar_one()
        return await one_turn(connection, turns.c.id == (leader or turn), IS_UNSETTLED)

    async def _begin_anew(self, connection: AsyncConnection, turn: Turn) -> Turn | None:
        """Make a run for what was asked before count for nothing, and let the holder know."""
        anew: dict[str, Any] = {"revision": turn.revision + 1, "attempt": 0}
        if turn.run is not None or turn.round:
            anew |= {"state": TurnState.QUEUED, "run": None, "round": 0}
            if turn.run is not None:
                await abandon(connection, self._database, turn)
            await leave_conversation(connection, turn.thread_id)
            await connection.execute(
                # What a run that is cancelled leaves in its conversation is not certain.
                update(threads).where(threads.c.id == turn.thread_id).values(conversation=None)
            )
        await _change(connection, turns.c.id == turn.id, **anew)
        await announce(connection, f"{CHANGED} {turn.thread_id}")
        return await one_turn(connection, turns.c.id == turn.id)


async def abandon(connection: AsyncConnection, database: Database, turn: Turn) -> None:
    """Remember that the turn's run is to be cancelled, until that is done."""
    row = {"run": turn.run, "engine": turn.engine or "", "abandoned_at": time.time()}
    await connection.execute(
        database.insert(abandoned_runs).values(row).on_conflict_do_nothing(index_elements=["run"])
    )
    await announce(connection, ABANDONED)


def lock_thread(thread: Any) -> Select[Any]:
    """Keep other transactions from changing a thread and its turns. SQLite has one writer anyway.

    Returns the holder.
    """
    query = select(threads.c.holder).where(threads.c.id == thread)
    return query.with_for_update(key_share=True)


async def _change(connection: AsyncConnection, which: Any, **values: Any) -> None:
    await connection.execute(update(turns).where(which).values(**values))
