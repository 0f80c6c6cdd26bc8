"""The team's files with tools: found, run once, and looked through."""

import importlib
import importlib.util
import inspect
import logging
import pkgutil
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from core.errors import ConfigError
from core.tools.definition import Tool
from core.tools.marking import ATTRIBUTE, Mark, UnknownOption
from core.tools.reading import UnusableTool, read_tool
from core.tools.secrets import SecretMissing
from core.tools.toolbox import Toolbox

log = logging.getLogger(__name__)

MOST_TOOLS = 100  # OpenAI takes 128, and has some of its own


def load_toolbox(paths: Sequence[str], *, admins: Collection[str] = ()) -> Toolbox:
    """Run the files and packages at `paths`, and take the tools that they have.

    `admins` are written `platform:id`. Raises ConfigError with every problem and how to mend it.
    """
    loader = _Loader()
    tools = [tool for path in _each_once(paths) for tool in loader.load(path)]
    if len(tools) > MOST_TOOLS:
        loader.problems.append(f"TOOLS has {len(tools)} tools: keep {MOST_TOOLS} of them.")
    if loader.problems:
        raise ConfigError(loader.problems)
    return Toolbox(tools, admins=admins)


def _each_once(paths: Sequence[str]) -> Iterator[Path]:
    seen = set()
    for given in paths:
        path = Path(given).expanduser() if given.startswith("~/") else Path(given)
        if path.resolve() not in seen:
            seen.add(path.resolve())
            yield path


class _Loader:
    """Loads file by file, and collects what is wrong with them instead of stopping."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._functions: set[int] = set()
        self._places: dict[str, str] = {}  #: of tools, by their names

    def load(self, path: Path) -> list[Tool]:
        """Run one file or package, and read its tools."""
        problems = len(self.problems)
        modules = self._modules(path)
        tools = [tool for module in modules for tool in self._tools(module, path)]
        if not tools and len(self.problems) == problems:
            self.problems.append(
                f"TOOLS has {str(path)!r}, in which there is no tool: write @tool from core.tools "
                "on a function."
            )
        return tools

    def _modules(self, path: Path) -> list[ModuleType]:
        start = path / "__init__.py" if path.is_dir() else path
        if not start.is_file():
            what = "a folder without __init__.py" if path.is_dir() else "which is not there"
            self.problems.append(f"TOOLS has {str(path)!r}, {what}: correct the path.")
            return []
        if start.suffix != ".py":
            self.problems.append(f"TOOLS has {str(path)!r}, which is no Python file.")
            return []
        name = f"_docent_tools_{sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
        try:
            return list(_run(name, start, is_package=path.is_dir()))
        except (Exception, SystemExit) as error:
            for loaded in [known for known in sys.modules if known.partition(".")[0] == name]:
                del sys.modules[loaded]
            self.problems.append(_failure(path, name, error))
            log.debug("A file of TOOLS cannot be run", exc_info=error)
            return []

    def _tools(self, module: ModuleType, path: Path) -> Iterator[Tool]:
        for function in list(vars(module).values()):
            mark = getattr(function, ATTRIBUTE, None) if callable(function) else None
            if not isinstance(mark, Mark) or id(function) in self._functions:
                continue
            self._functions.add(id(function))
            place = _place(function, module, path)
            try:
                tool = read_tool(function, mark, place)
            except UnusableTool as error:
                self.problems.append(f"TOOLS: {place} {error}.")
                continue
            if tool.name in self._places:
                first = self._places[tool.name]
                self.problems.append(
                    f"TOOLS: {first} and {place} have the same name, {tool.name}: give one of "
                    "them another by @tool(name=…)."
                )
                continue
            self._places[tool.name] = place
            yield tool


def _run(name: str, start: Path, *, is_package: bool) -> Iterator[ModuleType]:
    """Run a file, and the modules of a package, under a name that nothing else has."""
    for loaded in [known for known in sys.modules if known.partition(".")[0] == name]:
        del sys.modules[loaded]
    folders = [str(start.parent.resolve())] if is_package else None
    spec = importlib.util.spec_from_file_location(
        name, start.resolve(), submodule_search_locations=folders
    )
    if spec is None or spec.loader is None:
        raise ImportError("no loader")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: its own imports look there
    spec.loader.exec_module(module)
    yield module
    for part in pkgutil.iter_modules(folders or ()):
        if not part.name.startswith("_"):
            yield importlib.import_module(f"{name}.{part.name}")


def _place(function: object, module: ModuleType, path: Path) -> str:
    """Say where a function is written: `tools/status.py, line 7: status()`."""
    name = getattr(function, "__name__", type(function).__name__)
    where = str(path)
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    if code is not None:
        if path.is_dir():
            where = str(path / Path(code.co_filename).name)
        where = f"{where}, line {code.co_firstlineno}"
    return f"{where}: {name}()"


def _failure(path: Path, name: str, error: BaseException) -> str:
    """Say what went wrong, and where, but not in the words of the error: it may quote.

    `name` is that of the module that was made of `path`.
    """
    where = _where(path, error)
    if isinstance(error, UnknownOption):  # in our words, which quote nothing
        return f"TOOLS has {str(path)!r}, which{where} {error}"
    if isinstance(error, SecretMissing):
        return f"TOOLS has {str(path)!r}, which{where} {error}."
    kind = type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.replace(name, path.name)  # a relative import, which has our name
        kind = f"there is no module {missing[:100]!r}"
    return f"TOOLS has {str(path)!r}, which cannot be run ({kind}{where}): mend it."


def _where(path: Path, error: BaseException) -> str:
    """Say in which line of a file, or of which file of a package, an error came about."""
    of_team = path.resolve()
    frames = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    theirs = [place for place in places if Path(place[0]).is_relative_to(of_team)]
    if not theirs:
        return ""
    file, line = theirs[-1]
    of_file = f" of {Path(file).relative_to(of_team)}" if path.is_dir() else ""
    return f" in line {line}{of_file}"
