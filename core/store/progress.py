"""What becomes of a turn, step by step. Every change is refused where the thread is not ours.

After an error nobody knows whether a change took effect. So each of them can be repeated, or says
that the turn is not what the caller thought; reading it again tells what it is.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Answer, ConversationId, Drafted, MessageId, RunId, Turn, TurnState
from core.errors import NotOurs
from core.settings import Limit
from core.store.database import Database
from core.store.erasures import erase_later
from core.store.fencing import OF_THREAD, fence, held, held_by, lock_held
from core.store.gathering import Gathered, gathered, is_joined, join, read_waiting
from core.store.leases import Leases
from core.store.part_rows import Unposted, drafting, noting, replace_parts, unposted
from core.store.rows import IS_OPEN, IS_QUEUED, IS_UNSETTLED, is_leading
from core.store.schema import abandoned_runs, parts, threads, turns
from core.store.turns import abandon
from core.text import storable


class Progress:
    """The steps of turns. Each method raises NotOurs where another process has the thread."""

    def __init__(self, database: Database, leases: Leases) -> None:
        self._database = database
        self._leases = leases

    async def gather(
        self,
        turn: Turn,
        *,
        may_grow: bool = True,
        person: Limit | None = None,
        channel: Limit | None = None,
    ) -> Gathered | None:
        """Join the waiting messages that the same author wrote right after this one.

        They share the turn's run and reply from now on. Unless it `may_grow`, no message is added
        to those that were joined before. With it comes what else is to be known before a run is
        created: what was asked before in the thread, and whether the turns before leave room for
        this one within these limits. Returns None, and changes nothing, where the turn does not
        wait any more.
        """
        look_up = partial(
            read_waiting, turn=turn, may_grow=may_grow, person=person, channel=channel
        )
        async with self._database.read() as connection:
            waiting = await look_up(connection)
        if waiting and not is_joined(turn, waiting):  # mostly it is: nothing else waits
            async with self._database.write() as connection:
                await fence(connection, self._leases, turn)
                if waiting := await look_up(connection):
                    await join(connection, turn, waiting)
        return gathered(turn, waiting) if waiting else None

    async def link(self, turn: Turn, engine: str, conversation: ConversationId | None) -> bool:
        """Pair the thread with its conversation; None: the next turn opens a new one.

        Returns False where the question was edited or deleted meanwhile: a new conversation may
        hold what is to be forgotten, so it is not linked, and erased later.
        """
        given = {"of_thread": turn.thread_id, "by_engine": engine, "opened": conversation}
        if conversation is not None:
            given |= {"of_turn": turn.id, "as_revised": turn.revision}
        async with self._database.write() as connection:
            if conversation is not None:  # mostly there is none that it takes the place of
                linking = _linking_first(self._leases.shared)
                linked = await connection.execute(linking, given | held_by(self._leases, turn))
                if linked.rowcount > 0:
                    return True
            before = await lock_held(connection, self._leases, turn)
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
    ) -> list[Unposted] | None:
        """Store the outcome and the reply's parts, before any of them is posted.

        `abandoned`: the turn's run is still at work, and is to be cancelled. Returns the parts, as
        `unposted` would; None, and changes nothing, where the turn has its outcome, or its question
        was edited or deleted.
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
            if not settled:
                return None
            if abandoned:
                await abandon(connection, self._database, turn)
            return await replace_parts(connection, turn, rendered)

    async def drafted(self, turn: Turn, part: int, message: MessageId) -> None:
        """Record a message that shows a part of an answer which is being written.

        It becomes that part of the reply. Raises NotOurs too where the turn has its outcome.
        """
        given = {"of_turn": turn.id, "number": part, "shown_in": message}
        async with self._database.write() as connection:
            recording = drafting(self._leases.shared)
            recorded = await connection.execute(recording, given | held_by(self._leases, turn))
            if recorded.first() is None:
                raise NotOurs

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
            return await unposted(connection, turn)

    async def posted(self, turn: Turn, part: int, message: MessageId, *, last: bool) -> bool:
        """Record the message that a part became; with the `last` one the turn is delivered.

        Where nothing else is open in the thread then, it is ours no longer, and True is returned;
        else `Leases.next_or_release` tells how it goes on.
        """
        given = {"of_turn": turn.id, "number": part, "became": message}
        given |= held_by(self._leases, turn)
        async with self._database.write() as connection:
            if last:
                return await self._deliver(connection, turn, given)
            noted = await connection.execute(noting(self._leases.shared), given)
            if noted.rowcount == 0:
                await fence(connection, self._leases, turn)
            return False

    async def close(self, turn: Turn, state: TurnState, outcome: str) -> None:
        """End a turn that gets no (further) reply, and say why in `outcome`."""
        async with self._database.write() as connection:
            await self._close(connection, turn, state, outcome=outcome)

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
        given: dict[str, Any] = {"of_turn": turn.id, "as_revised": turn.revision}
        given |= {f"new_{name}": value for name, value in values.items()}
        changes = _changing(where, self._leases.shared, tuple(values))
        changed = await connection.execute(changes, given | held_by(self._leases, turn))
        if changed.rowcount == 0:
            await fence(connection, self._leases, turn)  # is it that?
        return changed.rowcount > 0

    async def _deliver(
        self, connection: AsyncConnection, turn: Turn, noted: Mapping[str, Any]
    ) -> bool:
        """Note the last part of a reply, and end its turn; whether the thread is ours no longer."""
        if not self._leases.shared:
            await connection.execute(noting(False), noted)
            return await self._close(connection, turn, TurnState.DELIVERED)
        # Postgres does both in one statement. The next one sees what was taken until it had locked
        # the thread, which this one does not.
        is_over = await self._close(connection, turn, TurnState.DELIVERED, noted)
        return is_over and await self._leases.let_go(connection, turn.thread_id)

    async def _close(
        self,
        connection: AsyncConnection,
        turn: Turn,
        state: TurnState,
        noted: Mapping[str, Any] | None = None,
        **values: str,
    ) -> bool:
        """End a turn, and those that were answered together with it.

        With what `noting` is given, that is done, too. Returns whether nothing else was open in the
        thread, as far as it had not to be waited for; False where the turn had ended before.
        """
        changes = {"state": state, "finished_at": time.time(), **values}
        given = {"of_turn": turn.id, "of_thread": turn.thread_id, **(noted or {})}
        given |= {f"new_{name}": value for name, value in changes.items()}
        closing = _closing(self._leases.shared, tuple(changes), noted is not None)
        closed = await connection.execute(closing, given | held_by(self._leases, turn))
        goes_on = closed.scalars().all()  # for each turn that was ended
        if not goes_on:
            await fence(connection, self._leases, turn)
        return bool(goes_on) and not any(goes_on)


