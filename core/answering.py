"""From a question to a stored reply: what one step does for one turn.

When a step is due is decided in `loop.py`; how the reply gets into the thread, in `delivery.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from core import limits
from core.asking import Asking
from core.breaker import REFUSED, REFUSES_ALL, OnTrouble
from core.clock import now as clock_now
from core.domain import (
    Answer,
    Answered,
    Calls,
    Failed,
    NotAnswered,
    Reply,
    RunId,
    RunState,
    ToolCall,
    Turn,
    TurnState,
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
    FilesRefused,
    NotOurs,
    StoreError,
)
from core.limits import Limits
from core.pacing import look_interval
from core.ports import AnswerEngine
from core.replies import CONFIRM_FIRST, Replies, is_stop, small_talk
from core.rounds import MOST_ROUNDS
from core.store import Store
from core.store.counting import Filled
from core.store.progress import attempt_of
from core.store.turns import STOPPED
from core.work import Work

log = logging.getLogger(__name__)

RUNS_PER_TURN = 2  # the first, and one more where the first failed for a passing reason
SHORT_HISTORY = 2  # exchanges, where a conversation was too long
NOW = 0.0  # seconds until the next step
LAST_CALL = 3.0  # seconds for a call at or after the deadline
LOCK_PATIENCE = 0.5  # of the deadline: a conversation that is locked for longer is left
TOO_LONG = "context_length_exceeded"  # the reason of a run that failed for that


@dataclass(frozen=True, kw_only=True, slots=True)
class Answering:
    """Starts runs, follows them, and stores what is to be replied.

    Each step returns the seconds until the next one of the same turn is due.
    """

    store: Store
    engine: AnswerEngine
    asking: Asking
    replies: Replies
    limits: Limits
    deadline: float  #: seconds from the head of the thread to the fallback
    too_old: float | None = None  #: seconds; a question that waited longer gets an apology
    cancel_soon: Callable[[], None]  #: hears that a run was abandoned
    end_drafts: Callable[[Work], Awaitable[None]]  #: no draft of the turn is shown any more
    on_trouble: OnTrouble  #: hears what only an operator can mend

    async def start(self, work: Work, now: float) -> float:
        """Create the run of a queued turn, opening the conversation where there is none."""
        if work.created is None:
            filled = await self._gather(work)
            if filled is None:
                work.stale = True  # it waits no more: it was deleted, or stopped
                return NOW
            if (settled := await self._without_a_run(work, now, filled)) is not None:
                return settled
            try:
                async with self._in_time(work, now):
                    state = await self.asking.recovered(work)
                    if state is None:
                        state = await self.asking.create_run(work, self._left(work, now))
            except EngineError as error:
                return await self._not_started(work, now, error)
            if state is not None:
                log.info("Run was lost and is recovered", extra={"turn": work.turn.id})
                # It counts as this turn's run, as if its id had been on record.
                work.turn = replace(work.turn, attempt=attempt_of(work.turn))
                return await self._ended(work, now, state)
            if work.created is None:
                return NOW if work.stale else await self._nothing_to_read(work)
        return await self._began(work, now)

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
            return self.within_deadline(work, work.set_back(asked), now)
        return await self._ended(work, now, state)

    async def _nothing_to_read(self, work: Work) -> float:
        """Settle a turn that asks nothing but what stands in files that cannot be read."""
        reply = self.replies.nothing_to_read(work.turn)
        return await self._settle(work, TurnState.FAILED, "unreadable", reply)

    async def fall_back(
        self, work: Work, outcome: str, said: str = "", *, abandoned: bool = False
    ) -> float:
        """Settle a turn with the fallback; `said` is what the engine had to say for itself.

        `abandoned`: its run may still be at work.
        """
        if work.turn.round and work.turn.run is None and self.asking.conversation(work.turn):
            await self.asking.leave(work, "Calls were not told")  # it waits for what came of them
        begun = await self.asking.begun(work.turn)
        reply = await self.replies.fallback(work.turn, said, begun)
        return await self._settle(work, TurnState.FAILED, outcome, reply, abandoned=abandoned)

    async def stop(self, work: Work, written: str) -> float:
        """Settle a turn that somebody stopped with what is written of its answer."""
        await self.asking.leave(work, "Run was stopped")
        answer = Answer(text=written, incomplete=True) if written.strip() else None
        reply = self.replies.stopped(work.turn, written)
        return await self._settle(work, TurnState.ANSWERED, STOPPED, reply, answer, abandoned=True)

    # --- starting ---------------------------------------------------------------------------------

    async def _gather(self, work: Work) -> Filled | None:
        """Look up what is to be known before a run; None where the turn does not wait any more."""
        turn = work.turn
        # A run that there may be already answers those only that were joined before it.
        may_grow = not work.run_in_doubt or self.asking.conversation(turn) is None
        may_grow = may_grow and not _goes_on(turn)
        may_grow = may_grow and not is_stop(turn.question)  # what comes after it calls us
        limits = self.limits.on(turn.thread.platform)
        found = await self.store.progress.gather(
            turn, may_grow=may_grow, person=limits.user, channel=limits.channel
        )
        if found is None:
            return None
        work.turn, work.follows = found.turn, found.follows
        return found.filled

    async def _without_a_run(self, work: Work, now: float, filled: Filled) -> float | None:
        """Settle a turn that no run is to be created for; None where one is."""
        turn = work.turn
        said = None if _goes_on(turn) or turn.has_files else small_talk(turn.question)
        if said and not await self.asking.is_called_into_a_talk(work):
            reply = self.replies.small_talk(turn, said)
            return await self._settle(work, TurnState.ANSWERED, "small_talk", reply)
        if self.is_overdue(work, now):
            return await self.fall_back(work, "overdue")
        if _goes_on(turn) or turn.started_at is not None or turn.attempt or work.run_in_doubt:
            return None
        if self.too_old is not None and now - turn.asked_at > self.too_old:
            reply = await self.replies.too_late(turn)
            return await self._settle(work, TurnState.FAILED, "too_old", reply)
        if refusal := self.limits.on(turn.thread.platform).refusal(filled, now):
            reply = limits.reply(refusal)
            return await self._settle(work, TurnState.FAILED, "limited", reply)
        return None

    async def _not_started(self, work: Work, now: float, error: EngineError) -> float:
        match error:
            case ConversationLocked():
                await self._mend_locked(work, now)
            case ConversationGone():
                await self.asking.leave(work, "Conversation is gone")
            case ConversationTooLong():
                if not work.history:
                    return await self.fall_back(work, "too_long")
                work.history = SHORT_HISTORY if work.history > SHORT_HISTORY else 0
                await self.asking.leave(work, "Conversation is too long")
            case FilesRefused(uploads=uploads, gone=gone):
                if not await self.asking.files_refused(work, uploads, gone=gone):
                    return await self.fall_back(work, "file_refused")
            case EngineRefused():
                return await self._refused(work, error)
            case EngineBusy(retry_after=seconds):
                wait = work.set_back(seconds)
                if seconds and wait > self._left(work, now):
                    return await self.fall_back(work, "busy")  # better told now than then
                return self.within_deadline(work, wait, now)
            case _:
                work.run_in_doubt = True  # the request may have taken effect
        return self.within_deadline(work, work.set_back(), now)

    async def _mend_locked(self, work: Work, now: float) -> None:
        """Wait for a locked conversation; one that stays so is left."""
        if work.locked_since is None:
            work.locked_since = now
            log.info("Conversation is locked, waiting", extra={"turn": work.turn.id})
        elif now - work.locked_since > LOCK_PATIENCE * self.deadline:
            await self.asking.leave(work, "Conversation stays locked")

    async def _began(self, work: Work, now: float) -> float:
        turn = work.turn
        if turn.started_at is None:
            turn = replace(turn, started_at=work.since)
        assert work.created is not None  # noqa: S101 (it was created, in this step or before)
        # A run whose id is lost is paid for and never read: writing it down is not to be cancelled.
        as_asked = replace(turn, revision=work.created_for)
        begun = await asyncio.shield(self._write_down(as_asked, work.created))
        if isinstance(begun, Exception):
            raise begun
        run, work.created = work.created, None
        work.setbacks, work.looking_since = 0, now
        work.run_in_doubt, work.locked_since = False, None
        self.on_trouble(REFUSED, None)  # a process before us may have alerted of it
        if not begun:  # the question was edited or deleted: the run answers what nobody asks
            self.cancel_soon()
            await self.asking.leave(work, "Question has changed")
            work.stale = True
            return NOW
        work.turn = replace(turn, state=TurnState.RUNNING, run=run, attempt=attempt_of(turn))
        return look_interval(0)

    async def _write_down(self, turn: Turn, run: RunId) -> bool | NotOurs | StoreError:
        """Put a run on record. Errors are returned: whoever waits for them may be gone by then."""
        try:
            return await self.store.progress.began(turn, run)
        except (NotOurs, StoreError) as error:
            return error

    async def forsake(self, work: Work) -> None:
        """Have a run cancelled whose id the store did not get, and whose question has changed."""
        assert work.created is not None  # noqa: S101 (the caller saw it)
        as_asked = replace(work.turn, revision=work.created_for)
        await self.store.progress.began(as_asked, work.created)  # refuses it, and writes it down
        work.created = None
        self.cancel_soon()
        await self.asking.leave(work, "Question has changed")

    # --- ending -----------------------------------------------------------------------------------

    async def _ended(self, work: Work, now: float, state: RunState) -> float:
        match state:
            case Working():
                if self.is_overdue(work, now):
                    return await self._give_up(work)
                work.setbacks = 0  # not before: an end that cannot be written down is one more
                age = now - work.looking_since
                return self.within_deadline(work, look_interval(age), now)
            case Answered(answer=answer):
                return await self._settle_answer(work, answer)
            case NotAnswered(text=said):
                if await self.asking.waiting(work.turn):  # what it is to do is in no documentation
                    return await self._settle_answer(work, Answer(text=said or CONFIRM_FIRST))
                return await self.fall_back(work, "not_answered", said)
            case Calls(calls=calls):
                return await self._called(work, now, calls)
            case Failed():
                return await self._failed(work, now, state)

    async def _called(self, work: Work, now: float, calls: Sequence[ToolCall]) -> float:
        """Write down what a run wants; the next step makes the calls."""
        if not self.asking.has_tools:  # the model made a function up
            return await self._failed(work, now, Failed(reason="function_call", transient=True))
        if work.turn.round >= MOST_ROUNDS:
            return await self._failed(work, now, Failed(reason="too_many_rounds", transient=False))
        if not await self.store.tool_calls.asked(work.turn, calls):
            work.stale = True  # the question was edited or deleted meanwhile
            return NOW
        extra = {"turn": work.turn.id, "round": work.turn.round + 1, "calls": len(calls)}
        log.info("Tools are called", extra=extra)
        turn = work.turn
        work.turn = replace(turn, state=TurnState.QUEUED, run=None, round=turn.round + 1)
        work.setbacks, work.run_in_doubt = 0, False
        return NOW

    async def _failed(self, work: Work, now: float, state: Failed) -> float:
        work.run_in_doubt = False
        await self.asking.leave(work, f"Run failed ({state.reason})")
        if state.reason == TOO_LONG:
            work.history = SHORT_HISTORY
        uploads = state.uploads
        if state.unexplained and not work.turn.round:  # calls were wanted by who read the files
            uploads = ()
        without = uploads is not None and await self.asking.files_refused(work, uploads)
        another = without or (state.transient and work.turn.attempt < RUNS_PER_TURN)
        if not another or self.is_overdue(work, now):
            return await self.fall_back(work, state.reason)
        log.info("Another run is started", extra={"turn": work.turn.id, "reason": state.reason})
        if not await self.store.progress.requeue(work.turn):
            work.stale = True  # the question was edited or deleted meanwhile
            return NOW
        work.turn = replace(work.turn, state=TurnState.QUEUED, run=None, round=0)
        return self.within_deadline(work, work.set_back(), now)

    async def _give_up(self, work: Work) -> float:
        """Reply without a run that is past its deadline; it is cancelled beside."""
        await self.asking.leave(work, "Run is past its deadline")
        return await self.fall_back(work, "overdue", abandoned=True)

    async def _refused(self, work: Work, error: EngineRefused) -> float:
        log.info("Engine refused", extra={"turn": work.turn.id, "reason": error.reason})
        if error.reason not in REFUSES_ALL:  # the breaker alerts of those
            self.on_trouble(f"engine:{error.reason}", str(error))
        return await self.fall_back(work, error.reason, abandoned=True)

    async def _settle_answer(self, work: Work, answer: Answer) -> float:
        if answer.incomplete:
            await self.asking.leave(work, "Run was cut short")
        outcome = "incomplete" if answer.incomplete else "answered"
        reply = await self.replies.answer(work.turn, answer, await self.asking.waiting(work.turn))
        return await self._settle(work, TurnState.ANSWERED, outcome, reply, answer)

    async def _settle(
        self,
        work: Work,
        state: TurnState,
        outcome: str,
        reply: Reply,
        answer: Answer | None = None,
        *,
        abandoned: bool = False,
    ) -> float:
        rendered = work.platform.render(reply)
        await self.end_drafts(work)  # one that is on its way would come to be unknown
        abandoned = abandoned and work.turn.run is not None
        work.unposted = await self.store.progress.settle(
            work.turn, state, outcome, answer, rendered, abandoned=abandoned
        )
        if abandoned:
            self.cancel_soon()
        settled = work.unposted is not None
        if settled:
            work.turn = replace(work.turn, state=state, outcome=outcome)
        else:
            work.stale = True  # it has its outcome already, or its question has changed
        if settled and work.turn.run is None and work.drafted is None:
            work.doubtful = False  # without a run there was no draft: nothing is posted yet
        work.setbacks = 0
        return NOW

    # --- time -------------------------------------------------------------------------------------

    def _left(self, work: Work, now: float) -> float:
        return (work.turn.started_at or work.since) + self.deadline - now

    def is_overdue(self, work: Work, now: float | None = None) -> bool:
        """Whether the asker should have heard by now."""
        return self._left(work, clock_now() if now is None else now) <= 0

    @asynccontextmanager
    async def _in_time(self, work: Work, now: float) -> AsyncIterator[None]:
        """Let the engine take what is left until the deadline: a call must not outlast it.

        The clients have time limits too, but theirs are for each read; a server that sends a byte
        now and then keeps within them for ever.
        """
        try:
            async with asyncio.timeout(max(self._left(work, now), LAST_CALL)):
                yield
        except TimeoutError:
            raise EngineUnreachable from None

    def within_deadline(self, work: Work, wait: float, now: float | None = None) -> float:
        """At the deadline there is a step in any case: the asker hears by then."""
        return min(wait, max(NOW, self._left(work, clock_now() if now is None else now)))


def _goes_on(turn: Turn) -> bool:
    """Whether a turn asks nothing by itself: it goes on with calls that were wanted before."""
    return turn.round > 0 or turn.confirms is not None
