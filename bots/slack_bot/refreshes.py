"""/refresh-docs, and the buttons under what it found.

Slack waits 3 s for an answer to a command and to a button, and sends neither again. Nobody but the
person who asked sees what comes of it: what is known at once (a refusal, the refresh of somebody
else, one that is over) is the answer to the command, all else a direct message that is updated.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from slack_bolt.async_app import AsyncAck

from bots.refresh_order import (
    Order,
    Outcome,
    asked_by,
    carry_out,
    find_source,
    order_of,
    soon,
)
from bots.slack_bot.api import SlackApi
from bots.slack_bot.events import PLATFORM
from bots.slack_bot.mrkdwn import plain
from bots.slack_bot.refresh_report import Answered, DirectMessage, Report, blocks_of, shown
from core.reception import Reception

REFRESH: Final = "/refresh-docs"

FINISH_SECONDS: Final = 3.0  #: for refreshes at work when the bot stops
FAREWELL_SECONDS: Final = 3.0  #: for telling what became of them
_REMEMBERED: Final = 1_000  #: questions whose button was pressed

STARTED: Final = "Reading the documentation … I tell you in a direct message how it goes."
READING: Final = "Reading the documentation …"
REMOVING: Final = "Reading the documentation again, to remove what is gone …"
INTERRUPTED: Final = f"The refresh was interrupted, because I am stopping. Run {REFRESH} again."

_Json = Mapping[str, Any]


class Refreshes:
    """Carries refreshes out. They outlive the request: they run in the task group."""

    def __init__(self, api: SlackApi, reception: Reception, tasks: asyncio.TaskGroup) -> None:
        self._api = api
        self._reception = reception
        self._tasks = tasks
        self._runs: set[asyncio.Task[Outcome]] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._pressed: dict[str, None] = {}  # questions whose button is pressed, the oldest first

    async def command(self, ack: AsyncAck, command: _Json) -> None:
        """Refresh, and answer with the outcome where it is there soon, else that it has begun."""
        user, channel = str(command.get("user_id")), str(command.get("channel_id"))
        source = find_source(plain(str(command.get("text", ""))), self._reception.sources())
        order = Order(platform=PLATFORM, user=user, source=source)
        url = str(command.get("response_url"))
        message = DirectMessage(self._api, user)
        report = Report(self._api, message, channel=channel, user=user, url=url)
        run = self._run(order, report)
        outcome = await soon(run)
        if outcome is None:
            await ack(text=STARTED, response_type="ephemeral")
            self._start(lambda: self._follow(run, report, READING))
        else:
            blocks = list(blocks_of(outcome)) or None
            await ack(text=shown(outcome.text), blocks=blocks, response_type="ephemeral")

    async def press(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Acknowledge at once, and do what the button says, once for each question."""
        await ack()
        try:
            press = _Press(body)
        except (LookupError, TypeError):
            return  # not as Slack sends it
        if press.question in self._pressed:
            return
        if len(self._pressed) >= _REMEMBERED:
            del self._pressed[next(iter(self._pressed))]
        self._pressed[press.question] = None
        self._start(lambda: self._pressed_on(press))

    async def finish(self) -> None:
        """Give refreshes at work FINISH_SECONDS to end, then cancel them and tell so."""
        if self._runs:
            _, late = await asyncio.wait(self._runs, timeout=FINISH_SECONDS)
            for run in late:
                run.cancel()
        if self._work:
            _, unfinished = await asyncio.wait(self._work, timeout=FAREWELL_SECONDS)
            for task in unfinished:
                task.cancel()

    async def _pressed_on(self, press: "_Press") -> None:
        report = self._report_on(press)
        order = order_of(press.button, PLATFORM, press.user, self._reception.sources())
        if isinstance(order, Outcome):
            await report.end(order)
            return
        run = self._run(order, report)
        outcome = await soon(run)
        if outcome and not outcome.begun:  # the question stays
            self._pressed.pop(press.question, None)
            await report.aside(outcome)
        else:
            await self._follow(run, report, REMOVING)

    def _report_on(self, press: "_Press") -> Report:
        api, user = self._api, press.user
        message = (
            Answered(api, press.url)
            if press.is_ephemeral
            else DirectMessage(api, user, (press.channel, press.ts))
        )
        return Report(api, message, channel=press.channel, user=user, url=press.url)

    def _run(self, order: Order, report: Report) -> asyncio.Task[Outcome]:
        run = self._tasks.create_task(
            carry_out(self._reception, order, report.progress), name="slack refresh"
        )
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        return run

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._tasks.create_task(work(), name="slack refresh report")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _follow(self, run: asyncio.Task[Outcome], report: Report, opening: str) -> None:
        """Tell how the refresh goes, until it has ended in whatever way."""
        if not run.done():
            await report.open(opening)
        await asyncio.wait((run,))
        await report.end(Outcome(text=INTERRUPTED) if run.cancelled() else run.result())


class _Press:
    """A press of a button, out of its payload. Raises LookupError or TypeError on an odd one."""

    def __init__(self, body: _Json) -> None:
        container = body["container"]
        self.button = str(body["actions"][0]["action_id"])
        self.user = str(body["user"]["id"])
        self.channel = str(container["channel_id"])
        self.ts = str(container["message_ts"])
        self.is_ephemeral = container.get("is_ephemeral") is True
        self.url = str(body["response_url"])
        #: Once pressed, its message may ask about other pages, with other buttons.
        self.question = f"{self.channel}:{self.ts}:{asked_by(self.button)}"
