"""What went unanswered, posted in a channel at set times: once, by one process of all.

Each digest goes on where the last one ended. What was missed while nobody ran is made up for by
one digest that tells all of it. How far we are is on record before anything is posted, so that who
carries on after a kill looks first for what may be there already.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from core.clock import now as clock_now
from core.domain import marker_of
from core.errors import PlatformError, PlatformRefused, StoreError, ThreadGone
from core.gap_replies import EXAMPLES, TOPICS, gap_reply
from core.gap_report import GapReports
from core.mishaps import log_mishap
from core.ports import Platform
from core.schedule import Cron

log = logging.getLogger(__name__)

KEPT = "digest"  # the name under which the store keeps how far we are
WEEK = 7 * 86_400.0  # seconds that the first digest tells of
CLOCKS = 600.0  # seconds, at most, by which the clocks of two machines are taken to differ
LEASE = 600.0  # seconds for which a digest is one process's to post
WORK = 300.0  # seconds to post it
LONGEST_WAIT = 3_600.0  # seconds until the clock is looked at again: it may have been set
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3_600.0  # seconds after a try that failed

OnTrouble = Callable[[str, str | None], None]


class Kept(Protocol):
    """What `core.store.values.Values` offers to keep a string, and to do a thing alone."""

    async def get(self, name: str) -> str | None:
        """The string last put under `name`. Raises StoreError."""
        ...

    async def put(self, name: str, value: str) -> None:
        """Keep a string. Raises StoreError."""
        ...

    async def once(self, name: str, make: Callable[[], str]) -> str:
        """The string under `name`, made now where there is none. Raises StoreError."""
        ...

    async def claim(self, name: str, now: float, seconds: float) -> bool:
        """Claim a name for so many seconds; False where it is claimed. Raises StoreError."""
        ...

    async def release(self, name: str) -> bool:
        """End a claim. Raises StoreError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """How far the digests are."""

    since: float  #: what came before was told
    after: float  #: the next one is due at the first of its times after this
    trying: float | None = None  #: up to when the one tells that may have been posted in part

    @classmethod
    def read(cls, text: str) -> "_State":
        return cls(**json.loads(text))

    def written(self) -> str:
        return json.dumps({"since": self.since, "after": self.after, "trying": self.trying})


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """Posts what went unanswered."""

    kept: Kept
    reports: GapReports
    platform: Platform
    channel: str
    every: Cron
    on_trouble: OnTrouble
    clock: Callable[[], float] = clock_now

    async def run(self) -> None:
        """Post each digest when it is due, until cancelled. Never raises."""
        pause = FIRST_PAUSE
        while True:
            try:
                wait = await self.step()
                pause = FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 (a digest is not worth the bot)
                self._complain(error)
                wait, pause = pause, min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(wait)

    async def step(self) -> float:
        """Post what is due, if anything is; the seconds until something may be.

        Raises StoreError, PlatformError or TimeoutError where that did not work: then it is still
        due.
        """
        now = self.clock()
        wait = self._wait(await self._state(now), now)
        if wait > 0:
            return min(wait, LONGEST_WAIT)
        if not await self.kept.claim(KEPT, now, LEASE):
            return FIRST_PAUSE  # another process is about to post it
        try:
            state = await self._state(now)  # which may have done so meanwhile
            if self._wait(state, now) <= 0:
                async with asyncio.timeout(WORK):
                    await self._post(state, now)
        finally:
            await self.kept.release(KEPT)
        return 0.0

    async def _state(self, now: float) -> _State:
        first = _State(since=now - WEEK, after=now)
        state = _State.read(await self.kept.once(KEPT, first.written))
        if state.after <= now + CLOCKS:
            return state
        # Written by a clock that was wrong: it would hold for ages.
        await self.kept.put(KEPT, first.written())
        return first

    def _wait(self, state: _State, now: float) -> float:
        return self.every.after(state.after) - now

    async def _post(self, state: _State, now: float) -> None:
        doubtful, until = state.trying is not None, state.trying or now
        await self.kept.put(KEPT, replace(state, trying=until).written())
        for number, part in enumerate(await self._parts(min(state.since, until), until)):
            marker = marker_of("digest", self.channel, repr(until), str(number))
            await self.platform.publish(self.channel, part, marker=marker, doubtful=doubtful)
        await self.kept.put(KEPT, _State(since=until, after=until).written())
        self.on_trouble("digest", None)

    async def _parts(self, since: float, until: float) -> Sequence[str]:
        """What to post: nothing where nothing went unanswered."""
        report = await self.reports.make(since, until, topics=TOPICS, examples=EXAMPLES)
        log.info("Digest is due", extra={"unanswered": report.total})
        return self.platform.render(gap_reply(report)) if report.total else ()

    def _complain(self, error: Exception) -> None:
        match error:
            case PlatformRefused() | ThreadGone():
                mending = "Invite me there, or correct the setting."
                self.on_trouble(
                    "digest", f"The digest does not get into DIGEST_CHANNEL: {error} {mending}"
                )
            case PlatformError() | StoreError() | TimeoutError():
                reason = str(error) or "no answer in time"
                log.warning("The digest could not be posted yet: %s", reason)
            case _:
                log_mishap(log, "Unforeseen error in the digest", error)
