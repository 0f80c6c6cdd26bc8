"""Everything that the OpenAI SDK can raise becomes an error of core."""

import asyncio
import importlib
import pkgutil
import re
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAIError, _exceptions

from core.config import OpenAISettings
from core.errors import (
    ConversationGone,
    ConversationLocked,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
)
from core.openai_engine.client import make_client
from core.openai_engine.errors import translate_errors, usable
from servers.openai_faults import (
    Fault,
    broken_json,
    error,
    html_page,
    out_of_quota,
    rate_limited,
    server_error,
)
from servers.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    settings = OpenAISettings(api_key=server.api_key, base_url=server.url)
    async with make_client(settings) as ours:
        yield ours


async def raised(client: AsyncOpenAI, **translation: Any) -> EngineError:
    """What comes out where a request to OpenAI goes wrong."""
    with pytest.raises(EngineError) as caught, translate_errors(**translation):
        usable(openai.types.Model, await client.models.retrieve("gpt-6-luna"))
    return caught.value


# --- every exception of the SDK -------------------------------------------------------------------


def modules_with_exceptions() -> Iterator[str]:
    """Modules of the SDK that define exceptions; the many modules of types define none."""
    root = Path(openai.__path__[0])
    for module in pkgutil.walk_packages([str(root)], "openai.", onerror=lambda name: None):
        path = root.joinpath(*module.name.split(".")[1:])
        source = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        if re.search(r"^class \w+\(.*(Error|Exception)\b.*\):", source.read_text(), re.MULTILINE):
            yield module.name


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from subclasses(subclass)


def sdk_exceptions() -> list[type[BaseException]]:
    for name in ("openai._response", "openai._legacy_response", "openai.lib.azure"):
        importlib.import_module(name)
    found = set(subclasses(OpenAIError))
    found |= {value for value in vars(_exceptions).values() if isinstance(value, type) and issubclass(value, Exception)}
    return sorted(found, key=lambda kind: kind.__qualname__)


def made(kind: type[BaseException]) -> BaseException:
    """An exception of this class, with all that the SDK gives to the most talkative one."""
    status = getattr(kind, "status_code", 418)
    request = httpx2.Request("POST", "https://api.openai.com/v1/responses")
    exception = kind.__new__(kind)
    exception.__dict__.update(
        request=request,
        response=httpx2.Response(status, request=request),
        status_code=status,
        body=None,
        message="",
        code=None,
        param=None,
        type=None,
    )
    return exception


@pytest.mark.parametrize("kind", sdk_exceptions(), ids=lambda kind: kind.__qualname__)
def test_every_exception_of_the_sdk_becomes_one_of_ours(kind: type[BaseException]) -> None:
    cause = made(kind)
    with pytest.raises(EngineError) as caught, translate_errors():
        raise cause
    assert caught.value.__cause__ is cause
