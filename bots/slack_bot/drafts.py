"""Answers in Slack as they are written: streamed where Slack does that, else by editing a message.

Slack counts each method for the whole workspace, so all drafts share one budget for it; what the
budget does not allow is left out, and the reply comes in one piece.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bots.slack_bot.api import Blocks, Look, SlackApi
from bots.slack_bot.buttons import button_blocks, post_dressed, rewrite_dressed
from bots.slack_bot.errors import NotStreaming, StillStreaming
from bots.slack_bot.events import place
from bots.slack_bot.render import growing, growing_stream
from bots.slack_bot.streams import append_stream, start_stream, stop_stream
from core.domain import MessageId, Post, ThreadRef
from core.errors import (
    DraftStopped,
    MessageGone,
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    ThreadGone,
    TokenRefused,
)
from core.ports import Render

log = logging.getLogger(__name__)

STREAM_SECONDS: Final = 0.5
EDIT_SECONDS: Final = 3.0  #: Slack's guideline for agents
LONGEST_STREAM: Final = 11_000  #: characters; a call takes 12,000, a whole stream is not documented
REFUSED_SECONDS: Final = 600.0  #: without streams, after one was refused
REMEMBERED: Final = 1_000  #: streams that may be at work; they end by themselves after 5 min
#: Of Slack's 20 starts, 100 appends and 50 edits a minute for each workspace. What is left of the
#: edits is for replies that are complete.
STARTS, APPENDS, EDITS = 18.0, 90.0, 35.0


class Budget:
    """How often a method may be called: so many a minute, half of it at once."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._most = self._saved = per_minute / 2
        self._clock = clock
        self._at = clock()

    def expect(self) -> None:
        """Do nothing if there is a call to take. Else raises PlatformBusy, with the seconds."""
        now = self._clock()
        self._saved = min(self._most, self._saved + (now - self._at) * self._per_second)
        self._at = now
        if self._saved < 1:
            raise PlatformBusy((1 - self._saved) / self._per_second)

    def take(self) -> None:
        """Take one call. Raises PlatformBusy, with the seconds until there is one."""
        self.expect()
        self._saved -= 1


@dataclass(slots=True)
class _Stream:
    thread: ThreadRef
    sent: str
    in_chunks: bool  #: how it is written, from its first call to its last


