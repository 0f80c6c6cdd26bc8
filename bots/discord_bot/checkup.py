"""What `docent doctor` finds out about Discord."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import discord

from bots.discord_bot.connection import calls, log_in
from core.errors import PlatformRefused, PlatformUnreachable, ThreadGone
from core.settings import DiscordSettings

PATIENCE = 15.0  # seconds
MOST_GUILDS = 200  # in which roles are looked for; as many as Discord tells at once


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
    try:
        async with _logged_in(settings) as client, calls(client):
            await client.get_partial_messageable(int(channel)).typing()
    except ThreadGone:
        raise PlatformRefused(
            f"Discord shows the bot no channel {channel}.",
            "Correct the id, or let the bot see the channel.",
        ) from None
    return f"the bot may write in {channel}"


async def check_people(settings: DiscordSettings, people: Sequence[str]) -> str:
    """Look whether there are these people, and roles (&…) that we may mention.

    Raises PlatformError with all that is wrong with them.
    """
    roles = {one.removeprefix("&") for one in people if one.startswith("&")}
    async with _logged_in(settings) as client, calls(client):
        problems = [
            f"there is nobody with the id {one}"
            for one in people
            if not one.startswith("&") and not await _is_there(client, int(one))
        ]
        problems += await _wrong_roles(client, roles) if roles else []
    if problems:
        raise PlatformRefused(
            f"Discord: {'; '.join(problems)}.", "Correct HUMANS, or humans in docent.toml."
        )
    return f"{len(people)} on Discord"


async def _is_there(client: discord.Client, user: int) -> bool:
    try:
        await client.fetch_user(user)
    except discord.NotFound:
        return False
    return True


async def _wrong_roles(client: discord.Client, wanted: set[str]) -> list[str]:
    """What is wrong with roles, of whichever of our servers they are."""
    may_mention: dict[str, bool] = {}
    for guild in await client.http.get_guilds(MOST_GUILDS, with_counts=False):
        ours = discord.Permissions(int(guild.get("permissions", 0)))
        for role in await client.http.get_roles(guild["id"]):
            may_mention[str(role["id"])] = (
                role["mentionable"] or ours.mention_everyone or ours.administrator
            )
    return [
        *(f"no server of ours has the role &{one}" for one in sorted(wanted - may_mention.keys())),
        *(
            f"the role &{one} cannot be mentioned: allow that in its settings"
            for one in sorted(wanted & may_mention.keys())
            if not may_mention[one]
        ),
    ]


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
