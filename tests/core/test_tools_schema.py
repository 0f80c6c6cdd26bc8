"""Tools as the model is told of them, and its arguments as functions get them."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from core.domain import ToolSpec
from servers.tool_rig import ASKER, call, told, toolbox

CODE = '''
    from dataclasses import dataclass
    from enum import Enum
    from typing import Annotated, Literal
    from pydantic import BaseModel, Field

    class Size(Enum):
        SMALL = "small"

    class Where(BaseModel):
        city: str

    @dataclass
    class Span:
        days: int

    @tool
    async def look_up(
        service: Annotated[str, Field(description="Its short name", max_length=20)],
        asker: Asker,
        kind: Literal["live", "test"] = "live",
        schema: int = 3,
        sizes: list[Size] | None = None,
        where: Where | None = None,
        span: Span | None = None,
    ) -> str:
        """Tell how a service is.

        For questions whether something is down.
        """
        return repr((service, asker.user, kind, schema, sizes, where, span))
'''


def spec_of(folder: Path, code: str) -> ToolSpec:
    (spec,) = toolbox(folder, code).specs(ASKER)
    return spec


def test_name_description_and_schema_come_from_the_function(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, CODE)
    assert spec.name == "look_up"
    assert spec.description == (
        "Tell how a service is.\n\nFor questions whether something is down."
    )
    parameters = dict(spec.parameters)
    assert parameters["type"] == "object"
    assert parameters["required"] == ["service"]
    assert parameters["additionalProperties"] is False
    properties = TypeAdapter(dict[str, dict[str, object]]).validate_python(parameters["properties"])
    assert list(properties) == ["service", "kind", "schema", "sizes", "where", "span"]
    assert properties["service"] == {
        "description": "Its short name",
        "maxLength": 20,
        "type": "string",
    }
    assert properties["kind"] == {"default": "live", "enum": ["live", "test"], "type": "string"}


async def test_the_model_neither_sees_nor_sets_the_asker(tmp_path: Path) -> None:
    box = toolbox(tmp_path, CODE)
    assert "asker" not in str(box.specs(ASKER)[0].parameters)
    assert "'U1'" in await told(box, "look_up", '{"service": "api"}')
    forged = await told(box, "look_up", '{"service": "api", "asker": {"user": "U2"}}')
    assert forged == "Error: the arguments do not fit: asker: Extra inputs are not permitted."


async def test_arguments_reach_the_function_as_what_its_types_say(tmp_path: Path) -> None:
    box = toolbox(tmp_path, CODE)
    arguments = '{"service": "api", "sizes": ["small"], "where": {"city": "Oslo"}, "schema": "7"'
    said = await told(box, "look_up", arguments + ', "span": {"days": 2}}')
    assert "7, [<Size.SMALL: 'small'>], Where(city='Oslo'), " in said
    assert "Span(days=2)" in said


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        ('{"service": 3}', "service: Input should be a valid string"),
        ("{}", "service: Field required"),
        ('{"service": "api", "kind": "prod"}', "kind: Input should be 'live' or 'test'"),
        ('{"service": "api", "x": 1}', "x: Extra inputs are not permitted"),
        ('{"service": "api", "where": {"city": 1}}', "where.city: Input should be a valid string"),
        ("{broken", "Invalid JSON"),
        ("[]", "Input should be an object"),
        ("[" * 50_000, "Invalid JSON: recursion limit"),
        ('{"service": "\ud800"}', "unable to parse"),
        ('{"service": "' + "x" * 200_000 + '"}', "the arguments are too long"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_the_model_and_call_nothing(
    tmp_path: Path, arguments: str, because: str
) -> None:
    box = toolbox(tmp_path, CODE)
    problem = box.problem(call("look_up", arguments), ASKER)
    assert problem is not None
    assert problem.startswith("Error: ")
    assert because in problem
    assert await told(box, "look_up", arguments) == problem


async def test_an_error_repeats_no_more_than_a_little_of_what_the_model_wrote(
    tmp_path: Path,
) -> None:
    box = toolbox(tmp_path, CODE)
    many = ", ".join(f'"{number}{"y" * 400}": 1' for number in range(200))
    problem = box.problem(call("look_up", '{"service": "api", ' + many + "}"), ASKER)
    assert problem is not None
    assert len(problem) < 2_000
    assert "and 195 more" in problem


async def test_a_check_of_the_team_that_raises_is_told_the_model(tmp_path: Path) -> None:
    box = toolbox(
        tmp_path,
        '''
        from typing import Annotated
        from pydantic import AfterValidator

        def check(value: str) -> str:
            raise LookupError("no such service: " + value)

        @tool
        def look_up(service: Annotated[str, AfterValidator(check)]) -> str:
            """Tell how a service is."""
            return service
        ''',
    )
    said = await told(box, "look_up", '{"service": "api"}')
    assert said == "Error: LookupError: no such service: api"


async def test_a_call_without_arguments_may_leave_them_out(tmp_path: Path) -> None:
    box = toolbox(
        tmp_path,
        '''
        @tool(name="on-call", repeatable=True)
        def who(*, team: str = "ops") -> dict[str, object]:
            """Tell who is on call."""
            return {"team": team, "people": ("Ada",), "since": None}
        ''',
    )
    said = '{"team":"ops","people":["Ada"],"since":null}'
    assert await told(box, "on-call", "") == said
    assert await told(box, "on-call", "{}") == said
    assert box.is_repeatable("on-call")
    assert not box.needs_confirmation("on-call")


def test_annotations_may_be_written_for_later(tmp_path: Path) -> None:
    path = tmp_path / "later.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from core.tools import Asker, tool\n"
        "@tool\n"
        "def f(asker: Asker | None, n: int) -> int:\n"
        "    'Double.'\n"
        "    return n * 2\n"
    )
    from core.tools.loading import load_toolbox  # noqa: PLC0415 (beside the file that it reads)

    (spec,) = load_toolbox([str(path)]).specs(ASKER)
    assert spec.parameters["properties"] == {"n": {"type": "integer"}}
