"""The words of Docent as values: frozen, without I/O. Every other module speaks in these.

Times are seconds since the epoch (UTC) as float; durations are seconds as float.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NewType

from core.text import storable

ThreadId = NewType("ThreadId", int)  #: row of a thread in the store
TurnId = NewType("TurnId", int)  #: row of a turn; grows in the order in which questions were taken
ProcessId = NewType("ProcessId", str)  #: a process among those that share the database
MessageId = NewType("MessageId", str)  #: a platform's id of one message, unique in its channel
ConversationId = NewType("ConversationId", str)  #: an engine's id of its memory of one thread
RunId = NewType("RunId", str)  #: an engine's id of its work on one turn


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadRef:
    """The place on a platform where a talk happens.

    `key` is made and read by the platform's adapter only; everybody else treats it as opaque. It is
    stored for ever, so an adapter that changes its form must still read the old one.
    """

    platform: str  #: "slack", "discord", "terminal"
    tenant: str  #: the workspace or guild; "" where a platform has none
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageRef:
    """What identifies a message on all platforms: for ever, whatever becomes of its text."""

    platform: str
    tenant: str
    channel: str
    message: MessageId


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """An event that asks the bot something: the only kind of event that core sees."""

    thread: ThreadRef
    channel: str  #: together with platform, tenant and message it identifies the mention
    message: MessageId
    author: str  #: the platform's id of the person
    text: str  #: the question, without the mention of the bot
    at: float
    unread: tuple[str, ...] = ()  #: names of attached files, which are not read yet

    @property
    def ref(self) -> MessageRef:
        """The identity of the message."""
        return MessageRef(
            platform=self.thread.platform,
            tenant=self.thread.tenant,
            channel=self.channel,
            message=self.message,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What somebody said in a thread, as it stands there: never an instruction to anybody."""

    speaker: str  #: a name to tell people apart by; "" is the bot itself
    text: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Guide:
    """How questions of one channel are to be answered, beyond what holds for all."""

    instructions: str = ""  #: added to those that hold for all
    language: str = ""  #: of the answers, by its name or code; "": that of the question
    sources: tuple[str, ...] = ()  #: names of page sources to answer from; (): all of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """What an adapter that has (again) a connection may have missed."""

    since: float  #: the last time that this listener surely heard everything
    messages: int  #: read no more than so many in search of mentions, the newest first
    threads: Sequence[ThreadRef]  #: where people talked with the bot lately, the latest first


@dataclass(frozen=True, kw_only=True, slots=True)
class Citation:
    """A page of the documentation that an answer rests on."""

    url: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What an engine found: neutral Markdown, and the pages it rests on in order of use."""

    text: str
    citations: tuple[Citation, ...] = ()
    incomplete: bool = False  #: the engine stopped before the end; the text is what there is


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What an engine is asked: one turn's question, in its conversation."""

    turn: TurnId
    thread: ThreadRef
    author: str
    text: str
    asked_at: float
    revision: int = 0  #: grows when the question is edited: a run for another one answers another
    guide: Guide = field(default_factory=Guide)
    talk: tuple[Said, ...] = ()  #: what was said in the thread since the last turn, oldest first


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """An earlier question and its answer; conversations are rebuilt from these."""

    question: str
    answer: str


# --- the state of a run: what an engine says when it is asked how far it is ---------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Working:
    """The run goes on; look again later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The run is done and has an answer."""

    answer: Answer


