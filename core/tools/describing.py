"""A call in one line, for the person who is asked whether it may be made.

Nothing in a call is to be trusted: it must not end the code that it is shown as, ping anybody, or
look like something else.
"""

import json
import unicodedata

from core.domain import ToolCall

LONGEST_LINE = 300  # characters
_LONGEST_NAME = 64
_LONGEST_PARSED = 10_000  # longer arguments are shown as they are
_ODD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}  # control, direction, half characters …


def described(call: ToolCall) -> str:
    """Write a call as inline code of Markdown, `name(argument=value, …)`, in one line."""
    name = _plain(call.name, _LONGEST_NAME) or "?"
    server = _plain(call.server, _LONGEST_NAME)
    where = f"{server}: " if server else ""
    line = f"{where}{name}({_arguments(call.arguments)})"
    return f"`{_plain(line, LONGEST_LINE - 2)}`"


def _arguments(written: str) -> str:
    if len(written) > _LONGEST_PARSED:
        return written[:LONGEST_LINE]
    try:
        given = json.loads(written or "{}")
    except (ValueError, RecursionError):
        return written
    if not isinstance(given, dict):
        return written
    return ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items()
    )


def _plain(text: str, most: int) -> str:
    """Keep what stays within one line of code, and looks like what it is."""
    # Each character becomes one at most, so that a huge text need not be gone through.
    shown = "".join(_shown(character) for character in text[: 4 * most])
    line = " ".join(shown.split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def _shown(character: str) -> str:
    if character == "`":
        return "'"
    return " " if unicodedata.category(character) in _ODD else character
