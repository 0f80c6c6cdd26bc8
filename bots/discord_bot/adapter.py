"""DiscordPlatform: the port's view of Discord. What it promises stands in core.ports."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import discord

from bots.discord_bot.connection import CALL_SECONDS, calls, listen, log_in
from bots.discord_bot.errors import MISSING_PERMISSIONS, NO_REPLY_WITHOUT_HISTORY, UNKNOWN_CHANNEL
from bots.discord_bot.events import PLATFORM, place_of
from bots.discord_bot.hints import cannot_answer, tell
from bots.discord_bot.intake import Intake
from bots.discord_bot.places import Place, Places
from bots.discord_bot.render import render
from core.domain import MessageId, Post, Reply, ThreadRef
from core.errors import PlatformError, PlatformRefused, PlatformUnreachable
from core.ports import Reception
from core.settings import DiscordSettings

_GRACE: Final = 3.0  # seconds for what is under way when the bot stops
_HISTORY: Final = 100  # messages after the question among which a reply is looked for
_NO_PINGS: Final = discord.AllowedMentions.none()

log = logging.getLogger(__name__)


class DiscordPlatform:
    """Discord, by one gateway session and REST.

    `remembered` and `remember` keep one short text for us: the commands that Discord was told of.
    """

    name: Final = PLATFORM
    working_seconds: Final = 8.0  #: typing is shown for 10 s

    def __init__(
        self,
        settings: DiscordSettings,
        *,
        remembered: Callable[[], Awaitable[str | None]],
        remember: Callable[[str], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._remembered = remembered
        self._remember = remember
        self._places: Places | None = None  #: once logged in

    async def run(self, reception: Reception, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """See Platform.run. While Discord is away it tries on, ever more slowly."""
        refusal: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                content = self._settings.message_content
                intake = Intake(reception, ready, tasks, message_content=content)
                connection = tasks.create_task(self._connect(intake))
                try:
                    await stop.wait()
                finally:
                    intake.close()
                    connection.cancel()
                await intake.finish(_GRACE)
        except* PlatformRefused as refused:
            refusal = refused.exceptions[0]
        if refusal:
            raise refusal

    async def close(self) -> None:
        """See Platform.close."""
        places, self._places = self._places, None
        if places:
            await places.client.close()

    def render(self, reply: Reply) -> Sequence[str]:
        """See Platform.render."""
        return render(reply)

    async def post(self, post: Post) -> MessageId:
        """See Platform.post. Attempts within some minutes are one message: Discord sees to it."""
        async with self._calls() as places:
            try:
                message = await places.reach(
                    post.thread, lambda place: _send(places.client, place, post)
                )
            except discord.Forbidden as error:
                await self._explain(places, post.thread, error)
                raise
        return MessageId(str(message.id))

    async def find(self, post: Post) -> MessageId | None:
        """See Platform.find. Looks at what was written after the question, up to 100 messages."""
        async with self._calls() as places:
            candidates = list(places.candidates(post.thread))
            for place in candidates:
                try:
                    return await _look(places.client, place, post)
                except discord.NotFound as error:
                    if error.code != UNKNOWN_CHANNEL or place is candidates[-1]:
                        raise
        return None

    async def show_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """See Platform.show_working. Opens the thread, too, so that the asker sees it at once."""
        try:
            async with self._calls(self.working_seconds) as places:
                await places.reach(thread, lambda place: _type(places.client, place))
        except PlatformError as error:
            log.info("Typing could not be shown", extra={"error": str(error)})

    async def clear_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """See Platform.clear_working. Typing ends with the next message, or by itself."""

    async def _connect(self, intake: Intake) -> None:
        client = await log_in(self._settings, intake.attach)
        self._places = intake.places
        self._say_what_is_seen(client)
        intake.start(intake.commands.sync(self._remembered, self._remember))
        await listen(client, self._settings.gateway_url)

    def _say_what_is_seen(self, client: discord.Client) -> None:
        """Tell the operator whether the bot reads messages that do not mention it."""
        flags = client.application_flags
        allowed = flags.gateway_message_content or flags.gateway_message_content_limited
        wanted = self._settings.message_content
        if wanted and not allowed:
            log.warning(
                "DISCORD_MESSAGE_CONTENT is true, but the Message Content Intent is not switched "
                "on in the Discord developer portal (Bot, Privileged Gateway Intents)"
            )
        elif allowed and not wanted:
            log.warning(
                "The Message Content Intent is switched on in the Discord developer portal, but "
                "not used: set DISCORD_MESSAGE_CONTENT=true, or switch it off"
            )
        elif not wanted:
            log.info("Without the Message Content Intent only mentions and replies are read")

    async def _explain(self, places: Places, thread: ThreadRef, error: discord.Forbidden) -> None:
        """Tell the asker, who would wait in vain, that the bot lost a permission on the way."""
        asker, (parent, number) = places.asker(thread), place_of(thread)
        if error.code == MISSING_PERMISSIONS and asker is not None:
            await tell(places.client, asker, cannot_answer(parent or number, ()))

    @asynccontextmanager
    async def _calls(self, seconds: float = CALL_SECONDS) -> AsyncIterator[Places]:
        if self._places is None:
            raise PlatformUnreachable("The bot is not logged in to Discord.")
        async with calls(self._places.client, seconds):
            yield self._places


async def _send(client: discord.Client, place: Place, post: Post) -> discord.Message:
    """Post; the nonce makes Discord return the message of an earlier attempt instead of another."""
    channel = client.get_partial_messageable(place.channel)
    if place.in_line:
        try:
            return await channel.send(
                post.text,
                nonce=post.marker,
                allowed_mentions=_NO_PINGS,
                suppress_embeds=True,
                reference=discord.MessageReference(
                    message_id=int(post.reply_to),
                    channel_id=place.channel,
                    fail_if_not_exists=False,
                ),
            )
        except discord.HTTPException as error:
            if error.code != NO_REPLY_WITHOUT_HISTORY:
                raise
    return await channel.send(
        post.text, nonce=post.marker, allowed_mentions=_NO_PINGS, suppress_embeds=True
    )


async def _type(client: discord.Client, place: Place) -> None:
    await client.get_partial_messageable(place.channel).typing()


async def _look(client: discord.Client, place: Place, post: Post) -> MessageId | None:
    channel = client.get_partial_messageable(place.channel)
    after = discord.Object(int(post.reply_to))
    async for message in channel.history(limit=_HISTORY, after=after, oldest_first=True):
        if message.author == client.user and _is_same(message, place, post):
            return MessageId(str(message.id))
    return None


def _is_same(message: discord.Message, place: Place, post: Post) -> bool:
    """Say whether a message of ours is this post; an older one may come without its nonce."""
    if message.nonce is not None:
        return str(message.nonce) == post.marker
    if place.in_line:
        reference = message.reference
        if reference is None or str(reference.message_id) != post.reply_to:
            return False
    return message.content == post.text.strip()
