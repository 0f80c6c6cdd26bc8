import asyncio
import errno
import io
import os
import signal
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bots.app import Docent, assemble
from bots.commands.chat import NOT_READ, answering
from bots.press_order import TRY_AGAIN
from bots.terminal_bot.adapter import MAY_CONFIRM, NOTHING_TO_CONFIRM, TerminalPlatform
from bots.terminal_bot.events import (
    Ask,
    Attach,
    Confirm,
    Help,
    Line,
    NewThread,
    Quit,
    Refresh,
    read_line,
)
from core.documents import OnProgress, RefreshReport
from core.domain import Button, Citation, Mention, MessageId, Post, Reply, TurnId
from core.errors import FileUnreadable, RefreshBusy, StoreError
from core.press import Press, Pressed
from core.settings import Settings
from core.store import Store
from servers.discord_bench import Notebook
from servers.docent_rig import DOCENT, unseen, write_docs

QUESTION = "When does an access token expire?"


class AnsweringReception:
    """Replies to every mention at once, as the loop would."""

    def __init__(self) -> None:
        self.platform: TerminalPlatform | None = None
        self.mentions: list[Mention] = []
        self.refreshes = 0
        self.buttons: tuple[Button, ...] = ()  #: under each reply
        self.presses: list[Press] = []
        self.pressed: list[Pressed | Exception] = []  #: what comes of them

    async def take(self, mention: Mention) -> bool:
        assert self.platform is not None
        self.mentions.append(mention)
        (text,) = self.platform.render(Reply(text=f"answer to {mention.text}"))
        await self.platform.post(replace(reply_to(mention, text), buttons=self.buttons))
        return True

    async def press(self, press: Press) -> Pressed:
        self.presses.append(press)
        pressed = self.pressed.pop(0)
        if isinstance(pressed, Exception):
            raise pressed
        if pressed.follows:
            assert self.platform is not None
            assert press.thread is not None
            said = reply_to(self.mentions[-1], "it is done")
            self.buttons = ()
            await self.platform.post(replace(said, reply_to=press.message, marker="n"))
        return pressed

    async def refresh(self, platform: str, user: str, on_progress: OnProgress) -> RefreshReport:
        self.refreshes += 1
        if self.refreshes > 1:
            raise RefreshBusy
        return RefreshReport(
            added=("u",), changed=(), removed=(), unchanged=0, failed=(), seconds=0
        )


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def reception(screen: io.StringIO) -> AnsweringReception:
    reception = AnsweringReception()
    reception.platform = TerminalPlatform(Console(file=screen, width=80), interactive=False)
    return reception


class FailsOnce(io.StringIO):
    """An output that is full when something is written next, and then has room again."""

    is_full = False

    def write(self, text: str, /) -> int:
        if self.is_full:
            self.is_full = False
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


@asynccontextmanager
async def docent_over(
    store: Store, folder: Path, platform: TerminalPlatform
) -> AsyncIterator[Docent]:
    """A whole Docent on the local engine, which has read two pages."""
    settings = Settings(docs_sources=(write_docs(folder),))
    async with assemble(settings, store, [platform]) as docent:
        await docent.refresher.refresh(unseen)
        yield docent


def reply_to(mention: Mention, text: str) -> Post:
    return Post(thread=mention.thread, reply_to=mention.message, marker="m", text=text)


def type_in(monkeypatch: pytest.MonkeyPatch, lines: Sequence[str]) -> None:
    """Let `input` read these lines, and then the end of the file."""

    def read(prompt: str) -> str:
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    waiting: Iterator[str] = iter(lines)
    monkeypatch.setattr("builtins.input", read)


async def talk(reception: AnsweringReception, stop: asyncio.Event | None = None) -> None:
    assert reception.platform is not None
    async with asyncio.timeout(60):
        await reception.platform.run(reception, stop or asyncio.Event(), asyncio.Event())


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("How do I start? ", Ask(text="How do I start?")),
        ("/new", NewThread()),
        (" /Refresh-Docs", Refresh()),
        ("/quit", Quit()),
        ("/attach trace.log", Attach(path="trace.log")),
        (" /Attach   My Files/a.PDF ", Attach(path="My Files/a.PDF")),
        ("/attach", Attach(path="")),
        ("/attachments", Help()),
        ("/confirm", Confirm(done=True)),
        ("/Cancel", Confirm(done=False)),
        ("/help", Help()),
        ("/nonsense", Help()),
        ("", Ask(text="")),
    ],
)
def test_a_line_is_a_command_or_a_question(line: str, meaning: Line) -> None:
    assert read_line(line) == meaning


