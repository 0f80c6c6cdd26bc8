"""Opening a database that cannot be opened: what is said, how soon, and what is kept secret."""

import asyncio
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import StoreError
from core.store import Store
from core.store.database import open_database
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
