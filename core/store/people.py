"""What concerns the people who ask: what there is of them, and that it is forgotten.

Rows of turns are never deleted: their identities prevent that a message is answered a second time.
"""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Text,
    and_,
    cast,
    delete,
    distinct,
    exists,
    func,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import TurnState
from core.store import calls, feedback, tokens
from core.store.attached_rows import forget_files
from core.store.database import Database
from core.store.erasures import forget_calls, let_go
from core.store.news import ABANDONED, CHANGED, FREE, announce
from core.store.rows import IS_OPEN, IS_UNSETTLED
from core.store.schema import abandoned_runs, attachments, parts, threads, turns
from core.store.schema import feedback as feedback_rows

AT_ONCE = 500  # turns in one transaction: others want to write, too
_NO_TEXTS: dict[str, Any] = {"question": "", "unread": [], "answer": None, "citations": null()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Traces:
    """What there is of a person."""

    questions: int
    waiting: int  #: of these, for an answer
    threads: int
    conversations: int  #: of these threads, at an engine
    verdicts: int = 0  #: on replies, to whomever


class People:
    """Forgets what people asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- what is old ------------------------------------------------------------------------------

    async def forget_texts(self, before: float) -> int:
        """Delete what was asked and answered in turns that ended before then; how many there were.

        A turn that still waits for its reply keeps its text, however old it is.
        """
        forgotten, last = 0, 0
        # Looking for them takes a while where there are many turns: nobody who writes is to wait.
        while await self._is_there(_old(before, last)):
            async with self._database.write() as connection:
                ids = list((await connection.execute(_old(before, last))).scalars())
                await connection.execute(
                    update(parts).where(parts.c.turn_id.in_(ids)).values(text="")
                )
                await connection.execute(
                    update(turns).where(turns.c.id.in_(ids)).values(**_NO_TEXTS)
                )
                await feedback.forget_reasons(connection, ids)
                await forget_calls(connection, ids)
                await forget_files(connection, ids)
            if not ids:
                break
            forgotten, last = forgotten + len(ids), ids[-1]
        return forgotten

    async def let_go_of_old(self, before: float, limit: int) -> int:
        """Let engines delete what they keep of threads where all ended before then.

        Takes up to `limit` threads, and returns how many conversations they had.
        """
        young = IS_OPEN | (func.coalesce(turns.c.finished_at, turns.c.asked_at) >= before)
        of_thread = turns.c.thread_id == threads.c.id
        kept = threads.c.conversation.is_not(None) | exists().where(
            of_thread, turns.c.run.is_not(None)
        )
        old = (
            select(threads.c.id)
            .where(threads.c.engine.is_not(None), kept, ~exists().where(of_thread, young))
            .order_by(threads.c.id)
            .limit(limit)
        )
        if not await self._is_there(old):
            return 0
        async with self._database.write() as connection:
            locked = old.with_for_update(key_share=True)
            ids = list((await connection.execute(locked)).scalars())
            return await let_go(connection, ids)

    async def _is_there(self, query: Any) -> bool:
        async with self._database.read() as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    # --- a person ---------------------------------------------------------------------------------

    async def traces(self, platform: str, user: str) -> Traces:
        """What there is of a person, in all workspaces of a platform."""
        async with self._database.read() as connection:
            return await _traces(connection, platform, user)

    async def forget(self, platform: str, user: str) -> Traces:
        """Erase a person's texts and id, and let engines delete what they keep of the threads.

        All in one transaction. What waited is withdrawn. What others asked in these threads stays;
        where it is at work, it is begun anew, because the conversation with its run goes.
        """
        mine = _by(platform, user)
        async with self._database.write() as connection:
            theirs = select(turns.c.thread_id).where(mine)
            # Threads before turns, in order: as every writer, lest two wait for each other.
            lock = select(threads.c.id).where(threads.c.id.in_(theirs)).order_by(threads.c.id)
            await connection.execute(lock.with_for_update(key_share=True))
            traces = await _traces(connection, platform, user)
            await self._begin_anew(connection, theirs)
            await let_go(connection, theirs)
            await _withdraw(connection, mine)
            of_person = parts.c.turn_id.in_(select(turns.c.id).where(mine))
            await connection.execute(update(parts).where(of_person).values(text=""))
            await forget_calls(connection, select(turns.c.id).where(mine))
            await forget_files(connection, select(turns.c.id).where(mine))
            await connection.execute(update(turns).where(mine).values(author="", **_NO_TEXTS))
            await feedback.forget_person(connection, platform, user)
            await calls.forget_person(connection, platform, user)
            await tokens.forget_person(connection, platform, user)
        return traces

    async def _begin_anew(self, connection: AsyncConnection, which: Any) -> None:
        """Make every run in these threads count for nothing, and let their holders know."""
        unsettled = turns.c.thread_id.in_(which) & IS_UNSETTLED
        at_work = select(turns.c.run, threads.c.engine).join(threads).where(unsettled)
        runs = [
            {"run": row.run, "engine": row.engine or "", "abandoned_at": time.time()}
            for row in await connection.execute(at_work.where(turns.c.run.is_not(None)))
        ]
        if runs:
            abandon = self._database.insert(abandoned_runs)
            await connection.execute(abandon.on_conflict_do_nothing(index_elements=["run"]), runs)
            await announce(connection, ABANDONED)
        is_open = turns.c.thread_id.in_(which) & IS_OPEN
        changed = select(turns.c.thread_id).where(is_open).distinct()
        for thread in (await connection.execute(changed)).scalars().all():
            await announce(connection, f"{CHANGED} {thread}")
        await connection.execute(
            update(turns)
            .where(unsettled)
            # The runs stay on record until they are let go of.
            .values(state=TurnState.QUEUED, revision=turns.c.revision + 1, round=0)
        )


# --- forgetting -----------------------------------------------------------------------------------


def _old(before: float, last: int) -> Any:
    """The next turns after `last` that have texts, and ended before then.

    Those that are answered together end together. A withdrawn one needs no text to end.
    """
    ended = and_(~IS_OPEN, func.coalesce(turns.c.finished_at, turns.c.asked_at) < before)
    withdrawn = and_(turns.c.state == TurnState.WITHDRAWN, turns.c.asked_at < before)
    has_text = or_(
        turns.c.question != "",
        cast(turns.c.unread, Text) != "[]",
        turns.c.answer.is_not(None),
        exists().where(parts.c.turn_id == turns.c.id, parts.c.text != ""),
        exists().where(attachments.c.turn_id == turns.c.id),
        exists().where(feedback_rows.c.turn_id == turns.c.id, feedback_rows.c.reason != ""),
    )
    return (
        select(turns.c.id)
        .where(turns.c.id > last, or_(ended, withdrawn), has_text)
        .order_by(turns.c.id)
        .limit(AT_ONCE)
    )


def _by(platform: str, user: str) -> Any:
    """The turns of a person, in all workspaces of a platform."""
    # Named one by one, they lead through the index; else each turn of the platform would be read.
    tenants = select(threads.c.tenant).where(threads.c.platform == platform).distinct()
    return and_(turns.c.platform == platform, turns.c.tenant.in_(tenants), turns.c.author == user)


async def _traces(connection: AsyncConnection, platform: str, user: str) -> Traces:
    mine = _by(platform, user)
    counts = select(
        func.count().label("questions"),
        func.count(distinct(turns.c.thread_id)).label("threads"),
        func.count().filter(IS_OPEN).label("waiting"),
    ).where(mine)
    row = (await connection.execute(counts)).one()
    theirs = threads.c.id.in_(select(turns.c.thread_id).where(mine))
    known = select(func.count()).where(theirs, threads.c.conversation.is_not(None))
    conversations = (await connection.execute(known.select_from(threads))).scalar_one()
    return Traces(
        questions=row.questions,
        waiting=row.waiting,
        threads=row.threads,
        conversations=conversations,
        verdicts=await feedback.count_of_person(connection, platform, user),
    )


async def _withdraw(connection: AsyncConnection, mine: Any) -> None:
    """Let what still waits have no (further) reply, as if its messages had been deleted.

    Parts that are not posted go as rows, too: a process that is about to post them finds none.
    """
    waiting = select(turns.c.id).where(mine, IS_OPEN)
    await connection.execute(
        delete(parts).where(parts.c.turn_id.in_(waiting), parts.c.message.is_(None))
    )
    gone = {"outcome": "forgotten", "revision": turns.c.revision + 1}
    is_led = turns.c.leader.is_not(None)
    await connection.execute(
        update(turns)
        .where(mine, IS_OPEN, is_led)
        .values(state=TurnState.CANCELLED, finished_at=time.time(), leader=None, **gone)
    )
    await connection.execute(
        update(turns).where(mine, IS_OPEN, not_(is_led)).values(state=TurnState.WITHDRAWN, **gone)
    )
    await announce(connection, FREE)
