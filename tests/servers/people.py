"""People who write in one thread, in Slack or on Discord: the same for a test, whatever the place.

Each stands for one channel; the thread is that of the first question there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from servers.discord_server import DiscordServer
from servers.discord_world import Channel, Json, User
from servers.slack_server import BOT_USER, SlackServer
from servers.slack_workspace import TEAM

SECONDS = 60.0  #: for everything, on a machine with much to do
Attachments = Mapping[str, bytes]
_NO_FILES: Attachments = MappingProxyType({})
_SLACK_WRITES = ("chat.postMessage", "chat.startStream", "chat.appendStream", "chat.update")


class Slack:
    """People in Slack, who write in one thread."""

    name = "slack"
    guild = f"slack:{TEAM}"  #: as a docent.toml names the workspace
    humans = ("slack:S0TEAM", "slack:U0CAROL")  #: who may be called
    tags = "<!subteam^S0TEAM> <@U0CAROL>"  #: how they are

    def __init__(self, server: SlackServer, channel: str = "C0GENERAL") -> None:
        self.server = server
        self.channel = channel
        self.alice, self.bob = "U0ALICE", "U0BOB"
        self.root = ""
        server.workspace.channels[channel].members.update((self.alice, self.bob))

    @property
    def place(self) -> str:
        """The channel, as settings name it."""
        return f"slack:{self.channel}"

    def elsewhere(self, name: str) -> Self:
        """The same people in a new channel."""
        self.server.workspace.add_channel(f"C0{name.upper()}")
        return type(self)(self.server, f"C0{name.upper()}")

    async def ready(self) -> None:
        await self.server.wait_for(lambda: self.server.connections, SECONDS)

    async def ask(self, person: str, text: str, files: Attachments = _NO_FILES) -> None:
        thread, shared = self.root or None, self._shared(files)
        ts = self.server.mention(self.channel, person, text, thread_ts=thread, files=shared)
        self.root = self.root or ts

    async def say(
        self, person: str, text: str, to: str | None = None, files: Attachments = _NO_FILES
    ) -> None:
        said = f"<@{to}> {text}" if to else text
        shared = self._shared(files)
        self.server.say(self.channel, person, said, thread_ts=self.root, files=shared)

    def _shared(self, files: Attachments) -> list[Json]:
        return [self.server.files.upload(name, content) for name, content in files.items()]

    def lose_files(self) -> None:
        """Let all files be gone."""
        self.server.files.uploads.clear()

    def file_requests(self) -> int:
        """How often a file was asked for."""
        return len(self.server.files.requests)

    def posted(self) -> list[Json]:
        """The bot's messages in the thread."""
        thread = self.server.thread(self.channel, self.root)[1:]
        return [message for message in thread if message["user"] == BOT_USER]

    def replies(self) -> list[str]:
        return [message["text"] for message in self.posted()]

    async def replied(self, count: int) -> list[str]:
        await self.server.wait_for(lambda: len(self.replies()) >= count, SECONDS)
        return self.replies()

    async def dressed(self, count: int) -> list[Json]:
        """The replies with their buttons, once there are so many."""

        await self.server.wait_for(lambda: len(_dressed(self.posted())) >= count, SECONDS)
        return _dressed(self.posted())

    async def ask_in_private(self, person: str, text: str) -> None:
        """Ask by /ask in the channel, where that is answered in private."""
        self.server.slash("/ask", text, channel=self.channel, user=person)

    def answers_in_private(self) -> list[str]:
        """What only the asker sees of answers, each time it was written."""
        return [one["text"] for one in self.server.whispers if one.get("blocks")]

    async def press(self, message: Json, label: str, person: str) -> None:
        self.server.press(self.channel, message, label, user=person)

    async def object_to(self, message: Json, person: str, reason: str) -> None:
        """Say that a reply did not help, and why."""
        opened = len(self.server.views)
        await self.press(message, "Not helpful", person)
        await self.server.wait_for(lambda: len(self.server.views) > opened, SECONDS)
        sent = self.server.submit(self.server.views[-1], reason, user=person)
        await self.server.wait_for(lambda: sent.done.is_set(), SECONDS)

    async def told(self, words: str) -> None:
        """Wait until somebody is told something that nobody else sees."""
        await self.server.wait_for(
            lambda: any(words in one["text"] for one in self.server.whispers), SECONDS
        )

    def texts(self) -> list[str]:
        """What stands in the channel and its threads."""
        return [str(one["text"]) for one in self.server.workspace.channels[self.channel].messages]

    def is_busy(self) -> bool:
        """Whether people see that an answer is on its way."""
        return self.server.status(self.channel, self.root) != ""

    def writes(self) -> int:
        """How many calls have put something into the thread, or changed it."""
        ours = {one["ts"] for one in self.posted()}
        calls = [call.args for call in self.server.calls if call.method in _SLACK_WRITES]
        return sum(
            args["channel"] == self.channel
            and (args.get("thread_ts") == self.root or args.get("ts") in ours)
            for args in calls
        )

    async def heard_all(self) -> None:
        """Wait until all that was said is acknowledged, and so written down.

        What is on its way yet counts, too: it is no delivery before it is sent.
        """
        messages = self.server.workspace.channels[self.channel].messages
        said = {one["ts"] for one in messages if one["user"] != BOT_USER}
        said -= {one.event.get("ts") for one in self.server.lost}

        def is_taken() -> bool:
            sent = self.server.deliveries
            return said <= {one.event.get("ts") for one in sent} and all(d.acked_at for d in sent)

        await self.server.wait_for(is_taken, SECONDS)


