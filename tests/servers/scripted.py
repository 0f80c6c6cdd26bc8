"""An engine and a platform without a network, for tests of what lies between the two.

Both are strict: the engine refuses a second run in a conversation, as OpenAI does, and the platform
remembers markers, as Discord and Slack do.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from core.domain import (
    Answer,
    Answered,
    Attached,
    Calls,
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
    Working,
)
from core.errors import (
    ConversationGone,
    ConversationLocked,
    FileUnreadable,
    PlatformRefused,
)
from core.ports import FileKind, Render, Written
from core.reception import Reception

Script = Sequence[RunState | Exception]


def done(text: str) -> Answered:
    """A run that has ended with this answer."""
    return Answered(answer=Answer(text=text))


class ScriptedEngine:
    """Answers `answer to <question>` at the second look, unless a script says otherwise."""

    def __init__(self, name: str = "scripted") -> None:
        self.name = name
        self.scripts: dict[str, list[Script]] = defaultdict(list)  # by question, one for each run
        self.start_errors: list[Exception] = []
        self.reads_files = False
        self.uploaded: list[tuple[str, FileKind, bytes, float]] = []
        self.upload_errors: list[Exception] = []
        self.erased: list[str] = []  # uploads
        self.start_hook: Callable[[Question], None] | None = None
        #: awaited when a run was created, before its id is given out
        self.before_reply: Callable[[], Awaitable[None]] | None = None
        self.opened: list[tuple[ThreadRef, Sequence[Exchange]]] = []
        self.started: list[tuple[ConversationId, Question]] = []
        self.cancelled: list[RunId] = []
        self.cancelled_one = asyncio.Event()
        self.cancel_errors: list[Exception] = []
        self.recoveries: list[tuple[ConversationId, Question]] = []
        self.recovered_often = asyncio.Event()  # more than twice
        self.lost: dict[str, RunState] = {}  # by question: what is found of a run without its id
        self.looks = 0
        self.looked = asyncio.Event()
        self._looked_at: set[RunId] = set()
        self._look = asyncio.Condition()
        self.gone: set[ConversationId] = set()
        self.speaks = False  #: whether answers are heard while they are written
        self._written: dict[RunId, asyncio.Queue[str | None]] = defaultdict(asyncio.Queue)
        self._runs: dict[RunId, tuple[ConversationId, list[RunState | Exception]]] = {}
        self._busy: dict[ConversationId, RunId] = {}
        self._wanted: dict[ConversationId, set[str]] = {}  # calls that have no output
        self.told: list[Sequence[ToolOutput]] = []  # with each run that was started

    def script(self, question: str, *states: RunState | Exception) -> None:
        """What the looks at the next run for this question find; the last one repeats."""
        self.scripts[question].append(states)

    @property
    def last_run(self) -> RunId:
        """The run that was started last."""
        return RunId(f"run_{len(self.started)}")

    def finish(self, run: str, state: RunState) -> None:
        """Let all further looks at a run find this."""
        self._runs[RunId(run)] = (self._runs[RunId(run)][0], [state])

    async def has_started(self, run: str) -> None:
        """Wait until there is a run of that name."""
        async with asyncio.timeout(60), self._look:
            await self._look.wait_for(lambda: run in self._runs)

    async def looked_at(self, count: int) -> None:
        """Wait until so many runs were looked at: they are on record then."""
        async with asyncio.timeout(60), self._look:
            await self._look.wait_for(lambda: len(self._looked_at) >= count)

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        self.opened.append((thread, history))
        return ConversationId(f"conv_{len(self.opened)}")

    async def upload(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        if self.upload_errors:
            raise self.upload_errors.pop(0)
        self.uploaded.append((name, kind, data, keep))
        return f"upload_{len(self.uploaded)}"

    async def start(
        self,
        conversation: ConversationId,
        question: Question,
        outputs: Sequence[ToolOutput] = (),
    ) -> RunId:
        if self.start_hook:
            self.start_hook(question)
        if self.start_errors:
            raise self.start_errors.pop(0)
        if conversation in self.gone:
            raise ConversationGone
        if conversation in self._busy:
            raise ConversationLocked
        self._refuse_wrong_outputs(conversation, outputs)
        self.started.append((conversation, question))
        self.told.append(outputs)
        run = RunId(f"run_{len(self.started)}")
        states: Script = (Working(), done(f"answer to {question.text}"))
        if self.scripts[question.text]:
            states = self.scripts[question.text].pop(0)
        self._runs[run] = (conversation, list(states))
        self._busy[conversation] = run
        async with self._look:
            self._look.notify_all()
        if self.before_reply:
            await self.before_reply()
        return run

    async def check(self, run: RunId) -> RunState:
        self.looks += 1
        self.looked.set()
        async with self._look:
            self._looked_at.add(run)
            self._look.notify_all()
        conversation, states = self._runs[run]
        state = states.pop(0) if len(states) > 1 else states[0]
        if isinstance(state, Exception):
            raise state
        if isinstance(state, Calls):
            self._wanted[conversation] = {call.id for call in state.calls}
        if not isinstance(state, Working):
            self._busy.pop(conversation, None)
        return state

    def _refuse_wrong_outputs(
        self, conversation: ConversationId, outputs: Sequence[ToolOutput]
    ) -> None:
        """As OpenAI, take outputs of just the calls that are open."""
        wanted = self._wanted.pop(conversation, set())
        if {output.call.id for output in outputs} != wanted:
            raise ConversationGone("the outputs do not fit the calls")

    def write(self, run: str, text: str) -> None:
        """Let those who listen to a run hear that there is more of its answer."""
        self._written[RunId(run)].put_nowait(text)

    def end_words(self, run: str) -> None:
        """Let those who listen to a run hear that there is no more."""
        self._written[RunId(run)].put_nowait(None)

    async def listen(self, run: RunId) -> AsyncIterator[Written]:
        if not self.speaks:
            return
        while (text := await self._written[run].get()) is not None:
            yield partial(str, text)

    async def cancel(self, run: RunId) -> None:
        if self.cancel_errors:
            raise self.cancel_errors.pop(0)
        self.cancelled.append(run)
        self.cancelled_one.set()
        self._busy.pop(self._runs[run][0] if run in self._runs else "", None)

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        self.recoveries.append((conversation, question))
        if len(self.recoveries) > 2:
            self.recovered_often.set()
        if conversation in self.gone:
            raise ConversationGone
        return self.lost.get(question.text)

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        self.erased.extend(uploads)

    async def close(self) -> None:
        """Nothing is open."""


class RecordingPlatform:
    """Keeps what is posted, by thread, and can be told to fail."""

    def __init__(self, name: str = "slack", parts: int = 1) -> None:
        self.name = name
        self.working_seconds = 60.0
        self.threads: dict[str, list[str]] = defaultdict(list)
        self.replies: list[Reply] = []
        self.announced: list[tuple[str, str]] = []
        self._announced: set[str] = set()  # markers
        self.announce_errors: list[Exception] = []
        self.shared: dict[str, str] = {}  # questions, by their markers
        self.times_shared = 0
        self.share_errors: list[Exception] = []
        self.share_errors_after: list[Exception] = []
        self.posts: list[Post] = []  # as they came last, the edited ones too
        self.errors: list[Exception] = []  # raised by the next posts, before they take effect
        self.errors_after: list[Exception] = []  # the same, after they took effect
        self.render_errors: list[Exception] = []
        self.find_errors: list[Exception] = []
        self.finds = 0
        self.said: list[Said] = []  # by people, beside the questions
        self.asked_for_talk: list[tuple[MessageId | None, MessageId]] = []  # after, before
        self.talk_errors: list[Exception] = []
        self.working: set[str] = set()
        self.signs = 0
        self._parts = parts
        self.draft_seconds: float | None = 0.0
        self.drafts: list[str] = []  # every state of every draft
        self.draft_errors: list[Exception] = []
        self.refused = asyncio.Event()  # a draft was
        self.draft_errors_after: list[Exception] = []
        self.before_draft: Callable[[], Awaitable[None]] | None = None
        self.edits: list[tuple[MessageId, str]] = []
        self.edit_errors: list[Exception] = []
        self.can_delete = True
        self.files: dict[str, bytes | Exception] = {}  # what is read of them, by their refs
        self.files_read: list[str] = []  # by their refs, in order
        self._by_marker: dict[str, MessageId] = {}
        self._places: dict[MessageId, tuple[str, int]] = {}
        self._posted = asyncio.Condition()

    async def open(self) -> None:
        """Always open."""

    def channel_of(self, thread: ThreadRef) -> str:
        return "c1"

    async def talk(
        self, thread: ThreadRef, after: MessageId | None, before: MessageId, limit: int
    ) -> Sequence[Said]:
        self.asked_for_talk.append((after, before))
        if self.talk_errors:
            raise self.talk_errors.pop(0)
        return self.said

    async def announce(
        self, channel: str, text: str, *, quote: str = "", marker: str = "", doubtful: bool = False
    ) -> None:
        if self.announce_errors:
            raise self.announce_errors.pop(0)
        if marker and doubtful and marker in self._announced:
            return
        self._announced.add(marker)
        async with self._posted:
            self.announced.append((channel, "\n> ".join(filter(None, (text, quote)))))
            self._posted.notify_all()

    async def publish(
        self, channel: str, part: str, *, marker: str, doubtful: bool = False
    ) -> None:
        await self.announce(channel, part, marker=marker, doubtful=doubtful)

    def is_direct(self, thread: ThreadRef) -> bool:
        return thread.key.startswith("D") or self.can_share(thread)

    def can_share(self, thread: ThreadRef) -> bool:
        return ":private:" in thread.key

    async def share_question(
        self, thread: ThreadRef, asker: str, question: str, *, marker: str, doubtful: bool
    ) -> Root:
        if self.share_errors:
            raise self.share_errors.pop(0)
        if not (doubtful and marker in self.shared):
            self.shared[marker] = f"{asker} asks: {question}"
            self.times_shared += 1
        if self.share_errors_after:
            raise self.share_errors_after.pop(0)
        root = f"shared{list(self.shared).index(marker)}"
        place = ThreadRef(platform=self.name, tenant=thread.tenant, key=root)
        return Root(thread=place, channel="c1", message=MessageId(root))

    async def link(self, thread: ThreadRef, message: MessageId) -> str:
        return f"https://chat.example.com/{thread.key}/{message}"

    async def read_file(self, thread: ThreadRef, file: Attached, limit: int) -> bytes:
        self.files_read.append(file.ref)
        found = self.files.get(file.ref, FileUnreadable("it is no longer there"))
        if isinstance(found, Exception):
            raise found
        if len(found) > limit:
            raise FileUnreadable(f"it is larger than {limit} bytes")
        return found

    async def run(self, reception: Reception, stop: asyncio.Event, ready: asyncio.Event) -> None:
        ready.set()
        await stop.wait()

    async def close(self) -> None:
        """Nothing is open."""

    def render(self, reply: Reply) -> Sequence[str]:
        if self.render_errors:
            raise self.render_errors.pop(0)
        self.replies.append(reply)
        return [f"{reply.text} ({n})" if n else reply.text for n in range(self._parts)]

    async def post(self, post: Post) -> MessageId:
        if self.errors:
            raise self.errors.pop(0)
        async with self._posted:
            self.threads[post.thread.key].append(post.text)
            self.posts.append(post)
            message = self._by_marker[post.marker] = MessageId(f"p{len(self._by_marker)}")
            self._places[message] = (post.thread.key, len(self.threads[post.thread.key]) - 1)
            self._posted.notify_all()
        if self.errors_after:
            raise self.errors_after.pop(0)
        return self._by_marker[post.marker]

    async def edit(self, post: Post, message: MessageId) -> None:
        if self.edit_errors:
            raise self.edit_errors.pop(0)
        self.edits.append((message, post.text))
        self.posts.append(post)
        self._rewrite(message, post.text)

    async def delete(self, thread: ThreadRef, message: MessageId) -> None:
        if self.edit_errors:
            raise self.edit_errors.pop(0)
        if not self.can_delete:
            raise PlatformRefused("compliance_exports_prevent_deletion")
        key, place = self._places.pop(message)
        self.threads[key][place] = ""

    def draft_renderer(self, thread: ThreadRef) -> Render:
        return lambda text: [part for part in text.split("|") if part]

    async def draft(self, post: Post, message: MessageId | None) -> MessageId:
        if self.before_draft:
            await self.before_draft()
        if self.draft_errors:
            self.refused.set()
            raise self.draft_errors.pop(0)
        if message is None:
            message = await self.post(post)
        else:
            self._rewrite(message, post.text)
        async with self._posted:
            self.drafts.append(post.text)
            self._posted.notify_all()
        if self.draft_errors_after:
            raise self.draft_errors_after.pop(0)
        return message

    async def told(self, count: int) -> None:
        """Wait until so much was announced."""
        async with asyncio.timeout(60), self._posted:
            await self._posted.wait_for(lambda: len(self.announced) >= count)

    async def drafted(self, text: str) -> None:
        """Wait until a draft that says this was shown."""
        async with asyncio.timeout(60), self._posted:
            await self._posted.wait_for(lambda: text in self.drafts)

    def _rewrite(self, message: MessageId, text: str) -> None:
        key, place = self._places[message]
        self.threads[key][place] = text

    async def find(self, post: Post) -> MessageId | None:
        self.finds += 1
        if self.find_errors:
            raise self.find_errors.pop(0)
        return self._by_marker.get(post.marker)

    async def show_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        self.signs += 1
        self.working.add(thread.key)

    async def clear_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        self.working.discard(thread.key)

    async def posted(self, count: int) -> None:
        """Wait until so many parts were posted in all."""
        async with asyncio.timeout(60), self._posted:
            await self._posted.wait_for(lambda: sum(map(len, self.threads.values())) >= count)
