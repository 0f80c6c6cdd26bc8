"""Where a reply goes: the thread, opened where there is none yet, or the channel in line.

Knows the permissions that decide it. Nothing is written to a channel here.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import discord

from bots.discord_bot.connection import patience
from bots.discord_bot.errors import THREAD_EXISTS, UNKNOWN_CHANNEL
from bots.discord_bot.events import place_of, question_of, thread_name
from bots.discord_bot.manifest import PERMISSIONS
from core.domain import MessageId, ThreadRef

_REMEMBERED: Final = 10_000  #: threads; the oldest is forgotten and found again when needed
_ARCHIVE_MINUTES: Final = 1440
_PATIENCE: Final = 5.0  #: seconds; an answer in line is better than one that comes late
_REFUSED_SECONDS: Final = 600.0  #: for which a refusal counts where permissions are not known
_FOR_A_THREAD: Final = ("view_channel", "create_public_threads", "send_messages_in_threads")

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A channel or thread that takes messages."""

    channel: int
    in_line: bool = False  #: the channel of the question, which has no thread of its own


class Places:
    """The threads of one bot, and the channel that each of them is reached by.

    Methods raise discord.py's exceptions; the caller translates them.
    """

    def __init__(self, client: discord.Client) -> None:
        self.client = client
        self._known: dict[str, Place] = {}
        self._expected: dict[str, str] = {}
        self._askers: dict[str, int] = {}
        self._alone: dict[str, bool] = {}  #: threads to be made from what replies to nothing
        self._refused: dict[int, float] = {}  #: channels where no thread could be made, and when

    def asked(self, thread: ThreadRef, person: int) -> None:
        """Note who asked last in a thread."""
        _keep(self._askers, thread.key, person)

    def asker(self, thread: ThreadRef) -> int | None:
        """Who asked last in the thread; None after a restart."""
        return self._askers.get(thread.key)

    def expect(
        self, thread: ThreadRef, question: str, asker: str, *, replies: bool = False
    ) -> None:
        """Note that a thread does not exist yet, and how it will be called.

        `replies`: whether the message that it will be made from replies to another one.
        """
        _keep(self._alone, thread.key, not replies)
        if thread.key not in self._known:
            _keep(self._expected, thread.key, thread_name(question, asker))

    def may_reply(self, thread: ThreadRef) -> bool:
        """Whether what a thread was made from may reply to something; after a restart, it may."""
        return not self._alone.get(thread.key, False)

    async def reach(self, thread: ThreadRef, act: Callable[[Place], Awaitable[T]]) -> T:
        """Do something where replies to the thread go. Opens the thread where there is none yet."""
        parent, number = place_of(thread)
        if parent is None:
            return await act(Place(channel=number))
        place = self._known.get(thread.key)
        if place is None and thread.key in self._expected:
            place = await self._open(thread, parent, number)
        if place is not None:
            return await act(place)
        try:  # after a restart nobody knows whether the thread was opened
            result = await act(Place(channel=number))
        except discord.NotFound as error:
            if error.code != UNKNOWN_CHANNEL or self._is_forum(parent):
                raise
            return await act(await self._open(thread, parent, number))
        _keep(self._known, thread.key, Place(channel=number))
        return result

    def candidates(self, thread: ThreadRef, question: MessageId) -> Iterator[Place]:
        """Where the reply to a question may have gone, the likely place first. Opens nothing.

        Another process may have replied elsewhere than this one would; but in line only where the
        thread would have been made from the question.
        """
        parent, number = place_of(thread)
        known = self._known.get(thread.key, Place(channel=number))
        yield known
        if known.in_line:
            yield Place(channel=number)
        elif parent is not None and question == str(number):
            yield Place(channel=parent, in_line=True)

    async def in_line(self, thread: ThreadRef, question: MessageId) -> Place | None:
        """The channel, where a later question of a thread that was never opened stands in it.

        Such is one that is asked again by a button under a reply in line.
        """
        parent, _ = place_of(thread)
        if parent is None:
            return None
        try:
            await self.client.get_partial_messageable(parent).fetch_message(int(question))
        except discord.NotFound:
            return None
        place = Place(channel=parent, in_line=True)
        _keep(self._known, thread.key, place)
        return place

    def may_read(self, channel: discord.abc.Snowflake) -> bool:
        """Whether the bot may read what was written there, as far as is known."""
        granted = self._permissions(channel)
        return granted is None or (granted.view_channel and granted.read_message_history)

    def missing(self, channel: discord.abc.Snowflake) -> tuple[str, ...]:
        """The permissions without which the bot surely cannot answer there, as Discord names them.

        Empty where it can, and where that is not sure: Discord will say then.
        """
        granted = self._permissions(channel)
        if granted is None or not granted.view_channel:  # it was mentioned there, so it sees it
            return ()
        in_thread = isinstance(channel, discord.Thread)
        may_open = in_thread or granted.create_public_threads
        if granted.send_messages or (granted.send_messages_in_threads and may_open):
            return ()
        return _lacking(granted, ("send_messages_in_threads" if in_thread else "send_messages",))

    async def _open(self, thread: ThreadRef, parent: int, number: int) -> Place:
        """Make the thread from its message; where that is not possible, replies go in line."""
        name = self._expected.get(thread.key)
        place = Place(channel=number)
        if self._is_futile(parent):
            place = Place(channel=parent, in_line=True)
        else:
            try:
                name = name or await self._name(parent, number)
                with patience(_PATIENCE):
                    # discord.py's own create_thread needs the server in its cache.
                    await self.client.http.start_thread_with_message(
                        parent, number, name=name, auto_archive_duration=_ARCHIVE_MINUTES
                    )
            except discord.RateLimited as error:
                log.info(
                    "Discord lets no thread be opened for now; the answer goes into the channel",
                    extra={"channel_id": parent, "seconds": round(error.retry_after)},
                )
                place = Place(channel=parent, in_line=True)
            except discord.HTTPException as error:
                place = self._settle(parent, place, error)
        _keep(self._known, thread.key, place)
        self._expected.pop(thread.key, None)
        return place

    def _settle(self, parent: int, thread: Place, error: discord.HTTPException) -> Place:
        """Choose where to reply, now that Discord did not make a thread."""
        if error.code == THREAD_EXISTS:
            return thread
        if error.status not in (400, 403):  # where the question is deleted it is 404
            raise error
        known, self._refused[parent] = parent in self._refused, time.monotonic()
        if not known:
            missing = self._lacking_for_a_thread(parent)
            log.warning(
                "Threads cannot be opened in a channel; answers go into it",
                extra={"channel_id": parent, "code": error.code, "missing": ", ".join(missing)},
            )
        return Place(channel=parent, in_line=True)

    def _is_futile(self, parent: int) -> bool:
        """Say whether Discord will not make a thread there: its refusals are counted."""
        channel = self.client.get_channel(parent)
        refused_at = self._refused.get(parent)
        if channel is None:  # without the gateway's events nothing is known of permissions
            return refused_at is not None and time.monotonic() - refused_at < _REFUSED_SECONDS
        if isinstance(channel, discord.TextChannel):
            return refused_at is not None and bool(self._lacking_for_a_thread(parent))
        return True

    def _lacking_for_a_thread(self, parent: int) -> tuple[str, ...]:
        channel = self.client.get_channel(parent)
        granted = self._permissions(channel) if channel else None
        return _lacking(granted, _FOR_A_THREAD) if granted else ()

    def _is_forum(self, parent: int) -> bool:
        """A post of a forum exists before anybody asks in it: one that does not exist is gone."""
        return isinstance(self.client.get_channel(parent), discord.ForumChannel)

    async def _name(self, parent: int, number: int) -> str:
        """Name a thread after its question, which nobody remembers any more."""
        me = self.client.user
        try:
            message = await self.client.get_partial_messageable(parent).fetch_message(number)
        except discord.Forbidden:
            return "Question"
        return thread_name(question_of(message, me) if me else "", message.author.display_name)

    def _permissions(self, channel: discord.abc.Snowflake) -> discord.Permissions | None:
        if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return None
        me = self.client.user and channel.guild.get_member(self.client.user.id)
        try:
            return channel.permissions_for(me) if me else None
        except discord.ClientException:  # a thread whose channel is not in the cache
            return None


def _lacking(granted: discord.Permissions, needed: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(PERMISSIONS[name][0] for name in needed if not getattr(granted, name))


def _keep(memory: dict[str, T], key: str, value: T) -> None:
    """Remember something under a key, and forget the oldest where that is too much."""
    memory[key] = value
    if len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]
