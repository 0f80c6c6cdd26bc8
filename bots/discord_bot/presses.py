"""Presses of the buttons under replies, and the modal that asks why: answered within 3 s.

A modal must be the first response to a press, so the verdict is written down before, in what time
there is. All else is told to the person who pressed, and nobody else.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from bots.discord_bot.buttons import Interaction, press_of, reason_modal, reason_of
from bots.discord_bot.connection import calls
from bots.press_order import TRY_AGAIN, hand_over
from core.errors import PlatformError
from core.press import Press
from core.reception import Reception

CALL_SECONDS: Final = 10.0

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
        pressed = await hand_over(self._reception, press)
        response = interaction.response
        if pressed is None:
            await self._try(interaction, response.send_message(TRY_AGAIN, ephemeral=True))
        elif pressed.asks_why:
            await self._try(interaction, response.send_modal(reason_modal(press)))
        elif pressed.said:
            await self._try(interaction, response.send_message(pressed.said, ephemeral=True))
        else:
            await self._try(interaction, response.defer())

    async def _try(self, interaction: Interaction, call: Awaitable[object]) -> None:
        try:
            async with calls(interaction.client, CALL_SECONDS):
                await call
        except PlatformError as error:
            log.info("A press could not be answered", extra={"error": str(error)})
