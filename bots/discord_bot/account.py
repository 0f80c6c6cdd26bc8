"""The bot's account: logged in once, when it is needed first, by REST alone."""

import asyncio
import logging
import time
from typing import Final

from bots.discord_bot.connection import CALL_SECONDS, log_in, pause
from bots.discord_bot.places import Places
from core.errors import PlatformBusy, PlatformUnreachable
from core.settings import DiscordSettings

RETRY_SECONDS: Final = 5.0  #: after a failure, for those who wait for a call

log = logging.getLogger(__name__)


class Account:
    """Gives out the places of one client, which lives from the first login to `close`."""

    def __init__(self, settings: DiscordSettings) -> None:
        self._settings = settings
        self._places: Places | None = None
        self._in_use = False
        self._turn = asyncio.Lock()
        self._not_before = 0.0

    async def open(self) -> None:
        """Log in, or leave that to the first call where Discord cannot be reached.

        Raises TokenRefused.
        """
        self._in_use = True
        try:
            await self._enter(CALL_SECONDS)
        except (PlatformBusy, PlatformUnreachable) as error:
            log.warning("Logging in to Discord failed: %s", error)

    async def wait(self) -> Places:
        """Log in, and wait while Discord is away, ever longer. Raises TokenRefused."""
        self._in_use = True
        failures = 0
        while True:
            try:
                return await self._enter(CALL_SECONDS)
            except (PlatformBusy, PlatformUnreachable) as error:
                again_in, failures = pause(failures), failures + 1
                log.warning(
                    "Logging in to Discord failed: %s",
                    error,
                    extra={"again_in": round(again_in, 1)},
                )
                await asyncio.sleep(again_in)

    async def places(self, seconds: float) -> Places:
        """Log in where that is still to be done. Raises as `connection.log_in` does."""
        return self._places or await self._enter(seconds, hurried=True)

    async def close(self) -> None:
        """Close the client. A second call does nothing."""
        self._in_use = False
        places, self._places = self._places, None
        if places:
            await places.client.close()

    async def _enter(self, seconds: float, *, hurried: bool = False) -> Places:
        """Log in. `hurried`: fail at once where another has failed just now."""
        async with self._turn:
            if self._places:
                return self._places
            if not self._in_use or (hurried and time.monotonic() < self._not_before):
                raise PlatformUnreachable("The bot is not logged in to Discord.")
            try:
                client = await log_in(self._settings, seconds)
            except (PlatformBusy, PlatformUnreachable):
                self._not_before = time.monotonic() + RETRY_SECONDS
                raise
            self._places = Places(client)
            if not self._in_use:  # closed meanwhile
                await self.close()
                raise PlatformUnreachable("The bot is not logged in to Discord.")
            return self._places
