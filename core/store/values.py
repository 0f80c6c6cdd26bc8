"""Single strings that Docent remembers by name, such as the id of the vector store it made.

Claims are such strings, too: what is to be done by one process of many, and once in a while.
"""

from collections.abc import Callable

from sqlalchemy import Double, cast, delete, select

from core.store.database import Database
from core.store.schema import values

CLOCKS = 600.0  # seconds, at most, by which the clocks of two machines are taken to differ


class Values:
    """Remembered strings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> str | None:
        """The string last put under `name`, or None."""
        async with self._database.read() as connection:
            query = select(values.c.value).where(values.c.name == name)
            return (await connection.execute(query)).scalar_one_or_none()

    async def put(self, name: str, value: str) -> None:
        """Remember `value` under `name`, in place of what was there."""
        insert = self._database.insert(values).values(name=name, value=value)
        async with self._database.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=["name"], set_={"value": value})
            )

    async def once(self, name: str, make: Callable[[], str]) -> str:
        """The string under `name`; one that is made now where there is none, the same for all."""
        if (kept := await self.get(name)) is not None:
            return kept
        insert = self._database.insert(values).values(name=name, value=make())
        async with self._database.write() as connection:
            await connection.execute(insert.on_conflict_do_nothing())
        return await self.get(name) or ""

    async def forget(self, name: str) -> None:
        """Forget what is under `name`, if there is anything."""
        async with self._database.write() as connection:
            await connection.execute(delete(values).where(values.c.name == name))

    async def try_out(self) -> None:
        """Write a string and take it away again, in one transaction.

        Raises StoreError where the database lets itself be read, but not be changed.
        """
        row = {"name": "try_out", "value": ""}
        insert = self._database.insert(values).values(row)
        async with self._database.write() as connection:
            await connection.execute(insert.on_conflict_do_nothing())
            await connection.execute(delete(values).where(values.c.name == row["name"]))

    async def claim(self, name: str, now: float, seconds: float) -> bool:
        """Claim `name` for so many seconds; False where a process holds such a claim already.

        Of all processes that ask at the same time, one gets it. A claim outlives its process.
        """
        since = cast(values.c.value, Double)
        # One from the future was made by a clock that was wrong: it would hold for ages.
        is_free = (since <= now - seconds) | (since > now + CLOCKS)
        claimed = {"value": repr(now)}
        insert = self._database.insert(values).values(name=_claim(name), **claimed)
        upsert = insert.on_conflict_do_update(index_elements=["name"], set_=claimed, where=is_free)
        async with self._database.write() as connection:
            made = await connection.execute(upsert.returning(values.c.name))
            return made.scalar_one_or_none() is not None

    async def release(self, name: str) -> bool:
        """End a claim, whoever made it; whether there was one, which one of many callers hears."""
        async with self._database.write() as connection:
            ended = await connection.execute(delete(values).where(values.c.name == _claim(name)))
            return ended.rowcount > 0


def _claim(name: str) -> str:
    return f"claim:{name}"  # apart from the other strings, which are no times
