"""A call in one line, for the person who is asked whether it may be made.

Nothing in a call is to be trusted: it must not end the code that it is shown as, ping anybody, or
look like something else. Two calls that differ look different, and what cannot be shown as a whole
says so: nobody is to agree to what they do not see.
"""

import json
import re
import unicodedata

from core.domain import ToolCall

LONGEST_LINE = 1_000  # characters
_MOST = LONGEST_LINE - 2  # without the marks of code
_LONGEST_PARSED = 10_000  # longer arguments are shown as they are
_ODD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}  # control, direction, half characters …
_MORE_SPACES = re.compile("(?<= ) ")
_NAME = re.compile(r"[\w-]+")


def described(call: ToolCall) -> str:
    """Write a call as inline code of Markdown, `name(argument=value, …)`, in one line."""
    line = _line(call)
    return f"`{line if len(line) <= _MOST else f'{line[: _MOST - 1]}…'}`"


def is_shown_whole(call: ToolCall) -> bool:
    """Whether `described` leaves nothing of a call out."""
    return len(_line(call)) <= _MOST


def in_order(arguments: str) -> str:
    """Write arguments so that the same ones look the same; as they are, where that is not sure."""
    try:
        given = json.loads(arguments or "{}", object_pairs_hook=_each_once)
        return json.dumps(given, sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def _line(call: ToolCall) -> str:
    """Write a call, or, where it is longer than is shown, more of it than that."""
    where = f"{call.server}: " if call.server else ""
    line = f"{where}{call.name or '?'}({_arguments(call.arguments)})"
    # Each character becomes one at least, so that a huge text need not be gone through.
    shown = "".join(_shown(character) for character in line[: LONGEST_LINE + 1])
    return _MORE_SPACES.sub(r"\\u0020", shown)


def _arguments(written: str) -> str:
    if len(written) > _LONGEST_PARSED:
        return written
    try:
        given = json.loads(written or "{}", object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return written
    if not isinstance(given, dict):
        return written
    return ", ".join(
        f"{_key(name)}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items()
    )


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Read an object. Raises ValueError where it has a name twice: readers differ on that."""
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError
    return read


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _shown(character: str) -> str:
    """A character as itself, or, where it would not be seen as that, as JSON escapes it."""
    if character == " " or (character != "`" and unicodedata.category(character) not in _ODD):
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
