"""People are called to threads: tagged there, and told in the team's channel with a link.

Beside the polling loop, and from the table: a call is on record before anybody is told, and stays
there until all of it is done. What may have been posted is looked for before it is posted again.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Final

from core.clock import now as clock_now
from core.domain import MessageId, Post
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformUnreachable,
    StoreError,
    TokenRefused,
)
from core.humans import Humans
from core.mishaps import log_mishap
from core.ports import Platform
from core.store import Store
from core.store.calls import Call

log = logging.getLogger(__name__)

EVERY: Final = 30.0  # seconds between two looks for calls that others left
CLAIM: Final = 90.0  # seconds for which a call is one process's to make
CALL: Final = 40.0  # seconds to make it
GIVEN_UP: Final = 6 * 3_600.0  # seconds; nobody comes any more
LONGEST_QUOTE: Final = 1_000  # characters of a question, in the team's channel

TAG: Final = "can you help here, please?"
PLEA: Final = "A question waits for a human:"


@dataclass(kw_only=True, slots=True)
class Calling:
    """Makes the calls that are on record."""

    store: Store
    humans: Humans
    platforms: Mapping[str, Platform]
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def call_soon(self) -> None:
        """Look for calls to make now."""
        self._woken.set()

    async def run(self) -> None:
        """Make calls as they come, until cancelled. What is not done then, others do."""
        while True:
            self._woken.clear()
            await self.call_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._woken.wait()

    async def call_all(self) -> None:
        """Try each call that is due once. Never raises."""
        try:
            # A database that only this process works on has nobody else's calls.
            claim = CLAIM if self.store.leases.shared else 0.0
            calls = await self.store.calls.claim(list(self.platforms), clock_now(), claim)
            async with asyncio.TaskGroup() as tasks:
                for call in calls:
                    tasks.create_task(self._try(call))
        except StoreError as error:
            log.error("Calls for people cannot be read: %s", error)

    async def _try(self, call: Call) -> None:
        where = {"turn": call.turn.id, "platform": call.turn.thread.platform}
        try:
            async with asyncio.timeout(CALL):
                await self._call(call)
        except (PlatformError, StoreError, TimeoutError) as error:
            extra = {**where, "error": type(error).__name__}
            log.warning("People could not be called, which is tried again", extra=extra)
            with contextlib.suppress(StoreError):
                await self.store.calls.set_back(call.turn.thread_id)
        except Exception as error:  # noqa: BLE001 (one call must never end the process)
            log_mishap(log, "Unforeseen error in a call for people", error, **where)
        else:
            log.info("People were called", extra=where)

    async def _call(self, call: Call) -> None:
        """Do what is left of a call. Raises what may be over when it is tried again."""
        too_late = clock_now() - call.called_at > GIVEN_UP
        if not too_late and call.tagged is None:
            tagged = await _unless_refused(self._tag(call)) or MessageId("")
            await self.store.calls.tagged(call.turn.thread_id, tagged)
        if not too_late:
            await _unless_refused(self._tell(call))
        await self.store.calls.ended(call.turn.thread_id)

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
        if len(question) > LONGEST_QUOTE:
            question = question[: LONGEST_QUOTE - 1] + "…"
        await platform.announce(
            channel,
            f"{PLEA} {link}".strip(),
            quote=question,
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
    """Name a step of a call, the same in every process; see `post_marker`."""
    thread = call.turn.thread
    identity = "\n".join(("call", step, thread.platform, thread.tenant, thread.key))
    return hashlib.sha256(identity.encode()).hexdigest()[:24]
