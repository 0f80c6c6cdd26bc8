"""Calls of tools at the OpenAI server: of functions, of remote MCP servers, and of its web search.

A function is called by who asked: the call stays open in the conversation until its output comes. A
remote server is called by OpenAI itself: at once, or once the call is approved.
"""

import json
from collections.abc import Iterator, Sequence

from servers.openai_wire import ApiError, Json, new_id

FUNCTION_OUTPUT = "function_call_output"
APPROVAL = "mcp_approval_response"
OUTPUTS = (FUNCTION_OUTPUT, APPROVAL)  #: items that answer a call

Called = tuple[str, Json | str]
"""Name and arguments of a call; a text as arguments is sent as it is, which may be no JSON."""

RemoteCalled = tuple[str, str, Json | str]
"""Label of the remote server, name and arguments of a call."""


def call_item(name: str = "look_up", arguments: Json | str = "{}") -> Json:
    """A call of a function; nobody has offered the one that is called unless told otherwise."""
    return {
        "id": new_id("fc_"),
        "type": "function_call",
        "status": "completed",
        "call_id": new_id("call_"),
        "name": name,
        "arguments": _written(arguments),
    }


def remote_items(request: Json, called: Sequence[RemoteCalled], output: str) -> Iterator[Json]:
    """Calls of remote servers: made where they need no approval, else requests for one."""
    free = {
        tool["server_label"]
        for tool in request.get("tools") or ()
        if tool["type"] == "mcp" and tool.get("require_approval") == "never"
    }
    for label, name, arguments in called:
        if label in free:
            yield _made(label, name, _written(arguments), output)
        else:
            yield {
                "id": new_id("mcpr_"),
                "type": "mcp_approval_request",
                "server_label": label,
                "name": name,
                "arguments": _written(arguments),
            }


def approved_items(entered: Sequence[Json], before: Sequence[Json], output: str) -> Iterator[Json]:
    """The calls that are made because they were approved."""
    requests = {item["id"]: item for item in before if item["type"] == "mcp_approval_request"}
    for item in entered:
        if item["type"] == APPROVAL and item["approve"]:
            asked = requests[item["approval_request_id"]]
            made = _made(asked["server_label"], asked["name"], asked["arguments"], output)
            yield made | {"approval_request_id": asked["id"]}


def listed_items(request: Json, before: Sequence[Json]) -> Iterator[Json]:
    """What the tools of each remote server are, told once in a conversation."""
    told = {item["server_label"] for item in before if item["type"] == "mcp_list_tools"}
    for tool in request.get("tools") or ():
        if tool["type"] == "mcp" and tool["server_label"] not in told:
            allowed = tool.get("allowed_tools")
            names = allowed if isinstance(allowed, list) else []
            yield {
                "id": new_id("mcpl_"),
                "type": "mcp_list_tools",
                "server_label": tool["server_label"],
                "tools": [{"name": name, "input_schema": {"type": "object"}} for name in names],
            }


def web_item(question: str) -> Json:
    """A search of the web."""
    return {
        "id": new_id("ws_"),
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": question, "queries": [question]},
    }


def open_calls(items: Sequence[Json]) -> list[str]:
    """Ids of the function calls among items that have no output among them."""
    answered = {item["call_id"] for item in items if item["type"] == FUNCTION_OUTPUT}
    calls = [item["call_id"] for item in items if item["type"] == "function_call"]
    return [call for call in calls if call not in answered]


def check_calls(before: Sequence[Json], entered: Sequence[Json]) -> None:
    """Refuse outputs of calls that are not open, and calls that stay open behind a question."""
    waiting = open_calls(before)
    outputs = [item["call_id"] for item in entered if item["type"] == FUNCTION_OUTPUT]
    made = [item["call_id"] for item in entered if item["type"] == "function_call"]
    for number, call in enumerate(outputs):
        if call not in [*waiting, *made] or call in outputs[:number]:
            message = f"No tool call found for function call output with call_id {call}."
            raise ApiError(400, message, param="input")
    for call in (*waiting, *made):
        if call not in outputs:
            message = f"No tool output found for function call {call}."
            raise ApiError(400, message, param="input")
    _check_approvals(before, entered)


def _check_approvals(before: Sequence[Json], entered: Sequence[Json]) -> None:
    asked = {item["id"] for item in before if item["type"] == "mcp_approval_request"}
    told = [item["approval_request_id"] for item in before if item["type"] == APPROVAL]
    for item in entered:
        if item["type"] == APPROVAL:
            ref = item["approval_request_id"]
            if ref not in asked or ref in told:
                message = f"No approval request found for approval response with id '{ref}'."
                raise ApiError(400, message, param="input")
            told.append(ref)


def _made(label: str, name: str, arguments: str, output: str) -> Json:
    return {
        "id": new_id("mcp_"),
        "type": "mcp_call",
        "status": "completed",
        "server_label": label,
        "name": name,
        "arguments": arguments,
        "approval_request_id": None,
        "error": None,
        "output": output,
    }


def _written(arguments: Json | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
