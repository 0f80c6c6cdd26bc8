"""The invite URL asks for what is used, and no more."""

from urllib.parse import parse_qs, urlsplit

import discord

from bots.discord_bot.manifest import PERMISSIONS, manifest


def invite() -> dict[str, list[str]]:
    url = next(
        line for line in manifest("1234").splitlines() if "https://discord.com/oauth2" in line
    )
    assert urlsplit(url.strip()).path == "/oauth2/authorize"
    return parse_qs(urlsplit(url.strip()).query)


def test_the_url_names_the_application_and_the_scopes():
    assert invite()["client_id"] == ["1234"]
    assert invite()["scope"] == ["bot applications.commands"]


def test_the_url_asks_for_exactly_the_permissions_in_use():
    asked = discord.Permissions(int(invite()["permissions"][0]))
    expected = discord.Permissions(
        view_channel=True,
        send_messages=True,
        send_messages_in_threads=True,
        create_public_threads=True,
        read_message_history=True,
    )
    assert asked == expected


def test_every_permission_is_explained():
    for name, why in PERMISSIONS.values():
        assert any(name in line and why in line for line in manifest("1234").splitlines())


def test_it_says_what_to_do_in_the_portal():
    assert "DISCORD_TOKEN" in manifest("1234")
    assert "DISCORD_MESSAGE_CONTENT" in manifest("1234")
    assert "Interactions Endpoint URL" in manifest("1234")
