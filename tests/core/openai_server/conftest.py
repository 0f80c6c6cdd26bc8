"""OpenAI on loopback, and the SDK as it comes: what is tested is whether the two agree."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from servers.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    """A client that refuses replies that lack a field or have one of a wrong type."""
    async with AsyncOpenAI(
        api_key=server.api_key,
        base_url=server.url,
        max_retries=0,
        timeout=30.0,
        _strict_response_validation=True,
    ) as strict:
        yield strict
