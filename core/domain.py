"""The words of Docent as values: frozen, without I/O. Every other module speaks in these.

Times are seconds since the epoch (UTC) as float; durations are seconds as float.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NewType

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
class Attached:
    """A file that somebody attached to a message. All of it is as the platform, or a person, says.

    `ref` is made and read by the platform's adapter only, and may be stored for days.
    """

    name: str
    size: int  #: bytes
    media_type: str  #: "" where the platform does not say
    ref: str
    channel: str  #: of the message
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
    files: tuple[Attached, ...] = ()
    unread: tuple[str, ...] = ()  #: names of attached files that cannot be read, and why
    parent: str = ""  #: the channel that the thread hangs in, where `channel` is the thread's own
    direct: bool = False  #: said to the bot alone, in direct messages
    bot: tuple[str, ...] = ()  #: the ids that a bot which says it is known by; (): a person does
    external: bool = False  #: whether the person belongs to another organisation, or is a guest
    roles: tuple[str, ...] = ()  #: the platform's ids of the person's roles
    #: the turn whose tool calls the author confirms by this; None: it is a question
    confirms: TurnId | None = None

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
class Remark:
    """What a person says in a thread without a mention of the bot: a follow-up, or not for it."""

    mention: Mention  #: as it would be if it asked the bot
    to_others: bool = False  #: whether it mentions, or replies to, somebody else
    edited: bool = False  #: whether it was said before, and reads like this now
    hidden: bool = False  #: whether the platform keeps the text back


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


# --- tools: functions of the team that the model calls --------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolSpec:
    """A function that a model may call, as it is described to the model."""

    name: str
    description: str
    parameters: Mapping[str, object]  #: a JSON schema of an object


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """A call that a model wants to be made. All of it is the model's: not to be trusted."""

    id: str  #: the engine's, unique in its conversation
    name: str
    arguments: str  #: JSON, if the model wrote it well
    server: str = ""  #: of a remote server that makes the call itself, once it is let; "": we do


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolOutput:
    """What came of a call, as the model is told it."""

    call: ToolCall
    text: str
    approved: bool = False  #: of a call that a remote server makes: whether it may


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadFile:
    """An attached file as an engine gets it: either its text, or what the engine has of it."""

    name: str
    kind: Literal["text", "image", "document"]
    text: str = ""  #: of "text"
    upload: str = ""  #: of the others: what `AnswerEngine.upload` returned


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
    files: tuple[ReadFile, ...] = ()
    tools: tuple[ToolSpec, ...] = ()  #: that may be called
    is_last_round: bool = False  #: whether what is called by now has to do
    #: Calls that were made for it and are not in the conversation: confirmed, or of a run that
    #: failed. They are not to be made again.
    made: tuple[ToolOutput, ...] = ()
    #: Calls for the asker's questions before it that got no answer: nothing else tells of them.
    untold: tuple[ToolOutput, ...] = ()


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
    #: the uploads that it failed for; (): for some that are not named; None: for none
    uploads: tuple[str, ...] | None = None
    #: nobody knows what for: an upload may be what the engine cannot read
    unexplained: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """The run is done, and the model waits for what comes of these calls."""

    calls: tuple[ToolCall, ...]


RunState = Working | Answered | NotAnswered | Failed | Calls


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
    attempt: int  #: runs that were created for this turn, as its question reads now
    run: RunId | None
    engine: str | None  #: the engine that the thread's conversation belongs to
    conversation: ConversationId | None
    outcome: str | None  #: "answered", "incomplete", or the reason of a failure
    revision: int  #: grows with each edit of the question while it waits
    round: int = 0  #: how often tools were called in this attempt
    confirms: TurnId | None = None  #: the turn whose tool calls this one confirms
    has_files: bool = False  #: whether files are attached to it, or to what it was joined with
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
    waiting: tuple[str, ...] = ()  #: calls that the asker is to confirm, to be shown as they are
    labelled: tuple[
        str, ...
    ] = ()  #: addresses, besides those of `links`, that labels may stand for


class Button(StrEnum):
    """What people can do about a reply. The values are stored on the platforms: never rename."""

    HELPFUL = "helpful"
    UNHELPFUL = "unhelpful"
    AGAIN = "again"  # ask the same once more
    HUMAN = "human"  # ask people instead
    STOP = "stop"  # while it is being written
    QUIET = "quiet"  # and say no more in the thread, until somebody calls
    SHARE = "share"  # show others what one person was told
    CONFIRM = "confirm"  # let tools be called
    DENY = "deny"  # and do not


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """One part of a rendered reply on its way to a thread."""

    thread: ThreadRef
    reply_to: MessageId  #: the question, for platforms that answer in line
    marker: str  #: the same for every attempt at this part; see `post_marker`
    text: str
    asker: str = ""  #: the platform's id of the person whose question it is
    turn: TurnId = TurnId(0)  #: what a press of a button is about
    buttons: tuple[Button, ...] = ()  #: below the text, in this order; only on the last part
    #: Who is tagged before the text, by the platform's ids: only here is anybody ever pinged.
    people: tuple[str, ...] = ()
    number: int = 0  #: which part of its reply it is


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A message of ours that shows somebody's question in a channel, and the thread under it."""

    thread: ThreadRef
    channel: str  #: of the message
    message: MessageId


@dataclass(frozen=True, slots=True)
class Drafted:
    """A message that shows a part of an answer which is not complete yet."""

    message: MessageId
    text: str | None  #: what it says; None where another process has written it


def marker_of(*identity: str) -> str:
    """Name a message of ours by what it is, the same in every process and after a restart.

    24 characters of [0-9a-f]: Discord takes at most 25 as a message's nonce.
    """
    return hashlib.sha256("\n".join(identity).encode()).hexdigest()[:24]


def post_marker(turn: Turn, part: int) -> str:
    """Name one part of the reply to `turn`; see `marker_of`."""
    thread = turn.thread
    return marker_of(thread.platform, thread.tenant, turn.channel, turn.message, str(part))
