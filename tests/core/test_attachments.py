"""Attached files on their way to the engine: judged, bounded, uploaded once, and named if not."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from core import attachments as attachments_module
from core.attachments import (
    ALL_SIZE,
    ALL_TEXT,
    AT_ONCE,
    DAY,
    FILE_SIZE,
    FILES,
    MOST_DAYS,
    NO_FILES,
    NOT_FETCHED,
    NOT_TAKEN,
    TEXT_LENGTH,
    TOO_LARGE,
    TOO_LARGE_TOGETHER,
    TOO_LONG_TOGETHER,
    TOO_MANY,
    TRIES,
    Attachments,
    shortened,
)
from core.domain import Attached, ReadFile, ThreadRef, Turn
from core.errors import (
    EngineBusy,
    EngineRefused,
    EngineUnreachable,
    FileUnreadable,
    NotOurs,
    PlatformBusy,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)
from core.file_kinds import ARCHIVE, BOMB, EMPTY, UNKNOWN
from core.replies import NAMED_FILES, Replies
from core.store import Store
from core.store.schema import attachments
from core.work import Work
from servers.attached_files import EXECUTABLE, PDF, PNG, archive, attached, bomb, office
from servers.loop_rig import helpful_pages
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine

DEADLINE = 60.0  # seconds
AT_FIRST = DEADLINE  # seconds that are left
LATE = DEADLINE / 4


@dataclass
class Rig:
    """A question with files, in hand."""

    store: Store
    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    platform: RecordingPlatform = field(default_factory=RecordingPlatform)
    retention_days: int | None = None

    def __post_init__(self) -> None:
        self.engine.reads_files = True

    @property
    def attachments(self) -> Attachments:
        return Attachments(
            store=self.store,
            engine=self.engine,
            deadline=DEADLINE,
            retention_days=self.retention_days,
        )

    async def work(self, *files: Attached, **content: bytes | Exception) -> Work:
        """Take a question with these files, which are read as `content`, by their refs."""
        self.platform.files |= content
        turn = await self.store.turns.take(replace(mention("why?"), files=files))
        assert turn is not None
        return self.in_hand(turn)

    def in_hand(self, turn: Turn) -> Work:
        """A turn as a process has it that knows no more than its row."""
        return Work(turn=turn, platform=self.platform, since=0.0, doubtful=True, stale=False)

    async def read_one(self, name: str, data: bytes | Exception) -> ReadFile | str | None:
        """Read a question's only file: as the engine gets it, or what is said of it."""
        self.platform.files[name] = data
        work = await self.work(attached(name))
        read = await self.attachments.read(work, AT_FIRST)
        assert len(read) + len(work.turn.unread) == 1
        return read[0] if read else work.turn.unread[0]


@pytest.fixture
def rig(sqlite_store: Store) -> Rig:
    return Rig(sqlite_store)


# --- what they are --------------------------------------------------------------------------------


async def test_texts_are_handed_over_as_texts_and_the_rest_is_uploaded(rig: Rig) -> None:
    files = [attached(name) for name in ("a.log", "b.png", "c.pdf", "d.docx")]
    work = await rig.work(*files)
    rig.platform.files |= {"a.log": b"disk full", "b.png": PNG, "c.pdf": PDF, "d.docx": office()}
    read = await rig.attachments.read(work, AT_FIRST)
    assert [(file.name, file.kind) for file in read] == [
        ("a.log", "text"),
        ("b.png", "image"),
        ("c.pdf", "document"),
        ("d.docx", "document"),
    ]
    assert (read[0].text, read[0].upload) == ("disk full", "")
    assert {file.upload for file in read[1:]} == {"upload_1", "upload_2", "upload_3"}
    kept = {name: (kind, keep) for name, kind, _, keep in rig.engine.uploaded}
    assert kept == {
        "b.png": ("image", MOST_DAYS * DAY),
        "c.pdf": ("document", MOST_DAYS * DAY),
        "d.docx": ("document", MOST_DAYS * DAY),
    }
    assert work.turn.unread == ()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        (
            "picture.png",
            b"I am a text",
            ReadFile(name="picture.png", kind="text", text="I am a text"),
        ),
        ("notes.txt", PNG, ReadFile(name="notes.txt", kind="image", upload="upload_1")),
        ("notes.txt", EXECUTABLE, f"notes.txt ({UNKNOWN})"),
        ("report.docx", archive({"a.exe": EXECUTABLE}), f"report.docx ({ARCHIVE})"),
        ("a.zip", archive({"a.txt": b"a"}), f"a.zip ({ARCHIVE})"),
        ("empty.log", b"", f"empty.log ({EMPTY})"),
    ],
)
async def test_a_file_is_read_as_what_it_is_and_not_as_what_it_says(
    rig: Rig, name: str, data: bytes, expected: ReadFile | str
) -> None:
    assert await rig.read_one(name, data) == expected


