"""The connection to OpenAI: one client for the engine and the index of a process."""

from urllib.request import getproxies

import httpx2
from openai import AsyncOpenAI, Timeout

from core.openai_engine.transport import AiohttpTransport
from core.settings import OpenAISettings

OPENAI_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 5.0
CREATE_SECONDS = 30.0  # a background response is only put in a queue, a conversation only written
POLL_SECONDS = 12.0  # the next look comes soon: better to give a slow one up than to wait for it
UPLOAD_SECONDS = 60.0

POLL_TIMEOUT = Timeout(POLL_SECONDS, connect=CONNECT_SECONDS)
UPLOAD_TIMEOUT = Timeout(UPLOAD_SECONDS, connect=CONNECT_SECONDS)


class OpenAIClient(AsyncOpenAI):
    """The SDK's client, and its way to the network; None: one of the SDK's own."""

    transport: AiohttpTransport | None = None


def make_client(settings: OpenAISettings) -> OpenAIClient:
    """Make the client of this process; whoever makes it closes it.

    The SDK's own retries are off. OpenAI has no idempotency key, so a repeated request to create a
    response whose first reply was lost starts a second one, paid for and answering the same
    question. Who may repeat what is decided by callers, who know what has been stored.
    """
    # Always named: the SDK would otherwise read an address from the environment by itself.
    address = settings.base_url or OPENAI_URL
    transport = _transport(address)
    client = OpenAIClient(
        api_key=settings.api_key,
        base_url=address,
        max_retries=0,
        timeout=Timeout(CREATE_SECONDS, connect=CONNECT_SECONDS),
        http_client=_http_client(transport),
    )
    client.transport = transport
    return client


def _transport(address: str) -> AiohttpTransport | None:
    named = getproxies()  # also what goes past them, and those of other protocols
    if any(named.get(scheme) for scheme in ("http", "https", "all")):
        return None  # the SDK's own knows how to go through a proxy
    return AiohttpTransport(httpx2.create_ssl_context() if address.startswith("https:") else None)


def _http_client(transport: AiohttpTransport | None) -> httpx2.AsyncClient | None:
    if transport is None:
        return None
    return httpx2.AsyncClient(transport=transport, follow_redirects=True)
