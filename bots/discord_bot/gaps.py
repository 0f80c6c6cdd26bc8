"""/docs-gaps: what went unanswered, told to the admin who asks and nobody else."""

import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import discord

from bots.discord_bot.connection import calls
from bots.discord_bot.events import PLATFORM
from bots.discord_bot.render import render
from bots.gaps_order import CUT, PARTS, answer
from core.errors import PlatformError, PlatformUnreachable
from core.reception import Reception

log = logging.getLogger(__name__)

_NO_PINGS: Final = discord.AllowedMentions.none()

Start = Callable[[Coroutine[Any, Any, None]], object]


class Gaps:
    """Carries the command out. `start` runs work for as long as the bot takes any."""

    def __init__(self, client: discord.Client, reception: Reception, start: Start) -> None:
        self._client = client
        self._reception = reception
        self._start = start

    def command(self, interaction: discord.Interaction, since: str) -> None:
        """Somebody asks what went unanswered."""
        self._start(self._tell(interaction, since))

    async def _tell(self, interaction: discord.Interaction, since: str) -> None:
        """Acknowledge within the 3 s that Discord waits, and tell it when it is known."""
        with suppress(PlatformUnreachable):  # without a reply nobody knows whether it worked
            async with calls(self._client):
                await interaction.response.defer(thinking=True, ephemeral=True)
        user = str(interaction.user.id)
        parts = render(await answer(self._reception, PLATFORM, user, since))
        more = (*parts[1:PARTS], *([CUT] if len(parts) > PARTS else ()))
        try:
            async with calls(self._client):
                await interaction.edit_original_response(
                    content=parts[0], allowed_mentions=_NO_PINGS
                )
            for part in more:
                async with calls(self._client):
                    await interaction.followup.send(
                        part, ephemeral=True, suppress_embeds=True, allowed_mentions=_NO_PINGS
                    )
        except PlatformError as error:
            log.warning("A report was not told", extra={"error": str(error)})
