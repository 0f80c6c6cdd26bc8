"""The slash commands: /ask and /refresh-docs.

Slack waits 3 s for an answer to a command, does not send it again, and takes at most five more
answers in the 30 minutes after it.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from slack_bolt.async_app import AsyncAck

from bots.refresh_text import progress_line, summary
from bots.slack_bot.api import Bot, SlackApi
from bots.slack_bot.errors import within
from bots.slack_bot.events import PLATFORM, tenant, thread_ref
from bots.slack_bot.mrkdwn import escape, plain
from core.domain import Mention, MessageId, RefreshProgress
from core.errors import (
    DocentError,
    NotAdmin,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    StoreError,
    ThreadGone,
)
from core.mishaps import log_mishap
from core.ports import Reception

log = logging.getLogger(__name__)

ASK: Final = "/ask"
REFRESH: Final = "/refresh-docs"

ROOT_SECONDS: Final = 2.0  #: to post a question, of the 3 s in which it must be acknowledged
SHOWN_QUESTION: Final = 3_000  #: characters of a question that are repeated in the channel
#: When progress is told, seconds after the start: three times, to keep an answer for the outcome.
PROGRESS_AFTER: Final = (0.0, 10.0, 60.0)
ANSWERS_END_SECONDS: Final = 29 * 60.0
FINISH_SECONDS: Final = 3.0  #: for refreshes at work when the bot stops
FAREWELL_SECONDS: Final = 3.0

USAGE: Final = f"Write your question after the command: `{ASK} how do I …?`"
TRY_AGAIN: Final = "I could not take your question. Please ask again in a moment."
REFUSED: Final = "I could not take your question: Slack refused it. My log says why."
STARTED: Final = "Reading the documentation …"
INTERRUPTED: Final = f"The refresh was interrupted, because I am stopping. Run {REFRESH} again."
BROKEN: Final = "The refresh failed. My log says why."

_Command = Mapping[str, Any]


class Commands:
    """Carries commands out. Refreshes outlive the request: they run in the task group."""

    def __init__(
        self, api: SlackApi, bot: Bot, reception: Reception, tasks: asyncio.TaskGroup
    ) -> None:
        self._api = api
        self._bot = bot
        self._reception = reception
        self._tasks = tasks
        self._refreshes: set[asyncio.Task[None]] = set()

    async def ask(self, ack: AsyncAck, command: _Command) -> None:
        """Repeat the question in the channel, and take it with that message as the thread's root.

        Acknowledged last, so that a question that could not be taken is reported to the asker.
        """
        question = plain(str(command.get("text", ""))).strip()
        trouble = await self._take(command, question) if question else USAGE
        if trouble:
            await ack(text=trouble, response_type="ephemeral")
        else:
            await ack()

    async def refresh(self, ack: AsyncAck, command: _Command) -> None:
        """Answer at once, then refresh and report to the caller alone."""
        await ack(text=STARTED, response_type="ephemeral")
        task = self._tasks.create_task(self._refresh(command), name="slack refresh")
        self._refreshes.add(task)
        task.add_done_callback(self._refreshes.discard)

    async def finish(self) -> None:
        """Give refreshes at work FINISH_SECONDS to end, then cancel them."""
        if self._refreshes:
            _, late = await asyncio.wait(self._refreshes, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()

    async def _take(self, command: _Command, question: str) -> str | None:
        """Post the question and take it; what to tell the asker where that did not work."""
        channel, user = str(command.get("channel_id")), str(command.get("user_id"))
        shown = question[:SHOWN_QUESTION] + ("…" if len(question) > SHOWN_QUESTION else "")
        try:
            async with within(ROOT_SECONDS):
                root = await self._api.post(channel, f"<@{user}> asks: {escape(shown)}")
        except PlatformError as error:
            return self._why_not_posted(error)
        mention = Mention(
            thread=thread_ref(tenant(command), channel, root),
            channel=channel,
            message=MessageId(root),
            author=user,
            text=question,
            at=float(root),
        )
        try:
            await self._reception.take(mention)
        except StoreError as error:
            log.error("question not written down", extra={"reason": str(error)})
            # In a task: the answer to the asker must not wait for Slack once more.
            self._tasks.create_task(self._take_back(channel, root), name="slack take back")
            return TRY_AGAIN
        return None

    def _why_not_posted(self, error: PlatformError) -> str:
        log.warning("question not posted", extra={"reason": str(error)})
        match error:
            case ThreadGone():
                return (
                    f"I cannot write in this channel. Invite me with `/invite` <@{self._bot.user}> "
                    "and ask again, or send me a direct message."
                )
            case PlatformRefused():
                return REFUSED
            case _:
                return TRY_AGAIN

    async def _take_back(self, channel: str, root: str) -> None:
        """Delete a question that nobody will answer."""
        try:
            async with within(FAREWELL_SECONDS):
                await self._api.delete(channel, root)
        except PlatformError as error:
            log.warning("question not deleted", extra={"reason": str(error)})

    async def _refresh(self, command: _Command) -> None:
        user = str(command.get("user_id"))
        report = _Report(self._api, command)
        try:
            done = await self._reception.refresh(PLATFORM, user, report.progress)
        except NotAdmin as refusal:
            mending = f"Your id is {user}: an operator can add `{PLATFORM}:{user}` to ADMINS."
            await report.end(f"{refusal} {mending}")
        except DocentError as error:
            await report.end(escape(str(error)))
        except asyncio.CancelledError:
            with suppress(PlatformUnreachable):
                async with within(FAREWELL_SECONDS):
                    await report.end(INTERRUPTED)
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, the admin hears of it)
            log_mishap(log, "A refresh failed", error)
            await report.end(BROKEN)
        else:
            await report.end(escape(summary(done)))


class _Report:
    """Tells the caller how a refresh goes, in as many answers as Slack takes. Never raises."""

    def __init__(self, api: SlackApi, command: _Command) -> None:
        self._api = api
        self._channel = str(command.get("channel_id"))
        self._user = str(command.get("user_id"))
        self._url = str(command.get("response_url"))
        self._start = asyncio.get_running_loop().time()
        self._told = 0

    async def progress(self, progress: RefreshProgress) -> None:
        """Tell it where the next telling is due."""
        if self._told == len(PROGRESS_AFTER) or self._age() < PROGRESS_AFTER[self._told]:
            return
        self._told += 1
        try:
            await self._api.respond(self._url, escape(progress_line(progress)))
        except PlatformError as error:
            log.warning("progress of a refresh not told", extra={"reason": str(error)})

    async def end(self, text: str) -> None:
        """Tell the outcome: as the answer to the command, else in the channel, else directly."""
        ways = (
            lambda: self._api.respond(self._url, text),
            lambda: self._api.whisper(self._channel, self._user, text),
            lambda: self._api.post(self._user, text),
        )
        for way in ways[1:] if self._age() > ANSWERS_END_SECONDS else ways:
            try:
                await way()
            except PlatformError as error:
                log.warning("outcome of a refresh not told this way", extra={"reason": str(error)})
            else:
                return

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._start
