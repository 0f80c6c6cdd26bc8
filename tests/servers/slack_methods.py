"""The methods of Slack's Web API that the server knows, with what the real one refuses."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servers import slack_agent, slack_pages
from servers.slack_agent import AgentView
from servers.slack_blocks import checked_blocks, checked_view
from servers.slack_streams import Streams
from servers.slack_workspace import (
    APP,
    BOT_ID,
    BOT_USER,
    ENTERPRISE,
    TEAM,
    Channel,
    Json,
    SlackError,
    Workspace,
)

LONGEST_TEXT = 40_000
LONGEST_UPDATE = 4_000
LONGEST_METADATA = 8_000

Emit = Callable[[Json], None]
Change = Callable[[str, Json, Json], None]

#: What the app was installed with; all that the server knows of.
SCOPES = {"app_mentions:read", "chat:write", "commands", "files:read", "users:read"} | {
    f"{what}:{right}"
    for what in ("channels", "groups", "im", "mpim")
    for right in ("read", "history")
}


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method: which arguments it needs and knows, and what it does."""

    run: Callable[["Methods", Mapping[str, Any]], Json]
    needs: tuple[str, ...] = ()
    knows: tuple[str, ...] = ()
    token: str = "xoxb-"


@dataclass(frozen=True, kw_only=True)
class Status:
    """A status as it was set in a thread; an empty one takes it away."""

    channel: str
    thread_ts: str
    status: str


