"""Tools that a run wants to be called: each call once, whatever fails, and the model told of it."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from core import feedback, rounds
from core.domain import (
    Answer,
    Answered,
    Button,
    Failed,
    NotAnswered,
    RunState,
    ToolCall,
    TurnState,
    Working,
)
from core.errors import ConversationGone, EngineBusy, EngineUnreachable
from core.replies import CONFIRM_FIRST, DEFAULT_FALLBACK
from core.store import Store
from core.store.tool_calls import CallState
from core.tools import tool
from core.tools.toolbox import TOO_LONG_TO_CONFIRM, Toolbox
from servers.loop_rig import Bench
from servers.mentions import press
from servers.rounds_rig import (
    ASKER,
    DONE,
    Told,
    answered,
    call,
    calls,
    outputs,
    said,
    toolbox,
    tools,
    waits,
)
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")


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
    monkeypatch.setattr("core.asking.MOST_ROUNDS", 2)
    again = [calls(call(number=number)) for number in range(3)]
    async with bench().running() as made:
        await answered(made, *again)
        turn = await made.turn()
    assert [bool(question.tools) for _, question in engine.started] == [True, True, False]
    assert [question.is_last_round for _, question in engine.started] == [False, False, True]
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


async def test_no_more_calls_wait_for_a_confirmation_than_somebody_reads(
    bench: Callable[..., Bench],
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "MOST_WAITING", 2)
    wanted = [call("restart", number, service=f"s{number}") for number in range(3)]
    async with bench().running() as made:
        await answered(made, calls(*wanted[:1]), calls(*wanted[1:]), DONE)
    assert outputs(engine, 2) == [rounds.NEEDS_YES]
    assert outputs(engine, 3) == [rounds.NEEDS_YES, rounds.TOO_MANY]
    assert len(platform.replies[-1].waiting) == 2


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


# --- asked again by a turn of its own -------------------------------------------------------------


async def fails(made: Bench, *wanted: ToolCall, question: str = "up?") -> None:
    """Have calls made for a question that gets no answer then."""
    await answered(
        made, calls(*wanted), Failed(reason="refused", transient=False), question=question
    )


async def test_who_tries_again_has_the_model_told_of_calls_that_were_made_before(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await fails(made)
        engine.script("up?", DONE)
        assert await said(made, press(Button.AGAIN)) == feedback.AT_IT
        await made.idle()
    ((_, first), *_, (_, again)) = engine.started
    assert first.untold == ()
    assert [(each.call.name, each.text) for each in again.untold] == [("status", "api is up")]
    assert again.made == ()
    assert told.calls == ["api"]
    assert platform.threads["t1"][1:] == ["It is up."]


async def test_a_call_whose_end_nobody_knows_is_told_as_such_when_it_is_tried_again(
    bench: Callable[..., Bench], sqlite_store: Store, engine: ScriptedEngine
) -> None:
    async with bench().running() as made:
        await fails(made, call(service="web"))
        turn = await made.turn()
        (kept,) = await sqlite_store.tool_calls.made(turn.id)
        await sqlite_store.tool_calls.end(turn, kept, "", CallState.BEGUN)
        engine.script("up?", DONE)
        await made.desk.press(press(Button.AGAIN))
        await made.idle()
    assert [each.text for each in engine.started[-1][1].untold] == [rounds.INTERRUPTED]


async def test_a_confirmed_call_that_nobody_was_told_of_is_told_with_the_next_question(
    bench: Callable[..., Bench], engine: ScriptedEngine, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
        engine.script("Yes, please: restart.", Failed(reason="refused", transient=False))
        await made.desk.press(press(Button.CONFIRM))
        await made.idle()
        await answered(made, DONE, question="Did it work?")
    assert told.calls == ["api"]
    assert [each.text for each in engine.started[-1][1].untold] == ["api was restarted"]


async def test_only_calls_of_the_asker_that_no_answer_tells_of_are_told(
    bench: Callable[..., Bench], engine: ScriptedEngine, told: Told
) -> None:
    told.may_end.set()
    async with bench().running() as made:
        await answered(made, calls(call(service="told")), DONE, question="one")
        await fails(made, call(service="web"), call("slow_look", 2, service="look"), question="two")
        await made.ask("of another", author="U2")
        await made.ask("elsewhere", author=ASKER, thread="t2")
        await made.idle()
        await answered(made, DONE, question="three")
        await answered(made, DONE, question="four")
    told_of = {
        question.text: [each.call.arguments for each in question.untold]
        for _, question in engine.started
    }
    assert told_of.pop("three") == ['{"service": "web"}']
    assert set(map(tuple, told_of.values())) == {()}
    assert set(told_of) == {"one", "two", "of another", "elsewhere", "four"}


# --- confirmations --------------------------------------------------------------------------------


async def test_a_call_that_needs_it_waits_for_the_askers_confirmation(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
    assert outputs(engine, 2) == [rounds.NEEDS_YES]
    assert told.calls == []
    (reply,) = platform.replies
    assert reply.waiting == ('restart(service="api")',)
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


async def test_one_confirmation_lets_a_remote_server_make_one_call(
    sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    def remote(number: int, arguments: str) -> ToolCall:
        return ToolCall(id=f"call_{number}", name="pay", arguments=arguments, server="bank")

    process = Bench(sqlite_store, engine, platform, toolbox=Toolbox(), servers=["bank"])
    async with process.running() as made:
        await waits(made, remote(1, '{"to": "A", "all": 1}'))
        twice_named = remote(2, '{"to": "B", "to": "A", "all": 1}')
        truth = remote(3, '{"to": "A", "all": true}')
        same = [remote(number, '{"all": 1, "to": "A"}') for number in (4, 5)]
        engine.script("Yes, please: pay.", calls(twice_named, truth, *same))
        engine.script("Yes, please: pay.", Failed(reason="server_error", transient=True))
        await made.desk.press(press(Button.CONFIRM))
        await made.idle()
    assert sorted(output.approved for output in engine.told[3]) == [False, False, False, True]
    assert {output.call.id for output in engine.told[3] if output.approved} <= {"call_4", "call_5"}
    # Whether it was made before that run failed, nobody knows: it is not to be made once more.
    assert [output.text for output in engine.started[4][1].made] == [rounds.INTERRUPTED]


@pytest.mark.parametrize("server", ["", "ops"])
async def test_what_cannot_be_shown_as_a_whole_is_not_asked_for(
    sqlite_store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    told: Told,
    server: str,
) -> None:
    long = replace(call("restart", service="api, " * 200 + "and all that we have"), server=server)
    process = Bench(sqlite_store, engine, platform, toolbox=tools(told), servers=["ops"])
    async with process.running() as made:
        await waits(made, long)
        assert [(o.approved, o.text) for o in engine.told[1]] == [(False, TOO_LONG_TO_CONFIRM)]
        assert Button.CONFIRM not in platform.posts[-1].buttons
        assert await said(made, press(Button.CONFIRM)) == feedback.NOTHING_WAITS


@pytest.mark.parametrize("reason", ["content_filter", "too_late"])
async def test_nothing_is_confirmed_by_a_reply_that_does_not_show_it(
    bench: Callable[..., Bench], platform: RecordingPlatform, told: Told, reason: str
) -> None:
    async with bench().running() as made:
        wanted = calls(call("restart", service="api"))
        await answered(made, wanted, Failed(reason=reason, transient=False))
        assert Button.CONFIRM not in platform.posts[-1].buttons
        assert await said(made, press(Button.CONFIRM)) == feedback.NOTHING_WAITS
        await made.idle()
    assert told.calls == []


async def test_what_is_not_answered_yet_cannot_be_confirmed(
    bench: Callable[..., Bench], engine: ScriptedEngine, told: Told
) -> None:
    async with bench().running() as made:
        engine.script("up?", calls(call("restart", service="api"), call("slow", 2)))
        engine.script("up?", Answered(answer=Answer(text="May I?")))
        await made.ask("up?", author=ASKER)
        await told.began.wait()
        assert await said(made, press(Button.CONFIRM)) == feedback.NOTHING_WAITS
        told.may_end.set()
        await made.idle()
        assert await said(made, press(Button.CONFIRM)) == feedback.AT_IT
        await made.idle()
    assert sorted(told.calls) == ["api", "api"]  # `slow`, and what was confirmed


async def test_a_fallback_says_what_was_called_all_the_same(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> None:
    async with bench().running() as made:
        await waits(made)
        engine.script("Yes, please: restart.", Failed(reason="refused", transient=False))
        await made.desk.press(press(Button.CONFIRM))
        await made.idle()
    assert told.calls == ["api"]
    (note,) = platform.replies[-1].notes
    assert note == 'I called this, as you confirmed: restart(service="api")'


async def test_a_fallback_leaves_no_conversation_that_waits_for_what_came_of_calls(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("up?", calls())
    engine.start_hook = lambda _: engine.start_errors.extend(
        [EngineBusy(3_600.0)] * (len(engine.started) == 1)
    )
    async with bench().running() as made:
        await made.ask("up?", author=ASKER)
        await made.idle()
        assert (await made.turn()).conversation is None
        engine.start_hook = None
        await made.ask("and now?", author=ASKER)
        await made.idle()
    assert platform.threads["t1"][1:] == ["answer to and now?"]


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
