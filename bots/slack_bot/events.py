"""From the payload of an event to what core hears of it, or None where that is nothing. Pure.

A message that is found in a channel's history is read in the same way as its event. Payloads are
read with suspicion: an odd one is no mention, and never an exception, because an event that fails
is delivered again and again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bots.slack_bot.attached import files_of
from bots.slack_bot.mrkdwn import (
    addresses_others,
    mentions,
    plain,
    text_of_blocks,
    without_mention,
)
from core.domain import Mention, MessageId, MessageRef, Remark, ThreadRef

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
#: Messages of people. Joins, topics and the like have other subtypes.
_SUBTYPES: Final = (None, "file_share", "thread_broadcast")
_OF_BOTS: Final = "bot_message"  #: of those that have no user of their own
_SLACKBOT: Final = "USLACKBOT"
_PRIVATE: Final = "private:"  #: in a key, where else the root's ts is

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
    asked: bool | None  #: whether it asked the bot; None: who knows


@dataclass(frozen=True, slots=True)
class Overheard:
    """A message in a thread that does not mention the bot."""

    remark: Remark

    def guessed(self, guess: Callable[[Mention], Mention]) -> Remark:
        """The remark, with what is known of who makes it."""
        return replace(self.remark, mention=guess(self.remark.mention))

    def unedited(self) -> "Overheard":
        """The same as if it had read like this from the beginning."""
        mention = self.remark.mention
        begun = replace(mention, at=seconds(mention.message) or mention.at)
        return Overheard(replace(self.remark, mention=begun, edited=False))


Heard = Asked | Edited | Deleted | Overheard


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


def mention_about(body: _Json, tenant_id: str, bot: str) -> Mention | None:
    """Read the message that somebody asks about by its menu: as that person's question, there."""
    message, within, person = body.get("message"), body.get("channel"), body.get("user")
    if not (isinstance(message, Mapping) and isinstance(within, Mapping)):
        return None
    author = person.get("id") if isinstance(person, Mapping) else None
    channel, ts, at = within.get("id"), message.get("ts"), seconds(body.get("action_ts"))
    if not isinstance(channel, str) or not isinstance(author, str):
        return None
    if seconds(ts) is None or at is None:
        return None
    text = plain(without_mention(_raw_text(message), bot)).strip()
    files, unread = files_of(message, channel, str(ts))
    if not (text or files or unread):
        return None
    return Mention(
        thread=thread_ref(tenant_id, channel, str(message.get("thread_ts") or ts)),
        channel=channel,
        message=MessageId(str(ts)),
        author=author,
        text=text,
        at=at,
        files=files,
        unread=unread,
        direct=channel.startswith("D"),
    )


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


def private_ref(tenant_id: str, channel: str, number: str) -> ThreadRef:
    """Name the place in a channel where one person's question is answered to that person alone."""
    return ThreadRef(platform=PLATFORM, tenant=tenant_id, key=f"{channel}:{_PRIVATE}{number}")


def is_private(thread: ThreadRef) -> bool:
    """Whether a thread is such a place: Slack knows no thread there."""
    return place(thread)[1].startswith(_PRIVATE)


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
            return _read_deletion(event, event.get("deleted_ts"), tenant_id, bot)
        case "tombstone":  # what is left of a message with replies
            return _read_deletion(event, event.get("ts"), tenant_id, bot)
    edited = event.get("edited")
    at = seconds(edited.get("ts")) if isinstance(edited, Mapping) else None
    mention = _read_mention(event, tenant_id, bot)
    if mention is None:
        return _read_remark(event, tenant_id, bot, edited=bool(edited), at=at)
    if not edited:
        return Asked(mention)
    if mention.bot:
        return None  # bots edit while they write, and what they ask is not asked once more
    return Edited(mention if at is None else replace(mention, at=at))


def _read_remark(
    event: _Json, tenant_id: str, bot: str, *, edited: bool, at: float | None
) -> Overheard | None:
    """Read what a person says in a thread without a mention; `at` is when it was edited."""
    if not _is_remark(event, bot):
        return None
    mention = _mention_of(event, tenant_id, bot)
    if mention is None:
        return None
    if at is not None:
        mention = replace(mention, at=at)
    to_others = addresses_others(_raw_text(event), bot, mention.author)
    return Overheard(Remark(mention=mention, to_others=to_others, edited=edited))


