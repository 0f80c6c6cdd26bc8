"""From an empty database, or one of an earlier Docent, to the newest schema, step by step.

Each step runs in one transaction together with the version it leads to. The steps are in
`migrations_001.py` and `migrations_010.py`.
"""

from sqlalchemy import inspect, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import StoreBehind, StoreTooNew
from core.store import migrations_001, migrations_010
from core.store.database import Database
from core.store.schema import schema_version

MIGRATIONS = (*migrations_001.STEPS, *migrations_010.STEPS)

# Two processes that start at once must not both migrate: Postgres has no lock of its own for DDL
# that does not exist yet. The number is arbitrary, and the same in every version of Docent.
MIGRATION_LOCK = 7_038_213


async def migrate(database: Database) -> tuple[int, int]:
    """Apply what is missing; the versions before and after. A repeat does nothing.

    Raises StoreTooNew where the database is newer than this code, StoreError where a step fails,
    which then leaves no trace.
    """
    before = await current_version(database)
    _refuse_newer(before)
    for version in range(before + 1, len(MIGRATIONS) + 1):
        async with database.write() as connection:
            if not database.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            if await _version(connection) < version:  # another process may have been faster
                await MIGRATIONS[version - 1](connection, database.is_sqlite)
                await connection.execute(update(schema_version).values(version=version))
    return before, len(MIGRATIONS)


async def check_version(database: Database) -> None:
    """Raise StoreTooNew or StoreBehind unless the database is at the version of this code."""
    version = await current_version(database)
    _refuse_newer(version)
    if version < len(MIGRATIONS):
        raise StoreBehind()


async def current_version(database: Database) -> int:
    """The version of the database; 0 for an empty one."""
    async with database.read() as connection:
        return await _version(connection)


async def _version(connection: AsyncConnection) -> int:
    tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if schema_version.name not in tables:
        return 0
    return int((await connection.execute(select(schema_version.c.version))).scalar_one())


def _refuse_newer(version: int) -> None:
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"The database has version {version}, this Docent knows {len(MIGRATIONS)}: "
            "run the newer Docent, or use another database."
        )
