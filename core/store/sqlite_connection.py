"""Connections to SQLite that survive being cancelled, at any moment and however often.

An operation that is under way in the thread of a connection cannot be called back. Whoever is
cancelled meanwhile waits for its end: else the connection would be dropped in the middle of a
transaction, which locks the database for everybody, or while it closes, which never ends then.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")


class Closing:
    """The connections of one database that are being closed."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Future[Any]] = set()

    def connect(self, file: str, **how: Any) -> aiosqlite.Connection:
        """Prepare a connection, for the driver to open; `how` as `sqlite3.connect` takes it."""
        return _Connection(partial(sqlite3.connect, file, **how), self._begun)

    async def done(self) -> None:
        """Wait until they are closed."""
        if self._under_way:
            await asyncio.wait(list(self._under_way))

    def _begun(self, closing: asyncio.Future[Any]) -> None:
        self._under_way.add(closing)
        closing.add_done_callback(self._under_way.discard)


class _Connection(aiosqlite.Connection):
    def __init__(
        self,
        connector: Callable[[], sqlite3.Connection],
        on_closing: Callable[[asyncio.Future[Any]], None],
    ) -> None:
        super().__init__(connector, 64)
        self._thread.daemon = True  # as the driver would make it
        self._on_closing = on_closing
        self._closing: asyncio.Future[Any] | None = None

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        # As its base has it, but for the waiting: this is passed for every step of a statement.
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        doing: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((doing, partial(fn, *args, **kwargs)))
        return await _finished(doing)

    def stop(self) -> asyncio.Future[Any] | None:
        """Close, once: to a second time, for which somebody waits, the thread would never come."""
        if self._closing is None:
            self._closing = super().stop()
            if self._closing is not None:
                self._on_closing(self._closing)
        return self._closing

    async def close(self) -> None:
        """Close, and wait for it. A second call waits for the first."""
        closing = self.stop()
        if closing is not None:
            await _finished(closing)


async def surely(work: Coroutine[Any, Any, T]) -> T:
    """Do the work to its end, whoever cancels it meanwhile, and however often."""
    return await _finished(asyncio.ensure_future(work))  # noqa: TID251 (it is waited for, surely)


async def _finished(doing: asyncio.Future[T]) -> T:
    """Wait for the end; whoever is cancelled meanwhile hears of it then."""
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([doing])
        if not doing.cancelled():
            doing.exception()  # else it is logged as one that nobody has seen
        raise
