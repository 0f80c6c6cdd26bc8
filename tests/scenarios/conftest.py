"""The servers that a whole Docent talks to, and the settings that lead it there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from servers.discord_server import DiscordServer
from servers.docent_rig import DocentProcess, settings_for, write_docs
from servers.openai_server import OpenAIServer
from servers.people import Discord, Slack
from servers.slack_server import SlackServer

ADMIN = "U0ADMIN"
INVITE = "https://discord.gg/acme"


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


@pytest.fixture
async def openai() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
def documentation(tmp_path: Path) -> Path:
    """A folder of documentation; DOCS_SOURCES names it."""
    write_docs(tmp_path / "docs")
    return tmp_path / "docs"


@pytest.fixture
def common_values(openai: OpenAIServer, documentation: Path, database_url: str) -> dict[str, str]:
    """Settings of a Docent without a platform; on each kind of database."""
    return {
        **settings_for(openai),
        "DATABASE_URL": database_url,
        # What is written is no reply yet: tests that wait for one look at the first message.
        "STREAMING": "false",
        "DOCS_SOURCES": write_docs(documentation),
        "DISCORD_INVITE_URL": INVITE,
    }


@pytest.fixture
def slack_values(common_values: dict[str, str], slack: SlackServer) -> dict[str, str]:
    return {**common_values, **settings_for(slack), "ADMINS": f"slack:{ADMIN}"}


@pytest.fixture
def discord_values(common_values: dict[str, str], discord: DiscordServer) -> dict[str, str]:
    return {**common_values, **settings_for(discord)}


@pytest.fixture(params=["slack", "discord"])
def people(request: pytest.FixtureRequest, slack: SlackServer, discord: DiscordServer) -> Any:
    """People on a platform; a test that asks for them runs on each."""
    discord.world.content_intent = True
    return Slack(slack) if request.param == "slack" else Discord(discord)


@pytest.fixture
def people_values(
    people: Any, slack_values: dict[str, str], discord_values: dict[str, str]
) -> dict[str, str]:
    """Settings of a Docent on their platform, which may read all that they say."""
    given = slack_values if isinstance(people, Slack) else discord_values
    return {**given, "DISCORD_MESSAGE_CONTENT": "true"}


@pytest.fixture(autouse=True)
async def _no_process_is_left() -> AsyncIterator[None]:
    yield
    await DocentProcess.end_all()
