"""What the OpenAI server accepts in a request for a response."""

from collections.abc import Collection
from typing import Any

from servers.openai_conversations import INCLUDABLE
from servers.openai_tools import check_tools
from servers.openai_wire import (
    ApiError,
    Json,
    check_choice,
    check_fields,
    check_length,
    check_metadata,
    check_range,
    check_type,
)

TAKEN = {
    "background",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "text",
    "tool_choice",
    "tools",
    "truncation",
}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
FORMATS = ("text", "json_object", "json_schema")


def check_request(body: Json, models: Collection[str]) -> None:
    check_fields(body, TAKEN, required={"model", "input"})
    if body["model"] not in models:
        raise ApiError(
            400,
            f"The requested model '{body['model']}' does not exist.",
            code="model_not_found",
            param="model",
        )
    for name in ("background", "store", "stream", "parallel_tool_calls"):
        if body.get(name) is not None:
            check_type(body[name], bool, name)
    if body.get("background") and body.get("store") is False:
        raise ApiError(400, "Background mode requires 'store' to be true.", param="store")
    _check_input(body["input"])
    _check_options(body)
    check_tools(body.get("tools") or [])


def conversation_id(body: Json) -> str | None:
    """The conversation that a request names, as `"conv_…"` or `{"id": "conv_…"}`."""
    given = body.get("conversation")
    if given is None:
        return None
    if body.get("previous_response_id"):
        raise ApiError(
            400,
            "Mutually exclusive parameters: 'conversation' and 'previous_response_id'.",
            code="mutually_exclusive_parameters",
            param="conversation",
        )
    named = given.get("id") if isinstance(given, dict) else given
    if not isinstance(named, str) or not named.startswith("conv"):
        raise ApiError(
            400,
            f"Invalid 'conversation': '{named}'. Expected an ID that begins with 'conv'.",
            code="invalid_value",
            param="conversation",
        )
    return named


def search_tool(body: Json) -> Json | None:
    tools: list[Json] = body.get("tools") or []
    return next((tool for tool in tools if tool["type"] == "file_search"), None)


def _check_input(given: Any) -> None:
    check_type(given, (str, list), "input")
    if not given:
        raise ApiError(400, "Invalid 'input': must not be empty.", param="input")


def _check_options(body: Json) -> None:
    for value in body.get("include") or []:
        check_choice(value, INCLUDABLE, "include")
    check_metadata(body.get("metadata"))
    given = {name: value for name, value in body.items() if value is not None}
    if "instructions" in given:
        check_type(given["instructions"], str, "instructions")
    if "safety_identifier" in given:
        # 128 in the newest description of the API, 64 in those before it.
        check_length(given["safety_identifier"], 64, "safety_identifier")
    if "max_output_tokens" in given:
        check_range(given["max_output_tokens"], 16, 128_000, "max_output_tokens")
    check_choice(given.get("truncation", "auto"), ("auto", "disabled"), "truncation")
    reasoning, text = given.get("reasoning", {}), given.get("text", {})
    check_fields(reasoning, {"effort", "summary"}, at="reasoning.")
    check_choice(reasoning.get("effort", "low"), EFFORTS, "reasoning.effort")
    check_fields(text, {"format", "verbosity"}, at="text.")
    check_choice(text.get("verbosity", "low"), ("low", "medium", "high"), "text.verbosity")
    check_choice(text.get("format", {"type": "text"}).get("type"), FORMATS, "text.format.type")
