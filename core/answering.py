"""From a question to a stored reply: what one step does for one turn.

When a step is due is decided in `loop.py`; how the reply gets into the thread, in `delivery.py`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from core.domain import (
    Answer,
    Answered,
    ConversationId,
    Failed,
    NotAnswered,
    Question,
    Reply,
    RunId,
    Turn,
    TurnState,
    Working,
)
from core.errors import (
    ConversationGone,
    ConversationLocked,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
)
from core.pacing import look_interval
from core.ports import AnswerEngine
from core.replies import Replies, small_talk
from core.store import Store
from core.work import Work

log = logging.getLogger(__name__)

RUNS_PER_TURN = 2  # the first, and one more where the first failed for a passing reason
HISTORY = 10  # exchanges that a rebuilt conversation begins with
NOW = 0.0  # seconds until the next step
LAST_CALL = 3.0  # seconds for a call at or after the deadline


@dataclass(frozen=True, kw_only=True, slots=True)
class Answering:
    """Starts runs, follows them, and stores what is to be replied.

    Each step returns the seconds until the next one of the same turn is due.
    """

    store: Store
    engine: AnswerEngine
    replies: Replies
    deadline: float  #: seconds from the head of the thread to the fallback

    async def start(self, work: Work, now: float) -> float:
        """Create the run of a queued turn, opening the conversation where there is none."""
        if said := small_talk(work.turn.question):
            return await self._settle_small_talk(work, said)
        if work.created is None:
            if self.is_overdue(work, now):
                return await self.fall_back(work, "overdue")
            try:
                async with self._in_time(work, now):
                    work.created = await self._create_run(work)
            except ConversationLocked:
                return self._bounded(work, now, work.set_back())
            except ConversationGone:
                log.info("Conversation is gone, opening another", extra={"turn": work.turn.id})
                await self._unlink(work)
                return self._bounded(work, now, work.set_back())
            except EngineBusy as error:
                return self._bounded(work, now, work.set_back(error.retry_after))
            except EngineUnreachable:
                return self._bounded(work, now, work.set_back())
            except EngineRefused as error:
                return await self._refused(work, error)
        await self._began(work, work.created, now)
        return look_interval(0)

    async def look(self, work: Work, now: float) -> float:
        """Ask how far the run is. A look that fails ends nothing: it is only taken again."""
        assert work.turn.run is not None  # noqa: S101 (a running turn has a run)
        try:
            async with self._in_time(work, now):
                state = await self.engine.check(work.turn.run)
        except EngineRefused as error:
            return await self._refused(work, error)
        except EngineError as error:
            if self.is_overdue(work, now):
                return await self._give_up(work)
            asked = error.retry_after if isinstance(error, EngineBusy) else None
            return self._bounded(work, now, work.set_back(asked))
        work.setbacks = 0
        match state:
            case Working():
                if self.is_overdue(work, now):
                    return await self._give_up(work)
                age = now - work.looking_since
                return self._bounded(work, now, look_interval(age))
            case Answered(answer=answer):
                return await self._settle_answer(work, answer)
            case NotAnswered(text=said):
                return await self.fall_back(work, "not_answered", said)
            case Failed(reason=reason, transient=transient):
                return await self._failed(work, now, reason, transient)

    async def fall_back(self, work: Work, outcome: str, said: str = "") -> float:
        """Settle a turn with the fallback; `said` is what the engine had to say for itself."""
        reply = await self.replies.fallback(work.turn, said)
        return await self._settle(work, TurnState.FAILED, outcome, reply, None)

    # --- starting ---------------------------------------------------------------------------------

    async def _create_run(self, work: Work) -> RunId:
        turn = work.turn
        conversation = turn.conversation if turn.engine == self.engine.name else None
        if conversation is None:
            history = await self.store.turns.history(turn, HISTORY)
            conversation = await self.engine.open_conversation(turn.thread, history)
            await self._link(work, conversation)
        question = Question(
            turn=turn.id, thread=turn.thread, author=turn.author, text=turn.question, asked_at=turn.asked_at
        )
        return await self.engine.start(conversation, question)

    async def _began(self, work: Work, run: RunId, now: float) -> None:
        turn = work.turn
        if turn.started_at is None:
            turn = replace(turn, started_at=work.since)
        # A run whose id is lost is paid for and never read: writing it down is not to be cancelled.
        await asyncio.shield(self.store.turns.began(turn, run))
        work.turn = replace(turn, state=TurnState.RUNNING, run=run, attempt=turn.attempt + 1)
        work.created, work.setbacks, work.looking_since = None, 0, now

    async def _link(self, work: Work, conversation: ConversationId) -> None:
        await self.store.turns.link(work.turn.thread_id, self.engine.name, conversation)
        work.turn = replace(work.turn, engine=self.engine.name, conversation=conversation)

    async def _unlink(self, work: Work) -> None:
        """Leave a conversation whose content is no longer certain; the next run opens a new one."""
        await self.store.turns.link(work.turn.thread_id, self.engine.name, None)
        work.turn = replace(work.turn, conversation=None)

    # --- ending -----------------------------------------------------------------------------------

    async def _failed(self, work: Work, now: float, reason: str, transient: bool) -> float:
        await self._unlink(work)
        another = transient and work.turn.attempt < RUNS_PER_TURN
        if not another or self.is_overdue(work, now):
            return await self.fall_back(work, reason)
        log.info("Run failed, starting another", extra={"turn": work.turn.id, "reason": reason})
        await self.store.turns.requeue(work.turn.id)
        work.turn = replace(work.turn, state=TurnState.QUEUED, run=None)
        return self._bounded(work, now, work.set_back())

    async def _give_up(self, work: Work) -> float:
        """Cancel a run that is past its deadline, and reply without it."""
        assert work.turn.run is not None  # noqa: S101 (a running turn has a run)
        try:
            async with asyncio.timeout(LAST_CALL):
                await self.engine.cancel(work.turn.run)
        except (EngineError, TimeoutError) as error:
            fields = {"turn": work.turn.id, "run": work.turn.run, "error": type(error).__name__}
            log.warning("Run past its deadline could not be cancelled", extra=fields)
        await self._unlink(work)
        return await self.fall_back(work, "overdue")

    async def _refused(self, work: Work, error: EngineRefused) -> float:
        log.error("Engine refused: %s", error, extra={"turn": work.turn.id, "reason": error.reason})
        return await self.fall_back(work, error.reason)

    async def _settle_answer(self, work: Work, answer: Answer) -> float:
        if answer.incomplete:
            await self._unlink(work)
        outcome = "incomplete" if answer.incomplete else "answered"
        reply = self.replies.answer(work.turn, answer)
        return await self._settle(work, TurnState.ANSWERED, outcome, reply, answer)

    async def _settle_small_talk(self, work: Work, said: str) -> float:
        reply = self.replies.small_talk(work.turn, said)
        return await self._settle(work, TurnState.ANSWERED, "small_talk", reply, None)

    async def _settle(
        self, work: Work, state: TurnState, outcome: str, reply: Reply, answer: Answer | None
    ) -> float:
        rendered = work.platform.render(reply)
        await self.store.turns.settle(work.turn.id, state, outcome, answer, rendered)
        work.turn = replace(work.turn, state=state, outcome=outcome)
        work.setbacks, work.doubtful = 0, False
        return NOW

    # --- time -------------------------------------------------------------------------------------

    def _deadline_of(self, turn: Turn, since: float) -> float:
        return (turn.started_at or since) + self.deadline

    def is_overdue(self, work: Work, now: float | None = None) -> bool:
        """Whether the asker should have heard by now."""
        return (now or time.time()) >= self._deadline_of(work.turn, work.since)

    @asynccontextmanager
    async def _in_time(self, work: Work, now: float) -> AsyncIterator[None]:
        """Let the engine take what is left until the deadline: a call must not outlast it.

        The clients have time limits too, but theirs are for each read; a server that sends a byte
        now and then keeps within them for ever.
        """
        left = self._deadline_of(work.turn, work.since) - now
        try:
            async with asyncio.timeout(max(left, LAST_CALL)):
                yield
        except TimeoutError:
            raise EngineUnreachable from None

    def _bounded(self, work: Work, now: float, wait: float) -> float:
        """At the deadline there is a step in any case: the asker hears by then."""
        return min(wait, max(NOW, self._deadline_of(work.turn, work.since) - now))
