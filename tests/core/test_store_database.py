"""Opening a database that cannot be opened, and giving back what was opened, come what may."""

import asyncio
import socket
import sqlite3
import traceback
from collections.abc import Collection, Coroutine, Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import StoreError
from core.store import Store
from core.store.database import Database, open_database
from servers.docent_rig import DocentProcess

SHORTEST_TIMEOUT = 2  # seconds; psycopg takes a shorter one for this


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that lets everybody connect, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def url_of(server: socket.socket) -> str:
    return f"postgres://alice:geheim@127.0.0.1:{server.getsockname()[1]}/docent"


@pytest.mark.parametrize(
    "url", ["postgres://u:a@b:geheim/x@h/db", "postgres://u:p@h:geheim/db", "sqlite://geheim/x.db"]
)
def test_a_url_that_cannot_be_read_is_not_shown_even_in_a_traceback(url: str) -> None:
    with pytest.raises(StoreError, match="percent-encoded") as caught:
        open_database(url)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("parent", ["a-file", "a-file/below"])
def test_a_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path, parent: str) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(StoreError, match=r"a-file.*: (File exists|Not a directory)\. Correct"):
        open_database(f"sqlite:///{tmp_path / parent / 'docent.db'}")


async def test_a_postgres_that_refuses_is_named_without_the_password(silent: socket.socket) -> None:
    url = url_of(silent)
    silent.close()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1.*refused") as caught:
        await Store.open(url)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))
    assert "alice" not in str(caught.value)


async def test_a_postgres_that_never_answers_is_given_up_in_bounded_time(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.database.CONNECT_TIMEOUT", SHORTEST_TIMEOUT)
    async with asyncio.timeout(SHORTEST_TIMEOUT + 5):
        with pytest.raises(StoreError, match="timeout"):
            await Store.open(url_of(silent))


async def test_the_url_may_name_a_timeout_of_its_own(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.database.CONNECT_TIMEOUT", 60)
    async with asyncio.timeout(SHORTEST_TIMEOUT + 5):
        with pytest.raises(StoreError, match="timeout"):
            await Store.open(f"{url_of(silent)}?connect_timeout={SHORTEST_TIMEOUT}")


async def test_sigterm_while_the_database_does_not_answer_ends_docent_run_with_0(
    silent: socket.socket, tmp_path: Path
) -> None:
    # Longer than this test waits: it is the signal that ends it.
    values = {"DISCORD_TOKEN": "t", "DATABASE_URL": f"{url_of(silent)}?connect_timeout=60"}
    process = await DocentProcess.start(tmp_path, values, "run")
    async with asyncio.timeout(30):
        connection, _ = await asyncio.get_running_loop().sock_accept(silent)
    with connection:
        process.terminate()
        code, _, errors = await process.end(seconds=20)
    assert code == 0, errors
    assert "geheim" not in errors


# --- giving connections back ----------------------------------------------------------------------


class Interrupted:
    """Awaits a coroutine, and cancels the task that does so at chosen ones of its waits."""

    def __init__(self, work: Coroutine[Any, Any, None], at: Collection[int]) -> None:
        self._work = work
        self._at = at
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, None]:
        resume, given = self._work.send, None
        while True:
            try:
                awaited = resume(given)
            except StopIteration:
                return
            self.waits += 1
            if self.waits in self._at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                given = yield awaited
                resume = self._work.send
            except BaseException as error:  # noqa: BLE001 (it is raised where it belongs)
                resume, given = self._work.throw, error


async def change(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO letters VALUES ('x')"))


async def interrupted(database: Database, at: Collection[int]) -> int:
    """Change something while being cancelled at these waits; how many there were."""
    work = Interrupted(change(database), at)

    async def wait() -> None:
        await work

    async with asyncio.timeout(60):
        with suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as tasks:
                await tasks.create_task(wait())
    return work.waits


def can_write(file: Path) -> bool:
    """Whether somebody else can write now, without waiting for anybody."""
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


@pytest.mark.parametrize("times", [1, 2, 3, 4])
async def test_whoever_is_cancelled_while_writing_however_often_leaves_no_lock_on_the_database(
    tmp_path: Path, times: int
) -> None:
    file = tmp_path / "docent.db"
    database = open_database(f"sqlite:///{file}")
    try:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE letters (letter TEXT)"))
        waits = await interrupted(database, ())
        assert waits >= 3  # for the statement, for its commit, and for giving back
        for first in range(1, waits + 1):
            await interrupted(database, range(first, first + times))
            assert can_write(file), f"locked after a cancellation at wait {first} of {waits}"
        await change(database)
    finally:
        await database.close()


async def test_a_statement_goes_to_the_thread_of_sqlite_once(tmp_path: Path) -> None:
    # There and back costs more than most statements: a cursor, its rows and its end go along.
    database = open_database(f"sqlite:///{tmp_path / 'docent.db'}")
    waits = []

    async def change_often(times: int) -> None:
        async with database.write() as connection:
            for _ in range(times):
                await connection.execute(text("INSERT INTO letters VALUES ('x') RETURNING letter"))

    async def look() -> None:
        async with database.read() as connection:
            await connection.execute(text("SELECT letter FROM letters"))

    async def count(work: Coroutine[Any, Any, None]) -> None:
        counted = Interrupted(work, ())
        await counted
        waits.append(counted.waits)

    try:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE letters (letter TEXT)"))
        await change_often(1)  # connected, and compiled
        for work in (change_often(1), change_often(2), look()):
            await asyncio.ensure_future(count(work))  # noqa: TID251 (it is waited for)
        assert waits[1] - waits[0] == 1
        assert waits[2] == waits[0] - 1  # no commit, and nobody waits for the end of a look
    finally:
        await database.close()


async def test_an_idle_connection_that_postgres_has_ended_is_replaced_unnoticed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.database.TRY_AFTER", 0.0)  # each is idle for long enough
    database, other = open_database(postgres_url), open_database(postgres_url)
    ours = text("SELECT pg_backend_pid()")
    try:
        async with database.read() as connection:
            before = (await connection.execute(ours)).scalar_one()
        async with other.write() as connection:
            ended = text("SELECT pg_terminate_backend(:pid, 10000)").bindparams(pid=before)
            assert (await connection.execute(ended)).scalar_one()
        async with database.read() as connection:
            assert (await connection.execute(ours)).scalar_one() != before
    finally:
        await database.close()
        await other.close()
