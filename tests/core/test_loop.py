import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from core import answering
from core import loop as loop_module
from core.domain import (
    Answer,
    Answered,
    Citation,
    Exchange,
    Failed,
    MessageId,
    NotAnswered,
    Post,
    Question,
    RunId,
    TurnState,
    Working,
)
from core.errors import (
    EngineBusy,
    EngineRefused,
    EngineUnreachable,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    StoreError,
    ThreadGone,
)
from core.pacing import Pace, RequestBudget
from core.store import Store
from core.unanswered import GapKind
from servers.loop_rig import HELPFUL, Running, runner
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def running(sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform) -> Running:
    return runner(sqlite_store, engine, platform)


async def test_a_question_is_answered_in_its_thread(
    running: Running, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads == {"t1": ["answer to a"]}


async def test_the_questions_of_a_thread_share_a_conversation_and_take_turns(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a", "b", "c")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "answer to b", "answer to c"]
    assert {conversation for conversation, _ in engine.started} == {"conv_1"}


async def test_threads_do_not_wait_for_each_other(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("slow", Working())
    async with running() as bench:
        await bench.ask("slow", thread="t1")
        await bench.ask("quick", thread="t2")
        await platform.posted(1)
    assert platform.threads == {"t2": ["answer to quick"]}


async def test_a_restart_follows_the_run_on_record_and_starts_no_second_one(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        await bench.ask("a", "b")
        await engine.looked.wait()
    assert platform.threads == {}

    run = engine._runs[RunId("run_1")]
    run[1][:] = [Answered(answer=Answer(text="late answer"))]
    async with running() as bench:
        await platform.posted(2)
    assert platform.threads["t1"] == ["late answer", "answer to b"]
    assert [question.text for _, question in engine.started] == ["a", "b"]


async def test_what_was_posted_before_the_platform_was_busy_is_not_posted_again(
    running: Running, platform: RecordingPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = platform.post

    async def is_busy_after_one(part: Post) -> MessageId:
        if platform.posts:
            monkeypatch.setattr(platform, "post", post)
            raise PlatformBusy(0.001)
        return await post(part)

    platform._parts = 2
    monkeypatch.setattr(platform, "post", is_busy_after_one)
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "answer to a (1)"]


async def test_a_part_that_was_posted_but_not_recorded_is_not_posted_again(
    running: Running,
    platform: RecordingPlatform,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform._parts = 3
    recorded = sqlite_store.progress.posted

    async def fails_once_for_part_one(
        turn: object, part: int, message: MessageId, *, last: bool
    ) -> None:
        if part == 1 and not failed:
            failed.append(part)
            raise StoreError
        await recorded(turn, part, message, last=last)  # type: ignore[arg-type]

    failed: list[int] = []
    monkeypatch.setattr(sqlite_store.progress, "posted", fails_once_for_part_one)
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert failed == [1]
    assert platform.threads["t1"] == ["answer to a", "answer to a (1)", "answer to a (2)"]


@pytest.mark.parametrize(
    "fault", [EngineUnreachable(), EngineBusy(0.002), EngineBusy(None)], ids=lambda e: type(e)
)
async def test_a_failed_look_ends_no_run(
    fault: Exception, running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", fault, fault, Answered(answer=Answer(text="still")))
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["still"]
    assert len(engine.started) == 1


async def test_a_run_past_its_deadline_is_cancelled_and_brings_the_fallback(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform, sqlite_store: Store
) -> None:
    engine.script("a", Working())
    async with running(deadline=0.05) as bench:
        await bench.ask("a")
        await bench.idle()
        await bench.ask("b")
        await bench.idle()
    assert engine.cancelled == ["run_1"]
    fallback = (
        "I cannot reply at this time. Reach out to the team on Discord: https://discord.gg/docent"
    )
    assert platform.threads["t1"][0] == fallback
    assert platform.replies[0].links == HELPFUL
    # A cancelled run leaves nobody knows what in its conversation: the next question has another.
    assert [conversation for conversation, _ in engine.started] == ["conv_1", "conv_2"]


async def test_a_run_that_is_given_up_tells_nothing_of_how_long_runs_take(
    running: Running, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[float] = []
    monkeypatch.setattr(Pace, "ended", lambda _, age, at_work: ended.append(age))
    engine.script("a", Working())
    async with running(deadline=0.05) as bench:
        await bench.ask("a")
        await bench.idle()
        assert ended == []
        await bench.ask("b")
        await bench.idle()
        assert len(ended) == 1


async def test_an_engine_that_cannot_be_reached_brings_the_fallback_at_the_deadline(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.start_errors = [EngineUnreachable() for _ in range(1000)]
    async with running(deadline=0.05) as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"][0].startswith("I cannot reply")


async def test_a_busy_engine_that_asks_for_more_than_the_deadline_brings_the_fallback_in_time(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.start_errors = [EngineBusy(3600)]
    async with running(deadline=0.05) as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"][0].startswith("I cannot reply")


async def test_a_run_that_failed_for_a_passing_reason_is_tried_once_more(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Failed(reason="server_error", transient=True))
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]
    assert [conversation for conversation, _ in engine.started] == ["conv_1", "conv_2"]


async def test_a_second_failed_run_brings_the_fallback(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    for _ in range(2):
        engine.script("a", Failed(reason="server_error", transient=True))
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert len(engine.started) == 2
    assert platform.threads["t1"][0].startswith("I cannot reply")


async def test_a_run_that_failed_for_good_is_not_tried_again(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Failed(reason="invalid_prompt", transient=False))
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert len(engine.started) == 1
    assert platform.threads["t1"][0].startswith("I cannot reply")


async def test_a_refusal_of_the_engine_brings_the_fallback_without_its_words(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.start_errors = [EngineRefused("Incorrect API key provided", "invalid_key")]
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"][0].startswith("I cannot reply")
    assert "key" not in platform.threads["t1"][0]


async def test_a_question_that_the_documentation_does_not_answer_brings_both_the_words_and_people(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", NotAnswered(text="The documentation does not say."))
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    (reply,) = platform.replies
    assert reply.text.startswith("The documentation does not say.\n\nI cannot reply")
    assert reply.links == HELPFUL


async def test_a_conversation_that_is_gone_is_rebuilt_from_our_turns(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
        engine.gone = {engine.started[0][0]}
        await bench.ask("b")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a", "answer to b"]
    assert engine.opened[1][1] == [Exchange(question="a", answer="answer to a")]


async def test_a_conversation_of_another_engine_is_not_used(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
        engine.name = "other"
        await bench.ask("b")
        await bench.idle()
    assert len(engine.opened) == 2


async def test_a_locked_conversation_is_waited_for(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
        conversation = engine.started[0][0]
        engine._busy[conversation] = RunId("somebody else's")
        attempts: list[str] = []

        def frees_at_the_third_try(question: Question) -> None:
            attempts.append(question.text)
            if len(attempts) == 3:
                del engine._busy[conversation]

        engine.start_hook = frees_at_the_third_try
        await bench.ask("b")
        await bench.idle()
    assert len(attempts) == 3
    assert platform.threads["t1"] == ["answer to a", "answer to b"]
    assert len(engine.opened) == 1


async def test_a_post_without_a_reply_from_the_platform_is_looked_for_before_it_is_repeated(
    running: Running, platform: RecordingPlatform
) -> None:
    platform.errors_after = [PlatformUnreachable()]
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.finds == 1
    assert platform.threads["t1"] == ["answer to a"]


async def test_a_post_that_did_not_take_effect_is_repeated(
    running: Running, platform: RecordingPlatform
) -> None:
    platform.errors = [PlatformUnreachable(), PlatformBusy(0.001), PlatformUnreachable()]
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]


@pytest.mark.parametrize("fault", [PlatformBusy(0.001), PlatformUnreachable()])
async def test_a_look_for_a_doubtful_part_that_fails_leaves_it_doubtful(
    fault: Exception, running: Running, platform: RecordingPlatform
) -> None:
    platform.errors_after = [PlatformUnreachable()]
    platform.find_errors = [fault]
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]


async def test_an_outcome_that_was_stored_although_the_database_failed_is_delivered_once(
    running: Running,
    platform: RecordingPlatform,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_after_effect(monkeypatch, sqlite_store.progress, "settle")
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]


async def test_a_run_that_was_recorded_although_the_database_failed_is_followed(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_after_effect(monkeypatch, sqlite_store.progress, "began")
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]
    assert len(engine.started) == 1


async def test_a_part_that_was_recorded_although_the_database_failed_is_not_posted_again(
    running: Running,
    platform: RecordingPlatform,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_after_effect(monkeypatch, sqlite_store.progress, "posted")
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]


async def test_a_question_that_was_stored_without_being_noticed_is_found_in_the_store(
    running: Running,
    platform: RecordingPlatform,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as bench:
        fail_after_effect(monkeypatch, sqlite_store.intake, "take")
        asked = mention("a", thread="t1")
        with pytest.raises(StoreError):
            await bench.desk.take(asked)
        assert await bench.desk.take(asked) is False
        await platform.posted(1)
    assert platform.threads["t1"] == ["answer to a"]


def fail_after_effect(monkeypatch: pytest.MonkeyPatch, owner: object, method: str) -> None:
    """Let a method's first call raise StoreError although it did what it was asked."""
    works = getattr(owner, method)
    failed: list[bool] = []

    async def fails_once(*arguments: object, **named: object) -> object:
        result = await works(*arguments, **named)
        if not failed:
            failed.append(True)
            raise StoreError
        return result

    monkeypatch.setattr(owner, method, fails_once)


@pytest.mark.parametrize("call", ["open_conversation", "start", "check", "cancel"])
async def test_an_engine_that_hangs_in_a_call_does_not_keep_the_asker_waiting(
    call: str,
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(answering, "LAST_CALL", 0.01)
    monkeypatch.setattr(engine, call, hangs)
    engine.script("a", Working())
    async with running(deadline=0.05) as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"][0].startswith("I cannot reply")


async def test_runs_past_their_deadline_do_not_queue_for_the_budget(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    budget = RequestBudget(per_second=0.001, burst=1)
    async with running(deadline=0.05, budget=budget) as bench:
        for number in range(5):
            engine.script(f"q{number}", Working())
            await bench.ask(f"q{number}", thread=f"t{number}")
        await bench.idle()
    assert len(platform.threads) == 5


async def test_the_sign_that_a_process_before_left_is_cleared_and_so_is_one_at_the_stop(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Working())
    async with running() as bench:
        await bench.ask("a")
        await engine.looked.wait()
    assert platform.signs == 1
    assert platform.working == set()

    platform.working = {"t1"}  # as if that process had been killed instead
    engine._runs[RunId("run_1")][1][:] = [Answered(answer=Answer(text="x"))]
    async with running() as bench:
        await platform.posted(1)
        await bench.idle()
    assert platform.working == set()


async def test_a_sign_is_cleared_before_its_turn_is_over_or_else_a_crash_would_leave_it(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[TurnState] = []
    clear = platform.clear_working

    async def clears(*arguments: Any) -> None:
        found.append((await bench.turn(1)).state)
        await clear(*arguments)

    monkeypatch.setattr(platform, "clear_working", clears)
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert found == [TurnState.ANSWERED]


async def test_no_words_of_an_unforeseen_error_reach_the_log(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine.start_errors = [RuntimeError("a private question")]
    caplog.set_level("INFO")
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert "Unforeseen error in a turn: RuntimeError" in caplog.text
    assert "private" not in caplog.text


async def test_a_fallback_does_without_its_pages_where_they_cannot_be_found(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
) -> None:
    async def broken(question: str, limit: int, sources: Sequence[str]) -> tuple[Citation, ...]:
        raise IndexError

    engine.script("a", Failed(reason="invalid_prompt", transient=False))
    async with running(find_pages=broken) as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"][0].startswith("I cannot reply")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ThreadGone(), "thread_gone"), (PlatformRefused("no", "do this"), "refused")],
)
async def test_a_reply_that_has_no_place_ends_its_turn_and_the_next_one_goes_on(
    error: Exception,
    outcome: str,
    running: Running,
    platform: RecordingPlatform,
    sqlite_store: Store,
) -> None:
    platform.errors = [error]
    async with running() as bench:
        await bench.ask("a", "b")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to b"]
    first = await sqlite_store.turns.get(1)  # type: ignore[arg-type]
    assert first is not None
    assert (first.state, first.outcome) == (TurnState.CANCELLED, outcome)


async def test_a_fallback_that_has_no_place_is_on_record_as_unanswered(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform, sqlite_store: Store
) -> None:
    platform.errors = [ThreadGone()]
    engine.script("a", NotAnswered())
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads.get("t1", []) == []
    first = await sqlite_store.turns.get(1)  # type: ignore[arg-type]
    assert first is not None
    assert (first.state, first.outcome) == (TurnState.CANCELLED, "not_answered")
    (gap,), _ = await sqlite_store.gaps.within(0.0, 1e12, 10)
    assert gap.kinds == (GapKind.NOT_ANSWERED,)


async def test_an_unforeseen_error_brings_the_fallback_and_leaves_other_turns_alone(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.start_errors = [RuntimeError("a bug")]
    async with running() as bench:
        await bench.ask("a", thread="t1")
        await bench.idle()
        await bench.ask("b", thread="t2")
        await bench.idle()
    assert platform.threads["t1"][0].startswith("I cannot reply")
    assert platform.threads["t2"] == ["answer to b"]


async def test_a_turn_that_cannot_even_be_apologised_for_ends(
    running: Running, platform: RecordingPlatform, sqlite_store: Store
) -> None:
    platform.render_errors = [RuntimeError("a bug") for _ in range(100)]
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    turn = await sqlite_store.turns.get(1)  # type: ignore[arg-type]
    assert turn is not None
    assert (turn.state, turn.outcome) == (TurnState.CANCELLED, "internal")


@pytest.mark.parametrize(
    "last",
    [
        Answered(answer=Answer(text="x")),
        Failed(reason="invalid_prompt", transient=False),
        NotAnswered(),
        EngineRefused("no", "no"),
    ],
    ids=lambda state: type(state).__name__,
)
async def test_the_working_sign_is_shown_and_cleared_whatever_happens(
    last: Answered | Failed | NotAnswered | Exception,
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
) -> None:
    engine.script("a", Working(), last)
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.signs == 1
    assert platform.working == set()


async def test_the_working_sign_is_shown_again_before_it_ends(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.working_seconds = 0.0
    engine.script("a", *[Working()] * 5, Answered(answer=Answer(text="x")))
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.signs > 3
    assert platform.working == set()


@pytest.mark.parametrize("step", ["posted", "next_or_release"])
async def test_a_question_taken_while_the_one_before_it_ends_is_not_stranded(
    step: str,
    running: Running,
    platform: RecordingPlatform,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = sqlite_store.progress if step == "posted" else sqlite_store.leases
    works = getattr(owner, step)
    async with running() as bench:

        async def asks_behind_its_back(*arguments: object, **named: object) -> object:
            found = await works(*arguments, **named)
            if not asked:
                asked.append("b")
                await bench.ask("b")
            return found

        asked: list[str] = []
        monkeypatch.setattr(owner, step, asks_behind_its_back)
        if step == "next_or_release":  # which is asked where no reply was posted
            platform.errors = [PlatformRefused("no", "do this")]
        await bench.ask("a")
        await platform.posted(1 if platform.errors else 2)
    assert platform.threads["t1"][-1] == "answer to b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  ", "Hello!"),
        ("Hello!", "Hello!"),
        ("hi Docent", "Hello!"),
        ("what can you do?", "Hello!"),
        ("Thanks!", "You're welcome!"),
    ],
)
async def test_a_mention_that_asks_nothing_gets_a_kind_word_and_costs_no_run(
    text: str, said: str, running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask(text)
        await bench.idle()
    assert platform.threads["t1"][0].startswith(said)
    assert engine.started == []


async def test_an_incomplete_answer_says_so(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("a", Answered(answer=Answer(text="half", incomplete=True)))
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    (reply,) = platform.replies
    assert reply.text == "half"
    assert "cut short" in reply.notes[0]


async def test_the_database_being_away_for_a_moment_loses_nothing(
    running: Running,
    platform: RecordingPlatform,
    sqlite_store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = sqlite_store.progress.began
    failures = [StoreError(), StoreError()]

    async def fails_twice(*arguments: object) -> None:
        if failures:
            raise failures.pop()
        await began(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite_store.progress, "began", fails_twice)
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]
    assert platform.replies[0].text == "answer to a"


async def test_looks_keep_to_the_budget(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    budget = RequestBudget(per_second=100, burst=1)
    began = asyncio.get_running_loop().time()
    async with running(budget=budget) as bench:
        for number in range(10):
            engine.script(f"q{number}", *[Working()] * 4, Answered(answer=Answer(text="x")))
            await bench.ask(f"q{number}", thread=f"t{number}")
        await bench.idle()
    seconds = asyncio.get_running_loop().time() - began
    assert engine.looks == 50
    assert engine.looks <= 1 + seconds * 100


async def test_a_stop_lets_a_running_step_end(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform, sqlite_store: Store
) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()
    opening = engine.open_conversation

    async def waits(*arguments: object) -> object:
        inside.set()
        await go_on.wait()
        return await opening(*arguments)  # type: ignore[arg-type]

    engine.open_conversation = waits  # type: ignore[method-assign,assignment]
    async with running() as bench:
        await bench.ask("a")
        await inside.wait()
        asyncio.get_running_loop().call_later(0.01, go_on.set)
    (turn,) = await sqlite_store.turns.heads()
    assert turn.run == "run_1"


async def test_a_stop_does_not_wait_for_ever_for_a_step(
    running: Running, engine: ScriptedEngine, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "GRACE", 0.01)
    inside = asyncio.Event()

    async def hangs(*arguments: object) -> object:
        inside.set()
        await asyncio.Event().wait()

    engine.open_conversation = hangs  # type: ignore[method-assign,assignment]
    async with asyncio.timeout(60), running() as bench:
        await bench.ask("a")
        await inside.wait()
    assert len(await sqlite_store.turns.heads()) == 1


async def test_the_turns_of_a_platform_that_this_process_does_not_serve_are_left_alone(
    running: Running, engine: ScriptedEngine, sqlite_store: Store
) -> None:
    await sqlite_store.turns.take(mention("x", platform="discord"))
    async with running() as bench:
        await bench.ask("y", platform="discord", thread="t9")
        assert bench.loop.idle.is_set()
    assert engine.started == []
    assert len(await sqlite_store.turns.heads()) == 2
