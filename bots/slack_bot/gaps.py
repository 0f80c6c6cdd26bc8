"""/docs-gaps: what went unanswered, told to the admin who asks and nobody else.

Acknowledged at once, because a report may take longer than the 3 s that Slack waits.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from slack_bolt.async_app import AsyncAck

from bots.gaps_order import CUT, PARTS, answer
from bots.slack_bot.api import SlackApi
from bots.slack_bot.errors import within
from bots.slack_bot.events import PLATFORM
from bots.slack_bot.mrkdwn import plain
from bots.slack_bot.render import render
from core.errors import PlatformError
from core.reception import Reception

log = logging.getLogger(__name__)

TELL_SECONDS: Final = 10.0  #: for one part

_Command = Mapping[str, Any]


class Gaps:
    """Carries the command out."""

    def __init__(self, api: SlackApi, reception: Reception, tasks: asyncio.TaskGroup) -> None:
        self._api = api
        self._reception = reception
        self._tasks = tasks
        self._work: set[asyncio.Task[None]] = set()

    async def command(self, ack: AsyncAck, command: _Command) -> None:
        """Acknowledge, and tell what there is as soon as it is known."""
        await ack()
        task = self._tasks.create_task(self._tell(command), name="slack gaps")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def finish(self) -> None:
        """End what is at work: the admin can ask again."""
        for task in self._work:
            task.cancel()

    async def _tell(self, command: _Command) -> None:
        user, channel = str(command.get("user_id")), str(command.get("channel_id"))
        text = plain(str(command.get("text", "")))
        parts = render(await answer(self._reception, PLATFORM, user, text))
        url = str(command.get("response_url"))
        for part in (*parts[:PARTS], *([CUT] if len(parts) > PARTS else ())):
            try:
                async with within(TELL_SECONDS):
                    await self._api.respond(url, part, replace=False)
            except PlatformError:
                await self._whisper(channel, user, part)

    async def _whisper(self, channel: str, user: str, part: str) -> None:
        """Tell it in the channel, where the answers to the command are not taken."""
        try:
            async with within(TELL_SECONDS):
                await self._api.whisper(channel, user, part)
        except PlatformError as error:
            log.warning("a report was not told", extra={"reason": str(error)})
