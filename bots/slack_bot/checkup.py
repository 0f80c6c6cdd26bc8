"""What `docent doctor` finds out about Slack."""

from bots.slack_bot.api import SlackApi
from core.errors import PlatformRefused
from core.settings import SlackSettings


async def check(settings: SlackSettings) -> str:
    """Try both tokens, and say who Slack takes us for. Raises PlatformError."""
    api = SlackApi(settings)
    try:
        bot = await api.identify()
        if settings.app_token:
            await api.socket_url(settings.app_token)
            return f"bot {bot.user} in workspace {bot.team}, by Socket Mode"
        return f"bot {bot.user} in workspace {bot.team}, over HTTP on port {settings.port}"
    finally:
        await api.close()


async def check_channel(settings: SlackSettings, channel: str) -> str:
    """Look whether the bot may post in a channel, without doing so. Raises PlatformError."""
    api = SlackApi(settings)
    try:
        found = await api.channel(channel)
    finally:
        await api.close()
    if found.get("is_archived"):
        raise PlatformRefused(f"The channel {channel} is archived.", "Name another one.")
    if not (found.get("is_member") or found.get("is_im")):
        raise PlatformRefused(
            f"The bot is not in the channel {channel}.", "Write /invite @Docent there."
        )
    return f"the bot is in {channel}"
