"""People are called to threads: tagged there, and told in the team's channel with a link."""

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

from core.domain import MessageId, Post, marker_of
from core.errors import PlatformBusy, PlatformError, PlatformUnreachable, TokenRefused
from core.humans import Humans
from core.outbox import Lines, Outbox, fields_of
from core.store.calls import Call, Calls
from core.text import shortened

log = logging.getLogger(__name__)

LONGEST_QUOTE: Final = 1_000  # characters of a question, in the team's channel

TAG: Final = "can you help here, please?"
PLEA: Final = "A question waits for a human:"


@dataclass(kw_only=True, slots=True)
class Calling(Outbox[Call]):
    """Makes the calls that are on record."""

    humans: Humans
    _lines = Lines(
        log=log,
        unread="Calls for people cannot be read",
        set_back="People could not be called, which is tried again",
        unforeseen="Unforeseen error in a call for people",
    )

    @property
    def _entries(self) -> Calls:
        return self.store.calls

    async def _send(self, call: Call) -> None:
        if call.tagged is None:
            tagged = await _unless_refused(self._tag(call)) or MessageId("")
            await self.store.calls.tagged(call, tagged)
        await _unless_refused(self._tell(call))
        await self.store.calls.ended(call)
        log.info("People were called", extra=fields_of(call))

    async def _tag(self, call: Call) -> MessageId:
        """Tag people in the thread; the message that does."""
        turn, platform = call.turn, self.platforms[call.turn.thread.platform]
        people = self.humans.people_for(turn.thread)
        if not people:
            return MessageId("")
        post = Post(
            thread=turn.thread,
            reply_to=turn.message,
            marker=_marker(call, "tag"),
            text=TAG,
            people=people,
        )
        found = await platform.find(post) if call.tried_before else None
        return found or await platform.post(post)

    async def _tell(self, call: Call) -> MessageId:
        """Post the question in the team's channel, with a link to it."""
        turn = call.turn
        name, _, channel = (self.humans.team_channel_for(turn.thread) or "").partition(":")
        platform = self.platforms.get(name)
        if platform is None:
            if name:
                log.error("The team's channel is on a platform that has no tokens here")
            return MessageId("")
        link = await self.platforms[turn.thread.platform].link(turn.thread, turn.message)
        question = await self.store.turns.question(turn.id) or ""
        await platform.announce(
            channel,
            f"{PLEA} {link}".strip(),
            quote=shortened(question, LONGEST_QUOTE),
            marker=_marker(call, "tell"),
            doubtful=call.tried_before,
        )
        return MessageId("")


async def _unless_refused(step: Awaitable[MessageId]) -> MessageId:
    """Do a step; one that is refused for good is left out, so that the others are done."""
    try:
        return await step
    except (PlatformBusy, PlatformUnreachable, TokenRefused):
        raise
    except PlatformError as error:
        log.error("People could not be called: %s", error)
        return MessageId("")


def _marker(call: Call, step: str) -> str:
    thread = call.turn.thread
    return marker_of("call", step, thread.platform, thread.tenant, thread.key)
