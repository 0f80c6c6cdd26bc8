import json

from bots.slack_bot.manifest import manifest


def test_the_manifest_asks_for_what_is_used_and_nothing_else() -> None:
    settings = json.loads(manifest())
    assert set(settings["oauth_config"]["scopes"]["bot"]) == {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "mpim:history",
        "mpim:read",
    }
    assert set(settings["settings"]["event_subscriptions"]["bot_events"]) == {
        "app_mention",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
    }
    commands = settings["features"]["slash_commands"]
    assert [command["command"] for command in commands] == ["/ask", "/refresh-docs"]


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
