"""The edges of core: what it needs of a platform, an engine, a source and an index.

Each port has at least two real implementations, and a suite in `tests/contract` that says by
example what the docstrings here promise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from core.domain import (
    Absence,
    Comparison,
    ConversationId,
    Document,
    Exchange,
    Listed,
    Mention,
    MessageId,
    MessageRef,
    Page,
    Post,
    Question,
    RefreshProgress,
    RefreshReport,
    Reply,
    RunId,
    RunState,
    ThreadRef,
)
from core.errors import IndexRefused

OnProgress = Callable[[RefreshProgress], Awaitable[None]]


class Reception(Protocol):
    """What an adapter may ask of core; `core.desk.Desk` is the one implementation."""

    async def take(self, mention: Mention) -> bool:
        """Write the mention down; only then may the platform be acknowledged.

        Returns whether it is new. Taking the same message again changes nothing and returns False.
        Raises StoreError where it could not be written: do not acknowledge then.
        """
        ...

    async def edit(self, mention: Mention) -> None:
        """Hear that a message was edited and, as it reads now, asks the bot.

        While it waits for its answer, the new text counts; one that was not taken before is taken
        now. One that has its answer, or whose text is the same, stays as it is. `at` is the time of
        the edit. Raises StoreError.
        """
        ...

    async def withdraw(self, message: MessageRef) -> None:
        """Hear that a message was deleted: where it still waits for an answer, it gets none.

        Any message may be named, and any number of times. Raises StoreError.
        """
        ...

    async def absence(self, listener: str) -> Absence | None:
        """Say what a listener that has just connected may have missed; None: nothing to look for.

        A listener is a connection that hears of a part of the platform's events that is always the
        same: "slack", "discord", "discord/0" for a shard. What it finds, it takes; what was taken
        before, taking changes nothing. Raises StoreError.
        """
        ...

    async def heard(self, listener: str) -> None:
        """Hear that the listener is connected, and has handed over all that came until now.

        To be called when what it missed is found, and every half minute from then on. Never raises.
        """
        ...

    def sources(self) -> Sequence[str]:
        """What people call the sources of the documentation, for a choice of one."""
        ...

    async def refresh(
        self,
        platform: str,
        user: str,
        on_progress: OnProgress,
        *,
        source: str | None = None,
        confirm: bool = False,
    ) -> RefreshReport:
        """Bring the documents in line with their sources, for an admin, and say what was done.

        With `source`, one of `sources`, only with that one. Where the report has pages `withheld`,
        so many are gone that they stay until the same is asked for with `confirm`. Raises NotAdmin,
        UnknownSource, RefreshBusy (with whose refresh is under way) or another DocumentsError.
        """
        ...


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

    async def announce(self, channel: str, text: str) -> None:
        """Post a text of our own in a channel, outside any thread. Raises as `post` does."""
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

    async def start(self, conversation: ConversationId, question: Question) -> RunId:
        """Begin to answer, once: nothing is repeated behind the caller's back.

        Raises ConversationLocked while another run holds the conversation, ConversationGone where
        the engine does not have it or can no longer use it, ConversationTooLong where it does not
        fit the model any more.
        """
        ...

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        """Say what became of a run for `question` whose id was lost; None: no trace of one.

        One that is still at work may leave no trace, but holds the conversation: `start` then
        raises ConversationLocked. Failed where it left the conversation half-written. Raises
        ConversationGone where the engine does not have it.
        """
        ...

    async def check(self, run: RunId) -> RunState:
        """Say how far a run is. A run that the engine does not know is Failed, transient."""
        ...

    async def cancel(self, run: RunId) -> None:
        """Stop a run. A run that has ended or is unknown is left as it is."""
        ...

    async def erase(self, conversation: ConversationId | None, runs: Sequence[RunId]) -> None:
        """Delete what the engine keeps of a conversation and of runs. What is gone is no error."""
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

    async def remove(self, documents: Sequence[Document]) -> None:
        """Delete copies. One that is gone already is no error. Raises EngineError as engines do."""
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
