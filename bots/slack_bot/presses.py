"""Presses of the buttons under replies, the modal that asks why, and the message shortcut.

Slack waits 3 s for the acknowledgement of each, and sends none of them again. So a press is
acknowledged at once, and its person told where it came to nothing. What comes of it is whispered in
the thread.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from slack_bolt.async_app import AsyncAck

from bots.press_order import TRY_AGAIN, hand_over
from bots.slack_bot import acting
from bots.slack_bot.api import Bot, SlackApi
from bots.slack_bot.buttons import press_of, reason_of, reason_view, undress
from bots.slack_bot.door import Door
from bots.slack_bot.errors import within
from bots.slack_bot.events import mention_about, place
from core.clock import now
from core.errors import PlatformError, StoreError, ThreadGone
from core.mishaps import log_mishap
from core.press import Press
from core.reception import Reception

log = logging.getLogger(__name__)

ASK_ABOUT: Final = "ask_docent"  #: the callback id of the message shortcut

CALL_SECONDS: Final = 5.0

NOT_TAKEN: Final = "I could not take this question. Please try again in a moment."
NO_TEXT: Final = "This message has no text that I could answer."
TAKEN: Final = "I answer in the thread of that message."
TAKEN_BEFORE: Final = "I have been asked about this message already: see its thread."

_Json = Mapping[str, Any]


class Presses:
    """Hands presses over, and tells what came of them. They run in the task group."""

    def __init__(
        self, api: SlackApi, bot: Bot, reception: Reception, door: Door, tasks: asyncio.TaskGroup
    ) -> None:
        self._api = api
        self._bot = bot
        self._reception = reception
        self._door = door
        self._tasks = tasks

    async def press(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Somebody pressed a button."""
        await ack()
        press = press_of(body, self._bot.tenant)
        if press is not None:
            self._tasks.create_task(self._press(press, body), name="slack press")

    async def reason(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Somebody says why a reply did not help; acknowledged when it is written down."""
        press = reason_of(body, self._bot.tenant, now())
        pressed = None if press is None else await hand_over(self._reception, press)
        if press is not None and pressed is None:
            await ack(response_action="errors", errors={"why": TRY_AGAIN})
            return
        await ack()
        if press is not None and pressed is not None:
            said = pressed.said
            self._tasks.create_task(self._tell(press, said, None), name="slack reason")

    async def ask_about(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Somebody asks about a message, by its menu."""
        await ack()
        self._tasks.create_task(self._ask_about(body), name="slack shortcut")

    async def _press(self, press: Press, body: _Json) -> None:
        pressed = await hand_over(self._reception, press)
        said = TRY_AGAIN if pressed is None else pressed.said
        if pressed is not None and pressed.asks_why and await self._ask_why(press, body):
            return
        if pressed is not None and pressed.settled:
            await self._settle(press, body.get("message"))
        await self._tell(press, said, body.get("response_url"))

    async def _ask_why(self, press: Press, body: _Json) -> bool:
        try:
            async with within(CALL_SECONDS):
                trigger = str(body.get("trigger_id"))
                await acting.open_view(self._api, trigger, reason_view(press))
        except PlatformError as error:
            log.info("a reason was not asked for", extra={"reason": str(error)})
            return False
        return True

    async def _settle(self, press: Press, message: object) -> None:
        """Let the buttons go: they have nothing more to do."""
        try:
            async with within(CALL_SECONDS):
                await undress(self._api, press, message)
        except PlatformError as error:
            log.info("Buttons are left where they were", extra={"reason": str(error)})

    async def _tell(self, press: Press, text: str, url: object) -> None:
        """Say something to the person who pressed, and nobody else."""
        if not text:
            return
        root = place(press.thread)[1] if press.thread else None
        try:
            async with within(CALL_SECONDS):
                await acting.whisper(self._api, press.channel, press.user, text, root=root)
        except PlatformError as error:
            log.info("A press is not answered in its thread", extra={"reason": str(error)})
            await self._respond(url, text)

    async def _respond(self, url: object, text: str) -> None:
        if not isinstance(url, str) or not url:
            return
        try:
            async with within(CALL_SECONDS):
                await self._api.respond(url, text, replace=False)
        except PlatformError as error:
            log.info("A press is not answered", extra={"reason": str(error)})

    async def _ask_about(self, body: _Json) -> None:
        mention = mention_about(body, self._bot.tenant, self._bot.user)
        if mention is None:
            await self._respond(body.get("response_url"), NO_TEXT)
            return
        channel, root = place(mention.thread)
        try:
            async with within(CALL_SECONDS):  # an answer that cannot be posted helps nobody
                await self._api.replies(channel, root, oldest=mention.message, limit=1)
            async with asyncio.timeout(CALL_SECONDS):
                refusal = await self._door.refusal(mention)
                if refusal is None:
                    new = await self._door.take(mention)
                    refusal = TAKEN if new else TAKEN_BEFORE
            told = refusal
        except ThreadGone:
            told = (
                "I cannot write in this channel. Invite me with `/invite` "
                f"<@{self._bot.user}> and try again."
            )
        except (PlatformError, StoreError, TimeoutError) as error:
            log.error("a question was not taken", extra={"reason": type(error).__name__})
            told = NOT_TAKEN
        except Exception as error:  # noqa: BLE001 (one odd message must not end the intake)
            log_mishap(log, "A question could not be taken", error)
            told = NOT_TAKEN
        await self._respond(body.get("response_url"), told)
