"""Single strings that Docent remembers by name, such as the id of the vector store it made."""

from sqlalchemy import select

from core.store.database import Database
from core.store.schema import values


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
