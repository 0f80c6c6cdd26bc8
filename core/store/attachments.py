"""Files that are attached to questions: where they are, and what an engine has of them.

Their content is never kept here. What cannot be read is said in the reply, so it is among the
`unread` of its turn as soon as it is known.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Attached, MessageId, Turn, TurnId
from core.ports import FileKind
from core.store.attached_rows import erase_uploads
from core.store.database import Database
from core.store.erasures import erase_later
from core.store.fencing import fence
from core.store.leases import Leases
from core.store.schema import attachments, turns
from core.text import storable

AT_ONCE = 500  # uploads that are let go of in one transaction
_NO_UPLOAD: dict[str, Any] = {"upload": None, "uploaded_at": None}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptFile:
    """A file that is attached to a question, as it is on record."""

    turn: TurnId  #: the turn of its message
    position: int  #: among the files of that message
    file: Attached
    problem: str | None  #: why it cannot be read
    kind: FileKind | None  #: of what was uploaded
    engine: str | None  #: that has the upload
    upload: str | None
    uploaded_at: float | None


class Attachments:
    """Attached files by turn. Changes raise NotOurs where another process has the thread."""

    def __init__(self, database: Database, leases: Leases) -> None:
        self._database = database
        self._leases = leases

    async def of(self, turn: Turn) -> list[KeptFile]:
        """The files of a turn and of those that are answered together with it, in their order."""
        together = select(turns.c.id).where(or_(turns.c.id == turn.id, turns.c.leader == turn.id))
        query = select(attachments).where(attachments.c.turn_id.in_(together))
        query = query.order_by(attachments.c.turn_id, attachments.c.position)
        async with self._database.read() as connection:
            return [_kept(row) for row in await connection.execute(query)]

    async def uploaded(
        self, turn: Turn, kept: KeptFile, kind: FileKind, engine: str, upload: str
    ) -> None:
        """Remember what an engine has of a file; what one had of it before is to be deleted.

        Where the file was forgotten meanwhile, so is this.
        """
        values = {"kind": kind, "engine": engine, "upload": upload, "uploaded_at": time.time()}
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            await erase_uploads(connection, await _uploads(connection, _is(kept)))
            changed = await connection.execute(update(attachments).where(_is(kept)).values(values))
            if changed.rowcount == 0:
                await erase_later(connection, engine, None, uploads=[upload])

    async def unreadable(self, turn: Turn, kept: KeptFile, problem: str) -> str | None:
        """Remember that a file cannot be read, and why; returns what the reply is to say of it.

        What an engine has of it is to be deleted. A repeat changes nothing and returns None.
        """
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            await erase_uploads(connection, await _uploads(connection, _is(kept)))
            is_news = and_(_is(kept), attachments.c.problem.is_(None))
            values = {"problem": storable(problem), **_NO_UPLOAD}
            noted = await connection.execute(update(attachments).where(is_news).values(values))
            if noted.rowcount == 0:
                return None
            said = storable(f"{kept.file.name} ({problem})")
            of_turn = turns.c.id == kept.turn
            unread = (await connection.execute(select(turns.c.unread).where(of_turn))).scalar_one()
            grown = update(turns).where(of_turn).values(unread=[*unread, said])
            await connection.execute(grown)
            return said

    async def forget_upload(self, turn: Turn, kept: KeptFile) -> None:
        """Forget what an engine had of a file: it has it no more."""
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            await connection.execute(update(attachments).where(_is(kept)).values(_NO_UPLOAD))

    async def let_go_of_old(self, before: float) -> int:
        """Let engines delete what was uploaded before then; how many files they were.

        Most have done so by themselves: this is for those that do not.
        """
        is_old = attachments.c.uploaded_at < before
        query = select(attachments.c.engine, attachments.c.upload).where(is_old).limit(AT_ONCE)
        gone = 0
        while True:
            async with self._database.write() as connection:
                rows = (await connection.execute(query)).all()
                if rows:
                    await erase_uploads(connection, rows)
                    these = attachments.c.upload.in_([row.upload for row in rows])
                    await connection.execute(
                        update(attachments).where(these, is_old).values(_NO_UPLOAD)
                    )
            gone += len(rows)
            if len(rows) < AT_ONCE:
                return gone


async def _uploads(connection: AsyncConnection, which: Any) -> Sequence[Row[Any, Any]]:
    query = select(attachments.c.engine, attachments.c.upload).where(which)
    return (await connection.execute(query.where(attachments.c.upload.is_not(None)))).all()


def _is(kept: KeptFile) -> Any:
    return and_(attachments.c.turn_id == kept.turn, attachments.c.position == kept.position)


def _kept(row: Row[Any]) -> KeptFile:
    return KeptFile(
        turn=TurnId(row.turn_id),
        position=row.position,
        file=Attached(
            name=row.name,
            size=row.size,
            media_type=row.media_type,
            ref=row.ref,
            channel=row.channel,
            message=MessageId(row.message),
        ),
        problem=row.problem,
        kind=row.kind,
        engine=row.engine,
        upload=row.upload,
        uploaded_at=row.uploaded_at,
    )
