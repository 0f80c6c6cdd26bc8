"""The circuit breaker in front of an engine, with a clock and an engine in the test's hand."""

import asyncio
import logging
from collections.abc import Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.breaker import Breaker, Pauses
from core.domain import (
    Answer,
    Answered,
    ConversationId,
    Exchange,
    Question,
    RunId,
    RunState,
    ThreadRef,
    ToolOutput,
    TurnId,
    Working,
)
from core.errors import (
    ConversationGone,
    ConversationLocked,
    ConversationTooLong,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
)
from core.ports import AnswerEngine, FileKind

THREAD = ThreadRef(platform="slack", tenant="T1", key="C1")
CONVERSATION = ConversationId("conv_1")
QUESTION = Question(turn=TurnId(7), thread=THREAD, author="U1", text="Why?", asked_at=0.0)
RUN = RunId("resp_1")
ANSWERED = Answered(answer=Answer(text="So."))
NO_QUOTA = EngineRefused("No quota left.", "insufficient_quota")
CALLS = ("open_conversation", "start", "recover", "check", "cancel", "upload")
OF_QUESTIONS = ("open_conversation", "start")
Outcome = Any  # what the engine returns, or an exception that it raises


@dataclass(eq=False)
class Reached:
    """A call that got through and waits for the test to say how it goes."""

    call: str

    def __await__(self) -> Generator["Reached", Outcome, Outcome]:
        return (yield self)


class HeldEngine:
    """An engine whose every call waits for the test."""

    name = "held"

    def __init__(self) -> None:
        self.is_closed = False

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        opened: ConversationId = await Reached("open_conversation")
        return opened

    reads_files = True

    async def upload(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        uploaded: str = await Reached("upload")
        return uploaded

    async def start(
        self,
        conversation: ConversationId,
        question: Question,
        outputs: Sequence[ToolOutput] = (),
    ) -> RunId:
        run: RunId = await Reached("start")
        return run

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        state: RunState | None = await Reached("recover")
        return state

    async def check(self, run: RunId) -> RunState:
        state: RunState = await Reached("check")
        return state

    async def cancel(self, run: RunId) -> None:
        await Reached("cancel")

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        await Reached("erase")

    async def close(self) -> None:
        self.is_closed = True


class Call:
    """A call of the breaker, which has reached the engine, or failed at once."""

    def __init__(self, coroutine: Coroutine[Reached, Outcome, Outcome]) -> None:
        self._coroutine = coroutine
        self.turned_away: EngineError | None = None
        try:
            coroutine.send(None)
        except EngineError as error:
            self.turned_away = error

    @property
    def got_through(self) -> bool:
        return self.turned_away is None

    def end(self, outcome: Outcome = None) -> Outcome:
        """Let the engine return or raise this, and say what came out in front."""
        try:
            if isinstance(outcome, BaseException):
                self._coroutine.throw(outcome)
            else:
                self._coroutine.send(outcome)
        except StopIteration as returned:
            return returned.value
        except (EngineError, asyncio.CancelledError) as raised:
            return raised
        raise AssertionError("the call has not ended")


@dataclass
class Rig:
    """A breaker with a clock that stands still unless it is moved."""

    now: float = 1000.0
    told: list[tuple[str, str | None]] = field(default_factory=list)
    engine: HeldEngine = field(default_factory=HeldEngine)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            self.engine,
            clock=lambda: self.now,
            on_trouble=lambda key, message: self.told.append((key, message)),
            pauses=Pauses(
                failures=3, first=2.0, longest=8.0, first_refused=30.0, longest_refused=60.0
            ),
        )

    def call(self, name: str = "check") -> Call:
        arguments: dict[str, tuple[Any, ...]] = {
            "open_conversation": (THREAD, ()),
            "upload": ("a.pdf", "document", b"%PDF-", 60.0),
            "start": (CONVERSATION, QUESTION),
            "recover": (CONVERSATION, QUESTION),
            "check": (RUN,),
            "cancel": (RUN,),
            "erase": (CONVERSATION, [RUN]),
        }
        return Call(getattr(self.breaker, name)(*arguments[name]))

    def fail(self, name: str = "check", times: int = 3, error: EngineError | None = None) -> None:
        for _ in range(times):
            assert self.call(name).end(error or EngineUnreachable()) is not None

    def busy(self, name: str = "check") -> float:
        """The seconds that a call which fails at once is told to wait."""
        turned_away = self.call(name).turned_away
        assert isinstance(turned_away, EngineBusy)
        assert turned_away.retry_after is not None
        return turned_away.retry_after


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_breaker_is_an_engine_with_the_name_of_the_one_behind(rig: Rig) -> None:
    engine: AnswerEngine = rig.breaker
    assert engine.name == "held"


