"""The tools that the settings name, in a few words."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from bots.app import make_toolbox
from core.settings import Settings
from core.tools.definition import Tool


def has_tools(settings: Settings) -> bool:
    """Whether the settings name any."""
    hosted = settings.openai and (settings.openai.remote_servers or settings.openai.web_domains)
    return bool(settings.tools or hosted or settings.without_effect)


def told_in_vain(settings: Settings) -> str | None:
    """Say which settings have no effect with the engine, and what to do; None: they all have."""
    if not settings.without_effect:
        return None
    names = " and ".join(settings.without_effect)
    verb = "has" if len(settings.without_effect) == 1 else "have"
    return (
        f"{names} {verb} no effect: the local engine calls nothing. Set OPENAI_API_KEY, without "
        "ENGINE=local, to have it called."
    )


def told_tools(settings: Settings) -> Iterator[str]:
    """Tell what there is. Raises ConfigError where a file of TOOLS is not usable."""
    if settings.tools:
        yield ", ".join(map(_told, make_toolbox(settings).tools))
    if settings.openai is None:
        return
    for server in settings.openai.remote_servers:
        confirmed = " (confirmed)" if server.needs_approval else ""
        host = urlsplit(server.url).hostname
        yield f"{server.label} at {host}: {', '.join(server.allowed_tools)}{confirmed}"
    if settings.openai.web_domains:
        yield f"web search in {', '.join(settings.openai.web_domains)}"


def _told(tool: Tool) -> str:
    allowed = tool.allowed
    limits = ["admins"] * allowed.admins + ["some"] * bool(allowed.people or allowed.channels)
    limits += ["confirmed"] * tool.mark.confirm
    return f"{tool.name} ({'; '.join(limits)})" if limits else tool.name