async def test_a_bomb_goes_nowhere(rig: Rig) -> None:
    assert await rig.read_one("report.docx", bomb()) == f"report.docx ({BOMB})"
    assert rig.engine.uploaded == []


async def test_an_upload_has_the_ending_of_what_it_is(rig: Rig) -> None:
    await rig.read_one("Screenshot 2026.11.22.TXT", PNG)
    await rig.read_one(".bashrc", PDF)
    assert [name for name, *_ in rig.engine.uploaded] == [
        "Screenshot 2026.11.22.png",
        ".bashrc.pdf",
    ]


async def test_an_engine_that_reads_no_files_is_given_none_and_nothing_is_fetched(
    rig: Rig,
) -> None:
    rig.engine.reads_files = False
    assert await rig.read_one("a.log", b"disk full") == f"a.log ({NO_FILES})"
    assert rig.platform.files_read == []


# --- how much -------------------------------------------------------------------------------------


async def test_what_is_said_to_be_too_much_is_not_even_fetched(rig: Rig) -> None:
    large = [attached("huge.log", FILE_SIZE + 1)]
    together = [attached(f"{number}.log", FILE_SIZE) for number in range(3)]
    work = await rig.work(*large, *together)
    rig.platform.files |= {f"{number}.log": b"short" for number in range(3)}
    read = await rig.attachments.read(work, AT_FIRST)
    assert [file.name for file in read] == ["0.log", "1.log"]
    assert work.turn.unread == (f"huge.log ({TOO_LARGE})", f"2.log ({TOO_LARGE_TOGETHER})")
    assert sorted(rig.platform.files_read) == ["0.log", "1.log"]


async def test_only_so_many_files_are_read(rig: Rig) -> None:
    names = [f"{number:02}.log" for number in range(FILES + 2)]
    work = await rig.work(*map(attached, names))
    rig.platform.files |= dict.fromkeys(names, b"disk full")
    read = await rig.attachments.read(work, AT_FIRST)
    assert [file.name for file in read] == names[:FILES]
    assert work.turn.unread == tuple(f"{name} ({TOO_MANY})" for name in names[FILES:])


async def test_a_file_that_is_larger_than_it_says_is_given_up_while_it_is_read(rig: Rig) -> None:
    said = await rig.read_one("small.log", b"x" * (FILE_SIZE + 1))
    assert said == f"small.log (it is larger than {FILE_SIZE} bytes)"  # as the platform says it


async def test_files_that_are_larger_together_than_they_say_are_not_all_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments_module, "ALL_SIZE", 250)
    names = ["a.log", "b.log", "c.log"]
    work = await rig.work(*(attached(name, 1) for name in names))
    rig.platform.files |= dict.fromkeys(names, b"x" * 100)
    assert len(await rig.attachments.read(work, AT_FIRST)) == 2
    (said,) = work.turn.unread
    assert said.endswith(f"({TOO_LARGE_TOGETHER})")


async def test_long_texts_are_cut_in_the_middle_and_all_of_them_fit(rig: Rig) -> None:
    names = ["a.log", "b.log", "c.log", "d.log"]
    work = await rig.work(*map(attached, names))
    rig.platform.files |= dict.fromkeys(names, b"first" + b"x" * TEXT_LENGTH + b"last")
    read = await rig.attachments.read(work, AT_FIRST)
    assert [file.name for file in read] == ["a.log", "b.log"]
    for file in read:
        assert (file.text[:5], file.text[-4:]) == ("first", "last")
        assert "[9 characters are left out here]" in file.text
    assert sum(len(file.text) for file in read) < ALL_TEXT + 200
    assert work.turn.unread == (f"c.log ({TOO_LONG_TOGETHER})", f"d.log ({TOO_LONG_TOGETHER})")


@pytest.mark.parametrize("most", [3, 10, 99, 100])
def test_a_text_is_shortened_to_its_beginning_and_its_end(most: int) -> None:
    text = "".join(str(number % 10) for number in range(100))
    short = shortened(text, most)
    if most == 100:
        assert short == text
        return
    begin, note, end = short.split("\n")
    assert (len(begin + end), text.startswith(begin), text.endswith(end)) == (most, True, True)
    assert note == f"[{100 - most} characters are left out here]"


