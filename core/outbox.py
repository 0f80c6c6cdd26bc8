"""Outboxes: what is to be posted beside replies, tried until it is done, whoever dies meanwhile.

Beside the polling loop, and from the table: an entry is on record before anybody is told, and stays
there until all of it is done. What may have been posted is looked for before it is posted again.
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Generic, TypeVar

from core.clock import now
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformUnreachable,
    StoreError,
    TokenRefused,
)
from core.mishaps import log_mishap
from core.ports import Platform
from core.store import Store
from core.store.outboxes import Entries, Entry
from core.waiting import happens

EVERY: Final = 30.0  # seconds between two looks for entries that others left
CLAIM: Final = 90.0  # seconds for which an entry is one process's to send
TRY: Final = 40.0  # seconds to send it
GIVEN_UP: Final = 6 * 3_600.0  # seconds; nobody waits for it any more

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """What an outbox writes in a log."""

    log: logging.Logger
    unread: str  #: where the entries cannot be read
    set_back: str  #: where one could not be sent, and will be tried again
    unforeseen: str


@dataclass(kw_only=True, slots=True)
class Outbox(ABC, Generic[E]):
    """Sends the entries of one kind; how, and where they are kept, its heirs say."""

    store: Store
    platforms: Mapping[str, Platform]
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _lines: ClassVar[Lines]

    def look_soon(self) -> None:
        """Look for entries to send now."""
        self._woken.set()

    async def run(self) -> None:
        """Send entries as they come, until cancelled. What is not done then, others do."""
        while True:
            self._woken.clear()
            await self.flush()
            await happens(self._woken, within=EVERY)

    async def flush(self) -> None:
        """Try each entry that is due once. Never raises."""
        try:
            # A database that only this process works on has nobody else's entries.
            claim = CLAIM if self.store.leases.shared else 0.0
            due = await self._entries.claim(self.platforms, now(), claim)
            async with asyncio.TaskGroup() as tasks:
                for entry in due:
                    tasks.create_task(self._try(entry))
        except StoreError as error:
            self._lines.log.error("%s: %s", self._lines.unread, error)

    @property
    @abstractmethod
    def _entries(self) -> Entries[E]:
        """Where the entries are kept."""

    @abstractmethod
    async def _send(self, entry: E) -> None:
        """Do what is left of an entry, and put on record that it is done.

        Raises StoreError, PlatformError; and TimeoutError, as it has no more than `TRY` seconds.
        """

    async def _refused(self, entry: E, error: PlatformError) -> None:
        """Hear that a platform does not want an entry. Unless heirs know better, tries it again."""
        await self._set_back(entry, error)

    async def _try(self, entry: E) -> None:
        try:
            async with asyncio.timeout(TRY):
                if now() - entry.wanted_at > GIVEN_UP:
                    await self._entries.ended(entry)
                else:
                    await self._send(entry)
        except (PlatformBusy, PlatformUnreachable, TokenRefused, StoreError, TimeoutError) as error:
            await self._set_back(entry, error)
        except PlatformError as error:
            await self._refused(entry, error)
        except Exception as error:  # noqa: BLE001 (one entry must never end the process)
            log_mishap(self._lines.log, self._lines.unforeseen, error, **fields_of(entry))

    async def _set_back(self, entry: E, error: Exception) -> None:
        extra = {**fields_of(entry), "error": type(error).__name__}
        self._lines.log.warning(self._lines.set_back, extra=extra)
        with contextlib.suppress(StoreError):
            await self._entries.set_back(entry)


def fields_of(entry: Entry) -> dict[str, object]:
    """What a line in the log says of an entry."""
    return {"turn": entry.turn.id, "platform": entry.turn.thread.platform}
