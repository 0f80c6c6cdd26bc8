"""Calls of tools: what the model is told, whatever the function does; who may; and what is logged.

Where a function has to wait, it waits for the test, at a rendezvous that both import.
"""

import asyncio
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.domain import ToolCall
from core.tools import Asker, Toolbox
from core.tools.describing import LONGEST_LINE
from core.tools.loading import load_toolbox
from core.tools.results import LONGEST_RESULT
from core.tools.toolbox import TOO_LONG_TO_CONFIRM
from servers.tool_rig import ASKER, call, told, toolbox, written

ROOT = Path(__file__).parents[2]
SOON = 0.05  # seconds that a call gets which is to run out of time


class Gate:
    """Where functions wait until they are let go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.opened = asyncio.Event()
        self.came = threading.Semaphore(0)
        self.count = 0


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setattr(sys, "tool_gate", made, raising=False)
    yield made
    made.open.set()  # threads of the test must not outlive it


WAITING = '''
    import sys

    @tool
    def blocks(n: int = 0) -> str:
        """Wait in a thread."""
        sys.tool_gate.came.release()
        sys.tool_gate.open.wait(60)
        return f"done {n}"

    @tool
    async def waits(n: int = 0) -> str:
        """Wait on the loop."""
        sys.tool_gate.count += 1
        await sys.tool_gate.opened.wait()
        return f"done {n}"
'''


# --- results --------------------------------------------------------------------------------------

RESULTS = '''
    import asyncio, datetime, sys

    @tool
    def text() -> str:
        """A text."""
        return "up \\0 \\ud800 é"

    @tool
    async def values() -> object:
        """Values."""
        return {"at": datetime.date(2026, 11, 22), 5: {1}, "odd": float("nan"), "who": object}

    @tool
    def huge() -> str:
        """Ten megabytes."""
        return "é" * 10_000_000

    @tool
    async def huge_list() -> list[str]:
        """Ten megabytes, too."""
        return ["é" * 100] * 50_000

    @tool
    def endless() -> object:
        """For ever."""
        return iter(int, 1)

    @tool
    def late() -> object:
        """Forgot to await."""
        return asyncio.sleep(0)

    @tool
    def ring() -> object:
        """Contain itself."""
        ring = []
        ring.append(ring)
        return ring
'''


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text", "up  ? é"),
        ("values", '{"at":"2026-11-22","5":[1],"odd":"NaN","who":"<class \'object\'>"}'),
        ("endless", "Error: TypeError: it returned a callable_iterator, not the values themselves"),
        ("late", "Error: TypeError: it returned a coroutine, not the values themselves"),
        (
            "ring",
            "Error: PydanticSerializationError: Error serializing to JSON: "
            "ValueError: Circular reference detected (id repeated)",
        ),
    ],
)
async def test_a_result_is_told_as_it_is_or_as_json(tmp_path: Path, name: str, said: str) -> None:
    assert await told(toolbox(tmp_path, RESULTS), name) == said


@pytest.mark.parametrize("name", ["huge", "huge_list"])
async def test_ten_megabytes_are_cut_off_and_the_model_is_told_so(
    tmp_path: Path, name: str
) -> None:
    said = await told(toolbox(tmp_path, RESULTS), name)
    assert len(said) == LONGEST_RESULT
    assert said.endswith("\n[Cut off here: a result may have 16,000 characters.]")
    assert "é" * 90 in said


# --- what goes wrong ------------------------------------------------------------------------------

FAILING = '''
    import asyncio, sys

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("not even that")

    @tool
    def raises() -> str:
        """Raise."""
        raise ValueError("no order " + "7" * 5_000)

    @tool
    async def raises_later() -> str:
        """Raise."""
        await asyncio.sleep(0)
        raise TimeoutError("the shop did not answer")

    @tool
    def leaves() -> str:
        """Leave."""
        sys.exit(3)

    @tool
    async def leaves_later() -> str:
        """Leave."""
        sys.exit(3)

    @tool
    async def gives_up() -> str:
        """Cancel itself."""
        raise asyncio.CancelledError("its own")

    @tool
    def mute() -> str:
        """Raise what cannot be told."""
        raise Mute
'''


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "Error: ValueError: no order " + "7" * 991),
        ("raises_later", "Error: TimeoutError: the shop did not answer"),
        ("leaves", "Error: SystemExit: 3"),
        ("leaves_later", "Error: SystemExit: 3"),
        ("gives_up", "Error: CancelledError: its own"),
        ("mute", "Error: Mute"),
    ],
)
async def test_whatever_a_function_raises_is_told_the_model(
    tmp_path: Path, name: str, said: str
) -> None:
    assert await told(toolbox(tmp_path, FAILING), name) == said


async def test_a_tool_that_is_not_there_is_told_the_model(tmp_path: Path) -> None:
    box = toolbox(tmp_path, FAILING)
    assert box.problem(call("rm -rf"), ASKER) == "Error: there is no tool of that name."
    assert await told(box, "rm -rf") == "Error: there is no tool of that name."
    assert not box.needs_confirmation("rm -rf")


@pytest.mark.parametrize("name", ["blocks", "waits"])
async def test_a_function_that_does_not_return_in_time_is_given_up(
    tmp_path: Path, gate: Gate, name: str
) -> None:
    said = await told(toolbox(tmp_path, WAITING), name, within=SOON)
    assert said == (
        "Error: the tool did not return within 0.05 seconds. "
        "It is not known whether it had an effect."
    )


async def test_a_tool_may_have_a_shorter_limit_of_its_own(tmp_path: Path, gate: Gate) -> None:
    code = WAITING.replace("@tool\n    async", f"@tool(seconds={SOON})\n    async")
    assert "within 0.05 seconds" in await told(toolbox(tmp_path, code), "waits", within=3600.0)


async def test_without_time_left_nothing_is_called(tmp_path: Path, gate: Gate) -> None:
    box = toolbox(tmp_path, WAITING)
    for name in ("blocks", "waits"):
        said = await told(box, name, within=0.0)
        assert said == "Error: there was no time left to call the tool."
    assert gate.count == 0
    assert not gate.came.acquire(blocking=False)


async def test_a_call_that_is_cancelled_is_cancelled(tmp_path: Path, gate: Gate) -> None:
    box = toolbox(tmp_path, WAITING)
    for name in ("blocks", "waits"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await told(box, name)


async def test_a_function_that_cannot_be_cancelled_is_not_waited_for(tmp_path: Path) -> None:
    code = (
        WAITING
        + '''
    import asyncio

    CALLED_OFF, ENOUGH = asyncio.Event(), asyncio.Event()

    @tool
    async def clings() -> str:
        """Never give up."""
        while not ENOUGH.is_set():
            try:
                await ENOUGH.wait()
            except asyncio.CancelledError:
                CALLED_OFF.set()
        return "late"
'''
    )
    box = toolbox(tmp_path, code)
    names = vars(sys.modules[box.tools[0].function.__module__])
    async with asyncio.timeout(30):
        assert "did not return" in await told(box, "clings", within=SOON)
        await names["CALLED_OFF"].wait()
    names["ENOUGH"].set()


async def test_calls_run_in_parallel_and_the_loop_goes_on_meanwhile(
    tmp_path: Path, gate: Gate
) -> None:
    box = toolbox(tmp_path, WAITING)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        calls = [
            group.create_task(told(box, name, f'{{"n": {number}}}'))
            for name in ("blocks", "waits")
            for number in range(3)
        ]
        for _ in range(3):  # all are under way before one of them ends
            await asyncio.to_thread(gate.came.acquire, timeout=60)
        assert gate.count == 3
        gate.open.set()
        gate.opened.set()
    assert [done.result() for done in calls] == ["done 0", "done 1", "done 2"] * 2


async def test_functions_that_hang_leave_no_more_than_their_threads_busy(
    tmp_path: Path, gate: Gate
) -> None:
    box = Toolbox(toolbox(tmp_path, WAITING).tools, threads=2)
    for _ in range(2):
        assert "did not return" in await told(box, "blocks", within=SOON)
    assert "did not return" in await told(box, "blocks", within=SOON)
    for _ in range(2):
        assert gate.came.acquire(timeout=60)
    assert not gate.came.acquire(blocking=False), "a third thread was begun"
    gate.open.set()
    assert await told(box, "blocks") == "done 0"


def test_a_function_that_hangs_does_not_hold_the_process(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '''
        import threading

        @tool
        def hangs() -> str:
            """Hang."""
            threading.Event().wait()
            return "never"
        ''',
    )
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from servers.tool_rig import told
from core.tools.loading import load_toolbox
print(asyncio.run(told(load_toolbox([{str(path)!r}]), "hangs", within=0.05)), flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        said, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert "did not return within 0.05 seconds" in said
    assert process.returncode == 0


# --- who may --------------------------------------------------------------------------------------

GUARDED = '''
    @tool
    def free() -> str:
        """For all."""
        return "free"

    @tool(allow="admins", confirm=True)
    def admins() -> str:
        """For admins."""
        return "admins"

    @tool(allow=["slack:U7", "in:slack:C9", "in:discord:123"])
    def some() -> str:
        """For some."""
        return "some"
'''


@pytest.mark.parametrize(
    ("asker", "may"),
    [
        (ASKER, ["free"]),
        (replace(ASKER, user="U7"), ["free", "some"]),
        (replace(ASKER, user="UADMIN"), ["free", "admins"]),
        (replace(ASKER, channel="C9"), ["free", "some"]),
        (replace(ASKER, parent="C9"), ["free", "some"]),
        (replace(ASKER, platform="discord", channel="99", parent="123"), ["free", "some"]),
        (replace(ASKER, platform="discord", user="U7"), ["free"]),
        (replace(ASKER, platform="discord", user="UADMIN"), ["free"]),
    ],
)
async def test_the_model_is_offered_and_may_call_only_what_the_asker_may_use(
    tmp_path: Path, asker: Asker, may: list[str]
) -> None:
    box = toolbox(tmp_path, GUARDED, admins=["slack:UADMIN"])
    assert [spec.name for spec in box.specs(asker)] == may
    refused = "Error: the person who asks may not use this tool."
    for name in ("free", "admins", "some"):
        expected = name if name in may else refused
        assert await box.call(call(name), asker, 60.0) == expected
        assert (box.problem(call(name), asker) is None) == (name in may)
    assert [box.needs_confirmation(name) for name in ("free", "admins")] == [False, True]


# --- what people and operators see ----------------------------------------------------------------


async def test_each_call_is_one_log_line_without_what_was_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, gate: Gate
) -> None:
    code = (
        WAITING
        + '''
    @tool
    def answers(word: str) -> str:
        """Answer."""
        if word == "hunter1":
            raise ValueError(word)
        return word
'''
    )
    box = toolbox(tmp_path, code)
    caplog.set_level(logging.DEBUG)
    await told(box, "answers", '{"word": "hunter2"}')
    await told(box, "answers", '{"word": "hunter1"}')
    await told(box, "answers", '{"hunter": 2}')
    await told(box, "hunter2")
    await told(box, "waits", within=SOON)
    lines = [vars(record) for record in caplog.records if record.name.startswith("core.tools")]
    (failed,) = (line for line in lines if line["outcome"] == "error")
    file, _, number = failed["where"].partition(":")
    assert (tmp_path / file).read_text().splitlines()[int(number) - 1].strip().startswith("raise")
    shown = [(line["tool"], line["outcome"], line["error"]) for line in lines]
    assert shown == [
        ("answers", "ok", None),
        ("answers", "error", "ValueError"),
        ("answers", "refused", None),
        ("?", "refused", None),
        ("waits", "timeout", None),
    ]
    assert all(line["seconds"] >= 0 for line in lines)
    assert "hunter" not in str(lines)


def test_a_call_that_is_refused_before_it_is_made_is_one_log_line_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = toolbox(tmp_path, GUARDED)
    caplog.set_level(logging.INFO)
    assert box.problem(call("free"), ASKER) is None
    assert box.problem(call("admins"), ASKER) is not None
    assert box.problem(call("hunter2"), ASKER) is not None
    lines = [vars(record) for record in caplog.records if record.name.startswith("core.tools")]
    assert [(line["tool"], line["outcome"]) for line in lines] == [
        ("admins", "refused"),
        ("?", "refused"),
    ]
    assert "hunter" not in str(lines)


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        (
            call("restart", '{"service": "api", "force": true}'),
            'restart(service="api", force=true)',
        ),
        (call("restart", ""), "restart()"),
        (call("restart", "[1]"), "restart([1])"),
        (call("look_up", "{}", server="helper"), "helper: look_up()"),
        (call("x`\n# y", '{"a": "`@everyone` \\n<!channel>"}'), None),
        (call("x", '{"a": "\u202eevil\\u200b"}'), r'x(a="\u202eevil\u200b")'),
        (call("x", '{"a": "\U000e0041  `"}'), r'x(a="\U000e0041 \u0020\u0060")'),
        (call("x", '{"a, b=1": 2}'), 'x("a, b=1"=2)'),
        (call("x", '{"a": 1, "a": 2}'), 'x({"a": 1, "a": 2})'),
        (call("x", "{broken `\r\n`"), r"x({broken \u0060\u000d\u000a\u0060)"),
        (call("", ""), "?()"),
    ],
)
def test_a_call_is_described_in_one_line_of_code(wanted: ToolCall, line: str | None) -> None:
    described = Toolbox().describe(wanted)
    assert described[0] == described[-1] == "`"
    assert "`" not in described[1:-1]
    assert described.splitlines() == [described]
    assert line is None or described[1:-1] == line


def test_a_description_is_short_however_much_the_model_writes() -> None:
    for arguments in ('{"a": "' + "b" * 5_000_000 + '"}', "[" * 1_000_000, '{"a": [[[' * 900):
        described = Toolbox().describe(call("n" * 1_000_000, arguments))
        assert len(described) == LONGEST_LINE
        assert described.endswith("…`")


def test_a_call_that_cannot_be_shown_as_a_whole_is_not_confirmed(tmp_path: Path) -> None:
    box = toolbox(tmp_path, GUARDED)
    assert box.unconfirmable(call("restart", '{"a": "' + "b" * (LONGEST_LINE - 16) + '"}')) is None
    long = ("b" * LONGEST_LINE, " " * 200, "\u200b" * 200)
    for arguments in (*(f'{{"a": "{text}"}}' for text in long), "[" * 9_999):
        assert box.unconfirmable(call("restart", arguments)) == TOO_LONG_TO_CONFIRM


def test_an_empty_toolbox_is_false_and_describes_what_it_does_not_know(tmp_path: Path) -> None:
    assert not Toolbox()
    assert toolbox(tmp_path, GUARDED)
    assert Toolbox().describe(call("restart", '{"n": 1}')) == "`restart(n=1)`"


async def test_the_manual_shows_the_example_that_works(tmp_path: Path) -> None:
    example = ROOT / "docs" / "examples" / "status.py"
    manual = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
    assert f"```python\n{example.read_text(encoding='utf-8')}```" in manual
    box = load_toolbox([str(example)], admins=["slack:U1"])
    said = await told(box, "service_status", '{"service": "exports"}')
    assert said == '{"service":"exports","state":"slow since 09:40 UTC"}'
    assert box.needs_confirmation("restart_service")
    said = await told(box, "restart_service", '{"service": "api"}')
    assert said == "api is restarting, for U1 (reason: not said)."
