"""What people said in a thread, for a question that is asked in the middle of it."""

from collections.abc import Sequence
from typing import Final

import discord

from bots.discord_bot.errors import NOT_FOR_MESSAGES
from bots.discord_bot.events import asked_text, place_of
from bots.discord_bot.places import Places
from core.domain import MessageId, Said, ThreadRef

NOT_FOUND: Final = 404
_SPOKEN: Final = (discord.MessageType.default, discord.MessageType.reply)


async def read_talk(
    places: Places,
    thread: ThreadRef,
    after: MessageId | None,
    before: MessageId,
    limit: int,
) -> Sequence[Said]:
    """See `Platform.talk`. Raises what discord.py raises; the caller translates it.

    Of a question that its thread is made from, it is the message that it replies to. Nothing for
    direct messages: all that people say there is asked.
    """
    client, (parent, number) = places.client, place_of(thread)
    if parent is None:
        return ()
    if number == int(before):
        replied = await _replied_to(client, parent, number) if places.may_reply(thread) else None
        return _all_said([replied] if replied else [], client.user)
    messages = [
        message
        async for message in client.get_partial_messageable(number).history(
            limit=limit,
            before=discord.Object(int(before)),
            after=None if after is None else discord.Object(int(after)),
            oldest_first=False,
        )
    ][::-1]
    if after is None and all(message.id != number for message in messages):
        root = await _root(client, parent, number)
        room = len(messages) - limit + 1
        messages = [*([root] if root else ()), *(messages[max(0, room) :] if root else messages)]
    return _all_said(messages, client.user)


def _all_said(messages: Sequence[discord.Message], me: discord.ClientUser | None) -> Sequence[Said]:
    spoken = [one for one in messages if one.author != me and one.type in _SPOKEN]
    return [said for said in (_said(one, me) for one in spoken) if said.text]


async def _replied_to(client: discord.Client, channel: int, number: int) -> discord.Message | None:
    """The message that another one replies to, where it does, and neither is gone."""
    try:
        message = await client.get_partial_messageable(channel).fetch_message(number)
    except discord.NotFound:
        return None
    if message.type is not discord.MessageType.reply or message.reference is None:
        return None
    replied = message.reference.resolved
    return replied if isinstance(replied, discord.Message) else None


async def _root(client: discord.Client, parent: int, number: int) -> discord.Message | None:
    """The message that a thread was made from. That of a forum's post stands in the thread."""
    is_forum = isinstance(client.get_channel(parent), discord.ForumChannel)
    for place in (number,) if is_forum else (parent, number):
        try:
            return await client.get_partial_messageable(place).fetch_message(number)
        except discord.HTTPException as error:
            if error.status != NOT_FOUND and error.code not in NOT_FOR_MESSAGES:
                raise
    return None  # a thread that was made from no message


def _said(message: discord.Message, me: discord.ClientUser | None) -> Said:
    """A message in words; one whose text Discord keeps back has none."""
    return Said(
        speaker=message.author.display_name,
        text=asked_text(message, me) if me else message.content.strip(),
        at=message.created_at.timestamp(),
    )
