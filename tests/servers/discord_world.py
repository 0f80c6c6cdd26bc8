"""What the loopback Discord consists of: people, channels, messages and permissions, as payloads.

One bot, in one server (guild) or, with `add_guild`, in several. No socket is opened here;
`discord_rest` and `discord_gateway` do.
"""

import itertools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from servers.discord_files import DiscordFiles

Json = dict[str, Any]

PERMISSIONS: Final = {
    "view_channel": 1 << 10,
    "send_messages": 1 << 11,
    "read_message_history": 1 << 16,
    "create_public_threads": 1 << 35,
    "send_messages_in_threads": 1 << 38,
}
EVERYTHING: Final = sum(PERMISSIONS.values())

TEXT, DM, VOICE, NEWS, PUBLIC_THREAD, FORUM = 0, 1, 2, 5, 11, 15
DEFAULT, REPLY, COMMAND_RESPONSE = 0, 19, 20
EPHEMERAL, LOADING, HAS_THREAD = 1 << 6, 1 << 7, 1 << 5

_EPOCH_MS: Final = 1_420_070_400_000
_MENTION: Final = re.compile(r"<@!?(\d+)>")
_ROLE_MENTION: Final = re.compile(r"<@&(\d+)>")


def shard_of(guild: int, count: int) -> int:
    """The shard that a guild's events come to; those of direct channels (0) come to the first."""
    return (guild >> 22) % count


