"""The loopback OpenAI server: calls of functions and of remote servers, and web search."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseOutputMessage
from openai.types.responses.response_output_item import McpApprovalRequest, McpCall
from openai.types.responses.response_output_text import AnnotationURLCitation

from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

STATUS = {
    "type": "function",
    "name": "status",
    "description": "Tell how a service is.",
    "parameters": {"type": "object", "properties": {"service": {"type": "string"}}},
    "strict": False,
}
REMOTE = {"type": "mcp", "server_label": "helper", "server_url": "https://mcp.example/"}
WEB = {"type": "web_search", "filters": {"allowed_domains": ["docs.example"]}}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(script=Script(statuses=["completed"], text="Yes.")) as running:
        yield running


async def ask(client: AsyncOpenAI, conversation: str, given: Any, *tools: Any) -> Response:
    created: Response = await client.responses.create(
        model="gpt-6-luna",
        conversation=conversation,
        background=True,
        store=True,
        input=given,
        tools=list(tools),
    )
    return created


def output_of(call: str, text: str = "It is up.") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call, "output": text}


def calls_in(response: Response) -> list[ResponseFunctionToolCall]:
    return [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]


def said_in(response: Response) -> list[str]:
    return [item.type for item in response.output]


# --- functions ------------------------------------------------------------------------------------


async def test_calls_go_out_in_parallel_and_the_run_with_their_outputs_goes_as_scripted(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    two = [("status", {"service": "api"}), ("status", "{broken")]
    server.script(Script(statuses=["completed"], calls=two, then=Script(text="It is up.")))
    conversation = (await client.conversations.create()).id
    first = await ask(client, conversation, "Is it up?", STATUS)
    assert first.status == "completed"
    calls = calls_in(first)
    assert [(call.name, call.arguments) for call in calls] == [
        ("status", '{"service": "api"}'),
        ("status", "{broken"),
    ]
    second = await ask(client, conversation, [output_of(c.call_id) for c in calls], STATUS)
    ended = second
    while ended.status != "completed":
        ended = await client.responses.retrieve(second.id)
    assert ended.output_text == "It is up."
    assert not server.conversations.get(conversation).open_calls()


async def test_a_call_needs_its_output_and_an_output_its_call(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    script = Script(statuses=["completed"], calls=[("status", {}), ("status", {})])
    server.script(script)
    conversation = (await client.conversations.create()).id
    one, other = calls_in(await ask(client, conversation, "Is it up?", STATUS))
    for given in ("And now?", [output_of(one.call_id)]):
        with pytest.raises(openai.BadRequestError, match="No tool output found for function call"):
            await ask(client, conversation, given, STATUS)
    for given in ([output_of("call_x")], [output_of(one.call_id), output_of(one.call_id)]):
        with pytest.raises(openai.BadRequestError, match="No tool call found for function call"):
            await ask(client, conversation, given, STATUS)
    both = [output_of(one.call_id), output_of(other.call_id)]
    assert (await ask(client, conversation, both, STATUS)).output_text == "Yes."
    with pytest.raises(openai.BadRequestError, match="No tool call found"):
        await ask(client, conversation, both, STATUS)


async def test_a_run_that_fails_with_outputs_in_it_leaves_the_calls_open(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    failing = Script(statuses=["failed"])
    server.script(Script(statuses=["completed"], calls=[("status", {})], then=failing))
    conversation = (await client.conversations.create()).id
    (call,) = calls_in(await ask(client, conversation, "Is it up?", STATUS))
    assert (await ask(client, conversation, [output_of(call.call_id)], STATUS)).status == "failed"
    assert server.conversations.get(conversation).open_calls() == [call.call_id]


@pytest.mark.parametrize(
    ("tools", "refusal"),
    [
        ([STATUS | {"parameters": {}}], "schema must be a JSON Schema of 'type: \"object\"'"),
        ([STATUS | {"name": "is it up"}], "does not match pattern"),
        ([STATUS | {"name": "s" * 65}], "string too long"),
        ([STATUS, STATUS], "Duplicate function name"),
        ([STATUS | {"strict": True}], "'additionalProperties' is required"),
        ([REMOTE, REMOTE], "Duplicate server_label"),
        ([REMOTE | {"server_label": "1 helper"}], "must start with a letter"),
        ([{"type": "mcp", "server_label": "helper"}], "must be provided"),
        ([WEB | {"filters": {"allowed_domains": ["https://docs.example"]}}], "is no domain"),
    ],
)
async def test_tools_are_refused_as_openai_does(
    server: OpenAIServer, client: AsyncOpenAI, tools: list[Any], refusal: str
) -> None:
    conversation = (await client.conversations.create()).id
    with pytest.raises(openai.BadRequestError) as refused:
        await ask(client, conversation, "Is it up?", *tools)
    assert refusal in str(refused.value)


async def test_a_streamed_run_tells_its_calls_piece_by_piece(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    calls = [("status", {"service": "api"})]
    server.script(Script(calls=calls, text="I look.", then=Script(text="It is up.")))
    conversation = (await client.conversations.create()).id
    common: dict[str, Any] = {
        "model": "gpt-6-luna",
        "conversation": conversation,
        "background": True,
        "store": True,
        "stream": True,
        "tools": [STATUS],
    }
    pieces, told, ended = "", "", None
    async for event in await client.responses.create(input="Is it up?", **common):
        match event.type:
            case "response.function_call_arguments.delta":
                pieces += event.delta
            case "response.function_call_arguments.done":
                told = event.arguments
            case "response.completed":
                ended = event.response
    assert ended is not None
    (call,) = calls_in(ended)
    assert pieces == told == call.arguments == '{"service": "api"}'
    (comment,) = [item for item in ended.output if isinstance(item, ResponseOutputMessage)]
    assert comment.phase == "commentary"
    words = ""
    async for event in await client.responses.create(input=[output_of(call.call_id)], **common):
        words += event.delta if event.type == "response.output_text.delta" else ""
    assert words == "It is up."


# --- remote servers and the web -------------------------------------------------------------------


async def test_a_remote_call_is_made_once_it_is_approved(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    calls = [("helper", "look_up", {"word": "wing"})]
    then = Script(statuses=["completed"], text="Found.", remote_output="A wing.")
    server.script(Script(statuses=["completed"], remote_calls=calls, then=then))
    conversation = (await client.conversations.create()).id
    first = await ask(client, conversation, "What is it?", REMOTE)
    assert said_in(first) == ["mcp_list_tools", "mcp_approval_request"]
    asked = first.output[-1]
    assert isinstance(asked, McpApprovalRequest)
    response = {"type": "mcp_approval_response", "approval_request_id": asked.id, "approve": True}
    with pytest.raises(openai.BadRequestError, match="No approval request found"):
        await ask(client, conversation, [response | {"approval_request_id": "mcpr_x"}], REMOTE)
    second = await ask(client, conversation, [response], REMOTE)
    assert said_in(second) == ["mcp_call", "message"]
    made = second.output[0]
    assert isinstance(made, McpCall)
    assert (made.output, made.approval_request_id) == ("A wing.", asked.id)


async def test_a_remote_call_that_is_denied_is_not_made(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    then = Script(statuses=["completed"], text="Then not.")
    calls = [("helper", "look_up", {})]
    server.script(Script(statuses=["completed"], remote_calls=calls, then=then))
    conversation = (await client.conversations.create()).id
    asked = (await ask(client, conversation, "What is it?", REMOTE)).output[-1]
    assert isinstance(asked, McpApprovalRequest)
    denied = {"type": "mcp_approval_response", "approval_request_id": asked.id, "approve": False}
    assert said_in(await ask(client, conversation, [denied], REMOTE)) == ["message"]


async def test_a_remote_call_that_needs_no_approval_is_made_at_once(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.script(
        Script(statuses=["completed"], remote_calls=[("helper", "look_up", {})], text="Found.")
    )
    conversation = (await client.conversations.create()).id
    free = REMOTE | {"require_approval": "never", "authorization": "secret-token"}
    reply = await ask(client, conversation, "What is it?", free)
    assert said_in(reply) == ["mcp_list_tools", "mcp_call", "message"]
    assert "secret-token" not in reply.model_dump_json()


async def test_a_search_of_the_web_is_cited_by_address(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    pages = [("https://docs.example/wing", "Wings")]
    server.script(Script(statuses=["completed"], text="A wing.", links=pages))
    conversation = (await client.conversations.create()).id
    reply = await ask(client, conversation, "What is it?", WEB)
    assert said_in(reply) == ["web_search_call", "message"]
    message = reply.output[-1]
    assert isinstance(message, ResponseOutputMessage)
    (part,) = message.content
    assert part.type == "output_text"
    (cited,) = part.annotations
    assert isinstance(cited, AnnotationURLCitation)
    assert (cited.url, cited.title) == pages[0]
