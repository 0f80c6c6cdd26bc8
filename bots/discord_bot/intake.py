"""What comes in: mentions are written down, commands are run, until the bot stops.

The gateway expects no acknowledgement: what is not written down here is lost, unless `missed` finds
it later. Replies go out by adapter.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import discord

from bots.discord_bot.commands import Commands
from bots.discord_bot.connection import calls
from bots.discord_bot.events import edit_of, is_addressed, is_hidden, mention_of, ref_of
from bots.discord_bot.hints import NOT_TAKEN, cannot_answer, cannot_read, tell
from bots.discord_bot.places import Places
from core.domain import Mention, MessageRef
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.ports import Reception

#: Seconds between tries to write a mention down: some minutes, in which a database is restarted.
TAKE_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, *(15.0,) * 20)
_REMEMBERED: Final = 1_000  # channels that were told something; then it may be said again

log = logging.getLogger(__name__)


class Intake:
    """Takes the events of one client, each in a task of `tasks`, until `close`.

    What is heard of one message is handed over in the order in which it came.
    """

    def __init__(
        self,
        reception: Reception,
        tasks: asyncio.TaskGroup,
        *,
        message_content: bool,
    ) -> None:
        self._reception = reception
        self._tasks = tasks
        self._message_content = message_content
        self._work: set[asyncio.Task[None]] = set()
        self._latest: dict[int, asyncio.Task[None]] = {}  # by message
        self._closed = False
        self._warned: set[int] = set()
        self._hinted: set[int] = set()

    def attach(self, places: Places) -> None:
        """Receive the events of the client of these places from now on."""
        self.places = places
        self.commands = Commands(places, self._reception, self.start)
        client = places.client
        client.event(self.on_message)
        client.event(self.on_raw_message_edit)
        client.event(self.on_raw_message_delete)
        client.event(self.on_raw_bulk_message_delete)
        client.event(self.commands.refreshes.on_interaction)

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
        if me and is_addressed(message, me):
            self._start_for(message.id, lambda: self._receive(message, me, self._take))

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """A message changed: somebody edited it, or Discord did something with it."""
        me, message = self.places.client.user, event.message
        if me and is_addressed(message, me) and message.edited_at is not None:
            self._start_for(message.id, lambda: self._receive(message, me, self._edit))

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Somebody deleted a message."""
        self._forget(ref_of(event.guild_id, event.channel_id, event.message_id))

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Somebody deleted many messages at once."""
        for number in sorted(event.message_ids):
            self._forget(ref_of(event.guild_id, event.channel_id, number))

    async def take_found(self, message: discord.Message) -> bool:
        """Take a message that asks the bot and was found later; whether it is new.

        Where it cannot be answered, nobody is told so long after. One that was taken before may
        have been edited since. Raises StoreError, PlatformError.
        """
        me = self.places.client.user
        await self._complete(message)
        if me is None or self._closed or self.places.missing(message.channel):
            return False
        if is_hidden(message) and not self._message_content:
            return False
        mention = mention_of(message, me)
        if mention is None:
            return False
        self._prepare(message, mention)
        new = await self._reception.take(mention)
        if not new and (edited := edit_of(message, me)):
            await self._reception.edit(edited)
        return new

    def _start_for(self, message: int, work: Callable[[], Awaitable[None]]) -> None:
        """Start what is to be done for a message, after what was to be done before."""
        before = self._latest.get(message)

        async def wait_and_work() -> None:
            if before:
                await asyncio.wait([before])
            await work()

        task = self.start(wait_and_work())
        if task:
            self._latest[message] = task
            task.add_done_callback(lambda done: self._done(message, done))

    def _done(self, message: int, task: asyncio.Task[None]) -> None:
        if self._latest.get(message) is task:
            del self._latest[message]

    async def _receive(
        self,
        message: discord.Message,
        me: discord.ClientUser,
        hand_over: Callable[[discord.Message, discord.ClientUser], Awaitable[None]],
    ) -> None:
        where = {"channel_id": message.channel.id, "message_id": message.id}
        try:
            await self._complete(message)
            if missing := self.places.missing(message.channel):
                await self._explain(message, missing)
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
            self._prepare(message, mention)
            await _patiently(lambda: self._reception.take(mention))

    async def _edit(self, message: discord.Message, me: discord.ClientUser) -> None:
        if mention := edit_of(message, me):
            self._prepare(message, mention)
            await _patiently(lambda: self._reception.edit(mention))

    def _prepare(self, message: discord.Message, mention: Mention) -> None:
        """Note what posting the answer will need."""
        self.places.asked(mention.thread, message.author.id)
        if not isinstance(message.channel, discord.Thread | discord.DMChannel):
            self.places.expect(mention.thread, mention.text, message.author.display_name)

    def _forget(self, ref: MessageRef) -> None:
        self._start_for(int(ref.message), lambda: self._withdraw(ref))

    async def _withdraw(self, ref: MessageRef) -> None:
        where = {"channel_id": ref.channel, "message_id": ref.message}
        try:
            await _patiently(lambda: self._reception.withdraw(ref))
        except StoreError:
            log.error("A deleted message may be answered all the same", extra=where)
        except Exception as error:  # noqa: BLE001 (one odd message must not end the intake)
            log_mishap(log, "A deletion could not be handed over", error, **where)

    async def _explain(self, message: discord.Message, missing: tuple[str, ...]) -> None:
        """Tell the author in private why there will be no answer, and the operator once."""
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


async def _patiently(hand_over: Callable[[], Awaitable[object]]) -> None:
    """Try for some minutes: Discord delivers an event once, whatever became of it here."""
    for pause in TAKE_PAUSES:
        try:
            await hand_over()
        except StoreError:
            await asyncio.sleep(pause)
        else:
            return
    await hand_over()


def _first_time(told: set[int], channel: int) -> bool:
    if channel in told:
        return False
    if len(told) >= _REMEMBERED:
        told.clear()
    told.add(channel)
    return True
