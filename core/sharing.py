"""Private answers are shown to everybody in their channel, where their askers want it.

First the question is shown by a message of ours, then the answer becomes a turn of the thread under
it, which the loop posts as every other reply.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.domain import Post, Reply, marker_of
from core.errors import PlatformError, StoreError
from core.outbox import TRY, Lines, Outbox, fields_of
from core.store.shares import Share, Shares
from core.text import shortened

log = logging.getLogger(__name__)

LONGEST_QUESTION: Final = 1_500  # characters of it that are shown
BEHIND: Final = 1  # the number of a part that comes after the answer, and not in its place

REFUSED: Final = (
    "I could not share your answer: I may not write in that channel. Once I may, press "
    "“Share in channel” again."
)


@dataclass(kw_only=True, slots=True)
class Sharing(Outbox[Share]):
    """Makes the shares that are on record. `on_shared` hears that there is a reply to post."""

    on_shared: Callable[[], None]
    _lines = Lines(
        log=log,
        unread="Answers to share cannot be read",
        set_back="An answer could not be shared, which is tried again",
        unforeseen="Unforeseen error in sharing an answer",
    )

    @property
    def _entries(self) -> Shares:
        return self.store.shares

    async def _send(self, share: Share) -> None:
        turn = share.turn
        question = await self.store.turns.question(turn.id)
        if question is None:
            await self.store.shares.ended(share)
            return
        root = await self.platforms[turn.thread.platform].share_question(
            turn.thread,
            turn.author,
            shortened(question, LONGEST_QUESTION),
            marker=_marker(share, "share"),
            doubtful=share.tried_before,
        )
        await self.store.shares.settle(share, root)
        log.info("Answer is shared", extra=fields_of(share))
        self.on_shared()

    async def _refused(self, share: Share, error: PlatformError) -> None:
        log.error("An answer cannot be shared: %s", error, extra=fields_of(share))
        await self._take_back(share)

    async def _take_back(self, share: Share) -> None:
        """Let the asker know that the platform refused, and press again when that is mended."""
        turn, platform = share.turn, self.platforms[share.turn.thread.platform]
        try:
            await self.store.shares.take_back(share)
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


def _marker(share: Share, step: str) -> str:
    turn = share.turn
    return marker_of(step, turn.thread.platform, turn.thread.tenant, turn.channel, turn.message)