# --- results pass through -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CALLS, "erase"])
@pytest.mark.parametrize(
    "outcome",
    [
        EngineUnreachable("said"),
        EngineBusy(240.0),
        EngineRefused("No.", "bad_request"),
        EngineRefused("No.", "unauthorized"),
        ConversationLocked(),
        ConversationGone(),
        ConversationTooLong(),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
def test_what_the_engine_raises_comes_out_as_it_is(
    rig: Rig, name: str, outcome: BaseException
) -> None:
    assert rig.call(name).end(outcome) is outcome


def test_what_the_engine_returns_comes_out_as_it_is(rig: Rig) -> None:
    assert rig.call("open_conversation").end(CONVERSATION) is CONVERSATION
    assert rig.call("start").end(RUN) is RUN
    assert rig.call("recover").end(None) is None
    assert rig.call("recover").end(ANSWERED) is ANSWERED
    assert rig.call("check").end(ANSWERED) is ANSWERED
    assert rig.told == []


async def test_closing_closes_the_engine(rig: Rig) -> None:
    await rig.breaker.close()
    assert rig.engine.is_closed


# --- opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("error", [EngineUnreachable(), EngineBusy(), EngineBusy(0.5)], ids=repr)
def test_failures_in_a_row_open_the_circuit(rig: Rig, name: str, error: EngineError) -> None:
    rig.fail(name, 2, error)
    assert rig.told == []
    rig.fail(name, 1, error)
    assert [key for key, _ in rig.told] == ["engine"]
    assert rig.busy(name) == 2.0
    rig.now += 1.5
    assert rig.busy(name) == 0.5


def test_a_success_between_failures_begins_the_count_anew(rig: Rig) -> None:
    for _ in range(5):
        rig.fail(times=2)
        rig.call().end(Working())
    assert rig.call().got_through


@pytest.mark.parametrize(
    "error",
    [
        ConversationLocked(),
        ConversationGone(),
        ConversationTooLong(),
        EngineRefused("No.", "bad_request"),
        EngineRefused("No.", "identifier_blocked"),
    ],
    ids=repr,
)
def test_the_trouble_of_one_conversation_or_request_opens_nothing(
    rig: Rig, error: EngineError
) -> None:
    for name in CALLS:
        rig.fail(name, 10, error)
        assert rig.call(name).got_through
    assert rig.told == []


def test_a_cancelled_call_is_no_failure(rig: Rig) -> None:
    for _ in range(10):
        rig.call().end(asyncio.CancelledError())
    assert rig.call().got_through


def test_questions_and_looks_have_a_circuit_each(rig: Rig) -> None:
    for _ in range(3):
        rig.fail("start", 1)
        rig.call("check").end(Working())
    assert rig.busy("open_conversation") == 2.0
    assert all(rig.call(name).got_through for name in ("check", "cancel", "recover", "erase"))


def test_both_circuits_open_are_one_trouble(rig: Rig) -> None:
    rig.fail("start")
    rig.fail("check")
    assert len(rig.told) == 1
    rig.now += 2.0
    rig.call("start").end(RUN)
    assert len(rig.told) == 1
    rig.call("check").end(Working())
    assert rig.told[1:] == [("engine", None)]


def test_the_pause_lasts_at_least_as_long_as_the_engine_asked_for(rig: Rig) -> None:
    rig.fail(times=2)
    rig.fail(times=1, error=EngineBusy(240.0))
    assert rig.busy() == 240.0


def test_a_pause_of_days_is_taken_for_a_mistake(rig: Rig) -> None:
    rig.fail(times=3, error=EngineBusy(1e9))
    assert rig.busy() == 3600.0


def test_calls_that_were_under_way_make_the_pause_longer_at_most(rig: Rig) -> None:
    late = [rig.call() for _ in range(5)]
    rig.fail()
    late[0].end(Working())
    late[1].end(EngineUnreachable())
    late[2].end(EngineRefused("No.", "insufficient_quota"))
    assert rig.busy() == 2.0
    late[3].end(EngineBusy(7.0))
    late[4].end(EngineBusy(3.0))
    assert rig.busy() == 7.0


# --- half open ------------------------------------------------------------------------------------


def test_after_the_pause_one_call_probes_and_the_others_still_fail_at_once(rig: Rig) -> None:
    rig.fail()
    rig.now += 2.0
    probe = rig.call()
    assert probe.got_through
    assert [rig.busy() for _ in range(200)] == [1.0] * 200
    assert rig.busy("cancel") == 1.0
    probe.end(Working())
    assert all(call.got_through for call in [rig.call() for _ in range(200)])
    assert [message for _, message in rig.told][1:] == [None]


def test_each_probe_that_fails_doubles_the_pause_up_to_a_bound(rig: Rig) -> None:
    rig.fail()
    pauses = []
    for _ in range(40):
        pauses.append(rig.busy())
        rig.now += pauses[-1]
        rig.fail(times=1)
    assert pauses[:4] == [2.0, 4.0, 8.0, 8.0]
    assert max(pauses) == 8.0
    assert len(rig.told) == 1
    rig.now += 8.0
    rig.call().end(Working())
    rig.fail()
    assert rig.busy() == 2.0


@pytest.mark.parametrize(
    "alive",
    [ConversationLocked(), ConversationGone(), EngineRefused("No.", "bad_request"), NO_QUOTA],
    ids=repr,
)
def test_a_probe_that_meets_any_reply_of_a_living_engine_closes(
    rig: Rig, alive: EngineError
) -> None:
    rig.fail()
    rig.now += 2.0
    assert rig.call().end(alive) is alive
    assert rig.call().got_through


def test_a_probe_that_is_cancelled_leaves_its_place_to_the_next_call(rig: Rig) -> None:
    rig.fail()
    rig.now += 2.0
    for _ in range(3):
        probe = rig.call()
        assert probe.got_through
        assert rig.busy() == 1.0
        probe.end(asyncio.CancelledError())
    rig.call().end(Working())
    assert rig.call().got_through


def test_an_unforeseen_error_of_a_probe_leaves_its_place_too(rig: Rig) -> None:
    rig.fail()
    rig.now += 2.0
    with pytest.raises(ZeroDivisionError):
        rig.call().end(ZeroDivisionError())
    assert rig.call().got_through


def test_erasing_waits_but_never_probes(rig: Rig) -> None:
    rig.fail()
    assert rig.busy("erase") == 2.0
    rig.now += 2.0
    assert rig.busy("erase") == 1.0
    rig.call().end(Working())
    for _ in range(9):
        assert isinstance(rig.call("erase").end(EngineUnreachable()), EngineUnreachable)
    assert rig.call("check").got_through


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        "unauthorized",
        "forbidden",
        "insufficient_quota",
        "model_not_found",
        "vector_store_not_found",
    ],
)
@pytest.mark.parametrize("name", OF_QUESTIONS)
def test_a_refusal_for_all_questions_is_given_to_the_next_ones_at_once(
    rig: Rig, name: str, reason: str
) -> None:
    rig.call(name).end(EngineRefused("Mend it.", reason))
    assert rig.told == [("engine_refused", "Mend it.")]
    for other in OF_QUESTIONS * 5:
        refused = rig.call(other).turned_away
        assert isinstance(refused, EngineRefused)
        assert (str(refused), refused.reason) == ("Mend it.", reason)
    assert all(rig.call(call).got_through for call in ("check", "cancel", "recover", "erase"))
    rig.now += 30.0
    rig.call(name).end(RUN)
    assert rig.told == [("engine_refused", "Mend it."), ("engine_refused", None)]
    assert rig.call(name).got_through


