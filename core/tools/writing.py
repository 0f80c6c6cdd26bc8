"""A result as the model is told it: needs pydantic, as only real tools do."""

import inspect
from collections.abc import AsyncIterator, Iterator

from pydantic_core import to_json

from core.tools.results import LONGEST_RESULT, shortened

_MOST_BYTES = 4  # that UTF-8 has for a character


def written(result: object) -> str:
    """Write a result: a text as it is, all else as JSON. Raises what its serialising raises.

    However long it is, no more is copied of a text than the model is told.
    """
    if isinstance(result, Iterator | AsyncIterator) or inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(f"it returned a {type(result).__name__}, not the values themselves")
    if isinstance(result, str):
        return shortened(result)
    encoded = to_json(result, fallback=str, inf_nan_mode="strings")
    return shortened(encoded[: (LONGEST_RESULT + 1) * _MOST_BYTES].decode(errors="ignore"))
