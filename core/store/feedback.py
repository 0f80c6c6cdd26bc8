"""What people think of replies: one verdict of each person, which may change."""

from typing import Any, Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import TurnId
from core.store.database import Database
from core.store.rows import HAS_TEXTS
from core.store.schema import feedback, turns
from core.text import storable

Verdict = Literal["helpful", "unhelpful"]


class Feedback:
    """Verdicts on turns. Who asked, what, and what was answered is in the turn."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def judge(self, turn: TurnId, person: str, verdict: Verdict, at: float) -> None:
        """Let this be what a person thinks of a reply from now on.

        A repeat changes nothing; a reason stays with its verdict, and goes when that changes.
        """
        row = {"turn_id": turn, "person": person, "verdict": verdict, "reason": "", "at": at}
        insert = self._database.insert(feedback).values(row)
        changes = {name: row[name] for name in ("verdict", "reason", "at")}
        upsert = insert.on_conflict_do_update(
            index_elements=["turn_id", "person"],
            set_=changes,
            where=feedback.c.verdict != verdict,
        )
        async with self._database.write() as connection:
            await connection.execute(upsert)

    async def explain(self, turn: TurnId, person: str, reason: str, at: float) -> None:
        """Keep why the reply did not help a person, in the person's words; the latest counts.

        The verdict is that it did not, whatever it was before.
        """
        # Texts that were forgotten do not come back by what somebody had still open.
        forgotten = select(turns.c.id).where(turns.c.id == turn, ~HAS_TEXTS)
        changes = {"verdict": "unhelpful", "reason": storable(reason), "at": at}
        row = {"turn_id": turn, "person": person, **changes}
        insert = self._database.insert(feedback).values(row)
        upsert = insert.on_conflict_do_update(index_elements=["turn_id", "person"], set_=changes)
        async with self._database.write() as connection:
            if (await connection.execute(forgotten)).first() is None:
                await connection.execute(upsert)

    async def of(self, turn: TurnId) -> dict[str, tuple[str, str]]:
        """The verdict and the reason of each person on a turn."""
        query = select(feedback).where(feedback.c.turn_id == turn).order_by(feedback.c.at)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return {row.person: (row.verdict, row.reason) for row in rows}


async def forget_reasons(connection: AsyncConnection, ids: list[int]) -> None:
    """Delete what people wrote about these turns; their verdicts stay."""
    which = feedback.c.turn_id.in_(ids)
    await connection.execute(update(feedback).where(which).values(reason=""))


async def count_of_person(connection: AsyncConnection, platform: str, user: str) -> int:
    """How many verdicts there are of a person."""
    count = select(func.count()).select_from(feedback).where(_by(platform, user))
    return int((await connection.execute(count)).scalar_one())


async def forget_person(connection: AsyncConnection, platform: str, user: str) -> None:
    """Delete every verdict of a person."""
    await connection.execute(delete(feedback).where(_by(platform, user)))


def _by(platform: str, user: str) -> Any:
    """The verdicts of a person, in all workspaces of a platform."""
    there = select(turns.c.id).where(turns.c.platform == platform)
    return (feedback.c.person == user) & feedback.c.turn_id.in_(there)