def _is_remark(event: _Json, bot: str) -> bool:
    root, author = event.get("thread_ts"), event.get("user")
    if event.get("type") != "message" or event.get("subtype") not in _SUBTYPES:
        return False
    in_thread = isinstance(root, str) and root != event.get("ts")
    return in_thread and author != bot and not _bots(event)


def _read_change(event: _Json, tenant_id: str, bot: str) -> Heard | None:
    """Read the message inside. Previews and counts of replies change one too, without an edit."""
    message, before = event.get("message"), event.get("previous_message")
    if not isinstance(message, Mapping):
        return None
    more = {"previous_message": before, "type": "message"}
    now = _read({**message, **_where(event), **more}, tenant_id, bot)
    same = isinstance(before, Mapping) and _raw_text(before) == _raw_text(message)
    match now:
        case Asked() | Overheard(Remark(edited=False)):
            return None
        case Edited() | Overheard() if same:
            return None
    return now


def _read_deletion(event: _Json, ts: object, tenant_id: str, bot: str) -> Deleted | None:
    channel = event.get("channel")
    if not isinstance(channel, str) or not isinstance(ts, str):
        return None
    message = MessageRef(
        platform=PLATFORM, tenant=tenant_id, channel=channel, message=MessageId(ts)
    )
    return Deleted(message, _asked(event, tenant_id, bot))


def _asked(event: _Json, tenant_id: str, bot: str) -> bool | None:
    """Say whether what is deleted asked the bot. Our own message may be the question of `/ask`."""
    before = event.get("previous_message")
    if not isinstance(before, Mapping) or before.get("edited") or before.get("user") == bot:
        return None
    was = {**before, **_where(event), "type": "message"}
    return _read_mention(was, tenant_id, bot) is not None


def _where(event: _Json) -> _Json:
    return {"channel": event.get("channel"), "channel_type": event.get("channel_type")}


def _read_mention(event: _Json, tenant_id: str, bot: str) -> Mention | None:
    return _mention_of(event, tenant_id, bot) if _asks(event, bot) else None


def _mention_of(event: _Json, tenant_id: str, bot: str) -> Mention | None:
    """Read a message as one that asks the bot."""
    channel, ts, of_bots = event.get("channel"), event.get("ts"), _bots(event)
    author, at = event.get("user") or (of_bots[0] if of_bots else None), seconds(ts)
    if not isinstance(channel, str) or not isinstance(author, str) or at is None:
        return None
    raw, (files, unread) = _raw_text(event), files_of(event, channel, str(ts))
    if not (raw.strip() or files or unread):
        return None
    return Mention(
        thread=thread_ref(tenant_id, channel, str(event.get("thread_ts") or ts)),
        channel=channel,
        message=MessageId(str(ts)),
        author=author,
        text=plain(without_mention(raw, bot)).strip(),
        at=at,
        files=files,
        unread=unread,
        direct=_is_direct(event),
        bot=of_bots,
        external=_is_of_others(event, tenant_id),
    )


def _asks(event: _Json, bot: str) -> bool:
    """Say whether somebody else asks the bot with this event. Bots have to mention it."""
    if event.get("user") == bot:
        return False
    of_bots = _bots(event)
    if event.get("type") == "app_mention":
        return True
    subtypes = (*_SUBTYPES, _OF_BOTS) if of_bots else _SUBTYPES
    if event.get("type") != "message" or event.get("subtype") not in subtypes:
        return False
    return (_is_direct(event) and not of_bots) or mentions(_raw_text(event), bot)


def _bots(event: _Json) -> tuple[str, ...]:
    """The ids of the bot that wrote a message; () where a person did."""
    bot_id, user = event.get("bot_id"), event.get("user")
    if not bot_id and event.get("subtype") != _OF_BOTS and user != _SLACKBOT:
        return ()
    return tuple(str(each) for each in (user, bot_id) if each)


def _is_of_others(event: _Json, tenant_id: str) -> bool:
    """Say whether the event itself tells that its author belongs to another workspace.

    Where the app is installed in a whole organisation, it does not: each workspace is ours.
    """
    team = event.get("user_team") or event.get("source_team") or event.get("team")
    return tenant_id.startswith("T") and isinstance(team, str) and team != tenant_id


def _is_direct(event: _Json) -> bool:
    kind = event.get("channel_type")  # app_mention has none
    return kind == "im" or (kind is None and str(event.get("channel")).startswith("D"))


def _raw_text(event: _Json) -> str:
    text = event.get("text")
    return text if isinstance(text, str) and text else text_of_blocks(event.get("blocks"))
