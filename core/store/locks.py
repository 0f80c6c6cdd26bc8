"""Locks that end with the process that holds them, however it ends.

On SQLite a lock is one on a file beside the database; on Postgres an advisory lock, which lives as
long as the connection that took it.
"""

import asyncio
import fcntl
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from core.errors import StoreError
from core.store.database import Database

UNLOCK_SECONDS = 3.0  # for a server that hangs; a busy one takes a while, too


@asynccontextmanager
async def exclusive(database: Database, name: str) -> AsyncIterator[bool]:
    """Hold the lock `name` while the block lasts; False where another process holds it.

    Raises StoreError where it cannot be asked for.
    """
    if database.file is not None:
        with lock_file(Path(f"{database.file}.{name}.lock")) as held:
            yield held
        return
    async with database.read(apart=True) as connection:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        held = (await connection.execute(select(func.pg_try_advisory_lock(key)))).scalar_one()
        # Without its transaction: one that stays open for long keeps Postgres from tidying up.
        await connection.commit()
        try:
            yield bool(held)
        finally:
            # The lock goes with the connection, but when the server notices: that is too late for
            # whoever asks next, such as a refresh that was confirmed.
            if held:
                with suppress(SQLAlchemyError, TimeoutError):
                    async with asyncio.timeout(UNLOCK_SECONDS):
                        await connection.execute(select(func.pg_advisory_unlock(key)))
            await connection.invalidate()


@contextmanager
def lock_file(path: Path) -> Iterator[bool]:
    """Hold a lock on a file while the block lasts; False where another process holds it.

    Raises StoreError where the file cannot be locked; what the block raises goes through.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("a", encoding="utf-8"))
            held = _lock(file)
        except OSError as error:
            raise StoreError(
                f"{path.absolute()} cannot be locked: {error.strerror}. Give the user that runs "
                "Docent the right to write in that folder, and make room on its disk."
            ) from error
        yield held


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
