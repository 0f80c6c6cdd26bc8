"""The slash command /ask.

Slack waits 3 s for an answer to a command, and does not send it again.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from slack_bolt.async_app import AsyncAck

from bots.slack_bot.api import Bot, SlackApi
from bots.slack_bot.door import Door
from bots.slack_bot.errors import within
from bots.slack_bot.events import place, private_ref, tenant, thread_ref
from bots.slack_bot.mrkdwn import escape, plain
from core.clock import now
from core.domain import Mention, MessageId
from core.errors import (
    PlatformError,
    PlatformRefused,
    StoreError,
    ThreadGone,
)

log = logging.getLogger(__name__)

ASK: Final = "/ask"

ROOT_SECONDS: Final = 2.0  #: to post a question, of the 3 s in which it must be acknowledged
SHOWN_QUESTION: Final = 3_000  #: characters of a question that are repeated in the channel
FAREWELL_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 1.0  #: to see whether the bot is in the channel, of the same 3 s

USAGE: Final = f"Write your question after the command: `{ASK} how do I …?`"
READING: Final = "Reading the documentation…"
TRY_AGAIN: Final = "I could not take your question. Please ask again in a moment."
REFUSED: Final = "I could not take your question: Slack refused it. My log says why."

_Command = Mapping[str, Any]


class Commands:
    """Carries /ask out."""

    def __init__(
        self, api: SlackApi, bot: Bot, door: Door, tasks: asyncio.TaskGroup, *, private: bool
    ) -> None:
        """`private`: whether nobody but the asker sees what is asked, and the answer."""
        self._private = private
        self._api = api
        self._bot = bot
        self._door = door
        self._tasks = tasks

    async def ask(self, ack: AsyncAck, command: _Command) -> None:
        """Take a question: shown in the channel, as the root of a thread, or for the asker alone.

        Acknowledged last, so that a question that could not be taken is reported to the asker.
        """
        question = plain(str(command.get("text", ""))).strip()
        # In direct messages nobody else sees it anyway.
        alone = self._private and not str(command.get("channel_id")).startswith("D")
        take = self._take_privately if alone else self._take
        said = await take(command, question) if question else USAGE
        if said:
            await ack(text=said, response_type="ephemeral")
        else:
            await ack()

    async def _take_privately(self, command: _Command, question: str) -> str:
        """Take a question that only its asker sees; what to tell them."""
        mention = _mention(command, question)
        try:
            if (refusal := await self._door.refusal(mention)) is not None:
                return refusal
            if not await self._may_whisper(mention.channel):
                return self._not_invited()
            # Slack sends a command once; its trigger tells it from all others.
            trigger = str(command.get("trigger_id") or secrets.token_hex())
            number = hashlib.sha256(trigger.encode()).hexdigest()[:16]
            thread = private_ref(mention.thread.tenant, mention.channel, number)
            message = MessageId(place(thread)[1])
            await self._door.take(replace(mention, thread=thread, message=message))
        except StoreError as error:
            log.error("question not written down", extra={"reason": str(error)})
            return TRY_AGAIN
        return READING

    async def _may_whisper(self, channel: str) -> bool:
        """Whether an answer could arrive, which takes a bot that is in the channel."""
        try:
            async with within(LOOK_SECONDS):
                return (await self._api.channel(channel)).get("is_member") is not False
        except ThreadGone:
            return False
        except PlatformError as error:
            log.info("a channel is not looked at", extra={"reason": str(error)})
            return True

    async def _take(self, command: _Command, question: str) -> str | None:
        """Post the question and take it; what to tell the asker where that did not work."""
        mention = _mention(command, question)
        channel, user = mention.channel, mention.author
        try:
            if (refusal := await self._door.refusal(mention)) is not None:
                return refusal
        except StoreError as error:
            log.error("question not judged", extra={"reason": str(error)})
            return TRY_AGAIN
        shown = question[:SHOWN_QUESTION] + ("…" if len(question) > SHOWN_QUESTION else "")
        try:
            async with within(ROOT_SECONDS):
                root = await self._api.post(channel, f"<@{user}> asks: {escape(shown)}")
        except PlatformError as error:
            return self._why_not_posted(error)
        asked = replace(
            mention,
            thread=thread_ref(tenant(command), channel, root),
            message=MessageId(root),
            at=float(root),
        )
        try:
            await self._door.take(asked)
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
                return self._not_invited()
            case PlatformRefused():
                return REFUSED
            case _:
                return TRY_AGAIN

    def _not_invited(self) -> str:
        return (
            f"I cannot write in this channel. Invite me with `/invite` <@{self._bot.user}> "
            "and ask again, or send me a direct message."
        )

    async def _take_back(self, channel: str, root: str) -> None:
        """Delete a question that nobody will answer."""
        try:
            async with within(FAREWELL_SECONDS):
                await self._api.delete(channel, root)
        except PlatformError as error:
            log.warning("question not deleted", extra={"reason": str(error)})


def _mention(command: _Command, question: str) -> Mention:
    """What a command asks, before there is a message of it."""
    channel = str(command.get("channel_id"))
    return Mention(
        thread=thread_ref(tenant(command), channel, ""),
        channel=channel,
        message=MessageId(""),
        author=str(command.get("user_id")),
        text=question,
        at=now(),
        direct=channel.startswith("D"),
    )
