"""The invite URL: exactly the scopes and permissions in use. Nothing is asked of Discord here."""

from typing import Final

import discord

_SCOPES: Final = {
    "bot": "to be a member of the server: mentions, threads, direct messages",
    "applications.commands": "for /ask, /refresh-docs, /docs-gaps and the menu of messages",
}
#: What the bot needs in a channel: discord.py's name -> Discord's name and what it is for.
PERMISSIONS: Final = {
    "view_channel": ("View Channels", "to see where it is mentioned"),
    "create_public_threads": ("Create Public Threads", "to open a thread from a question"),
    "send_messages_in_threads": ("Send Messages in Threads", "to answer there"),
    "send_messages": ("Send Messages", "to answer in line where a thread cannot be opened"),
    "read_message_history": (
        "Read Message History",
        "to reply to a message, to find what was asked while the bot was away, and to see whether "
        "an answer was posted already",
    ),
}


def permissions() -> discord.Permissions:
    """All permissions of PERMISSIONS, as Discord's bit field."""
    return discord.Permissions(**dict.fromkeys(PERMISSIONS, True))


def manifest(application_id: str) -> str:
    """Write down how the bot is invited and what has to be switched on in the developer portal.

    `application_id` is the one under General Information in the portal.
    """
    url = discord.utils.oauth_url(application_id, permissions=permissions(), scopes=_SCOPES)
    width = max(len(name) for name, _ in PERMISSIONS.values())
    return "\n".join(
        (
            "Invite the bot, as somebody who manages the server:",
            f"  {url}",
            "",
            "Scopes:",
            *(f"  {scope:<{width}}  {why}" for scope, why in _SCOPES.items()),
            "",
            f"Permissions ({permissions().value}):",
            *(f"  {name:<{width}}  {why}" for name, why in PERMISSIONS.values()),
            "",
            "In the developer portal (https://discord.com/developers/applications):",
            "  Bot, Reset Token: copy it into DISCORD_TOKEN.",
            "  Bot, Privileged Gateway Intents: none is needed. With Message Content Intent on and",
            "    DISCORD_MESSAGE_CONTENT=true people go on asking in a thread without a mention.",
            "  General Information, Interactions Endpoint URL: leave it empty, or the",
            "    commands do not reach the bot.",
        )
    )
