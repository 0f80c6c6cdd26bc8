"""Secrets by which private replies are posted: kept until the reply is, or until they expire."""

from typing import Any

from sqlalchemy import and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import now
from core.domain import MessageRef
from core.store.database import Database
from core.store.rows import is_message
from core.store.schema import reply_tokens
from core.tokens import ReplyToken


class ReplyTokens:
    """Such secrets, by the question that is replied to; see `core.tokens.Tokens`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, question: MessageRef, person: str, token: ReplyToken) -> None:
        """Keep a secret; those that have expired are erased."""
        row = {
            "platform": question.platform,
            "tenant": question.tenant,
            "channel": question.channel,
            "message": question.message,
            "person": person,
            "token": token.token,
            "expires_at": token.expires_at,
        }
        async with self._database.write() as connection:
            await connection.execute(_expired())
            insert = self._database.insert(reply_tokens).values(row)
            await connection.execute(insert.on_conflict_do_nothing())

    async def get(self, question: MessageRef) -> ReplyToken | None:
        """The secret for a question, unless it has expired."""
        query = select(reply_tokens).where(
            is_message(reply_tokens, question), reply_tokens.c.expires_at > now()
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return ReplyToken(token=row.token, expires_at=row.expires_at) if row else None

    async def erase(self, question: MessageRef) -> None:
        """Erase the secret for a question that has its reply, or gets none."""
        async with self._database.write() as connection:
            await connection.execute(delete(reply_tokens).where(is_message(reply_tokens, question)))

    async def erase_expired(self) -> None:
        """Erase what is of no use any more."""
        async with self._database.write() as connection:
            await connection.execute(_expired())


async def forget_person(connection: AsyncConnection, platform: str, user: str) -> None:
    """Erase the secrets for the questions of a person."""
    theirs = and_(reply_tokens.c.platform == platform, reply_tokens.c.person == user)
    await connection.execute(delete(reply_tokens).where(theirs))


def _expired() -> Any:
    return delete(reply_tokens).where(reply_tokens.c.expires_at <= now())
