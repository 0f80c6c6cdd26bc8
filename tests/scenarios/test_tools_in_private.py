"""What is to be confirmed in an answer that one person sees, and done only for that person."""

from pathlib import Path

import pytest

from servers.discord_server import DiscordServer
from servers.docent_rig import docent_running
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_server import SlackServer

FILE = '''
"""What the operations team lets people ask."""

from pathlib import Path

from core.tools import tool


@tool(confirm=True)
def restart(service: str) -> str:
    """Restart a service."""
    with Path({calls!r}).open("a") as file:
        file.write(service + "\\n")
    return f"{{service}} was restarted"
'''
QUESTION = "Restart the api, please"
SECONDS = 60  #: for everything, on a machine with much to do
CHANNEL, ASKER = "C0GENERAL", "U0ALICE"


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls.txt"


@pytest.fixture
def private(tmp_path: Path, calls: Path, openai: OpenAIServer) -> dict[str, str]:
    path = tmp_path / "ops.py"
    path.write_text(FILE.format(calls=str(calls)), encoding="utf-8")
    openai.script(
        Script(calls=[("restart", {"service": "api"})], then=Script(text="I would restart it.")),
        Script(text="It was restarted."),
    )
    return {"ASK": "private", "TOOLS": str(path)}


def made(calls: Path) -> list[str]:
    """The calls that the function noted."""
    return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


async def test_what_is_confirmed_in_private_is_done_and_answered_in_private_in_slack(
    slack_values: dict[str, str], private: dict[str, str], slack: SlackServer, calls: Path
) -> None:
    async with docent_running(slack_values | private):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        slack.slash("/ask", QUESTION, channel=CHANNEL, user=ASKER)
        proposals = await slack.wait_for(
            lambda: [one for one in slack.whispers if "Confirm" in str(one.get("blocks"))], SECONDS
        )
        assert 'restart(service="api")' in proposals[0]["text"]
        assert made(calls) == []
        for _ in range(2):
            slack.press(CHANNEL, proposals[0], "Confirm", user=ASKER)
        (answer,) = await slack.wait_for(
            lambda: [one for one in slack.whispers if "was restarted" in one["text"]], SECONDS
        )
        assert (answer["channel"], answer["user"]) == (CHANNEL, ASKER)
        assert slack.workspace.channels[CHANNEL].messages == []
    assert made(calls) == ["api"]
    assert slack.violations == []


async def test_what_is_confirmed_in_private_is_done_and_answered_in_private_on_discord(
    discord_values: dict[str, str], private: dict[str, str], discord: DiscordServer, calls: Path
) -> None:
    alice, channel = discord.world.user("alice"), discord.world.channel("help")
    async with docent_running(discord_values | private):
        await discord.wait_for(lambda: discord.world.commands, SECONDS)
        asked = await discord.slash("ask", alice, channel, {"question": QUESTION})
        await discord.wait_for(
            lambda: "Confirm" in str((asked.message or {}).get("components")), SECONDS
        )
        assert asked.message is not None
        assert 'restart(service="api")' in asked.texts[-1]
        assert made(calls) == []
        pressed = await discord.press(asked.message, "Confirm", alice)
        await discord.wait_for(lambda: "was restarted" in str(pressed.texts), SECONDS)
        assert pressed.ephemeral
        again = await discord.press(asked.message, "Confirm", alice)
        await discord.wait_for(lambda: "Nothing waits" in str(again.texts), SECONDS)
        assert discord.posted(channel) == []
    assert made(calls) == ["api"]
