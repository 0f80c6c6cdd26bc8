"""Replies that nobody but the asker sees: ephemeral responses to an interaction.

Whoever has the interaction's token can reply to it, for 15 minutes; it is kept in our database, so
that a restart still replies. The first part takes the place of the response that says that we
think, and may be written any number of times; the others are messages of their own. What comes too
late for the token goes to the asker directly.
"""

import asyncio
import logging
import time
from typing import Final

import discord

from bots.discord_bot.buttons import Interaction, view_of
from bots.discord_bot.connection import response_of
from bots.discord_bot.events import PLATFORM, is_private, place_of, private_ref
from core.domain import MessageId, MessageRef, Post, ThreadRef
from core.errors import PlatformBusy
from core.tokens import ReplyToken, Tokens
from core.waiting import happens

TOKEN_SECONDS: Final = 15 * 60.0 - 5.0  #: a little less than Discord's
#: Within which Discord hears of a response to an interaction; before, it knows no such webhook.
ACKNOWLEDGED_WITHIN: Final = 10.0
AGAIN_IN: Final = 0.5  #: seconds
_UNKNOWN_WEBHOOK: Final = 10015
_GONE: Final = (401, 404)  #: statuses: the token has expired, or the response was taken away

log = logging.getLogger(__name__)


class Privacy:
    """Replies to interactions, by the tokens that are kept."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._begun: dict[MessageRef, asyncio.Event] = {}  # set once we have responded

    async def keep(self, interaction: Interaction, question: MessageRef) -> None:
        """Keep what lets us reply to a question in private. Raises StoreError.

        Call `responded` when the interaction has its first response, or will get none.
        """
        self._begun.setdefault(question, asyncio.Event())
        expires_at = interaction.created_at.timestamp() + TOKEN_SECONDS
        token = ReplyToken(token=interaction.token, expires_at=expires_at)
        await self._tokens.put(question, str(interaction.user.id), token)

    def responded(self, question: MessageRef) -> None:
        """Hear that the interaction of a question has its first response, or gets none."""
        if begun := self._begun.pop(question, None):
            begun.set()

    async def post(self, client: discord.Client, post: Post) -> MessageId:
        """Post a part to its asker alone. Raises discord.py's exceptions, PlatformBusy, StoreError.

        A first part that is posted again takes the place of itself.
        """
        question = _question_of(post)
        token = await self._tokens.get(question)
        if token is not None:
            await self._wait_for_response(question)
            try:
                return await _respond(client, post, token)
            except discord.HTTPException as error:
                if error.status not in _GONE:
                    raise
                age = time.time() - (token.expires_at - TOKEN_SECONDS)
                if error.code == _UNKNOWN_WEBHOOK and 0.0 <= age < ACKNOWLEDGED_WITHIN:
                    raise PlatformBusy(AGAIN_IN) from error
        log.info("A private reply goes to its asker directly", extra={"turn": post.turn})
        return await _write_to(client, post)

    async def _wait_for_response(self, question: MessageRef) -> None:
        """Let the response that says that we think come first: its reply takes its place."""
        if begun := self._begun.get(question):
            await happens(begun, within=ACKNOWLEDGED_WITHIN)


def place_of_question(interaction: Interaction) -> tuple[ThreadRef, MessageRef] | None:
    """Name the place where an interaction is answered in private, and its question; else None.

    None in direct messages, where nobody else is, and in channels that discord.py does not know.
    """
    channel = interaction.channel
    if channel is None or isinstance(channel, discord.DMChannel | discord.GroupChannel):
        return None
    thread = private_ref(channel, interaction.id)
    return thread, _ref(thread, str(interaction.id))


def question_again(interaction: Interaction) -> MessageRef | None:
    """Name what is asked anew by a press under a private reply; None where it is no such."""
    message, channel = interaction.message, interaction.channel
    if message is None or channel is None or not message.flags.ephemeral:
        return None
    if isinstance(channel, discord.DMChannel | discord.GroupChannel):
        return None
    return _ref(private_ref(channel, message.id), str(message.id))


def _question_of(post: Post) -> MessageRef:
    return _ref(post.thread, post.reply_to)


def _ref(thread: ThreadRef, message: str) -> MessageRef:
    assert is_private(thread)  # noqa: S101 (others have messages that can be replied to)
    return MessageRef(
        platform=PLATFORM,
        tenant=thread.tenant,
        channel=str(place_of(thread)[1]),
        message=MessageId(message),
    )


async def _respond(client: discord.Client, post: Post, token: ReplyToken) -> MessageId:
    response, view = response_of(client, token.token), view_of(post)
    none = discord.AllowedMentions.none()
    if post.number == 0:
        original: int = "@original"  # type: ignore[assignment]  # as Discord has it
        message = await response.edit_message(
            original, content=post.text, allowed_mentions=none, view=view
        )
    else:
        message = await response.send(
            post.text,
            ephemeral=True,
            allowed_mentions=none,
            suppress_embeds=True,
            view=view or discord.utils.MISSING,
            wait=True,
        )
    return MessageId(str(message.id))


async def _write_to(client: discord.Client, post: Post) -> MessageId:
    """Write to the asker directly, without buttons: they would not be where the question was."""
    direct = await client.create_dm(discord.Object(int(post.asker)))
    channel = place_of(post.thread)[1]
    intro = f"-# You asked in <#{channel}>\n" if post.number == 0 else ""
    message = await direct.send(
        intro + post.text,
        nonce=post.marker,
        allowed_mentions=discord.AllowedMentions.none(),
        suppress_embeds=True,
    )
    return MessageId(str(message.id))