class Discord:
    """People in Discord, who write in one thread."""

    name = "discord"
    humans = ("discord:&55", "discord:77")
    tags = "<@&55> <@77>"

    def __init__(self, server: DiscordServer, channel: Channel | None = None) -> None:
        self.server = server
        self.channel = channel or server.world.channel("help")
        self.alice, self.bob = server.world.user("alice"), server.world.user("bob")
        self.thread: Channel | None = None
        self._presses: list[Any] = []
        self._asked: list[Any] = []

    @property
    def guild(self) -> str:
        return f"discord:{self.server.world.guild}"

    @property
    def place(self) -> str:
        return f"discord:{self.channel.id}"

    def elsewhere(self, name: str) -> Self:
        return type(self)(self.server, self.server.world.channel(name))

    async def ready(self) -> None:
        """Wait until there is a session. One whose socket broke counts, too."""
        world, gateway = self.server.world, self.server.gateway
        await self.server.wait_for(lambda: world.commands and gateway.sessions, SECONDS)

    async def ask(self, person: User, text: str, files: Attachments = _NO_FILES) -> None:
        place, shared = self.thread or self.channel, self._shared(files)
        message = await self.server.mention(place, person, text, attachments=shared)
        if self.thread is None:
            self.thread = await self.server.wait_for(
                lambda: self.server.thread_under(message), SECONDS
            )

    async def say(
        self, person: User, text: str, to: User | None = None, files: Attachments = _NO_FILES
    ) -> Json:
        assert self.thread is not None
        said = f"<@{to.id}> {text}" if to else text
        return await self.server.say(self.thread, person, said, attachments=self._shared(files))

    def _shared(self, files: Attachments) -> list[Json]:
        attach = self.server.world.files.attach
        return [attach(name, content) for name, content in files.items()]

    def lose_files(self) -> None:
        """Let all files be gone."""
        self.server.world.files.uploads.clear()

    def file_requests(self) -> int:
        """How often a file was asked for."""
        return len(self.server.world.files.requests)

    def posted(self) -> list[Json]:
        return self.server.posted(self.thread) if self.thread else []

    def replies(self) -> list[str]:
        return [str(message["content"]) for message in self.posted()]

    async def replied(self, count: int) -> list[str]:
        await self.server.wait_for(lambda: len(self.replies()) >= count, SECONDS)
        return self.replies()

    async def dressed(self, count: int) -> list[Json]:
        await self.server.wait_for(lambda: len(_dressed(self.posted())) >= count, SECONDS)
        return _dressed(self.posted())

    async def ask_in_private(self, person: User, text: str) -> None:
        self._asked.append(await self.server.slash("ask", person, self.channel, {"question": text}))

    def answers_in_private(self) -> list[str]:
        return [text for asked in self._asked if asked.ephemeral for text in asked.texts]

    async def press(self, message: Json, label: str, person: User) -> None:
        self._presses.append(await self.server.press(message, label, person))

    async def object_to(self, message: Json, person: User, reason: str) -> None:
        pressed = await self.server.press(message, "Not helpful", person)
        await self.server.wait_for(lambda: pressed.modal, SECONDS)
        sent = await self.server.submit(pressed, reason, person)
        await self.server.wait_for(lambda: sent.texts, SECONDS)

    async def told(self, words: str) -> None:
        await self.server.wait_for(
            lambda: any(words in str(one.texts) and one.ephemeral for one in self._presses), SECONDS
        )

    def texts(self) -> list[str]:
        return self.channel.texts()

    def is_busy(self) -> bool:
        """Whether the bot has begun to type; Discord ends that with its first words."""
        return bool(self.thread and self.thread.typing) and self.replies() == []

    def writes(self) -> int:
        assert self.thread is not None
        path = f"/channels/{self.thread.id}/messages"
        calls = [call for call in self.server.all_calls() if path in call.path]
        return sum(call.method in ("POST", "PATCH") for call in calls)

    async def heard_all(self) -> None:
        """What is said in a thread is heard in its order; but times are told to the millisecond."""
        now = self.server.world.snowflake() >> 22
        while self.server.world.snowflake() >> 22 == now:
            pass


People = Slack | Discord


def buttons_of(message: Json) -> str:
    """What stands under a message, of whichever platform."""
    return str(message.get("blocks") or message.get("components"))


def _dressed(messages: list[Json]) -> list[Json]:
    return [message for message in messages if "Helpful" in buttons_of(message)]
