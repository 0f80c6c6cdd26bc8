"""What becomes of a turn, step by step. Every change is refused where the thread is not ours.

After an error nobody knows whether a change took effect. So each of them can be repeated, or says
that the turn is not what the caller thought; reading it again tells what it is.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Answer, ConversationId, Drafted, MessageId, RunId, Turn, TurnState
from core.errors import NotOurs
from core.store.database import Database
from core.store.erasures import erase_later, leave_conversation
from core.store.leases import Leases
from core.store.rows import IS_OPEN
from core.store.schema import abandoned_runs, parts, threads, turns
from core.store.turns import UNSETTLED, abandon, lock_thread
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
        waiting = (
            select(turns.c.id, turns.c.author, turns.c.question, turns.c.unread)
            .add_columns(turns.c.confirms, turns.c.files)
            .where(turns.c.thread_id == turn.thread_id, turns.c.id >= turn.id)
            .where(turns.c.state == TurnState.QUEUED)
            .order_by(turns.c.id)
            .limit(TOGETHER)
        )
        if not may_grow:
            waiting = waiting.where(or_(turns.c.id == turn.id, turns.c.leader == turn.id))
        async with self._database.read() as connection:
            if len((await connection.execute(waiting)).all()) <= ALONE:
                return turn  # the usual case, without a write
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            together = _together(turn, (await connection.execute(waiting)).all())
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
            await fence(connection, self._leases, turn)
            known = await connection.execute(select(turns.c.id).where(_as_known(turn)))
            if conversation is not None and known.first() is None:
                await erase_later(connection, engine, conversation)
                return False
            await leave_conversation(connection, turn.thread_id, conversation)
            await connection.execute(
                update(threads)
                .where(threads.c.id == turn.thread_id)
                .values(engine=engine, conversation=conversation)
            )
        return True

    async def began(self, turn: Turn, run: RunId) -> bool:
        """Remember the run of a turn: from now on a restart follows it and starts no second one.

        Where the question was edited or deleted meanwhile the run is abandoned, and False returned.
        """
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            begun = await connection.execute(
                update(turns)
                .where(_as_known(turn), turns.c.state == TurnState.QUEUED)
                .values(
                    state=TurnState.RUNNING,
                    run=run,
                    attempt=attempt_of(turn),
                    started_at=turn.started_at,
                )
            )
            if begun.rowcount == 0:
                await abandon(connection, self._database, replace(turn, run=run))
            return begun.rowcount > 0

    async def requeue(self, turn: Turn) -> bool:
        """Give up the turn's run, which counts as an attempt, so that another is started.

        Returns False, and changes nothing, where the question was edited or deleted meanwhile.
        """
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            requeued = await connection.execute(
                update(turns)
                .where(_as_known(turn), turns.c.state.in_(UNSETTLED))
                .values(state=TurnState.QUEUED, run=None, attempt=turn.attempt, round=0)
            )
            if requeued.rowcount and turn.run and turn.engine:
                await erase_later(connection, turn.engine, None, [turn.run])
            return requeued.rowcount > 0

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
            await fence(connection, self._leases, turn)
            settled = await connection.execute(
                update(turns)
                .where(_as_known(turn), turns.c.state.in_(UNSETTLED))
                .values(
                    state=state,
                    outcome=outcome,
                    answer=storable(answer.text) if answer else None,
                    citations=citations,
                )
            )
            if settled.rowcount == 0:
                return False
            if abandoned:
                await abandon(connection, self._database, turn)
            await _replace_parts(connection, turn, rendered)
        return True

    async def drafted(self, turn: Turn, part: int, message: MessageId) -> None:
        """Record a message that shows a part of an answer which is being written.

        It becomes that part of the reply. Raises NotOurs too where the turn has its outcome.
        """
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            where = select(turns.c.id).where(turns.c.id == turn.id, turns.c.state.in_(UNSETTLED))
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
        query = (
            select(parts.c.part, parts.c.text, parts.c.message)
            .where(parts.c.turn_id == turn.id, parts.c.posted == 0)
            .order_by(parts.c.part)
        )
        async with self._database.read() as connection:
            return [
                Unposted(row.part, row.text, MessageId(row.message) if row.message else None)
                for row in await connection.execute(query)
            ]

    async def posted(self, turn: Turn, part: int, message: MessageId, *, last: bool) -> None:
        """Record the message that a part became; with the `last` one the turn is delivered."""
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            await connection.execute(
                update(parts)
                .where(parts.c.turn_id == turn.id, parts.c.part == part)
                .values(message=message, posted=1)
            )
            if last:
                await _close(connection, turn, TurnState.DELIVERED, {})

    async def close(self, turn: Turn, state: TurnState, outcome: str) -> None:
        """End a turn that gets no (further) reply, and say why in `outcome`."""
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            await _close(connection, turn, state, {"outcome": outcome})

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


async def fence(connection: AsyncConnection, leases: Leases, turn: Turn) -> None:
    """Let nobody but the holder of the thread go on, nor the thread change hands meanwhile."""
    if not leases.shared:
        return
    holder = (await connection.execute(lock_thread(turn.thread_id))).scalar_one()
    if holder != leases.process:
        raise NotOurs


async def _replace_parts(connection: AsyncConnection, turn: Turn, rendered: Sequence[str]) -> None:
    """Write the parts of a reply down; messages that a draft has already are to become them."""
    drafts = select(parts.c.part, parts.c.message).where(parts.c.turn_id == turn.id)
    messages = {row.part: row.message for row in await connection.execute(drafts)}
    await connection.execute(delete(parts).where(parts.c.turn_id == turn.id))
    # A draft may have had more parts than the reply: what says nothing is to be deleted.
    texts = dict.fromkeys(messages, "") | dict(enumerate(map(storable, rendered)))
    await connection.execute(
        insert(parts),
        [
            {"turn_id": turn.id, "part": number, "text": text, "message": messages.get(number)}
            for number, text in sorted(texts.items())
        ],
    )


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


def _as_known(turn: Turn) -> Any:
    return and_(turns.c.id == turn.id, turns.c.revision == turn.revision)


async def _close(
    connection: AsyncConnection, turn: Turn, state: TurnState, values: dict[str, str]
) -> None:
    """End a turn, and those that were answered together with it."""
    await connection.execute(
        update(turns)
        .where(or_(turns.c.id == turn.id, turns.c.leader == turn.id), IS_OPEN)
        .values(state=state, finished_at=time.time(), **values)
    )
