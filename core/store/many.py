"""Many mentions become turns in two statements, as one does in `taking.py`: threads, then turns.

They are given as one parameter, a text of JSON. So the statements are the same for any number of
them, and neither SQLAlchemy nor the database has to make sense of a new one each time.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Double,
    FromClause,
    Integer,
    Text,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal,
    null,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Mention, MessageRef, ThreadRef, Turn, TurnState
from core.errors import StoreError
from core.store.leases import Leases, is_free
from core.store.news import FREE, announce
from core.store.rows import IS_LEADING
from core.store.schema import threads, turns
from core.store.schema import withdrawals as withdrawn
from core.store.taking import (
    IDENTITY,
    OF_THREAD,
    PLACE,
    called_at_after,
    holder_after_claim,
    turn_of_mention,
)
from core.store.withdrawals import lock_key
from core.text import storable

_FIELDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys((*PLACE, "channel", "message", "author", "question"), Text),
    "number": Integer,
    "unread": JSON,
    "at_over": Double,
    "at_under": Double,
}


async def take_many(
    connection: AsyncConnection, leases: Leases, mentions: Sequence[Mention], *, claim: bool
) -> dict[MessageRef, Turn]:
    """Write down what nobody took before: the turns of that, by their messages.

    The mentions are of people, call us, have no files and confirm nothing. Otherwise as
    `Turns.take`. Raises StoreError where another process takes one of them at this moment: the
    transaction must be rolled back then.
    """
    now = time.time()
    given = _entered_by(leases, mentions, now)
    entered = (await connection.execute(_entering(leases.shared, claim), given)).all()
    if not entered:
        return {}
    older = [row.id for row in entered if row.created_at != now]
    in_use = set((await connection.execute(_IN_USE, {"older": older})).scalars()) if older else ()
    places = {ThreadRef(platform=row[0], tenant=row[1], key=row[2]): row for row in entered}
    inserting = _inserting(leases.shared)
    made = (await connection.execute(inserting, {"rows": given["rows"]})).all()
    found = _turns(mentions, places, {row[1:]: row.id for row in made}, in_use)
    if {turn.thread_id for turn in found.values()} != {row.id for row in entered}:
        raise StoreError("A question was taken by somebody else.")
    if leases.shared and not claim and any(row.free for row in entered):
        await announce(connection, FREE)
    return found


async def rehearse(connection: AsyncConnection, leases: Leases) -> None:
    """Write nothing down, by the same statements: the first use of one takes as long as many."""
    # SQLAlchemy knows a statement again by the names of what is given, too.
    await connection.execute(_entering(leases.shared, claim=True), _entered_by(leases, [], 0.0))
    await connection.execute(_inserting(leases.shared), {"rows": _rows([])})


def _entered_by(leases: Leases, mentions: Sequence[Mention], now: float) -> dict[str, Any]:
    """What `_entering` is given."""
    given: dict[str, Any] = {"rows": _rows(mentions), "now": now}
    if leases.shared:
        given["us"] = leases.process
        given["locks"] = sorted(lock_key(mention.ref) for mention in mentions)
    return given


def _rows(mentions: Sequence[Mention]) -> str:
    return json.dumps([_row(*each) for each in enumerate(mentions)])


def _row(number: int, mention: Mention) -> dict[str, Any]:
    thread = mention.thread
    # A fraction of whole numbers: SQLite is not exact everywhere when it reads decimals.
    at_over, at_under = mention.at.as_integer_ratio()
    return {
        "number": number,
        "platform": thread.platform,
        "tenant": thread.tenant,
        "key": thread.key,
        "channel": mention.channel,
        "message": mention.message,
        "author": mention.author,
        "question": storable(mention.text),
        "unread": [storable(name) for name in mention.unread],
        "at_over": at_over,
        "at_under": at_under,
    }


def _turns(
    mentions: Sequence[Mention],
    places: Mapping[ThreadRef, Any],
    made: Mapping[Any, int],
    in_use: Collection[int],
) -> dict[MessageRef, Turn]:
    """The turns that were made of mentions; those of one thread wait for the first of them."""
    found: dict[MessageRef, Turn] = {}
    begun = set(in_use)
    for mention in mentions:
        ref = mention.ref
        number = made.get((ref.platform, ref.tenant, ref.channel, ref.message))
        if number is not None and ref not in found:
            place = places[mention.thread]
            found[ref] = turn_of_mention(mention, place, number, waits=place.id in begun)
            begun.add(place.id)
    return found


# --- statements: built once, because that takes longer than what most of them do ------------------


def _given(shared: bool) -> FromClause:
    """The mentions, as rows."""
    rows = bindparam("rows", type_=Text)
    if shared:
        fields = [column(name, kind) for name, kind in _FIELDS.items()]
        records = func.json_to_recordset(cast(rows, JSON)).table_valued(*fields, name="given")
        return records.render_derived(with_types=True)
    each = func.json_each(rows).table_valued("value", name="each")
    return select(
        *(
            cast(value, Double).label(name) if kind is Double else value.label(name)
            for name, kind in _FIELDS.items()
            for value in [func.json_extract(each.c.value, f"$.{name}")]
        )
    ).subquery("given")


def _is_gone(given: FromClause) -> Any:
    return exists().where(*(withdrawn.c[name] == given.c[name] for name in IDENTITY))


@cache
def _entering(shared: bool, claim: bool) -> Any:
    """Make the threads of new mentions, or note that we are called there; all locked, in order."""
    given, us = _given(shared), bindparam("us", type_=Text)
    place = [given.c[name] for name in PLACE]
    is_taken = exists().where(*(turns.c[name] == given.c[name] for name in IDENTITY))
    may_enter: Any = true()
    returned: list[Any] = [*(threads.c[name] for name in PLACE), *OF_THREAD, threads.c.created_at]
    if shared:
        returned.append(is_free().label("free"))
        # All processes lock messages before threads, and each of them in the same order: else two
        # could wait for each other. It is done before any row is looked at.
        keys = func.unnest(bindparam("locks", type_=ARRAY(BigInteger))).column_valued("key")
        locked = select(func.count(func.pg_advisory_xact_lock(keys)).label("locked")).cte("locked")
        may_enter = exists(locked.select())
    claims = shared and claim
    row = {
        **dict(zip(PLACE, place, strict=True)),
        "created_at": bindparam("now", type_=Double),
        "called_at": func.max(given.c.at_over / given.c.at_under),
        "bots_in_a_row": literal(0, Integer),
        "holder": us if claims else cast(null(), Text),
    }
    rows = select(*row.values()).where(may_enter, ~is_taken, ~_is_gone(given))
    made = (postgresql.insert if shared else sqlite.insert)(threads).from_select(
        list(row), rows.group_by(*place).order_by(*place)
    )
    new = made.excluded.called_at
    changes: dict[str, Any] = {
        "bots_in_a_row": 0,
        "called_at": called_at_after(new),
    }
    if claims:
        changes["holder"] = holder_after_claim(us)
    return made.on_conflict_do_update(index_elements=list(PLACE), set_=changes).returning(*returned)


@cache
def _inserting(shared: bool) -> Any:
    """Make the turns, in the order of the mentions."""
    given = _given(shared)
    row: dict[str, Any] = {
        "thread_id": threads.c.id,
        **{name: given.c[name] for name in (*IDENTITY, "author", "question", "unread")},
        "asked_at": given.c.at_over / given.c.at_under,
        "state": literal(TurnState.QUEUED, Text),
        "attempt": literal(0, Integer),
        "files": literal(0, Integer),
    }
    here = and_(*(threads.c[name] == given.c[name] for name in PLACE))
    rows = select(*row.values()).select_from(given.join(threads, here)).where(~_is_gone(given))
    statement = (postgresql.insert if shared else sqlite.insert)(turns).from_select(
        list(row), rows.order_by(given.c.number)
    )
    identity: list[Column[Any]] = [turns.c[name] for name in IDENTITY]
    return statement.on_conflict_do_nothing(index_elements=IDENTITY).returning(
        turns.c.id, *identity
    )


#: Those of some threads in which a turn is open.
_IN_USE = select(turns.c.thread_id).where(
    turns.c.thread_id.in_(bindparam("older", expanding=True)), IS_LEADING
)
