"""A mention becomes a turn, in two statements: its thread with a claim on it, and the turn.

Whether the message is a new one is known last. Where it is not, the transaction is rolled back, so
that neither a claim nor anything else is left of it.
"""

import time
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    Row,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import (
    ConversationId,
    Mention,
    ProcessId,
    ThreadId,
    Turn,
    TurnId,
    TurnState,
)
from core.store import withdrawals
from core.store.attached_rows import insert_files
from core.store.leases import Leases, is_free
from core.store.rows import is_leading
from core.store.schema import threads, turns
from core.store.schema import withdrawals as withdrawn
from core.store.standings import BOTS_IN_A_ROW, IS_QUIET, Kind
from core.text import storable

PLACE = ("platform", "tenant", "key")  #: names of columns: which thread it is
IDENTITY = ("platform", "tenant", "channel", "message")  #: … and which message
#: What a turn says of its thread.
OF_THREAD: tuple[Any, ...] = (
    threads.c.id,
    threads.c.engine,
    threads.c.conversation,
    threads.c.holder,
    threads.c.bots_in_a_row,
)


async def enter(
    connection: AsyncConnection, leases: Leases, mention: Mention, kind: Kind, *, claim: bool
) -> Row[Any] | None:
    """The row of a mention's thread, made where there is none; None where it is not to be taken.

    With `claim`, it is ours where nobody has it. It is locked until the transaction ends, and so is
    the message, against being taken or withdrawn by another process.
    """
    thread = mention.thread
    given: dict[str, Any] = {
        "the_platform": thread.platform,
        "the_tenant": thread.tenant,
        "the_key": thread.key,
        "at": mention.at,
        "us": leases.process,
    }
    if leases.shared:
        given["lock"] = withdrawals.lock_key(mention.ref)
    if kind != "follow_up":
        given["now"] = time.time()
    statement = _entering(leases.shared, kind, bool(mention.bot), claim)
    row = (await connection.execute(statement, given)).one_or_none()
    if row is None or (mention.bot and row.bots_in_a_row > BOTS_IN_A_ROW):
        return None
    return row


async def insert_turn(
    connection: AsyncConnection, leases: Leases, mention: Mention, thread: Row[Any]
) -> Turn | None:
    """Write the turn down; None where its message was taken before, or is known to be deleted."""
    given = {
        "the_thread_id": thread.id,
        "the_platform": mention.thread.platform,
        "the_tenant": mention.thread.tenant,
        "the_channel": mention.channel,
        "the_message": mention.message,
        "the_author": mention.author,
        "the_question": storable(mention.text),
        "the_unread": [storable(name) for name in mention.unread],
        "the_asked_at": mention.at,
        "the_confirms": mention.confirms,
        "the_files": len(mention.files),
    }
    made = (await connection.execute(_inserting(leases.shared), given)).one_or_none()
    if made is None:
        return None
    await insert_files(connection, made.id, mention.files)
    return turn_of_mention(mention, thread, made.id, waits=bool(made.waits))


def turn_of_mention(mention: Mention, thread: Row[Any], number: int, *, waits: bool) -> Turn:
    """The turn that a mention became: as if it was read; `thread` has the columns `OF_THREAD`."""
    return Turn(
        id=TurnId(number),
        thread_id=ThreadId(thread.id),
        thread=mention.thread,
        channel=mention.channel,
        message=mention.message,
        author=mention.author,
        question=storable(mention.text),
        unread=tuple(storable(name) for name in mention.unread),
        state=TurnState.QUEUED,
        asked_at=mention.at,
        started_at=None,
        attempt=0,
        run=None,
        engine=thread.engine,
        conversation=ConversationId(thread.conversation) if thread.conversation else None,
        outcome=None,
        revision=0,
        confirms=mention.confirms,
        has_files=bool(mention.files),
        holder=ProcessId(thread.holder) if thread.holder else None,
        waits=waits,
    )


def called_at_after(call: Any) -> Any:
    """When a thread was called last, once it is known to be called at that time."""
    return case((threads.c.called_at > call, threads.c.called_at), else_=call)


def holder_after_claim(us: Any) -> Any:
    """Who holds a thread once we have claimed it."""
    return case((or_(is_free(), threads.c.holder == us), us), else_=threads.c.holder)


# --- statements: built once, because that takes longer than what most of them do ------------------


@cache
def _entering(shared: bool, kind: Kind, bot: bool, claim: bool) -> Any:
    """The statement of `enter`."""
    calls = kind == "call" and not bot
    claims = claim and shared
    place = {name: bindparam(f"the_{name}", type_=Text) for name in PLACE}
    at, us = bindparam("at", type_=Double), bindparam("us", type_=Text)
    # An update that changes nothing, where nothing does: DO NOTHING would return no row.
    changes: dict[str, Any] = {"key": place["key"]}
    if claims:
        changes["holder"] = holder_after_claim(us)
    if bot:  # counted, if it is a bot's; a person's begins the count anew
        changes["bots_in_a_row"] = threads.c.bots_in_a_row + 1
    elif kind in ("call", "follow_up"):
        changes["bots_in_a_row"] = 0
    if calls:
        changes["called_at"] = called_at_after(at)
    returned: list[Any] = [*OF_THREAD]
    may_enter: Any = true()
    if shared:
        returned.append(is_free().label("free"))
        # The message before the thread, as by whoever locks both: else two could wait for each
        # other. It is done before any row is looked at.
        lock = func.pg_advisory_xact_lock(bindparam("lock", type_=BigInteger))
        may_enter = exists(select(lock.label("locked")).cte("locked").select())
    if kind == "follow_up":
        here = and_(*(threads.c[name] == value for name, value in place.items()), ~IS_QUIET)
        return update(threads).where(may_enter, here).values(changes).returning(*returned)
    row = {
        **place,
        "created_at": bindparam("now", type_=Double),
        "called_at": at if calls else cast(null(), Double),
        "bots_in_a_row": literal(1 if bot else 0, Integer),
        "holder": us if claims else cast(null(), Text),
    }
    made = (postgresql.insert if shared else sqlite.insert)(threads).from_select(
        list(row), select(*row.values()).where(may_enter)
    )
    return made.on_conflict_do_update(index_elements=list(place), set_=changes).returning(*returned)


@cache
def _inserting(shared: bool) -> Any:
    """The statement of `insert_turn`."""
    names = (
        "thread_id", "platform", "tenant", "channel", "message", "author", "question", "unread",
        "asked_at", "confirms", "files",
    )  # fmt: skip
    given = {name: bindparam(f"the_{name}", type_=turns.c[name].type) for name in names}
    row = given | {"state": literal(TurnState.QUEUED, Text), "attempt": literal(0, Integer)}
    is_withdrawn = exists().where(*(withdrawn.c[name] == given[name] for name in IDENTITY))
    earlier = turns.alias("earlier")
    waits = exists().where(
        earlier.c.thread_id == given["thread_id"],
        is_leading(earlier),
        ~and_(*(earlier.c[name] == given[name] for name in IDENTITY)),
    )
    statement = (postgresql.insert if shared else sqlite.insert)(turns).from_select(
        list(row), select(*row.values()).where(~is_withdrawn)
    )
    return statement.on_conflict_do_nothing(index_elements=IDENTITY).returning(
        turns.c.id, waits.label("waits")
    )
