"""The terminal as a platform: what is typed, or comes through a pipe, is asked like a mention.

Questions go through the same desk and loop as those of Slack and Discord.
"""

import asyncio
import contextlib
import itertools
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.status import Status

from bots.download import GONE
from bots.press_order import TRY_AGAIN, hand_over
from bots.refresh_text import progress_line, summary
from bots.terminal_bot import files
from bots.terminal_bot.events import (
    HELP,
    USER,
    Ask,
    Attach,
    Confirm,
    Help,
    NewThread,
    Quit,
    Refresh,
    read_line,
)
from bots.terminal_bot.render import render, show
from bots.waiting import work_until
from core.documents import RefreshProgress
from core.domain import (
    Attached,
    Button,
    Mention,
    MessageId,
    Post,
    Reply,
    Root,
    Said,
    ThreadRef,
)
from core.errors import DocumentsError, FileUnreadable, PlatformRefused
from core.ports import Render
from core.press import Press
from core.reception import Reception
from core.waiting import first_of

PROMPT = "\n> "
MAY_CONFIRM = "Type /confirm to let me do that, or /cancel."
NOTHING_TO_CONFIRM = "There is nothing to confirm."


@dataclass(kw_only=True, slots=True)
class Asked:
    """The question that waits for its reply."""

    message: MessageId
    replied: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)  #: no reply will come any more


