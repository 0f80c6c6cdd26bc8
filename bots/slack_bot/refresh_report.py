"""How the outcome and the progress of a refresh get to the one person who asked for it.

A direct message can be updated as often as one likes, for ever, and still has its buttons tomorrow.
The answers to a command replace nothing, whatever they ask for; the answers to a button replace its
message. Both are five in 30 minutes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from bots.refresh_order import Outcome
from bots.refresh_text import progress_line
from bots.slack_bot.api import Blocks, SlackApi
from bots.slack_bot.errors import within
from bots.slack_bot.mrkdwn import escape
from core.documents import RefreshProgress
from core.errors import PlatformError, PlatformRefused

log = logging.getLogger(__name__)

PROGRESS_SECONDS: Final = 5.0  #: a telling that takes longer is not worth the wait
UPDATE_EVERY: Final = 3.0  #: seconds; Slack takes about 50 updates in a minute, from all of us
#: When progress is answered, seconds after the start: three times, to keep one for the outcome.
PROGRESS_AFTER: Final = (0.0, 10.0, 60.0)
ANSWERS_END_SECONDS: Final = 29 * 60.0
LONGEST_TEXT: Final = 3_900  #: characters; Slack updates a message to 4,000 at most
LONGEST_SECTION: Final = 2_900  #: characters; Slack takes 3,000


class Message(Protocol):
    """What is updated while the refresh goes on."""

    def due(self) -> bool:
        """Whether it may be updated with progress now."""
        ...

    async def show(self, text: str, blocks: Blocks) -> None:
        """Let it say this. Raises PlatformError."""
        ...


class DirectMessage:
    """A message in our direct messages with the person; posted with the first that is shown."""

    def __init__(self, api: SlackApi, user: str, place: tuple[str, str] | None = None) -> None:
        """`place` is the channel and ts, where it is there already."""
        self._api = api
        self._user = user
        self._place = place
        self._shown_at = -UPDATE_EVERY

    def due(self) -> bool:
        """Every UPDATE_EVERY. One that could not be posted is tried again only by the outcome."""
        return self._place is not None and _now() - self._shown_at >= UPDATE_EVERY

    async def show(self, text: str, blocks: Blocks) -> None:
        """See Message."""
        self._shown_at = _now()
        if self._place:
            await self._api.rewrite(*self._place, text, blocks)
        else:
            self._place = await self._api.write(self._user, text, blocks)


class Answered:
    """The message of a button that only the person sees: replaced by the answers to the press."""

    def __init__(self, api: SlackApi, url: str) -> None:
        self._api = api
        self._url = url
        self._start = _now()
        self._told = 0

    def due(self) -> bool:
        """As often as leaves an answer for the outcome."""
        told = self._told
        return told < len(PROGRESS_AFTER) and _now() - self._start >= PROGRESS_AFTER[told]

    async def show(self, text: str, blocks: Blocks) -> None:
        """See Message."""
        self._told += 1
        if _now() - self._start > ANSWERS_END_SECONDS:
            raise PlatformRefused("Slack takes no more answers.")
        await self._api.respond(self._url, text, blocks, replace=True)


class Report:
    """Tells one person how a refresh goes. Never raises."""

    def __init__(
        self, api: SlackApi, message: Message, *, channel: str, user: str, url: str | None = None
    ) -> None:
        """`url` takes answers that replace nothing, where there is such."""
        self._api = api
        self._message = message
        self._channel = channel
        self._user = user
        self._url = url
        self._start = _now()
        self._open = False

    async def open(self, text: str) -> None:
        """Begin to tell: what comes before is not shown."""
        self._open = True
        await self._try_show(text)

    async def progress(self, progress: RefreshProgress) -> None:
        """Tell it where the next telling is due."""
        if self._open and self._message.due():
            await self._try_show(shown(progress_line(progress)))

    async def end(self, outcome: Outcome) -> None:
        """Tell the outcome: in the message, else in another way that only the person sees."""
        text, blocks = shown(outcome.text), blocks_of(outcome)
        ways: list[Callable[[], Awaitable[object]]] = [lambda: self._message.show(text, blocks)]
        if (url := self._url) and _now() - self._start <= ANSWERS_END_SECONDS:
            ways.append(lambda: self._api.respond(url, text, blocks, replace=False))
        ways.append(lambda: self._api.whisper(self._channel, self._user, text, blocks))
        ways.append(lambda: self._api.write(self._user, text, blocks))
        for way in ways:
            try:
                await way()
            except PlatformError as error:
                log.warning("outcome of a refresh not told this way", extra={"reason": str(error)})
            else:
                return

    async def aside(self, outcome: Outcome) -> None:
        """Tell something beside the message, which stays as it is."""
        text = shown(outcome.text)
        try:
            if self._url:
                await self._api.respond(self._url, text, (), replace=False)
            else:
                await self._api.whisper(self._channel, self._user, text, ())
        except PlatformError as error:
            log.warning("a refusal was not told", extra={"reason": str(error)})

    async def _try_show(self, text: str) -> None:
        try:
            async with within(PROGRESS_SECONDS):
                await self._message.show(text, ())
        except PlatformError as error:
            log.warning("progress of a refresh not told", extra={"reason": str(error)})


def shown(text: str) -> str:
    """The text as it is sent: escaped, and as many of its lines as an update takes."""
    return _joined(_lines(text), LONGEST_TEXT)


def blocks_of(outcome: Outcome) -> Blocks:
    """The text in sections, and the buttons under it; nothing where there are none."""
    if not outcome.buttons:
        return ()
    buttons = [
        {
            "type": "button",
            "action_id": button.id,
            "text": {"type": "plain_text", "text": button.label},
            **({"style": "danger"} if button.dangerous else {}),
        }
        for button in outcome.buttons
    ]
    text = {"type": "mrkdwn", "text": _joined(_lines(outcome.text), LONGEST_SECTION)}
    return ({"type": "section", "text": text}, {"type": "actions", "elements": buttons})


def _lines(text: str) -> list[str]:
    return [escape(line) for line in text.splitlines()]


def _joined(lines: Sequence[str], longest: int) -> str:
    """As many whole lines as fit: what is escaped must not be cut within."""
    text = ""
    for line in lines:
        if len(text) + len(line) + 2 > longest:
            return f"{text}\n…"
        text = f"{text}\n{line}" if text else line
    return text


def _now() -> float:
    return asyncio.get_running_loop().time()
