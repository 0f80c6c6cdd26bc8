"""From the payload of an event to what core hears of it, or None where that is nothing. Pure.

A message that is found in a channel's history is read in the same way as its event. Payloads are
read with suspicion: an odd one is no mention, and never an exception, because an event that fails
is delivered again and again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bots.slack_bot.mrkdwn import mentions, plain, text_of_blocks, without_mention
from core.domain import Mention, MessageId, MessageRef, ThreadRef

PLATFORM: Final = "slack"

#: What the app subscribes to. A mention comes as `app_mention` and once more as `message`; one with
#: a file may come as `message` only.
SUBSCRIBED: Final = (
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
)
#: Messages of people. Joins, topics and bots' messages have other subtypes.
_SUBTYPES: Final = (None, "file_share", "thread_broadcast")

_Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that asks the bot."""

    mention: Mention


@dataclass(frozen=True, slots=True)
class Edited:
    """A message that was edited and, as it reads now, asks the bot; `at` is when."""

    mention: Mention


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message that is gone, whatever it said."""

    message: MessageRef


Heard = Asked | Edited | Deleted


def read_event(body: _Json, bot: str) -> Heard | None:
    """Read an event's payload; `bot` is the bot's own user id.

    The message identifies a mention, not the event: both deliveries of one read the same.
    """
    event = body.get("event")
    return _read(event, tenant(body), bot) if isinstance(event, Mapping) else None


def read_found(
    message: _Json, tenant_id: str, channel: str, kind: str | None, bot: str
) -> Heard | None:
    """Read a message of a channel's history: the same as its event, had that come.

    There it lacks what every event has: the channel, and of what kind that is.
    """
    return _read({**message, "channel": channel, "channel_type": kind}, tenant_id, bot)


def tenant(body: _Json) -> str:
    """Say which workspace the app is installed in, or which organisation where it is in all of one.

    In a channel shared between workspaces `team_id` may be the other side's, so the installation
    that the event is meant for comes first.
    """
    authorizations = body.get("authorizations")
    installed = authorizations[0] if isinstance(authorizations, list) and authorizations else body
    if not isinstance(installed, Mapping):
        return ""
    team, enterprise = installed.get("team_id"), installed.get("enterprise_id")
    if installed.get("is_enterprise_install") in (True, "true"):  # a command's fields are text
        team, enterprise = enterprise, team
    return str(team or enterprise or "")


def thread_ref(tenant_id: str, channel: str, root: str) -> ThreadRef:
    """Name the thread under the message `root`."""
    return ThreadRef(platform=PLATFORM, tenant=tenant_id, key=f"{channel}:{root}")


def seconds(ts: object) -> float | None:
    """Read a message's ts as a time; None where it is none."""
    try:
        return float(ts) if isinstance(ts, str) else None
    except ValueError:
        return None


def place(thread: ThreadRef) -> tuple[str, str]:
    """Read a thread's channel and root message out of its key."""
    channel, _, root = thread.key.partition(":")
    return channel, root


def _read(event: _Json, tenant_id: str, bot: str) -> Heard | None:
    match event.get("subtype"):
        case "message_changed":
            return _read_change(event, tenant_id, bot)
        case "message_deleted":
            return _read_deletion(event, event.get("deleted_ts"), tenant_id)
        case "tombstone":  # what is left of a message with replies
            return _read_deletion(event, event.get("ts"), tenant_id)
    mention = _read_mention(event, tenant_id, bot)
    if mention is None:
        return None
    edited = event.get("edited")
    if not edited:
        return Asked(mention)
    at = seconds(edited.get("ts")) if isinstance(edited, Mapping) else None
    return Edited(mention if at is None else replace(mention, at=at))


def _read_change(event: _Json, tenant_id: str, bot: str) -> Heard | None:
    """Read the message inside. Previews and counts of replies change one too, without an edit."""
    message, before = event.get("message"), event.get("previous_message")
    if not isinstance(message, Mapping):
        return None
    where = {"channel": event.get("channel"), "channel_type": event.get("channel_type")}
    now = _read({**message, **where, "type": "message"}, tenant_id, bot)
    same = isinstance(before, Mapping) and _raw_text(before) == _raw_text(message)
    return None if isinstance(now, Asked) or (isinstance(now, Edited) and same) else now


def _read_deletion(event: _Json, ts: object, tenant_id: str) -> Deleted | None:
    channel = event.get("channel")
    if not isinstance(channel, str) or not isinstance(ts, str):
        return None
    return Deleted(
        MessageRef(platform=PLATFORM, tenant=tenant_id, channel=channel, message=MessageId(ts))
    )


def _read_mention(event: _Json, tenant_id: str, bot: str) -> Mention | None:
    if not _asks(event, bot):
        return None
    channel, ts, author = event.get("channel"), event.get("ts"), event.get("user")
    at = seconds(ts)
    if not isinstance(channel, str) or not isinstance(author, str) or at is None:
        return None
    raw, files = _raw_text(event), _file_names(event)
    if not raw.strip() and not files:
        return None
    return Mention(
        thread=thread_ref(tenant_id, channel, str(event.get("thread_ts") or ts)),
        channel=channel,
        message=MessageId(str(ts)),
        author=author,
        text=plain(without_mention(raw, bot)).strip(),
        at=at,
        unread=files,
    )


def _asks(event: _Json, bot: str) -> bool:
    """Say whether a person asks the bot with this event; other bots never do."""
    if event.get("bot_id") or event.get("user") == bot:
        return False
    if event.get("type") == "app_mention":
        return True
    if event.get("type") != "message" or event.get("subtype") not in _SUBTYPES:
        return False
    return _is_direct(event) or mentions(_raw_text(event), bot)


def _is_direct(event: _Json) -> bool:
    kind = event.get("channel_type")  # app_mention has none
    return kind == "im" or (kind is None and str(event.get("channel")).startswith("D"))


def _raw_text(event: _Json) -> str:
    text = event.get("text")
    return text if isinstance(text, str) and text else text_of_blocks(event.get("blocks"))


def _file_names(event: _Json) -> tuple[str, ...]:
    """Name the files; one from another workspace, or hidden by a plan's limit, has no name."""
    files = event.get("files")
    return tuple(
        str(file.get("name") or file.get("title") or "a file")
        for file in (files if isinstance(files, list) else ())
        if isinstance(file, Mapping)
    )
