"""What an operator has to know: said once, by one process of all, and once more when it is over.

`report` only leaves a note; a task of its own, `Alerts.run`, does the talking. So nobody who finds
a trouble ever waits for the database or a platform, nor fails with them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from core.clock import now as time_of_day
from core.ending import end
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.ports import Platform
from core.waiting import first_of

log = logging.getLogger(__name__)

AGAIN = 3_600.0  # seconds after which a trouble that still lasts is alerted again
SETTLED = 300.0  # seconds without trouble after which it counts as over: some come and go
HEARSAY = 60.0  # seconds for which we rely on what the database said, or that it was away
PATIENCE = 10.0  # seconds for the database, and for the platform
FAREWELL = 3.0  # seconds for what is left to say at the end

# What is over, where another process, or the one before us, was the one to alert.
OVER = {
    "engine": "the engine could not be reached.",
    "engine_refused": "the engine refused every question.",
    "token:slack": "Slack refused the token.",
    "token:discord": "Discord refused the token.",
}

Announce = Callable[[str], Awaitable[None]]


class Claims(Protocol):
    """What `core.store.values.Values` offers to do a thing once among all processes."""

    async def claim(self, name: str, now: float, seconds: float) -> bool:
        """Claim a name for so many seconds; False where it is claimed. Raises StoreError."""
        ...

    async def release(self, name: str) -> bool:
        """End a claim; whether there was one. Raises StoreError."""
        ...


class Alerts:
    """Troubles that an operator has to mend, by a key each: "engine", "slack_token"."""

    def __init__(
        self,
        claims: Claims,
        announce: Announce | None = None,
        *,
        clock: Callable[[], float] = time_of_day,
        settled: float = SETTLED,
    ) -> None:
        """`announce` posts to the operator's channel; None: the log has to do."""
        self._claims = claims
        self._announce = announce
        self._clock = clock
        self._settled = settled
        self._news: dict[str, str | None] = {}  # the latest of each key
        self._woken = asyncio.Event()
        self._quiet_until: dict[str, float] = {}
        self._texts: dict[str, str] = {}  # of the troubles that last
        self._over_at: dict[str, float] = {}  # when what has ceased counts as over
        self._well: set[str] = set()  # what is known to be over

    def report(self, key: str, trouble: str | None) -> None:
        """Say that there is a trouble, or, by None, that it has ceased; as often as one likes.

        The text says what to do, and holds no secret and nobody's words. Never waits nor raises.
        """
        if trouble is None and key in self._well:
            return
        self._news[key] = trouble
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Alert of what is reported until `stop` is set, and then of what was before. Never raises.

        What it cannot say any more because it is cancelled is at least in the log.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                talking = tasks.create_task(self._talk(stop))
                await stop.wait()
                await asyncio.wait([talking], timeout=FAREWELL)
                await end([talking])
        finally:
            for key, trouble in self._news.items():
                if trouble is not None:
                    log.error("%s", trouble, extra={"alert": key})

    async def _talk(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._news_or(stop)
            await self._attend()
        await self._attend()

    async def _news_or(self, stop: asyncio.Event) -> None:
        """Wait for news, for a trouble to count as over, or for the stop."""
        due = min(self._over_at.values(), default=None)
        wait = None if due is None else max(0.0, due - self._clock())
        await first_of(self._woken, stop, within=wait)
        self._woken.clear()

    async def _attend(self) -> None:
        for key, trouble in list(self._news.items()):
            try:
                await self._note(key, trouble)
            except Exception as error:  # noqa: BLE001 (alerts must not end the process)
                log_mishap(log, "Unforeseen error in an alert", error, alert=key)
            if key in self._news and self._news[key] == trouble:  # nothing newer came meanwhile
                del self._news[key]
        for key, due in list(self._over_at.items()):
            if due <= self._clock():
                del self._over_at[key]
                try:
                    await self._say_over(key)
                except Exception as error:  # noqa: BLE001 (the same)
                    log_mishap(log, "Unforeseen error in an alert", error, alert=key)

    async def _note(self, key: str, trouble: str | None) -> None:
        if trouble is None:
            self._over_at.setdefault(key, self._clock() + self._settled)
            return
        self._over_at.pop(key, None)
        self._well.discard(key)
        self._texts[key] = trouble
        now = self._clock()
        if now < self._quiet_until.get(key, now) or not await self._claim(key, now):
            log.debug("Alerted already: %s", trouble, extra={"alert": key})
            return
        log.error("%s", trouble, extra={"alert": key})
        await self._say(trouble)

    async def _claim(self, key: str, now: float) -> bool:
        """Whether this process is the one to alert: each is, while the database is away."""
        mine = True
        try:
            async with asyncio.timeout(PATIENCE):
                mine = await self._claims.claim(_name(key), now, AGAIN)
        except (StoreError, TimeoutError) as error:
            log.debug("Alert without the database: %s", error, extra={"alert": key})
        self._quiet_until[key] = now + (AGAIN if mine else HEARSAY)
        return mine

    async def _say_over(self, key: str) -> None:
        """Say that a trouble is over, where it was alerted, by this process or another."""
        try:
            async with asyncio.timeout(PATIENCE):
                was_alerted = await self._claims.release(_name(key))
        except (StoreError, TimeoutError) as error:
            log.debug("End of an alert waits: %s", error, extra={"alert": key})
            self._over_at[key] = self._clock() + HEARSAY
            return
        self._quiet_until.pop(key, None)
        text = self._texts.pop(key, None)
        self._well.add(key)
        if was_alerted:
            said = f"This is over: {text or OVER.get(key, key)}"
            log.info("%s", said, extra={"alert": key})
            await self._say(said)

    async def _say(self, text: str) -> None:
        if self._announce is None:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._announce(text)
        except (PlatformError, TimeoutError) as error:
            log.warning("OPS_CHANNEL could not be told: %s", str(error) or "no answer in time")


def announcer(channel: str | None, platforms: Mapping[str, Platform]) -> Announce | None:
    """How to post in OPS_CHANNEL (`platform:channel`); None where its platform is not at hand."""
    name, _, place = (channel or "").partition(":")
    platform = platforms.get(name)
    return partial(platform.announce, place) if platform else None


def _name(key: str) -> str:
    return f"alert:{key}"
