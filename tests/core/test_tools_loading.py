"""Files and packages of TOOLS: found, run, looked through; and what is said where that fails."""

import sys
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.tools import Toolbox
from core.tools.loading import load_toolbox
from servers.tool_rig import ASKER, told, written

ONE = '''
@tool
def {name}(n: int = 1) -> str:
    """Say something."""
    return "{name}"
'''


def problems_of(*paths: Path | str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load_toolbox([str(path) for path in paths])
    return list(refusal.value.problems)


def names(box: Toolbox) -> list[str]:
    return [spec.name for spec in box.specs(ASKER)]


def test_without_files_there_is_an_empty_toolbox() -> None:
    box = load_toolbox([])
    assert not box
    assert box.specs(ASKER) == ()
    assert not box.is_repeatable("status")


def test_tools_of_several_files_keep_their_order_and_a_file_counts_once(tmp_path: Path) -> None:
    two = ONE.format(name="b") + ONE.format(name="a")
    first, second = written(tmp_path, two, "x.py"), written(tmp_path, ONE.format(name="c"), "y.py")
    again = tmp_path / "." / "x.py"
    box = load_toolbox([str(first), str(second), str(again)])
    assert names(box) == ["b", "a", "c"]
    assert box


async def test_a_package_is_looked_through_with_its_relative_imports(tmp_path: Path) -> None:
    package = tmp_path / "desk"
    written(package, "from .extra import late", "__init__.py")
    written(package, "WORD = 'yes'", "_words.py")
    written(
        package,
        "from ._words import WORD\n" + ONE.format(name="late") + "    return WORD",
        "extra.py",
    )
    written(package, ONE.format(name="more"), "more.py")
    box = load_toolbox([str(package)])
    assert names(box) == ["late", "more"]
    assert await told(box, "late") == "late"


def test_two_files_of_one_name_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    one = written(tmp_path / "a", ONE.format(name="one"), "tools.py")
    two = written(tmp_path / "b", ONE.format(name="two"), "tools.py")
    box = load_toolbox([str(one), str(two)])
    assert names(box) == ["one", "two"]
    assert "tools" not in sys.modules


@pytest.mark.parametrize(
    ("code", "because"),
    [
        ('@tool\ndef f(*n: int): "Do."', "f() takes *n: int: name each parameter"),
        ('@tool\ndef f(**n: int): "Do."', "f() takes **n: int: name each parameter"),
        ('@tool\ndef f(n: int, /): "Do."', "f() takes n by position only"),
        ('@tool\ndef f(n): "Do."', "f() has no annotation for n"),
        ("@tool\ndef f(n: int): return n", "f() has no docstring"),
        ('@tool(name="a b")\ndef f(n: int): "Do."', "f() has the name 'a b'"),
        ('@tool\ndef ünits(n: int): "Do."', "has the name 'ünits'"),
        ('@tool(allow="bob")\ndef f(n: int): "Do."', "f() allows 'bob': write \"admins\""),
        ('@tool(allow="slack:C1")\ndef f(n: int): "Do."', "f() allows 'slack:C1'"),
        ('@tool(seconds=0)\ndef f(n: int): "Do."', "f() has seconds=0"),
        ('@tool\ndef f(n: "Gone"): "Do."', "f() has annotations that cannot be read (NameError)"),
        ('class K: pass\n@tool\ndef f(n: K): "Do."', "f() has a type for n that JSON cannot"),
        ('@tool\ndef f(n: int):\n  "Do."\n  yield n', "f() yields its result piece by piece"),
        (f'@tool\ndef f(n: int): "{"x" * 2000}"', "f() has a docstring of more than 1,024"),
        (
            'from pydantic import Field\n@tool\ndef f(n: int = Field(3)): "Do."',
            "f() has Field(…) as the default of n",
        ),
        ('@tool\nclass F:\n  "Do."', "is no function"),
        ('@tool\ndef f(n: list[Asker]): "Do."', "f() has an Asker within n"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass Order:\n  by: Asker | None\n"
            '@tool\ndef f(n: dict[str, Order]): "Do."',
            "f() has an Asker within n",
        ),
    ],
)
def test_a_function_that_cannot_be_a_tool_says_why_and_where(
    tmp_path: Path, code: str, because: str
) -> None:
    path = written(tmp_path, code)
    (problem,) = problems_of(path)
    assert problem.startswith(f"TOOLS: {path}")
    assert because in problem


def test_the_line_of_a_function_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, '\n\n@tool\ndef f(n): "Do."')
    (problem,) = problems_of(path)
    assert problem.startswith(f"TOOLS: {path}, line 4: f() ")


def test_two_tools_of_one_name_are_told_with_their_places(tmp_path: Path) -> None:
    one = written(tmp_path, ONE.format(name="same"), "one.py")
    two = written(tmp_path, ONE.format(name="same"), "two.py")
    (problem,) = problems_of(one, two)
    assert f"{one}, line 3: same() and {two}, line 3: same() have the same name, same" in problem


