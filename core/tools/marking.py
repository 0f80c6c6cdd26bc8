"""What a team writes on a function so that the model may call it."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, overload

from core.errors import DocentError

ATTRIBUTE = "__docent_tool__"
SECONDS = 20.0

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """Who asked the question for which a tool is called, and where.

    A parameter with this annotation is filled in by Docent; the model neither sees it nor sets it.
    """

    platform: str  #: "slack", "discord", "terminal"
    tenant: str  #: the workspace or server; "" where a platform has none
    user: str  #: the platform's id of the person
    channel: str  #: the platform's id of the channel, on Discord possibly of a thread
    thread: str  #: names the thread in its tenant: the same for all of its questions
    parent: str = ""  #: the channel that the thread hangs in


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What `tool` was told."""

    repeatable: bool
    confirm: bool
    allow: tuple[str, ...]
    seconds: float
    name: str | None


class UnknownOption(DocentError):
    """`tool` was given an option that it has not got; says which, and which there are."""


@overload
def tool(function: Function, /) -> Function: ...


@overload
def tool(
    *,
    repeatable: bool = False,
    confirm: bool = False,
    allow: str | Sequence[str] = (),
    seconds: float = SECONDS,
    name: str | None = None,
) -> Callable[[Function], Function]: ...


def tool(
    function: Function | None = None,
    /,
    *,
    repeatable: bool = False,
    confirm: bool = False,
    allow: str | Sequence[str] = (),
    seconds: float = SECONDS,
    name: str | None = None,
    **unknown: object,
) -> Function | Callable[[Function], Function]:
    """Let the model call a function, which itself stays as it is.

    The function's docstring tells the model what it is for, and its annotations which arguments it
    takes. `repeatable`: calling it twice does no harm, so that a call whose fate is unknown may be
    made again. `confirm`: the asker has to agree to each call. `allow`: who may use it; empty for
    everybody: "admins", "slack:U0123456", "discord:123456789", or, for a channel,
    "in:slack:C0123456". `seconds`: how long one call may take. `name`: another name for the model.

    Raises UnknownOption for any other one.
    """
    if unknown:
        raise UnknownOption(_told(next(iter(unknown))))
    entries = (allow,) if isinstance(allow, str) else tuple(allow)
    mark = Mark(repeatable=repeatable, confirm=confirm, allow=entries, seconds=seconds, name=name)

    def marked(wanted: Function) -> Function:
        setattr(wanted, ATTRIBUTE, mark)
        return wanted

    return marked if function is None else marked(function)


def _told(unknown: str) -> str:
    options = [field.name for field in fields(Mark)]
    near = difflib.get_close_matches(unknown, options, 1)
    hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(options)}."
    return f"gives @tool the option {unknown[:100]}, which it does not have: {hint}"
