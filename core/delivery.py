"""From a stored reply to the thread: each part posted once, in order, whatever fails between."""

import logging
from dataclasses import dataclass, replace

from core.breaker import OnTrouble
from core.domain import MessageId, Post, TurnState, post_marker
from core.errors import (
    NotOurs,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)
from core.lease import Lease
from core.store import Store
from core.work import Work

log = logging.getLogger(__name__)

LONGEST_PAUSE = 900.0  # seconds, whatever a platform asks for
PATIENCE = 6 * 3600.0  # seconds for which a platform that does not answer is tried


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """Posts the parts of stored replies."""

    store: Store
    lease: Lease
    on_trouble: OnTrouble  #: hears what only an operator can mend

    async def deliver(self, work: Work, now: float) -> float | None:
        """Post what is not posted yet. Seconds until the next try, or None when the turn is over.

        A part whose fate is unknown (the process died, or the platform did not answer) is looked
        for in the thread before it is posted again.
        """
        try:
            await self._post_parts(work)
        except (PlatformBusy, PlatformUnreachable, TokenRefused) as error:
            if isinstance(error, TokenRefused):
                self.on_trouble(f"token:{work.platform.name}", str(error))
            if now - work.since < PATIENCE:
                asked = error.retry_after if isinstance(error, PlatformBusy) else None
                return work.set_back(min(asked, LONGEST_PAUSE) if asked else None)
            await self.abandon(work, "undeliverable")
        except ThreadGone as error:
            log.warning("Reply has no thread: %s", error, extra={"turn": work.turn.id})
            await self.abandon(work, "thread_gone")
        except PlatformRefused as error:
            log.error("Reply was refused: %s", error, extra={"turn": work.turn.id})
            await self.abandon(work, "refused")
        return None

    async def _post_parts(self, work: Work) -> None:
        turn = work.turn
        waiting = await self.store.progress.unposted(turn)
        for number, text in waiting:
            post = Post(
                thread=turn.thread,
                reply_to=turn.message,
                marker=post_marker(turn, number),
                text=text,
            )
            message = await work.platform.find(post) if work.doubtful else None
            if message is None:
                message = await self._post(work, post)
            last = number == waiting[-1][0]
            await self.store.progress.posted(turn, number, message, last=last)
            work.doubtful, work.setbacks = False, 0
        self.on_trouble(f"token:{work.platform.name}", None)

    async def _post(self, work: Work, post: Post) -> MessageId:
        # From here until the id is on record, nobody knows whether it was posted ...
        work.doubtful = True
        if not self.lease.is_valid:
            raise NotOurs  # it may be on its way to the thread from another process
        try:
            return await work.platform.post(post)
        except PlatformBusy:
            work.doubtful = False  # ... unless it was refused at the door
            raise

    async def abandon(self, work: Work, outcome: str) -> None:
        """End a turn whose reply cannot be posted."""
        await self.store.progress.close(work.turn, TurnState.CANCELLED, outcome)
        work.turn = replace(work.turn, state=TurnState.CANCELLED, outcome=outcome)
