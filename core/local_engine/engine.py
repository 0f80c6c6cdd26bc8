"""The engine that needs no key and no network: it answers with passages of the documentation."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from core.domain import (
    Answered,
    ConversationId,
    Exchange,
    Failed,
    NotAnswered,
    Question,
    RunId,
    RunState,
    ThreadRef,
    ToolOutput,
    TurnId,
)
from core.errors import EngineRefused
from core.local_engine.answer import write_answer
from core.local_engine.errors import translated_errors
from core.local_engine.finder import PageFinder
from core.ports import FileKind, Written

Questions = Callable[[TurnId], Awaitable[Sequence[str]]]
SourcesOf = Callable[[TurnId], Awaitable[Sequence[str]]]

_CONVERSATION = ConversationId("local")  # the thread's turns are all the memory there is
_RUN = re.compile(r"local-([0-9]{1,18})")  # no more than a row of the store can have


async def all_sources(_: TurnId) -> Sequence[str]:
    """Leave none out."""
    return ()


class LocalEngine:
    """An AnswerEngine without state: any process looks a run up when it is asked for.

    `questions` gives the questions of a turn's thread up to and including that turn's, oldest
    first; none for a turn that it does not know. `sources` names those to answer it from; none
    where all count.
    """

    name = "local"

    def __init__(
        self, finder: PageFinder, questions: Questions, sources: SourcesOf = all_sources
    ) -> None:
        self._finder = finder
        self._questions = questions
        self._sources = sources

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        """Return a name that stands for every conversation. A repeat returns the same."""
        return _CONVERSATION

    reads_files = False

    async def upload(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        """Refuse: it looks for the words of questions."""
        raise EngineRefused("The local engine reads no attached files.")

    async def start(
        self,
        conversation: ConversationId,
        question: Question,
        outputs: Sequence[ToolOutput] = (),
    ) -> RunId:
        """Name the run after the turn; a repeat names the same run."""
        return RunId(f"local-{question.turn}")

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        """Find no trace: a run is nothing but the number of its turn, and starting it is free."""
        return None

    async def check(self, run: RunId) -> RunState:
        """Look the question up and say what was found: never Working. Raises EngineUnreachable."""
        ours = _RUN.fullmatch(run)
        with translated_errors():
            turn = TurnId(int(ours.group(1))) if ours else TurnId(0)
            questions = await self._questions(turn) if turn else ()
            if not questions:
                return Failed(reason="run_lost", transient=True)
            sources = await self._sources(turn)
            matches, weighted = await self._finder.find(questions, sources)
        if not matches:
            return NotAnswered()
        return Answered(answer=write_answer(matches, weighted))

    async def listen(self, run: RunId) -> AsyncIterator[Written]:
        """Say nothing: the answer is there at once when it is looked at."""
        nothing: tuple[Written, ...] = ()
        for written in nothing:
            yield written

    async def cancel(self, run: RunId) -> None:
        """Do nothing: there is no work between two looks at a run."""

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        """Do nothing: whatever there is of a thread, the store has."""

    async def close(self) -> None:
        """Do nothing: the connections are the store's."""
