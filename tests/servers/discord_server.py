"""A Discord on the loopback interface: one server with one bot, over real sockets.

    async with DiscordServer() as discord:
        settings = DiscordSettings(
            token=discord.token, api_url=discord.api_url, gateway_url=discord.gateway_url
        )
        channel, ann = discord.world.channel("help"), discord.world.user("Ann")
        question = await discord.mention(channel, ann, "How do I start?")
        thread = await discord.wait_for(lambda: discord.thread_under(question))

Channels and people that are made before the bot connects are in its GUILD_CREATE. How calls go
wrong is scripted by `fail`, how sockets do by the attributes of `gateway`. Calls are counted and
limited as Discord does it; `limit` makes that stricter.

What people do while no session is there is told to nobody; it stands in the history. A session
whose socket broke gets it all the same if it is resumed in time (`gateway.resume_seconds`).
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

from aiohttp import web

from servers.discord_gateway import GUILDS, Gateway, intent_of
from servers.discord_http import PREFIX, Call, Fault, Front, Limit
from servers.discord_rest import AUTOCOMPLETE, COMMAND, COMPONENT, SUBMIT, Interaction, Rest
from servers.discord_world import PERMISSIONS, Channel, Json, User, World
from servers.waiting import until

WAIT_SECONDS: Final = 60.0
EDITED: Final = "2026-11-22T12:34:56.000000+00:00"  #: when messages are edited
T = TypeVar("T")


class DiscordServer:
    """The loopback Discord. `content_intent` is the switch in the developer portal."""

    def __init__(self, *, content_intent: bool = False, token: str = "bot-token") -> None:
        self.token = token
        self.world = World(content_intent=content_intent)
        self.gateway = Gateway(self.world, token, self._touch)
        self._front = Front(token, self._touch)
        self.rest = Rest(self.world, self.gateway, self._front)
        self._changed = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "DiscordServer":
        """Listen on a free port."""
        app = web.Application()
        app.add_routes(self.rest.routes())
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/attachments/{place}/{id}/{name}", self.world.files.serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = site.name.removeprefix("http://")
        self.api_url = f"http://{address}{PREFIX}"
        self.world.files.base_url, self.world.files.changed = f"http://{address}", self._touch
        self.gateway_url = self.gateway.resume_url = f"ws://{address}/gateway/"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every socket."""
        await self._stack.aclose()

    # --- what people do --------------------------------------------------------------------------

    async def say(self, channel: Channel, user: User, text: str, **more: Any) -> Json:
        """Write a message; `more` as World.write takes it."""
        message = self.world.write(channel, user, text, **more)
        await self.gateway.tell(message)
        return message

    async def mention(self, channel: Channel, user: User, text: str, **more: Any) -> Json:
        """Write a message that mentions the bot."""
        return await self.say(channel, user, f"<@{self.world.bot.id}> {text}", **more)

    async def dm(self, user: User, text: str, **more: Any) -> Json:
        """Write to the bot directly."""
        return await self.say(self.world.direct(user), user, text, **more)

    async def reply(self, message: Json, user: User, text: str, *, ping: bool = True) -> Json:
        """Reply to a message, by default so that its author is pinged."""
        channel = self.world.channels[int(message["channel_id"])]
        return await self.say(channel, user, text, reply_to=message, ping=ping)

    async def slash(
        self,
        command: str,
        user: User,
        channel: Channel,
        options: Mapping[str, str] | None = None,
        *,
        files: Mapping[str, Json] | None = None,
        age: float = 0.0,
    ) -> Interaction:
        """Run a command, `age` seconds ago by its id; `files` as `world.files.attach` has them."""
        given = [
            {"type": 3, "name": name, "value": value} for name, value in (options or {}).items()
        ]
        given += [
            {"type": 11, "name": name, "value": file["id"]} for name, file in (files or {}).items()
        ]
        data: Json = {"id": "1", "type": 1, "name": command, "options": given}
        if files:
            data["resolved"] = {"attachments": {one["id"]: one for one in files.values()}}
        return await self._interact(COMMAND, user, channel, data, age=age)

    async def complete(
        self, command: str, user: User, channel: Channel, option: str, typed: str
    ) -> Interaction:
        """Type into an option of a command."""
        given = [{"type": 3, "name": option, "value": typed, "focused": True}]
        data = {"id": "1", "type": 1, "name": command, "options": given}
        return await self._interact(AUTOCOMPLETE, user, channel, data)

    async def press(
        self, message: Json, label: str, user: User, *, age: float = 0.0
    ) -> Interaction:
        """Press a button of a message, which must be there."""
        buttons = [one for row in message["components"] for one in row["components"]]
        (button,) = [one for one in buttons if one["label"] == label]
        channel = self.world.channels[int(message["channel_id"])]
        data = {"custom_id": button["custom_id"], "component_type": 2, "id": 2}
        return await self._interact(COMPONENT, user, channel, data, age=age, message=message)

    async def submit(self, asked: Interaction, text: str, user: User) -> Interaction:
        """Fill in the modal with one input that was opened as a response, and send it."""
        assert asked.modal is not None
        (row,) = asked.modal["components"]
        (given,) = row["components"]
        value = {"type": 4, "id": 2, "custom_id": given["custom_id"], "value": text}
        rows = [{"type": 1, "id": 1, "components": [value]}]
        data = {"custom_id": asked.modal["custom_id"], "components": rows}
        return await self._interact(SUBMIT, user, asked.channel, data, message=asked.pressed)

    async def message_menu(self, command: str, message: Json, user: User) -> Interaction:
        """Choose a command in the menu of a message, which the bot sees then."""
        channel = self.world.channels[int(message["channel_id"])]
        resolved = {"messages": {message["id"]: dict(message)}}
        data = {"id": "1", "type": 3, "name": command, "target_id": message["id"]}
        return await self._interact(COMMAND, user, channel, data | {"resolved": resolved})

    async def _interact(
        self,
        kind: int,
        user: User,
        channel: Channel,
        data: Json,
        *,
        age: float = 0.0,
        message: Json | None = None,
    ) -> Interaction:
        world = self.world
        interaction = Interaction(
            id=world.snowflake(age),
            token=f"interaction-token-{world.snowflake()}",
            user=user,
            channel=channel,
            type=kind,
            pressed=message,
        )
        self.rest.interactions[interaction.id] = interaction
        payload: Json = {
            "id": str(interaction.id),
            "application_id": str(world.application),
            "type": kind,
            "token": interaction.token,
            "version": 1,
            "locale": "en-GB",
            "attachment_size_limit": 10_485_760,
            "entitlements": [],
            "authorizing_integration_owners": {"0": str(channel.guild)},
            "app_permissions": str(world.granted(channel)),
            "channel": world.channel_payload(channel),
            "channel_id": str(channel.id),
            "data": data,
        }
        if message:
            payload["message"] = dict(message)
        if channel.recipient:
            payload |= {"user": user.payload(), "context": 1}
        else:
            member = world.member(user, channel.guild)
            member |= {"user": user.payload(), "permissions": "0"}
            payload |= {"member": member, "context": 0} | channel.where()
        await self.gateway.dispatch("INTERACTION_CREATE", payload, 0)
        return interaction

    async def edit(self, message: Json, text: str, at: str = EDITED) -> None:
        """Edit a message of a person. A reply that pings goes on to."""
        replied = message.get("referenced_message")
        pinged = [user["id"] for user in message["mentions"]]
        pings = replied is not None and replied["author"]["id"] in pinged
        message |= {"content": text, "edited_timestamp": at}
        self.world.name_people(message, replied=replied if pings else None)
        await self.gateway.tell(message, "MESSAGE_UPDATE")

    async def update(self, message: Json, **fields: Any) -> None:
        """Change a message as Discord itself does: `embeds`, `pinned`; nobody edits it."""
        message |= fields
        await self.gateway.tell(message, "MESSAGE_UPDATE")

    async def delete(self, message: Json) -> None:
        """Delete a message."""
        channel = self.world.channels[int(message["channel_id"])]
        del channel.messages[int(message["id"])]
        payload = {"id": message["id"], "channel_id": message["channel_id"]} | channel.where()
        await self.gateway.dispatch("MESSAGE_DELETE", payload, intent_of(channel))

    async def purge(self, channel: Channel, *messages: Json) -> None:
        """Delete messages of a channel at once, as a moderator's bot does."""
        ids = [message["id"] for message in messages]
        for number in ids:
            del channel.messages[int(number)]
        payload = {"ids": ids, "channel_id": str(channel.id)} | channel.where()
        await self.gateway.dispatch("MESSAGE_DELETE_BULK", payload, intent_of(channel))

    async def remove(self, channel: Channel) -> None:
        """Delete a thread, or a channel with its threads."""
        payload = self.world.channel_payload(channel)
        for one in list(self.world.channels.values()):
            if channel in (one, one.parent):
                del self.world.channels[one.id]
        await self.gateway.dispatch(
            "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE", payload, GUILDS
        )

    async def archive(self, thread: Channel, *, locked: bool = False) -> None:
        """Archive a thread; a locked one takes no message, any other is active with the next."""
        thread.archived, thread.locked = True, locked
        await self.gateway.dispatch("THREAD_UPDATE", self.world.channel_payload(thread), GUILDS)

    async def expel(self, guild: int) -> None:
        """Throw the bot out of a guild."""
        await self.gateway.dispatch("GUILD_DELETE", {"id": str(guild), "guild_id": str(guild)}, 0)
        self.world.guilds[guild].present = False

    async def redeliver(self, message: Json) -> None:
        """Send a message's event once more."""
        await self.gateway.tell(message)

    async def open_thread(self, parent: Channel, user: User, name: str) -> Channel:
        """Open a thread in a channel, or a post in a forum."""
        thread = self.world.thread(parent, self.world.snowflake(), name, user.id)
        payload = self.world.channel_payload(thread) | {"newly_created": True}
        await self.gateway.dispatch("THREAD_CREATE", payload, GUILDS)
        return thread

    async def deny(self, channel: Channel, *permissions: str, told: bool = True) -> None:
        """Take permissions of the bot in a channel; the gateway may keep quiet about it."""
        bits = sum(PERMISSIONS[name] for name in permissions)
        channel.denied |= bits
        if told:
            channel.overwritten |= bits
            payload = self.world.channel_payload(channel)
            await self.gateway.dispatch("CHANNEL_UPDATE", payload, GUILDS)

    async def allow(self, channel: Channel) -> None:
        """Give the bot all permissions in a channel."""
        channel.denied = channel.overwritten = 0
        await self.gateway.dispatch("CHANNEL_UPDATE", self.world.channel_payload(channel), GUILDS)

    def fail(self, method: str, route: str, *faults: Fault) -> None:
        """Let the next calls of a route go wrong, one fault each."""
        self._front.fail(method, route, *faults)

    def heal(self, method: str, route: str) -> None:
        """Take back what was ordered for a route."""
        self._front.heal(method, route)

    def limit(self, method: str, route: str, calls: int, seconds: float) -> None:
        """Let a route take so many calls in so many seconds, for each channel or webhook."""
        self._front.limit(method, route, Limit(calls=calls, seconds=seconds))

    # --- what came of it -------------------------------------------------------------------------

    def thread_under(self, message: Json) -> Channel | None:
        """The thread that was made from a message."""
        return self.world.channels.get(int(message["id"]))

    def posted(self, channel: Channel) -> list[Json]:
        """What the bot wrote in a channel or thread, oldest first."""
        bot = str(self.world.bot.id)
        messages = [message for _, message in sorted(channel.messages.items())]
        return [message for message in messages if message["author"]["id"] == bot]

    def calls(self, method: str, route: str) -> list[Call]:
        """The requests of a route, oldest first."""
        return [call for call in self._front.calls if (call.method, call.route) == (method, route)]

    def all_calls(self) -> list[Call]:
        """Every request, oldest first."""
        return list(self._front.calls)

    def too_many(self, method: str, route: str) -> int:
        """How many requests of a route were refused for its limit."""
        calls = self._front.too_many
        return sum((call.method, call.route) == (method, route) for call in calls)

    async def wait_for(self, found: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
        """Wait until something is so, here or in what the bot makes of it, and return it."""
        return await until(found, lambda: self._changed, seconds)

    def _touch(self) -> None:
        """Wake everybody who waits."""
        self._changed.set()
        self._changed = asyncio.Event()
