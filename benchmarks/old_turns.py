"""A store that has been in use for two years, and what the plans of its statements say."""

import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import text

from core.store import Store

DAY: Final = 86_400.0  # seconds
YEARS: Final = 2 * 365 * DAY
LARGE: Final = ("turns", "threads", "parts")  # tables that grow with what is asked
PER_THREAD: Final = 5
PEOPLE, CHANNELS = 10_000, 200


async def add_old_turns(store: Store, count: int) -> None:
    """Put so many turns there, answered and delivered, evenly over the last two years."""
    sqlite = store._database.is_sqlite
    async with store._database.write() as connection:
        for statement in _statements(count, sqlite=sqlite):
            await connection.execute(text(statement))
    if not sqlite:  # where it has statistics by itself, sooner or later
        async with store._database.write() as connection:
            await connection.execute(text("ANALYZE"))


def _statements(count: int, *, sqlite: bool) -> tuple[str, ...]:
    since, second = time.time() - YEARS, (YEARS - DAY) / count
    json = "" if sqlite else "::json"
    numbers = f"WITH s AS (SELECT generate_series(1, {count}) AS n) "
    if sqlite:
        numbers = (
            f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) "
        )
    return (
        "INSERT INTO threads (platform, tenant, key, engine, conversation, created_at, called_at) "
        f"{numbers} SELECT 'slack', 'T1', 'C1:old' || n, 'openai', 'conv_old' || n, {since}, "
        f"{since} FROM s WHERE n % {PER_THREAD} = 0",
        "INSERT INTO turns (thread_id, platform, tenant, channel, message, author, question, "
        "unread, state, asked_at, started_at, attempt, run, outcome, answer, citations, "
        f"finished_at) {numbers} SELECT (n - 1) / {PER_THREAD} + 1, 'slack', 'T1', "
        f"'C' || ((n - 1) / {PER_THREAD} % {CHANNELS}), 'old' || n, 'U' || (n % {PEOPLE}), "
        f"'How do I renew a token that has expired?', '[]'{json}, 'delivered', "
        f"{since} + n * {second}, {since} + n * {second} + 1, 1, 'resp_old' || n, 'answered', "
        "'Set the token in the environment and start again.', "
        """'[{"url"\\: "https://docs.example.com/p", "title"\\: "P"}]'"""
        f"{json}, {since} + n * {second} + 8 FROM s",
        "INSERT INTO parts (turn_id, part, text, message, posted) SELECT id, 0, answer, "
        "'r' || id, 1 FROM turns WHERE message LIKE 'old%'",
    )


async def plans_that_read_all(store: Store, sent: Mapping[tuple[str, str], Any]) -> list[str]:
    """Which statements, given by step and SQL with parameters, read a whole large table."""
    found = []
    explain = "EXPLAIN QUERY PLAN" if store._database.is_sqlite else "EXPLAIN"
    async with store._database.read() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        for (step, sql), parameters in sent.items():
            cursor = await raw.execute(f"{explain} {sql}", parameters)
            lines = [str(row[-1]).strip() for row in await cursor.fetchall()]
            if sql.startswith(
                "INSERT"
            ):  # SQLite names checks of foreign keys that only deletions need
                lines = [line for line in lines if not line.startswith("SCAN ")]
            found += [
                f"{step}: {line}" for line in lines if any(_reads_all(line, t) for t in LARGE)
            ]
    return found


def _reads_all(line: str, table: str) -> bool:
    if f"Seq Scan on {table} " in line:
        return True
    # This index has the open turns only.
    return line.split(" USING ")[0] == f"SCAN {table}" and "turns_open" not in line
