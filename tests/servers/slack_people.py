"""What people do in the Slack server's workspace, and the events that the bot gets of it."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from servers.slack_deliveries import Deliveries, Delivery
from servers.slack_files import SlackFiles
from servers.slack_methods import Methods
from servers.slack_workspace import APP, BOT_USER, ENTERPRISE, TEAM, Json, Workspace

RESPONSE_SECONDS = 30 * 60
TRIGGER_SECONDS = 3.0


@dataclass(kw_only=True)
class ResponseUrl:
    """Where the answers to one slash command, or one press of a button, go."""

    until: float
    answers: list[Json]
    replaces: Json | None = None  #: the button's message; the answer to a command replaces nothing


class People:
    """The part of the server by which people write, edit, delete and command."""

    workspace: Workspace
    base_url: str
    response_urls: dict[str, ResponseUrl]
    files: SlackFiles
    _deliveries: Deliveries
    _methods: Methods
    _numbers: "itertools.count[int]"
    _copies: int

    def say(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[str | Json] = (),
        **more: Any,
    ) -> str:
        """Write a message; the bot gets it as `message`, and as `app_mention` if it mentions it.

        The text is as it travels: `<@U…>` for people, `&lt;` for <. Files are names, or what
        `files.upload` returned. Returns the message's ts.
        """
        place = self.workspace.channels[channel]
        shared = [self.files.upload(one) if isinstance(one, str) else one for one in files]
        message = self.workspace.write(place, user, text, thread_ts=thread_ts, files=shared, **more)
        event = {**message, "channel": channel, "event_ts": message["ts"]}
        if f"<@{BOT_USER}>" in text and place.kind != "im":
            mention = {key: value for key, value in event.items() if key != "subtype"}
            self.event({**mention, "type": "app_mention"})
        if BOT_USER in place.members:
            self.event({**event, "channel_type": place.kind})
        return str(message["ts"])

    def mention(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[str | Json] = (),
    ) -> str:
        """Ask the bot in a channel: `say` with its mention before the text. Delivered twice."""
        asked = f"<@{BOT_USER}> {text}".strip()
        return self.say(channel, user, asked, thread_ts=thread_ts, files=files)

    def dm(
        self,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[str | Json] = (),
    ) -> str:
        """Write to the bot directly, in the channel `workspace.direct(user).id`."""
        channel = self.workspace.direct(user).id
        return self.say(channel, user, text, thread_ts=thread_ts, files=files)

    def open_home(self, user: str, tab: str = "messages") -> Delivery:
        """Open the app at one of its tabs; the bot hears of it where it subscribed to that."""
        event: Json = {
            "type": "app_home_opened",
            "user": user,
            "channel": self.workspace.direct(user).id,
            "tab": tab,
            "event_ts": self.workspace.next_ts(),
        }
        return self.event(event)

    def edit(self, channel: str, ts: str, text: str) -> None:
        """Let the author of a message change its text, as it travels.

        The bot gets a `message_changed`; and an `app_mention` where it is mentioned only now.
        """
        place = self.workspace.channels[channel]
        before, after = self.workspace.edit(place, ts, text)
        mention = f"<@{BOT_USER}>"
        if mention in text and mention not in before["text"] and place.kind != "im":
            self.event({**after, "type": "app_mention", "channel": channel, "event_ts": ts})
        self.changed(channel, after, before)

    def delete(self, channel: str, ts: str) -> None:
        """Let somebody delete a message. One with replies leaves a tombstone, until they go too."""
        place = self.workspace.channels[channel]
        for before, tombstone in self.workspace.delete(place, ts):
            if tombstone is not None:
                self.changed(channel, tombstone, before)
                continue
            self._hear(
                channel,
                {"subtype": "message_deleted", "deleted_ts": before["ts"]},
                previous_message=before,
            )

    def preview(self, channel: str, ts: str) -> None:
        """Change a message without an edit, as Slack does for a link's preview."""
        place = self.workspace.channels[channel]
        message = place.get(ts)
        before = place.shown(message)
        message["attachments"] = [{"id": 1, "from_url": "https://example.com", "title": "A page"}]
        self.changed(channel, place.shown(message), before)

    def changed(self, channel: str, after: Json, before: Json) -> None:
        """Tell the bot that a message reads differently now."""
        self._hear(channel, {"subtype": "message_changed"}, message=after, previous_message=before)

    def _hear(self, channel: str, event: Json, **messages: Json) -> None:
        place = self.workspace.channels[channel]
        if BOT_USER not in place.members:
            return
        now = self.workspace.next_ts()
        where = {"channel": channel, "channel_type": place.kind, "ts": now, "event_ts": now}
        self.event({"type": "message", "hidden": True, **event, **messages, **where})

    def slash(self, command: str, text: str, *, channel: str, user: str) -> Delivery:
        """Send a slash command; its answer is in the delivery once that is `done`."""
        place = self.workspace.channels.get(channel)
        if place is not None:
            place.members.add(user)
        self.workspace.users.add(user)
        url = self._response_url()
        payload = {
            "token": "verification",
            "team_id": TEAM,
            "team_domain": "docs",
            "channel_id": channel,
            "channel_name": "general",
            "user_id": user,
            "user_name": "someone",
            "command": command,
            "text": text,
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": f"{next(self._numbers)}.trigger",
        }
        return self._deliveries.send("slash_commands", payload)

    def event(self, event: Json) -> Delivery:
        """Deliver any event, with an event id of its own, as often as `deliver_each` says."""
        payload = self._callback(event)
        first = self._deliveries.send("events_api", payload)
        for _ in range(1, self._copies):
            self._deliveries.send("events_api", payload, repeated=True)
        return first

    def deliver(self, kind: str, payload: Json) -> Delivery:
        """Deliver a request as it was recorded; `kind` is that of the envelope."""
        return self._deliveries.send(kind, payload)

    def interact(self, payload: Json) -> Delivery:
        """Deliver an interaction, such as a click on a button."""
        who = {"user": {"id": "U0ALICE", "team_id": TEAM}, "team": {"id": TEAM}}
        return self._deliveries.send("interactive", {**who, "api_app_id": APP, **payload})

    def press(self, channel: str, shown: Json, label: str, *, user: str) -> Delivery:
        """Press a button of a message, or of what only that person sees: that has no `ts`.

        There must be such a button.
        """
        elements = [one for block in shown["blocks"] for one in block.get("elements", ())]
        (action,) = [act for one in elements for act in _actions(one) if act["label"] == label]
        whispered = "ts" not in shown
        number = shown.setdefault("shown_as", self.workspace.next_ts())
        container = {
            "type": "message",
            "message_ts": number if whispered else shown["ts"],
            "channel_id": channel,
            "is_ephemeral": whispered,
        }
        if shown.get("thread_ts"):
            container["thread_ts"] = shown["thread_ts"]
        sent = {name: value for name, value in action.items() if name != "label"}
        sent |= {"block_id": "b1", "action_ts": self.workspace.next_ts()}
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": "someone", "team_id": TEAM},
            "token": "verification",
            "container": container,
            "channel": {"id": channel, "name": "directmessage"},
            "trigger_id": self.trigger(),
            "is_enterprise_install": False,
            "state": {"values": {}},
            "response_url": self._response_url(shown),
            "actions": [sent],
        }
        return self.interact(payload if whispered else payload | {"message": dict(shown)})

    def submit(self, view: Json, text: str | None, *, user: str) -> Delivery:
        """Fill a modal with one input in, and send it."""
        (block,) = view["blocks"]
        value = {"type": "plain_text_input", "value": text}
        state = {"values": {block["block_id"]: {block["element"]["action_id"]: value}}}
        filled = {**view, "state": state}
        return self.interact(
            {
                "type": "view_submission",
                "user": {"id": user, "username": "someone", "team_id": TEAM},
                "token": "verification",
                "trigger_id": self.trigger(),
                "view": filled,
                "response_urls": [],
                "is_enterprise_install": False,
            }
        )

    def message_menu(self, callback: str, channel: str, ts: str, *, user: str) -> Delivery:
        """Choose a shortcut in the menu of a message."""
        place = self.workspace.channels[channel]
        return self.interact(
            {
                "type": "message_action",
                "callback_id": callback,
                "user": {"id": user, "username": "someone", "team_id": TEAM},
                "token": "verification",
                "action_ts": self.workspace.next_ts(),
                "trigger_id": self.trigger(),
                "response_url": self._response_url(),
                "message_ts": ts,
                "channel": {"id": channel, "name": "general"},
                "message": dict(place.get(ts)),
                "is_enterprise_install": False,
            }
        )

    def trigger(self) -> str:
        """An id by which a modal may be opened, soon and once."""
        trigger = f"{next(self._numbers)}.trigger"
        self._methods.triggers[trigger] = time.monotonic() + TRIGGER_SECONDS
        return trigger

    def _response_url(self, replaces: Json | None = None) -> str:
        kind = "commands" if replaces is None else "actions"
        url = f"{self.base_url}/{kind}/{next(self._numbers)}"
        until = time.monotonic() + RESPONSE_SECONDS
        self.response_urls[url] = ResponseUrl(until=until, answers=[], replaces=replaces)
        return url

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Deliver an event once more, as Slack does when it missed the acknowledgement.

        What was lost stays lost: nothing was sent that could have been acknowledged.
        """
        if any(delivery is lost for lost in self._deliveries.lost):
            return delivery
        return self._deliveries.send(delivery.kind, delivery.payload, delivery.attempt + 1)

    def _callback(self, event: Json) -> Json:
        installed = {
            "enterprise_id": ENTERPRISE,
            "team_id": TEAM,
            "user_id": BOT_USER,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": "verification",
            "team_id": TEAM,
            "context_team_id": TEAM,
            "context_enterprise_id": ENTERPRISE,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{next(self._numbers):09d}",
            "event_time": int(time.time()),
            "authorizations": [installed],
            "is_ext_shared_channel": event.get("channel") in self.workspace.shared,
        }


def _actions(element: Json) -> list[Json]:
    """What pressing an element sends, by its label; feedback buttons are two in one."""
    sent = {"type": element["type"], "action_id": element["action_id"]}
    if element["type"] == "feedback_buttons":
        both = (element["positive_button"], element["negative_button"])
        return [
            sent | {"label": one["text"]["text"], "text": one["text"], "value": one["value"]}
            for one in both
        ]
    value = {"value": element["value"]} if "value" in element else {}
    return [sent | {"label": element["text"]["text"], "text": element["text"]} | value]