@pytest.mark.parametrize(
    ("code", "because"),
    [
        ("import no_such_module_at_all", "(there is no module 'no_such_module_at_all' in line 2)"),
        ("raise ValueError('the token is hunter2')", "(ValueError in line 2)"),
        ("x = (", "(SyntaxError in line 2)"),
        ("import sys; sys.exit('hunter2')", "(SystemExit in line 2)"),
        ("tool(allow=3)", "(TypeError in line 2)"),
        ("import ast; ast.parse('hunter2 =')", "(SyntaxError in line 2)"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_by_kind_and_line_but_not_in_its_words(
    tmp_path: Path, code: str, because: str
) -> None:
    before = set(sys.modules)
    (problem,) = problems_of(written(tmp_path, code))
    assert because in problem
    assert "hunter2" not in problem
    assert not [name for name in set(sys.modules) - before if name.startswith("_docent_tools")]


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("confim", "did you mean confirm?"),
        ("x", "the options are repeatable, confirm, allow, seconds, name."),
    ],
)
def test_an_option_that_there_is_not_is_named_with_what_there_is(
    tmp_path: Path, option: str, hint: str
) -> None:
    path = written(tmp_path, f"@tool({option}='hunter2')\ndef f(): 'Do.'")
    said = f"which in line 2 gives @tool the option {option}, which it does not have: {hint}"
    assert problems_of(path) == [f"TOOLS has {str(path)!r}, {said}"]


@pytest.mark.parametrize(
    ("file", "code", "because"),
    [
        ("m.py", "import nope", "(there is no module 'nope' in line 2 of m.py)"),
        ("m.py", "from .gone import x", "(there is no module 'pk.gone' in line 2 of m.py)"),
        ("m.py", "x = (", "(SyntaxError in line 2 of m.py)"),
        ("__init__.py", "raise OSError", "(OSError in line 2 of __init__.py)"),
        ("__init__.py", "from .sub import m", "(ValueError in line 2 of sub/m.py)"),
    ],
)
def test_a_package_that_cannot_be_run_is_told_with_the_file(
    tmp_path: Path, file: str, code: str, because: str
) -> None:
    package = tmp_path / "pk"
    written(package, "", "__init__.py")
    written(package / "sub", "", "__init__.py")
    written(package / "sub", "raise ValueError('hunter2')", "m.py")
    written(package, code, file)
    (problem,) = problems_of(package)
    assert problem == f"TOOLS has {str(package)!r}, which cannot be run {because}: mend it."


KEYED = """
from core.tools import secret

KEY = secret("ORDERS_KEY")

@tool
def length() -> str:
    "Say how long it is."
    return str(len(KEY))
"""


@pytest.mark.parametrize(
    ("environment", "env_file", "length"),
    [
        ("hunter2", "", "7"),
        ("", "ORDERS_KEY='from the file'\n", "13"),
        ("hunter2", "ORDERS_KEY='from the file'\n", "7"),
        (" hunter2\n", "", "7"),
    ],
)
async def test_a_key_comes_from_the_environment_or_from_the_env_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    env_file: str,
    length: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERS_KEY", environment)
    (tmp_path / ".env").write_text(env_file, encoding="utf-8")
    box = load_toolbox([str(written(tmp_path, KEYED))])
    assert await told(box, "length") == length


@pytest.mark.parametrize("there_is_a_file", [True, False])
def test_a_key_that_is_not_set_is_told_with_its_name_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there_is_a_file: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERS_KEY", " ")
    if there_is_a_file:
        (tmp_path / ".env").write_text("OTHER_KEY=hunter2\nORDERS_KEY=\n", encoding="utf-8")
    path = written(tmp_path, KEYED)
    assert problems_of(path) == [
        f"TOOLS has {str(path)!r}, which in line 5 needs ORDERS_KEY, which is not set: set it in "
        "the environment or in .env."
    ]


@pytest.mark.parametrize("name", ["sk-hunter2", "hunter2", "", "Bearer HUNTER2"])
def test_a_key_in_the_place_of_its_name_is_not_shown(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, KEYED.replace("ORDERS_KEY", name))
    (problem,) = problems_of(path)
    assert "what is no name: write the name of a variable in capitals" in problem
    assert "hunter2" not in problem.lower()


async def test_a_key_that_is_asked_for_in_a_call_and_missing_is_told_the_model_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORDERS_KEY", raising=False)
    code = """
        from core.tools import secret

        @tool
        def length() -> str:
            "Say how long it is."
            return secret("ORDERS_KEY")
    """
    box = load_toolbox([str(written(tmp_path, code))])
    assert "needs ORDERS_KEY, which is not set" in await told(box, "length")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    text = tmp_path / "tools.txt"
    text.write_text("")
    problems = problems_of(
        tmp_path / "gone.py",
        tmp_path / "bare",
        text,
        written(tmp_path, "x = 1", "none.py"),
        written(tmp_path, '@tool\ndef f(n): "Do."\n@tool\ndef g(n: int): pass', "bad.py"),
    )
    assert [problem.partition("',")[2] or problem.partition("() ")[2] for problem in problems] == [
        " which is not there: correct the path.",
        " a folder without __init__.py: correct the path.",
        " which is no Python file.",
        " in which there is no tool: write @tool from core.tools on a function.",
        "has no annotation for n: write its type, as in n: str.",
        "has no docstring: write one, which tells the model what it is for.",
    ]
