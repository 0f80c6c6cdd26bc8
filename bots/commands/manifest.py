"""`docent manifest`: what a platform needs to know of the app, made from what the code uses."""

import argparse
import base64
import binascii

from bots.discord_bot import manifest as discord_manifest
from bots.slack_bot import manifest as slack_manifest
from core.config import load_settings
from core.errors import ConfigError


async def main(options: argparse.Namespace) -> int:
    """Print the manifest."""
    if options.platform == "slack":
        print(_slack(as_agent=options.agent))
    else:
        print(discord_manifest.manifest(options.application_id or _application_id()))
    return 0


def _slack(*, as_agent: bool) -> str:
    if as_agent:
        return slack_manifest.agent_manifest(load_settings().suggested_prompts)
    return slack_manifest.manifest()


def _application_id() -> str:
    """The application's id, which the first part of a bot's token spells in base64."""
    discord = load_settings().discord
    hint = "DISCORD_TOKEN is not a bot's token" if discord else "DISCORD_TOKEN is not set"
    encoded = discord.token.partition(".")[0] if discord else ""
    try:
        spelled = base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        spelled = ""
    if not spelled.isdigit():
        raise ConfigError(
            [
                f"The application's id is not known, because {hint}: mend that, or give "
                "--application-id (“Application ID” on the page “General Information” of the "
                "Developer Portal)."
            ]
        )
    return spelled
