"""When each listener was last surely there, so that what it missed can be looked for."""

import logging
from dataclasses import dataclass

from core.clock import now
from core.domain import Absence
from core.errors import StoreError
from core.settings import CatchUp
from core.store import Store

log = logging.getLogger(__name__)

OVERLAP = 60.0  # seconds: clocks differ, and what is found twice is taken once


@dataclass(frozen=True, kw_only=True, slots=True)
class Attendance:
    """Remembers the presence of listeners, over restarts."""

    store: Store
    catch_up: CatchUp | None  #: None: what was missed is let be

    async def absence(self, listener: str) -> Absence | None:
        """See `Reception.absence`. There is none before the first `heard`."""
        heard = await self.store.values.get(_name(listener))
        if heard is None or self.catch_up is None:
            return None
        platform = listener.partition("/")[0]
        return Absence(
            since=max(float(heard) - OVERLAP, now() - self.catch_up.apology_age),
            messages=self.catch_up.messages,
            threads=await self.store.turns.recent_threads(platform),
        )

    async def heard(self, listener: str) -> None:
        """See `Reception.heard`."""
        try:
            await self.store.values.put(_name(listener), str(now()))
        except StoreError as error:
            log.error("A presence cannot be written down: %s", error, extra={"listener": listener})


def _name(listener: str) -> str:
    return f"heard:{listener}"
