"""DiscordPlatform: the port's view of Discord. What it promises stands in core.ports."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import discord

from bots.discord_bot.account import Account
from bots.discord_bot.buttons import is_draft, pings_of, text_of, view_of
from bots.discord_bot.connection import CALL_SECONDS, calls, patience
from bots.discord_bot.errors import (
    MISSING_PERMISSIONS,
    NO_REPLY_WITHOUT_HISTORY,
    NOT_FOR_MESSAGES,
    UNKNOWN_CHANNEL,
)
from bots.discord_bot.events import PLATFORM, is_private, place_of
from bots.discord_bot.files import Files
from bots.discord_bot.gateway import listen, open_gate
from bots.discord_bot.hints import cannot_answer, tell
from bots.discord_bot.intake import Intake
from bots.discord_bot.missed import Watch
from bots.discord_bot.places import Place, Places
from bots.discord_bot.private import Privacy
from bots.discord_bot.render import growing, quoted, render
from bots.discord_bot.sharing import find_announced, show_question
from bots.discord_bot.talk import read_talk
from core.domain import Attached, Button, MessageId, Post, Reply, Root, Said, ThreadRef
from core.errors import MessageGone, PlatformError, PlatformRefused
from core.ports import Render
from core.reception import Reception
from core.settings import DiscordSettings
from core.tokens import Tokens

_DRAFT_PATIENCE: Final = 1.0  # seconds for a rate limit; the reply is not to wait for a draft
_GRACE: Final = 3.0  # seconds for what is under way when the bot stops
_NEWEST: Final = 100  # messages among which a reply is looked for first
_HISTORY: Final = 1_000  # messages after the question among which it is looked for then
_MESSAGE_LENGTH: Final = 2_000
_NO_PINGS: Final = discord.AllowedMentions.none()

log = logging.getLogger(__name__)


class DiscordPlatform:
    """Discord, by one gateway session for each shard, and REST.

    `remembered` and `remember` keep one short text for us: the commands that Discord was told of;
    `tokens` is for what private replies are posted by.
    """

    name: Final = PLATFORM
    working_seconds: Final = 8.0  #: typing is shown for 10 s
    #: Edits are limited in each channel, to about 5 in 5 s; the reply needs one, too.
    draft_seconds: Final = 1.2

    def __init__(
        self,
        settings: DiscordSettings,
        *,
        remembered: Callable[[], Awaitable[str | None]],
        remember: Callable[[str], Awaitable[None]],
        tokens: Tokens,
    ) -> None:
        self._settings = settings
        self._privacy = Privacy(tokens)
        self._remembered = remembered
        self._remember = remember
        self._account = Account(settings)
        self._files = Files(settings.api_url, self._calls)

    async def open(self) -> None:
        """See Platform.open."""
        await self._account.open()

    async def run(self, reception: Reception, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """See Platform.run. While Discord is away it tries on, ever more slowly."""
        refusal: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                intake = Intake(
                    reception,
                    tasks,
                    message_content=self._settings.message_content,
                    privacy=self._privacy,
                    tell_roles=self._settings.tell_roles,
                    private_asks=self._settings.private_asks,
                )
                connection = tasks.create_task(self._connect(intake, reception, ready))
                try:
                    await stop.wait()
                finally:
                    intake.close()
                    connection.cancel()
                await intake.finish(_GRACE)
        except* PlatformRefused as refused:
            refusal = refused
        while isinstance(refusal, BaseExceptionGroup):
            refusal = refusal.exceptions[0]
        if refusal:
            raise refusal

    async def close(self) -> None:
        """See Platform.close."""
        await self._account.close()
        await self._files.close()

    def render(self, reply: Reply) -> Sequence[str]:
        """See Platform.render."""
        return render(reply)

    async def post(self, post: Post) -> MessageId:
        """See Platform.post. Attempts within some minutes are one message: Discord sees to it."""
        if is_private(post.thread):
            async with self._calls() as places:
                return await self._privacy.post(places.client, post)
        async with self._calls() as places:
            try:
                message = await places.reach(
                    post.thread, lambda place: _send(places.client, place, post)
                )
            except discord.Forbidden as error:
                await self._explain(places, post.thread, error)
                raise
        posted = MessageId(str(message.id))
        if not _is_as_posted(message, post):  # an earlier attempt's, of which we know nothing
            await self.edit(post, posted)
        return posted

    async def edit(self, post: Post, message: MessageId) -> None:
        """See Platform.edit."""
        with suppress(MessageGone):
            await self._rewrite(post, message)

    async def delete(self, thread: ThreadRef, message: MessageId) -> None:
        """See Platform.delete."""
        with suppress(MessageGone):
            async with self._calls() as places:
                client = places.client
                await places.reach(thread, lambda place: _message(client, place, message).delete())

    def draft_renderer(self, thread: ThreadRef) -> Render:
        """See Platform.draft_renderer. What is private is shown when it is complete."""
        return (lambda _: ()) if is_private(thread) else growing().parts

    async def draft(self, post: Post, message: MessageId | None) -> MessageId:
        """See Platform.draft. The nonce makes a draft and its reply one message."""
        if message is None:
            return await self.post(post)
        with patience(_DRAFT_PATIENCE), suppress(MessageGone):
            await self._rewrite(post, message)
        return message

    def channel_of(self, thread: ThreadRef) -> str:
        """See Platform.channel_of."""
        parent, number = place_of(thread)
        return str(parent or number)

    async def talk(
        self, thread: ThreadRef, after: MessageId | None, before: MessageId, limit: int
    ) -> Sequence[Said]:
        """See Platform.talk."""
        if is_private(thread):
            return ()
        async with self._calls() as places:
            return await read_talk(places, thread, after, before, limit)

    async def announce(
        self, channel: str, text: str, *, quote: str = "", marker: str = "", doubtful: bool = False
    ) -> None:
        """See Platform.announce."""
        shown = "\n".join((text, *quoted(quote)))[:_MESSAGE_LENGTH]
        await self.publish(channel, shown, marker=marker, doubtful=doubtful)

    async def publish(
        self, channel: str, part: str, *, marker: str, doubtful: bool = False
    ) -> None:
        """See Platform.publish. The nonce makes attempts within some minutes one message."""
        if not channel.isdecimal():
            raise PlatformRefused("That is no id of a Discord channel.")
        async with self._calls() as places:
            there = places.client.get_partial_messageable(int(channel))
            if doubtful and marker and await find_announced(places.client, there, part):
                return
            await there.send(
                part,
                nonce=marker or secrets.token_hex(12),
                allowed_mentions=_NO_PINGS,
                suppress_embeds=True,
            )

    def is_direct(self, thread: ThreadRef) -> bool:
        """See Platform.is_direct."""
        return place_of(thread)[0] is None or is_private(thread)

    def can_share(self, thread: ThreadRef) -> bool:
        """See Platform.can_share."""
        return is_private(thread)

    async def share_question(
        self, thread: ThreadRef, asker: str, question: str, *, marker: str, doubtful: bool
    ) -> Root:
        """See Platform.share_question."""
        async with self._calls() as places:
            return await show_question(
                places, thread, asker, question, marker=marker, doubtful=doubtful
            )

    async def link(self, thread: ThreadRef, message: MessageId) -> str:
        """See Platform.link."""
        if is_private(thread):
            return ""
        parent, number = place_of(thread)
        channel = parent if parent is not None and message == str(number) else number
        return f"https://discord.com/channels/{thread.tenant or '@me'}/{channel}/{message}"

    async def read_file(self, thread: ThreadRef, file: Attached, limit: int) -> bytes:
        """See Platform.read_file."""
        return await self._files.read(file, limit)

    async def find(self, post: Post) -> MessageId | None:
        """See Platform.find. Looks at what was written after the question, within bounds."""
        if is_private(post.thread):
            return None  # a first part takes its own place, and others cannot be looked for
        unknown: discord.HTTPException | None = None
        looked = False
        async with self._calls() as places:
            for place in places.candidates(post.thread, post.reply_to):
                try:
                    if message := await _look(places.client, place, post):
                        return message
                except discord.HTTPException as error:
                    if error.code not in (UNKNOWN_CHANNEL, *NOT_FOR_MESSAGES):
                        raise
                    unknown = unknown or error
                else:
                    looked = True
            if unknown and not looked:
                in_line = await places.in_line(post.thread, post.reply_to)
                if in_line is None:
                    raise unknown
                return await _look(places.client, in_line, post)
        return None

    async def show_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """See Platform.show_working. Opens the thread, too, so that the asker sees it at once."""
        if is_private(thread):
            return  # Discord shows it by itself
        try:
            async with self._calls(self.working_seconds) as places:
                channel = places.client.get_partial_messageable
                await places.reach(thread, lambda place: channel(place.channel).typing())
        except PlatformError as error:
            log.info("Typing could not be shown", extra={"error": str(error)})

    async def clear_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """See Platform.clear_working. Typing ends with the next message, or by itself."""

    async def _connect(self, intake: Intake, reception: Reception, ready: asyncio.Event) -> None:
        """Log in, and hear every shard of this process until cancelled."""
        places = await self._account.wait()
        client, shards = places.client, self._settings.shards
        intake.attach(places)
        self._say_what_is_seen(client)
        here = list(shards.ids) if shards else [None]
        if here[0] in (None, 0):  # one process tells Discord, for all
            intake.start(intake.commands.sync(self._remembered, self._remember))
        gate, silent = await open_gate(client), set(here)

        def begun(shard: int | None) -> None:
            silent.discard(shard)
            if not silent:
                ready.set()

        async with asyncio.TaskGroup() as tasks:
            for shard in here:
                on_begun = partial(begun, shard)
                watch = Watch(intake, reception, tasks, shard=shard, on_begun=on_begun)
                hearing = listen(client, self._settings.gateway_url, gate, watch, shard)
                tasks.create_task(hearing, name=f"shard {shard}")

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

    async def _rewrite(self, post: Post, message: MessageId) -> None:
        async with self._calls() as places:
            client = places.client
            await places.reach(
                post.thread,
                lambda place: _message(client, place, message).edit(
                    content=post.text, allowed_mentions=_NO_PINGS, view=view_of(post)
                ),
            )

    async def _explain(self, places: Places, thread: ThreadRef, error: discord.Forbidden) -> None:
        """Tell the asker, who would wait in vain, that the bot lost a permission on the way."""
        asker, (parent, number) = places.asker(thread), place_of(thread)
        if error.code == MISSING_PERMISSIONS and asker is not None:
            await tell(places.client, asker, cannot_answer(parent or number, ()))

    @asynccontextmanager
    async def _calls(self, seconds: float = CALL_SECONDS) -> AsyncIterator[Places]:
        places = await self._account.places(seconds)
        async with calls(places.client, seconds):
            yield places


async def _send(client: discord.Client, place: Place, post: Post) -> discord.Message:
    """Post; the nonce makes Discord return the message of an earlier attempt instead of another."""
    channel = client.get_partial_messageable(place.channel)
    text, pings, view = text_of(post), pings_of(post), view_of(post) or discord.utils.MISSING
    if _names_question(place, post):
        try:
            return await channel.send(
                text,
                nonce=post.marker,
                allowed_mentions=pings,
                suppress_embeds=True,
                view=view,
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
        text, nonce=post.marker, allowed_mentions=pings, suppress_embeds=True, view=view
    )


def _message(client: discord.Client, place: Place, message: MessageId) -> discord.PartialMessage:
    return client.get_partial_messageable(place.channel).get_partial_message(int(message))


async def _look(client: discord.Client, place: Place, post: Post) -> MessageId | None:
    """Look for a post among the newest messages, where it mostly is, then from the question on."""
    channel = client.get_partial_messageable(place.channel)
    after, newest = discord.Object(int(post.reply_to)), 0
    async for message in channel.history(limit=_NEWEST, after=after, oldest_first=False):
        newest += 1
        if _is_same(client, message, place, post):
            return MessageId(str(message.id))
    if newest < _NEWEST:
        return None
    async for message in channel.history(limit=_HISTORY, after=after, oldest_first=True):
        if _is_same(client, message, place, post):
            return MessageId(str(message.id))
    return None


def _is_same(client: discord.Client, message: discord.Message, place: Place, post: Post) -> bool:
    """Say whether a message is this post of ours; an older one may come without its nonce."""
    if message.author != client.user:
        return False
    if message.nonce is not None:
        return str(message.nonce) == post.marker
    named = str(message.reference.message_id) if message.reference else None
    if named != (post.reply_to if _names_question(place, post) else None):
        return False
    return message.content == text_of(post) or is_draft(message, post)


def _is_as_posted(message: discord.Message, post: Post) -> bool:
    """Say whether the message that Discord gives for a post says what the post does."""
    same_text = message.content.split() == text_of(post).split()
    return same_text and is_draft(message, post) == (Button.STOP in post.buttons)


def _names_question(place: Place, post: Post) -> bool:
    """Say whether a post is made as a reply to its question: wherever that stands in the place.

    Two questions may have replies of the same text; by what they name they are told apart. Only the
    first question of a thread stands outside, where it cannot be replied to from within.
    """
    return place.in_line or place.channel != int(post.reply_to)
