"""Deletions that are heard before their question, which comes late or again, after a crash.

Kept as identities, without a word of what was said. Both sides lock the identity first, so that of
a question and its deletion that come at the same time to two processes one sees the other.
"""

import hashlib
import time

from sqlalchemy import and_, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageRef
from core.store.database import Database
from core.store.rows import is_message
from core.store.schema import turns, withdrawals

KEPT = 86_400.0  # seconds; no platform tells of a message that late, and no absence is made up for


async def note(connection: AsyncConnection, database: Database, message: MessageRef) -> bool:
    """Remember a deletion, unless the message is a turn by now; whether it is remembered."""
    await _lock(connection, database, message)
    taken = select(turns.c.id).where(is_message(turns, message))
    if (await connection.execute(taken)).first() is not None:
        return False
    row = {**_identity(message), "withdrawn_at": time.time()}
    insert = database.insert(withdrawals).values(row)
    await connection.execute(insert.on_conflict_do_nothing(index_elements=list(_identity(message))))
    return True


async def may_be_asked(connection: AsyncConnection, message: MessageRef) -> bool:
    """Whether a message was where somebody once asked something: there, it may be a question."""
    there = and_(
        turns.c.platform == message.platform,
        turns.c.tenant == message.tenant,
        turns.c.channel == message.channel,
    )
    return bool((await connection.execute(select(exists().where(there)))).scalar_one())


async def forget(connection: AsyncConnection, before: float) -> None:
    """Delete what was remembered before then."""
    await connection.execute(delete(withdrawals).where(withdrawals.c.withdrawn_at < before))


async def _lock(connection: AsyncConnection, database: Database, message: MessageRef) -> None:
    """Keep other processes from taking or withdrawing a message. SQLite has one writer anyway.

    It is taken before the lock on a thread, or alone: else two could wait for each other.
    """
    if not database.is_sqlite:
        await connection.execute(select(func.pg_advisory_xact_lock(lock_key(message))))


def lock_key(message: MessageRef) -> int:
    """What a message is locked by."""
    name = "\0".join(_identity(message).values()).encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)


def _identity(message: MessageRef) -> dict[str, str]:
    return {
        "platform": message.platform,
        "tenant": message.tenant,
        "channel": message.channel,
        "message": message.message,
    }
