"""The Slack adapter: SlackPlatform, which core and the composition root know as a Platform."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiohttp import web

from bots.slack_bot import http_mode, socket_mode
from bots.slack_bot.acting import announced, permalink
from bots.slack_bot.agent_view import AgentView
from bots.slack_bot.api import Bot, SlackApi
from bots.slack_bot.buttons import post_dressed
from bots.slack_bot.commands import Commands
from bots.slack_bot.door import Door
from bots.slack_bot.drafts import Drafts
from bots.slack_bot.errors import within
from bots.slack_bot.events import PLATFORM, is_private, place
from bots.slack_bot.files import Files
from bots.slack_bot.gaps import Gaps
from bots.slack_bot.intake import Events, Intake, build_app
from bots.slack_bot.missed import Missed
from bots.slack_bot.mrkdwn import escape
from bots.slack_bot.outsiders import Outsiders
from bots.slack_bot.presence import Presence
from bots.slack_bot.presses import Presses
from bots.slack_bot.private import show_question, whisper_post
from bots.slack_bot.refreshes import Refreshes
from bots.slack_bot.render import render
from bots.slack_bot.talk import read_talk
from bots.waiting import work_until
from core.domain import Attached, MessageId, Post, Reply, Root, Said, ThreadRef
from core.errors import (
    MessageGone,
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)
from core.ports import Render
from core.reception import Reception
from core.settings import SlackSettings

log = logging.getLogger(__name__)

WORKING: Final = "is reading the documentation…"
PREFLIGHT_SECONDS: Final = 10.0
STATUS_SECONDS: Final = 5.0
CLEAR_PAUSES: Final = (0.0, 0.5, 2.0)  #: before each try to take a status away
LONGEST_ANNOUNCEMENT: Final = 3_000  #: characters, before any is escaped


class SlackPlatform:
    """Slack, by Socket Mode where there is an app token, else over HTTP."""

    name = PLATFORM
    working_seconds = 90.0  # Slack takes the status away after 2 min

    def __init__(self, settings: SlackSettings) -> None:
        self._settings = settings
        self._opened: SlackApi | None = None
        self._files = Files(self._api)
        self._closed = False
        self._bot: Bot | None = None
        self._drafts = Drafts(self._api)
        self._has_status = True
        self._signs: dict[ThreadRef, bool] = {}  # shown by this process, and whether they stand
        self._status_complaint = False
        #: What the server of HTTP mode takes besides; to be set before `run`.
        self.routes: Sequence[web.RouteDef] = ()
        #: Where HTTP mode listens, once `ready` is set.
        self.port: int | None = None

    async def open(self) -> None:
        """Find out who we are. A second call does nothing. Raises PlatformRefused."""
        try:
            await self._identity()
        except (PlatformBusy, PlatformUnreachable) as error:
            log.warning("Slack is not reached yet", extra={"reason": str(error)})

    @property
    def serves_http(self) -> bool:
        """Whether Slack's events come over HTTP, to a server of ours."""
        return self._settings.app_token is None

    async def run(self, reception: Reception, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Hand over mentions and commands until `stop` is set.

        Raises PlatformRefused where Slack refuses a token, now or later, and PlatformBusy or
        PlatformUnreachable where it cannot be reached before `ready` is set.
        """
        bot = self._bot = await self._identify()
        failure: PlatformError | None = None
        outsiders = Outsiders(self._api(), bot, ask=self._settings.tell_externals)
        async with asyncio.TaskGroup() as tasks:
            agent_view = AgentView(self._api(), self._settings.prompts, tasks)
            door = Door(self._api(), reception, outsiders, agent_view.taken)
            missed = Missed(self._api(), bot, door.hand_over_found)
            presence = Presence(reception, missed.search, missed.search_thread)
            private = self._settings.private_asks
            commands = Commands(self._api(), bot, door, tasks, private=private)
            refreshes = Refreshes(self._api(), reception, tasks)
            gaps = Gaps(self._api(), reception, tasks)
            beside = [
                tasks.create_task(work_until(stop, presence.follow()), name="slack presence"),
                tasks.create_task(work_until(stop, outsiders.keep_reading()), name="slack members"),
            ]
            events = Events(
                bot=bot,
                door=door,
                agent_view=agent_view,
                on_failure=presence.failed,
                catch_up=presence.catch_up,
            )
            app = build_app(
                self._api(),
                bot,
                events,
                commands,
                refreshes,
                Presses(self._api(), bot, reception, door, tasks),
                gaps,
                self._settings.signing_secret,
            )
            try:
                await self._serve(Intake(app, events), presence, stop, ready)
            except PlatformError as error:
                failure = error  # raised below: a task group would wrap it
            for task in beside:
                task.cancel()
            agent_view.finish()
            gaps.finish()
            await refreshes.finish()
        if failure:
            raise failure

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        self._closed = True
        if self._opened:
            await self._opened.close()

    def render(self, reply: Reply) -> Sequence[str]:
        """Write the reply as mrkdwn, in parts."""
        return render(reply)

    async def post(self, post: Post) -> MessageId:
        """Post one part in its thread; its ts."""
        if is_private(post.thread):
            return await whisper_post(self._api(), post)
        posted = MessageId(await post_dressed(self._api(), post))
        self._sign_ended(post.thread)
        return posted

    async def edit(self, post: Post, message: MessageId) -> None:
        """Let a message be this part; a draft of it that is streamed ends."""
        with suppress(MessageGone):
            await self._drafts.finish(post, message)

    async def delete(self, thread: ThreadRef, message: MessageId) -> None:
        """Delete a message of ours."""
        with suppress(MessageGone):
            await self._drafts.delete(thread, message)

    @property
    def draft_seconds(self) -> float | None:
        """Less where answers are streamed than where a message is edited."""
        return self._drafts.seconds

    def draft_renderer(self, thread: ThreadRef) -> Render:
        """Make what writes an answer as the way in which it will be shown wants it."""
        if is_private(thread):
            return lambda _: ()  # it cannot be changed, once it is posted
        return self._drafts.renderer(thread)

    async def draft(self, post: Post, message: MessageId | None) -> MessageId:
        """Show what there is of an answer, in a stream or by editing."""
        shown = await self._drafts.show(post, message)
        if message is None:
            self._sign_ended(post.thread)
        return shown

    def channel_of(self, thread: ThreadRef) -> str:
        """In which channel a thread hangs."""
        return place(thread)[0]

    async def talk(
        self, thread: ThreadRef, after: MessageId | None, before: MessageId, limit: int
    ) -> Sequence[Said]:
        """Read what people said in the thread meanwhile."""
        if is_private(thread):
            return ()
        bot = await self._identity()
        return await read_talk(self._api(), bot, thread, after, before, limit)

    async def announce(
        self, channel: str, text: str, *, quote: str = "", marker: str = "", doubtful: bool = False
    ) -> None:
        """Post a text of our own in a channel; whatever it holds, it pings nobody."""
        shown = text[:LONGEST_ANNOUNCEMENT] + ("…" if len(text) > LONGEST_ANNOUNCEMENT else "")
        quoted = "".join(f"\n> {line}" for line in quote.splitlines())
        # Slack makes a quotation of lines that begin with an escaped >.
        await self.publish(channel, escape(shown + quoted), marker=marker, doubtful=doubtful)

    async def publish(
        self, channel: str, part: str, *, marker: str, doubtful: bool = False
    ) -> None:
        """See Platform.publish."""
        if not (doubtful and marker and await self._is_announced(channel, marker)):
            await self._api().post(channel, part, marker=marker or None)

    def is_direct(self, thread: ThreadRef) -> bool:
        """See Platform.is_direct."""
        return place(thread)[0].startswith("D") or is_private(thread)

    def can_share(self, thread: ThreadRef) -> bool:
        """See Platform.can_share."""
        return is_private(thread)

    async def share_question(
        self, thread: ThreadRef, asker: str, question: str, *, marker: str, doubtful: bool
    ) -> Root:
        """Post who asked what in the channel."""
        bot = await self._identity()
        return await show_question(
            self._api(), bot, thread, asker, question, marker=marker, doubtful=doubtful
        )

    async def link(self, thread: ThreadRef, message: MessageId) -> str:
        """Ask Slack for the address of a message."""
        if is_private(thread):
            return ""
        return await permalink(self._api(), place(thread)[0], message)

    async def read_file(self, thread: ThreadRef, file: Attached, limit: int) -> bytes:
        """See Platform.read_file."""
        return await self._files.read(file, limit)

    async def find(self, post: Post) -> MessageId | None:
        """Look for the part in its thread, among our messages since the question."""
        if is_private(post.thread):
            return None  # nothing tells
        channel, root = place(post.thread)
        found = await self._api().find(
            channel,
            root,
            since=post.reply_to,
            marker=post.marker,
            bot=await self._identity(),
            streams=not post.people,  # who tags people streams nothing
        )
        return MessageId(found) if found else None

    async def show_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """Show under the thread that the documentation is being read."""
        self._signs[thread] = True
        await self._set_status(thread, WORKING)
        self._signs[thread] = True  # it may have come after a reply that was posted meanwhile

    async def clear_working(self, thread: ThreadRef, reply_to: MessageId) -> None:
        """Take the sign away; Slack does so by itself only when a reply is posted, and after 2 min.

        Tried again where it fails: no reply may come that takes it away.
        """
        if not self._signs.pop(thread, True):
            return
        for pause in CLEAR_PAUSES:
            await asyncio.sleep(pause)
            if await self._set_status(thread, ""):
                return

    def _sign_ended(self, thread: ThreadRef) -> None:
        """Note that Slack has taken the sign away itself, for a reply."""
        if thread in self._signs:
            self._signs[thread] = False

    async def _serve(
        self, intake: Intake, presence: Presence, stop: asyncio.Event, ready: asyncio.Event
    ) -> None:
        token, port = self._settings.app_token, self._settings.port or 0
        if token:
            await socket_mode.serve(intake, self._api(), token, presence, stop, ready)
        else:
            bound, routes = self._listens, self.routes
            await http_mode.serve(intake.app, port, presence, stop, ready, bound, routes)

    def _listens(self, port: int) -> None:
        self.port = port

    def _api(self) -> SlackApi:
        """Open the API with the first call: its session needs the running event loop."""
        if self._closed:
            raise PlatformUnreachable("The Slack adapter is closed.")
        if self._opened is None:
            self._opened = SlackApi(self._settings)
        return self._opened

    async def _is_announced(self, channel: str, marker: str) -> bool:
        """Look for an announcement of ours; one that cannot be looked for is made once more."""
        try:
            found = await announced(self._api(), channel, marker, await self._identity())
            return found is not None
        except (PlatformRefused, ThreadGone):
            return False

    async def _identity(self) -> Bot:
        """Who we are; asked again only by `run`."""
        if self._bot is None:
            self._bot = await self._identify()
        return self._bot

    async def _identify(self) -> Bot:
        async with within(PREFLIGHT_SECONDS):
            return await self._api().identify()

    async def _set_status(self, thread: ThreadRef, status: str) -> bool:
        """Set it; False where another try may work."""
        if not self._has_status or is_private(thread):
            return True
        channel, root = place(thread)
        try:
            async with within(STATUS_SECONDS):
                await self._api().set_status(channel, root, status)
        except PlatformError as error:
            if isinstance(error, PlatformRefused) and not isinstance(error, TokenRefused):
                self._has_status = False  # a workspace or server without this method
            if not self._status_complaint:
                self._status_complaint = True
                log.info("the working status is not shown", extra={"reason": str(error)})
            return not isinstance(error, PlatformBusy | PlatformUnreachable) or self._closed
        return True
