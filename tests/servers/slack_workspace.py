"""The workspace that the Slack server holds: people, channels and messages. No wire format here."""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["channel", "group", "im", "mpim"]

TEAM = "T0DOCS"
ENTERPRISE = None
APP = "A0DOCENT"
BOT_USER = "U0DOCENT"
BOT_ID = "B0DOCENT"


class SlackError(Exception):
    """A refusal, by Slack's code for it."""

    def __init__(self, code: str, *messages: str, **more: str) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages
        self.more = more


@dataclass(kw_only=True)
class Channel:
    """A conversation of any kind, oldest message first."""

    id: str
    kind: Kind = "channel"
    members: set[str] = field(default_factory=set)
    archived: bool = False
    messages: list[Json] = field(default_factory=list)

    def find(self, ts: str) -> Json | None:
        return next((message for message in self.messages if message["ts"] == ts), None)

    def get(self, ts: str) -> Json:
        """The message, which must be there."""
        message = self.find(ts)
        assert message is not None
        return message

    def replies(self, root: str) -> list[Json]:
        """The replies under a root message."""
        return [m for m in self.messages if m.get("thread_ts") == root and m["ts"] != root]

    def shown(self, message: Json) -> Json:
        """A message as it is read out: a root with replies counts them."""
        replies = self.replies(message["ts"])
        if not replies:
            return dict(message)
        writers = list(dict.fromkeys(reply["user"] for reply in replies))
        return {
            **message,
            "thread_ts": message["ts"],
            "reply_count": len(replies),
            "reply_users_count": len(writers),
            "latest_reply": replies[-1]["ts"],
            "reply_users": writers,
            "is_locked": False,
            "subscribed": False,
        }

    def thread(self, root: str) -> list[Json]:
        """The root message and the replies under it."""
        return [m for m in self.messages if m["ts"] == root or m.get("thread_ts") == root]


class Workspace:
    """One workspace with the bot installed, and the channel C0GENERAL with the bot in it."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.users = {BOT_USER}
        #: What users.info says of people beyond the usual: guests, members of other workspaces.
        self.profiles: dict[str, Json] = {}
        self.groups: dict[str, bool] = {}  #: user groups, and whether they are in use
        self.shared: set[str] = set()  #: channels that another organisation is in, too
        self._numbers = itertools.count(1)
        self.add_channel("C0GENERAL")

    def add_channel(
        self,
        channel_id: str,
        kind: Kind = "channel",
        *,
        members: Iterable[str] = (),
        bot: bool = True,
        archived: bool = False,
    ) -> Channel:
        """Add a conversation, with or without the bot in it."""
        self.users |= set(members)
        everybody = {*members, BOT_USER} if bot else set(members)
        channel = Channel(id=channel_id, kind=kind, members=everybody, archived=archived)
        self.channels[channel_id] = channel
        return channel

    def direct(self, user: str) -> Channel:
        """The direct messages between the bot and a person."""
        self.users.add(user)
        channel_id = f"D{user[1:]}"
        if channel_id not in self.channels:
            self.add_channel(channel_id, "im", members=[user])
        return self.channels[channel_id]

    def visible(self, channel_id: str) -> Channel:
        """The channel as the bot gets at it; by a person's id, the direct messages with them."""
        if channel_id in self.users:
            return self.direct(channel_id)
        channel = self.known(channel_id)
        if BOT_USER not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def known(self, channel_id: str) -> Channel:
        """The channel as the bot may know of it: a public one also from outside."""
        channel = self.channels.get(channel_id)
        if channel is None or (channel.kind != "channel" and BOT_USER not in channel.members):
            raise SlackError("channel_not_found")
        return channel

    def root(self, channel: Channel, thread_ts: str) -> Json:
        """The root message of a thread."""
        message = channel.find(thread_ts)
        if message is None:
            raise SlackError("thread_not_found")
        if message.get("thread_ts", thread_ts) != thread_ts:
            raise SlackError("invalid_thread_ts")  # it is a reply itself
        return message

    def write(
        self,
        channel: Channel,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[Json] = (),
        **more: Any,
    ) -> Json:
        """Store a message of a person or of the bot."""
        self.users.add(user)
        channel.members.add(user)
        message: Json = {"type": "message", "user": user, "text": text, "ts": self.next_ts()}
        message |= {"team": TEAM, **more}
        if thread_ts is not None:
            self.root(channel, thread_ts)
            message["thread_ts"] = thread_ts
        if files:
            message["files"] = list(files)
            message["subtype"] = "file_share"
        channel.messages.append(message)
        return message

    def edit(self, channel: Channel, ts: str, text: str, blocks: Any = None) -> tuple[Json, Json]:
        """Let the author of a message change it; how it read before, and how it does now.

        Blocks that are not named stay; an empty list takes them away.
        """
        message = channel.get(ts)
        before = channel.shown(message)
        message["text"] = text
        if blocks is not None:
            message["blocks"] = blocks
        message["edited"] = {"user": message["user"], "ts": f"{int(time.time())}.000000"}
        return before, channel.shown(message)

    def delete(self, channel: Channel, ts: str) -> list[tuple[Json, Json | None]]:
        """Delete a message; each that changed as it was before, and the tombstone it left, if any.

        The tombstone of a root goes with the last reply.
        """
        message = channel.get(ts)
        before = channel.shown(message)
        place = channel.messages.index(message)
        if channel.replies(ts):
            channel.messages[place] = {
                "type": "message",
                "subtype": "tombstone",
                "text": "This message was deleted.",
                "user": "USLACKBOT",
                "hidden": True,
                "ts": ts,
            }
            return [(before, channel.shown(channel.messages[place]))]
        del channel.messages[place]
        root = channel.find(message.get("thread_ts", ts))
        if root is None or root.get("subtype") != "tombstone" or channel.replies(root["ts"]):
            return [(before, None)]
        channel.messages.remove(root)
        return [(before, None), (root, None)]

    def next_ts(self) -> str:
        """Unique, and later than every earlier one."""
        return f"{int(time.time())}.{next(self._numbers):06d}"
