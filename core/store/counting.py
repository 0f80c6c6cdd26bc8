"""How much was asked before a question, by the same person and in the same channel: the limits.

These are parts of a query, for `gathering.py`: what must be known before a run is one read.
"""

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Double, and_, bindparam, func, null, select

from core.domain import TurnState
from core.settings import Limit
from core.store.schema import turns

#: Outcomes of turns that do not count.
LIMITED, SMALL_TALK, SHARED = "limited", "small_talk", "shared"

#: A question that counts: those that were answered together count as one.
_COUNTS = and_(
    turns.c.state != TurnState.WITHDRAWN,
    turns.c.state != TurnState.CANCELLED,
    func.coalesce(turns.c.outcome, "") != LIMITED,
    func.coalesce(turns.c.outcome, "") != SMALL_TALK,
    func.coalesce(turns.c.outcome, "") != SHARED,
    turns.c.leader.is_(None),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """Since when the limits have been filled: when the oldest question that counts was asked.

    That is the one which must fall out of the window to make room.
    """

    person: float | None = None  #: None: there is room, or no limit
    channel: float | None = None


def filled_by_person(limit: Limit | None) -> Any:
    """Since when the turns before one have left its author no room, in SQL."""
    if limit is None:
        return null()
    return (
        select(turns.c.asked_at)
        .where(turns.c.author == bindparam("of_author"), _before(limit))
        .order_by(turns.c.asked_at.desc())
        .offset(limit.count - 1)
        .limit(1)
        .correlate(None)
        .scalar_subquery()
    )


def filled_in_channel(limit: Limit | None, person: Limit | None) -> Any:
    """As for a person; but nobody fills a channel with questions that get refused anyway.

    They count until they are refused, and a flood of one person takes a while to refuse.
    """
    if limit is None:
        return null()
    number = func.row_number().over(partition_by=turns.c.author, order_by=turns.c.id)
    asked = select(turns.c.asked_at, number.label("number")).where(
        turns.c.channel == bindparam("of_channel"), _before(limit)
    )
    counted = asked.subquery()
    query = select(counted.c.asked_at)
    if person:
        most = person.count * math.ceil(limit.seconds / person.seconds)
        query = query.where(counted.c.number <= most)
    query = query.order_by(counted.c.asked_at.desc()).offset(limit.count - 1).limit(1)
    return query.scalar_subquery()


def _before(limit: Limit) -> Any:
    """The turns that count when one is judged: taken before it, asked in the window."""
    asked_at = bindparam("asked_at", type_=Double)
    return and_(
        turns.c.platform == bindparam("of_platform"),
        turns.c.tenant == bindparam("of_tenant"),
        turns.c.id < bindparam("of_turn"),
        turns.c.asked_at > asked_at - limit.seconds,
        turns.c.asked_at <= asked_at,
        _COUNTS,
    )
