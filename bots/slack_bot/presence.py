"""Whether Slack's events reach us, and what follows from it: core hears when all came, and what
may have been missed is looked for.

How it is looked for is the matter of `missed`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from bots.slack_bot.events import PLATFORM
from core.domain import Absence
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.reception import Reception

log = logging.getLogger(__name__)

HEARD_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 300.0  #: between two attempts to find what was missed
ATTEMPTS: Final = 15  #: about an hour

#: Looks for what was missed; whether all of it could be read. Raises PlatformError and StoreError.
Search = Callable[[Absence], Awaitable[bool]]


class Presence:
    """Told by the connection how it is, by the intake what failed; the rest is done by `follow`."""

    def __init__(self, reception: Reception, search: Search) -> None:
        self._reception = reception
        self._search = search
        self._alive: Callable[[], bool] = lambda: False
        self._connected = asyncio.Event()
        self._changed = asyncio.Event()
        self._gap = True  #: something may have been missed since core heard that all came
        self._failures = 0

    def connected(self, alive: Callable[[], bool]) -> None:
        """Note that events reach us, for as long as `alive` says so."""
        self._alive = alive
        self._connected.set()
        self._changed.set()

    def lost(self) -> None:
        """Note that events do not reach us, or did not for a while."""
        self._gap = True
        self._connected.clear()

    def failed(self) -> None:
        """Note that an event could not be written down.

        Slack delivers it again, but only for minutes; its message can be found for longer.
        """
        self._gap = True

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
            if absence is None or await self._search(absence):
                return True
        except StoreError as error:
            # Our database, not Slack: it may be asked again soon.
            log.warning("what was missed is not taken yet", extra={"reason": str(error)})
            return False
        except PlatformError as error:
            log.warning("what was missed is not found yet", extra={"reason": str(error)})
        except Exception as error:  # noqa: BLE001 (live events go on, whatever it is)
            log_mishap(log, "The search for what was missed failed", error)
        self._failures += 1
        if self._failures < ATTEMPTS:
            return False
        log.error("not all that was missed could be read; going on without it")
        return True
