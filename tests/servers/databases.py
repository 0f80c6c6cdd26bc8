"""Postgres databases that tests leave for other tests: a new one takes many times as long."""

import functools
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

MOST_BYTES = 4 * 2**20  # of all tables: what was larger takes long to empty

_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
    SELECT array_agg(shape ORDER BY shape) FROM (
        SELECT format('%s %s %s', attrelid::regclass, attname, atttypid::regtype) AS shape
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
        UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s %s', tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
    ) AS shapes
"""
_BYTES = """
    SELECT sum(pg_relation_size(relid)) FROM pg_stat_user_tables WHERE relname <> 'schema_version'
"""
_TABLES = """
    SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_version'
"""
_NUMBERS = """
    SELECT setval(oid::regclass, 1, false) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
"""


def emptied(url: str, model: str) -> bool:
    """Take all rows out of a database; False where it is still not like its model.

    Whoever is still connected is cut off. `model`: the URL of a database that was migrated only.
    """
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(_OTHERS)
        if _one(database, _BYTES) > MOST_BYTES or _one(database, _SHAPE) != _shape(model):
            return False
        tables = [Identifier(name) for (name,) in database.execute(_TABLES)]
        deletions = [SQL("DELETE FROM {};").format(table) for table in tables]
        # In this role no foreign key is looked after: all their tables are emptied.
        database.execute(SQL("SET session_replication_role = replica;") + SQL("").join(deletions))
        # Otherwise later rows would be found in the order of the gaps that these have left.
        database.execute(SQL("VACUUM (TRUNCATE) {}").format(SQL(", ").join(tables)))
        database.execute(_NUMBERS)
        return bool(_one(database, _BYTES) == 0)


@functools.cache
def _shape(model: str) -> object:
    with psycopg.connect(model) as database:
        return _one(database, _SHAPE)


def _one(database: psycopg.Connection, query: str) -> Any:
    row = database.execute(query).fetchone()
    assert row is not None
    return row[0]
