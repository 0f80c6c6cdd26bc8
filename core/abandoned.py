"""Runs that nobody waits for any more are cancelled, however often it takes.

They are on record until that is done: a process that dies half way leaves them to the next one.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from core.clock import now
from core.domain import RunId
from core.errors import EngineError, StoreError
from core.mishaps import log_mishap
from core.pacing import setback_interval
from core.ports import AnswerEngine
from core.store import Store
from core.waiting import happens

log = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two looks for runs that other processes left
CALL = 15.0  # seconds for one cancellation
GIVEN_UP = 86_400.0  # seconds; a background response does not work for so long


@dataclass(kw_only=True, slots=True)
class AbandonedRuns:
    """Cancels the runs of one engine that are on record as abandoned."""

    store: Store
    engine: AnswerEngine
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def cancel_soon(self) -> None:
        """Look for runs to cancel now."""
        self._woken.set()

    async def keep_cancelling(self) -> None:
        """Cancel runs as they are abandoned, until cancelled oneself."""
        setbacks = 0
        while True:
            self._woken.clear()
            if await self._cancel_all():
                setbacks, wait = 0, EVERY
            else:
                setbacks += 1
                wait = setback_interval(setbacks)
            await happens(self._woken, within=wait)

    async def _cancel_all(self) -> bool:
        """Try each run once; whether none is left."""
        is_left = False
        try:
            for run, since in await self.store.progress.abandoned(self.engine.name):
                if await self._cancel(run) or now() - since >= GIVEN_UP:
                    await self.store.progress.cancelled(run)
                else:
                    is_left = True
        except StoreError as error:
            log.error("Abandoned runs cannot be read: %s", error)
            return False
        return not is_left

    async def _cancel(self, run: RunId) -> bool:
        """Try to cancel a run; whether it is."""
        try:
            async with asyncio.timeout(CALL):
                await self.engine.cancel(run)
        except (EngineError, TimeoutError) as error:
            fields = {"run": run, "error": type(error).__name__}
            log.warning("Abandoned run could not be cancelled", extra=fields)
        except Exception as error:  # noqa: BLE001 (one run must never end the process)
            log_mishap(log, "Unforeseen error in a cancellation", error, run=run)
        else:
            return True
        return False
