"""Answers appear as they are written: drafts, in the messages that the reply will be.

Beside the polling loop, not in its place: it hears when a run has ended a little sooner from here,
and nothing of this has to work for a question to be answered.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.buttons import draft_buttons
from core.domain import Drafted, Post, RunId, Turn, TurnState, post_marker
from core.errors import DraftStopped, NotOurs, PlatformBusy, PlatformError, StoreError
from core.lease import Lease
from core.mishaps import log_mishap
from core.ports import AnswerEngine, Written
from core.store import Store
from core.work import Work

log = logging.getLogger(__name__)

FIRST_WORDS = 0.01  # seconds to gather some, and to see whether that was the whole answer
LISTENING_LOOK = 2.0  # seconds of silence after which a run is looked at again
LAST_WORDS = 20.0  # seconds for a draft that is just being posted when the reply is ready
LAST_CHANGE = 2.0  # seconds for one that is just being changed: the reply may be written over it
FAREWELL = 3.0  # seconds for those that are just being posted when the process stops

IsStreaming = Callable[[Turn], bool]
"""Whether drafts are wanted where the turn was asked."""


class Listening:
    """What a process hears of one run, and the drafts that it shows of it."""

    def __init__(self, run: RunId, work: Work, ended: Callable[[Work], None]) -> None:
        self.run = run
        self.work = work
        self.ended = ended  #: hears when there is no more to be heard
        self.written: Written | None = None
        self.render = work.platform.draft_renderer(work.turn.thread)
        self.heard_at = float("-inf")  #: by the monotonic clock
        self.news = asyncio.Event()
        #: Held while a draft is on its way: nobody cancels it then, its message's id would be lost.
        self.posting = asyncio.Lock()
        self.task: asyncio.Task[None] | None = None
        self.is_over = False  #: no draft is begun any more, though the stream may yet be closing
        self.changing: int | None = None  #: the part whose message is just being changed
        self.overtaken: int | None = None  #: the one for which the reply does not wait

    @property
    def is_heard(self) -> bool:
        """Whether the run says something now: then it need not be looked at."""
        return time.monotonic() - self.heard_at < LISTENING_LOOK

    def cancel(self) -> None:
        """Stop at once, whatever is under way."""
        self.is_over = True
        if self.task is not None:
            self.task.cancel()


@dataclass(kw_only=True, slots=True)
class Drafts:
    """Listens to the runs of one process, and shows what they write."""

    store: Store
    engine: AnswerEngine
    lease: Lease
    is_streaming: IsStreaming
    _listening: dict[int, Listening] = field(default_factory=dict)  # by the turn's number
    _is_closed: bool = False

    def follow(self, work: Work, tasks: asyncio.TaskGroup, ended: Callable[[Work], None]) -> None:
        """Listen to the turn's run, once; `ended` hears when there is no more to be heard of it."""
        assert work.turn.run is not None  # noqa: S101 (a running turn has a run)
        before = self._listening.get(work.turn.id)
        if before is not None and before.run == work.turn.run and before.work is work:
            return
        if self._is_closed:  # a step that ends after the stop: nobody would end its listener
            return
        if before is not None:
            before.cancel()
        listening = self._listening[work.turn.id] = Listening(work.turn.run, work, ended)
        listening.task = tasks.create_task(self._listen(listening))

    def is_heard(self, work: Work) -> bool:
        """Whether the turn's run is heard just now."""
        listening = self._listening.get(work.turn.id)
        return listening is not None and listening.is_heard

    def written(self, work: Work) -> str:
        """What has been heard of the answer so far: Markdown."""
        listening = self._listening.get(work.turn.id)
        return listening.written() if listening is not None and listening.written else ""

    async def end(self, work: Work) -> None:
        """Show no more drafts of a turn. One that is on its way is waited for, within bounds.

        For a new message that is longer: who does not know its id would post another one. For a
        change that hangs the reply does not wait, but is written once more: see `outlast`.
        """
        listening = self._listening.get(work.turn.id)
        if listening is None:
            return
        goes_on = work.turn.state is TurnState.QUEUED  # there will be other drafts
        if not goes_on:
            if listening.overtaken is None and listening.changing is not None:
                await _arrival(listening, LAST_CHANGE)
                listening.overtaken = listening.changing
            if listening.overtaken is not None:
                return
        del self._listening[work.turn.id]
        await _end(listening, LAST_WORDS)

    async def outlast(self, work: Work, number: int) -> bool:
        """Wait for a change of this part that hung when the reply was ready; whether there was one.

        It may have come after the reply, and have taken its place.
        """
        listening = self._listening.get(work.turn.id)
        if listening is None or listening.overtaken != number:
            return False
        del self._listening[work.turn.id]
        await _end(listening, LAST_WORDS)
        return True

    async def close(self) -> None:
        """Listen to nothing from now on. Drafts that are on their way are waited for, shortly."""
        self._is_closed = True
        async with asyncio.TaskGroup() as tasks:
            for listening in self._listening.values():
                tasks.create_task(_end(listening, FAREWELL))
        self._listening.clear()

    def forget(self, work: Work) -> None:
        """Listen no more for a turn that is over, or another process's; at once."""
        listening = self._listening.get(work.turn.id)
        if listening is not None and listening.work is work:
            listening.cancel()
            del self._listening[work.turn.id]

    def drop(self) -> None:
        """Listen to nothing any more, at once."""
        for listening in self._listening.values():
            listening.cancel()
        self._listening.clear()

    async def _listen(self, listening: Listening) -> None:
        work = listening.work
        try:
            async with asyncio.TaskGroup() as tasks:
                showing = tasks.create_task(self._show_all(listening))
                async for written in self.engine.listen(listening.run):
                    listening.written = written
                    listening.heard_at = time.monotonic()
                    listening.news.set()
                async with listening.posting:
                    showing.cancel()
        except Exception as error:  # noqa: BLE001 (drafts are not worth an answer)
            log_mishap(log, "Unforeseen error in a draft", error, turn=work.turn.id)
        if listening.written is not None and self._listening.get(work.turn.id) is listening:
            listening.heard_at = float("-inf")
            listening.ended(work)

    async def _show_all(self, listening: Listening) -> None:
        work, pause = listening.work, FIRST_WORDS
        if work.platform.draft_seconds is None or not self.is_streaming(work.turn):
            return
        while True:
            await listening.news.wait()
            await asyncio.sleep(pause)
            listening.news.clear()
            assert listening.written is not None  # noqa: S101 (that is the news)
            try:
                async with listening.posting:
                    shown = await self._show(listening, listening.render(listening.written()))
            except PlatformBusy as error:
                listening.news.set()  # it is still to be shown
                asked = error.retry_after
                pause = work.platform.draft_seconds if asked is None else asked
            except DraftStopped:
                await self._stop(listening)
                return
            except (NotOurs, StoreError, PlatformError) as error:
                extra = {"turn": work.turn.id, "reason": type(error).__name__}
                log.info("No more drafts of this answer", extra=extra)
                return
            else:
                pause = work.platform.draft_seconds if shown else FIRST_WORDS

    async def _stop(self, listening: Listening) -> None:
        """End the run of an answer that the asker stopped by the platform's own means."""
        work = listening.work
        log.info("Answer was stopped", extra={"turn": work.turn.id})
        with contextlib.suppress(StoreError):
            if await self.store.turns.stop(work.turn):
                work.stale = True
                listening.ended(work)

    async def _show(self, listening: Listening, parts: Sequence[str]) -> bool:
        """Bring the messages of the draft in line with what is written; whether any was not."""
        work, shown = listening.work, False
        if parts and work.drafted is None:
            work.drafted = await self.store.progress.drafts(work.turn)
        for number, part in enumerate(parts):
            assert work.drafted is not None  # noqa: S101 (there are parts)
            if listening.is_over:
                break  # the reply is waiting, and says all of it
            known = work.drafted.get(number)
            if known is not None and known.text == part:
                continue
            if not self.lease.is_valid:
                raise NotOurs  # another process may have made it the reply
            post = Post(
                thread=work.turn.thread,
                reply_to=work.turn.message,
                marker=post_marker(work.turn, number),
                text=part,
                asker=work.turn.author,
                turn=work.turn.id,
                buttons=draft_buttons() if number == 0 else (),
                number=number,
            )
            if known is None:
                await self._begin(work, work.drafted, post, number)
            else:
                listening.changing = number
                try:
                    await work.platform.draft(post, known.message)
                finally:
                    listening.changing = None
                work.drafted[number] = Drafted(known.message, part)
            shown = True
        return shown

    async def _begin(
        self, work: Work, drafted: dict[int, Drafted], post: Post, number: int
    ) -> None:
        """Post a part of a draft, once, and write its id down."""
        found = await work.platform.find(post) if work.doubtful else None
        if found in {other.message for other in drafted.values()}:
            found = None  # drafts may look alike: it is another part
        if not self.lease.is_valid:
            raise NotOurs  # it may be on its way to the thread from another process
        work.doubtful = True  # until it is on record, as with the parts of a reply
        try:
            message = await work.platform.draft(post, found)
        except PlatformBusy:
            work.doubtful = found is not None
            raise
        # First: where it cannot be written down, who ends the turn in this process knows it still.
        drafted[number] = Drafted(message, post.text)
        await self.store.progress.drafted(work.turn, number, message)
        work.doubtful = False


async def _end(listening: Listening, seconds: float) -> None:
    """Let a draft that is on its way arrive, if that takes no longer; begin no other."""
    await _arrival(listening, seconds)
    listening.cancel()
    if listening.task is not None:
        await asyncio.wait([listening.task])


async def _arrival(listening: Listening, seconds: float) -> None:
    """Wait for a draft that is on its way, and no longer; begin no other."""
    listening.is_over = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), listening.posting:
            listening.cancel()  # it waits for words, or for this lock: nothing is lost
