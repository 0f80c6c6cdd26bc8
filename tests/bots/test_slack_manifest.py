import json

from bots.slack_bot.agent_view import suggestion
from bots.slack_bot.manifest import agent_manifest, manifest
from bots.slack_bot.presses import ASK_ABOUT
from core.settings import DEFAULT_PROMPTS


def test_the_manifest_asks_for_what_is_used_and_nothing_else() -> None:
    settings = json.loads(manifest())
    assert set(settings["oauth_config"]["scopes"]["bot"]) == {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "mpim:history",
        "mpim:read",
        "users:read",
    }
    assert set(settings["settings"]["event_subscriptions"]["bot_events"]) == {
        "app_mention",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
    }
    commands = settings["features"]["slash_commands"]
    assert [command["command"] for command in commands] == [
        "/ask",
        "/refresh-docs",
        "/docs-gaps",
    ]


def test_the_manifest_lets_people_write_to_the_bot_and_needs_no_public_address() -> None:
    settings = json.loads(manifest())
    assert settings["features"]["app_home"]["messages_tab_read_only_enabled"] is False
    assert settings["settings"]["socket_mode_enabled"] is True
    assert settings["settings"]["interactivity"] == {"is_enabled": True}  # for the buttons
    assert "url" not in manifest()


def test_the_manifest_keeps_to_the_limits_of_slack() -> None:
    settings = json.loads(manifest())
    assert len(settings["display_information"]["name"]) <= 35
    assert len(settings["display_information"]["description"]) <= 140
    for command in settings["features"]["slash_commands"]:
        assert len(command["command"]) <= 32
        assert len(command["description"]) <= 2000
    for shortcut in settings["features"]["shortcuts"]:
        assert len(shortcut["name"]) <= 24
        assert len(shortcut["callback_id"]) <= 255
        assert len(shortcut["description"]) <= 150


def test_the_manifest_has_the_shortcut_that_is_listened_to() -> None:
    (shortcut,) = json.loads(manifest())["features"]["shortcuts"]
    assert (shortcut["type"], shortcut["callback_id"]) == ("message", ASK_ABOUT)


def test_the_manifest_declares_no_agent_unless_it_is_asked_to() -> None:
    settings = json.loads(manifest())
    assert not {"agent_view", "assistant_view"} & set(settings["features"])
    assert "assistant:write" not in manifest()
    assert "app_home_opened" not in manifest()


def test_the_manifest_of_an_agent_differs_in_the_view_and_what_that_needs() -> None:
    plain, agent = json.loads(manifest()), json.loads(agent_manifest(DEFAULT_PROMPTS))
    view = agent["features"].pop("agent_view")
    assert view["suggested_prompts"] == [suggestion(prompt) for prompt in DEFAULT_PROMPTS]
    assert set(view) == {"agent_description", "suggested_prompts"}
    scopes = agent["oauth_config"]["scopes"]["bot"]
    assert scopes == sorted([*plain["oauth_config"]["scopes"]["bot"], "assistant:write"])
    scopes.remove("assistant:write")
    agent["settings"]["event_subscriptions"]["bot_events"].remove("app_home_opened")
    assert agent == plain


def test_the_manifest_of_an_agent_keeps_to_the_limits_of_slack() -> None:
    view = json.loads(agent_manifest(["How? " * 40] * 4))["features"]["agent_view"]
    assert 0 < len(view["agent_description"]) <= 300
    assert len(view["suggested_prompts"]) == 4
    assert all(set(prompt) == {"title", "message"} for prompt in view["suggested_prompts"])
    assert "suggested_prompts" not in json.loads(agent_manifest([]))["features"]["agent_view"]
