"""What the OpenAI server accepts as tools in a request for a response."""

import re
from typing import Any
from urllib.parse import urlsplit

from servers.openai_filters import check_filter
from servers.openai_wire import (
    ApiError,
    Json,
    check_choice,
    check_fields,
    check_length,
    check_range,
    check_type,
)

MOST_TOOLS = 128
FUNCTION_FIELDS = {"type", "name", "description", "parameters", "strict"}
SEARCH_FIELDS = {"type", "vector_store_ids", "max_num_results", "ranking_options", "filters"}
WEB_FIELDS = {"type", "filters", "search_context_size", "user_location", "external_web_access"}
MCP_FIELDS = {
    "type",
    "server_label",
    "server_url",
    "server_description",
    "connector_id",
    "tunnel_id",
    "authorization",
    "headers",
    "allowed_tools",
    "require_approval",
    "defer_loading",
}


def check_tools(tools: Any) -> None:
    check_type(tools, list, "tools")
    check_range(len(tools), 0, MOST_TOOLS, "tools")
    for number, tool in enumerate(tools):
        at = f"tools[{number}]"
        check_type(tool, dict, at)
        check_choice(tool.get("type"), CHECKS, f"{at}.type")
        CHECKS[tool["type"]](tool, at)
    _check_unlike([tool["name"] for tool in tools if tool["type"] == "function"], "function name")
    _check_unlike([tool["server_label"] for tool in tools if tool["type"] == "mcp"], "server_label")


def without_secrets(tools: list[Json]) -> list[Json]:
    """Tools as a response repeats them."""
    return [
        {name: value for name, value in tool.items() if name not in ("authorization", "headers")}
        for tool in tools
    ]


def _check_unlike(names: list[str], what: str) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ApiError(400, f"Duplicate {what} found in tools: '{name}'.", param="tools")


def _check_search(tool: Json, at: str) -> None:
    check_fields(tool, SEARCH_FIELDS, {"vector_store_ids"}, at=f"{at}.")
    stores = tool["vector_store_ids"]
    check_type(stores, list, f"{at}.vector_store_ids")
    check_range(len(stores), 1, 2, f"{at}.vector_store_ids")
    if tool.get("filters") is not None:
        check_filter(tool["filters"], f"{at}.filters")
    if tool.get("max_num_results") is not None:
        check_range(tool["max_num_results"], 1, 50, f"{at}.max_num_results")


def _check_function(tool: Json, at: str) -> None:
    check_fields(tool, FUNCTION_FIELDS, {"name", "parameters"}, at=f"{at}.")
    check_length(tool["name"], 64, f"{at}.name")
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", tool["name"]):
        raise ApiError(
            400,
            f"Invalid '{at}.name': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
            code="invalid_value",
            param=f"{at}.name",
        )
    if tool.get("description") is not None:
        check_length(tool["description"], 1024, f"{at}.description")
    _check_schema(tool, f"{at}.parameters")


def _check_schema(tool: Json, at: str) -> None:
    schema = tool["parameters"]
    check_type(schema, dict, at)
    wrong = ""
    if schema.get("type") != "object":
        wrong = (
            "schema must be a JSON Schema of 'type: \"object\"', "
            f"got 'type: \"{schema.get('type')}\"'."
        )
    elif tool.get("strict") and schema.get("additionalProperties") is not False:
        wrong = "In context=(), 'additionalProperties' is required to be supplied and to be false."
    elif tool.get("strict") and set(schema.get("required", ())) != set(
        schema.get("properties", ())
    ):
        wrong = (
            "In context=(), 'required' is required to be supplied and to be an array including "
            "every key in properties."
        )
    if wrong:
        raise ApiError(
            400,
            f"Invalid schema for function '{tool['name']}': {wrong}",
            code="invalid_function_parameters",
            param=at,
        )


def _check_mcp(tool: Json, at: str) -> None:
    check_fields(tool, MCP_FIELDS, {"server_label"}, at=f"{at}.")
    if not re.fullmatch(r"[a-zA-Z][\w-]*", tool["server_label"], re.ASCII):
        raise ApiError(
            400,
            f"Invalid '{at}.server_label': it must start with a letter and consist of only "
            "letters, digits, '-' and '_'.",
            code="invalid_value",
            param=f"{at}.server_label",
        )
    places = [name for name in ("server_url", "connector_id", "tunnel_id") if tool.get(name)]
    if len(places) != 1:
        message = "One of 'server_url', 'connector_id' or 'tunnel_id' must be provided."
        raise ApiError(400, message, code="missing_required_parameter", param=at)
    if places == ["server_url"] and urlsplit(tool["server_url"]).scheme not in ("https", "http"):
        raise ApiError(400, f"Invalid '{at}.server_url'.", code="invalid_value", param=at)
    for name in ("authorization", "server_description"):
        check_type(tool.get(name, ""), str, f"{at}.{name}")
    if isinstance(tool.get("require_approval"), str):
        check_choice(tool["require_approval"], ("always", "never"), f"{at}.require_approval")
    if isinstance(allowed := tool.get("allowed_tools"), list):
        for name in allowed:
            check_type(name, str, f"{at}.allowed_tools")


def _check_web(tool: Json, at: str) -> None:
    check_fields(tool, WEB_FIELDS, at=f"{at}.")
    size = tool.get("search_context_size", "medium")
    check_choice(size, ("low", "medium", "high"), f"{at}.search_context_size")
    filters = tool.get("filters") or {}
    check_fields(filters, {"allowed_domains"}, at=f"{at}.filters.")
    domains = filters.get("allowed_domains") or []
    check_range(len(domains), 0, 100, f"{at}.filters.allowed_domains")
    for domain in domains:
        check_type(domain, str, f"{at}.filters.allowed_domains")
        if "/" in domain or ":" in domain:
            raise ApiError(
                400,
                f"Invalid '{at}.filters.allowed_domains': '{domain}' is no domain.",
                code="invalid_value",
                param=f"{at}.filters.allowed_domains",
            )


CHECKS = {
    "file_search": _check_search,
    "function": _check_function,
    "mcp": _check_mcp,
    "web_search": _check_web,
}
