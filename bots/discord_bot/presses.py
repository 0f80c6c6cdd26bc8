"""Presses of the buttons under replies, and the modal that asks why: answered within 3 s.

A modal must be the first response to a press, so the verdict is written down before, in what time
there is. All else is told to the person who pressed, and nobody else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from bots.discord_bot.buttons import Interaction, press_of, reason_modal, reason_of
from bots.discord_bot.connection import calls
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.press import Press, Pressed
from core.reception import Reception

STORE_SECONDS: Final = 2.0  #: for the database, of the 3 s
CALL_SECONDS: Final = 10.0

TRY_AGAIN: Final = "That did not work. Please try again in a moment."

log = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None]], object]


class Presses:
    """What the buttons do. `start` runs work for as long as the bot takes any."""

    def __init__(self, reception: Reception, start: Start) -> None:
        self._reception = reception
        self._start = start

    def hear(self, interaction: Interaction) -> bool:
        """Take an interaction that is about a reply; whether it is."""
        press = press_of(interaction) or reason_of(interaction)
        if press is not None:
            self._start(self._press(interaction, press))
        return press is not None

    async def _press(self, interaction: Interaction, press: Press) -> None:
        pressed = await self._hand_over(press)
        response = interaction.response
        if pressed is None:
            await self._try(interaction, response.send_message(TRY_AGAIN, ephemeral=True))
        elif pressed.asks_why:
            await self._try(interaction, response.send_modal(reason_modal(press)))
        elif pressed.said:
            await self._try(interaction, response.send_message(pressed.said, ephemeral=True))
        else:
            await self._try(interaction, response.defer())

    async def _hand_over(self, press: Press) -> Pressed | None:
        """Tell core; None where that did not work."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._reception.press(press)
        except (StoreError, TimeoutError) as error:
            reason = str(error) or "the database does not reply in time"
            log.error("A press was not written down", extra={"reason": reason})
        except Exception as error:  # noqa: BLE001 (one odd press must not end the intake)
            log_mishap(log, "A press could not be handed over", error)
        return None

    async def _try(self, interaction: Interaction, call: Awaitable[object]) -> None:
        try:
            async with calls(interaction.client, CALL_SECONDS):
                await call
        except PlatformError as error:
            log.info("A press could not be answered", extra={"error": str(error)})
