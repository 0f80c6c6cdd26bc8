"""Files that are attached to questions, on their way from a platform to the engine.

They are read when a run is created, and never kept in our database. Nothing is done with a file
before its bytes say what it is. What cannot be read is named in the reply.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from core.breaker import REFUSES_ALL
from core.domain import ReadFile
from core.errors import (
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
    FileUnreadable,
    NotOurs,
    PlatformBusy,
    PlatformError,
    PlatformUnreachable,
    StoreError,
)
from core.file_kinds import Readable, inspect
from core.ports import AnswerEngine, FileKind
from core.store import Store
from core.store.attachments import KeptFile
from core.work import Work

log = logging.getLogger(__name__)

# Of one question. OpenAI takes 50 MB of files with a request, and 20 MB in a picture; what a
# conversation holds already counts there, too. Slack and Discord take ten files in a message.
MB = 10**6  # bytes
FILES = 10
FILE_SIZE = 20 * MB
ALL_SIZE = 40 * MB
TEXT_LENGTH = 100_000  # characters of one text
ALL_TEXT = 200_000  # characters: a fifth of what the models of today read at once
TEXT_END = 30_000  # of TEXT_LENGTH, from the end of a text: logs tell there what went wrong

AT_ONCE = 4  # files that a process has in its memory at the same time
TRIES = 3  # at reading a file, in steps of the turn
FETCH_SECONDS = 30.0  # for one try: 20 MB are there by then, or it is of no use to wait
LAST_TRY = 5.0  # seconds for a try when there is no time for another
IN_A_THREAD = 2**18  # bytes, from which on a file is looked at beside the event loop
DAY = 86_400.0  # seconds
MOST_DAYS = 30  # that OpenAI keeps a file which has an end
FRESH = 0.9  # of the time that the engine keeps an upload, it is used again

NO_FILES = "I do not read files"
TOO_MANY = f"more than {FILES} files"
TOO_LARGE = f"it is larger than {FILE_SIZE // MB} MB"
TOO_LARGE_TOGETHER = f"more than {ALL_SIZE // MB} MB together"
TOO_LONG_TOGETHER = "too much text together"
NOT_FETCHED = "it could not be fetched"
NOT_TAKEN = "the model could not read it"
#: What is asked where only files are there.
ONLY_FILES = "Look at what is attached, and answer what it asks or shows."


@dataclass(frozen=True, slots=True)
class _Unfit:
    problem: str


#: An error says that the whole question has to wait, or cannot be answered.
_Outcome = ReadFile | _Unfit | EngineError | NotOurs | StoreError


@dataclass(slots=True)
class _Room:
    """What is left of the bytes that one question may bring."""

    left: int

    def take(self, size: int) -> bool:
        self.left -= size
        return self.left >= 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachments:
    """Reads attached files for the engine."""

    store: Store
    engine: AnswerEngine
    deadline: float  #: seconds from the head of the thread to the fallback
    retention_days: int | None
    _gate: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(AT_ONCE), init=False, repr=False
    )

    @property
    def keep(self) -> float:
        """For how many seconds the engine is to keep an upload."""
        return min(self.retention_days or MOST_DAYS, MOST_DAYS) * DAY

    async def read(self, work: Work, left: float) -> tuple[ReadFile, ...]:
        """Read the files of a turn, and of those joined with it, as the engine gets them.

        What was uploaded before is not uploaded again. A file that cannot be read is on record as
        such, and among the `unread` of `work.turn`. One that cannot be read now is tried again by
        later steps, up to `TRIES` times and in the first half of the time that the turn has, of
        which `left` seconds are left; after that it counts as such, too.

        Raises EngineBusy where the turn is to be tried again: nothing was asked. Raises
        EngineRefused where every question would be refused, NotOurs, and StoreError.
        """
        files = [each for each in await self.store.attachments.of(work.turn) if not each.problem]
        room, within = _Room(ALL_SIZE), left - self.deadline / 2
        async with asyncio.TaskGroup() as tasks:
            reading = [
                tasks.create_task(self._judged(work, each, problem, room, within))
                for each, problem in self._within_limits(files)
            ]
        outcomes = _within_length([task.result() for task in reading])
        for each, outcome in zip(files, outcomes, strict=True):
            if isinstance(outcome, _Unfit):
                await self._give_up(work, each, outcome.problem)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return tuple(outcome for outcome in outcomes if isinstance(outcome, ReadFile))

    async def refused(self, work: Work, uploads: Collection[str], *, gone: bool = False) -> bool:
        """Hear that the engine could not read uploads of the turn, so that it is asked without.

        With no `uploads`, it is not known which. `gone`: the engine has them no more; they are
        uploaded once more. Returns False where that changes nothing; True at most a few times.
        """
        kept = [each for each in await self.store.attachments.of(work.turn) if each.upload]
        named = [each for each in kept if each.upload in uploads]
        if not kept or (uploads and not named):
            return False
        work.file_refusals += 1
        is_first = work.file_refusals == 1
        for each in named if named and is_first else kept:
            if gone and is_first:
                await self.store.attachments.forget_upload(work.turn, each)
            else:
                await self._give_up(work, each, NOT_TAKEN)
        log.info("Attached files are refused", extra={"turn": work.turn.id, "gone": gone})
        return True

    # --- one file ---------------------------------------------------------------------------------

    def _within_limits(self, files: Sequence[KeptFile]) -> list[tuple[KeptFile, str | None]]:
        """Judge files by what is said of them, before anything is fetched."""
        judged: list[tuple[KeptFile, str | None]] = []
        room = _Room(ALL_SIZE)
        for number, each in enumerate(files):
            problem = None
            if not self.engine.reads_files:
                problem = NO_FILES
            elif number >= FILES:
                problem = TOO_MANY
            elif each.file.size > FILE_SIZE:
                problem = TOO_LARGE
            elif not room.take(each.file.size):
                problem = TOO_LARGE_TOGETHER
            judged.append((each, problem))
        return judged

    async def _judged(
        self, work: Work, each: KeptFile, problem: str | None, room: _Room, within: float
    ) -> _Outcome:
        """Read a file unless it has a problem. Errors are returned: others are read beside it."""
        if problem is not None:
            return _Unfit(problem)
        if (known := self._known(each)) is not None:
            return known
        try:
            async with asyncio.timeout(max(within, LAST_TRY)):
                await self._gate.acquire()
        except TimeoutError as error:  # others are held up by the same trouble
            return _failed_try(work, each, within, error)
        try:
            data = await self._fetched(work, each, within)
            if not isinstance(data, bytes):
                return data
            if len(data) > FILE_SIZE:
                return _Unfit(TOO_LARGE)
            if not room.take(len(data)):
                return _Unfit(TOO_LARGE_TOGETHER)
            return await self._handed_over(work, each, data, within)
        except (EngineError, NotOurs, StoreError) as error:
            return error
        finally:
            self._gate.release()

    def _known(self, each: KeptFile) -> ReadFile | None:
        """What the engine has of a file already, and will have for a while."""
        if each.engine != self.engine.name or not each.upload or not each.kind:
            return None
        if time.time() - (each.uploaded_at or 0.0) > FRESH * self.keep:
            return None
        return ReadFile(name=each.file.name, kind=each.kind, upload=each.upload)

    async def _fetched(
        self, work: Work, each: KeptFile, within: float
    ) -> bytes | _Unfit | EngineBusy:
        try:
            async with asyncio.timeout(min(max(within, LAST_TRY), FETCH_SECONDS)):
                return await work.platform.read_file(work.turn.thread, each.file, FILE_SIZE)
        except FileUnreadable as error:
            says_why = str(error) != str(FileUnreadable())
            return _Unfit(str(error).rstrip(". ") if says_why else NOT_FETCHED)
        except (PlatformBusy, PlatformUnreachable, TimeoutError) as error:
            return _failed_try(work, each, within, error)
        except PlatformError:
            return _Unfit(NOT_FETCHED)

    async def _handed_over(
        self, work: Work, each: KeptFile, data: bytes, within: float
    ) -> ReadFile | _Unfit:
        is_small = len(data) < IN_A_THREAD
        seen = inspect(data) if is_small else await asyncio.to_thread(inspect, data)
        if not isinstance(seen, Readable):
            return _Unfit(seen.problem)
        if seen.kind == "text":
            return ReadFile(name=each.file.name, kind="text", text=seen.text)
        try:
            name = _named(each.file.name, seen.ending)
            upload = await self.engine.upload(name, seen.kind, data, self.keep)
        except EngineRefused as error:
            if error.reason in REFUSES_ALL:
                raise
            log.info("Attached file is refused", extra={"turn": each.turn, "why": error.reason})
            return _Unfit(NOT_TAKEN)
        except (EngineBusy, EngineUnreachable) as error:
            wait = error.retry_after if isinstance(error, EngineBusy) else None
            if within <= (wait or 0.0):
                return _Unfit(NOT_TAKEN)
            raise EngineBusy(wait) from error  # nothing was asked: no run is in doubt
        # What nobody knows of is not deleted: writing it down is not to be cancelled.
        failed = await asyncio.shield(self._remember(work, each, seen.kind, upload))
        if failed is not None:
            raise failed
        return ReadFile(name=each.file.name, kind=seen.kind, upload=upload)

    async def _remember(
        self, work: Work, each: KeptFile, kind: FileKind, upload: str
    ) -> NotOurs | StoreError | None:
        """Put an upload on record. Errors are returned: whoever waits may be gone by then."""
        try:
            await self.store.attachments.uploaded(work.turn, each, kind, self.engine.name, upload)
        except NotOurs as error:  # whoever has the thread now uploads it again
            with contextlib.suppress(EngineError):
                await self.engine.erase(None, [], [upload])
            return error
        except StoreError as error:
            return error
        return None

    async def _give_up(self, work: Work, each: KeptFile, problem: str) -> None:
        said = await self.store.attachments.unreadable(work.turn, each, problem)
        if said is not None:
            work.turn = replace(work.turn, unread=(*work.turn.unread, said))


def _failed_try(work: Work, each: KeptFile, within: float, error: Exception) -> _Unfit | EngineBusy:
    """Count a try at a file that another may follow: the turn is set back, or the file left out."""
    key = (each.turn, each.position)
    work.file_tries[key] = work.file_tries.get(key, 0) + 1
    wait = error.retry_after if isinstance(error, PlatformBusy) else None
    if work.file_tries[key] >= TRIES or within <= (wait or 0.0):
        return _Unfit(NOT_FETCHED)
    return EngineBusy(wait)


def shortened(text: str, most: int) -> str:
    """Leave out the middle of a text that is longer than `most`, and say so there."""
    if len(text) <= most:
        return text
    end = min(TEXT_END, most // 3)
    left_out = len(text) - most
    note = f"[{left_out:,} characters are left out here]"
    return f"{text[: most - end]}\n{note}\n{text[len(text) - end :]}"


def _within_length(outcomes: Sequence[_Outcome]) -> list[_Outcome]:
    """Shorten texts, one after the other, so that all of them fit."""
    fitting: list[_Outcome] = []
    left = ALL_TEXT
    for outcome in outcomes:
        if isinstance(outcome, ReadFile) and outcome.kind == "text":
            if left <= 0:
                fitting.append(_Unfit(TOO_LONG_TOGETHER))
                continue
            most = min(left, TEXT_LENGTH)
            left -= min(len(outcome.text), most)
            outcome = replace(outcome, text=shortened(outcome.text, most))
        fitting.append(outcome)
    return fitting


def _named(name: str, ending: str) -> str:
    """Name a file after what it is, whatever its own ending says."""
    stem, dot, _ = name.rpartition(".")
    return f"{stem if dot and stem else name}.{ending}"
