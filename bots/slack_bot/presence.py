"""Whether Slack's events reach us, and what follows from it: core hears when all came, and what
may have been missed is looked for.

How it is looked for is the matter of `missed`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bots.slack_bot.errors import within
from bots.slack_bot.events import PLATFORM
from core.domain import Absence, ThreadRef
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.reception import Reception

log = logging.getLogger(__name__)

HEARD_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 300.0  #: between two attempts to find what was missed
ATTEMPTS: Final = 15  #: about an hour
THREAD_SECONDS: Final = 2.0  #: for one thread: Slack waits 3 s for what is said there to be taken

#: Looks for what was missed; whether all of it could be read. Raises PlatformError and StoreError.
Search = Callable[[Absence], Awaitable[bool]]
#: Does so in one thread, within so many seconds. Raises the same.
SearchThread = Callable[[Absence, ThreadRef, float], Awaitable[bool]]


class Presence:
    """Told by the connection how it is, by the intake what failed; the rest is done by `follow`."""

    def __init__(self, reception: Reception, search: Search, search_thread: SearchThread) -> None:
        self._reception = reception
        self._search = search
        self._search_thread = search_thread
        self._alive: Callable[[], bool] = lambda: False
        self._connected = asyncio.Event()
        self._changed = asyncio.Event()
        self._gap = True  #: something may have been missed since core heard that all came
        self._failures = 0
        self._absence: Absence | None = None  #: what is being looked for
        self._is_known = asyncio.Event()  #: whether that is
        self._searched: set[ThreadRef] = set()  #: threads where it is found already

    def connected(self, alive: Callable[[], bool]) -> None:
        """Note that events reach us, for as long as `alive` says so."""
        self._alive = alive
        self._connected.set()
        self._changed.set()

    def lost(self) -> None:
        """Note that events do not reach us, or did not for a while."""
        self._gap = True
        self._connected.clear()
        self._searched.clear()
        if self._absence is None:  # else it goes on: what a search under way looks for is older
            self._is_known.clear()

    def failed(self) -> None:
        """Note that an event could not be written down.

        Slack delivers it again, but only for minutes; its message can be found for longer.
        """
        self._gap = True

    async def catch_up(self, thread: ThreadRef) -> None:
        """Take what was missed in a thread, before what is said there now is judged by it.

        Only while it is looked for, where people talked with the bot lately, and as far as Slack
        gives it out in `THREAD_SECONDS`. Raises StoreError.
        """
        began = time.monotonic()
        try:
            async with within(THREAD_SECONDS):
                await self._is_known.wait()
            absence = self._absence
            if absence is None or thread in self._searched or thread not in absence.threads:
                return
            left = THREAD_SECONDS - (time.monotonic() - began)
            if await self._search_thread(absence, thread, left):
                self._searched.add(thread)
        except StoreError:
            raise
        except PlatformError as error:
            log.warning("what was missed in a thread is not found in time", extra=_why(error))
        except Exception as error:  # noqa: BLE001 (what is said now is heard all the same)
            log_mishap(log, "The search for what was missed in a thread failed", error)

    async def follow(self) -> None:
        """Look for what was missed and let core know, until cancelled. Never raises."""
        while True:
            await self._connected.wait()
            self._changed.clear()
            pause = await self._keep_up()
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _keep_up(self) -> float:
        """Do what is due; how long to rest then."""
        if self._gap:
            self._gap = False  # set again by whatever goes wrong meanwhile
            self._gap = not await self._caught_up() or self._gap
        if not self._alive():
            self.lost()
        if self._gap or not self._connected.is_set():
            return min(HEARD_SECONDS * 2.0 ** max(0, self._failures - 1), LONGEST_PAUSE_SECONDS)
        self._failures = 0
        await self._reception.heard(PLATFORM)
        return HEARD_SECONDS

    async def _caught_up(self) -> bool:
        try:
            absence = await self._reception.absence(PLATFORM)
            self._begin(absence)
            if absence is None or await self._search(absence):
                self._absence = None
                return True
        except StoreError as error:
            # Our database, not Slack: it may be asked again soon.
            log.warning("what was missed is not taken yet", extra=_why(error))
            return False
        except PlatformError as error:
            log.warning("what was missed is not found yet", extra=_why(error))
        except Exception as error:  # noqa: BLE001 (live events go on, whatever it is)
            log_mishap(log, "The search for what was missed failed", error)
        self._failures += 1
        if self._failures < ATTEMPTS:
            return False
        log.error("not all that was missed could be read; going on without it")
        self._absence = None
        return True

    def _begin(self, absence: Absence | None) -> None:
        self._absence = absence
        self._searched.clear()
        self._is_known.set()


def _why(error: Exception) -> dict[str, str]:
    return {"reason": str(error)}
