"""What is posted in a channel outside any thread: looked for there, and questions shown to all."""

from typing import Final

import discord

from bots.discord_bot.events import PLATFORM, place_of
from bots.discord_bot.places import Places
from core.domain import MessageId, Root, ThreadRef

NEWEST: Final = 100  #: messages of a channel among which one of ours is looked for
_MESSAGE_LENGTH: Final = 2_000


async def find_announced(
    client: discord.Client, channel: discord.PartialMessageable, text: str
) -> discord.Message | None:
    """Look for a text of ours; None where it is not there, or cannot be looked for."""
    try:
        newest = [message async for message in channel.history(limit=NEWEST)]
    except discord.Forbidden:
        return None
    ours = (one for one in newest if one.author == client.user and one.content == text.strip())
    return next(ours, None)


async def show_question(
    places: Places,
    thread: ThreadRef,
    asker: str,
    question: str,
    *,
    marker: str,
    doubtful: bool,
) -> Root:
    """Show in the channel who asked what; see `Platform.share_question`.

    The nonce makes attempts within some minutes one message. Raises discord.py's exceptions.
    """
    client, (parent, number) = places.client, place_of(thread)
    channel = client.get_partial_messageable(number)
    plain = discord.utils.escape_markdown(question)
    text = f"<@{asker}> asks: {plain}"[:_MESSAGE_LENGTH]
    message = await find_announced(client, channel, text) if doubtful else None
    if message is None:
        message = await channel.send(
            text,
            nonce=marker,
            allowed_mentions=discord.AllowedMentions.none(),
            suppress_embeds=True,
        )
    # In a thread the answer stands below; in a channel, in a thread that is made from the message.
    key = f"{parent}/{number}" if parent != number else f"{parent}/{message.id}"
    root = ThreadRef(platform=PLATFORM, tenant=thread.tenant, key=key)
    if parent == number:
        places.expect(root, question, "")
    return Root(thread=root, channel=str(number), message=MessageId(str(message.id)))
