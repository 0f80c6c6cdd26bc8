"""What a database complains of, in a sentence that says where, and what to do about it."""

import sqlite3
from pathlib import Path

_HELD = "another program holds it; end that, if this lasts"
_RIGHTS = "give the user that runs Docent the right to write the file and its folder"
#: By SQLite's primary codes. Others, such as a constraint that failed, are no operator's to mend.
_REMEDIES = {
    sqlite3.SQLITE_CANTOPEN: f"see that its folder is there, and {_RIGHTS}",
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_NOTADB: "name a SQLite file in DATABASE_URL, or restore a backup",
    sqlite3.SQLITE_CORRUPT: "stop Docent, and restore a backup",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_IOERR: "see to its disk: the room on it, and whether it works",
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
}


def in_words(error: BaseException | None, file: str | None) -> str:
    """Say what is wrong with the database; `file` is where SQLite keeps it, None for Postgres.

    Only the first line of what the driver says is told: the others may quote rows.
    """
    where = f" {Path(file).absolute()}" if file else ""
    first_line = str(error).partition("\n")[0]
    said = f"The database{where} cannot be used: {type(error).__name__}: {first_line}"
    remedy = _REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return f"{said}: {remedy}." if remedy else said
