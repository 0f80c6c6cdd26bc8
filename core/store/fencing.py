"""Nobody but the holder of a thread changes its turns, and the thread does not change hands
meanwhile: as a step of a transaction, or as a condition of the statement that changes something.
"""

from typing import Any

from sqlalchemy import BigInteger, Row, bindparam, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Turn
from core.errors import NotOurs
from core.store.leases import Leases
from core.store.schema import threads
from core.store.turns import lock_thread

OF_THREAD = bindparam("of_thread", type_=BigInteger)
#: Whether the thread is ours, and stays so, in the statement that changes the turn. The lock may be
#: waited for within that statement. Its other conditions hold nevertheless: what it says of the row
#: that it changes, or locks, is judged again, where somebody has changed that meanwhile.
_IS_HELD = exists(
    select(threads.c.id)
    .where(threads.c.id == OF_THREAD, threads.c.holder == bindparam("us"))
    .with_for_update(key_share=True)
    .cte("held")
    .select()
)
_LOCKING = lock_thread(OF_THREAD).add_columns(threads.c.engine, threads.c.conversation)


def held(statement: Any, shared: bool) -> Any:
    """A statement with the condition that the thread is ours, where others could have it.

    It is executed with what `held_by` gives.
    """
    return statement.where(_IS_HELD) if shared else statement


def held_by(leases: Leases, turn: Turn) -> dict[str, Any]:
    """The parameters of `held`."""
    return {"of_thread": turn.thread_id, "us": leases.process} if leases.shared else {}


async def fence(connection: AsyncConnection, leases: Leases, turn: Turn) -> None:
    """Let nobody but the holder of the thread go on, nor the thread change hands meanwhile.

    Raises NotOurs where another process has it.
    """
    if leases.shared:
        await lock_held(connection, leases, turn)


async def lock_held(connection: AsyncConnection, leases: Leases, turn: Turn) -> Row[Any]:
    """The engine and conversation of a thread that is ours, and stays so meanwhile.

    Raises NotOurs where another process has it.
    """
    row = (await connection.execute(_LOCKING, {"of_thread": turn.thread_id})).one()
    if leases.shared and row.holder != leases.process:
        raise NotOurs
    return row
