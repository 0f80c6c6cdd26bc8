"""How the Slack server reads lists out: a page at a time, between two times, as far as allowed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from servers.slack_workspace import BOT_USER, Channel, Json, SlackError

FUTURE = "9999999999.999999"
TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}

#: What a scope's name begins with, for each kind of conversation.
_SCOPES = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


def need(scopes: set[str], kind: str, what: str) -> None:
    """Refuse where the scope for a kind of conversation was not given: "read" or "history"."""
    scope = f"{_SCOPES[kind]}:{what}"
    if scope not in scopes:
        raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(scopes)))


def kinds(args: Mapping[str, Any]) -> list[str]:
    """The kinds of conversations that `types` asks for."""
    types = [name.strip() for name in str(args.get("types") or "public_channel").split(",")]
    if set(types) - set(TYPES):
        raise SlackError("invalid_types")
    return [TYPES[name] for name in types]


def history(channel: Channel, args: Mapping[str, Any]) -> Json:
    """A page of what stands in a channel: roots, and replies that were sent to it as well.

    A page is the newest first; but with `oldest` alone Slack begins with the pages at that end.
    """
    stands = [
        message
        for message in channel.messages
        if message.get("thread_ts", message["ts"]) == message["ts"]
        or message.get("subtype") == "thread_broadcast"
    ]
    upwards = bool(args.get("oldest")) and not args.get("latest")
    page, more = _cut(stands, args, upwards=upwards)
    messages = page[::-1] if upwards else page
    return _messages(channel, messages, args, _cursor(page[-1]["ts"]) if more else "")


def replies(channel: Channel, root: str, args: Mapping[str, Any]) -> Json:
    """A page of a thread, the oldest first; its root stands on the first page in any case."""
    page, more = _cut(channel.thread(root), args, upwards=True, keep=root)
    return _messages(channel, page, args, _cursor(page[-1]["ts"]) if more else "")


def channels(all_channels: Sequence[Channel], args: Mapping[str, Any]) -> Json:
    """A page of the conversations that the bot is in."""
    wanted = kinds(args)
    mine = [
        channel
        for channel in all_channels
        if BOT_USER in channel.members
        and channel.kind in wanted
        and not (channel.archived and is_true(args.get("exclude_archived")))
    ]
    return _listed("channels", [describe(channel) for channel in mine], args)


def members(everybody: Sequence[Json], args: Mapping[str, Any]) -> Json:
    """A page of the people and bots of the workspace."""
    return _listed("members", everybody, args)


def _listed(name: str, found: Sequence[Json], args: Mapping[str, Any]) -> Json:
    start = int(_after(args) or 0)
    end = start + _limit(args)
    cursor = _cursor(str(end)) if end < len(found) else ""
    return {name: found[start:end], "response_metadata": {"next_cursor": cursor}}


def describe(channel: Channel) -> Json:
    """A conversation as Slack describes it."""
    return {
        "id": channel.id,
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_im": channel.kind == "im",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "channel",
        "is_archived": channel.archived,
        "is_member": BOT_USER in channel.members,
    }


def is_true(value: object) -> bool:
    return value in (True, "1", "true", "True")


def _messages(channel: Channel, page: Sequence[Json], args: Mapping[str, Any], cursor: str) -> Json:
    with_metadata = is_true(args.get("include_all_metadata"))
    return {
        "messages": [
            {
                key: value
                for key, value in channel.shown(message).items()
                if with_metadata or key != "metadata"
            }
            for message in page
        ],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


def _cut(
    messages: Sequence[Json], args: Mapping[str, Any], *, upwards: bool, keep: str | None = None
) -> tuple[list[Json], bool]:
    """The next page of these messages, given the oldest first; and whether there is another."""
    oldest, latest = _time(args, "oldest", "0"), _time(args, "latest", FUTURE)
    ends = (oldest, latest) if is_true(args.get("inclusive")) else ()
    limit, after = _limit(args), _after(args)
    wanted = []
    for message in messages if upwards else messages[::-1]:
        ts = float(message["ts"])
        if not (oldest < ts < latest or ts in ends or message["ts"] == keep):
            continue
        if after is None or (ts > float(after) if upwards else ts < float(after)):
            wanted.append(message)
    return wanted[:limit], len(wanted) > limit


def _time(args: Mapping[str, Any], name: str, default: str) -> float:
    ts = str(args.get(name) or default)
    if not re.fullmatch(r"\d+(\.\d+)?", ts):
        raise SlackError(f"invalid_ts_{name}")
    return float(ts)


def _limit(args: Mapping[str, Any]) -> int:
    limit = int(args.get("limit") or 100)
    if not 1 <= limit <= 1000:
        raise SlackError("invalid_limit")
    return limit


def _cursor(after: str) -> str:
    return f"next:{after}"


def _after(args: Mapping[str, Any]) -> str | None:
    """What the last page ended with; Slack's cursors are no numbers of items either."""
    cursor = args.get("cursor")
    if not cursor:
        return None
    found = re.fullmatch(r"next:(\d+(?:\.\d+)?)", str(cursor))
    if found is None:
        raise SlackError("invalid_cursor")
    return found[1]
