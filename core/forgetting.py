"""Forgetting what people wrote: a person at their wish, everybody after the retention time.

In our database it is done at once, in one transaction; there, what the engine is to delete is
written down, too. That is tried until the engine has confirmed it: by each call of `docent forget`,
and every hour by `docent run`. Both may be killed at any moment, and be done twice.
"""

import asyncio
import logging
from dataclasses import dataclass

from core.attachments import MOST_DAYS
from core.domain import RunId
from core.errors import EngineError, EngineRefused, EngineUnreachable, StoreError
from core.local_engine.engine import LocalEngine
from core.mishaps import log_mishap
from core.ports import AnswerEngine
from core.store import Store
from core.store.erasures import Erasure
from core.store.withdrawals import KEPT

log = logging.getLogger(__name__)

ROUND = 3_600.0  # seconds between two rounds of `Forgetting.tidy`
AT_ONCE = 500  # threads that are let go of, and erasures, in one round
PATIENCE = 60.0  # seconds for one erasure
KEEP_NOTHING = (LocalEngine.name,)  # engines; they need not be the one that is in use
DAY = 86_400.0  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgetting:
    """Has the engine forget, too; and forgets what is old."""

    store: Store
    engine: AnswerEngine

    async def erase(self, limit: int | None = None) -> str | None:
        """Have the engine delete what it is still to delete; what stands in the way, None: nothing.

        With a `limit`, no more than so many. What it refuses is passed over, and what it does not
        answer ends the attempt: either way it is tried again the next time. Raises StoreError.
        """
        for engine in KEEP_NOTHING:
            await self.store.erasures.drop(engine)
        waiting = await self.store.erasures.waiting(self.engine.name, limit)
        at_work = {run for run, _ in await self.store.progress.abandoned(self.engine.name)}
        problem = None
        for erasure in waiting:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._erase(erasure, at_work)
            except EngineRefused as error:
                problem = str(error)
            except (EngineError, TimeoutError) as error:
                return str(error) or str(EngineUnreachable())
            else:
                await self.store.erasures.done(erasure)
        return problem

    async def _erase(self, erasure: Erasure, at_work: set[RunId]) -> None:
        for run in at_work.intersection(erasure.runs):
            await self.engine.cancel(run)
        await self.engine.erase(erasure.conversation, erasure.runs, erasure.uploads)

    async def tidy(self, now: float, retention_days: int | None) -> None:
        """Forget what is older than the retention time, and go on with erasing. Never raises.

        Of all processes on the database one does it, and once in `ROUND` seconds.
        """
        try:
            if not await self.store.values.claim("tidy", now, ROUND * 0.9):
                return
            await self.store.turns.forget_withdrawals(now - KEPT)
            await self.store.tokens.erase_expired()
            await self.store.attachments.let_go_of_old(now - MOST_DAYS * DAY)
            if retention_days is not None:
                await self._forget_old(now - retention_days * DAY, retention_days)
            if problem := await self.erase(AT_ONCE):
                log.warning("The engine has not erased everything yet: %s", problem)
        except StoreError as error:
            log.error("Texts cannot be forgotten now: %s", error)
        except Exception as error:  # noqa: BLE001 (it can be done an hour later)
            log_mishap(log, "Unforeseen error in forgetting", error)

    async def _forget_old(self, before: float, days: int) -> None:
        texts = await self.store.people.forget_texts(before)
        conversations = await self.store.people.let_go_of_old(before, AT_ONCE)
        if texts or conversations:
            fields = {"turns": texts, "conversations": conversations, "older_than_days": days}
            log.info("Texts forgotten", extra=fields)
