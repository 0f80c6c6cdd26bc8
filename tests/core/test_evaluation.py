"""Asking engines questions whose answers are known: the local one, and OpenAI's over a socket."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.cases import Case
from core.documents import Page
from core.domain import (
    Answer,
    Answered,
    Calls,
    Citation,
    ConversationId,
    Exchange,
    Failed,
    NotAnswered,
    Question,
    RunId,
    RunState,
    ThreadRef,
    ToolCall,
    TurnId,
    Working,
)
from core.errors import EngineBusy, EngineRefused, EngineUnreachable
from core.evaluation import Evaluation, Verdict, figures
from core.local_engine import LocalEngine, LocalIndex, PageFinder
from core.openai_engine.engine import OpenAIEngine
from core.ports import AnswerEngine
from core.store import Store
from servers.openai_faults import error, rate_limited
from servers.openai_rig import Docs, make_engine
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

ZEBRAS = "https://docs.example/zebras"
CASES = (
    Case(line=1, question="how do I feed a zebra?", pages=("zebras",), facts=("fresh grass",)),
    Case(line=2, question="how do I bake bread?", no_answer=True),
)


async def no_pages(questions: Sequence[str], limit: int) -> Sequence[Citation]:
    return ()


def evaluation(engine: AnswerEngine, *, deadline: float = 20.0, at_once: int = 4) -> Evaluation:
    return Evaluation(engine, no_pages, deadline=deadline, asked={}, at_once=at_once)


def verdict(case: Case, **known: object) -> Verdict:
    defaults = {"rank": 0, "answered": False, "cited": (), "missing": (), "failure": ""}
    return Verdict(case=case, **(defaults | {"seconds": 1.0} | known))  # type: ignore[arg-type]


class StateEngine:
    """An engine whose runs are as they are told to be, and that counts how many are open."""

    name = "states"

    def __init__(self, *states: RunState | Exception) -> None:
        self.states = list(states)
        self.asked: list[str] = []
        self.open = self.most_open = 0
        self.erased: list[Sequence[RunId]] = []

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return ConversationId(thread.key)

    async def start(self, conversation: ConversationId, question: Question) -> RunId:
        self.asked.append(question.text)
        return RunId(str(question.turn))

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        return None

    async def check(self, run: RunId) -> RunState:
        await asyncio.sleep(0)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return state

    async def cancel(self, run: RunId) -> None:
        """Nothing runs."""

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        self.open -= 1
        self.erased.append(runs)

    async def close(self) -> None:
        """Nothing is open."""


async def test_the_local_engine_is_asked_and_judged(store: Store) -> None:
    page = Page(
        source="s",
        url=ZEBRAS,
        title="Zebras",
        markdown="# Zebras\n\nTo feed a zebra, give it\n**fresh** grass.",
        stamp=None,
    )
    await LocalIndex(store.passages).put([page])
    asked: dict[TurnId, Sequence[str]] = {}

    async def questions(turn: TurnId) -> Sequence[str]:
        return asked[turn]

    finder = PageFinder(store.passages)
    local = Evaluation(LocalEngine(finder, questions), finder.pages, deadline=20.0, asked=asked)
    follow_up = Case(line=3, earlier=("feed a zebra",), question="why?", pages=("zebras",))
    fed, bread, why = await local.run([*CASES, follow_up])
    assert (fed.rank, fed.answered, fed.cited, fed.missing) == (1, True, (ZEBRAS,), ())
    assert (bread.answered, bread.is_right) == (False, True)
    assert why.is_right
    found = figures([fed, bread, why])
    assert (found.right, found.not_answered, found.facts) == (1.0, 1.0, 1.0)
    assert found.recall == {1: 1.0, 3: 1.0, 5: 1.0}
    assert await store.turns.heads() == []


async def test_openai_is_asked_through_the_same_port_and_keeps_nothing() -> None:
    async with OpenAIServer(script=Script(text="Give it fresh grass.")) as server:
        engine: OpenAIEngine = make_engine(server, Docs())
        follow_up = Case(line=3, earlier=("about zebras",), question="food?", facts=("hay",))
        fed, hay = await evaluation(engine).run([CASES[0], follow_up])
        await engine.close()
        assert (fed.answered, fed.missing, fed.failure) == (True, (), "")
        assert not fed.is_right, "it cites no page"
        assert hay.missing == ("hay",)
        assert server.conversations.all == {}
        assert len(server.conversations.deleted) == 2
        assert server.responses.all == {}


async def test_a_pause_that_the_engine_asks_for_is_kept_and_the_question_goes_on() -> None:
    async with OpenAIServer(script=Script(text="Fresh grass.")) as server:
        engine = make_engine(server, Docs())
        server.fault("POST", "/responses", rate_limited(retry_after="0"))
        [fed] = await evaluation(engine).run(CASES[:1])
        await engine.close()
        assert fed.answered
        assert fed.seconds > 0.3


async def test_a_key_that_is_refused_ends_the_whole() -> None:
    async with OpenAIServer() as server:
        engine = make_engine(server, Docs())
        refusal = error(401, "Incorrect key.", "invalid_api_key", "invalid_request_error")
        server.fault("POST", "/conversations", refusal, refusal)
        with pytest.raises(ExceptionGroup) as raised:
            await evaluation(engine).run(CASES)
        await engine.close()
        assert raised.group_contains(EngineRefused)


async def test_a_run_is_looked_at_until_it_ends() -> None:
    engine = StateEngine(Working(), Working(), NotAnswered())
    [bread] = await evaluation(engine).run(CASES[1:])
    assert bread.is_right
    assert bread.seconds > 0.3


@pytest.mark.parametrize(
    ("state", "failure"),
    [(Failed(reason="server_error", transient=True), "server_error"),
     (Working(), "deadline"),
     (EngineUnreachable(), "deadline"),
     (EngineBusy(60.0), "deadline")],
)  # fmt: skip
async def test_what_fails_is_neither_an_answer_nor_knowing_that_there_is_none(
    state: RunState | Exception, failure: str
) -> None:
    engine = StateEngine(state)
    [bread] = await evaluation(engine, deadline=0.4).run(CASES[1:])
    assert (bread.failure, bread.answered, bread.is_right) == (failure, False, False)
    assert figures([bread]).not_answered == 0.0
    assert engine.erased == [["1"]]


async def test_after_a_call_that_waits_for_somebody_nothing_more_is_asked_there() -> None:
    wanted = ToolCall(id="mcpr_1", name="pay", arguments="{}", server="bank")
    engine = StateEngine(Calls(calls=(wanted,)))
    [bread] = await evaluation(engine).run([replace(CASES[1], earlier=("pay for it",))])
    assert (bread.failure, engine.asked) == ("confirmation", ["pay for it"])


async def test_no_more_questions_are_asked_at_once_than_allowed() -> None:
    engine = StateEngine(Answered(answer=Answer(text="x", citations=())))
    cases = [Case(line=n, question=f"q{n}", facts=("x",)) for n in range(20)]
    verdicts = await evaluation(engine, at_once=3).run(cases)
    assert [v.case.line for v in verdicts] == list(range(20))
    assert all(v.is_right for v in verdicts)
    assert (engine.most_open, engine.open) == (3, 0)
    assert sorted(engine.asked) == sorted(case.question for case in cases)


def test_figures_say_nothing_about_what_was_not_asked() -> None:
    found = figures([verdict(Case(line=1, question="q", facts=("x",)), answered=True)])
    assert found.recall == {1: None, 3: None, 5: None}
    assert (found.cited, found.not_answered) == (None, None)
    assert (found.answered, found.facts) == (1.0, 1.0)


def test_recall_counts_the_first_right_page_and_facts_count_one_by_one() -> None:
    paged = Case(line=1, question="q", pages=("a",))
    facts = Case(line=2, question="q", facts=("x", "y"))
    found = figures(
        [
            verdict(paged, rank=1, answered=True, cited=("https://d/a",)),
            verdict(paged, rank=4, answered=True, cited=("https://d/b",)),
            verdict(paged, rank=0),
            verdict(facts, answered=True, missing=("y",)),
        ]
    )
    assert found.recall == {1: 1 / 3, 3: 1 / 3, 5: 2 / 3}
    assert (found.cited, found.answered, found.facts) == (1 / 3, 3 / 4, 1 / 2)
    assert found.right == 1 / 4
