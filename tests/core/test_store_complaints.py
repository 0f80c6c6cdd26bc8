"""What is wrong with a SQLite file, or a lock beside it, is told with its path and a remedy."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import StoreError
from core.store import Store, migrate_database
from core.store.database_errors import in_words
from core.store.locks import lock_file


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which a relative DATABASE_URL counts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def complaint_of(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        await Store.open(url)
    return str(caught.value)


async def test_a_file_that_cannot_be_opened_is_named_in_full_with_what_to_do(place: Path) -> None:
    (place / "docent.db").mkdir()
    said = await complaint_of("sqlite:///docent.db")
    assert f"The database {place / 'docent.db'} cannot be used: " in said
    assert "unable to open database file: see that its folder is there, and give the user" in said


async def test_a_file_that_is_no_database_is_named_in_full_with_what_to_do(place: Path) -> None:
    (place / "notes.txt").write_text("No database.\n" * 100)
    with pytest.raises(StoreError) as caught:
        await migrate_database("sqlite:///notes.txt")
    said = str(caught.value)
    assert said == await complaint_of("sqlite:///notes.txt")
    assert f"The database {place / 'notes.txt'} cannot be used: " in said
    assert "file is not a database: name a SQLite file in DATABASE_URL" in said


def test_a_file_that_is_read_only_is_named_in_full_with_what_to_do(place: Path) -> None:
    file = place / "docent.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (x)")
    # Root may write everything: so SQLite is told that it must not.
    with (
        closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        connection.execute("INSERT INTO t VALUES (1)")
    assert in_words(caught.value, "docent.db") == (
        f"The database {file} cannot be used: OperationalError: attempt to write a readonly "
        "database: give the user that runs Docent the right to write the file and its folder."
    )


def test_what_no_operator_can_mend_has_no_remedy() -> None:
    said = in_words(ValueError("no\nquoted row"), None)
    assert said == "The database cannot be used: ValueError: no"


# --- where there is none --------------------------------------------------------------------------


async def test_a_database_that_has_to_be_there_is_not_made(place: Path) -> None:
    with pytest.raises(StoreError, match=r"There is no database at .*: \.env is read") as caught:
        await Store.open("sqlite:///data/docent.db", must_exist=True)
    assert str(place / "data" / "docent.db") in str(caught.value)
    assert not Path("data").exists()  # noqa: ASYNC240 (nothing else goes on)


async def test_a_database_that_is_there_is_opened(place: Path) -> None:
    await migrate_database("sqlite:///data/docent.db")
    async with await Store.open("sqlite:///data/docent.db", must_exist=True) as store:
        assert await store.documents.count() == 0


# --- locks ----------------------------------------------------------------------------------------


def test_an_error_of_the_block_is_not_blamed_on_the_lock(place: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"), lock_file(place / "x.lock"):
        raise OSError(28, "No space left on device")


def test_a_lock_that_is_held_is_not_had_and_its_block_is_not_blamed_on_it(place: Path) -> None:
    with lock_file(place / "x.lock") as first, lock_file(place / "x.lock") as second:
        assert (first, second) == (True, False)
    with lock_file(place / "x.lock") as again:
        assert again


def test_a_lock_that_cannot_be_taken_is_named_in_full_with_what_to_do(place: Path) -> None:
    (place / "x.lock").mkdir()
    with pytest.raises(StoreError) as caught, lock_file(Path("x.lock")):
        pass
    said = f"{place / 'x.lock'} cannot be locked: Is a directory. Give the user"
    assert str(caught.value).startswith(said)
