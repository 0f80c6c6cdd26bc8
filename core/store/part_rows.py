"""Parts of replies as rows: written down before they are posted, and noted when they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Integer,
    Row,
    Text,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageId, Turn
from core.store.fencing import held
from core.store.rows import IS_UNSETTLED
from core.store.schema import parts, turns
from core.text import storable


@dataclass(frozen=True, slots=True)
class Unposted:
    """A part of a reply that is to be posted."""

    number: int
    text: str  #: "" where the reply has no such part: its message is to be deleted
    message: MessageId | None  #: where a draft of it stands already


async def unposted(connection: AsyncConnection, turn: Turn) -> list[Unposted]:
    """The parts that are not on record as posted in their final form, in order."""
    return _unposted(await connection.execute(_UNPOSTED, {"of_turn": turn.id}))


async def replace_parts(
    connection: AsyncConnection, turn: Turn, rendered: Sequence[str]
) -> list[Unposted]:
    """Write the parts of a reply down; messages that a draft has already are to become them.

    A draft may have had more parts than the reply: what says nothing is to be deleted. Returns all
    of them, in order.
    """
    replacing = _replacing(connection.dialect.name == "postgresql")
    given = {
        "of_turn": turn.id,
        "texts": {number: storable(text) for number, text in enumerate(rendered)},
        "count": len(rendered),
    }
    written = _unposted(await connection.execute(replacing, given))
    return sorted(written, key=lambda part: part.number)


def _unposted(rows: Iterable[Row[Any]]) -> list[Unposted]:
    return [
        Unposted(row.part, row.text, MessageId(row.message) if row.message else None)
        for row in rows
    ]


# --- statements: built once, because that takes longer than what most of them do ------------------

_TURN = bindparam("of_turn", type_=BigInteger)
_NUMBER = bindparam("number", type_=Integer)
_COLUMNS = (parts.c.part, parts.c.text, parts.c.message)
_UNPOSTED = (
    select(*_COLUMNS).where(parts.c.turn_id == _TURN, parts.c.posted == 0).order_by(parts.c.part)
)


@cache
def noting(shared: bool) -> Any:
    """Note the message that a part became."""
    this = update(parts).where(parts.c.turn_id == _TURN, parts.c.part == _NUMBER)
    return held(this.values(message=bindparam("became"), posted=1), shared)


@cache
def drafting(shared: bool) -> Any:
    """Note the message that a draft of a part stands in, where its turn has no outcome."""
    shown_in = bindparam("shown_in", type_=Text)
    draft = select(turns.c.id, _NUMBER, literal("", Text), shown_in)
    draft = held(draft.where(turns.c.id == _TURN, IS_UNSETTLED), shared)
    # Locked, because its state is judged anew then, where the thread had to be waited for.
    draft = draft.with_for_update(key_share=True)
    recorded = insert(parts).from_select(["turn_id", "part", "text", "message"], draft)
    return recorded.returning(parts.c.part)


@cache
def _replacing(is_postgres: bool) -> Any:
    """The statement of `replace_parts`."""
    each = func.json_each_text if is_postgres else func.json_each
    rendered = each(bindparam("texts", type_=JSON)).table_valued("key", "value")
    number = cast(rendered.c.key, Integer)
    of_reply = select(_TURN, number, rendered.c.value, literal(0, Integer))
    surplus = select(parts.c.turn_id, parts.c.part, literal("", Text), literal(0, Integer)).where(
        parts.c.turn_id == _TURN, parts.c.part >= bindparam("count", type_=Integer)
    )
    written = (postgresql.insert if is_postgres else sqlite.insert)(parts).from_select(
        ["turn_id", "part", "text", "posted"], union_all(of_reply, surplus)
    )
    again = {"text": written.excluded.text, "posted": 0}
    return written.on_conflict_do_update(index_elements=["turn_id", "part"], set_=again).returning(
        *_COLUMNS
    )