def test_a_key_that_was_revoked_is_learnt_from_looks_too(rig: Rig) -> None:
    looks = [rig.call("check") for _ in range(200)]
    for look in looks:
        look.end(EngineRefused("Check the key.", "unauthorized"))
    assert rig.told == [("engine_refused", "Check the key.")]
    assert isinstance(rig.call("start").turned_away, EngineRefused)
    assert rig.call("check").got_through
    rig.now += 30.0
    assert rig.call("start").got_through


def test_while_refused_one_question_probes_after_a_pause_that_grows(rig: Rig) -> None:
    rig.call("start").end(NO_QUOTA)
    for pause in (30.0, 60.0, 60.0):
        rig.now += pause - 1.0
        assert not rig.call("start").got_through
        rig.now += 1.0
        probe = rig.call("start")
        assert probe.got_through
        assert not rig.call("start").got_through
        probe.end(NO_QUOTA)
    assert rig.told == [("engine_refused", "No quota left.")]


def test_another_refusal_is_told_and_an_outage_does_not_hide_one(rig: Rig) -> None:
    rig.call("start").end(NO_QUOTA)
    rig.now += 30.0
    rig.call("start").end(EngineUnreachable())
    assert str(rig.call("start").turned_away) == "No quota left."
    rig.now += 60.0
    rig.call("start").end(EngineRefused("Check the key.", "unauthorized"))
    assert str(rig.call("start").turned_away) == "Check the key."
    assert [message for _, message in rig.told] == ["No quota left.", "Check the key."]


