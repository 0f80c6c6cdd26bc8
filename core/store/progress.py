"""What becomes of a turn, step by step. Every change is refused where the thread is not ours.

After an error nobody knows whether a change took effect. So each of them can be repeated, or says
that the turn is not what the caller thought; reading it again tells what it is.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Integer,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Answer, ConversationId, Drafted, MessageId, RunId, Turn, TurnState
from core.errors import NotOurs
from core.store.database import Database
from core.store.erasures import erase_later
from core.store.leases import Leases
from core.store.rows import IS_OPEN, IS_QUEUED, IS_UNSETTLED
from core.store.schema import abandoned_runs, parts, threads, turns
from core.store.turns import abandon, lock_thread
from core.text import storable

TOGETHER = 10  # messages, at most, that one run answers
ALONE = 1
TOGETHER_LENGTH = 8_000  # characters of them, at most


@dataclass(frozen=True, slots=True)
class Unposted:
    """A part of a reply that is to be posted."""

    number: int
    text: str  #: "" where the reply has no such part: its message is to be deleted
    message: MessageId | None  #: where a draft of it stands already


class Progress:
    """The steps of turns. Each method raises NotOurs where another process has the thread."""

    def __init__(self, database: Database, leases: Leases) -> None:
        self._database = database
        self._leases = leases

    async def gather(self, turn: Turn, *, may_grow: bool = True) -> Turn:
        """Join the waiting messages that the same author wrote right after this one.

        They share the turn's run and reply from now on. Unless it `may_grow`, no message is added
        to those that were joined before. Returns the turn with the texts and files of all.
        """
        waiting = _WAITING if may_grow else _WAITING.where(_IS_TOGETHER)
        given = {"of_thread": turn.thread_id, "of_turn": turn.id}
        async with self._database.read() as connection:
            if len((await connection.execute(waiting, given)).all()) <= ALONE:
                return turn  # the usual case, without a write
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            together = _together(turn, (await connection.execute(waiting, given)).all())
            joined = [row.id for row in together if row.id != turn.id]
            # An edit can make a message too long for the others: it is asked by itself then.
            was_joined = (turns.c.leader == turn.id) & (turns.c.state == TurnState.QUEUED)
            await connection.execute(
                update(turns).where(was_joined, turns.c.id.not_in(joined)).values(leader=None)
            )
            await connection.execute(
                update(turns).where(turns.c.id.in_(joined)).values(leader=turn.id)
            )
        return replace(
            turn,
            question="\n\n".join(row.question for row in together if row.question),
            unread=tuple(name for row in together for name in row.unread),
            has_files=any(row.files for row in together),
        )

    async def link(self, turn: Turn, engine: str, conversation: ConversationId | None) -> bool:
        """Pair the thread with its conversation; None: the next turn opens a new one.

        Returns False where the question was edited or deleted meanwhile: a new conversation may
        hold what is to be forgotten, so it is not linked, and erased later.
        """
        async with self._database.write() as connection:
            before = await _lock_held(connection, self._leases, turn)
            given = {"of_thread": turn.thread_id, "by_engine": engine, "opened": conversation}
            if conversation is not None:
                given |= {"of_turn": turn.id, "as_revised": turn.revision}
            linked = await connection.execute(_linking(conversation is not None), given)
            if linked.rowcount == 0 and conversation is not None:
                await erase_later(connection, engine, conversation)
            elif before.conversation not in (None, conversation):
                await erase_later(connection, before.engine, before.conversation)
            return linked.rowcount > 0

    async def began(self, turn: Turn, run: RunId) -> bool:
        """Remember the run of a turn: from now on a restart follows it and starts no second one.

        Where the question was edited or deleted meanwhile the run is abandoned, and False returned.
        """
        async with self._database.write() as connection:
            begun = await self._change(
                connection,
                turn,
                IS_QUEUED,
                state=TurnState.RUNNING,
                run=run,
                attempt=attempt_of(turn),
                started_at=turn.started_at,
            )
            if not begun:
                await abandon(connection, self._database, replace(turn, run=run))
            return begun

    async def requeue(self, turn: Turn) -> bool:
        """Give up the turn's run, which counts as an attempt, so that another is started.

        Returns False, and changes nothing, where the question was edited or deleted meanwhile.
        """
        async with self._database.write() as connection:
            anew = {"state": TurnState.QUEUED, "run": None, "attempt": turn.attempt, "round": 0}
            requeued = await self._change(connection, turn, IS_UNSETTLED, **anew)
            if requeued and turn.run and turn.engine:
                await erase_later(connection, turn.engine, None, [turn.run])
            return requeued

    async def settle(
        self,
        turn: Turn,
        state: TurnState,
        outcome: str,
        answer: Answer | None,
        rendered: Sequence[str],
        *,
        abandoned: bool = False,
    ) -> bool:
        """Store the outcome and the reply's parts, before any of them is posted.

        `abandoned`: the turn's run is still at work, and is to be cancelled. Returns False, and
        changes nothing, where the turn has its outcome, or its question was edited or deleted.
        """
        citations = [
            {"url": storable(citation.url), "title": storable(citation.title)}
            for citation in (answer.citations if answer else ())
        ]
        async with self._database.write() as connection:
            settled = await self._change(
                connection,
                turn,
                IS_UNSETTLED,
                state=state,
                outcome=outcome,
                answer=storable(answer.text) if answer else None,
                citations=citations,
            )
            if settled and abandoned:
                await abandon(connection, self._database, turn)
            if settled:
                await self._replace_parts(connection, turn, rendered)
            return settled

    async def drafted(self, turn: Turn, part: int, message: MessageId) -> None:
        """Record a message that shows a part of an answer which is being written.

        It becomes that part of the reply. Raises NotOurs too where the turn has its outcome.
        """
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            where = select(turns.c.id).where(turns.c.id == turn.id, IS_UNSETTLED)
            if (await connection.execute(where)).first() is None:
                raise NotOurs
            draft = {"turn_id": turn.id, "part": part, "text": "", "message": message}
            await connection.execute(insert(parts).values(draft))

    async def drafts(self, turn: Turn) -> dict[int, Drafted]:
        """The messages of a draft that are on record, by the part's number; not what they say."""
        query = select(parts.c.part, parts.c.message).where(
            parts.c.turn_id == turn.id, parts.c.message.is_not(None)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return {row.part: Drafted(MessageId(row.message), None) for row in rows}

    async def unposted(self, turn: Turn) -> list[Unposted]:
        """The reply's parts that are not on record as posted in their final form, in order."""
        async with self._database.read() as connection:
            return [
                Unposted(row.part, row.text, MessageId(row.message) if row.message else None)
                for row in await connection.execute(_UNPOSTED, {"of_turn": turn.id})
            ]

    async def posted(self, turn: Turn, part: int, message: MessageId, *, last: bool) -> None:
        """Record the message that a part became; with the `last` one the turn is delivered."""
        async with self._database.write() as connection:
            if last:
                await self._close(connection, turn, TurnState.DELIVERED, {})
            else:
                await fence(connection, self._leases, turn)
            given = {"of_turn": turn.id, "number": part, "became": message}
            await connection.execute(_POSTED, given)

    async def close(self, turn: Turn, state: TurnState, outcome: str) -> None:
        """End a turn that gets no (further) reply, and say why in `outcome`."""
        async with self._database.write() as connection:
            await self._close(connection, turn, state, {"outcome": outcome})

    # --- runs that are to be cancelled ------------------------------------------------------------

    async def abandoned(self, engine: str) -> list[tuple[RunId, float]]:
        """The runs of an engine that are to be cancelled, and since when, oldest first."""
        query = (
            select(abandoned_runs.c.run, abandoned_runs.c.abandoned_at)
            .where(abandoned_runs.c.engine == engine)
            .order_by(abandoned_runs.c.abandoned_at)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [(RunId(row.run), row.abandoned_at) for row in rows]

    async def cancelled(self, run: RunId) -> None:
        """Hear that an abandoned run is at work no longer."""
        gone = delete(abandoned_runs).where(abandoned_runs.c.run == run)
        async with self._database.write() as connection:
            ended = await connection.execute(gone.returning(abandoned_runs.c.engine))
            for engine in ended.scalars().all():
                await erase_later(connection, engine, None, [run])

    # --- steps of a transaction -------------------------------------------------------------------

    async def _change(
        self, connection: AsyncConnection, turn: Turn, where: Any, **values: Any
    ) -> bool:
        """Change a turn that is as we know it, if its thread is ours; whether it was so.

        Raises NotOurs where another process has the thread.
        """
        shared = self._leases.shared
        given: dict[str, Any] = {"of_turn": turn.id, "as_revised": turn.revision}
        given |= {f"new_{name}": value for name, value in values.items()}
        if shared:
            given |= {"of_thread": turn.thread_id, "us": self._leases.process}
        changes = _changing(where, shared, tuple(values))
        changed = (await connection.execute(changes, given)).rowcount > 0
        if not changed:
            await fence(connection, self._leases, turn)  # is it that?
        return changed

    async def _close(
        self, connection: AsyncConnection, turn: Turn, state: TurnState, values: dict[str, str]
    ) -> None:
        """End a turn, and those that were answered together with it."""
        shared = self._leases.shared
        changes = {"state": state, "finished_at": time.time(), **values}
        given: dict[str, Any] = {"of_turn": turn.id}
        given |= {f"new_{name}": value for name, value in changes.items()}
        if shared:
            given |= {"of_thread": turn.thread_id, "us": self._leases.process}
        closed = await connection.execute(_closing(shared, tuple(changes)), given)
        if closed.rowcount == 0:
            await fence(connection, self._leases, turn)

    async def _replace_parts(
        self, connection: AsyncConnection, turn: Turn, rendered: Sequence[str]
    ) -> None:
        """Write the parts of a reply down; messages that a draft has already are to become them."""
        rows = [
            {"turn_id": turn.id, "part": number, "text": storable(text), "posted": 0}
            for number, text in enumerate(rendered)
        ]
        await connection.execute(_writing_parts(self._leases.shared), rows)
        # A draft may have had more parts than the reply: what says nothing is to be deleted.
        await connection.execute(_NO_MORE_PARTS, {"of_turn": turn.id, "number": len(rows)})


async def fence(connection: AsyncConnection, leases: Leases, turn: Turn) -> None:
    """Let nobody but the holder of the thread go on, nor the thread change hands meanwhile."""
    if leases.shared:
        await _lock_held(connection, leases, turn)


async def _lock_held(connection: AsyncConnection, leases: Leases, turn: Turn) -> Row[Any]:
    """The engine and conversation of a thread that is ours, and stays so meanwhile."""
    row = (await connection.execute(_LOCKING, {"of_thread": turn.thread_id})).one()
    if leases.shared and row.holder != leases.process:
        raise NotOurs
    return row


def _together(turn: Turn, waiting: Sequence[Any]) -> list[Any]:
    """The first of the waiting messages that one run answers."""
    together: list[Any] = []
    length = 0
    for row in waiting:
        length += len(row.question)
        if row.author != turn.author or (together and length > TOGETHER_LENGTH):
            break
        if together and row.confirms is not None:  # it asks nothing by itself
            break
        together.append(row)
    return together


def attempt_of(turn: Turn) -> int:
    """Count the attempt that a turn's next run belongs to: each round of tool calls has a run."""
    return turn.attempt if turn.round else turn.attempt + 1


# --- statements: built once, because that takes longer than what most of them do ------------------

_THREAD = bindparam("of_thread", type_=BigInteger)
_TURN = bindparam("of_turn", type_=BigInteger)
_NUMBER = bindparam("number", type_=Integer)
_IS_TOGETHER = or_(turns.c.id == _TURN, turns.c.leader == _TURN)
_IS_AS_KNOWN = and_(turns.c.id == _TURN, turns.c.revision == bindparam("as_revised"))
#: Whether the thread is ours, and stays so, in the statement that changes the turn. The lock may be
#: waited for within that statement. Its other conditions hold nevertheless: what it says of the row
#: that it changes is judged again, where somebody has changed that meanwhile.
_IS_HELD = exists(
    select(threads.c.id)
    .where(threads.c.id == _THREAD, threads.c.holder == bindparam("us"))
    .with_for_update(key_share=True)
    .cte("held")
    .select()
)
_LOCKING = lock_thread(_THREAD).add_columns(threads.c.engine, threads.c.conversation)
_WAITING = (
    select(turns.c.id, turns.c.author, turns.c.question, turns.c.unread)
    .add_columns(turns.c.confirms, turns.c.files)
    .where(turns.c.thread_id == _THREAD, turns.c.id >= _TURN, IS_QUEUED)
    .order_by(turns.c.id)
    .limit(TOGETHER)
)
_UNPOSTED = (
    select(parts.c.part, parts.c.text, parts.c.message)
    .where(parts.c.turn_id == _TURN, parts.c.posted == 0)
    .order_by(parts.c.part)
)
_POSTED = (
    update(parts)
    .where(parts.c.turn_id == _TURN, parts.c.part == _NUMBER)
    .values(message=bindparam("became"), posted=1)
)
_NO_MORE_PARTS = (
    update(parts).where(parts.c.turn_id == _TURN, parts.c.part >= _NUMBER).values(text="", posted=0)
)


@cache
def _linking(if_known: bool) -> Any:
    statement = update(threads).where(threads.c.id == _THREAD)
    if if_known:
        statement = statement.where(exists(turns.c.id).where(_IS_AS_KNOWN))
    return statement.values(engine=bindparam("by_engine"), conversation=bindparam("opened"))


@cache
def _changing(where: Any, shared: bool, names: tuple[str, ...]) -> Any:
    statement = update(turns).where(_IS_AS_KNOWN, where).values(_given(names))
    return statement.where(_IS_HELD) if shared else statement


@cache
def _closing(shared: bool, names: tuple[str, ...]) -> Any:
    statement = update(turns).where(_IS_TOGETHER, IS_OPEN).values(_given(names))
    return statement.where(_IS_HELD) if shared else statement


@cache
def _writing_parts(shared: bool) -> Any:
    written = (postgresql.insert if shared else sqlite.insert)(parts)
    again = {"text": written.excluded.text, "posted": 0}
    return written.on_conflict_do_update(index_elements=["turn_id", "part"], set_=again)


def _given(names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam(f"new_{name}", type_=turns.c[name].type) for name in names}
