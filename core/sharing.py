"""Private answers are shown to everybody in their channel, where their askers want it.

Beside the polling loop, and from the table: first the question is shown by a message of ours, then
the answer becomes a turn of the thread under it, which the loop posts as every other reply.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from core.clock import now as clock_now
from core.domain import Post, Reply
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
from core.store.shares import Share

log = logging.getLogger(__name__)

EVERY: Final = 30.0  # seconds between two looks for shares that others left
CLAIM: Final = 90.0  # seconds for which a share is one process's to make
TRY: Final = 40.0  # seconds to make it
GIVEN_UP: Final = 6 * 3_600.0  # seconds; nobody waits for it any more
LONGEST_QUESTION: Final = 1_500  # characters of it that are shown
BEHIND: Final = 1  # the number of a part that comes after the answer, and not in its place

REFUSED: Final = (
    "I could not share your answer: I may not write in that channel. Once I may, press "
    "“Share in channel” again."
)


@dataclass(kw_only=True, slots=True)
class Sharing:
    """Makes the shares that are on record. `on_shared` hears that there is a reply to post."""

    store: Store
    platforms: Mapping[str, Platform]
    on_shared: Callable[[], None]
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def share_soon(self) -> None:
        """Look for shares to make now."""
        self._woken.set()

    async def run(self) -> None:
        """Make shares as they come, until cancelled. What is not done then, others do."""
        while True:
            self._woken.clear()
            await self.share_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._woken.wait()

    async def share_all(self) -> None:
        """Try each share that is due once. Never raises."""
        try:
            # A database that only this process works on has nobody else's shares.
            claim = CLAIM if self.store.leases.shared else 0.0
            due = await self.store.shares.claim(list(self.platforms), clock_now(), claim)
            async with asyncio.TaskGroup() as tasks:
                for share in due:
                    tasks.create_task(self._try(share))
        except StoreError as error:
            log.error("Answers to share cannot be read: %s", error)

    async def _try(self, share: Share) -> None:
        where = {"turn": share.turn.id, "platform": share.turn.thread.platform}
        try:
            async with asyncio.timeout(TRY):
                await self._share(share)
        except (PlatformBusy, PlatformUnreachable, TokenRefused, StoreError, TimeoutError) as error:
            extra = {**where, "error": type(error).__name__}
            log.warning("An answer could not be shared, which is tried again", extra=extra)
            with contextlib.suppress(StoreError):
                await self.store.shares.set_back(share.turn.id)
        except PlatformError as error:
            log.error("An answer cannot be shared: %s", error, extra=where)
            await self._take_back(share)
        except Exception as error:  # noqa: BLE001 (one share must never end the process)
            log_mishap(log, "Unforeseen error in sharing an answer", error, **where)

    async def _take_back(self, share: Share) -> None:
        """Let the asker know that the platform refused, and press again when that is mended."""
        turn, platform = share.turn, self.platforms[share.turn.thread.platform]
        try:
            await self.store.shares.take_back(turn.id)
            async with asyncio.timeout(TRY):
                await platform.post(
                    Post(
                        thread=turn.thread,
                        reply_to=turn.message,
                        marker=_marker(share, "refused"),
                        text=platform.render(Reply(text=REFUSED))[0],
                        asker=turn.author,
                        turn=turn.id,
                        number=BEHIND,
                    )
                )
        except (PlatformError, StoreError, TimeoutError) as error:
            extra = {"turn": turn.id, "error": type(error).__name__}
            log.warning("Nobody was told that an answer is not shared", extra=extra)

    async def _share(self, share: Share) -> None:
        turn = share.turn
        question = await self.store.turns.question(turn.id)
        if question is None or clock_now() - share.shared_at > GIVEN_UP:
            await self.store.shares.ended(turn.id)
            return
        if len(question) > LONGEST_QUESTION:
            question = question[: LONGEST_QUESTION - 1] + "…"
        root = await self.platforms[turn.thread.platform].share_question(
            turn.thread,
            turn.author,
            question,
            marker=_marker(share, "share"),
            doubtful=share.tried_before,
        )
        await self.store.shares.settle(share, root)
        log.info("Answer is shared", extra={"turn": turn.id, "platform": turn.thread.platform})
        self.on_shared()


def _marker(share: Share, step: str) -> str:
    """Name a step of a share, the same in every process; see `post_marker`."""
    turn = share.turn
    place = (turn.thread.platform, turn.thread.tenant, turn.channel, turn.message)
    return hashlib.sha256("\n".join((step, *place)).encode()).hexdigest()[:24]