class Drafts:
    """The drafts of one process in one workspace."""

    def __init__(
        self, api: Callable[[], SlackApi], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._clock = clock
        self._refused_until = 0.0
        self._has_buttons = True  # of streams, as far as the workspace is known to take them
        self._streams: dict[str, _Stream] = {}  # that this process began, by the message's ts
        self._starts, self._appends, self._edits = Budget(STARTS), Budget(APPENDS), Budget(EDITS)

    @property
    def _can_stream(self) -> bool:
        return self._clock() >= self._refused_until

    @property
    def seconds(self) -> float:
        """How long to wait between two states of a draft."""
        return STREAM_SECONDS if self._can_stream else EDIT_SECONDS

    def renderer(self, thread: ThreadRef) -> Render:
        """Make what writes an answer as the way in which it will be shown wants it."""
        edited, streamed = growing(), growing_stream()

        def render(text: str) -> Sequence[str]:
            self._next_call(thread).expect()  # else it would be written in vain
            if not self._can_stream:
                return edited.parts(text)
            shown = streamed.settled(text)[:LONGEST_STREAM]
            return [shown] if shown.strip() else []

        return render

    def _next_call(self, thread: ThreadRef) -> Budget:
        if not self._can_stream:
            return self._edits
        is_begun = any(stream.thread == thread for stream in self._streams.values())
        return self._appends if is_begun else self._starts

    async def show(self, post: Post, message: MessageId | None) -> MessageId:
        """Show a draft; see `Platform.draft`."""
        if message is not None:
            await self._go_on(post, message)
            return message
        if self._can_stream:
            return await self._start(post)
        self._edits.take()
        return MessageId(await post_dressed(self._api(), post))

    async def finish(self, post: Post, message: MessageId) -> None:
        """Let the message be the reply, whether it is still streamed, by whomever, or not."""
        channel, _ = place(post.thread)
        if self._streams.pop(message, None) is not None:
            await self._stop(channel, message)
        try:
            await rewrite_dressed(self._api(), post, message)
        except StillStreaming:  # it was begun by a process that is no more
            await self._stop(channel, message)
            await rewrite_dressed(self._api(), post, message)

    async def delete(self, thread: ThreadRef, message: MessageId) -> None:
        """Delete a draft."""
        channel, _ = place(thread)
        if self._streams.pop(message, None) is not None:
            await self._stop(channel, message)
        try:
            await self._api().delete(channel, message)
        except StillStreaming:
            await self._stop(channel, message)
            await self._api().delete(channel, message)

    async def _start(self, post: Post) -> MessageId:
        try:
            ts, stream = await self._start_with_buttons(post) or await self._start_plain(post)
        except TokenRefused:
            raise
        except PlatformRefused as error:
            # A plan, a workspace or a server without it: the next draft is a message to be edited.
            # It may have been this one channel or person, so it is tried again some time.
            log.info("Answers are not streamed, but edited", extra={"reason": str(error)})
            self._refused_until = self._clock() + REFUSED_SECONDS
            raise PlatformBusy(0.0) from error
        self._streams[ts] = stream
        if len(self._streams) > REMEMBERED:
            del self._streams[next(iter(self._streams))]
        return MessageId(ts)

    async def _start_with_buttons(self, post: Post) -> tuple[str, _Stream] | None:
        """Begin a stream with the buttons of the post; None where Slack does not take that."""
        if not (self._has_buttons and post.buttons):
            return None
        try:
            return await self._call_start(post, button_blocks(post, Look.PLAIN))
        except (TokenRefused, ThreadGone):
            raise
        except PlatformRefused as error:
            log.info("A stream with buttons was refused", extra={"reason": str(error)})
            return None

    async def _start_plain(self, post: Post) -> tuple[str, _Stream]:
        begun = await self._call_start(post, ())
        if post.buttons:  # it was they that Slack did not take, and not the stream
            self._has_buttons = False
        return begun

    async def _call_start(self, post: Post, blocks: Blocks) -> tuple[str, _Stream]:
        self._starts.take()
        channel, root = place(post.thread)
        ts = await start_stream(
            self._api(),
            channel,
            root,
            post.text,
            team=post.thread.tenant,
            user=post.asker,
            blocks=blocks,
        )
        return ts, _Stream(post.thread, post.text, in_chunks=bool(blocks))

    async def _go_on(self, post: Post, message: MessageId) -> None:
        channel, _ = place(post.thread)
        stream = self._streams.get(message)
        if stream is None:
            await self._edit(post, message)
            return
        if not post.text.startswith(stream.sent) or post.text == stream.sent:
            return  # another run writes something else: the reply will take its place
        self._appends.take()
        try:
            more = post.text[len(stream.sent) :]
            await append_stream(self._api(), channel, message, more, in_chunks=stream.in_chunks)
        except PlatformBusy:
            raise  # it is sent with the next words
        except PlatformError:
            # Nobody knows what it says: if it goes on, then by editing. The reply may be there.
            self._streams.pop(message, None)
            raise
        stream.sent = post.text

    async def _edit(self, post: Post, message: MessageId) -> None:
        """Let a message that is not streamed, or no longer by us, say what is written so far."""
        channel, _ = place(post.thread)
        self._edits.take()
        try:
            await self._write_over(post, message)
        except StillStreaming:
            await self._stop(channel, message)
            await self._write_over(post, message)

    async def _write_over(self, post: Post, message: MessageId) -> None:
        if self._can_stream:  # so that is what the draft is written in
            channel, _ = place(post.thread)
            await self._api().rewrite_markdown(channel, message, post.text)
        else:
            await self._rewrite(post, message)

    async def _rewrite(self, post: Post, message: MessageId) -> None:
        await rewrite_dressed(self._api(), post, message)

    async def _stop(self, channel: str, ts: str) -> None:
        try:
            await stop_stream(self._api(), channel, ts)
        except (NotStreaming, DraftStopped, MessageGone):
            log.debug("A stream had ended by itself")
