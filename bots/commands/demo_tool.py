"""The part of `docent demo` that shows a tool: what a model is told of it, and how its calls go.

The local engine has no model, so that the calls are made here, as a model would make them.
"""

import json
from pathlib import Path

from rich.console import Console
from rich.rule import Rule

from core.domain import ToolCall
from core.tools import Asker
from core.tools.loading import load_toolbox

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "status.py"
TOOL = "service_status"
CALLS = ('{"service": "exports"}', '{"service": "router"}')
WITHIN = 20.0  # seconds


async def show_tool(console: Console, user: str) -> None:
    """Show one tool of the example in the manual, a call of it, and a call that is wrong."""
    toolbox = load_toolbox([str(EXAMPLE)])
    asker = Asker(platform="terminal", tenant="", user=user, channel="demo", thread="demo")
    (spec,) = (spec for spec in toolbox.specs(asker) if spec.name == TOOL)
    console.print()
    console.print(Rule("A tool: a function of yours that a model at OpenAI can call"))
    console.print(f"docs/examples/{EXAMPLE.name} has the function {TOOL}. A model is told:\n")
    _print(console, f"  {spec.description}")
    _print(console, f"  {json.dumps(spec.parameters['properties'])}")
    for arguments in CALLS:
        call = ToolCall(id="demo", name=TOOL, arguments=arguments)
        _print(console, f"\nCalled: {toolbox.describe(call).strip('`')}", style="bold")
        _print(console, f"Told:   {await toolbox.call(call, asker, WITHIN)}")


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False)
