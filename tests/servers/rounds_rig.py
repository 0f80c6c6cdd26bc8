"""Tools that note what they are told, for a bench, and runs that want them to be called."""

import asyncio
import json
from collections.abc import Callable

from core.domain import Calls, RunState, ToolCall
from core.press import Press
from core.tools import Asker, tool
from core.tools.marking import ATTRIBUTE
from core.tools.reading import read_tool
from core.tools.toolbox import Toolbox
from servers.loop_rig import Bench
from servers.scripted import ScriptedEngine, done

DONE = done("It is up.")
ASKER = "U1"


def toolbox(*functions: Callable[..., object]) -> Toolbox:
    return Toolbox([read_tool(each, getattr(each, ATTRIBUTE), "here") for each in functions])


def call(name: str = "status", number: int = 1, **arguments: object) -> ToolCall:
    return ToolCall(id=f"call_{number}", name=name, arguments=json.dumps(arguments))


def calls(*wanted: ToolCall) -> RunState:
    return Calls(calls=wanted or (call(),))


class Told:
    """What tools were told, and by whom."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.askers: list[Asker] = []
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()


def tools(told: Told) -> Toolbox:
    @tool
    async def status(asker: Asker, service: str = "api") -> str:
        """Say whether a service is up."""
        told.calls.append(service)
        told.askers.append(asker)
        return f"{service} is up"

    @tool
    async def slow(service: str = "api") -> str:
        """Take as long as it may."""
        told.calls.append(service)
        told.began.set()
        await told.may_end.wait()
        return "slow is up"

    @tool(repeatable=True)
    async def slow_look(service: str = "api") -> str:
        """Take as long as it may; again does no harm."""
        return await slow(service)

    @tool(confirm=True)
    def restart(service: str) -> str:
        """Restart a service."""
        told.calls.append(service)
        return f"{service} was restarted"

    @tool(allow=("slack:U9",))
    def secret() -> str:
        """Say what few may hear."""
        told.calls.append("secret")
        return "42"

    return toolbox(status, slow, slow_look, restart, secret)


def outputs(engine: ScriptedEngine, run: int) -> list[str]:
    """What the model was told of its calls with a run, by its number from 1."""
    return [output.text for output in engine.told[run - 1]]


async def answered(bench: Bench, *states: RunState, question: str = "up?") -> None:
    """Ask, let the runs for it end like this, and wait for the reply."""
    for state in states:
        bench.loop._answering.engine.script(question, state)  # type: ignore[attr-defined]
    await bench.ask(question, author=ASKER)
    await bench.idle()


async def said(made: Bench, press: Press) -> str:
    """What somebody is told who presses a button."""
    return (await made.desk.press(press)).said


async def waits(made: Bench, *wanted: ToolCall) -> None:
    """Have a reply wait for its asker's confirmation."""
    wanted = wanted or (call("restart", service="api"),)
    await answered(made, calls(*wanted), done("May I?"))