async def test_a_process_holds_only_so_many_files_at_a_time(rig: Rig) -> None:
    there, most = 0, 0
    gate = asyncio.Event()

    class Slow(RecordingPlatform):
        async def read_file(self, thread: ThreadRef, file: Attached, limit: int) -> bytes:
            nonlocal there, most
            there += 1
            most = max(most, there)
            if there == AT_ONCE:
                gate.set()
            await gate.wait()
            await asyncio.sleep(0)
            there -= 1
            return b"disk full"

    rig.platform = Slow()
    work = await rig.work(*(attached(f"{number}.log") for number in range(FILES)))
    async with asyncio.timeout(60):
        assert len(await rig.attachments.read(work, AT_FIRST)) == FILES
    assert most == AT_ONCE


# --- platforms that fail --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (FileUnreadable("it is no longer there."), "it is no longer there"),
        (FileUnreadable(), NOT_FETCHED),
        (ThreadGone(), NOT_FETCHED),
        (TokenRefused("No."), NOT_FETCHED),
    ],
)
async def test_a_file_that_will_never_be_had_is_named_and_the_rest_is_read(
    rig: Rig, error: Exception, problem: str
) -> None:
    work = await rig.work(attached("gone.log"), attached("b.log"))
    rig.platform.files |= {"gone.log": error, "b.log": b"disk full"}
    (read,) = await rig.attachments.read(work, AT_FIRST)
    assert (read.name, work.turn.unread) == ("b.log", (f"gone.log ({problem})",))


@pytest.mark.parametrize(
    ("error", "wait"),
    [(PlatformBusy(3.0), 3.0), (PlatformBusy(), None), (PlatformUnreachable(), None)],
)
async def test_a_platform_that_is_away_sets_the_turn_back_a_few_times(
    rig: Rig, error: Exception, wait: float | None
) -> None:
    work = await rig.work(attached("a.log"), attached("b.png"))
    rig.platform.files |= {"a.log": error, "b.png": PNG}
    for _ in range(TRIES - 1):
        with pytest.raises(EngineBusy) as busy:
            await rig.attachments.read(work, AT_FIRST)
        assert busy.value.retry_after == wait
    assert work.turn.unread == ()
    (picture,) = await rig.attachments.read(work, AT_FIRST)
    assert work.turn.unread == (f"a.log ({NOT_FETCHED})",)
    assert (picture.upload, len(rig.engine.uploaded)) == ("upload_1", 1)  # it was not sent again


@pytest.mark.parametrize("error", [PlatformBusy(LATE), PlatformUnreachable()])
async def test_in_the_second_half_of_the_time_nothing_is_waited_for(
    rig: Rig, error: Exception
) -> None:
    work = await rig.work(attached("a.log"))
    rig.platform.files["a.log"] = error
    assert await rig.attachments.read(work, LATE) == ()
    assert work.turn.unread == (f"a.log ({NOT_FETCHED})",)


async def test_a_pause_that_is_longer_than_the_time_is_not_waited_for(rig: Rig) -> None:
    work = await rig.work(attached("a.log"))
    rig.platform.files["a.log"] = PlatformBusy(DEADLINE)
    assert await rig.attachments.read(work, AT_FIRST) == ()
    assert work.turn.unread == (f"a.log ({NOT_FETCHED})",)


async def test_a_platform_that_hangs_costs_a_file_and_not_the_question(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments_module, "LAST_TRY", 0.01)

    class Hanging(RecordingPlatform):
        async def read_file(self, thread: ThreadRef, file: Attached, limit: int) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

    rig.platform = Hanging()
    work = await rig.work(attached("a.log"))
    async with asyncio.timeout(60):
        assert await rig.attachments.read(work, LATE) == ()
    assert work.turn.unread == (f"a.log ({NOT_FETCHED})",)


async def test_what_came_at_the_second_try_is_not_called_unread(rig: Rig) -> None:
    work = await rig.work(attached("a.log"))
    rig.platform.files["a.log"] = PlatformUnreachable()
    with pytest.raises(EngineBusy):
        await rig.attachments.read(work, AT_FIRST)
    rig.platform.files["a.log"] = b"disk full"
    (read,) = await rig.attachments.read(work, AT_FIRST)
    assert (read.text, work.turn.unread) == ("disk full", ())


