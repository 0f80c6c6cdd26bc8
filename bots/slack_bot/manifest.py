"""The app's manifest, to be pasted at api.slack.com: the scopes, events and commands in use."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bots.gaps_order import COMMAND
from bots.slack_bot.agent_view import OPENED, SCOPE, suggestion
from bots.slack_bot.commands import ASK
from bots.slack_bot.events import SUBSCRIBED
from bots.slack_bot.files import SCOPE as SCOPE_OF_FILES
from bots.slack_bot.presses import ASK_ABOUT
from bots.slack_bot.refreshes import REFRESH

#: Which call or event needs a scope.
SCOPES: Final = {
    "app_mentions:read": "the event app_mention",
    "channels:history": "message.channels, finding what was missed, and looking a reply up before "
    "it is posted again",
    "channels:read": "the list of channels that may hold what was missed",
    "chat:write": "replies, the status while an answer is on its way",
    "commands": f"{ASK}, {REFRESH} and {COMMAND}, and the shortcut in the menu of messages",
    "groups:history": "the same in private channels",
    "groups:read": "the same for private channels",
    "im:history": "direct messages",
    "im:read": "the list of direct messages that may hold what was missed",
    "mpim:history": "direct messages of several people",
    "mpim:read": "the same for those of several people",
    SCOPE_OF_FILES: "reading what people attach to their questions",
    "users:read": "who is a guest, or of another organisation",
}


_ABOUT: Final = "Answers questions from the documentation, in the thread."
#: For the agent view. Slack takes 300 characters.
_ABOUT_AGENT: Final = (
    "Answers questions from the documentation, and names the pages that it has the answers from. "
    "Go on asking in the thread of an answer."
)

_Json = Mapping[str, Any]


def manifest() -> str:
    """Write the manifest as JSON, for Socket Mode.

    Over HTTP, `socket_mode_enabled` is false and events and interactivity have a `request_url`
    and the commands a `url`: the public address of the bot with /slack/events.
    """
    return json.dumps(_manifest(), indent=2)


def agent_manifest(prompts: Sequence[str]) -> str:
    """Write the manifest of an app that is declared as an agent, with questions to suggest.

    Slack keeps the guests of a workspace from such an app.
    """
    return json.dumps(_as_agent(_manifest(), prompts), indent=2)


def _as_agent(plain: _Json, prompts: Sequence[str]) -> _Json:
    view: dict[str, Any] = {"agent_description": _ABOUT_AGENT}
    if prompts:
        view["suggested_prompts"] = list(map(suggestion, prompts))
    settings = plain["settings"]
    return {
        **plain,
        "features": {**plain["features"], "agent_view": view},
        "oauth_config": {"scopes": {"bot": sorted([*SCOPES, SCOPE])}},
        "settings": {
            **settings,
            "event_subscriptions": {"bot_events": [*SUBSCRIBED, OPENED]},
        },
    }


def _command(name: str, description: str, hint: str) -> dict[str, object]:
    return {
        "command": name,
        "description": description,
        "usage_hint": hint,
        "should_escape": False,
    }


def _manifest() -> _Json:
    return {
        "display_information": {
            "name": "Docent",
            "description": _ABOUT,
        },
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                # Without this people cannot write to the bot directly.
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "docent", "always_online": True},
            "shortcuts": [
                {
                    "name": "Ask Docent about this",
                    "type": "message",
                    "callback_id": ASK_ABOUT,
                    "description": "Answers a message in its thread",
                }
            ],
            "slash_commands": [
                _command(ASK, "Ask the documentation, in this channel", "[question]"),
                _command(REFRESH, "Read the documentation again (admins)", "[source]"),
                _command(COMMAND, "What went unanswered lately (admins)", "[7d]"),
            ],
        },
        "oauth_config": {"scopes": {"bot": sorted(SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": list(SUBSCRIBED)},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }
