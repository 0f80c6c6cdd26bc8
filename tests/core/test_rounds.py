"""Tools that a run wants to be called: each call once, whatever fails, and the model told of it."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core import feedback, pacing, rounds
from core.domain import (
    Answer,
    Answered,
    Button,
    Calls,
    Failed,
    MessageId,
    NotAnswered,
    RunState,
    ToolCall,
    TurnId,
    TurnState,
    Working,
)
from core.errors import ConversationGone, EngineUnreachable
from core.press import Press
from core.replies import CONFIRM_FIRST, DEFAULT_FALLBACK
from core.store import Store
from core.store.tool_calls import CallState
from core.tools import Asker, tool
from core.tools.marking import ATTRIBUTE
from core.tools.reading import read_tool
from core.tools.toolbox import Toolbox
from servers.loop_rig import Bench
from servers.scripted import RecordingPlatform, ScriptedEngine

DONE = Answered(answer=Answer(text="It is up."))
ASKER = "U1"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_LOOK", 0.001)
    monkeypatch.setattr(pacing, "FIRST_SETBACK", 0.001)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def platform() -> RecordingPlatform:
    return RecordingPlatform()


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


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def bench(
    sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> Callable[..., Bench]:
    """Make a process; one after the other, each begins where the one before was ended."""

    def made(**options: Any) -> Bench:
        return Bench(sqlite_store, engine, platform, toolbox=tools(told), **options)

    return made


def outputs(engine: ScriptedEngine, run: int) -> list[str]:
    """What the model was told of its calls with a run, by its number from 1."""
    return [output.text for output in engine.told[run - 1]]


async def answered(bench: Bench, *states: RunState, question: str = "up?") -> None:
    """Ask, let the runs for it end like this, and wait for the reply."""
    for state in states:
        bench.loop._answering.engine.script(question, state)  # type: ignore[attr-defined]
    await bench.ask(question, author=ASKER)
    await bench.idle()


# --- rounds ---------------------------------------------------------------------------------------


async def test_what_a_tool_returns_is_told_and_the_answer_replied(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await answered(made, calls(call(service="web")), DONE)
        turn = await made.turn()
    assert told.calls == ["web"]
    assert outputs(engine, 2) == ["web is up"]
    assert platform.threads == {"t1": ["It is up."]}
    assert (turn.state, turn.round, turn.attempt) == (TurnState.DELIVERED, 1, 1)


async def test_the_model_is_offered_what_the_asker_may_use_and_the_tool_told_who_asks(
    bench: Callable[..., Bench], engine: ScriptedEngine, told: Told
) -> None:
    async with bench().running() as made:
        await answered(made, calls(), DONE)
    offered = {spec.name for _, question in engine.started for spec in question.tools}
    assert offered == {"status", "slow", "slow_look", "restart"}
    (asker,) = told.askers
    assert (asker.platform, asker.user, asker.channel) == ("slack", ASKER, "C1")


async def test_calls_of_one_round_are_made_side_by_side(
    sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    first, second = asyncio.Event(), asyncio.Event()

    @tool
    async def one() -> str:
        """Wait for the other."""
        first.set()
        await second.wait()
        return "one"

    @tool
    async def other() -> str:
        """Wait for the one."""
        second.set()
        await first.wait()
        return "other"

    process = Bench(sqlite_store, engine, platform, toolbox=toolbox(one, other))
    async with process.running() as made:
        await answered(made, calls(call("other", 1), call("one", 2)), DONE)
    assert outputs(engine, 2) == ["other", "one"]


async def test_a_second_round_follows_the_first(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await answered(made, calls(call(service="a")), calls(call(number=2, service="b")), DONE)
    assert [outputs(engine, run) for run in (1, 2, 3)] == [[], ["a is up"], ["b is up"]]
    assert told.calls == ["a", "b"]
    assert platform.threads == {"t1": ["It is up."]}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (call("made_up"), "no tool of that name"),
        (call("secret"), "may not use this tool"),
        (call(service=["a"]), "string"),
        (ToolCall(id="call_1", name="status", arguments="{"), "JSON"),
    ],
)
async def test_a_call_that_cannot_be_made_is_told_to_the_model_and_not_to_the_channel(
    bench: Callable[..., Bench],
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    told: Told,
    wanted: ToolCall,
    says: str,
) -> None:
    async with bench().running() as made:
        await answered(made, calls(wanted), DONE)
    (output,) = outputs(engine, 2)
    assert output.startswith("Error")
    assert says in output
    assert told.calls == []
    assert platform.threads == {"t1": ["It is up."]}


async def test_rounds_are_bounded_and_the_last_one_offers_no_tools(
    bench: Callable[..., Bench],
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 2)
    monkeypatch.setattr("core.answering.MOST_ROUNDS", 2)
    again = [calls(call(number=number)) for number in range(3)]
    async with bench().running() as made:
        await answered(made, *again)
        turn = await made.turn()
    assert [bool(question.tools) for _, question in engine.started] == [True, True, False]
    assert turn.outcome == "too_many_rounds"
    (reply,) = platform.threads["t1"]
    assert DEFAULT_FALLBACK in reply


async def test_more_calls_at_once_than_are_made_are_refused(
    bench: Callable[..., Bench],
    engine: ScriptedEngine,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "MOST_CALLS", 1)
    async with bench().running() as made:
        await answered(made, calls(call(number=1, service="a"), call(number=2, service="b")), DONE)
    assert outputs(engine, 2) == ["a is up", rounds.TOO_MANY]
    assert told.calls == ["a"]


async def test_without_tools_a_call_is_a_failure_that_another_run_may_mend(
    sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with Bench(sqlite_store, engine, platform).running() as made:
        await answered(made, calls(), DONE)
        assert (await made.turn()).attempt == 2
    assert platform.threads == {"t1": ["It is up."]}


async def test_a_tool_that_hangs_does_not_hold_the_asker_beyond_the_deadline(
    bench: Callable[..., Bench], platform: RecordingPlatform, told: Told
) -> None:
    async with bench(deadline=0.2).running() as made:
        await answered(made, calls(call("slow")), Working())
    (reply,) = platform.threads["t1"]
    assert DEFAULT_FALLBACK in reply
    assert told.calls == ["api"]


async def test_a_question_edited_while_a_tool_is_called_is_answered_as_it_reads_now(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    engine.script("old", calls(call("slow")))
    async with bench().running() as made:
        (asked,) = await made.ask("old", author=ASKER)
        await told.began.wait()
        await made.desk.edit(replace(asked, text="new"))
        told.may_end.set()
        await made.idle()
    assert platform.threads == {"t1": ["answer to new"]}
    (output,) = engine.started[-1][
        1
    ].made  # whatever was asked: it was done, and is not to be again
    assert (output.call.name, output.text) == ("slow", "slow is up")


# --- what fails between ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "times", "tells"), [("slow", 1, rounds.INTERRUPTED), ("slow_look", 2, "slow is up")]
)
async def test_a_call_that_was_under_way_at_a_crash_is_repeated_only_where_that_is_harmless(
    bench: Callable[..., Bench],
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    told: Told,
    name: str,
    times: int,
    tells: str,
) -> None:
    engine.script("up?", calls(call(name)))
    engine.script("up?", DONE)
    async with bench().running() as made:
        await made.ask("up?", author=ASKER)
        await told.began.wait()
        made.kill()
    told.may_end.set()
    async with bench().running() as made:
        await platform.posted(1)
        await made.idle()
    assert len(told.calls) == times
    assert outputs(engine, 2) == [tells]
    assert platform.threads == {"t1": ["It is up."]}


async def test_what_came_of_a_call_is_told_after_a_crash_without_calling_again(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    engine.script("up?", calls())
    engine.start_hook = lambda question: refuse_next_rounds(engine)
    async with bench().running() as made:
        await made.ask("up?", author=ASKER)
        await asyncio.wait_for(engine.recovered_often.wait(), 30)
        made.kill()
    engine.start_hook = None
    engine.start_errors.clear()
    engine.script("up?", DONE)
    async with bench().running() as made:
        await platform.posted(1)
        await made.idle()
    assert told.calls == ["api"]
    assert outputs(engine, 2) == ["api is up"]
    assert platform.threads == {"t1": ["It is up."]}


def refuse_next_rounds(engine: ScriptedEngine) -> None:
    if engine.started:
        engine.start_errors[:] = [EngineUnreachable()]


async def test_a_run_that_was_told_of_calls_and_whose_id_is_lost_is_recovered(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    engine.script("up?", calls())
    engine.script("up?", Working())

    died = asyncio.Event()

    async def dies() -> None:
        if len(engine.started) == 2:
            died.set()
            await asyncio.Event().wait()

    engine.before_reply = dies
    async with bench().running() as made:
        await made.ask("up?", author=ASKER)
        await died.wait()
        made.kill()
    engine.lost["up?"] = DONE
    async with bench().running() as made:
        await platform.posted(1)
        await made.idle()
    assert len(engine.started) == 2
    assert told.calls == ["api"]
    assert platform.threads == {"t1": ["It is up."]}


async def test_a_run_that_wants_calls_and_whose_id_is_lost_gets_them(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    engine.script("up?", calls())

    died = asyncio.Event()

    async def dies() -> None:
        engine.before_reply = None
        died.set()
        await asyncio.Event().wait()

    engine.before_reply = dies
    async with bench().running() as made:
        await made.ask("up?", author=ASKER)
        await died.wait()
        made.kill()
    engine.lost["up?"] = await engine.check(engine.last_run)  # it has ended meanwhile
    engine.script("up?", DONE)
    async with bench().running() as made:
        await platform.posted(1)
        await made.idle()
        assert (await made.turn()).attempt == 1
    assert told.calls == ["api"]
    assert outputs(engine, 2) == ["api is up"]
    assert platform.threads == {"t1": ["It is up."]}


@pytest.mark.parametrize(
    "end", [Failed(reason="server_error", transient=True), ConversationGone("gone")]
)
async def test_a_question_that_is_begun_anew_does_not_call_again_what_was_called(
    bench: Callable[..., Bench],
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    told: Told,
    end: RunState | Exception,
) -> None:
    engine.script("up?", calls())
    if isinstance(end, Exception):
        engine.start_hook = lambda question: lose_conversation(engine)
    else:
        engine.script("up?", end)
    engine.script("up?", DONE)
    async with bench().running() as made:
        await made.ask("up?", author=ASKER)
        await made.idle()
    (output,) = engine.started[-1][1].made
    assert (output.call.name, output.text) == ("status", "api is up")
    assert engine.told[-1] == ()
    assert told.calls == ["api"]
    assert platform.threads == {"t1": ["It is up."]}


def lose_conversation(engine: ScriptedEngine) -> None:
    if len(engine.started) == 1 and len(engine.opened) == 1:
        engine.gone.add(engine.started[0][0])


# --- confirmations --------------------------------------------------------------------------------


def press(button: Button, *, user: str = ASKER, turn: int = 1, **changes: object) -> Press:
    given: dict[str, object] = {
        "platform": "slack",
        "tenant": "T1",
        "channel": "C1",
        "thread": None,
        "message": MessageId(f"reply{turn}"),
        "user": user,
        "turn": TurnId(turn),
        "button": button,
        "at": time.time(),
    }
    return Press(**(given | changes))  # type: ignore[arg-type]


async def said(made: Bench, press: Press) -> str:
    """What somebody is told who presses a button."""
    return (await made.desk.press(press)).said


async def waits(made: Bench, *wanted: ToolCall) -> None:
    """Have a reply wait for its asker's confirmation."""
    wanted = wanted or (call("restart", service="api"),)
    await answered(made, calls(*wanted), Answered(answer=Answer(text="May I?")))


