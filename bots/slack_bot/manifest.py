"""The app's manifest, to be pasted at api.slack.com: the scopes, events and commands in use."""

import json
from typing import Final

from bots.slack_bot.commands import ASK
from bots.slack_bot.events import SUBSCRIBED
from bots.slack_bot.refreshes import REFRESH

#: Which call or event needs a scope.
SCOPES: Final = {
    "app_mentions:read": "the event app_mention",
    "channels:history": "message.channels, finding what was missed, and looking a reply up before "
    "it is posted again",
    "channels:read": "the list of channels that may hold what was missed",
    "chat:write": "replies, the status while an answer is on its way",
    "commands": f"{ASK} and {REFRESH}",
    "groups:history": "the same in private channels",
    "groups:read": "the same for private channels",
    "im:history": "direct messages",
    "im:read": "the list of direct messages that may hold what was missed",
    "mpim:history": "direct messages of several people",
    "mpim:read": "the same for those of several people",
}


def manifest() -> str:
    """Write the manifest as JSON, for Socket Mode.

    Over HTTP, `socket_mode_enabled` is false and events and interactivity have a `request_url`
    and the commands a `url`: the public address of the bot with /slack/events.
    """
    return json.dumps(_manifest(), indent=2)


def _manifest() -> dict[str, object]:
    return {
        "display_information": {
            "name": "Docent",
            "description": "Answers questions from the documentation, in the thread.",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                # Without this people cannot write to the bot directly.
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "docent", "always_online": True},
            "slash_commands": [
                {
                    "command": ASK,
                    "description": "Ask the documentation, in this channel",
                    "usage_hint": "[question]",
                    "should_escape": False,
                },
                {
                    "command": REFRESH,
                    "description": "Read the documentation again (admins)",
                    "usage_hint": "[source]",
                    "should_escape": False,
                },
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
