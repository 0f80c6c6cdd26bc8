"""“Ask Docent about this”, in the menu of a message: it is taken as the question of who chose it.

Works in threads, too, and without the message content intent: Discord shows the bot that message.
"""

import logging
from collections.abc import Awaitable
from typing import Final

import discord

from bots.discord_bot.attached import attached, attachments_of
from bots.discord_bot.connection import calls
from bots.discord_bot.door import Door
from bots.discord_bot.events import Channel, asked_text, ids_of_roles, parent_of, thread_of
from bots.discord_bot.hints import cannot_answer
from bots.discord_bot.places import Places
from core.domain import Mention, MessageId
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.reception import Reception

ASK_ABOUT: Final = "Ask Docent about this"  #: the name in the menu

NOT_TAKEN: Final = "I could not take this question. Please try again in a moment."
NO_TEXT: Final = "This message has no text that I could answer."
TAKEN: Final = "I answer in the thread of that message."
TAKEN_BEFORE: Final = "I have been asked about this message already: see its thread."

log = logging.getLogger(__name__)

_Interaction = discord.Interaction[discord.Client]


class About:
    """Takes messages that somebody asks about."""

    def __init__(self, places: Places, reception: Reception, door: Door) -> None:
        self._places = places
        self._reception = reception
        self._door = door

    async def ask(self, interaction: _Interaction, message: discord.Message) -> None:
        """Take a message, and tell the person, and nobody else, what came of it. Never raises."""
        where = {"interaction_id": interaction.id}
        response = interaction.response
        acknowledged = await self._try(response.defer(thinking=True, ephemeral=True))
        try:
            told = await self._take(interaction, message)
        except (StoreError, PlatformError) as error:
            log.error("A question could not be taken", extra={**where, "error": str(error)})
            told = NOT_TAKEN
        except Exception as error:  # noqa: BLE001 (one odd message must not end the intake)
            log_mishap(log, "A question could not be taken", error, **where)
            told = NOT_TAKEN
        if acknowledged:
            await self._try(interaction.edit_original_response(content=told))

    async def _take(self, interaction: _Interaction, message: discord.Message) -> str:
        """Take the message; what to tell the person."""
        channel, me = interaction.channel, self._places.client.user
        if channel is None or me is None:
            return NOT_TAKEN  # of a kind that discord.py does not know yet
        mention = _mention(interaction, channel, message, asked_text(message, me))
        if not mention.text and not mention.files:
            return NO_TEXT
        if (refusal := await self._door.refusal(mention)) is not None:
            return refusal
        if missing := self._places.missing(channel):
            return cannot_answer(channel.id, missing)
        self._places.asked(mention.thread, interaction.user.id)
        if not isinstance(channel, discord.Thread | discord.DMChannel):
            name = interaction.user.display_name
            replies = message.type is discord.MessageType.reply
            self._places.expect(mention.thread, mention.text, name, replies=replies)
        return TAKEN if await self._reception.take(mention) else TAKEN_BEFORE

    async def _try(self, call: Awaitable[object]) -> bool:
        """Make a call; whether it worked."""
        try:
            async with calls(self._places.client):
                await call
        except PlatformError as error:
            log.info("A command could not be responded to", extra={"error": str(error)})
            return False
        return True


def _mention(
    interaction: _Interaction, channel: Channel, message: discord.Message, question: str
) -> Mention:
    return Mention(
        thread=thread_of(channel, message.id),
        channel=str(channel.id),
        message=MessageId(str(message.id)),
        author=str(interaction.user.id),
        text=question,
        at=interaction.created_at.timestamp(),
        files=attached(attachments_of(message), channel.id, message.id),
        parent=parent_of(channel),
        direct=isinstance(channel, discord.DMChannel),
        roles=ids_of_roles(interaction.user),
    )
