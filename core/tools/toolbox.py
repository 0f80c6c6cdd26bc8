"""The tools of a team, as the steps of a turn use them: what there is, who may, and a call.

What goes wrong in a call is told the model, which can mend it or say so; the channel never hears of
it, and the log neither its words nor those of the arguments.
"""

import asyncio
import inspect
import logging
import time
import traceback
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.domain import ToolCall, ToolSpec
from core.tools.definition import Tool, UnusableArguments
from core.tools.describing import described, is_shown_whole
from core.tools.marking import Asker
from core.tools.results import error_text
from core.tools.threads import MOST_THREADS, Threads

log = logging.getLogger(__name__)

LONGEST_ARGUMENTS = 100_000  # characters
TIDY_SECONDS = 0.5  # for an async function that is cancelled, until it is not waited for any more
TOO_LONG_TO_CONFIRM = (
    "Error: the person who asks has to confirm this call, and its arguments are too long to be "
    "shown to them. Make it with shorter ones."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """How a call went."""

    how: Literal["ok", "error", "timeout", "refused"]
    text: str  #: what the model is told
    error: str | None = None  #: the kind of error
    where: str | None = None  #: the line of the tool's file that it came from


class Toolbox:
    """Tools that the model may call. An empty one is false."""

    def __init__(
        self,
        tools: Iterable[Tool] = (),
        *,
        admins: Collection[str] = (),
        threads: int = MOST_THREADS,
    ) -> None:
        """`admins` are written `platform:id`; `threads`: that functions may block at a time."""
        self.tools = tuple(tools)
        self._by_name = {tool.name: tool for tool in self.tools}
        self._admins = frozenset(admins)
        self._threads = Threads(threads)
        self._at_work: set[asyncio.Task[_Outcome]] = set()  # else they could be collected

    def __bool__(self) -> bool:
        return bool(self.tools)

    def specs(self, asker: Asker) -> tuple[ToolSpec, ...]:
        """Describe the tools that the asker may use."""
        return tuple(
            ToolSpec(name=tool.name, description=tool.description, parameters=tool.parameters)
            for tool in self.tools
            if tool.allowed.lets(asker, self._admins)
        )

    def is_repeatable(self, name: str) -> bool:
        """Whether a call whose fate is unknown may be made again; of an unknown tool, not."""
        tool = self._by_name.get(name)
        return tool is not None and tool.mark.repeatable

    def needs_confirmation(self, name: str) -> bool:
        """Whether the asker has to agree to each call; to one of an unknown tool, not."""
        tool = self._by_name.get(name)
        return tool is not None and tool.mark.confirm

    def problem(self, call: ToolCall, asker: Asker) -> str | None:
        """Say, for the model, why a call cannot be made at all; None where it can.

        One that cannot gets its line in the log here, because nobody goes on to call it.
        """
        ready = self._ready(call, asker)
        if isinstance(ready, _Outcome):
            problem: str | None = ready.text
            self._log(call, ready, 0.0)
        else:
            problem = self.unconfirmable(call) if ready[0].mark.confirm else None
            if problem is not None:
                self._log(call, _Outcome(how="refused", text=problem), 0.0)
        return problem

    def unconfirmable(self, call: ToolCall) -> str | None:
        """Say, for the model, why nobody can be asked to confirm a call; None where they can."""
        return None if is_shown_whole(call) else TOO_LONG_TO_CONFIRM

    def describe(self, call: ToolCall) -> str:
        """Write a call in one line of Markdown, for people; also one that cannot be made."""
        return described(call)

    async def call(self, call: ToolCall, asker: Asker, within: float) -> str:
        """Make a call, within so many seconds at most, and return what the model is told.

        Raises nothing: a call that cannot be made, or fails, is told the model, too. A function
        that does not end in time is not waited for; it may still have its effect.
        """
        started = time.monotonic()
        outcome: _Outcome | None = None
        try:
            ready = self._ready(call, asker)
            if isinstance(ready, _Outcome):
                outcome = ready
            else:
                outcome = await self._make(*ready, within)
            return outcome.text
        finally:
            self._log(call, outcome, time.monotonic() - started)

    def _log(self, call: ToolCall, outcome: _Outcome | None, seconds: float) -> None:
        """Write the line of a call; `outcome` is None where it was cancelled."""
        fields: dict[str, object] = {"outcome": "cancelled", "tool": "?"}
        if outcome is not None:
            fields |= {"outcome": outcome.how, "error": outcome.error, "where": outcome.where}
        if call.name in self._by_name:  # another name is the model's own words
            fields["tool"] = call.name
        log.info("Tool called", extra={**fields, "seconds": round(seconds, 3)})

    def _ready(self, call: ToolCall, asker: Asker) -> tuple[Tool, dict[str, object]] | _Outcome:
        """See what is to be called, and with which arguments; or why nothing is."""
        tool = self._by_name.get(call.name)
        if tool is None:
            return _refused("there is no tool of that name")
        if not tool.allowed.lets(asker, self._admins):
            return _refused("the person who asks may not use this tool")
        if len(call.arguments) > LONGEST_ARGUMENTS:
            return _refused("the arguments are too long")
        try:
            arguments = tool.read(call.arguments)
        except UnusableArguments as error:
            return _Outcome(how="refused", text=str(error))
        except Exception as error:  # noqa: BLE001 (of a check that the team wrote)
            return _Outcome(how="refused", text=error_text(error), error=type(error).__name__)
        return tool, arguments | dict.fromkeys(tool.askers, asker)

    async def _make(self, tool: Tool, arguments: dict[str, object], within: float) -> _Outcome:
        limit = min(tool.mark.seconds, within)
        if limit <= 0:
            return _Outcome(how="timeout", text="Error: there was no time left to call the tool.")
        try:
            if tool.is_async:
                return await self._awaited(tool, arguments, limit)
            async with asyncio.timeout(limit):
                return await self._threads.run(lambda: _returned(tool, arguments))
        except TimeoutError:
            text = (
                f"Error: the tool did not return within {limit:.3g} seconds. "
                "It is not known whether it had an effect."
            )
            return _Outcome(how="timeout", text=text)
        except RuntimeError as error:  # no thread is left
            return _failed(error, tool)

    async def _awaited(self, tool: Tool, arguments: dict[str, object], limit: float) -> _Outcome:
        """Await an async function. Raises TimeoutError.

        In a task of its own, because one that swallows its cancellation would hold whoever waits.
        """
        outcome = _awaited(tool, arguments)  # which raises nothing: it cannot die in silence
        task = asyncio.create_task(outcome, name="docent tool")  # noqa: TID251
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        try:
            done, _ = await asyncio.wait([task], timeout=limit)
        finally:
            task.cancel()
        if not done:
            await asyncio.wait([task], timeout=TIDY_SECONDS)
            raise TimeoutError
        return task.result()


def _returned(tool: Tool, arguments: dict[str, object]) -> _Outcome:
    """Call a function in a thread of its own; whatever it raises is its outcome."""
    try:
        return _Outcome(how="ok", text=tool.write(tool.function(**arguments)))
    except BaseException as error:  # noqa: BLE001 (`sys.exit` must not end the process)
        return _failed(error, tool)


async def _awaited(tool: Tool, arguments: dict[str, object]) -> _Outcome:
    """Await an async function; whatever it raises, but for a cancellation of ours."""
    try:
        result = tool.function(**arguments)
        return _Outcome(how="ok", text=tool.write(await result))  # type: ignore[misc]
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return _failed(error, tool)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (as above)
        return _failed(error, tool)


def _refused(because: str) -> _Outcome:
    return _Outcome(how="refused", text=f"Error: {because}.")


def _failed(error: BaseException, tool: Tool) -> _Outcome:
    kind = type(error).__name__
    return _Outcome(how="error", text=error_text(error), error=kind, where=_where(error, tool))


def _where(error: BaseException, tool: Tool) -> str | None:
    """Return the innermost line of the tool's own file that an error came through."""
    code = getattr(inspect.unwrap(tool.function), "__code__", None)
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if code is not None and frame.f_code.co_filename == code.co_filename:
            found = f"{Path(code.co_filename).name}:{line}"
    return found
