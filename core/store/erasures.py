"""What engines are still to delete: all that nothing of ours refers to any more.

These are conversations, runs and uploaded files.

They are written down in the transaction that lets go of them. So nothing is lost sight of when a
process dies or an engine cannot be reached; it is tried again until the engine has confirmed it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import ConversationId, RunId, ThreadId, TurnId
from core.store.database import Database
from core.store.schema import erasures, threads, tool_calls, turns

BEGUN = ("begun", "done")  # states of calls that may have had their effect: see CallState
RUNS_AT_ONCE = 20  # in one erasure: an engine may need a request for each


@dataclass(frozen=True, kw_only=True, slots=True)
class Erasure:
    """A conversation, or runs of one, or uploaded files, that an engine is to delete."""

    id: int
    conversation: ConversationId | None
    runs: tuple[RunId, ...]
    uploads: tuple[str, ...] = ()


class Erasures:
    """What is still to be deleted at the engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, engine: str, limit: int | None = None) -> list[Erasure]:
        """What an engine is still to delete, oldest first; up to `limit`, where one is given."""
        query = select(erasures).where(erasures.c.engine == engine)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(erasures.c.id).limit(limit))
            return [
                Erasure(
                    id=row.id,
                    conversation=ConversationId(row.conversation) if row.conversation else None,
                    runs=tuple(map(RunId, row.runs)),
                    uploads=tuple(row.uploads),
                )
                for row in rows
            ]

    async def done(self, erasure: Erasure) -> None:
        """Hear that an engine has deleted it."""
        async with self._database.write() as connection:
            await connection.execute(delete(erasures).where(erasures.c.id == erasure.id))

    async def drop(self, engine: str) -> None:
        """Hear that an engine keeps nothing, and never did."""
        async with self._database.write() as connection:
            await connection.execute(delete(erasures).where(erasures.c.engine == engine))

    async def count(self) -> Mapping[str, int]:
        """How many there are of each engine that has any."""
        query = select(erasures.c.engine, func.count().label("waiting"))
        async with self._database.read() as connection:
            rows = await connection.execute(query.group_by(erasures.c.engine))
            return {row.engine: row.waiting for row in rows}


async def let_go(connection: AsyncConnection, which: Any) -> int:
    """Part threads from what their engines keep, and write that down; how many conversations.

    `which` is a query for the ids of the threads. They must be locked, and no run in them be wanted
    any more. The next question in such a thread opens a conversation that is made from its turns.
    """
    rows = await _erasures(connection, which)
    if rows:
        await connection.execute(insert(erasures), rows)
        has_conversation = threads.c.conversation.is_not(None)
        await connection.execute(
            update(threads)
            .where(threads.c.id.in_(which), has_conversation)
            .values(conversation=None)
        )
        await connection.execute(
            update(turns)
            .where(turns.c.thread_id.in_(which), turns.c.run.is_not(None))
            .values(run=None)
        )
    return sum(row["conversation"] is not None for row in rows)


async def erase_later(
    connection: AsyncConnection,
    engine: str,
    conversation: ConversationId | None,
    runs: Sequence[RunId] = (),
    uploads: Sequence[str] = (),
) -> None:
    """Write down what an engine is to delete, because nothing of ours will refer to it."""
    kept: dict[str, Any] = {"conversation": conversation, "runs": list(runs)}
    row = {"engine": engine, "uploads": list(uploads), **kept}
    await connection.execute(insert(erasures).values(row))


async def forget_calls(connection: AsyncConnection, which: Any) -> None:
    """Delete what is on record of the calls of some turns, because it says what people asked.

    `which` are their ids, or a query for them. The runs that asked for the calls are erased later.
    """
    of_turns = tool_calls.c.turn_id.in_(which)
    await _erase_runs(connection, of_turns)
    await connection.execute(delete(tool_calls).where(of_turns))


async def withdraw_calls(connection: AsyncConnection, turn: TurnId) -> None:
    """Delete what is on record of the calls of one turn, but for what others have to know.

    What was called for messages that were answered together counts for those that are left: the
    first of them keeps the calls that were begun, or they would be made once more for it.
    """
    first = select(func.min(turns.c.id)).where(turns.c.leader == turn)
    heir = (await connection.execute(first)).scalar_one()
    begun = and_(tool_calls.c.turn_id == turn, tool_calls.c.state.in_(BEGUN))
    if heir is not None:
        await _erase_runs(connection, begun)
        passed_on = {"turn_id": heir, "round": 0, "run": None}  # of no round that it will have
        moved = await connection.execute(update(tool_calls).where(begun).values(passed_on))
        if moved.rowcount:  # else it would count as a new question, for which nothing was called
            anew = {"revision": turns.c.revision + 1}
            await connection.execute(update(turns).where(turns.c.id == heir).values(anew))
    await forget_calls(connection, [turn])


async def leave_conversation(
    connection: AsyncConnection, thread: ThreadId, another: ConversationId | None = None
) -> None:
    """Write down the conversation of a thread that is about to get another one, or none."""
    query = select(threads.c.engine, threads.c.conversation).where(threads.c.id == thread)
    left = (await connection.execute(query)).one()
    if left.conversation is not None and left.conversation != another:
        await erase_later(connection, left.engine, left.conversation)


async def _erase_runs(connection: AsyncConnection, of_calls: Any) -> None:
    """Write down that engines are to delete the runs that asked for calls."""
    query = select(tool_calls.c.run, threads.c.engine).distinct().select_from(tool_calls)
    query = query.join(turns, turns.c.id == tool_calls.c.turn_id).join(threads)
    runs = await connection.execute(query.where(of_calls, tool_calls.c.run.is_not(None)))
    for row in runs.all():
        await erase_later(connection, row.engine or "", None, [row.run])


async def _erasures(connection: AsyncConnection, which: Any) -> Sequence[dict[str, Any]]:
    with_run = select(turns.c.thread_id, turns.c.run).where(turns.c.run.is_not(None))
    runs = defaultdict[int, list[str]](list)
    for turn in await connection.execute(with_run.where(turns.c.thread_id.in_(which))):
        runs[turn.thread_id].append(turn.run)
    known = select(threads.c.id, threads.c.engine, threads.c.conversation)
    rows: list[dict[str, Any]] = []
    for row in await connection.execute(
        known.where(threads.c.id.in_(which), threads.c.engine.is_not(None))
    ):
        conversation = row.conversation
        for start in range(0, max(len(runs[row.id]), 1), RUNS_AT_ONCE):
            batch = runs[row.id][start : start + RUNS_AT_ONCE]
            if conversation or batch:
                rows.append({"engine": row.engine, "conversation": conversation, "runs": batch})
            conversation = None
    return rows
