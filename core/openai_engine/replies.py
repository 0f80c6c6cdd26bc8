"""Replies that are read past the SDK, as plain JSON."""

import json
from typing import Any

from core.errors import EngineUnreachable
from core.openai_engine.outage import NOT_USABLE


def json_in(raw: str | bytes) -> Any:
    """Read JSON. Raises EngineUnreachable for what is none, or is nested too deeply to be read."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise EngineUnreachable(NOT_USABLE) from error