async def test_a_thread_that_another_process_has_is_left_alone(rig: Rig) -> None:
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = NotOurs()
    with pytest.raises(NotOurs):  # as such, and not in a group of one
        await rig.attachments.read(work, AT_FIRST)


async def test_what_is_uploaded_when_another_process_has_the_thread_is_deleted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def taken_over(*_: object) -> None:
        raise NotOurs

    monkeypatch.setattr(rig.store.attachments, "uploaded", taken_over)
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = PNG
    with pytest.raises(NotOurs):
        await rig.attachments.read(work, AT_FIRST)
    assert rig.engine.erased == ["upload_1"]


async def test_an_upload_is_written_down_although_nobody_waits_for_it_any_more(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, began, may_end = rig.store.attachments.uploaded, asyncio.Event(), asyncio.Event()
    ended = asyncio.Event()

    async def slow(*given: Any) -> None:
        began.set()
        await may_end.wait()
        await works(*given)
        ended.set()

    monkeypatch.setattr(rig.store.attachments, "uploaded", slow)
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = PNG
    async with asyncio.timeout(60):
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(rig.attachments.read(work, AT_FIRST))
            await began.wait()
            reading.cancel()
        may_end.set()
        await ended.wait()
    assert reading.cancelled()
    (kept,) = await rig.store.attachments.of(work.turn)
    assert kept.upload == "upload_1"


# --- engines that fail, and uploads ---------------------------------------------------------------


async def test_what_was_uploaded_is_not_uploaded_again_by_another_process(rig: Rig) -> None:
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = PNG
    first = await rig.attachments.read(work, AT_FIRST)
    assert await rig.attachments.read(rig.in_hand(work.turn), AT_FIRST) == first
    assert (len(rig.engine.uploaded), rig.platform.files_read) == (1, ["a.png"])


@pytest.mark.parametrize("change", [{"engine": "another"}, {"uploaded_at": 1.0}, {"upload": None}])
async def test_an_upload_of_another_engine_or_of_long_ago_is_not_used(
    rig: Rig, change: dict[str, object]
) -> None:
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = PNG
    await rig.attachments.read(work, AT_FIRST)
    async with rig.store._database.write() as connection:
        await connection.execute(attachments.update().values(change))
    (read,) = await rig.attachments.read(work, AT_FIRST)
    assert (read.upload, len(rig.engine.uploaded)) == ("upload_2", 2)


@pytest.mark.parametrize(("days", "kept"), [(None, MOST_DAYS), (3, 3), (MOST_DAYS + 60, MOST_DAYS)])
async def test_an_upload_is_kept_for_as_long_as_texts_are_and_no_longer_than_it_can_be(
    rig: Rig, days: int | None, kept: int
) -> None:
    rig.retention_days = days
    await rig.read_one("a.png", PNG)
    assert rig.engine.uploaded[0][3] == kept * DAY


@pytest.mark.parametrize(
    ("error", "wait"), [(EngineBusy(3.0), 3.0), (EngineUnreachable("Down."), None)]
)
async def test_an_engine_that_is_away_sets_the_turn_back_and_no_run_is_in_doubt(
    rig: Rig, error: Exception, wait: float | None
) -> None:
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = PNG
    rig.engine.upload_errors.append(error)
    with pytest.raises(EngineBusy) as busy:
        await rig.attachments.read(work, AT_FIRST)
    assert busy.value.retry_after == wait
    (read,) = await rig.attachments.read(work, AT_FIRST)
    assert (read.upload, work.turn.unread) == ("upload_1", ())


@pytest.mark.parametrize(
    "error", [EngineBusy(3.0), EngineUnreachable("Down."), EngineRefused("Too wide.", "too_wide")]
)
async def test_late_or_refused_a_file_is_left_out(rig: Rig, error: Exception) -> None:
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = PNG
    rig.engine.upload_errors.append(error)
    assert await rig.attachments.read(work, LATE) == ()
    assert work.turn.unread == (f"a.png ({NOT_TAKEN})",)


async def test_a_refusal_that_every_question_would_get_is_not_blamed_on_the_file(
    rig: Rig,
) -> None:
    work = await rig.work(attached("a.png"))
    rig.platform.files["a.png"] = PNG
    rig.engine.upload_errors.append(EngineRefused("No quota.", "insufficient_quota"))
    with pytest.raises(EngineRefused):
        await rig.attachments.read(work, AT_FIRST)
    assert work.turn.unread == ()


# --- files that the engine could not read ---------------------------------------------------------


async def with_two_uploads(rig: Rig) -> Work:
    work = await rig.work(attached("a.png"), attached("b.log"), attached("c.pdf"))
    rig.platform.files |= {"a.png": PNG, "b.log": b"disk full", "c.pdf": PDF}
    await rig.attachments.read(work, AT_FIRST)
    return work


async def upload_of(rig: Rig, work: Work, name: str) -> str:
    (upload,) = (
        kept.upload for kept in await rig.store.attachments.of(work.turn) if kept.file.name == name
    )
    assert upload is not None
    return upload


async def test_the_file_that_the_engine_names_is_left_out_and_the_others_are_not(
    rig: Rig,
) -> None:
    work = await with_two_uploads(rig)
    assert await rig.attachments.refused(work, [await upload_of(rig, work, "a.png")])
    assert [file.name for file in await rig.attachments.read(work, AT_FIRST)] == ["b.log", "c.pdf"]
    assert work.turn.unread == (f"a.png ({NOT_TAKEN})",)


async def test_where_it_names_none_all_that_were_uploaded_are_left_out(rig: Rig) -> None:
    work = await with_two_uploads(rig)
    assert await rig.attachments.refused(work, [])
    assert [file.name for file in await rig.attachments.read(work, AT_FIRST)] == ["b.log"]
    assert len(work.turn.unread) == 2
    assert not await rig.attachments.refused(work, [])


async def test_one_after_the_other_is_not_gone_through(rig: Rig) -> None:
    work = await with_two_uploads(rig)
    assert await rig.attachments.refused(work, [await upload_of(rig, work, "a.png")])
    assert await rig.attachments.refused(work, [await upload_of(rig, work, "c.pdf")])
    assert not await rig.attachments.refused(work, [])


async def test_a_file_of_another_question_is_not_this_ones_trouble(rig: Rig) -> None:
    work = await with_two_uploads(rig)
    assert not await rig.attachments.refused(work, ["file-of-another"])
    assert work.turn.unread == ()


async def test_uploads_that_are_gone_are_made_once_more_and_then_left_out(rig: Rig) -> None:
    work = await with_two_uploads(rig)
    lost = await upload_of(rig, work, "a.png")
    assert await rig.attachments.refused(work, [lost], gone=True)
    assert len(await rig.attachments.read(work, AT_FIRST)) == 3
    again = await upload_of(rig, work, "a.png")
    assert (again != lost, len(rig.engine.uploaded)) == (True, 3)
    assert await rig.attachments.refused(work, [again], gone=True)
    assert [file.name for file in await rig.attachments.read(work, AT_FIRST)] == ["b.log"]


def test_the_limits_keep_what_openai_takes() -> None:
    assert FILE_SIZE <= 20 * 10**6
    assert ALL_SIZE + ALL_TEXT < 50 * 10**6


async def test_who_waits_in_line_for_too_long_goes_on_without_the_file(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments_module, "LAST_TRY", 0.01)
    work = await rig.work(attached("a.log"))
    files = rig.attachments
    for _ in range(AT_ONCE):
        await files._gate.acquire()
    async with asyncio.timeout(60):
        assert await files.read(work, LATE) == ()
    assert work.turn.unread == (f"a.log ({NOT_FETCHED})",)
    for _ in range(AT_ONCE):
        files._gate.release()
    other = await rig.work(attached("b.log"))
    rig.platform.files["b.log"] = b"disk full"
    assert len(await files.read(other, LATE)) == 1


# --- what is said of them -------------------------------------------------------------------------


async def notes_of(store: Store, *unread: str) -> tuple[str, ...]:
    turn = await store.turns.take(mention("why?", unread=unread))
    assert turn is not None
    return Replies(find_pages=helpful_pages).nothing_to_read(turn).notes


async def test_files_that_cannot_be_read_are_named_with_the_reason(sqlite_store: Store) -> None:
    assert await notes_of(sqlite_store, "a.zip (an archive)", "b.mov") == (
        "I could not read: a.zip (an archive), b.mov.",
    )
    assert await notes_of(sqlite_store) == ()


async def test_many_files_and_long_names_do_not_fill_the_thread(sqlite_store: Store) -> None:
    names = [f"{number}{'x' * 500}.zip (an archive)" for number in range(100)]
    (note,) = await notes_of(sqlite_store, *names)
    assert note.count(".zip (an archive)") == NAMED_FILES
    assert note.endswith(f", and {100 - NAMED_FILES} more.")
    assert len(note) < 1_500
