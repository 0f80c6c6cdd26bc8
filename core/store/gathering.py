"""What is looked up before a run is created, in one read.

It is which messages are asked together, what was asked before them, and whether the limits leave
room for one more question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Double, Row, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageId, Turn, TurnState
from core.settings import Limit
from core.store.counting import Filled, filled_by_person, filled_in_channel
from core.store.rows import IS_QUEUED
from core.store.schema import turns

TOGETHER = 10  # messages, at most, that one run answers
TOGETHER_LENGTH = 8_000  # characters of them, at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """A turn as it is to be asked, and what was asked before it."""

    turn: Turn  #: with the texts and files of all messages that are asked together
    follows: MessageId | None  #: the message of the turn before, in its thread; None: the first
    filled: Filled  #: of the limits that were asked for


async def read_waiting(
    connection: AsyncConnection,
    turn: Turn,
    person: Limit | None = None,
    channel: Limit | None = None,
    *,
    may_grow: bool,
) -> Sequence[Row[Any]]:
    """The messages that wait in a turn's thread from it on; none where it waits no longer.

    They are in the order in which they were asked: one that was found late stands where it was
    said, and not between a later one and what its author said right after that. Each row says, too,
    what was asked before the turn. Unless it `may_grow`, only those which were joined with it.
    """
    given = {
        "of_thread": turn.thread_id,
        "of_turn": turn.id,
        "of_platform": turn.thread.platform,
        "of_tenant": turn.thread.tenant,
        "of_author": turn.author,
        "of_channel": turn.channel,
        "asked_at": turn.asked_at,
    }
    rows = (await connection.execute(_waiting(person, channel, may_grow), given)).all()
    return rows if rows and rows[0].id == turn.id else ()


def is_joined(turn: Turn, waiting: Sequence[Row[Any]]) -> bool:
    """Whether just those messages are on record as joined that are to be asked together."""
    joined = [row.id for row in waiting if row.leader == turn.id]
    return joined == [row.id for row in _together(waiting)[1:]]


async def join(connection: AsyncConnection, turn: Turn, waiting: Sequence[Row[Any]]) -> None:
    """Let the first of these messages, and no others, be answered by the turn's run."""
    joined = [row.id for row in _together(waiting)[1:]]
    # An edit can make a message too long for the others: it is asked by itself then.
    was_joined = (turns.c.leader == turn.id) & (turns.c.state == TurnState.QUEUED)
    await connection.execute(
        update(turns).where(was_joined, turns.c.id.not_in(joined)).values(leader=None)
    )
    await connection.execute(update(turns).where(turns.c.id.in_(joined)).values(leader=turn.id))


def gathered(turn: Turn, waiting: Sequence[Row[Any]]) -> Gathered:
    """The turn as it is asked together with the first of these messages, of which it is one."""
    first, together = waiting[0], _together(waiting)
    return Gathered(
        turn=replace(
            turn,
            question="\n\n".join(row.question for row in together if row.question),
            unread=tuple(name for row in together for name in row.unread),
            has_files=any(row.files for row in together),
        ),
        follows=MessageId(first.follows) if first.follows else None,
        filled=Filled(person=first.person, channel=first.channel),
    )


def _together(waiting: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The first of the waiting messages that one run answers."""
    together: list[Row[Any]] = []
    length = 0
    for row in waiting:
        length += len(row.question)
        if row.author != waiting[0].author or (together and length > TOGETHER_LENGTH):
            break
        if together and row.confirms is not None:  # it asks nothing by itself
            break
        together.append(row)
    return together


@cache
def _waiting(person: Limit | None, channel: Limit | None, may_grow: bool) -> Any:
    """The query of `read_waiting`. It is built once: that takes longer than what it does."""
    of_thread = turns.c.thread_id == bindparam("of_thread", type_=BigInteger)
    of_turn = bindparam("of_turn", type_=BigInteger)
    follows = (
        select(turns.c.message)
        .where(of_thread, turns.c.id < of_turn)
        .order_by(turns.c.id.desc())
        .limit(1)
        .correlate(None)
        .scalar_subquery()
    )
    query = (
        select(turns.c.id, turns.c.leader, turns.c.author, turns.c.question)
        .add_columns(turns.c.unread, turns.c.confirms, turns.c.files)
        .add_columns(follows.label("follows"))
        .add_columns(filled_by_person(person).label("person"))
        .add_columns(filled_in_channel(channel, person).label("channel"))
        .where(of_thread, IS_QUEUED)
        .order_by(turns.c.id != of_turn, turns.c.asked_at, turns.c.id)
        .limit(TOGETHER)
    )
    is_together = or_(turns.c.id == of_turn, turns.c.leader == of_turn)
    if not may_grow:
        return query.where(is_together)
    asked_at = bindparam("asked_at", type_=Double)
    is_after = and_(turns.c.asked_at == asked_at, turns.c.id > of_turn)
    return query.where(or_(is_together, turns.c.asked_at > asked_at, is_after))
