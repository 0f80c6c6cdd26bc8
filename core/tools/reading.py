"""A tool out of a function: its name, its description, and what its arguments are checked against.

All of it comes from the signature and the docstring; what the model could not be told is refused
here, when Docent starts.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from core.text import storable
from core.tools.allowing import FORMS, Allowed, read_allowed
from core.tools.definition import Tool, UnusableArguments
from core.tools.marking import Asker, Mark
from core.tools.writing import written

LONGEST_DESCRIPTION = 1024  # characters that OpenAI takes
LONGEST_SECONDS = 600.0
REQUIRED = Ellipsis  # what pydantic takes for "there is no default"

_MOST_PROBLEMS = 5  # that the model is told at once
_LONGEST_PLACE, _LONGEST_PROBLEM = 100, 200  # characters

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class UnusableTool(ValueError):
    """A function cannot be a tool; says why, and how to mend it."""


def read_tool(function: object, mark: Mark, place: str) -> Tool:
    """Make the tool that a marked function is. Raises UnusableTool."""
    if not inspect.isroutine(function):
        raise UnusableTool("is no function: write the decorator on a function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UnusableTool("yields its result piece by piece: return it as a whole")
    name, description = _name(function, mark), _description(function)
    parameters = _parameters(function)
    askers = tuple(name for name, (kind, _) in parameters.items() if _is_asker(kind))
    filled = {name: given for name, given in parameters.items() if name not in askers}
    model, fields = _model(name, filled)
    return Tool(
        name=name,
        description=description,
        parameters=_schema(model),
        function=function,
        is_async=inspect.iscoroutinefunction(inspect.unwrap(function)),
        read=partial(_arguments, model, fields),
        write=written,
        askers=askers,
        allowed=_allowed(mark),
        mark=mark,
        place=place,
    )


def _name(function: object, mark: Mark) -> str:
    name = mark.name if mark.name is not None else getattr(function, "__name__", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UnusableTool(
            f"has the name {name!r:.80}: give it one of up to 64 letters, digits, - and _ "
            "(of ASCII), as in @tool(name=…)"
        )
    seconds: object = mark.seconds  # the team's code is not checked by mypy
    if not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_SECONDS:
        raise UnusableTool(f"has seconds={seconds!r:.80}: write a number up to {LONGEST_SECONDS:g}")
    return name


def _description(function: object) -> str:
    description = inspect.getdoc(function) or ""
    if not description.strip():
        raise UnusableTool("has no docstring: write one, which tells the model what it is for")
    if len(description) > LONGEST_DESCRIPTION:
        raise UnusableTool(
            f"has a docstring of more than {LONGEST_DESCRIPTION:,} characters: shorten it, and "
            "describe parameters with Annotated[…, Field(description=…)]"
        )
    return description


def _allowed(mark: Mark) -> Allowed:
    try:
        return read_allowed(mark.allow)
    except ValueError as error:
        raise UnusableTool(f"{error}: {FORMS}") from None


def _parameters(function: Callable[..., object]) -> dict[str, tuple[object, object]]:
    """Annotation and default of each parameter, by its name."""
    try:
        hints = get_type_hints(function, include_extras=True)
        signature = inspect.signature(function)
    except Exception as error:  # noqa: BLE001 (annotations are code of the team)
        raise UnusableTool(
            f"has annotations that cannot be read ({type(error).__name__}): import what they name"
        ) from None
    return dict(_each(signature, hints))


def _each(
    signature: inspect.Signature, hints: Mapping[str, object]
) -> Iterator[tuple[str, tuple[object, object]]]:
    for name, parameter in signature.parameters.items():
        if parameter.kind in _VARIADIC:
            raise UnusableTool(f"takes {parameter}: name each parameter")
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise UnusableTool(f"takes {name} by position only: take the / out of its signature")
        if name not in hints:
            raise UnusableTool(f"has no annotation for {name}: write its type, as in {name}: str")
        if isinstance(parameter.default, FieldInfo):
            raise UnusableTool(
                f"has Field(…) as the default of {name}: write it as "
                f"{name}: Annotated[str, Field(…)]"
            )
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        yield name, (hints[name], default)


def _is_asker(kind: object) -> bool:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind is Asker or (Asker in get_args(kind) and get_origin(kind) in (Union, UnionType))


def _model(
    tool: str, parameters: Mapping[str, tuple[object, object]]
) -> tuple[type[BaseModel], dict[str, str]]:
    """A model with a field for each parameter, under names that clash with none of pydantic's."""
    definitions: dict[str, Any] = {}
    fields: dict[str, str] = {}
    for number, (name, (kind, default)) in enumerate(parameters.items()):
        _check_kind(name, kind)
        fields[f"p{number}"] = name
        definitions[f"p{number}"] = (kind, Field(default, alias=name))
    config = ConfigDict(extra="forbid")
    try:
        return create_model(tool, __config__=config, **definitions), fields
    except Exception as error:  # noqa: BLE001 (so are defaults and constraints)
        raise UnusableTool(
            f"has parameters that pydantic does not take ({type(error).__name__})"
        ) from None


def _check_kind(name: str, kind: Any) -> None:
    """See that the type of a parameter can be written as a JSON schema."""
    try:
        adapter = TypeAdapter(kind)
        adapter.json_schema()
    except Exception as error:  # noqa: BLE001 (so are types)
        raise UnusableTool(
            f"has a type for {name} that JSON cannot express ({type(error).__name__}): use str, "
            "int, float, bool, Literal, an Enum, a list, a dict, a dataclass or a pydantic model"
        ) from None
    if _has_asker(adapter.core_schema):
        raise UnusableTool(
            f"has an Asker within {name}, where the model would say who asks: write it as a "
            "parameter of its own"
        )


def _has_asker(schema: object) -> bool:
    """Whether a type has a place for an asker somewhere, as pydantic sees it."""
    if isinstance(schema, Mapping):
        return schema.get("cls") is Asker or any(map(_has_asker, schema.values()))
    return isinstance(schema, list | tuple) and any(map(_has_asker, schema))


def _schema(model: type[BaseModel]) -> Mapping[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of defaults that JSON cannot express: left out
        schema = model.model_json_schema()
    schema.pop("title", None)
    for described in schema.get("properties", {}).values():
        described.pop("title", None)  # made out of the name, and so of no use
    return schema


def _arguments(
    model: type[BaseModel], fields: Mapping[str, str], arguments: str
) -> dict[str, object]:
    """Read what the model wrote; defaults are left to the function."""
    try:
        given = model.model_validate_json(arguments.strip() or "{}")
    except ValidationError as error:
        raise UnusableArguments(_problems(error)) from None
    return {fields[name]: getattr(given, name) for name in given.model_fields_set}


def _problems(error: ValidationError) -> str:
    """Say what is wrong with the arguments, without repeating them."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    parts = []
    for problem in problems[:_MOST_PROBLEMS]:
        where = ".".join(map(str, problem["loc"]))[:_LONGEST_PLACE]
        said = problem["msg"][:_LONGEST_PROBLEM]
        parts.append(f"{where}: {said}" if where else said)
    if len(problems) > _MOST_PROBLEMS:
        parts.append(f"and {len(problems) - _MOST_PROBLEMS} more")
    return storable(f"Error: the arguments do not fit: {'; '.join(parts)}.")