def test_an_outage_that_turns_out_a_refusal_is_over(rig: Rig) -> None:
    rig.fail("start")
    rig.now += 2.0
    rig.call("start").end(NO_QUOTA)
    assert rig.told[1:] == [("engine", None), ("engine_refused", "No quota left.")]


def test_one_line_is_logged_when_it_opens_and_one_when_it_closes(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rig.fail(times=3, error=EngineUnreachable("api.openai.com:443 answered HTTP 503."))
    for pause in (2.0, 4.0):
        rig.now += pause
        rig.fail(times=1, error=EngineUnreachable("api.openai.com:443 answered HTTP 502."))
    rig.now += 8.0
    rig.call().end(Working())
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "Engine is not asked for a while: api.openai.com:443 answered HTTP 503."),
        ("INFO", "Engine is asked again"),
    ]


# --- whatever happens -----------------------------------------------------------------------------

OUTCOMES = st.sampled_from(
    [
        Working(),
        EngineUnreachable(),
        EngineUnreachable(),
        EngineBusy(),
        EngineBusy(5.0),
        EngineBusy(7200.0),
        NO_QUOTA,
        EngineRefused("No.", "bad_request"),
        ConversationLocked(),
        asyncio.CancelledError(),
    ]
)


class OneCircuit(RuleBasedStateMachine):
    """Calls of one kind that begin, end and are cancelled in any order."""

    name = "check"

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig()
        self.running: list[tuple[Call, bool]] = []  # and whether the circuit was open then

    @property
    def is_open(self) -> bool:
        begun: dict[str, bool] = {}
        for key, message in self.rig.told:
            begun[key] = message is not None
        return any(begun.values())

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0, 8.0, 60.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.rig.now += seconds

    @precondition(lambda self: len(self.running) < 8)
    @rule()
    def begin(self) -> None:
        was_open = self.is_open
        call = self.rig.call(self.name)
        if call.got_through:
            self.running.append((call, was_open))
            return
        assert was_open
        if isinstance(call.turned_away, EngineBusy):
            assert call.turned_away.retry_after is not None
            assert 0 < call.turned_away.retry_after <= 3600.0
        else:
            assert isinstance(call.turned_away, EngineRefused)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), outcome=OUTCOMES)
    def end(self, data: st.DataObject, outcome: Outcome) -> None:
        number = data.draw(st.integers(0, len(self.running) - 1))
        call, _ = self.running.pop(number)
        assert call.end(outcome) is outcome
        if not self.is_open:  # what began while it was open is a probe no more
            self.running = [(call, False) for call, _ in self.running]

    @invariant()
    def at_most_one_probe_is_under_way(self) -> None:
        assert sum(was_open for _, was_open in self.running) <= 1

    def teardown(self) -> None:
        """It is never stuck: with calls that end and an engine that works, it closes."""
        for call, _ in self.running:
            call.end(asyncio.CancelledError())
        self.rig.now += 3600.0
        last = self.rig.call(self.name)
        assert last.got_through
        last.end(Working())
        assert not self.is_open
        assert all(call.got_through for call in [self.rig.call(self.name) for _ in range(9)])


class QuestionsCircuit(OneCircuit):
    """The same for the calls that a refusal stops."""

    name = "start"


TestLooks = OneCircuit.TestCase
TestQuestions = QuestionsCircuit.TestCase
TestLooks.settings = TestQuestions.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
