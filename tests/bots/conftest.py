"""A Discord for the tests of its adapter, with somebody in it and a channel to ask in."""

from collections.abc import AsyncIterator

import pytest

from servers.discord_server import DiscordServer
from servers.discord_world import Channel, User


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


@pytest.fixture
def ann(discord: DiscordServer) -> User:
    return discord.world.user("Ann")


@pytest.fixture
def help_channel(discord: DiscordServer) -> Channel:
    return discord.world.channel("help")
