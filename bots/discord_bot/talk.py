"""What people said in a thread, for a question that is asked in the middle of it."""

from collections.abc import Sequence
from typing import Final

import discord

from bots.discord_bot.errors import NOT_FOR_MESSAGES
from bots.discord_bot.events import place_of, question_of
from core.domain import MessageId, Said, ThreadRef

NOT_FOUND: Final = 404
_SPOKEN: Final = (discord.MessageType.default, discord.MessageType.reply)


async def read_talk(
    client: discord.Client,
    thread: ThreadRef,
    after: MessageId | None,
    before: MessageId,
    limit: int,
) -> Sequence[Said]:
    """See `Platform.talk`. Raises what discord.py raises; the caller translates it.

    Nothing for direct messages: all that people say there is asked.
    """
    parent, number = place_of(thread)
    if parent is None or number == int(before):
        return ()
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
    said = [
        _said(message, client.user)
        for message in messages
        if message.author != client.user and message.type in _SPOKEN
    ]
    return [each for each in said if each.text]


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
    text = question_of(message, me) if me else message.content
    forwarded = [snapshot.content for snapshot in message.message_snapshots]
    return Said(
        speaker=message.author.display_name,
        text="\n".join(filter(None, (text, *forwarded))).strip(),
        at=message.created_at.timestamp(),
    )
