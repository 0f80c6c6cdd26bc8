"""One refresh at a time, of all processes; and who asks meanwhile sees whose it is and how far."""

import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from core.documents import OnProgress, RefreshProgress, RefreshUnderWay
from core.errors import RefreshBusy, StoreError
from core.store import Store

log = logging.getLogger(__name__)

UNDER_WAY = "refresh_under_way"  # the name under which the store keeps it
WRITE_EVERY = 1.0  # seconds, at least, from one note of the progress to the next


@asynccontextmanager
async def alone(
    store: Store,
    by: str,
    on_progress: OnProgress,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[OnProgress]:
    """Hold the refresh, while the block lasts; what is told inside is passed on, and noted.

    Raises RefreshBusy, with whose refresh is under way, where another process holds it.
    """
    async with store.exclusive("refresh") as held:
        if not held:
            raise RefreshBusy(await look(store))
        note = _Note(store, by, on_progress, clock)
        await note.write()
        try:
            yield note.tell
        finally:
            await note.erase()


async def look(store: Store) -> RefreshUnderWay | None:
    """What is noted of the refresh under way; one that was killed leaves its note behind."""
    try:
        kept = json.loads(await store.values.get(UNDER_WAY) or "null")
        progress = kept["progress"] and RefreshProgress(**kept["progress"])
        return RefreshUnderWay(by=kept["by"], since=kept["since"], progress=progress)
    except (KeyError, TypeError, ValueError):
        return None  # none, or as another version of Docent writes it


class _Note:
    """What the store says of the refresh that this process holds."""

    def __init__(
        self, store: Store, by: str, on_progress: OnProgress, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_progress = on_progress
        self._kept: dict[str, object] = {"by": by, "since": time.time(), "progress": None}
        self._written_at = 0.0

    async def tell(self, progress: RefreshProgress) -> None:
        """Pass progress on, and note it, if the last note is old enough."""
        if self._clock() - self._written_at >= WRITE_EVERY:
            self._kept["progress"] = {
                name: getattr(progress, name) for name in ("phase", "done", "total", "what")
            }
            await self.write()
        await self._on_progress(progress)

    async def write(self) -> None:
        self._written_at = self._clock()
        try:
            await self._store.values.put(UNDER_WAY, json.dumps(self._kept))
        except StoreError as error:
            log.warning("How far the refresh is could not be noted: %s", error)

    async def erase(self) -> None:
        try:
            await self._store.values.forget(UNDER_WAY)
        except StoreError as error:
            log.warning("The note of the refresh could not be erased: %s", error)
