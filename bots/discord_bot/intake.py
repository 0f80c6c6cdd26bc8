"""What comes in: mentions are written down, commands are run, until the bot stops.

The gateway expects no acknowledgement: what is not written down here is lost. Replies go out by
adapter.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

import discord

from bots.discord_bot.commands import Commands
from bots.discord_bot.connection import calls
from bots.discord_bot.events import is_addressed, is_hidden, mention_of
from bots.discord_bot.hints import NOT_TAKEN, cannot_answer, cannot_read, tell
from bots.discord_bot.places import Places
from core.domain import Mention
from core.errors import PlatformError, StoreError
from core.mishaps import log_mishap
from core.ports import Reception

TAKE_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between tries to write a mention down
_REMEMBERED: Final = 1_000  # channels that were told something; then it may be said again

log = logging.getLogger(__name__)


class Intake:
    """Takes events of one client after the other, each in a task of `tasks`, until `close`."""

    def __init__(
        self,
        reception: Reception,
        ready: asyncio.Event,
        tasks: asyncio.TaskGroup,
        *,
        message_content: bool,
    ) -> None:
        self._reception = reception
        self._ready = ready
        self._tasks = tasks
        self._message_content = message_content
        self._work: set[asyncio.Task[None]] = set()
        self._closed = False
        self._warned: set[int] = set()
        self._hinted: set[int] = set()

    def attach(self, client: discord.Client) -> None:
        """Receive the client's events from now on."""
        self.places = Places(client)
        self.commands = Commands(self.places, self._reception, self.start)
        client.event(self.on_connect)
        client.event(self.on_message)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that `finish` waits for; after `close` nothing is begun."""
        if self._closed:
            work.close()
            return
        task = self._tasks.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def close(self) -> None:
        """Begin nothing more. A second call does nothing."""
        self._closed = True

    async def finish(self, grace: float) -> None:
        """Let what has begun end, for so many seconds, and stop the rest."""
        if self._work:
            await asyncio.wait(self._work, timeout=grace)
        for task in self._work:
            task.cancel()

    async def on_connect(self) -> None:
        """The gateway is READY."""
        self._ready.set()

    async def on_message(self, message: discord.Message) -> None:
        """Somebody wrote something, somewhere."""
        me = self.places.client.user
        if me and is_addressed(message, me):
            self.start(self._receive(message, me))

    async def _receive(self, message: discord.Message, me: discord.ClientUser) -> None:
        where = {"channel_id": message.channel.id, "message_id": message.id}
        try:
            await self._take(message, me)
        except StoreError:
            log.error("A mention could not be written down", extra=where)
            await tell(self.places.client, message.author.id, NOT_TAKEN)
        except PlatformError as error:
            log.warning("A mention could not be taken", extra={**where, "error": str(error)})
        except Exception as error:  # noqa: BLE001 (one odd message must not end the intake)
            log_mishap(log, "A mention could not be taken", error, **where)

    async def _take(self, message: discord.Message, me: discord.ClientUser) -> None:
        client = self.places.client
        if isinstance(message.channel, discord.PartialMessageable):  # not in discord.py's cache
            async with calls(client):
                channel = await client.fetch_channel(message.channel.id)
            if isinstance(channel, discord.abc.Messageable):
                message.channel = channel
        if missing := self.places.missing(message.channel):
            await self._explain(message, missing)
        elif not self._message_content and is_hidden(message):
            await self._hint(message, me)
        elif mention := mention_of(message, me):
            self.places.asked(mention.thread, message.author.id)
            if not isinstance(message.channel, discord.Thread | discord.DMChannel):
                self.places.expect(mention.thread, mention.text, message.author.display_name)
            await self._take_patiently(mention)

    async def _take_patiently(self, mention: Mention) -> None:
        """Try for some seconds: Discord delivers a message once, whatever became of it here."""
        for pause in TAKE_PAUSES:
            try:
                await self._reception.take(mention)
            except StoreError:
                await asyncio.sleep(pause)
            else:
                return
        await self._reception.take(mention)

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


def _first_time(told: set[int], channel: int) -> bool:
    if channel in told:
        return False
    if len(told) >= _REMEMBERED:
        told.clear()
    told.add(channel)
    return True