async def test_a_call_that_needs_it_waits_for_the_askers_confirmation(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
    assert outputs(engine, 2) == [rounds.NEEDS_YES]
    assert told.calls == []
    (reply,) = platform.replies
    assert any("restart" in note and "api" in note for note in reply.notes)
    assert platform.posts[-1].buttons == (Button.CONFIRM, Button.DENY)


async def test_what_the_asker_confirms_is_called_once_however_often_that_is_pressed(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
        assert await said(made, press(Button.CONFIRM)) == feedback.AT_IT
        known = (feedback.CONFIRMED_BEFORE, feedback.NOTHING_WAITS)
        assert await said(made, press(Button.CONFIRM)) in known
        await made.idle()
        assert await said(made, press(Button.CONFIRM)) == feedback.NOTHING_WAITS
    assert told.calls == ["api"]
    (output,) = engine.started[-1][1].made
    assert output.text == "api was restarted"
    assert platform.threads["t1"] == ["May I?", "answer to Yes, please: restart."]


async def test_nobody_else_may_confirm_or_deny(
    bench: Callable[..., Bench], platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
        for button in (Button.CONFIRM, Button.DENY):
            assert await said(made, press(button, user="U2")) == feedback.NOT_YOURS
        assert await said(made, press(Button.CONFIRM)) == feedback.AT_IT
        await made.idle()
    assert told.calls == ["api"]


async def test_what_was_denied_or_waited_too_long_is_not_called(
    bench: Callable[..., Bench], told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
        late = press(Button.CONFIRM, at=time.time() + feedback.CONFIRM_WITHIN + 60)
        assert await said(made, late) == feedback.TOO_LATE_TO_CONFIRM
        assert await said(made, press(Button.DENY)) == feedback.DENIED
        assert await said(made, press(Button.CONFIRM)) == feedback.NOTHING_WAITS
        await made.idle()
    assert told.calls == []


async def test_a_confirmed_call_that_was_under_way_at_a_crash_is_not_repeated(
    sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    @tool(confirm=True)
    async def deploy() -> str:
        """Deploy."""
        told.calls.append("deploy")
        told.began.set()
        await told.may_end.wait()
        return "deployed"

    def process() -> Bench:
        return Bench(sqlite_store, engine, platform, toolbox=toolbox(deploy))

    async with process().running() as made:
        await waits(made, call("deploy"))
        await made.desk.press(press(Button.CONFIRM))
        await told.began.wait()
        made.kill()
    told.may_end.set()
    async with process().running() as made:
        await platform.posted(2)
        await made.idle()
    assert told.calls == ["deploy"]
    (output,) = engine.started[-1][1].made
    assert output.text == rounds.INTERRUPTED


async def test_a_confirmation_is_asked_for_although_no_documentation_has_it(
    bench: Callable[..., Bench], platform: RecordingPlatform
) -> None:
    async with bench().running() as made:
        await answered(made, calls(call("restart", service="api")), NotAnswered())
    assert platform.threads == {"t1": [CONFIRM_FIRST]}
    assert platform.posts[-1].buttons == (Button.CONFIRM, Button.DENY)


@pytest.mark.parametrize(("service", "approved"), [("api", True), ("web", False)])
async def test_a_remote_server_may_call_just_what_the_asker_confirmed(
    sqlite_store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    service: str,
    approved: bool,
) -> None:
    def remote(number: int, service: str) -> ToolCall:
        return replace(call("restart", number, service=service), server="ops")

    process = Bench(sqlite_store, engine, platform, toolbox=Toolbox(), servers=["ops"])
    async with process.running() as made:
        await waits(made, remote(1, "api"))
        assert [(o.approved, o.text) for o in engine.told[1]] == [(False, rounds.NEEDS_YES)]
        engine.script("Yes, please: restart.", calls(remote(2, service)))
        await made.desk.press(press(Button.CONFIRM))
        await made.idle()
    assert [output.text for output in engine.started[2][1].made] == [rounds.CONFIRMED]
    assert [output.approved for output in engine.told[3]] == [approved]


# --- what is kept ---------------------------------------------------------------------------------


async def test_forgetting_a_person_forgets_what_was_called_for_them(
    bench: Callable[..., Bench], sqlite_store: Store
) -> None:
    async with bench().running() as made:
        await answered(made, calls(call(service="secret name")), DONE)
        turn = await made.turn()
        (kept,) = await sqlite_store.tool_calls.of_round(turn)
        assert (kept.state, kept.output) == (CallState.DONE, "secret name is up")
    await sqlite_store.people.forget("slack", ASKER)
    assert await sqlite_store.tool_calls.of_round(turn) == []
    erased = await sqlite_store.erasures.waiting("scripted")
    assert "run_1" in {run for erasure in erased for run in erasure.runs}


async def test_neither_arguments_nor_results_reach_the_log(
    bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with bench().running() as made:
        await answered(made, calls(call(service="their secret")), DONE)
    assert "Tool called" in caplog.text
    assert not [r for r in caplog.records if "their secret" in str(vars(r))]
