"""What the loopback Discord consists of: people, channels, messages and permissions, as payloads.

One server (guild) with one bot. No socket is opened here; `discord_rest` and `discord_gateway` do.
"""

import itertools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

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
class Channel:
    """A channel, thread or direct channel, with its messages by id."""

    id: int
    type: int
    name: str = ""
    parent: "Channel | None" = None
    owner: int = 0
    recipient: User | None = None
    locked: bool = False
    denied: int = 0  #: what the bot may not do there
    overwritten: int = 0  #: as much of it as the gateway tells
    messages: dict[int, Json] = field(default_factory=dict)
    typing: list[float] = field(default_factory=list)  #: when the bot began to type

    @property
    def is_thread(self) -> bool:
        """Whether it hangs in another channel."""
        return self.type == PUBLIC_THREAD

    def texts(self) -> list[str]:
        """What was written, oldest first."""
        return [str(message["content"]) for _, message in sorted(self.messages.items())]


class World:
    """Everything that the API and the gateway tell about."""

    def __init__(self, *, content_intent: bool) -> None:
        self._numbers = itertools.count(1)
        self.content_intent = content_intent  #: switched on in the developer portal
        self.application = self.snowflake()
        self.guild = self.snowflake()
        self.bot = User(id=self.application, name="Docent", bot=True)
        self.bot_role = self.snowflake()
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.channels: dict[int, Channel] = {}
        self.commands: list[Json] = []

    def snowflake(self, age: float = 0.0) -> int:
        """An id that no other has; it tells when it was made, `age` seconds ago."""
        milliseconds = int((time.time() - age) * 1000) - _EPOCH_MS
        return (milliseconds << 22) + next(self._numbers)

    def user(self, name: str, *, bot: bool = False) -> User:
        """Somebody new."""
        user = User(id=self.snowflake(), name=name, bot=bot)
        self.users[user.id] = user
        return user

    def channel(self, name: str, type: int = TEXT) -> Channel:
        """A new channel of the guild."""
        channel = Channel(id=self.snowflake(), type=type, name=name)
        self.channels[channel.id] = channel
        return channel

    def thread(self, parent: Channel, id: int, name: str, owner: int) -> Channel:
        """A new thread; one that is made from a message has the message's id."""
        thread = Channel(id=id, type=PUBLIC_THREAD, name=name, parent=parent, owner=owner)
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
        attachments: Sequence[str] = (),
        type: int = DEFAULT,
        **more: Any,
    ) -> Json:
        """Put a message into a channel. Whom it mentions follows from its text and the reply."""
        mentioned = [int(number) for number in _MENTION.findall(content)]
        if reply_to is not None and ping:
            mentioned.append(int(reply_to["author"]["id"]))
        message: Json = {
            "id": str(self.snowflake()),
            "channel_id": str(channel.id),
            "author": author.payload(),
            "content": content,
            "timestamp": "2026-11-22T12:00:00.000000+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": "@everyone" in content,
            "mentions": [self.users[one].payload() for one in mentioned if one in self.users],
            "mention_roles": _ROLE_MENTION.findall(content),
            "attachments": [self._attachment(name) for name in attachments],
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
        channel.messages[int(message["id"])] = message
        return message

    def _attachment(self, name: str) -> Json:
        number = str(self.snowflake())
        url = f"https://cdn.discordapp.com/attachments/1/{number}/{name}"
        shape = {"size": 10, "content_type": "text/plain", "url": url, "proxy_url": url}
        return {"id": number, "filename": name, **shape}

    def shown(self, message: Json, *, intent: bool) -> Json:
        """The message as the bot sees it: without its text, where it may not read that."""
        channel = self.channels[int(message["channel_id"])]
        replied = message.get("referenced_message") or {}
        addressed = str(self.bot.id) in [user["id"] for user in message["mentions"]]
        by_name = str(self.bot.id) in _MENTION.findall(message["content"])
        to_response = replied.get("type") == COMMAND_RESPONSE  # such replies are not exempt
        own = message["author"]["id"] == str(self.bot.id)
        if intent or channel.type == DM or own or by_name or (addressed and not to_response):
            return message
        return message | {"content": "", "attachments": [], "embeds": [], "components": []}

    def member(self, user: User) -> Json:
        """Somebody as a member of the guild."""
        roles = [str(self.bot_role)] if user is self.bot else []
        joined = "2026-01-01T00:00:00.000000+00:00"
        voice = {"deaf": False, "mute": False}
        return {"roles": roles, "joined_at": joined, "nick": None, "flags": 0} | voice

    def channel_payload(self, channel: Channel) -> Json:
        """A channel as Discord describes it."""
        payload: Json = {"id": str(channel.id), "type": channel.type, "flags": 0}
        if channel.recipient:
            return payload | {"recipients": [channel.recipient.payload()], "last_message_id": None}
        payload |= {"guild_id": str(self.guild), "name": channel.name, "position": 0}
        payload |= {"parent_id": str(channel.parent.id) if channel.parent else None}
        if channel.is_thread:
            return payload | {
                "owner_id": str(channel.owner),
                "message_count": 0,
                "member_count": 1,
                "thread_metadata": {
                    "archived": channel.locked,
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

    def guild_payload(self) -> Json:
        """The guild, as GUILD_CREATE tells it to a bot with the GUILDS intent."""
        own = [channel for channel in self.channels.values() if channel.type != DM]
        return {
            "id": str(self.guild),
            "name": "Test server",
            "owner_id": "1",
            "unavailable": False,
            "large": False,
            "member_count": len(self.users),
            "roles": [
                self._role(self.guild, "@everyone", EVERYTHING),
                self._role(self.bot_role, "Docent", 0, {"bot_id": str(self.bot.id)}),
            ],
            "members": [self.member(self.bot) | {"user": self.bot.payload()}],
            "channels": [self.channel_payload(one) for one in own if not one.is_thread],
            "threads": [self.channel_payload(one) for one in own if one.is_thread],
            "emojis": [],
            "stickers": [],
            "features": [],
            "voice_states": [],
            "presences": [],
        }

    def _role(self, number: int, name: str, bits: int, tags: Json | None = None) -> Json:
        shape = {"color": 0, "hoist": False, "position": 0, "managed": bool(tags), "flags": 0}
        role = {"id": str(number), "name": name, "permissions": str(bits), "mentionable": True}
        return role | shape | ({"tags": tags} if tags else {})
