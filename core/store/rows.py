"""Turns as rows: how they are selected, joined with their thread, and read."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, and_, case, func, literal_column, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import (
    OPEN_STATES,
    ConversationId,
    MessageId,
    MessageRef,
    ProcessId,
    RunId,
    ThreadId,
    ThreadRef,
    Turn,
    TurnId,
    TurnState,
)
from core.store.schema import threads, turns

UNSETTLED = (TurnState.QUEUED, TurnState.RUNNING)

_COLUMNS = (
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
    turns.c.revision,
    turns.c.round,
    turns.c.confirms,
    turns.c.files,
    threads.c.engine,
    threads.c.conversation,
    threads.c.holder,
)


def _is_one_of(table: Any, states: Iterable[TurnState]) -> Any:
    # Written out: with parameters, the index of the open turns would not be used.
    return table.c.state.in_([literal_column(f"'{state}'") for state in states])


IS_OPEN = _is_one_of(turns, OPEN_STATES)
IS_QUEUED = _is_one_of(turns, [TurnState.QUEUED])
IS_UNSETTLED = _is_one_of(turns, UNSETTLED)  #: without an outcome


def is_leading(table: Any) -> Any:
    """Open, and not answered together with another one: one of these heads its thread."""
    return _is_one_of(table, OPEN_STATES) & table.c.leader.is_(None)


IS_LEADING = is_leading(turns)
#: Whether a turn that has its outcome still has its texts: a mention alone has no question.
HAS_TEXTS = or_(turns.c.question != "", turns.c.citations.is_not(null()))
#: States of turns that nobody may have begun. A deleted one must not go before the one that has a
#: draft in the thread: a look for what it left there would find that.
UNBEGUN = (TurnState.QUEUED, TurnState.WITHDRAWN)
#: Which of the leading turns of a thread is its head: one that was begun, else what was asked
#: first. That may have been found last, in what was said while nobody was there; so a turn that was
#: taken before the one which it follows may have been in somebody's hands already.
HEAD_FIRST = (
    case((_is_one_of(turns, UNBEGUN) & turns.c.started_at.is_(None), 1), else_=0),
    turns.c.asked_at,
    turns.c.id,
)
_PLACE = func.row_number().over(partition_by=turns.c.thread_id, order_by=HEAD_FIRST)
_PLACES = select(turns.c.id, _PLACE.label("place")).where(IS_LEADING).subquery()
IS_HEAD = turns.c.id.in_(select(_PLACES.c.id).where(_PLACES.c.place == 1))


def select_turns() -> Select[Any]:
    """Turns in the order in which they were taken."""
    return select(*_COLUMNS).join(threads).order_by(turns.c.id)


def is_message(table: Any, message: MessageRef) -> Any:
    """Whether a row of a table names this message."""
    return and_(
        table.c.platform == message.platform,
        table.c.tenant == message.tenant,
        table.c.channel == message.channel,
        table.c.message == message.message,
    )


async def one_turn(connection: AsyncConnection, *where: Any) -> Turn | None:
    """The oldest turn that fits, or None."""
    row = (await connection.execute(select_turns().where(*where).limit(1))).one_or_none()
    return turn_of(row) if row else None


def turn_of(row: Row[Any]) -> Turn:
    """Read one row of `select_turns`."""
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
        revision=row.revision,
        round=row.round,
        confirms=None if row.confirms is None else TurnId(row.confirms),
        has_files=row.files > 0,
        holder=ProcessId(row.holder) if row.holder else None,
    )


async def questions_of_followers(
    connection: AsyncConnection, leaders: list[int]
) -> dict[int, list[str]]:
    """What was asked together with each of these turns, by the turn."""
    if not leaders:
        return defaultdict(list)
    query = select(turns.c.leader, turns.c.question).where(turns.c.leader.in_(leaders))
    questions = defaultdict[int, list[str]](list)
    for row in await connection.execute(query.order_by(turns.c.id)):
        questions[row.leader].append(row.question)
    return questions


async def with_unread(connection: AsyncConnection, turn: Turn) -> Turn:
    """The turn as its reply names files: those of what is answered together with it, too."""
    query = select(turns.c.unread).where(turns.c.leader == turn.id).order_by(turns.c.id)
    more = [name for unread in (await connection.execute(query)).scalars() for name in unread]
    return replace(turn, unread=(*turn.unread, *more)) if more else turn