async def test_each_line_is_asked_in_the_thread_and_its_answer_printed(
    reception: AnsweringReception, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["a", "", "b"])
    await talk(reception)
    assert [mention.text for mention in reception.mentions] == ["a", "b"]
    assert len({mention.thread for mention in reception.mentions}) == 1
    assert len({mention.message for mention in reception.mentions}) == 2
    shown = screen.getvalue()
    assert shown.index("> a") < shown.index("answer to a") < shown.index("> b")


# --- files ----------------------------------------------------------------------------------------


async def test_attached_files_go_with_the_next_question_and_with_no_other(
    reception: AnsweringReception,
    screen: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    log, picture = tmp_path / "trace.log", tmp_path / "my screen.png"
    log.write_bytes(b"exit 1")
    picture.write_bytes(b"\x89PNG")
    lines = [f"/attach {log}", f"/attach '{picture}'", "What is this?", "And now?"]
    type_in(monkeypatch, lines)
    await talk(reception)
    assert "trace.log goes with your next question." in screen.getvalue()
    first, second = reception.mentions
    told = [(file.name, file.size, file.media_type) for file in first.files]
    assert told == [("trace.log", 6, ""), ("my screen.png", 4, "image/png")]
    assert {(file.channel, file.message) for file in first.files} == {
        (first.channel, first.message)
    }
    assert (first.unread, second.files, second.unread) == ((), (), ())
    assert reception.platform is not None
    read = reception.platform.read_file
    assert await read(first.thread, first.files[0], 6) == b"exit 1"
    with pytest.raises(FileUnreadable, match="larger than 5 bytes"):
        await read(first.thread, first.files[0], 5)
    log.unlink()
    with pytest.raises(FileUnreadable, match="no longer there"):
        await read(first.thread, first.files[0], 6)


async def test_a_file_that_is_attached_twice_goes_with_the_question_once(
    reception: AnsweringReception,
    screen: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    log, link = tmp_path / "trace.log", tmp_path / "same.log"
    log.write_bytes(b"exit 1")
    link.symlink_to(log)
    twice = [f"/attach {log}", f"/attach {tmp_path}/./trace.log", f"/attach {link}"]
    type_in(monkeypatch, [*twice, "What is this?", f"/attach {log}", "And now?"])
    await talk(reception)
    shown = " ".join(screen.getvalue().split())
    assert shown.count("trace.log goes with your next question.") == 2
    for name in ("trace.log", "same.log"):
        said = f"{name} is attached already, and goes with your next question once."
        assert shown.count(said) == 1
    names = [[file.name for file in mention.files] for mention in reception.mentions]
    assert names == [["trace.log"], ["trace.log"]]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/attach", "Name a file, as in: /attach trace.log"),
        ("/attach FOLDER/nothing.log", "There is no file"),
        ("/attach FOLDER", "is a folder: attach its files, one at a time."),
        ("/attach ~nobody-of-that-name/a.log", "~nobody-of-that-name/a.log cannot be read"),
        ("/attach a\0b", "There is no file"),
        ("/attach " + "a" * 5_000, "cannot be read"),
    ],
)
async def test_what_is_no_file_is_said_so_and_nothing_is_attached(
    reception: AnsweringReception,
    screen: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    typed: str,
    said: str,
) -> None:
    type_in(monkeypatch, [typed.replace("FOLDER", str(tmp_path)), "a"])
    await talk(reception)
    assert said in " ".join(screen.getvalue().split())
    assert [mention.files for mention in reception.mentions] == [()]


