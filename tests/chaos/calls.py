"""Functions that the model calls for questions, and files that are attached to them.

A call writes itself down in a ledger before it does anything else: so the ledger says how often it
had its effect, whoever was killed around it.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaos.plan import Asking
from core.openai_engine.transcript import NO_OUTPUT
from core.rounds import INTERRUPTED
from servers.attached_files import PDF, PNG
from servers.openai_calls import Called
from servers.openai_conversations import Conversation
from servers.openai_wire import Json

FUNCTIONS: Final = '''
"""What the model may call."""

import asyncio
import os

from core.tools import tool

LEDGER = {ledger!r}


def note(name, token, step):
    file = os.open(LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, f"{{name}} {{token}} {{step}}\\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


@tool
def order(token: str, step: int) -> str:
    """Order something."""
    note("order", token, step)
    return "It is ordered."


@tool
async def slow_order(token: str, step: int) -> str:
    """Order something that takes its time."""
    note("slow_order", token, step)
    await asyncio.sleep(0.7)
    return "It is ordered, at last."


@tool
async def failing_order(token: str, step: int) -> str:
    """Order something that there is not."""
    note("failing_order", token, step)
    raise LookupError("There is no such thing.")


@tool(repeatable=True)
def look(token: str, step: int) -> str:
    """Look something up, which does no harm."""
    note("look", token, step)
    return "It is there."
'''
UNKNOWN: Final = (INTERRUPTED, NO_OUTPUT)  # outputs of calls that may have had their effect, or not
REPEATABLE: Final = ("look",)
CONTENTS: Final = {"txt": b"The disk is full.\n", "png": PNG, "pdf": PDF}  #: of files, by ending
TEXTS: Final = ("txt",)  #: endings of those that are not uploaded
_NAME: Final = re.compile(r'"(q[sd]\d{4}\.[a-z]{3})"')
_MADE: Final = re.compile(r'^\{"tool": .*\}$', re.MULTILINE)


class Ledger:
    """Which calls had an effect, in which order, and which uploads were put on record."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger"
        self._functions = folder / "functions.py"
        self._recorded = folder / "orders" / "recorded"  # by the hook

    def write_functions(self) -> str:
        """Write the functions down; what TOOLS has to say for them."""
        self._functions.write_text(FUNCTIONS.format(ledger=str(self._path)), encoding="utf-8")
        return os.fspath(self._functions)

    def lines(self) -> list[str]:
        """Each as `function token step`."""
        return _lines(self._path)

    def uploads(self) -> list[str]:
        """Names of files, each as often as an upload was put on record."""
        return _lines(self._recorded)


@dataclass(kw_only=True)
class Witness:
    """What OpenAI saw of calls and files."""

    interrupted: set[str] = field(default_factory=set)  #: calls of which nobody knows the end
    told: int = 0  #: outputs of calls
    uploads: Counter[str] = field(default_factory=Counter)  #: by the file's name
    without_files: list[str] = field(default_factory=list)  #: questions that came without theirs


def attached_to(asking: Asking) -> dict[str, bytes]:
    """Content of the files of a question, by name."""
    return {f"{asking.token}.{ending}": CONTENTS[ending] for ending in asking.files}


def names_in(given: Sequence[Json]) -> set[str]:
    """Names of files that a request comes with."""
    return {name for item in given for text in _texts(item) for name in _NAME.findall(text)}


def is_told(given: Any) -> bool:
    """Whether a request brings the outputs of calls, and no question."""
    return isinstance(given, list) and all("output" in item for item in given)


def next_calls(
    askings: Sequence[Asking], given: Sequence[Json], conversation: Conversation | None
) -> list[Called]:
    """What a model calls now: the next round for its questions, but for what was called before."""
    known = {_written(item["name"], item["arguments"]) for item in _calls_in(conversation)}
    said = conversation.items if conversation else []
    known |= {call for call, _ in _made([*said, *given])}
    for number in range(max((len(one.calls) for one in askings), default=0)):
        wanted: list[Called] = [
            (name, {"token": one.token, "step": number})
            for one in askings
            for names in one.calls[number : number + 1]
            for name in names
        ]
        wanted = [call for call in wanted if _written(*call) not in known]
        if wanted:
            return wanted
    return []


def interrupted_in(given: Sequence[Json], conversation: Conversation | None) -> Iterator[str]:
    """Calls whose end is said not to be known."""
    names = {
        item["call_id"]: _written(item["name"], item["arguments"])
        for item in _calls_in(conversation)
    }
    for item in given:
        if item.get("output") in UNKNOWN:
            yield names.get(item["call_id"], "?")
    yield from (call for call, output in _made(given) if output in UNKNOWN)


def problems_of_calls(
    askings: Sequence[Asking], ledger: Sequence[str], witness: Witness
) -> Iterator[str]:
    """Calls that had their effect twice, and such that had none although nobody says so."""
    counts = Counter(ledger)
    for call, count in counts.items():
        if count > 1 and call.split()[0] not in REPEATABLE:
            yield f"called {count} times: {call}"
    for one in askings:
        for step, names in enumerate(one.calls):
            for name in names:
                call = f"{name} {one.token} {step}"
                if not counts[call] and call not in witness.interrupted:
                    yield f"answered without calling: {call}"


def problems_of_files(witness: Witness, recorded: Sequence[str]) -> Iterator[str]:
    """Files that were not read, and such that were uploaded again although it was on record."""
    for question in witness.without_files:
        yield f"asked without its files: {question}"
    for name, count in Counter(recorded).items():
        if count > 1:
            yield f"uploaded and put on record {count} times: {name}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines() if path.exists() else []


def _calls_in(conversation: Conversation | None) -> list[Json]:
    items = conversation.items if conversation else []
    return [item for item in items if item["type"] == "function_call"]


def _made(given: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Calls that were made before the conversation, and what came of them."""
    for item in given:
        for text in _texts(item):
            for line in _MADE.findall(text):
                made: Mapping[str, str] = json.loads(line)
                yield _written(made["tool"], made["arguments"]), made["output"]


def _written(name: str, arguments: Json | str) -> str:
    given = json.loads(arguments) if isinstance(arguments, str) else arguments
    return f"{name} {given['token']} {given['step']}"


def _texts(item: Json) -> list[str]:
    content = item.get("content")
    if isinstance(content, list):
        return [part.get("text") or "" for part in content]
    return [content] if isinstance(content, str) else []
