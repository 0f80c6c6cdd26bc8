"""A turn in hand: what this process knows of the turn at the head of a thread, beyond its row."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from core.clock import now as clock_now
from core.domain import ConversationId, Drafted, Exchange, MessageId, RunId, Turn, TurnId
from core.pacing import setback_interval
from core.ports import Platform
from core.store.part_rows import Unposted

log = logging.getLogger(__name__)

FAREWELL = 3.0  # seconds to take the working signs away at the end


class WorkingSign:
    """The sign in a thread that an answer is on its way: shown beside the work, always cleared."""

    def __init__(self, platform: Platform, turn: Turn, *, left_over: bool) -> None:
        """`left_over`: whether a process before this one may have shown it."""
        self._platform = platform
        self._turn = turn
        self._left_over = left_over
        self._shown_at: float | None = None
        self._showing: asyncio.Task[None] | None = None

    def keep(self, tasks: asyncio.TaskGroup, now: float, wait: float = 0.0) -> None:
        """Show the sign, or show it again where it would end within the next `wait` seconds.

        Nobody waits for the platform here.
        """
        if self._showing and not self._showing.done():
            return
        ends_at = (self._shown_at or 0.0) + self._platform.working_seconds
        if self._shown_at is None or now + wait >= ends_at:
            self._shown_at = now
            self._showing = tasks.create_task(
                self._platform.show_working(self._turn.thread, self._turn.message)
            )

    async def clear(self) -> None:
        """Take the sign away. A showing that is still under way must not come after."""
        if self._showing:
            await asyncio.wait([self._showing])
        if self._showing or self._left_over:
            await self._platform.clear_working(self._turn.thread, self._turn.message)
        self._showing, self._shown_at, self._left_over = None, None, False


HISTORY = 10  # exchanges that fit every model


@dataclass(kw_only=True, slots=True)
class Work:
    """The turn at the head of a thread; it is replaced as it changes state."""

    turn: Turn
    platform: Platform
    since: float  #: when it came to the head, or this process took it up: the deadline counts
    doubtful: bool  #: whether the next unposted part may have been posted without our knowing
    stale: bool  #: whether the store may know more of the turn than we do
    sign: WorkingSign = field(init=False)
    setbacks: int = 0  #: failed tries in a row
    mishaps: int = 0  #: unforeseen errors
    looking_since: float = 0.0  #: when this process began to follow the run
    age_at_work: float = 0.0  #: of the run, when it was last found to be at work
    created: RunId | None = None  #: a run that the engine has and the store does not, yet
    created_for: int = 0  #: the revision of the question that it answers
    run_in_doubt: bool = False  #: whether there may be a run whose id nobody knows
    #: the messages of the draft, by the part's number; None: not looked up yet
    drafted: dict[int, Drafted] | None = None
    unposted: Sequence[Unposted] | None = None  #: the parts of the reply that was just settled
    locked_since: float | None = None  #: when the conversation was first found to be locked
    file_tries: dict[tuple[TurnId, int], int] = field(default_factory=dict)  #: that failed, by file
    file_refusals: int = 0  #: how often the engine could not read files of the question
    follows: MessageId | None = None  #: the message of the turn before, once it was gathered
    history: int = HISTORY  #: exchanges that a rebuilt conversation begins with
    #: the conversation that was opened for this turn, and the exchanges that it began with
    opened: tuple[ConversationId, Sequence[Exchange]] | None = None
    released: bool = False  #: whether its thread is ours no longer, because nothing was open there
    more: bool = False  #: whether another question came in the thread meanwhile
    entry: int = -1  #: the number of its entry in the schedule; any other one is out of date
    stepping: bool = False  #: whether a step is being done
    hurried: bool = False  #: whether the next step is due as soon as this one is done

    def __post_init__(self) -> None:
        self.sign = WorkingSign(self.platform, self.turn, left_over=self.stale)

    def seen_at_work(self) -> float:
        """Note that the run is at work; how old it is, as far as this process knows it."""
        self.age_at_work = clock_now() - self.looking_since
        return self.age_at_work

    def set_back(self, asked: float | None = None) -> float:
        """Count a failed try; the seconds to wait before the next."""
        self.setbacks += 1
        return setback_interval(self.setbacks, asked)


async def clear_signs(left_over: Iterable[Work]) -> None:
    """Take the signs of several turns away, as far as that takes no longer than `FAREWELL`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL), asyncio.TaskGroup() as tasks:
            for work in left_over:
                tasks.create_task(work.sign.clear())


def log_end(work: Work) -> None:
    """Say in one line how a turn went."""
    turn = work.turn
    log.info(
        "Turn ended",
        extra={
            "turn": turn.id,
            "platform": turn.thread.platform,
            "engine": turn.engine,
            "run": turn.run,
            "outcome": turn.outcome,
            "attempt": turn.attempt,
            "seconds": round(clock_now() - turn.asked_at, 3),
        },
    )
