"""What people are told where the bot cannot answer, and how it reaches them in private."""

from collections.abc import Sequence

import discord

from bots.discord_bot.connection import calls
from core.errors import PlatformError

NOT_TAKEN = "I could not take your question. Please ask again in a moment."


def cannot_answer(channel: int, missing: Sequence[str]) -> str:
    """Say which permissions the bot lacks in a channel, as Discord names them, and what to do."""
    lacks = f"I lack: {', '.join(missing)}." if missing else "I lack a permission."
    return (
        f"I cannot answer in <#{channel}>. {lacks} Please ask somebody who manages the server to "
        "give me that, or ask me in a direct message."
    )


def cannot_read(me: discord.ClientUser) -> str:
    """Say how to ask, where Discord keeps the text of messages back."""
    return f"I cannot read this message. Please mention me in it: {me.mention} your question"


async def tell(
    client: discord.Client, person: int, text: str, view: discord.ui.View | None = None
) -> bool:
    """Write to a person directly. Whether it arrived: not everybody takes messages of bots."""
    try:
        async with calls(client):
            direct = await client.create_dm(discord.Object(person))
            await direct.send(text, suppress_embeds=True, view=view or discord.utils.MISSING)
    except PlatformError:
        return False
    return True