async def test_a_file_that_is_gone_before_the_question_is_named_with_it(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "trace.log"
    log.write_bytes(b"exit 1")
    lines = iter([f"/attach {log}", "What is this?"])

    def type_line(prompt: str) -> str:
        line = next(lines, None)
        if line is None:
            raise EOFError
        if line.startswith("What"):
            log.unlink()
        return line

    monkeypatch.setattr("builtins.input", type_line)
    await talk(reception)
    (mention,) = reception.mentions
    assert (mention.files, mention.unread) == ((), ("trace.log (it is no longer there)",))


async def test_files_of_another_session_are_not_looked_for_on_this_machine(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "trace.log"
    log.write_bytes(b"exit 1")
    type_in(monkeypatch, [f"/attach {log}", "What is this?"])
    await talk(reception)
    (mention,) = reception.mentions
    another = TerminalPlatform(Console(file=io.StringIO()), interactive=False)
    with pytest.raises(FileUnreadable, match="no longer there"):
        await another.read_file(mention.thread, mention.files[0], 100)


# --- confirming -----------------------------------------------------------------------------------


async def test_what_is_proposed_can_be_confirmed_and_the_reply_to_that_is_waited_for(
    reception: AnsweringReception, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.buttons = (Button.CONFIRM, Button.DENY)
    reception.pressed = [Pressed(said="I am at it.", settled=True, follows=True)]
    type_in(monkeypatch, ["a", "/confirm", "/confirm", "b"])
    await talk(reception)
    shown = screen.getvalue()
    order = ["answer to a", MAY_CONFIRM, "I am at it.", NOTHING_TO_CONFIRM, "answer to b"]
    places = [shown.index(said) for said in order]
    assert places == sorted(places)
    assert "it is done" in shown
    (press,) = reception.presses
    asked = reception.mentions[0]
    assert (press.button, press.turn, press.user) == (Button.CONFIRM, TurnId(0), "operator")
    assert (press.thread, press.channel, press.message) == (
        asked.thread,
        asked.channel,
        MessageId("m"),
    )
    assert shown.count(MAY_CONFIRM) == 1


async def test_what_is_proposed_can_be_refused_and_then_there_is_nothing_to_wait_for(
    reception: AnsweringReception, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.buttons = (Button.CONFIRM, Button.DENY)
    reception.pressed = [StoreError(), Pressed(said="I leave it.", settled=True)]
    type_in(monkeypatch, ["/cancel", "a", "/cancel", "/cancel", "/confirm"])
    await talk(reception)
    assert [press.button for press in reception.presses] == [Button.DENY, Button.DENY]
    shown = screen.getvalue()
    assert shown.count(NOTHING_TO_CONFIRM) == 2  # before, and after it is settled
    assert shown.index(TRY_AGAIN) < shown.index("I leave it.")


async def test_in_another_thread_there_is_nothing_to_confirm(
    reception: AnsweringReception, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception.buttons = (Button.CONFIRM, Button.DENY)
    type_in(monkeypatch, ["a", "/new", "/confirm"])
    await talk(reception)
    assert NOTHING_TO_CONFIRM in screen.getvalue()
    assert reception.presses == []


async def test_new_begins_another_thread(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["a", "/new", "b"])
    await talk(reception)
    assert len({mention.thread for mention in reception.mentions}) == 2


async def test_quit_leaves_what_follows_unread(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["/quit", "a"])
    await talk(reception)
    assert reception.mentions == []


async def test_refresh_says_what_was_done_or_why_not(
    reception: AnsweringReception, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["/refresh-docs", "/refresh-docs"])
    await talk(reception)
    assert "1 added" in screen.getvalue()
    assert "under way already" in screen.getvalue()


async def test_a_stop_ends_the_talk_while_it_waits_for_a_line(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, released = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def waits_for_ever(prompt: str) -> str:
        loop.call_soon_threadsafe(stop.set)
        released.wait(5)
        raise EOFError

    monkeypatch.setattr("builtins.input", waits_for_ever)
    await talk(reception, stop)
    assert stop.is_set()
    released.set()


async def test_two_sessions_never_share_an_identity(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = AnsweringReception()
    other.platform = TerminalPlatform(Console(file=io.StringIO()), interactive=False)
    for session in (reception, other):
        type_in(monkeypatch, ["a"])
        await talk(session)
    mentions = (*reception.mentions, *other.mentions)
    assert len({mention.message for mention in mentions}) == 2
    assert len({mention.channel for mention in mentions}) == 2


async def test_a_reply_shows_its_sources_with_their_addresses() -> None:
    screen, notebook = io.StringIO(), Notebook()
    platform = TerminalPlatform(Console(file=screen, width=80), interactive=False)
    link = Citation(url="https://docs.example.com/a", title="Page A")
    (text,) = platform.render(Reply(text="**Yes.**", links=(link,)))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(platform.ask(notebook, "a", asyncio.Event()))
        await platform.post(reply_to(await notebook.next(), text))
    shown = screen.getvalue()
    assert "Yes." in shown
    assert "Page A" in shown
    assert "https://docs.example.com/a" in shown


async def test_the_reply_to_a_question_of_a_dead_session_is_neither_shown_nor_taken_for_ours() -> (
    None
):
    screen, stop = io.StringIO(), asyncio.Event()
    dead = TerminalPlatform(Console(file=io.StringIO()), interactive=False)
    platform = TerminalPlatform(Console(file=screen, width=80), interactive=False)
    theirs, ours = Notebook(), Notebook()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(dead.ask(theirs, "old", stop))
        asking = tasks.create_task(platform.ask(ours, "new", stop))
        left_over, mention = await theirs.next(), await ours.next()

        assert await platform.post(reply_to(left_over, "old answer"))
        await platform.clear_working(left_over.thread, left_over.message)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not asking.done()

        await platform.post(reply_to(mention, "new answer"))
        await asyncio.wait([asking])
        stop.set()
    assert "new answer" in screen.getvalue()
    assert "old answer" not in screen.getvalue()


async def test_a_question_on_which_nobody_works_any_more_is_not_waited_for() -> None:
    screen, notebook = io.StringIO(), Notebook()
    platform = TerminalPlatform(Console(file=screen, width=80), interactive=False)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(platform.ask(notebook, "a", asyncio.Event()))
        mention = await notebook.next()
        await platform.clear_working(mention.thread, mention.message)
    assert "could not be shown" in screen.getvalue()


async def test_a_question_left_by_a_dead_session_is_settled_in_silence(
    sqlite_store: Store, tmp_path: Path
) -> None:
    screen, stop = io.StringIO(), asyncio.Event()
    dead = TerminalPlatform(Console(file=io.StringIO()), interactive=False)
    platform = TerminalPlatform(Console(file=screen, width=80), interactive=False)
    async with docent_over(sqlite_store, tmp_path / "docs", platform) as docent:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            leaving = asyncio.Event()
            tasks.create_task(dead.ask(docent.desk, "How to install Acme?", leaving))
            leaving.set()
        async with asyncio.timeout(60), answering(docent, stop):
            await platform.ask(docent.desk, QUESTION, stop)
            await docent.loop.idle.wait()
        assert not await sqlite_store.turns.heads()
    assert "ninety days" in screen.getvalue()
    assert "pip install" not in screen.getvalue()


async def test_a_reply_that_cannot_be_written_ends_the_wait_for_it(
    sqlite_store: Store, tmp_path: Path
) -> None:
    screen, stop = FailsOnce(), asyncio.Event()
    platform = TerminalPlatform(Console(file=screen, width=80), interactive=False)
    async with (
        asyncio.timeout(60),
        docent_over(sqlite_store, tmp_path / "docs", platform) as docent,
        answering(docent, stop),
    ):
        screen.is_full = True
        await platform.ask(docent.desk, QUESTION, stop)
    assert "could not be shown" in screen.getvalue()


# --- as a process of its own ---------------------------------------------------------------------


async def start(folder: Path, *arguments: str, output: int = PIPE, **values: str) -> Process:
    values["DOCS_SOURCES"] = write_docs(folder / "docs")
    return await asyncio.create_subprocess_exec(
        DOCENT, *arguments, cwd=folder, env=values, stdin=PIPE, stdout=output, stderr=PIPE
    )


async def end(process: Process, given: str | None = None) -> tuple[str, str]:
    """What it wrote to its output and errors; its input is closed only where something is given."""
    async with asyncio.timeout(30):
        if given is not None:
            output, errors = await process.communicate(given.encode())
            return (output or b"").decode(), errors.decode()
        assert process.stdout is not None
        assert process.stderr is not None
        await process.wait()
        return (await process.stdout.read()).decode(), (await process.stderr.read()).decode()


async def test_what_the_encoding_of_the_output_lacks_is_replaced(tmp_path: Path) -> None:
    process = await start(tmp_path, "chat", PYTHONIOENCODING="ascii")
    output, errors = await end(process, "Naïve — is it?\nAnd then?\n")
    assert (process.returncode, errors) == (0, f"{NOT_READ}\n")
    assert "> Na??ve ??? is it?" in output
    assert "> And then?" in output


@pytest.mark.parametrize("command", ["chat", "demo"])
async def test_an_output_that_nobody_reads_ends_it_quietly_with_1(
    command: str, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = await start(tmp_path, command, output=writer)
    os.close(writer)
    _, errors = await end(process, f"{QUESTION}\n{QUESTION}\n")
    hint = f"{NOT_READ}\n" if command == "chat" else ""
    assert (process.returncode, errors) == (1, hint)


@pytest.mark.parametrize("command", ["chat", "demo"])
async def test_an_output_without_room_ends_it_with_1_and_says_so_once(
    command: str, tmp_path: Path
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = await start(tmp_path, command, output=full)
    os.close(full)
    _, errors = await end(process, f"{QUESTION}\n{QUESTION}\n")
    hint = f"{NOT_READ}\n" if command == "chat" else ""
    said = f"{hint}The output cannot be written (No space left on device).\n"
    assert (process.returncode, errors) == (1, said)


async def test_an_input_that_is_closed_has_no_line(tmp_path: Path) -> None:
    values = {"DOCS_SOURCES": write_docs(tmp_path / "docs")}
    shell = f"exec '{DOCENT}' chat <&-"
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", shell, cwd=tmp_path, env=values, stdout=PIPE, stderr=PIPE
    )
    assert (await end(process), process.returncode) == (("", f"{NOT_READ}\n"), 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_chat_that_waits_for_input_quietly_with_0(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = await start(tmp_path, "chat")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{QUESTION}\n".encode())
    async with asyncio.timeout(30):
        # Its reply is on the screen once this is: the chat waits for the next line, or is about to.
        await process.stdout.readuntil(b"Reach out to the team")
    process.send_signal(number)
    _, errors = await end(process)
    assert (process.returncode, errors) == (0, f"{NOT_READ}\n")
    process.stdin.close()
    await process.stdin.wait_closed()
