"""The servers that a whole Docent talks to, and the settings that lead it there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from servers.discord_server import DiscordServer
from servers.docent_rig import DocentProcess, settings_for, write_docs
from servers.openai_server import OpenAIServer
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


@pytest.fixture(autouse=True)
async def _no_process_is_left() -> AsyncIterator[None]:
    yield
    await DocentProcess.end_all()
