"""From the payload of an event to a Mention, or None where it asks the bot nothing. Pure.

Payloads are read with suspicion: an odd one is no mention, and never an exception, because an event
that fails is delivered again and again.
"""

from collections.abc import Mapping
from typing import Any, Final

from bots.slack_bot.mrkdwn import mentions, plain, text_of_blocks, without_mention
from core.domain import Mention, MessageId, ThreadRef

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
#: Messages of people. Edits, deletions, joins and bots' messages have other subtypes.
_SUBTYPES: Final = (None, "file_share", "thread_broadcast")

_Json = Mapping[str, Any]


def read_mention(body: _Json, bot: str) -> Mention | None:
    """Read the mention out of an event's payload; `bot` is the bot's own user id.

    The message identifies it, not the event: both deliveries of a mention read the same.
    """
    event = body.get("event")
    if not isinstance(event, Mapping) or not _asks(event, bot):
        return None
    channel, ts, author = event.get("channel"), event.get("ts"), event.get("user")
    at = _seconds(ts)
    if not isinstance(channel, str) or not isinstance(author, str) or at is None:
        return None
    raw, files = _raw_text(event), _file_names(event)
    if not raw.strip() and not files:
        return None
    return Mention(
        thread=thread_ref(tenant(body), channel, str(event.get("thread_ts") or ts)),
        channel=channel,
        message=MessageId(str(ts)),
        author=author,
        text=plain(without_mention(raw, bot)).strip(),
        at=at,
        unread=files,
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


def place(thread: ThreadRef) -> tuple[str, str]:
    """Read a thread's channel and root message out of its key."""
    channel, _, root = thread.key.partition(":")
    return channel, root


def _asks(event: _Json, bot: str) -> bool:
    """Say whether a person asks the bot with this event; other bots never do."""
    if event.get("bot_id") or event.get("edited") or event.get("user") == bot:
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


def _seconds(ts: object) -> float | None:
    try:
        return float(ts) if isinstance(ts, str) else None
    except ValueError:
        return None
