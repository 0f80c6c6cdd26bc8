"""A circuit breaker: an engine that spares another one while that cannot answer.

    closed     calls go through; failures in a row are counted
    open       calls fail at once, without touching the network, until a pause is over
    half open  one call goes through and probes; the others still fail at once

There are two circuits, because questions may be refused where looks still work (no quota left, a
rate limit, half an outage): one for starting runs, one for those that are under way. What is wrong
with one conversation (locked, gone, too long) shows that the engine is alive.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from core.domain import (
    ConversationId,
    Exchange,
    Question,
    RunId,
    RunState,
    ThreadRef,
    ToolOutput,
)
from core.errors import EngineBusy, EngineError, EngineRefused, EngineUnreachable
from core.ports import AnswerEngine, FileKind, Written

log = logging.getLogger(__name__)

Clock = Callable[[], float]
OnTrouble = Callable[[str, str | None], None]
"""Hears of a trouble by its key, and by None that it is over; called at once, must not raise."""

DOWN = "engine"
REFUSED = "engine_refused"

# Refusals that every question would get, until an operator mends their cause.
REFUSES_ALL = frozenset(
    {"unauthorized", "forbidden", "insufficient_quota", "model_not_found", "vector_store_not_found"}
)
REFUSES_KEY = "unauthorized"  # the one of them that a look tells about questions too

PROBE_SECONDS = 1.0  # to come again while a probe is under way
LONGEST_WISH = 3_600.0  # seconds of pause that the engine may ask for: no mistake of its stops us


@dataclass(frozen=True, kw_only=True, slots=True)
class Pauses:
    """How long a circuit stays open, in seconds: twice as long after each probe that fails."""

    failures: int = 5  #: in a row that open it
    first: float = 2.0
    longest: float = 30.0  #: short against a question's deadline: most outages are to be sat out
    first_refused: float = 30.0  #: after a refusal that all would get
    longest_refused: float = 60.0


class Breaker:
    """An AnswerEngine in front of another, which it does not hammer while that is down.

    Results and errors pass through unchanged. What does not get through raises EngineBusy with the
    seconds to wait, or, while all questions are refused, the same EngineRefused.
    """

    def __init__(
        self,
        engine: AnswerEngine,
        *,
        on_trouble: OnTrouble | None = None,
        clock: Clock = time.monotonic,
        pauses: Pauses | None = None,
    ) -> None:
        self._engine = engine
        self._on_trouble = on_trouble
        pauses = pauses or Pauses()
        self._questions = _Circuit(clock, pauses, REFUSES_ALL)
        self._looks = _Circuit(clock, pauses, ())
        self._told: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The name of the engine behind: conversations are its own."""
        return self._engine.name

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        """Open a conversation, as the engine does."""
        with self._through(self._questions):
            return await self._engine.open_conversation(thread, history)

    @property
    def reads_files(self) -> bool:
        """Whether the engine does."""
        return self._engine.reads_files

    async def upload(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        """Upload a file, as the engine does; what is refused here says nothing about questions."""
        with self._through(self._looks):
            return await self._engine.upload(name, kind, data, keep)

    async def start(
        self,
        conversation: ConversationId,
        question: Question,
        outputs: Sequence[ToolOutput] = (),
    ) -> RunId:
        """Start a run, as the engine does."""
        with self._through(self._questions):
            return await self._engine.start(conversation, question, outputs)

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        """Look for a lost run, as the engine does."""
        with self._through(self._looks):
            return await self._engine.recover(conversation, question)

    async def check(self, run: RunId) -> RunState:
        """Look at a run, as the engine does: also while questions are refused."""
        with self._through(self._looks):
            return await self._engine.check(run)

    def listen(self, run: RunId) -> AsyncIterator[Written]:
        """Hear how the answer is written. What breaks there says nothing about the engine."""
        return self._engine.listen(run)

    async def cancel(self, run: RunId) -> None:
        """Cancel a run, as the engine does: also while questions are refused."""
        with self._through(self._looks):
            await self._engine.cancel(run)

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        """Erase, as the engine does; too long a work to be a probe, so it only waits for one."""
        self._looks.refuse_while_open()
        await self._engine.erase(conversation, runs, uploads)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()

    @contextmanager
    def _through(self, circuit: "_Circuit") -> Iterator[None]:
        try:
            with circuit.call():
                yield
        except EngineRefused as error:
            if error.reason == REFUSES_KEY:
                self._questions.refuse(error)
            raise
        finally:
            self._tell()

    def _tell(self) -> None:
        """Say which troubles have begun and which are over since the last time."""
        troubles: dict[str, str] = {}
        for circuit in (self._looks, self._questions):
            if circuit.trouble is not None:
                key = REFUSED if isinstance(circuit.trouble, EngineRefused) else DOWN
                troubles[key] = str(circuit.trouble)
        over = [key for key in self._told if key not in troubles]
        # How an outage looks changes from probe to probe; what an operator has to mend does not.
        fresh = {
            key: said
            for key, said in troubles.items()
            if key not in self._told or (key == REFUSED and said != self._told[key])
        }
        self._told = troubles
        for key in over:
            log.info("Engine is asked again", extra={"trouble": key})
            self._report(key, None)
        for key, said in fresh.items():
            log.warning("Engine is not asked for a while: %s", said, extra={"trouble": key})
            self._report(key, said)

    def _report(self, key: str, message: str | None) -> None:
        if self._on_trouble is not None:
            self._on_trouble(key, message)


@dataclass(frozen=True, slots=True)
class _Pass:
    """What lets a call through."""

    epoch: int  #: of the circuit when the call began
    is_probe: bool


class _Circuit:
    """Decides whether calls of one kind go through."""

    def __init__(self, clock: Clock, pauses: Pauses, refuses_all: Collection[str]) -> None:
        """`refuses_all` are the reasons of refusals that open the circuit."""
        self._clock = clock
        self._pauses = pauses
        self._refuses_all = refuses_all
        self.trouble: EngineError | None = None  #: why it is open; None: it is closed
        self._failures = 0  # in a row, while it is closed
        self._openings = 0  # in a row
        self._until = 0.0  # when the pause is over
        self._is_probed = False
        self._epoch = 0  # a call that began in an earlier one says nothing about this one

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let a call through, or raise at once; and hear how it goes.

        One that is cancelled tells nothing: where it was the probe, the next call is one.
        """
        passed = self._admit()
        try:
            yield
        except EngineError as error:
            self._hear(passed, error)
            raise
        else:
            self._hear(passed, None)
        finally:
            if passed.is_probe:
                self._is_probed = False

    def refuse(self, refusal: EngineRefused) -> None:
        """Open for a refusal that came another way, unless it is open for one already."""
        if not isinstance(self.trouble, EngineRefused):
            self._open(refusal)

    def refuse_while_open(self) -> None:
        """Raise while the circuit is open."""
        if self.trouble is not None:
            raise self._turned_away()

    def _admit(self) -> _Pass:
        if self.trouble is None:
            return _Pass(self._epoch, is_probe=False)
        if self._is_probed or self._clock() < self._until:
            raise self._turned_away()
        self._is_probed = True
        return _Pass(self._epoch, is_probe=True)

    def _turned_away(self) -> EngineError:
        match self.trouble:
            case EngineRefused() as refusal:
                return EngineRefused(str(refusal), refusal.reason)
            case _:
                left = self._until - self._clock()
                return EngineBusy(left if left > 0 else PROBE_SECONDS)

    def _hear(self, passed: _Pass, error: EngineError | None) -> None:
        if passed.epoch != self._epoch:
            self._until = max(self._until, self._clock() + _asked_for(error))
            return
        match error:
            case EngineRefused(reason=reason) if reason in self._refuses_all:
                self._open(error)
            case EngineBusy() | EngineUnreachable():
                self._failures += 1
                if passed.is_probe or self._failures >= self._pauses.failures:
                    self._open(error)
            case _:
                self._failures = 0
                if self.trouble is not None:
                    self._close()

    def _open(self, error: EngineError) -> None:
        # A copy: the error itself holds on to whatever its call was about.
        if isinstance(error, EngineRefused):
            self.trouble = EngineRefused(str(error), error.reason)
        elif not isinstance(self.trouble, EngineRefused):
            # Else it stays refused until something works: being down as well mends nothing.
            self.trouble = EngineUnreachable(str(error))
        first, longest = self._pauses.first, self._pauses.longest
        if isinstance(self.trouble, EngineRefused):
            first, longest = self._pauses.first_refused, self._pauses.longest_refused
        pause = min(first * 2 ** min(self._openings, 16), longest)
        self._until = self._clock() + max(pause, _asked_for(error))
        self._openings += 1
        self._epoch += 1
        self._failures = 0

    def _close(self) -> None:
        self.trouble = None
        self._openings = 0
        self._epoch += 1


def _asked_for(error: EngineError | None) -> float:
    """Return the seconds that the engine asked to wait, within reason."""
    if isinstance(error, EngineBusy) and error.retry_after is not None:
        return min(max(error.retry_after, 0.0), LONGEST_WISH)
    return 0.0
