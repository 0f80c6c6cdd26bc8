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
        ("G0HIDDEN", "channel_not_found"),
        ("C0NOWHERE", "channel_not_found"),
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
        with pytest.raises(PlatformError, match="does not exist"):
            await discord_checkup.check_channel(discord_settings(discord), "123456789")


async def test_a_token_that_is_refused_says_so_there_too() -> None:
    async with DiscordServer() as discord:
        discord.token = "of somebody else"
        settings = DiscordSettings(
            token="x", api_url=discord.api_url, gateway_url=None, message_content=False
        )
        with pytest.raises(PlatformRefused, match="DISCORD_TOKEN"):
            await discord_checkup.check_channel(settings, "1")
