"""Looks at responses that are at work: what the SDK takes longest for, beside the SDK.

Nearly all of them find that nothing has changed, for which the SDK builds a whole response. They
ask over the same connections, and fail as the SDK's own requests do.
"""

from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI

from core.domain import RunId
from core.errors import EngineUnreachable
from core.openai_engine.client import POLL_TIMEOUT, OpenAIClient
from core.openai_engine.ends import Ended, ended_of
from core.openai_engine.outage import NOT_USABLE
from core.openai_engine.replies import json_in
from core.openai_engine.transcript import INCLUDE
from core.openai_engine.transport import AiohttpTransport, as_sdk_errors

AT_WORK = ("queued", "in_progress")
QUERY = "&".join(f"include[]={name}" for name in INCLUDE)


class Looks:
    """Says how far responses are."""

    def __init__(self, client: AsyncOpenAI) -> None:
        """Ask as `client` does."""
        self._client = client
        self._transport = client.transport if isinstance(client, OpenAIClient) else None
        known = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in known.items() if isinstance(value, str)}

    async def look(self, run: RunId) -> Ended | None:
        """Say how a response ended; None while it is at work.

        Raises APIStatusError and APIConnectionError; EngineUnreachable where the reply is not
        usable.
        """
        data = await self._bare(self._transport, run) if self._transport else None
        if data is None:
            reply = await self._client.responses.with_raw_response.retrieve(
                run, include=INCLUDE, timeout=POLL_TIMEOUT
            )
            data = json_in(reply.http_response.content)
        if not isinstance(data, dict) or not data.get("id"):
            raise EngineUnreachable(NOT_USABLE)
        return None if data.get("status") in AT_WORK else ended_of(data)

    async def _bare(self, transport: AiohttpTransport, run: RunId) -> Any:
        """What the server says; None where it sends us elsewhere: the SDK knows how to go there."""
        request = httpx2.Request(
            "GET",
            f"{self._client.base_url}responses/{run}?{QUERY}",
            headers=self._headers,
            extensions={"timeout": POLL_TIMEOUT.as_dict()},
        )
        with as_sdk_errors(request):
            response = await transport.handle_async_request(request)
            try:
                raw = await response.aread()
            finally:
                await response.aclose()
        if response.is_redirect:
            return None
        if not response.is_success:
            raise _refusal(response, raw)
        return json_in(raw)


def _refusal(response: httpx2.Response, raw: bytes) -> openai.APIStatusError:
    try:
        said = json_in(raw)
    except EngineUnreachable:
        said = raw.decode(errors="replace")
    body = said.get("error", said) if isinstance(said, dict) else said
    message = f"Error code: {response.status_code}"
    return openai.APIStatusError(message, response=response, body=body)
