"""What `docent doctor` finds out about Discord."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord

from bots.discord_bot.connection import calls, log_in
from core.errors import PlatformRefused, PlatformUnreachable
from core.settings import DiscordSettings

PATIENCE = 15.0  # seconds


async def check(settings: DiscordSettings) -> str:
    """Log in, and say who Discord takes us for and what we may read. Raises PlatformError."""
    async with _logged_in(settings) as client:
        flags = client.application_flags
        allowed = flags.gateway_message_content or flags.gateway_message_content_limited
        if settings.message_content and not allowed:
            raise PlatformRefused(
                "Discord does not let the bot read message content.",
                "Switch the Message Content Intent on in the Developer Portal (Bot, Privileged "
                "Gateway Intents), or set DISCORD_MESSAGE_CONTENT=false.",
            )
        content = "is read" if settings.message_content else "is not read, but for mentions"
        return f"bot {client.user}, message content {content}"


async def check_channel(settings: DiscordSettings, channel: str) -> str:
    """Look whether the bot may post in a channel, by beginning to type. Raises PlatformError."""
    async with _logged_in(settings) as client, calls(client):
        await client.get_partial_messageable(int(channel)).typing()
    return f"the bot may write in {channel}"


@asynccontextmanager
async def _logged_in(settings: DiscordSettings) -> AsyncIterator[discord.Client]:
    try:
        async with asyncio.timeout(PATIENCE):
            client = await log_in(settings)
    except TimeoutError:
        raise PlatformUnreachable(f"Discord does not answer within {PATIENCE:.0f} s.") from None
    try:
        yield client
    finally:
        await client.close()