class Refusal(Exception):
    """An error as Discord's API answers it: a status, and a code and message in the body."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{status} {code} {message}")


@dataclass(kw_only=True, slots=True)
class User:
    """A person or a bot."""

    id: int
    name: str
    bot: bool = False
    takes_messages: bool = True  #: whether the bot may open a direct channel
    roles: tuple[int, ...] = ()  #: in the first guild

    def payload(self) -> Json:
        """As Discord describes a user."""
        return {
            "id": str(self.id),
            "username": self.name.lower(),
            "global_name": self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
        }


@dataclass(kw_only=True, slots=True)
class Guild:
    """A server that has the bot."""

    id: int
    bot_role: int
    present: bool = True  #: whether the bot is still a member


@dataclass(kw_only=True, slots=True)
class Channel:
    """A channel, thread or direct channel, with its messages by id."""

    id: int
    type: int
    guild: int = 0  #: 0: a direct channel
    name: str = ""
    parent: "Channel | None" = None
    owner: int = 0
    recipient: User | None = None
    locked: bool = False
    archived: bool = False  #: not among the active threads; the next message ends that
    denied: int = 0  #: what the bot may not do there
    overwritten: int = 0  #: as much of it as the gateway tells
    messages: dict[int, Json] = field(default_factory=dict)
    last_message: int = 0  #: the newest that was ever written, also where it was deleted
    typing: list[float] = field(default_factory=list)  #: when the bot began to type

    @property
    def is_thread(self) -> bool:
        """Whether it hangs in another channel."""
        return self.type == PUBLIC_THREAD

    def where(self) -> Json:
        """What the events of its messages say of its guild."""
        return {"guild_id": str(self.guild)} if self.guild else {}

    def texts(self) -> list[str]:
        """What was written, oldest first."""
        return [str(message["content"]) for _, message in sorted(self.messages.items())]


class World:
    """Everything that the API and the gateway tell about."""

    def __init__(self, *, content_intent: bool) -> None:
        self._numbers = itertools.count(1)
        self.content_intent = content_intent  #: switched on in the developer portal
        self.files = DiscordFiles(self.snowflake)
        self.application = self.snowflake()
        self.guild = self.snowflake()  #: the first guild
        self.bot = User(id=self.application, name="Docent", bot=True)
        self.bot_role = self.snowflake()
        self.guilds = {self.guild: Guild(id=self.guild, bot_role=self.bot_role)}
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.channels: dict[int, Channel] = {}
        self.commands: list[Json] = []
        self.roles: dict[int, str] = {}  #: of the first guild, beside everyone's and the bot's
        self.unmentionable: set[int] = set()  #: roles that not everybody may mention
        self.permissions = 0  #: of the bot in each guild, as its list of guilds has them

    def snowflake(self, age: float = 0.0) -> int:
        """An id that no other has; it tells when it was made, `age` seconds ago."""
        milliseconds = int((time.time() - age) * 1000) - _EPOCH_MS
        return (milliseconds << 22) + next(self._numbers)

    def user(self, name: str, *, bot: bool = False) -> User:
        """Somebody new."""
        user = User(id=self.snowflake(), name=name, bot=bot)
        self.users[user.id] = user
        return user

    def role(self, name: str) -> int:
        """A new role of the first guild; its id."""
        number = self.snowflake()
        self.roles[number] = name
        return number

    def add_guild(self, *, shard: int = 0, of: int = 1) -> int:
        """Another guild with the bot, whose events come to a certain shard; its id."""
        number = self.snowflake()
        while shard_of(number, of) != shard:
            number = self.snowflake() - (next(self._numbers) % of << 22)
        self.guilds[number] = Guild(id=number, bot_role=self.snowflake())
        return number

    def channel(self, name: str, type: int = TEXT, *, guild: int | None = None) -> Channel:
        """A new channel of a guild; without one, of the first."""
        channel = Channel(id=self.snowflake(), type=type, name=name, guild=guild or self.guild)
        self.channels[channel.id] = channel
        return channel

    def thread(self, parent: Channel, id: int, name: str, owner: int) -> Channel:
        """A new thread; one that is made from a message has the message's id."""
        where = {"parent": parent, "guild": parent.guild}
        thread = Channel(id=id, type=PUBLIC_THREAD, name=name, owner=owner, **where)
        self.channels[thread.id] = thread
        return thread

    def direct(self, user: User) -> Channel:
        """The direct channel of the bot and somebody."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(id=self.snowflake(), type=DM, recipient=user)
        self.channels[channel.id] = channel
        return channel

    def granted(self, channel: Channel) -> int:
        """What the bot may do in a channel, as bits; threads have their channel's permissions."""
        if channel.type == DM:
            return EVERYTHING
        if not self.guilds[channel.guild].present:
            return 0
        return EVERYTHING & ~(channel.parent or channel).denied

    def need(self, channel: Channel, permission: str) -> None:
        """Refuse as the API does what the bot may not do."""
        granted = self.granted(channel)
        if not granted & PERMISSIONS["view_channel"]:
            raise Refusal(403, 50001, "Missing Access")
        if not granted & PERMISSIONS[permission]:
            raise Refusal(403, 50013, "Missing Permissions")

    def find_channel(self, number: str | int) -> Channel:
        """A channel by id, or 10003."""
        try:
            return self.channels[int(number)]
        except (KeyError, ValueError):
            raise Refusal(404, 10003, "Unknown Channel") from None

    def find_message(self, channel: Channel, number: str | int) -> Json:
        """A message by id, or 10008."""
        try:
            return channel.messages[int(number)]
        except (KeyError, ValueError):
            raise Refusal(404, 10008, "Unknown Message") from None

    def write(
        self,
        channel: Channel,
        author: User,
        content: str,
        *,
        reply_to: Json | None = None,
        ping: bool = True,
        attachments: Sequence[str | Json] = (),
        type: int = DEFAULT,
        age: float = 0.0,
        **more: Any,
    ) -> Json:
        """Put a message into a channel, `age` seconds ago by its id.

        Whom it mentions follows from its text and the reply. Attachments are names of files, or
        what `files.attach` returned.
        """
        message: Json = {
            "id": str(self.snowflake(age)),
            "channel_id": str(channel.id),
            "author": author.payload(),
            "content": content,
            "timestamp": "2026-11-22T12:00:00.000000+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": "@everyone" in content,
            "mentions": [],
            "mention_roles": [],
            "attachments": [
                self.files.attach(one) if isinstance(one, str) else one for one in attachments
            ],
            "embeds": [],
            "components": [],
            "pinned": False,
            "type": type,
            "flags": 0,
            **more,
        }
        if reply_to is not None:
            reference = {"message_id": reply_to["id"], "channel_id": str(channel.id), "type": 0}
            message |= {"type": REPLY, "message_reference": reference}
            message["referenced_message"] = reply_to
        self.name_people(message, replied=reply_to if ping else None)
        channel.messages[int(message["id"])] = message
        channel.last_message = max(channel.last_message, int(message["id"]))
        channel.archived = False
        return message

    def name_people(self, message: Json, *, replied: Json | None = None) -> None:
        """Fill in whom a message mentions: in its text, and the author that it replies to."""
        mentioned = [int(number) for number in _MENTION.findall(message["content"])]
        if replied is not None:
            mentioned.append(int(replied["author"]["id"]))
        people = [self.users[one].payload() for one in mentioned if one in self.users]
        message["mentions"] = people
        message["mention_roles"] = _ROLE_MENTION.findall(message["content"])

    def shown(self, message: Json, *, intent: bool) -> Json:
        """The message as the bot sees it: without its text, where it may not read that."""
        channel = self.channels[int(message["channel_id"])]
        replied = message.get("referenced_message") or {}
        if replied:  # which may be hidden, though the message is not
            message = message | {"referenced_message": self.shown(replied, intent=intent)}
        addressed = str(self.bot.id) in [user["id"] for user in message["mentions"]]
        by_name = str(self.bot.id) in _MENTION.findall(message["content"])
        to_response = replied.get("type") == COMMAND_RESPONSE  # such replies are not exempt
        own = message["author"]["id"] == str(self.bot.id)
        if intent or channel.type == DM or own or by_name or (addressed and not to_response):
            return message
        return message | {"content": "", "attachments": [], "embeds": [], "components": []}

    def member(self, user: User, guild: int | None = None) -> Json:
        """Somebody as a member of a guild."""
        numbers = user.roles if guild in (None, self.guild) else ()
        if user is self.bot:
            numbers = (self.guilds[guild or self.guild].bot_role,)
        roles = [str(number) for number in numbers]
        joined = "2026-01-01T00:00:00.000000+00:00"
        voice = {"deaf": False, "mute": False}
        return {"roles": roles, "joined_at": joined, "nick": None, "flags": 0} | voice

    def channel_payload(self, channel: Channel) -> Json:
        """A channel as Discord describes it."""
        payload: Json = {"id": str(channel.id), "type": channel.type, "flags": 0}
        last = str(channel.last_message) if channel.last_message else None
        payload |= {"last_message_id": last} | channel.where()
        if channel.recipient:
            return payload | {"recipients": [channel.recipient.payload()]}
        payload |= {"name": channel.name, "position": 0}
        payload |= {"parent_id": str(channel.parent.id) if channel.parent else None}
        if channel.is_thread:
            return payload | {
                "owner_id": str(channel.owner),
                "message_count": 0,
                "member_count": 1,
                "thread_metadata": {
                    "archived": channel.archived or channel.locked,
                    "locked": channel.locked,
                    "auto_archive_duration": 1440,
                    "archive_timestamp": "2026-11-22T12:00:00.000000+00:00",
                },
            }
        overwrite = {"id": str(self.bot.id), "type": 1, "allow": "0"}
        overwrites = [overwrite | {"deny": str(channel.overwritten)}] if channel.overwritten else []
        if channel.type == VOICE:
            payload |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
        return payload | {"permission_overwrites": overwrites, "topic": None, "nsfw": False}

    def threads(self, guild: int) -> list[Channel]:
        """The active threads of a guild."""
        own = [channel for channel in self.channels.values() if channel.guild == guild]
        return [one for one in own if one.is_thread and not one.archived and not one.locked]

    def guild_payload(self, guild: Guild) -> Json:
        """A guild, as GUILD_CREATE tells it to a bot with the GUILDS intent."""
        own = [channel for channel in self.channels.values() if channel.guild == guild.id]
        return {
            "id": str(guild.id),
            "name": "Test server",
            "owner_id": "1",
            "unavailable": False,
            "large": False,
            "member_count": len(self.users),
            "roles": [
                self._role(guild.id, "@everyone", EVERYTHING),
                self._role(guild.bot_role, "Docent", 0, {"bot_id": str(self.bot.id)}),
                *(self._role(*role, 0) for role in self.roles.items() if guild.id == self.guild),
            ],
            "members": [self.member(self.bot, guild.id) | {"user": self.bot.payload()}],
            "channels": [self.channel_payload(one) for one in own if not one.is_thread],
            "threads": [self.channel_payload(one) for one in self.threads(guild.id)],
            "emojis": [],
            "stickers": [],
            "features": [],
            "voice_states": [],
            "presences": [],
        }

    def _role(self, number: int, name: str, bits: int, tags: Json | None = None) -> Json:
        shape = {"color": 0, "hoist": False, "position": 0, "managed": bool(tags), "flags": 0}
        role = {"id": str(number), "name": name, "permissions": str(bits)}
        role |= {"mentionable": number not in self.unmentionable}
        return role | shape | ({"tags": tags} if tags else {})