def attempt_of(turn: Turn) -> int:
    """Count the attempt that a turn's next run belongs to: each round of tool calls has a run."""
    return turn.attempt if turn.round else turn.attempt + 1


# --- statements: built once, because that takes longer than what most of them do ------------------

_TURN = bindparam("of_turn", type_=BigInteger)
_IS_TOGETHER = or_(turns.c.id == _TURN, turns.c.leader == _TURN)
_IS_AS_KNOWN = and_(turns.c.id == _TURN, turns.c.revision == bindparam("as_revised"))
_LINKED: dict[str, Any] = {"engine": bindparam("by_engine"), "conversation": bindparam("opened")}


@cache
def _linking_first(shared: bool) -> Any:
    """Pair a thread with a conversation where it has none."""
    known = held(select(turns.c.id).where(_IS_AS_KNOWN), shared)
    if shared:  # locked, because the revision is judged anew then, where the thread was waited for
        known = known.with_for_update(key_share=True).cte("known").select()
    has_none = and_(threads.c.id == OF_THREAD, threads.c.conversation.is_(None))
    return update(threads).where(has_none, exists(known)).values(_LINKED)


@cache
def _linking(if_known: bool) -> Any:
    statement = update(threads).where(threads.c.id == OF_THREAD).values(_LINKED)
    return statement.where(exists(turns.c.id).where(_IS_AS_KNOWN)) if if_known else statement


@cache
def _changing(where: Any, shared: bool, names: tuple[str, ...]) -> Any:
    return held(update(turns).where(_IS_AS_KNOWN, where).values(_given(names)), shared)


@cache
def _closing(shared: bool, names: tuple[str, ...], notes: bool) -> Any:
    closing = held(update(turns).where(_IS_TOGETHER, IS_OPEN).values(_given(names)), shared)
    if notes:
        closing = closing.add_cte(noting(shared).cte("noted"))
    other = turns.alias("other")
    goes_on = exists().where(other.c.thread_id == OF_THREAD, other.c.id != _TURN, is_leading(other))
    return closing.returning(goes_on)


def _given(names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam(f"new_{name}", type_=turns.c[name].type) for name in names}
