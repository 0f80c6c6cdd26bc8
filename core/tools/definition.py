"""What is known of a tool, once it was read.

What needs pydantic is in the functions that it brings: without tools, nothing has to be imported
for them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.tools.allowing import Allowed
from core.tools.marking import Mark


class UnusableArguments(ValueError):
    """The model's arguments do not fit; says why, for the model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    parameters: Mapping[str, object]  #: a JSON schema of an object
    function: Callable[..., object]
    is_async: bool
    #: Reads what the model wrote as arguments. Raises UnusableArguments, or what a check raises.
    read: Callable[[str], dict[str, object]]
    #: Writes a result for the model, bounded. Raises what serialising it raises.
    write: Callable[[object], str]
    askers: tuple[str, ...]  #: the parameters that get the asker
    allowed: Allowed
    mark: Mark
    place: str  #: where it is written, for people
