"""What comes in: mentions are written down, commands are run, until the bot stops.

The gateway expects no acknowledgement: what is not written down here is lost, unless `missed` finds
it later. Replies go out by adapter.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

import discord

from bots.discord_bot.commands import Commands
from bots.discord_bot.connection import calls
from bots.discord_bot.door import Door
from bots.discord_bot.events import (
    edit_of,
    is_addressed,
    is_hidden,
    is_of_bot,
    is_remark,
    mention_of,
    ref_of,
    remark_of,
)
from bots.discord_bot.hints import NOT_TAKEN, cannot_answer, cannot_read, tell
from bots.discord_bot.places import Places
from bots.discord_bot.presses import Presses
from bots.discord_bot.private import Privacy
from core.domain import Mention, MessageRef
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.reception import Reception

#: Seconds between tries to write a mention down: some minutes, in which a database is restarted.
TAKE_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, *(15.0,) * 20)
_REMEMBERED: Final = 1_000  # channels that were told something; then it may be said again

T = TypeVar("T")

log = logging.getLogger(__name__)


class Intake:
    """Takes the events of one client, each in a task of `tasks`, until `close`.

    What is heard of one message, and in one thread, is handed over in the order in which it came.
    """

    def __init__(
        self,
        reception: Reception,
        tasks: asyncio.TaskGroup,
        *,
        message_content: bool,
        privacy: Privacy,
        tell_roles: bool = False,
        private_asks: bool = False,
    ) -> None:
        """`tell_roles`: whether it matters which roles people have. `private_asks`: whether /ask is
        answered to its asker alone.
        """
        self._privacy = privacy
        self._private_asks = private_asks
        self._reception = reception
        self._tasks = tasks
        self._message_content = message_content
        self._tell_roles = tell_roles
        self._work: set[asyncio.Task[None]] = set()
        self._latest: dict[int, asyncio.Task[None]] = {}  # by message, and by thread
        self._closed = False
        #: What takes what was missed in the thread of a message, and said before it: by the number
        #: of each shard that looks for that at present.
        self.catch_ups: dict[int, Callable[[discord.Message], Awaitable[None]]] = {}
        self._warned: set[int] = set()
        self._hinted: set[int] = set()

    def attach(self, places: Places) -> None:
        """Receive the events of the client of these places from now on."""
        self.places = places
        self.door = Door(places, self._reception, tell_roles=self._tell_roles)
        self.commands = Commands(
            places,
            self._reception,
            self.door,
            self.start,
            self._privacy,
            private=self._private_asks,
        )
        self.presses = Presses(self._reception, self._privacy, self.start)
        client = places.client
        client.event(self.on_message)
        client.event(self.on_raw_message_edit)
        client.event(self.on_raw_message_delete)
        client.event(self.on_raw_bulk_message_delete)
        client.event(self.on_interaction)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do something that `finish` waits for; after `close` nothing is begun."""
        if self._closed:
            work.close()
            return None
        task = self._tasks.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def close(self) -> None:
        """Begin nothing more. A second call does nothing."""
        self._closed = True

    async def finish(self, grace: float) -> None:
        """Let what has begun end, for so many seconds, and stop the rest."""
        if self._work:
            await asyncio.wait(self._work, timeout=grace)
        for task in self._work:
            task.cancel()

    async def settle(self) -> None:
        """Wait until what has come so far is handed over, or given up."""
        if self._latest:
            await asyncio.wait(list(self._latest.values()))

    async def on_message(self, message: discord.Message) -> None:
        """Somebody wrote something, somewhere."""
        me = self.places.client.user
        # What was said before in the same thread decides whether this is for the bot.
        place = message.channel.id if isinstance(message.channel, discord.Thread) else None
        if me and is_addressed(message, me):
            self._start_for(message.id, lambda: self._receive(message, me, self._take), place)
        elif me and is_remark(message, me):
            hand_over = partial(self._overhear, message, me, edited=False)
            self._start_for(message.id, hand_over, place)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """A message changed: somebody edited it, or Discord did something with it."""
        me, message = self.places.client.user, event.message
        if me is None or message.edited_at is None:
            return
        if is_addressed(message, me):
            self._start_for(message.id, lambda: self._receive(message, me, self._edit))
        elif is_remark(message, me):
            self._start_for(message.id, lambda: self._overhear(message, me, edited=True))

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Somebody deleted a message."""
        self._forget(ref_of(event.guild_id, event.channel_id, event.message_id))

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Somebody deleted many messages at once."""
        for number in sorted(event.message_ids):
            self._forget(ref_of(event.guild_id, event.channel_id, number))

    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Somebody pressed a button, or filled a form in; commands are discord.py's matter."""
        if not self.presses.hear(interaction):
            await self.commands.refreshes.on_interaction(interaction)

    async def take_found(self, message: discord.Message) -> bool:
        """Take a message that asks the bot, or may, and was found later; whether it is new.

        Where it cannot be answered, nobody is told so long after. One that was taken before may
        have been edited since. Raises StoreError, PlatformError.
        """
        me = self.places.client.user
        await self._complete(message)
        if me is None or self._closed or self.places.missing(message.channel):
            return False
        if is_hidden(message) and not self._message_content:
            return False
        if is_remark(message, me):
            return await self._take_found_remark(message, me)
        mention = mention_of(message, me)
        if mention is None:
            return False
        mention = await self.door.told(message, mention)
        self._prepare(message, mention)
        new = await self._reception.take(mention)
        if not new and (edited := edit_of(message, me)):
            await self._reception.edit(replace(edited, roles=mention.roles))
        return new

    async def _take_found_remark(self, message: discord.Message, me: discord.ClientUser) -> bool:
        """The same for one that does not mention the bot: it may have been taken, and edited."""
        remark = remark_of(message, me, hidden=False)
        mention = await self.door.told(message, remark.mention)
        new = await self._reception.overhear(replace(remark, mention=mention))
        if new:
            self.places.asked(mention.thread, message.author.id)
        elif message.edited_at is not None:
            edited = remark_of(message, me, hidden=False, edited=True)
            await self._reception.overhear(edited)
        return new

    def _start_for(
        self, message: int, work: Callable[[], Awaitable[None]], place: int | None = None
    ) -> None:
        """Start what is to be done for a message, after what was to be done before.

        With a `place`, that is also what was to be done for the messages in it.
        """
        numbers = {message, message if place is None else place}
        before = {self._latest[number] for number in numbers if number in self._latest}

        async def wait_and_work() -> None:
            if before:
                await asyncio.wait(before)
            await work()

        task = self.start(wait_and_work())
        if task:
            self._latest |= dict.fromkeys(numbers, task)
            task.add_done_callback(lambda done: self._done(numbers, done))

    def _done(self, numbers: Collection[int], task: asyncio.Task[None]) -> None:
        for number in numbers:
            if self._latest.get(number) is task:
                del self._latest[number]

    async def _receive(
        self,
        message: discord.Message,
        me: discord.ClientUser,
        hand_over: Callable[[discord.Message, discord.ClientUser], Awaitable[None]],
    ) -> None:
        where = {"channel_id": message.channel.id, "message_id": message.id}
        try:
            await self._complete(message)
            if is_of_bot(message):
                await hand_over(message, me)  # which is told nothing, whatever is amiss
            elif missing := self.places.missing(message.channel):
                await self._explain(message, me, missing)
            elif not self._message_content and is_hidden(message):
                await self._hint(message, me)
            else:
                await hand_over(message, me)
        except StoreError:
            log.error("A mention could not be written down", extra=where)
            await tell(self.places.client, message.author.id, NOT_TAKEN)
        except PlatformError as error:
            log.warning("A mention could not be taken", extra={**where, "error": str(error)})
        except Exception as error:  # noqa: BLE001 (one odd message must not end the intake)
            log_mishap(log, "A mention could not be taken", error, **where)

    async def _complete(self, message: discord.Message) -> None:
        """Look the message's channel up where it is not in discord.py's cache."""
        if not isinstance(message.channel, discord.PartialMessageable):
            return
        async with calls(self.places.client):
            channel = await self.places.client.fetch_channel(message.channel.id)
        if isinstance(channel, discord.abc.Messageable):
            message.channel = channel

    async def _take(self, message: discord.Message, me: discord.ClientUser) -> None:
        if mention := mention_of(message, me):
            told = await self.door.told(message, mention)
            self._prepare(message, told)
            if not await _patiently(lambda: self._reception.take(told)):
                await self.door.turn_away(told)

    async def _edit(self, message: discord.Message, me: discord.ClientUser) -> None:
        if mention := edit_of(message, me):
            told = await self.door.told(message, mention)
            self._prepare(message, told)
            await _patiently(lambda: self._reception.edit(told))

    async def _overhear(
        self, message: discord.Message, me: discord.ClientUser, *, edited: bool
    ) -> None:
        """Hand over what is said in a thread without a mention. Most of it is not for the bot, so
        that nobody is told where that fails.
        """
        where = {"channel_id": message.channel.id, "message_id": message.id}
        hidden = not self._message_content and is_hidden(message)
        if (hidden and edited) or self.places.missing(message.channel):
            return
        try:
            if not (hidden or edited):
                await self._catch_up(message)
            remark = remark_of(message, me, hidden=hidden, edited=edited)
            told = replace(remark, mention=await self.door.told(message, remark.mention))
            if await _patiently(lambda: self._reception.overhear(told)):
                self.places.asked(told.mention.thread, message.author.id)
                if hidden:
                    await self._hint(message, me)
        except StoreError:
            log.error("A message in a thread could not be judged", extra=where)
        except PlatformError as error:
            log.warning("A message in a thread was not taken", extra={**where, "error": str(error)})
        except Exception as error:  # noqa: BLE001 (one odd message must not end the intake)
            log_mishap(log, "A message in a thread could not be judged", error, **where)

    async def _catch_up(self, message: discord.Message) -> None:
        """Have what was missed in its thread taken first: that decides whom a message is for."""
        guild = message.guild
        catch_up = self.catch_ups.get(guild.shard_id) if guild else None
        if catch_up:
            await catch_up(message)

    def _prepare(self, message: discord.Message, mention: Mention) -> None:
        """Note what posting the answer will need."""
        self.places.asked(mention.thread, message.author.id)
        if not isinstance(message.channel, discord.Thread | discord.DMChannel):
            name, replies = message.author.display_name, message.type is discord.MessageType.reply
            self.places.expect(mention.thread, mention.text, name, replies=replies)

    def _forget(self, ref: MessageRef) -> None:
        self._start_for(int(ref.message), lambda: self._withdraw(ref))

    async def _withdraw(self, ref: MessageRef) -> None:
        where = {"channel_id": ref.channel, "message_id": ref.message}
        try:
            # There is no cache to tell what it said; but a direct message does ask the bot.
            asked = None if ref.tenant else True
            await _patiently(lambda: self._reception.withdraw(ref, asked=asked))
        except StoreError:
            log.error("A deleted message may be answered all the same", extra=where)
        except Exception as error:  # noqa: BLE001 (one odd message must not end the intake)
            log_mishap(log, "A deletion could not be handed over", error, **where)

    async def _explain(
        self, message: discord.Message, me: discord.ClientUser, missing: tuple[str, ...]
    ) -> None:
        """Tell the author in private why there will be no answer, and the operator once."""
        mention = mention_of(message, me)
        if mention and await self.door.turn_away(await self.door.told(message, mention)):
            return
        where = {"channel_id": message.channel.id, "missing": ", ".join(missing)}
        if _first_time(self._warned, message.channel.id):
            log.warning("The bot is mentioned where it must not answer", extra=where)
        text = cannot_answer(message.channel.id, missing)
        await tell(self.places.client, message.author.id, text)

    async def _hint(self, message: discord.Message, me: discord.ClientUser) -> None:
        """Say once in a channel that Discord does not show the bot what it is to answer."""
        if not _first_time(self._hinted, message.channel.id):
            return
        async with calls(self.places.client):
            await message.reply(cannot_read(me), mention_author=False, suppress_embeds=True)


async def _patiently(hand_over: Callable[[], Awaitable[T]]) -> T:
    """Try for some minutes: Discord delivers an event once, whatever became of it here."""
    for pause in TAKE_PAUSES:
        try:
            return await hand_over()
        except StoreError:
            await asyncio.sleep(pause)
    return await hand_over()


def _first_time(told: set[int], channel: int) -> bool:
    if channel in told:
        return False
    if len(told) >= _REMEMBERED:
        told.clear()
    told.add(channel)
    return True
