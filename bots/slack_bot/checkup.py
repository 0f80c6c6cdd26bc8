"""What `docent doctor` finds out about Slack."""

from bots.slack_bot.api import SlackApi
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
