"""Attached files as rows: written down with their turn, and forgotten with its texts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Attached
from core.store.erasures import RUNS_AT_ONCE, erase_later
from core.store.schema import attachments
from core.text import storable


async def insert_files(connection: AsyncConnection, turn: int, files: Sequence[Attached]) -> None:
    """Write down what is attached to the message of a new turn, in its order."""
    if files:
        await connection.execute(
            insert(attachments),
            [
                {
                    "turn_id": turn,
                    "position": position,
                    "name": storable(file.name),
                    "size": file.size,
                    "media_type": storable(file.media_type),
                    "ref": storable(file.ref),
                    "channel": file.channel,
                    "message": file.message,
                }
                for position, file in enumerate(files)
            ],
        )


async def forget_files(connection: AsyncConnection, which: Any) -> None:
    """Forget what was attached to some turns, and let engines delete what they have of it.

    `which` are their ids, or a query for them.
    """
    of_turns = attachments.c.turn_id.in_(which)
    uploaded = select(attachments.c.engine, attachments.c.upload)
    rows = await connection.execute(uploaded.where(of_turns, attachments.c.upload.is_not(None)))
    await erase_uploads(connection, rows.all())
    await connection.execute(delete(attachments).where(of_turns))


async def erase_uploads(connection: AsyncConnection, rows: Sequence[Row[Any, Any]]) -> None:
    """Write down that engines are to delete uploads; rows have an `engine` and an `upload`."""
    of_engine = defaultdict[str, list[str]](list)
    for row in rows:
        of_engine[row.engine or ""].append(row.upload)
    for engine, uploads in of_engine.items():
        for start in range(0, len(uploads), RUNS_AT_ONCE):
            batch = uploads[start : start + RUNS_AT_ONCE]
            await erase_later(connection, engine, None, uploads=batch)
