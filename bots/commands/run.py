"""`docent run`: serve the platforms until told to stop."""

import argparse
import asyncio

from bots.app import assemble, make_platforms, open_store
from bots.serving import serve, stop_on_signals
from core.config import load_settings
from core.errors import ConfigError
from core.log import set_up_logging

TOKENS = {
    "slack": "SLACK_BOT_TOKEN and SLACK_APP_TOKEN",
    "discord": "DISCORD_TOKEN",
}


async def main(options: argparse.Namespace) -> int:
    """Serve; 0 when a signal ended it."""
    settings = load_settings()
    present = {"slack": settings.slack, "discord": settings.discord}
    wanted = options.platforms or [name for name, tokens in present.items() if tokens]
    problems = [
        f"`docent run {name}` needs {TOKENS[name]}: set them."
        for name in wanted
        if present[name] is None
    ]
    if not wanted:
        problems = [
            f"No platform has its tokens: set {TOKENS['slack']}, or {TOKENS['discord']}. "
            "`docent demo` shows Docent without any."
        ]
    if problems:
        raise ConfigError(problems)
    set_up_logging(settings.log_level, settings.log_format)
    stop = asyncio.Event()
    async with open_store(settings) as store:
        platforms = make_platforms(settings, store, wanted)
        async with assemble(settings, store, platforms) as docent:
            with stop_on_signals(stop):
                await serve(docent, settings, stop)
    return 0
