"""What many tests of the engine begin with: OpenAI on loopback, and what talks to it."""

from collections.abc import AsyncIterator

import pytest

from core.openai_engine.client import OpenAIClient, make_client
from core.openai_engine.engine import OpenAIEngine
from core.openai_engine.index import OpenAIIndex
from core.settings import OpenAISettings
from servers.openai_rig import Docs, Remembered, make_engine, make_index
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    """Its runs are at their end at once, unless they have a script of their own."""
    async with OpenAIServer(script=Script(statuses=["completed"], text="Yes.")) as running:
        yield running


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[OpenAIClient]:
    """The client that Docent has."""
    settings = OpenAISettings(api_key=server.api_key, base_url=server.url)
    async with make_client(settings) as ours:
        yield ours


# --- answering ------------------------------------------------------------------------------------


@pytest.fixture
def docs() -> Docs:
    return Docs()


@pytest.fixture
async def engine(server: OpenAIServer, docs: Docs) -> AsyncIterator[OpenAIEngine]:
    ours = make_engine(server, docs)
    yield ours
    await ours.close()


# --- the index ------------------------------------------------------------------------------------


@pytest.fixture
def remembered() -> Remembered:
    return Remembered()


@pytest.fixture
def index(client: OpenAIClient, remembered: Remembered) -> OpenAIIndex:
    return make_index(client, remembered)
