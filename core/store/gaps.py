"""What went unanswered in a time, and which pages answers rested on. Reads only.

A question went unanswered where its reply was the fallback, delivered or not, where somebody said
that its reply did not help, and where somebody asked for people. What Docent was not to answer is
no gap: small talk, one question too many, one that is too old after an absence, and what the asker
stopped.

A time is half open, `since` up to and without `until`, so that reports that follow each other tell
everything once. What counts is when a question went unanswered, not when it was asked.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urldefrag

from sqlalchemy import Row, Text, and_, case, cast, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageId, MessageRef, ThreadRef, TurnId, TurnState
from core.store.counting import LIMITED, SHARED, SMALL_TALK
from core.store.database import Database
from core.store.schema import feedback, pages, threads, turns
from core.store.turns import SILENCED, STOPPED
from core.unanswered import Gap, GapKind, PageUse, Usage

AT_ONCE = 500  # turns in one query

#: Outcomes of what was not to be answered, or is counted where it was asked first.
NOT_ASKED = (LIMITED, SMALL_TALK, STOPPED, "too_old", SHARED)
ANSWERED = ("answered", "incomplete")
NOT_ANSWERED = "not_answered"

#: Why a turn ended without a reply, where that says nothing of the documentation.
NO_REPLY = ("deleted", SILENCED, "thread_gone", "refused", "undeliverable")

#: A question that got its reply: those that were answered together are one.
_REPLIED = and_(
    turns.c.state == TurnState.DELIVERED,
    turns.c.leader.is_(None),
    turns.c.confirms.is_(None),
    turns.c.outcome.is_not(None),
    turns.c.outcome.not_in(NOT_ASKED),
)
#: One that got the fallback, though that may not have found its way into the thread. Who confirms a
#: call asks nothing of the documentation.
_FELL_BACK = and_(
    turns.c.state.in_((TurnState.DELIVERED, TurnState.CANCELLED)),
    turns.c.leader.is_(None),
    turns.c.confirms.is_(None),
    turns.c.outcome.is_not(None),
    turns.c.outcome.not_in((*NOT_ASKED, *ANSWERED)),
    or_(turns.c.state == TurnState.DELIVERED, turns.c.outcome.not_in(NO_REPLY)),
)


class Gaps:
    """Looks at what people asked in vain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def within(self, since: float, until: float, most: int) -> tuple[list[Gap], int]:
        """The questions that went unanswered, the latest first, at most so many; how many in all.

        Among them are those whose text is deleted, as long as somebody is yet to be counted.
        """
        async with self._database.read() as connection:
            found = await connection.execute(_found(since, until))
            kinds: dict[int, set[GapKind]] = defaultdict(set)
            times: dict[int, float] = {}
            for turn, kind, at in found:
                kinds[turn].add(GapKind(kind))
                times[turn] = max(at, times.get(turn, at))
            latest = sorted(times, key=lambda turn: (-times[turn], -turn))[:most]
            gaps: list[Gap] = []
            for start in range(0, len(latest), AT_ONCE):
                some = latest[start : start + AT_ONCE]
                gaps += await _read(connection, some, kinds, times)
        return gaps, len(times)

    async def usage(self, since: float, until: float) -> Usage:
        """How many questions got a reply, and which pages the answers rested on.

        A page counts once for each answer, whichever of its sections are cited.
        """
        inside = _REPLIED & _within(turns.c.finished_at, since, until)
        asked = select(func.count()).select_from(turns).where(inside)
        rest_on = cast(turns.c.citations, Text)
        of_answers = select(rest_on, func.count()).where(inside, turns.c.outcome.in_(ANSWERED))
        async with self._database.read() as connection:
            questions = (await connection.execute(asked)).scalar_one()
            # Alike ones together: an answer that is given often is read once.
            cited = (await connection.execute(of_answers.group_by(rest_on))).all()
            known = (await connection.execute(select(pages.c.url, pages.c.title))).all()
        titles = {row.url: row.title for row in known}
        times: Counter[str] = Counter()
        for text, count in cited:
            for url, title in _pages_in(text):
                titles.setdefault(url, title)
                times[url] += count
        return Usage(
            questions=questions,
            cited=tuple(
                PageUse(url=url, title=titles[url], times=times[url])
                for url in sorted(times, key=lambda url: (-times[url], url))
            ),
            uncited=tuple(
                PageUse(url=row.url, title=row.title, times=0)
                for row in sorted(known, key=lambda row: str(row.url))
                if row.url not in times
            ),
            pages=len(known),
        )


