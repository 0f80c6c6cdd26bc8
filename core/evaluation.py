"""Asks an engine questions whose answers are known, and says how well it did.

Each question gets a conversation of its own, which is erased afterwards: nothing of it is stored,
and no thread of a platform knows of it.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from core.cases import Case
from core.domain import (
    Answered,
    Calls,
    Citation,
    ConversationId,
    Failed,
    Question,
    RunId,
    RunState,
    ThreadRef,
    TurnId,
    Working,
)
from core.errors import (
    ConversationLocked,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
)
from core.pacing import look_interval, setback_interval
from core.ports import AnswerEngine

RANKS = (1, 3, 5)
AT_ONCE = 4  # questions that are asked in parallel
MOST_SETBACKS = 5  # of one step, until it is given up
NOT_FOUND = 0

T = TypeVar("T")

FindPages = Callable[[Sequence[str], int], Awaitable[Sequence[Citation]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of one question."""

    case: Case
    rank: int  #: of the first expected page among those that the local index finds, from 1; 0: none
    answered: bool
    cited: tuple[str, ...]  #: addresses, in the order of the answer
    missing: tuple[str, ...]  #: facts that the answer does not hold
    failure: str  #: why there was neither an answer nor a word that there is none
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether all that was expected came true."""
        if self.failure or self.case.no_answer:
            return not self.failure and not self.answered
        cites = not self.case.pages or any(map(self.case.is_page, self.cited))
        return self.answered and cites and not self.missing


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """How well an engine did. A share is None where no question says anything about it."""

    questions: int
    right: float
    recall: dict[int, float | None]  #: by rank, of the local index
    cited: float | None  #: answers that cite an expected page
    answered: float | None  #: of the questions that have an answer
    not_answered: float | None  #: of those that have none
    facts: float | None  #: that were found
    failed: int
    median_seconds: float
    slowest_seconds: float


class Evaluation:
    """Questions to one engine, a few at once."""

    def __init__(
        self,
        engine: AnswerEngine,
        find_pages: FindPages,
        *,
        deadline: float,
        asked: MutableMapping[TurnId, Sequence[str]],
        at_once: int = AT_ONCE,
    ) -> None:
        """`asked` gets the questions up to each that is being asked, for engines that look there.

        `deadline`: seconds for one question with those before it, after which it has failed.
        """
        self._engine = engine
        self._find_pages = find_pages
        self._deadline = deadline
        self._asked = asked
        self._places = asyncio.Semaphore(at_once)
        self._numbers = count(1)

    async def run(self, cases: Sequence[Case]) -> list[Verdict]:
        """Ask all questions; a verdict on each, in their order. Raises EngineRefused.

        An engine that refuses one question will refuse the others, as for a key that is wrong.
        """
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._judge(case)) for case in cases]
        return [task.result() for task in asked]

    async def _judge(self, case: Case) -> Verdict:
        async with self._places:
            pages = await self._find_pages(case.questions, max(RANKS)) if case.pages else ()
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._deadline):
                    state = await self._ask(case)
            except TimeoutError:
                state = Failed(reason="deadline", transient=False)
            return _verdict(case, pages, state, time.monotonic() - began)

    async def _ask(self, case: Case) -> RunState:
        thread = ThreadRef(platform="evaluation", tenant="", key=str(case.line))
        runs: list[RunId] = []
        conversation: ConversationId | None = None
        try:
            conversation = await _patiently(lambda: self._engine.open_conversation(thread, []))
            for number in range(1, len(case.questions) + 1):
                state = await self._turn(conversation, thread, case.questions[:number], runs)
                if isinstance(state, Calls):  # which stand open there: no more can be asked
                    break
            return state
        except EngineRefused:
            raise
        except EngineError as error:
            return Failed(reason=type(error).__name__, transient=True)
        finally:
            await self._erase(conversation, runs)

    async def _turn(
        self,
        conversation: ConversationId,
        thread: ThreadRef,
        questions: Sequence[str],
        runs: list[RunId],
    ) -> RunState:
        turn = TurnId(next(self._numbers))
        self._asked[turn] = questions
        question = Question(
            turn=turn, thread=thread, author="evaluation", text=questions[-1], asked_at=time.time()
        )
        run = await _patiently(lambda: self._engine.start(conversation, question))
        runs.append(run)
        began = time.monotonic()
        while True:
            match await _patiently(lambda: self._engine.check(run)):
                case Working():
                    await asyncio.sleep(look_interval(time.monotonic() - began))
                case state:
                    return state

    async def _erase(self, conversation: ConversationId | None, runs: Sequence[RunId]) -> None:
        try:
            await self._engine.erase(conversation, runs)
        except EngineError:
            return  # the verdict stands all the same


async def _patiently(step: Callable[[], Awaitable[T]]) -> T:
    """Take a step, again and again where the engine asks for a pause or cannot be reached."""
    setbacks = 0
    while True:
        try:
            return await step()
        except (EngineBusy, EngineUnreachable, ConversationLocked) as error:
            setbacks += 1
            if setbacks == MOST_SETBACKS:
                raise
            asked = error.retry_after if isinstance(error, EngineBusy) else None
            await asyncio.sleep(setback_interval(setbacks, asked))


def figures(verdicts: Sequence[Verdict]) -> Figures:
    """Sum the verdicts up; there is one at least."""
    with_answer = [v for v in verdicts if not v.case.no_answer]
    with_page = [v for v in with_answer if v.case.pages]
    wanted = [fact for v in with_answer for fact in v.case.facts]
    missing = [fact for v in with_answer for fact in v.missing]
    return Figures(
        questions=len(verdicts),
        right=sum(v.is_right for v in verdicts) / len(verdicts),
        recall={rank: _share(NOT_FOUND < v.rank <= rank for v in with_page) for rank in RANKS},
        cited=_share(any(map(v.case.is_page, v.cited)) for v in with_page),
        answered=_share(v.answered for v in with_answer),
        not_answered=_share(not (v.answered or v.failure) for v in verdicts if v.case.no_answer),
        facts=1 - len(missing) / len(wanted) if wanted else None,
        failed=sum(bool(v.failure) for v in verdicts),
        median_seconds=statistics.median(v.seconds for v in verdicts),
        slowest_seconds=max(v.seconds for v in verdicts),
    )


def _share(of: Iterator[bool]) -> float | None:
    flags = list(of)
    return sum(flags) / len(flags) if flags else None


def _verdict(case: Case, pages: Sequence[Citation], state: RunState, seconds: float) -> Verdict:
    text, failure = "", ""
    cited: tuple[str, ...] = ()
    match state:
        case Answered(answer=answer):
            text = answer.text
            cited = tuple(citation.url for citation in answer.citations)
        case Failed(reason=reason):
            failure = reason
        case Calls():  # of a remote server that asks before: nobody is there to say yes
            failure = "confirmation"
    ranks = (rank for rank, page in enumerate(pages, start=1) if case.is_page(page.url))
    return Verdict(
        case=case,
        rank=next(ranks, NOT_FOUND),
        answered=isinstance(state, Answered),
        cited=cited,
        missing=tuple(fact for fact in case.facts if _plain(fact) not in _plain(text)),
        failure=failure,
        seconds=seconds,
    )


def _plain(text: str) -> str:
    """A text as it is compared: without markup of words, case and breaks of lines."""
    return " ".join(text.replace("*", "").replace("`", "").casefold().split())
