"""The size and shape that the code keeps to."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("bots/**/*.py")])
LONGEST_MODULE = 400  # lines
LONGEST_FUNCTION = 50  # lines without the docstring
P90_FUNCTION = 30


def function_sizes(module: Path) -> dict[str, int]:
    sizes = {}
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                sizes[f"{node.name}, line {node.lineno}"] = (
                    (node.end_lineno or 0) - body[0].lineno + 1
                )
    return sizes


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_its_functions_are_short_enough_to_read(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= LONGEST_MODULE
    assert {
        name: size for name, size in function_sizes(module).items() if size > LONGEST_FUNCTION
    } == {}


def test_nine_functions_of_ten_fit_on_a_screen() -> None:
    sizes = sorted(size for module in MODULES for size in function_sizes(module).values())
    assert sizes[int(len(sizes) * 0.9)] <= P90_FUNCTION


def test_every_platform_package_has_the_same_files() -> None:
    for platform in ("slack_bot", "discord_bot", "terminal_bot"):
        files = {path.name for path in (ROOT / "bots" / platform).glob("*.py")}
        assert {"__init__.py", "adapter.py", "events.py", "render.py"} <= files, platform
    for platform in ("slack_bot", "discord_bot"):
        files = {path.name for path in (ROOT / "bots" / platform).iterdir()}
        assert {"commands.py", "errors.py", "manifest.py", "QUIRKS.md"} <= files, platform


def test_no_folder_of_tests_shadows_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_how_a_platform_writes_its_ids_stands_in_one_place() -> None:
    """As docs/extending.md says, for whoever adds a third platform."""
    pattern = re.compile(r"(slack|discord):&?\??[\[\\]")  # what only a regular expression has
    found = [str(path.relative_to(ROOT)) for path in MODULES if pattern.search(path.read_text())]
    assert found == ["core/platform_ids.py"]
