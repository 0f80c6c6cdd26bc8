"""What the doctor finds out about the channel for alerts, without posting there."""

import pytest

from bots.discord_bot import checkup as discord_checkup
from bots.slack_bot import checkup as slack_checkup
from core.errors import PlatformError, PlatformRefused
from core.settings import DiscordSettings
from servers.discord_server import DiscordServer
from servers.slack_rig import slack_settings
from servers.slack_server import SlackServer


def discord_settings(discord: DiscordServer) -> DiscordSettings:
    return DiscordSettings(
        token=discord.token, api_url=discord.api_url, gateway_url=None, message_content=False
    )


@pytest.mark.parametrize("kind", ["channel", "group"])
async def test_a_slack_channel_that_the_bot_is_in_is_well(kind) -> None:
    async with SlackServer() as slack:
        slack.workspace.add_channel("C0OPS", kind)
        said = await slack_checkup.check_channel(slack_settings(slack), "C0OPS")
        assert said == "the bot is in C0OPS"
        assert slack.calls_of("chat.postMessage") == []


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("C0OUT", r"not in the channel C0OUT\. Write /invite"),
        ("C0OLD", "C0OLD is archived"),
        ("G0HIDDEN", r"no channel G0HIDDEN\. Correct the id; into a private channel"),
        ("C0NOWHERE", "no channel C0NOWHERE"),
    ],
)
async def test_a_slack_channel_that_takes_no_alert_is_to_be_mended(channel: str, said: str) -> None:
    async with SlackServer() as slack:
        slack.workspace.add_channel("C0OUT", bot=False)
        slack.workspace.add_channel("C0OLD", archived=True)
        slack.workspace.add_channel("G0HIDDEN", "group", bot=False)
        with pytest.raises(PlatformError, match=said):
            await slack_checkup.check_channel(slack_settings(slack), channel)


async def test_a_discord_channel_that_the_bot_may_write_in_is_well() -> None:
    async with DiscordServer() as discord:
        channel = discord.world.channel("ops")
        said = await discord_checkup.check_channel(discord_settings(discord), str(channel.id))
        assert said == f"the bot may write in {channel.id}"
        assert discord.posted(channel) == []


@pytest.mark.parametrize("permission", ["send_messages", "view_channel"])
async def test_a_discord_channel_that_takes_no_alert_is_to_be_mended(permission: str) -> None:
    async with DiscordServer() as discord:
        channel = discord.world.channel("ops")
        await discord.deny(channel, permission)
        with pytest.raises(PlatformError):
            await discord_checkup.check_channel(discord_settings(discord), str(channel.id))


async def test_a_discord_channel_that_does_not_exist_is_to_be_mended() -> None:
    async with DiscordServer() as discord:
        with pytest.raises(PlatformError, match=r"no channel 123456789\. Correct"):
            await discord_checkup.check_channel(discord_settings(discord), "123456789")


async def test_people_and_roles_that_can_be_called_on_discord_are_well() -> None:
    async with DiscordServer() as discord:
        carol, role = discord.world.user("carol"), discord.world.role("support")
        people = (str(carol.id), f"&{role}")
        assert await discord_checkup.check_people(discord_settings(discord), people) == (
            "2 on Discord"
        )


async def test_people_and_roles_that_discord_does_not_know_are_all_named() -> None:
    async with DiscordServer() as discord:
        carol = discord.world.user("carol")
        with pytest.raises(PlatformRefused) as refused:
            await discord_checkup.check_people(
                discord_settings(discord), ("5", str(carol.id), "&6")
            )
        assert "nobody with the id 5; no server of ours has the role &6." in str(refused.value)


@pytest.mark.parametrize("bit", [0, 1 << 17, 1 << 3])
async def test_a_role_must_be_one_that_the_bot_may_mention(bit: int) -> None:
    async with DiscordServer() as discord:
        role = discord.world.role("support")
        discord.world.unmentionable.add(role)
        discord.world.permissions = bit
        check = discord_checkup.check_people(discord_settings(discord), (f"&{role}",))
        if bit:
            assert await check == "1 on Discord"
        else:
            with pytest.raises(PlatformRefused, match=f"role &{role} cannot be mentioned"):
                await check


async def test_people_and_groups_that_can_be_called_in_slack_are_well() -> None:
    async with SlackServer() as slack:
        slack.workspace.users.add("U0CAROL")
        people = ("U0CAROL", "S0TEAM")
        settings = slack_settings(slack)
        for asked, groups in ((people, "1 user group is"), (("S0A", "S0B"), "2 user groups are")):
            unseen = f"2 on Slack ({groups} not looked at, which needs the scope usergroups:read)"
            assert await slack_checkup.check_people(settings, asked) == unseen
        slack.scopes.add("usergroups:read")
        slack.workspace.groups["S0TEAM"] = True
        assert await slack_checkup.check_people(settings, people) == "2 on Slack"


async def test_people_and_groups_that_are_gone_from_slack_are_all_named() -> None:
    async with SlackServer() as slack:
        slack.scopes.add("usergroups:read")
        slack.workspace.users.add("U0LEFT")
        slack.workspace.profiles["U0LEFT"] = {"deleted": True}
        slack.workspace.groups["S0OLD"] = False
        people = ("U0NEVER", "U0LEFT", "S0OLD", "S0NEVER")
        with pytest.raises(PlatformRefused) as refused:
            await slack_checkup.check_people(slack_settings(slack), people)
        assert str(refused.value).startswith(
            "Slack: there is nobody with the id U0NEVER; U0LEFT is deactivated; "
            "S0OLD is disabled; there is no user group S0NEVER."
        )


async def test_a_token_that_is_refused_says_so_there_too() -> None:
    async with DiscordServer() as discord:
        discord.token = "of somebody else"
        settings = DiscordSettings(
            token="x", api_url=discord.api_url, gateway_url=None, message_content=False
        )
        with pytest.raises(PlatformRefused, match="DISCORD_TOKEN"):
            await discord_checkup.check_channel(settings, "1")


async def test_scopes_that_the_slack_app_lacks_are_named_with_what_they_are_for() -> None:
    async with SlackServer() as slack:
        assert (await slack_checkup.check(slack_settings(slack))).startswith("bot ")
        slack.scopes.remove("files:read")
        lacking = r"lacks scopes: files:read \(.*attach.*\)\. .*docent manifest slack"
        with pytest.raises(PlatformRefused, match=lacking):
            await slack_checkup.check(slack_settings(slack))