class Methods:
    """Carries the methods out on a workspace. What the bot hears of it goes to the callbacks."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        emit: Emit,
        changed: Change,
        deleted: Callable[[str, str], None],
        socket_url: Callable[[], str],
    ) -> None:
        self.workspace = workspace
        self.scopes = set(SCOPES)
        self.emit = emit
        self.changed = changed
        self.deleted = deleted
        self.socket_url = socket_url
        self.streams = Streams()
        self.statuses: list[Status] = []
        self.shown: dict[tuple[str, str], str] = {}
        self.whispers: list[Json] = []
        self.refused_blocks: set[str] = set()  #: types of blocks that the workspace does not take
        self.triggers: dict[str, float] = {}  #: by which a modal may be opened, and until when
        self.views: list[Json] = []  #: the modals that were opened
        self.agent_view = AgentView()
        self.file_info: Callable[[str], Json] = _no_file

    def files_info(self, args: Mapping[str, Any]) -> Json:
        return self.file_info(args["file"])

    def auth_test(self, _: Mapping[str, Any]) -> Json:
        return {
            "url": "https://docs.slack.example/",
            "team": "Docs",
            "user": "docent",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
            "enterprise_id": ENTERPRISE,
            "is_enterprise_install": False,
        }

    def connections_open(self, _: Mapping[str, Any]) -> Json:
        return {"url": self.socket_url()}

    def post_message(self, args: Mapping[str, Any]) -> Json:
        channel = self._writable(args["channel"])
        text = _text(args, LONGEST_TEXT)
        more = {"bot_id": BOT_ID, "app_id": APP}
        for name in ("blocks", "metadata"):
            if args.get(name) is not None:
                more[name] = self._checked(name, args[name])
        thread_ts = args.get("thread_ts")
        message = self.workspace.write(channel, BOT_USER, text, thread_ts=thread_ts, **more)
        if thread_ts is not None:
            self.shown.pop((channel.id, thread_ts), None)  # a post ends the status
        self.emit({**message, "channel": channel.id, "channel_type": channel.kind})
        return {"channel": channel.id, "ts": message["ts"], "message": message}

    def update(self, args: Mapping[str, Any]) -> Json:
        channel, message = self._own(args, "cant_update_message")
        self.streams.check_closed(message["ts"])
        markdown = args.get("markdown_text")
        if markdown and (args.get("text") or args.get("blocks")):
            raise SlackError("markdown_text_conflict")
        text = markdown or _text(args, LONGEST_UPDATE)
        if args.get("metadata") is not None:
            message["metadata"] = _metadata(_decoded(args["metadata"]))
        blocks = args.get("blocks")
        checked = None if blocks is None else self._checked("blocks", blocks)
        before, after = self.workspace.edit(channel, message["ts"], text, checked)
        self.changed(channel.id, after, before)
        return {"channel": channel.id, "ts": message["ts"], "text": text}

    def start_stream(self, args: Mapping[str, Any]) -> Json:
        channel = self._writable(args["channel"])
        text, blocks = self.streams.check_start(channel, args)
        more: Json = {"bot_id": BOT_ID, "app_id": APP}
        if blocks:
            more["blocks"] = self._checked("blocks", blocks)
        message = self.workspace.write(channel, BOT_USER, text, thread_ts=args["thread_ts"], **more)
        self.streams.begin(message["ts"], in_chunks="chunks" in args)
        self.shown.pop((channel.id, args["thread_ts"]), None)
        self.emit({**message, "channel": channel.id, "channel_type": channel.kind})
        return {"channel": channel.id, "ts": message["ts"]}

    def append_stream(self, args: Mapping[str, Any]) -> Json:
        channel, message = self._own(args, "message_not_owned_by_app")
        message["text"] = self.streams.append(message, args)
        return {"channel": channel.id, "ts": message["ts"]}

    def stop_stream(self, args: Mapping[str, Any]) -> Json:
        channel, message = self._own(args, "message_not_owned_by_app")
        message["text"] = self.streams.stop(message, args)
        for name in ("blocks", "metadata"):
            if args.get(name) is not None:
                message[name] = self._checked(name, args[name])
        return {"channel": channel.id, "ts": message["ts"], "message": message}

    def delete(self, args: Mapping[str, Any]) -> Json:
        channel, message = self._own(args, "cant_delete_message")
        self.streams.check_closed(message["ts"])
        self.deleted(channel.id, message["ts"])
        return {"channel": channel.id, "ts": message["ts"]}

    def post_ephemeral(self, args: Mapping[str, Any]) -> Json:
        channel = self._writable(args["channel"])
        if args["user"] not in channel.members:
            raise SlackError("user_not_in_channel")
        text = _text(args, LONGEST_TEXT)
        blocks = self._checked("blocks", args["blocks"]) if args.get("blocks") else []
        whisper = {"channel": channel.id, "user": args["user"], "text": text}
        if args.get("thread_ts") is not None:
            self.workspace.root(channel, args["thread_ts"])
            whisper["thread_ts"] = args["thread_ts"]
        self.whispers.append(whisper | ({"blocks": blocks} if blocks else {}))
        return {"message_ts": "1.000000"}

    def open_view(self, args: Mapping[str, Any]) -> Json:
        until = self.triggers.pop(args["trigger_id"], None)
        if until is None:
            raise SlackError("invalid_trigger_id")
        if time.monotonic() > until:
            raise SlackError("expired_trigger_id")
        view = checked_view(_decoded(args["view"]))
        self.views.append({"id": f"V{len(self.views)}", "state": {"values": {}}, **view})
        return {"view": self.views[-1]}

    def permalink(self, args: Mapping[str, Any]) -> Json:
        channel = self.workspace.visible(args["channel"])
        message = channel.find(args["message_ts"])
        if message is None:
            raise SlackError("message_not_found")
        link = f"https://docs.slack.example/archives/{channel.id}/p{message['ts'].replace('.', '')}"
        if "thread_ts" in message:
            link += f"?thread_ts={message['thread_ts']}&cid={channel.id}"
        return {"channel": channel.id, "permalink": link}

    def _checked(self, name: str, value: Any) -> Any:
        if name == "blocks":
            return checked_blocks(_decoded(value), self.refused_blocks)
        return _metadata(_decoded(value))

    def replies(self, args: Mapping[str, Any]) -> Json:
        channel = self._readable(args["channel"])
        self.workspace.root(channel, args["ts"])
        return slack_pages.replies(channel, args["ts"], args)

    def history(self, args: Mapping[str, Any]) -> Json:
        return slack_pages.history(self._readable(args["channel"]), args)

    def conversations(self, args: Mapping[str, Any]) -> Json:
        for kind in slack_pages.kinds(args):
            slack_pages.need(self.scopes, kind, "read")
        return slack_pages.channels(list(self.workspace.channels.values()), args)

    def info(self, args: Mapping[str, Any]) -> Json:
        return {"channel": slack_pages.describe(self.workspace.known(args["channel"]))}

    def open_direct(self, args: Mapping[str, Any]) -> Json:
        if args["users"] not in self.workspace.users:
            raise SlackError("user_not_found")
        return {"channel": {"id": self.workspace.direct(args["users"]).id}}

    def set_status(self, args: Mapping[str, Any]) -> Json:
        channel, thread_ts = self._writable(args["channel_id"]), str(args["thread_ts"])
        if channel.find(thread_ts) is None:
            raise SlackError("invalid_thread_ts")
        self.statuses.append(Status(channel=channel.id, thread_ts=thread_ts, status=args["status"]))
        self.shown[channel.id, thread_ts] = args["status"]
        return {}

    def suggest_prompts(self, args: Mapping[str, Any]) -> Json:
        channel = self._writable(args["channel_id"])
        slack_agent.checked_thread(self.scopes, channel, args.get("thread_ts"))
        prompts = slack_agent.checked_prompts(_decoded(args["prompts"]))
        self.agent_view.prompts[channel.id] = prompts
        return {}

    def set_title(self, args: Mapping[str, Any]) -> Json:
        channel = self._writable(args["channel_id"])
        slack_agent.checked_thread(self.scopes, channel, args["thread_ts"])
        self.agent_view.titles[channel.id, args["thread_ts"]] = slack_agent.checked_title(args)
        return {}

    def add_reaction(self, args: Mapping[str, Any]) -> Json:
        message = self._writable(args["channel"]).find(args["timestamp"])
        if message is None:
            raise SlackError("message_not_found")
        reactions = message.setdefault("reactions", [])
        if args["name"] in reactions:
            raise SlackError("already_reacted")
        reactions.append(args["name"])
        return {}

    def user_info(self, args: Mapping[str, Any]) -> Json:
        self._need_users_read()
        user = args["user"]
        if user not in self.workspace.users:
            raise SlackError("user_not_found")
        return {"user": self._described(user)}

    def list_users(self, args: Mapping[str, Any]) -> Json:
        self._need_users_read()
        people = map(self._described, sorted(self.workspace.users))
        return slack_pages.members([one for one in people if one["team_id"] == TEAM], args)

    def _need_users_read(self) -> None:
        if "users:read" not in self.scopes:
            raise SlackError("missing_scope", needed="users:read")

    def _described(self, user: str) -> Json:
        guest = {"is_restricted": False, "is_ultra_restricted": False}
        shape = {"id": user, "team_id": TEAM, "is_bot": user == BOT_USER, **guest}
        return shape | self.workspace.profiles.get(user, {})

    def list_groups(self, args: Mapping[str, Any]) -> Json:
        if "usergroups:read" not in self.scopes:
            raise SlackError("missing_scope", needed="usergroups:read")
        groups = self.workspace.groups.items()
        listed = [{"id": name, "date_delete": 0 if used else 1} for name, used in groups]
        wants_all = str(args.get("include_disabled", "")).lower() in ("true", "1")
        return {"usergroups": [one for one in listed if wants_all or not one["date_delete"]]}

    def _readable(self, channel_id: str) -> Channel:
        channel = self.workspace.visible(channel_id)
        slack_pages.need(self.scopes, channel.kind, "history")
        return channel

    def _writable(self, channel_id: str) -> Channel:
        channel = self.workspace.visible(channel_id)
        if channel.archived:
            raise SlackError("is_archived")
        return channel

    def _own(self, args: Mapping[str, Any], refusal: str) -> tuple[Channel, Json]:
        channel = self._writable(args["channel"])
        message = channel.find(args["ts"])
        if message is None:
            raise SlackError("message_not_found")
        if message["user"] != BOT_USER:
            raise SlackError(refusal)
        return channel, message


_POST = ("text", "blocks", "attachments", "thread_ts", "metadata", "mrkdwn", "markdown_text")
_STREAMED = ("markdown_text", "chunks")
_UNFURL = ("unfurl_links", "unfurl_media", "unfurl_app_links")
_PAGE = ("cursor", "inclusive", "include_all_metadata", "latest", "limit", "oldest")

METHODS = {
    "auth.test": Method(run=Methods.auth_test),
    "apps.connections.open": Method(run=Methods.connections_open, token="xapp-"),
    "chat.postMessage": Method(
        run=Methods.post_message,
        needs=("channel",),
        knows=(*_POST, *_UNFURL, "reply_broadcast", "link_names", "parse", "username"),
    ),
    "chat.update": Method(run=Methods.update, needs=("channel", "ts"), knows=_POST),
    "chat.startStream": Method(
        run=Methods.start_stream,
        needs=("channel", "thread_ts"),
        knows=(*_STREAMED, "recipient_team_id", "recipient_user_id", "task_display_mode"),
    ),
    "chat.appendStream": Method(
        run=Methods.append_stream, needs=("channel", "ts"), knows=_STREAMED
    ),
    "chat.stopStream": Method(
        run=Methods.stop_stream,
        needs=("channel", "ts"),
        knows=("markdown_text", "blocks", "metadata", "session_status"),
    ),
    "chat.delete": Method(run=Methods.delete, needs=("channel", "ts")),
    "chat.postEphemeral": Method(
        run=Methods.post_ephemeral, needs=("channel", "user"), knows=_POST
    ),
    "chat.getPermalink": Method(run=Methods.permalink, needs=("channel", "message_ts")),
    "views.open": Method(run=Methods.open_view, needs=("trigger_id", "view")),
    "conversations.replies": Method(run=Methods.replies, needs=("channel", "ts"), knows=_PAGE),
    "conversations.history": Method(run=Methods.history, needs=("channel",), knows=_PAGE),
    "users.conversations": Method(
        run=Methods.conversations,
        knows=("cursor", "exclude_archived", "limit", "team_id", "types", "user"),
    ),
    "conversations.info": Method(run=Methods.info, needs=("channel",)),
    "conversations.open": Method(run=Methods.open_direct, needs=("users",)),
    "assistant.threads.setStatus": Method(
        run=Methods.set_status,
        needs=("channel_id", "thread_ts", "status"),
        knows=("loading_messages", "icon_emoji", "icon_url", "username"),
    ),
    "assistant.threads.setSuggestedPrompts": Method(
        run=Methods.suggest_prompts, needs=("channel_id", "prompts"), knows=("thread_ts", "title")
    ),
    "assistant.threads.setTitle": Method(
        run=Methods.set_title, needs=("channel_id", "thread_ts", "title")
    ),
    "reactions.add": Method(run=Methods.add_reaction, needs=("channel", "name", "timestamp")),
    "files.info": Method(run=Methods.files_info, needs=("file",)),
    "users.info": Method(run=Methods.user_info, needs=("user",)),
    "users.list": Method(run=Methods.list_users, knows=("cursor", "limit", "team_id")),
    "usergroups.list": Method(run=Methods.list_groups, knows=("include_disabled",)),
}


def _no_file(number: str) -> Json:
    raise SlackError("file_not_found")


def _text(args: Mapping[str, Any], longest: int) -> str:
    text = args.get("text") or ""
    if not (text or args.get("blocks") or args.get("attachments")):
        raise SlackError("no_text")
    if not isinstance(text, str):
        raise SlackError("invalid_arguments", "[ERROR] text must be a string")
    if len(text) > longest:
        raise SlackError("msg_too_long")
    return text


def _decoded(value: Any) -> Any:
    """A structure; in a form it comes as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise SlackError("invalid_arguments") from None


def _metadata(metadata: Any) -> Any:
    if not isinstance(metadata, dict) or set(metadata) - {"event_type", "event_payload"}:
        raise SlackError("invalid_metadata_format")
    kind = metadata.get("event_type")
    if not isinstance(kind, str) or not re.fullmatch(r"\w+", kind):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > LONGEST_METADATA:
        raise SlackError("metadata_too_large")
    return metadata
