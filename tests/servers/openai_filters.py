"""Filters of a search in vector stores: which are accepted, and which files they let through.

A file without the attribute that a comparison names is let through by none.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from servers.openai_wire import ApiError, Json, check_choice, check_fields, check_type

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda held, wanted: held in wanted,
    "nin": lambda held, wanted: held not in wanted,
}
COMPOUNDS = ("and", "or")


def check_filter(given: Any, param: str = "filters") -> None:
    check_type(given, dict, param)
    check_choice(given.get("type"), (*COMPARISONS, *COMPOUNDS), f"{param}.type")
    if given["type"] in COMPOUNDS:
        check_fields(given, {"type", "filters"}, {"type", "filters"}, at=f"{param}.")
        check_type(given["filters"], list, f"{param}.filters")
        if not given["filters"]:
            raise ApiError(400, f"Invalid '{param}.filters': must not be empty.", param=param)
        for number, each in enumerate(given["filters"]):
            check_filter(each, f"{param}.filters[{number}]")
        return
    check_fields(given, {"type", "key", "value"}, {"type", "key", "value"}, at=f"{param}.")
    check_type(given["key"], str, f"{param}.key")
    many = given["type"] in ("in", "nin")
    check_type(given["value"], list if many else (str, int, float, bool), f"{param}.value")


def lets_through(given: Json | None, attributes: Json) -> bool:
    if given is None:
        return True
    if given["type"] in COMPOUNDS:
        combine = all if given["type"] == "and" else any
        return combine(lets_through(each, attributes) for each in given["filters"])
    if given["key"] not in attributes:
        return False
    held, wanted = attributes[given["key"]], given["value"]
    if given["type"] not in ("in", "nin") and isinstance(held, str) != isinstance(wanted, str):
        return False
    return COMPARISONS[given["type"]](held, wanted)