@dataclass(frozen=True, kw_only=True, slots=True)
class NotAnswered:
    """The run is done: the documentation does not answer the question."""

    text: str = ""  #: the engine's own words for it, in the asker's language; may be empty


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The run ended without an answer."""

    reason: str  #: a short code for logs and reports, without any text of a person
    transient: bool  #: asking once more may work


RunState = Working | Answered | NotAnswered | Failed


# --- turns and replies ---------------------------------------------------------------------------


class TurnState(StrEnum):
    """How far a turn is. `queued` to `withdrawn` are open: something is still to be done."""

    QUEUED = "queued"
    RUNNING = "running"
    ANSWERED = "answered"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # the question was deleted; the sign of work is to be taken away
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


OPEN_STATES = (
    TurnState.QUEUED,
    TurnState.RUNNING,
    TurnState.ANSWERED,
    TurnState.FAILED,
    TurnState.WITHDRAWN,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One question and its answer: a row of the store, joined with its thread."""

    id: TurnId
    thread_id: ThreadId
    thread: ThreadRef
    channel: str
    message: MessageId
    author: str
    question: str
    unread: tuple[str, ...]
    state: TurnState
    asked_at: float
    started_at: float | None  #: when the first run was attempted; the deadline counts from here
    attempt: int  #: runs that were created for this turn
    run: RunId | None
    engine: str | None  #: the engine that the thread's conversation belongs to
    conversation: ConversationId | None
    outcome: str | None  #: "answered", "incomplete", or the reason of a failure
    revision: int  #: grows with each edit of the question while it waits
    holder: ProcessId | None  #: the process that has the thread, if it still lives
    #: whether, when it was taken, an earlier question of the thread was open
    waits: bool = field(default=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What is to be posted for a turn, before a platform renders it. Text is untrusted Markdown."""

    text: str
    links: tuple[Citation, ...] = ()
    links_title: str = "Sources"
    notes: tuple[str, ...] = ()  #: small print, in our own words


class Button(StrEnum):
    """What people can do about a reply. The values are stored on the platforms: never rename."""

    HELPFUL = "helpful"
    UNHELPFUL = "unhelpful"
    AGAIN = "again"  # ask the same once more
    HUMAN = "human"  # ask people instead
    STOP = "stop"  # while it is being written


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """One part of a rendered reply on its way to a thread."""

    thread: ThreadRef
    reply_to: MessageId  #: the question, for platforms that answer in line
    marker: str  #: the same for every attempt at this part; see `post_marker`
    text: str
    turn: TurnId = TurnId(0)  #: what a press of a button is about
    buttons: tuple[Button, ...] = ()  #: below the text, in this order; only on the last part


def post_marker(turn: Turn, part: int) -> str:
    """Name one part of the reply to `turn`, the same in every process and after a restart.

    24 characters of [0-9a-f]: Discord takes at most 25 as a message's nonce.
    """
    thread = turn.thread
    identity = "\n".join((thread.platform, thread.tenant, turn.channel, turn.message, str(part)))
    return hashlib.sha256(identity.encode()).hexdigest()[:24]


# --- documents -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """An address that a source has, before it is read."""

    url: str  #: what citations link to
    location: str  #: where the source reads it; made and read by the source only
    stamp: str | None = None  #: changes whenever the page does, where listing tells so; else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One address as fetched: its main content as Markdown."""

    source: str
    url: str
    title: str
    markdown: str
    stamp: str | None  #: opaque to all but the source, which gets it back to ask for changes only
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        # Of the text as it is stored: a page that comes back from the store has the same hash.
        content = storable(f"{self.title}\n{self.markdown}")
        object.__setattr__(self, "hash", hashlib.sha256(content.encode()).hexdigest())


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """The copy of a page in an index."""

    index: str
    url: str
    title: str
    hash: str  #: the page's hash when it was put there
    ref: str  #: the index's own id of the copy
    place: str = ""  #: where the index kept it then; see `DocumentIndex.prepare`


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A section of a page as the local index has it."""

    url: str  #: with the section's anchor where it is known
    title: str
    headings: tuple[str, ...]  #: from the page's top to the section
    text: str


RefreshPhase = Literal["listing", "reading", "comparing", "indexing", "removing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshProgress:
    """How far a refresh is."""

    phase: RefreshPhase
    done: int
    total: int
    what: str  #: the source or index at work


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshUnderWay:
    """A refresh that has not ended: whose it is, and how far."""

    by: str  #: "slack:U123", "the schedule", "the command line"
    since: float
    progress: RefreshProgress | None = None  #: None: it has only begun


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshReport:
    """What a refresh did, by page address."""

    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]
    unchanged: int
    failed: Sequence[tuple[str, str]]  #: address and reason
    seconds: float
    skipped: Sequence[tuple[str, str]] = ()  #: pages that hold nothing to index, with the reason
    #: Pages that are gone, and so many of `known` that somebody has to confirm it: they stay.
    withheld: Sequence[str] = ()
    known: int = 0  #: how many pages there were before, of the sources in question
    dry_run: bool = False  #: nothing was done: this is the plan


def removals_key(urls: Iterable[str]) -> str:
    """What tells pages to be removed from any others, so that a yes counts for these alone."""
    return hashlib.sha256("\n".join(sorted(urls)).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How what an index holds differs from what we have on record."""

    place: str  #: where it holds it; see `DocumentIndex.prepare`
    lost: Sequence[Document] = ()  #: on record, and not (or not usably) there
    orphans: Sequence[Document] = ()  #: ours and there, but not on record
    foreign: int = 0  #: what others have put there, which is left alone


@dataclass(frozen=True, kw_only=True, slots=True)
class PageState:
    """What is known of a page, without its text."""

    url: str
    title: str
    source: str
    size: int  #: characters of Markdown
    fetched_at: float
    copies: Mapping[str, Literal["current", "outdated"]]  #: by index; where it has none, nothing
