"""Conversations and responses are created: over the SDK, but past its models.

To go through a request, and to make an object of the reply, takes the SDK three times as long as to
send it. Here what is sent is plain JSON, and of what comes back only the id is read.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import httpx2
from openai import AsyncOpenAI, AsyncStream
from openai.types.conversations.conversation_create_params import ConversationCreateParams
from openai.types.responses import ResponseInputItemParam, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from core.domain import ConversationId, RunId
from core.errors import EngineUnreachable
from core.openai_engine.outage import NOT_USABLE
from core.openai_engine.replies import json_in
from core.openai_engine.streams import stream_timeout
from core.openai_engine.transport import as_sdk_errors


async def create_conversation(
    client: AsyncOpenAI, items: Sequence[ResponseInputItemParam], metadata: Mapping[str, str]
) -> ConversationId:
    """Create a conversation that begins with some items.

    Raises as the SDK does, and EngineUnreachable for replies that are not usable.
    """
    asked: ConversationCreateParams = {"items": list(items), "metadata": dict(metadata)}
    reply = await client.post("/conversations", cast_to=httpx2.Response, body=asked)
    return ConversationId(_id_in(reply))


async def create_run(client: AsyncOpenAI, asked: ResponseCreateParamsNonStreaming) -> RunId:
    """Create a response that is looked at. Raises as `create_conversation` does."""
    reply = await client.post("/responses", cast_to=httpx2.Response, body=asked)
    return RunId(_id_in(reply))


async def create_stream(
    client: AsyncOpenAI, asked: ResponseCreateParamsNonStreaming
) -> httpx2.Response | RunId:
    """Create a response that is heard from its beginning; its stream.

    Its id where the server has created it all the same, but gives no stream. Raises as
    `create_conversation` does.
    """
    reply = await client.post(
        "/responses",
        cast_to=httpx2.Response,
        body={**asked, "stream": True},
        options={"timeout": stream_timeout()},
        stream=True,
        stream_cls=AsyncStream[ResponseStreamEvent],
    )
    stream = cast(httpx2.Response, reply)  # so says `cast_to`; the SDK's types do not know it
    if not stream.headers.get("Content-Type", "").startswith("application/json"):
        return stream
    try:
        with as_sdk_errors(stream.request):
            await stream.aread()
    finally:
        await stream.aclose()
    return RunId(_id_in(stream))


def _id_in(reply: httpx2.Response) -> str:
    created = json_in(reply.content)
    found = created.get("id") if isinstance(created, dict) else None
    if not isinstance(found, str) or not found:
        raise EngineUnreachable(NOT_USABLE)
    return found
