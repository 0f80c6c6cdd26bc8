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
from bots.discord_bot.private import Privacy, question_again
from bots.press_order import STORE_SECONDS, TRY_AGAIN, hand_over
from core.domain import Button, MessageRef
from core.errors import PlatformError, StoreError
from core.press import Press
from core.reception import Reception

CALL_SECONDS: Final = 10.0

log = logging.getLogger(__name__)

#: What these bring is a reply to the message of the button.
_ASKING: Final = (Button.AGAIN, Button.CONFIRM, Button.DENY)

Start = Callable[[Coroutine[Any, Any, None]], object]


class Presses:
    """What the buttons do. `start` runs work for as long as the bot takes any."""

    def __init__(self, reception: Reception, privacy: Privacy, start: Start) -> None:
        self._reception = reception
        self._privacy = privacy
        self._start = start

    def hear(self, interaction: Interaction) -> bool:
        """Take an interaction that is about a reply; whether it is."""
        press = press_of(interaction) or reason_of(interaction)
        if press is not None:
            self._start(self._press(interaction, press))
        return press is not None

    async def _press(self, interaction: Interaction, press: Press) -> None:
        again = question_again(interaction) if press.button in _ASKING else None
        try:
            await self._respond(interaction, press, again)
        finally:
            if again is not None:
                self._privacy.responded(again)

    async def _respond(
        self, interaction: Interaction, press: Press, again: MessageRef | None
    ) -> None:
        """Hand a press over, and say what came of it; the reply to `again` takes its place."""
        kept = again is None or await self._keep(interaction, again)
        pressed = await hand_over(self._reception, press) if kept else None
        response = interaction.response
        if pressed is None:
            await self._try(interaction, response.send_message(TRY_AGAIN, ephemeral=True))
        elif pressed.asks_why:
            await self._try(interaction, response.send_modal(reason_modal(press)))
        elif pressed.settled and again is None:
            await self._settle(interaction, pressed.said)
        elif pressed.said:
            await self._try(interaction, response.send_message(pressed.said, ephemeral=True))
        else:
            await self._try(interaction, response.defer())

    async def _settle(self, interaction: Interaction, said: str) -> None:
        """Let the buttons go, which have nothing more to do; then say what there is to say."""
        await self._try(interaction, interaction.response.edit_message(view=None))
        if said:
            await self._try(interaction, interaction.followup.send(said, ephemeral=True))

    async def _keep(self, interaction: Interaction, question: MessageRef) -> bool:
        """Keep what the answer to a question is posted by; whether that worked."""
        try:
            async with asyncio.timeout(STORE_SECONDS / 2):
                await self._privacy.keep(interaction, question)
        except (StoreError, TimeoutError) as error:
            reason = str(error) or "the database does not reply in time"
            log.error("A press was not written down", extra={"reason": reason})
            return False
        return True

    async def _try(self, interaction: Interaction, call: Awaitable[object]) -> None:
        try:
            async with calls(interaction.client, CALL_SECONDS):
                await call
        except PlatformError as error:
            log.info("A press could not be answered", extra={"error": str(error)})
