"""Toolboxes out of a few lines of Python, as a team would write them."""

import textwrap
from collections.abc import Collection
from pathlib import Path
from typing import Any

from core.domain import ToolCall
from core.tools import Asker, Toolbox
from core.tools.loading import load_toolbox

START = "from core.tools import Asker, tool\n"

ASKER = Asker(platform="slack", tenant="T1", user="U1", channel="C1", thread="C1/1", parent="C1")


def written(folder: Path, code: str, name: str = "status.py") -> Path:
    """A file with these lines below the usual import."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(START + textwrap.dedent(code), encoding="utf-8")
    return path


def toolbox(folder: Path, code: str, admins: Collection[str] = ()) -> Toolbox:
    """The toolbox of one file."""
    return load_toolbox([str(written(folder, code))], admins=admins)


def call(name: str, arguments: str = "{}", **more: Any) -> ToolCall:
    return ToolCall(id="call_1", name=name, arguments=arguments, **more)


async def told(box: Toolbox, name: str, arguments: str = "{}", within: float = 60.0) -> str:
    """What the model is told of a call."""
    return await box.call(call(name, arguments), ASKER, within)
