"""The edges of core: what it needs of a platform, an engine, a source and an index.

Each port has at least two real implementations, and a suite in `tests/contract` that says by
example what the docstrings here promise.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, Protocol

from core.documents import Comparison, Document, Listed, Page
from core.domain import (
    Attached,
    ConversationId,
    Exchange,
    MessageId,
    Post,
    Question,
    Reply,
    Root,
    RunId,
    RunState,
    Said,
    ThreadRef,
    ToolOutput,
)
from core.errors import IndexRefused
from core.reception import Reception

Render = Callable[[str], Sequence[str]]
"""Writes Markdown as a platform shows it, in parts that it takes."""

FileKind = Literal["image", "document"]

Written = Callable[[], str]
"""What is written of an answer so far: Markdown, without marks. To be called when it is shown."""


class Platform(Protocol):
    """Where questions come from and replies go: one adapter in `bots/`."""

    @property
    def name(self) -> str:
        """What `ThreadRef.platform` says for this platform's threads."""
        ...

    @property
    def working_seconds(self) -> float:
        """How long a sign of `show_working` lasts; it is shown again before it ends."""
        ...

    async def open(self) -> None:
        """Make ready to post, without hearing of any event; a process that only works does so.

        `run` does it by itself. A second call does nothing. Raises PlatformRefused where the
        platform does not let the bot in; one that cannot be reached is tried again by `post`.
        """
        ...

    async def run(self, reception: Reception, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Connect, set `ready`, hand over mentions until `stop` is set, then take no more.

        Returns within seconds after `stop`; replies can still be posted until `close`. Raises
        PlatformRefused where the platform does not let the bot in (a bad token): it never hangs.
        """
        ...

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        ...

    def render(self, reply: Reply) -> Sequence[str]:
        """Write the reply as the platform shows it, in parts that it takes; at least one part.

        Pure: no pings, no link whose target is hidden, whatever the text contains.
        """
        ...

    async def post(self, post: Post) -> MessageId:
        """Post one part in its thread (making the thread where there is none yet); its id.

        Raises PlatformBusy, PlatformUnreachable, ThreadGone, TokenRefused (the bot is let in
        nowhere) or another PlatformRefused (this one post is not taken).
        """
        ...

    async def edit(self, post: Post, message: MessageId) -> None:
        """Let a message of ours be this part, whatever it was: a draft mostly. Raises as `post`.

        A message that is gone is no error: somebody did not want it.
        """
        ...

    async def delete(self, thread: ThreadRef, message: MessageId) -> None:
        """Delete a message of ours. One that is gone is no error. Raises as `post` does."""
        ...

    @property
    def draft_seconds(self) -> float | None:
        """How long to wait between two states of a draft; None: it shows none."""
        ...

    def draft_renderer(self, thread: ThreadRef) -> Render:
        """Make what writes one answer again and again while it grows, in parts.

        It gives no parts where nothing can be shown yet, and none at all in a thread whose messages
        cannot be changed. All parts but the last stay as they are when more is written. Safe as
        `render` is; may raise PlatformBusy, where the platform would not take a draft now.
        """
        ...

    async def draft(self, post: Post, message: MessageId | None) -> MessageId:
        """Show a part that is being written: as a new message, or in the one that it has; its id.

        Raises as `post` does; PlatformBusy also where there should be fewer drafts for a while. A
        message that was edited meanwhile, or is gone, is left as it is.
        """
        ...

    def channel_of(self, thread: ThreadRef) -> str:
        """In which channel a thread hangs, by the id that settings name it by. Pure."""
        ...

    async def talk(
        self, thread: ThreadRef, after: MessageId | None, before: MessageId, limit: int
    ) -> Sequence[Said]:
        """What others said in a thread after one message and before another, oldest first.

        With `after` None from the thread's root on, which is the first then. The newest `limit`
        where there is more, the root in any case; messages of the bot itself and those without
        text are left out, and the mention of the bot is taken out of the others. Nothing, and no
        request, where `before` is the root. Raises as `post` does.
        """
        ...

    async def announce(
        self, channel: str, text: str, *, quote: str = "", marker: str = "", doubtful: bool = False
    ) -> None:
        """Post a text of our own in a channel, outside any thread. Raises as `post` does.

        `quote` is what somebody wrote, shown below as a quotation: it pings nobody and hides no
        link. With a `marker` that is the same in every attempt, what was posted already is not
        posted again, as far as the platform lets us see; `doubtful`: it may have been.
        """
        ...

    async def publish(
        self, channel: str, part: str, *, marker: str, doubtful: bool = False
    ) -> None:
        """Post a part that `render` wrote in a channel, outside any thread; see `announce`."""
        ...

    def is_direct(self, thread: ThreadRef) -> bool:
        """Whether nobody reads the thread but one person, and the bot. Pure."""
        ...

    def can_share(self, thread: ThreadRef) -> bool:
        """Whether the thread is one person's alone in a channel that others read, too. Pure."""
        ...

    async def share_question(
        self, thread: ThreadRef, asker: str, question: str, *, marker: str, doubtful: bool
    ) -> Root:
        """Show everybody in the channel of such a thread who asked what, for the answer to follow.

        Pings nobody. `marker` and `doubtful` are as for `announce`. Raises as `post` does.
        """
        ...

    async def link(self, thread: ThreadRef, message: MessageId) -> str:
        """Where people get to a message of a thread, or "". Raises as `post` does."""
        ...

    async def read_file(self, thread: ThreadRef, file: Attached, limit: int) -> bytes:
        """Read a file that is attached to a message of the thread.

        Raises FileUnreadable where it is gone, larger than `limit` bytes, not to be read by the
        bot, or no file but a page that says so; else as `post` does.
        """
        ...

    async def find(self, post: Post) -> MessageId | None:
        """Look whether the part was posted already, by its marker. Raises as `post` does."""
        ...

    async def show_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """Show that an answer is on its way. A platform that cannot does nothing; never raises."""
        ...

    async def clear_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """Take the sign of `show_working` away, where there is one. Never raises."""
        ...


class AnswerEngine(Protocol):
    """What answers. Each method raises EngineBusy, EngineUnreachable or EngineRefused."""

    @property
    def name(self) -> str:
        """Stored with each conversation: ids of one engine are never given to another."""
        ...

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        """Open the memory of a thread, knowing `history` (oldest first; bounded by the caller)."""
        ...

    @property
    def reads_files(self) -> bool:
        """Whether questions may have files, and `upload` takes those that are no text."""
        ...

    async def upload(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        """Hand over an attached file, to be named in questions; what the engine has of it.

        It is deleted after `keep` seconds, or as long as the engine keeps files at most. A repeat
        hands it over again.
        """
        ...

    async def start(
        self,
        conversation: ConversationId,
        question: Question,
        outputs: Sequence[ToolOutput] = (),
    ) -> RunId:
        """Begin to answer, once: nothing is repeated behind the caller's back.

        With `outputs`, go on with a question whose run has ended in Calls: what came of each.
        Raises ConversationLocked while another run holds the conversation, ConversationGone where
        the engine does not have it or can no longer use it, ConversationTooLong where it does not
        fit the model any more.
        """
        ...

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        """Say what became of a run for `question` whose id was lost; None: no trace of one.

        One that is still at work may leave no trace, but holds the conversation: `start` then
        raises ConversationLocked. Failed where it left the conversation half-written. Raises
        ConversationGone where the engine does not have it. Calls that have their outputs are not
        told again.
        """
        ...

    async def check(self, run: RunId) -> RunState:
        """Say how far a run is. A run that the engine does not know is Failed, transient."""
        ...

    def listen(self, run: RunId) -> AsyncIterator[Written]:
        """Hear how the answer is written: one item whenever there is more.

        Ends when there will be no more, mostly because the run has ended: `check` then says how.
        May end at any time, and without any item: looking at the run must always be enough. Raises
        nothing but what cancels it.
        """
        ...

    async def cancel(self, run: RunId) -> None:
        """Stop a run. A run that has ended or is unknown is left as it is."""
        ...

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        """Delete what the engine keeps of a conversation, of runs and of uploaded files.

        What is gone is no error.
        """
        ...

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        ...


class PageSource(Protocol):
    """Where pages come from."""

    @property
    def name(self) -> str:
        """As written in DOCS_SOURCES; unique, and stored with each page."""
        ...

    async def list(self) -> Sequence[Listed]:
        """Say which pages there are, without reading them, each url once.

        Raises SourceUnreachable; never returns a part of the list as if it were the whole.
        """
        ...

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Read one page. `known` is the stamp of the copy we have; None if it has not changed.

        A page that has another address than the listed one is that of the other address, which is
        one of the source, too; `known` is then the stamp that it came with under the listed one.
        Raises PageGone where it is no longer there, PageEmpty where it holds nothing to index, and
        PageUnreadable where it cannot be read.
        """
        ...

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        ...


class DocumentIndex(Protocol):
    """What engines search. Keeps copies of pages, each known by a `ref` of its own making."""

    @property
    def name(self) -> str:
        """Stored with each document."""
        ...

    @property
    def batch_size(self) -> int:
        """How many pages `put` takes at once."""
        ...

    @property
    def lanes(self) -> int:
        """How many calls of `put` may be under way at the same time."""
        ...

    @property
    def in_doubt(self) -> bool:
        """Whether `put` may have left something behind that `compare` finds, and has not yet."""
        ...

    async def prepare(self) -> str:
        """Make sure that the index is there, and name the place where it keeps its copies.

        An index that was lost begins anew at another place, and so does one that the settings
        moved: copies elsewhere do not count, and are removed when there are new ones. "" where
        there is but one place. Raises EngineError as engines do.
        """
        ...

    async def put(self, pages: Sequence[Page]) -> Sequence[str | IndexRefused]:
        """Copy pages into the index and wait until they can be found, within a bounded time.

        Returns, in the same order, the ref of each copy or why it was not taken. Copies that the
        index has already stay until they are removed. Raises EngineError as engines do.
        """
        ...

    async def relabel(self, copies: Sequence[Document]) -> Sequence[bool]:
        """Let copies say that their pages come from the source that stands in them now.

        Returns, in the same order, whether each does; one that cannot is to be put in anew. A
        repeat changes nothing. Raises EngineError as engines do.
        """
        ...

    async def remove(self, documents: Sequence[Document]) -> None:
        """Delete copies. One that is gone already is no error. Raises EngineError as engines do."""
        ...

    async def tidy(self, changes: int) -> None:
        """Hear that a refresh has put in or taken out so many copies, and is done with it.

        What makes the next searches quick may be done now, or nothing. Raises EngineError as
        engines do.
        """
        ...

    async def compare(self, documents: Sequence[Document]) -> Comparison:
        """Compare what the index holds with all that we have on record of it. Changes nothing.

        What others have put there is never among the orphans, so those may be removed. An index
        that does not exist holds nothing. Raises EngineError as engines do.
        """
        ...

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        ...
