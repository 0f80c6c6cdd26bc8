"""The wire format that the parts of the OpenAI server share: errors, checks, ids and lists."""

import json
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiohttp import web

Json = dict[str, Any]


class ApiError(Exception):
    """A refusal, in the shape that OpenAI gives it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }


def not_found(message: str) -> ApiError:
    return ApiError(404, message)


def new_id(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(24)}"


def now() -> int:
    return int(time.time())


async def read_json(request: web.Request) -> Json:
    """The body, which has to be a JSON object; no body at all counts as an empty one."""
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "We could not parse the JSON body of your request.")
    return body


def check_fields(
    given: Mapping[str, Any], known: Collection[str], required: Collection[str] = (), at: str = ""
) -> None:
    for name in given:
        if name not in known:
            raise ApiError(
                400,
                f"Unknown parameter: '{at}{name}'.",
                code="unknown_parameter",
                param=f"{at}{name}",
            )
    for name in required:
        if given.get(name) is None:
            raise ApiError(
                400,
                f"Missing required parameter: '{at}{name}'.",
                code="missing_required_parameter",
                param=f"{at}{name}",
            )


def check_type(value: Any, kind: type | tuple[type, ...], param: str) -> None:
    wrong_bool = isinstance(value, bool) and kind in (int, (int, float))
    if not isinstance(value, kind) or wrong_bool:
        raise ApiError(
            400,
            f"Invalid type for '{param}': got {type(value).__name__} instead.",
            code="invalid_type",
            param=param,
        )


def check_choice(value: Any, choices: Collection[str], param: str) -> None:
    if value not in choices:
        supported = ", ".join(f"'{choice}'" for choice in choices)
        raise ApiError(
            400,
            f"Invalid value: '{value}'. Supported values are: {supported}.",
            code="invalid_value",
            param=param,
        )


def check_length(value: str, most: int, param: str) -> None:
    check_type(value, str, param)
    if len(value) > most:
        raise ApiError(
            400,
            f"Invalid '{param}': string too long. Expected a string with maximum length {most}, "
            f"but got a string with length {len(value)} instead.",
            code="string_above_max_length",
            param=param,
        )


def check_range(value: Any, least: float, most: float, param: str) -> None:
    check_type(value, (int, float), param)
    if not least <= value <= most:
        raise ApiError(
            400,
            f"Invalid '{param}': {value} is not between {least} and {most}.",
            code="integer_above_max_value" if value > most else "integer_below_min_value",
            param=param,
        )


def check_metadata(value: Any, param: str = "metadata") -> None:
    """At most 16 pairs of strings; keys up to 64 characters, values up to 512."""
    _check_pairs(value, param, (str,))


def check_attributes(value: Any, param: str = "attributes") -> None:
    """As metadata, but values may be numbers and booleans too."""
    _check_pairs(value, param, (str, bool, int, float))


def _check_pairs(value: Any, param: str, kinds: tuple[type, ...]) -> None:
    if value is None:
        return
    check_type(value, dict, param)
    if len(value) > 16:
        raise ApiError(
            400,
            f"Invalid '{param}': too many properties. Expected an object with at most 16 "
            f"properties, but got an object with {len(value)} properties instead.",
            code="object_above_max_properties",
            param=param,
        )
    for key, held in value.items():
        check_length(key, 64, f"{param}.{key}")
        check_type(held, kinds, f"{param}.{key}")
        if isinstance(held, str):
            check_length(held, 512, f"{param}.{key}")


def page_of(
    items: Sequence[Json],
    query: Mapping[str, str],
    *,
    default: int = 20,
    most: int = 100,
    order: str = "desc",
    also: Collection[str] = (),
) -> Json:
    """One page of a list; `items` are in the order in which they were made."""
    check_fields(query, {"after", "before", "limit", "order", *also})
    check_choice(query.get("order", order), ("asc", "desc"), "order")
    limit = query.get("limit", str(default))
    if not limit.isdecimal():
        raise ApiError(400, "Invalid type for 'limit'.", code="invalid_type", param="limit")
    check_range(int(limit), 1, most, "limit")
    rows = list(items) if query.get("order", order) == "asc" else list(reversed(items))
    ids = [row["id"] for row in rows]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    shown = rows[start : start + int(limit)]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": start + len(shown) < len(rows),
    }