class TerminalPlatform:
    """One talk at a terminal, or one list of questions through a pipe."""

    def __init__(self, console: Console, *, interactive: bool | None = None) -> None:
        """`interactive`: whether a person is at the input; found out where it is not given."""
        self.name = "terminal"
        self.working_seconds = 3600.0  # the spinner turns by itself
        self.interactive = sys.stdin.isatty() if interactive is None else interactive
        self._console = console
        # Part of every identity, so that a session's messages are never those of another.
        self._session = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._thread = 1
        self._asked: Asked | None = None
        self._attached: list[Path] = []  # to the next question
        self._proposed: Post | None = None  # what may be confirmed
        self._status: Status | None = None

    async def open(self) -> None:
        """See `Platform.open`. A terminal is always ready."""

    def channel_of(self, thread: ThreadRef) -> str:
        """See `Platform.channel_of`. There is one channel."""
        return thread.key

    async def talk(
        self, thread: ThreadRef, after: MessageId | None, before: MessageId, limit: int
    ) -> Sequence[Said]:
        """See `Platform.talk`. All that is said at a terminal is asked."""
        return ()

    async def announce(
        self, channel: str, text: str, *, quote: str = "", marker: str = "", doubtful: bool = False
    ) -> None:
        """See `Platform.announce`. There is one channel."""
        lines = (text, *(f"> {line}" for line in quote.splitlines()))
        self._console.print("\n".join(lines), markup=False)

    async def publish(
        self, channel: str, part: str, *, marker: str, doubtful: bool = False
    ) -> None:
        """See `Platform.publish`."""
        show(self._console, part)

    def is_direct(self, thread: ThreadRef) -> bool:
        """See `Platform.is_direct`. Who sits at the terminal asks and reads."""
        return True

    def can_share(self, thread: ThreadRef) -> bool:
        """See `Platform.can_share`. There is nobody else."""
        return False

    async def share_question(
        self, thread: ThreadRef, asker: str, question: str, *, marker: str, doubtful: bool
    ) -> Root:
        """See `Platform.share_question`."""
        raise PlatformRefused("There is nobody else at this terminal.")

    async def link(self, thread: ThreadRef, message: MessageId) -> str:
        """See `Platform.link`. Nothing leads to what was said here."""
        return ""

    async def read_file(self, thread: ThreadRef, file: Attached, limit: int) -> bytes:
        """See `Platform.read_file`. One of another session may be of another machine."""
        if thread.key.partition("/")[0] != self._session:
            raise FileUnreadable(GONE)
        return await asyncio.to_thread(files.read, file, limit)

    async def run(self, reception: Reception, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Ask line by line, each after the reply to the one before; ends with the input."""
        ready.set()
        while (line := await self._next_line(stop)) is not None:
            match read_line(line):
                case Quit():
                    break
                case Ask(text=text):
                    if text and not self.interactive:
                        self._console.print(f"\n> {text}", style="bold", markup=False)
                    if text:
                        await self.ask(reception, text, stop)
                case command:
                    await self._obey(command, reception, stop)
        if self.interactive:
            self._console.print()  # what the shell writes next is on a line of its own

    async def _obey(
        self,
        command: NewThread | Refresh | Attach | Confirm | Help,
        reception: Reception,
        stop: asyncio.Event,
    ) -> None:
        match command:
            case NewThread():
                self.new_thread()
                self._console.print("\n— a new thread —", style="dim")
            case Help():
                self._console.print(HELP, markup=False)
            case Refresh():
                await work_until(stop, self._refresh(reception))
            case Attach(path=path):
                self._attach(path)
            case Confirm(done=done):
                await self._confirm(reception, Button.CONFIRM if done else Button.DENY, stop)

    async def ask(self, reception: Reception, text: str, stop: asyncio.Event) -> None:
        """Ask in the present thread, and return when the reply is on the screen, or none comes."""
        asked = Asked(message=MessageId(f"{self._session}/{next(self._numbers)}"))
        self._asked = asked
        found, unread = self._take_attached(asked.message)
        await reception.take(
            Mention(
                thread=ThreadRef(
                    platform=self.name, tenant="", key=f"{self._session}/{self._thread}"
                ),
                channel=self._session,
                message=asked.message,
                author=USER,
                text=text,
                at=time.time(),
                files=found,
                unread=unread,
            )
        )
        await self._wait_for(asked, stop)

    async def _wait_for(self, asked: Asked, stop: asyncio.Event) -> None:
        """Wait until the reply is on the screen, or none comes."""
        await first_of(asked.over, stop)
        self._asked = None
        self._stop_status()
        if not asked.replied and not stop.is_set():
            self._console.print("\nThe reply could not be shown. Ask again.")

    def new_thread(self) -> None:
        """Leave the present thread: what is asked next has no earlier questions."""
        self._thread += 1
        self._proposed = None

    def _attach(self, typed: str) -> None:
        """Keep a file for the next question."""
        try:
            path = files.find(typed)
        except FileUnreadable as error:
            said = str(error)
        else:
            said = f"{path.name} goes with your next question."
            if path.resolve() in map(Path.resolve, self._attached):
                said = f"{path.name} is attached already, and goes with your next question once."
            else:
                self._attached.append(path)
        self._console.print(said, markup=False)

    def _take_attached(self, message: MessageId) -> tuple[tuple[Attached, ...], tuple[str, ...]]:
        """The files that go with a question; and the names of those that are gone by now."""
        found: list[Attached] = []
        gone: list[str] = []
        for path in self._attached:
            try:
                found.append(files.attached(path, self._session, message))
            except OSError:
                gone.append(f"{path.name} ({GONE})")
        self._attached.clear()
        return tuple(found), tuple(gone)

    async def _confirm(self, reception: Reception, button: Button, stop: asyncio.Event) -> None:
        """Say whether what was proposed is to be done; then wait for the reply to that."""
        proposed = self._proposed
        if proposed is None:
            self._console.print(NOTHING_TO_CONFIRM)
            return
        press = self._press(proposed, button)
        asked = self._asked = Asked(message=press.message)
        pressed = await hand_over(reception, press)
        said = TRY_AGAIN if pressed is None else pressed.said
        if said:
            self._console.print(said, markup=False)
        if pressed is not None and pressed.settled and self._proposed is proposed:
            self._proposed = None
        if pressed is not None and pressed.follows:
            await self._wait_for(asked, stop)
        self._asked = None

    def _press(self, post: Post, button: Button) -> Press:
        """What pressing a button under a reply would be, where there are buttons."""
        return Press(
            platform=self.name,
            tenant="",
            channel=self._session,
            thread=post.thread,
            message=MessageId(post.marker),
            user=USER,
            turn=post.turn,
            button=button,
            at=time.time(),
        )

    async def _refresh(self, reception: Reception) -> None:
        with self._console.status("Refreshing…") as status:

            async def show(progress: RefreshProgress) -> None:
                status.update(progress_line(progress))

            try:
                said = summary(await reception.refresh(self.name, USER, show))
            except DocumentsError as error:
                said = str(error)
        self._console.print(said, markup=False)

    async def _next_line(self, stop: asyncio.Event) -> str | None:
        """A line of the input; None at its end, or when `stop` is set before it comes."""
        if self.interactive and not stop.is_set():
            self._console.print(PROMPT, end="")
        return None if stop.is_set() else await _read_input(stop)

    # --- the port ---------------------------------------------------------------------------------

    async def close(self) -> None:
        """Stop the spinner."""
        self._stop_status()

    def render(self, reply: Reply) -> Sequence[str]:
        """The reply as Markdown, in one part."""
        return render(reply)

    async def post(self, post: Post) -> MessageId:
        """Print one reply; in silence where its question was asked in a session that is over.

        Raises PlatformRefused where the output takes nothing.
        """
        if post.thread.key.partition("/")[0] == self._session:
            self._stop_status()
            try:
                self._console.print()
                show(self._console, post.text)
                if Button.CONFIRM in post.buttons:
                    self._proposed = post
                    self._console.print(f"\n{MAY_CONFIRM}", markup=False)
            except OSError as error:
                raise PlatformRefused("The output cannot be written.") from error
            if self._asked and self._asked.message == post.reply_to:
                self._asked.replied = True
                self._asked.over.set()
        return MessageId(post.marker)

    async def edit(self, post: Post, message: MessageId) -> None:
        """Print the reply: what was printed before stays."""
        await self.post(post)

    async def delete(self, thread: ThreadRef, message: MessageId) -> None:
        """Do nothing: what was printed stays."""

    draft_seconds = None  #: an answer is drawn as a whole

    def draft_renderer(self, thread: ThreadRef) -> Render:
        """Show nothing of what is being written."""
        return lambda text: ()

    async def draft(self, post: Post, message: MessageId | None) -> MessageId:
        """Show nothing of what is being written."""
        return message or MessageId(post.marker)

    async def find(self, post: Post) -> MessageId | None:
        """Nothing is ever known to have been printed: a session ends with its process."""
        return None

    async def show_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """Turn a spinner for the question that waits, where there is a terminal."""
        is_asked = self._asked is not None and self._asked.message == reply_to
        if is_asked and self._console.is_terminal and self._status is None:
            self._status = self._console.status("Reading the documentation…")
            self._status.start()

    async def clear_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """End the wait for a reply, and the spinner: nobody works on the question any more."""
        if self._asked and self._asked.message == reply_to:
            self._asked.over.set()

    def _stop_status(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


async def _read_input(stop: asyncio.Event) -> str | None:
    """A line of the input; None at its end, or when `stop` is set before it comes.

    Read in a thread of its own that dies with the process: the executor's threads are waited for at
    the end, and one that sits in `input` would keep a stopped process alive until the next Enter.
    """
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    lines: list[str] = []

    def read() -> None:
        # ValueError: what is not in the input's encoding. OSError: the terminal is gone.
        with contextlib.suppress(EOFError, KeyboardInterrupt, OSError, ValueError):
            lines.append(input(""))
        with contextlib.suppress(RuntimeError):  # the talk may have ended meanwhile
            loop.call_soon_threadsafe(came.set)

    threading.Thread(target=read, daemon=True, name="input").start()
    await first_of(came, stop)
    return lines[0] if lines else None