def _pages_in(citations: str | None) -> set[tuple[str, str]]:
    """Address and title of each page that an answer rests on, without the sections' anchors."""
    cited = json.loads(citations or "null") or []
    titles = {urldefrag(citation["url"]).url: citation["title"] for citation in cited}
    return set(titles.items())


def _found(since: float, until: float) -> Any:
    """Turn, kind and time of all that went unanswered."""
    fallback = case(
        (turns.c.outcome == NOT_ANSWERED, GapKind.NOT_ANSWERED.value), else_=GapKind.FAILED.value
    )
    fell_back = select(turns.c.id, fallback.label("kind"), turns.c.finished_at.label("at")).where(
        _FELL_BACK, _within(turns.c.finished_at, since, until)
    )
    unhelpful = select(
        feedback.c.turn_id, literal(GapKind.UNHELPFUL.value), func.max(feedback.c.at)
    ).where(feedback.c.verdict == "unhelpful", _within(feedback.c.at, since, until))
    human = select(turns.c.id, literal(GapKind.HUMAN.value), turns.c.handed_over_at).where(
        _within(turns.c.handed_over_at, since, until)
    )
    return union_all(fell_back, unhelpful.group_by(feedback.c.turn_id), human)


def _within(column: Any, since: float, until: float) -> Any:
    return and_(column >= since, column < until)


async def _read(
    connection: AsyncConnection,
    ids: Sequence[int],
    kinds: Mapping[int, set[GapKind]],
    times: Mapping[int, float],
) -> list[Gap]:
    """The gaps of these turns, in their order."""
    before = turns.alias("before")
    asked_before = (
        select(before.c.question)
        .where(before.c.thread_id == turns.c.thread_id, before.c.id < turns.c.id)
        .order_by(before.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(turns, threads.c.key, asked_before.label("asked_before"))
        .join(threads, threads.c.id == turns.c.thread_id)
        .where(turns.c.id.in_(ids))
    )
    rows = {row.id: row for row in await connection.execute(query)}
    along = await _texts(
        connection, turns.c.leader, turns.c.question, turns.c.leader.in_(ids), turns.c.id
    )
    unhelpful = feedback.c.turn_id.in_(ids) & (feedback.c.verdict == "unhelpful")
    reasons = await _texts(
        connection, feedback.c.turn_id, feedback.c.reason, unhelpful, feedback.c.at
    )
    return [
        _gap(
            rows[number],
            at=times[number],
            kinds=tuple(kind for kind in GapKind if kind in kinds[number]),
            along=along.get(number, ()),
            reasons=reasons.get(number, ()),
        )
        for number in ids
    ]


async def _texts(
    connection: AsyncConnection, of: Any, text: Any, which: Any, order: Any
) -> Mapping[int, Sequence[str]]:
    """Texts that are not empty, by what they are of, in their order."""
    texts: dict[int, list[str]] = defaultdict(list)
    query = select(of, text).where(which, text != "").order_by(order)
    for number, one in await connection.execute(query):
        texts[number].append(one)
    return texts


def _gap(
    row: Row[Any],
    *,
    at: float,
    kinds: tuple[GapKind, ...],
    along: Iterable[str],
    reasons: Iterable[str],
) -> Gap:
    question = "\n\n".join(filter(None, (row.question, *along)))
    return Gap(
        turn=TurnId(row.id),
        thread=ThreadRef(platform=row.platform, tenant=row.tenant, key=row.key),
        message=MessageRef(
            platform=row.platform,
            tenant=row.tenant,
            channel=row.channel,
            message=MessageId(row.message),
        ),
        author=row.author,
        question=question,
        before=row.asked_before or "",
        asked_at=row.asked_at,
        at=at,
        kinds=kinds,
        outcome=row.outcome or "",
        reasons=tuple(reasons),
        forgotten=not question and row.citations is None and row.finished_at is not None,
    )
