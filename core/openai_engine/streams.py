"""Responses as they are written: OpenAI's streams of events, and the text that is read out of them.

A stream tells sooner what a look tells later, and is never needed: one that breaks or falls silent
is taken up again where it was, and one that OpenAI does not offer is done without.
"""

import asyncio
import logging
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import openai
from openai import AsyncOpenAI, Timeout, omit

from core.domain import RunId
from core.errors import EngineUnreachable
from core.openai_engine.answers import clean_text, says_not_in_docs
from core.openai_engine.client import CONNECT_SECONDS
from core.openai_engine.ends import Ended, ended_of
from core.openai_engine.events import Event, WireEvents, shown_in
from core.openai_engine.outage import NOT_USABLE
from core.openai_engine.transcript import INCLUDE
from core.ports import Written

log = logging.getLogger(__name__)

MOST = 300  # streams at once; the client has 1,000 connections, for everything
TROUBLES = 5  # in a row, after which a run is only looked at
FIRST_PAUSE = 0.5  # seconds before a stream is taken up again, doubled with each trouble
SILENCE = 20.0  # seconds after which a stream counts as broken
FIRST_PIECES = 8  # of an answer that are read as they come: people wait for the first words
LEFT = 60.0  # seconds after which a stream that nobody listens to is closed
KEPT = 1_000  # ends of runs that nobody has looked at yet

# What may yet become a mark of another program, or ours for "not in the documentation". What is
# long here has a bound, or begins only where a run of the same signs does: else it would take
# quadratic time.
_UNFINISHED = re.compile(
    r"""
    (?: \uE200[^\uE200\uE201]{0,400}
      | 【[^【】\n]{0,240}
      | (?<![`*_])[`*_]*+\[\[?[\w\s-]{0,16}\]?
      | (?:file)?cite
    )\Z
    """,
    re.VERBOSE,
)
_OVER = ("response.completed", "response.failed", "response.incomplete", "response.cancelled")
_TEXTS = ("response.output_text.delta", "response.refusal.delta")


class Streams:
    """The open streams of one process."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        # Nobody listens to them yet; and since when they were begun, by the monotonic clock.
        self._begun: dict[RunId, tuple[WireEvents, float]] = {}
        self._creating = 0
        self._listened = 0
        self._ended: dict[RunId, Ended] = {}

    @property
    def has_room(self) -> bool:
        """Whether one more stream may be opened."""
        kept = len(self._begun) - len(self._left())
        return self._creating + kept + self._listened < MOST

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Keep the place of a stream while it is created, until `begin` has taken it."""
        self._creating += 1
        try:
            for run in self._left():
                await self.forget(run)
            yield
        finally:
            self._creating -= 1

    async def begin(self, stream: httpx2.Response) -> RunId:
        """Keep the stream of a response that was just created, which is what it says first.

        Raises as the SDK does, and EngineUnreachable where the stream does not say what it is of.
        """
        events = WireEvents(stream)
        try:
            async for event in events:
                if (shown := shown_in(event)) is not None:
                    run = RunId(shown["id"])
                    self._begun[run] = events, time.monotonic()
                    return run
        except BaseException:
            await events.aclose()
            raise
        await events.aclose()
        raise EngineUnreachable

    async def listen(self, run: RunId) -> AsyncIterator[Written]:
        """See `AnswerEngine.listen`."""
        if run not in self._begun and not self.has_room:
            return  # after a restart there may be thousands of runs
        heard, troubles = _Heard(), 0
        self._listened += 1
        try:
            while troubles < TROUBLES and heard.end is None:
                position = heard.position
                if position is None:
                    heard = _Heard()  # all of it is told again
                try:
                    begun, _ = self._begun.pop(run, (None, 0.0))
                    events = begun or WireEvents(await self._resume(run, position))
                    async with aclosing(events):
                        async for event in events:
                            is_more = heard.hear(event)
                            events.flows = is_more and heard.flows
                            if heard.end is not None:
                                self._keep(run, heard.end)
                                events.end()
                            if is_more:
                                yield heard.written
                except (openai.APIConnectionError, openai.InternalServerError) as error:
                    log.debug("A stream broke", extra={"run": run, "error": type(error).__name__})
                except (openai.OpenAIError, EngineUnreachable) as error:
                    log.debug("No stream", extra={"run": run, "error": type(error).__name__})
                    break
                troubles = 0 if heard.position != position else troubles + 1
                if heard.end is None:
                    await asyncio.sleep(FIRST_PAUSE * 2**troubles if troubles else 0.0)
        finally:
            self._listened -= 1

    def ended(self, run: RunId) -> Ended | None:
        """The response of a run whose end was heard; each is told once."""
        return self._ended.pop(run, None)

    async def forget(self, run: RunId) -> None:
        """Close the stream of a run that nobody waits for."""
        self._ended.pop(run, None)
        events, _ = self._begun.pop(run, (None, 0.0))
        if events is not None:
            await events.aclose()

    async def close(self) -> None:
        """Close the streams that nobody listens to."""
        for run in list(self._begun):
            await self.forget(run)

    def _left(self) -> list[RunId]:
        """The runs that nobody has come to listen to: their turns are in other hands, or over."""
        before = time.monotonic() - LEFT
        return [run for run, (_, at) in self._begun.items() if at <= before]

    async def _resume(self, run: RunId, position: int | None) -> httpx2.Response:
        stream = await self._client.responses.retrieve(
            run,
            stream=True,
            starting_after=omit if position is None else position,
            include=INCLUDE,
            timeout=stream_timeout(),
        )
        return stream.response

    def _keep(self, run: RunId, end: Ended) -> None:
        self._ended[run] = end
        if len(self._ended) > KEPT:
            del self._ended[next(iter(self._ended))]


@dataclass(slots=True)
class _Heard:
    """What was read of one response."""

    position: int | None = None  #: of the last event
    end: Ended | None = None
    pieces: int = 0  #: of texts
    _texts: dict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    _asides: set[int] = field(default_factory=set)  # what the model says to itself on the way

    @property
    def flows(self) -> bool:
        """Whether words come that nobody waits for one by one."""
        return self.pieces >= FIRST_PIECES and self.end is None

    def hear(self, event: Event) -> bool:
        """Take an event in; whether there is more of the answer now."""
        number = event.get("sequence_number")
        if isinstance(number, int):
            if self.position is not None and number <= self.position:
                return False  # told again when the stream was taken up
            self.position = number
        kind, output = event.get("type"), event.get("output_index")
        if kind in _OVER:
            shown = shown_in(event)
            if shown is None:
                raise EngineUnreachable(NOT_USABLE)
            self.end = ended_of(shown)
            return True
        if kind == "response.output_item.added" and isinstance(output, int):
            item = event.get("item")
            if isinstance(item, dict) and item.get("phase") == "commentary":
                self._asides.add(output)
            return False
        delta, content = event.get("delta"), event.get("content_index")
        if kind not in _TEXTS or not isinstance(delta, str):
            return False
        if not isinstance(output, int) or not isinstance(content, int):
            return False
        self._texts[output, content].append(delta)
        self.pieces += 1
        return output not in self._asides

    def written(self) -> str:
        """The answer so far, as it can be shown: without marks, whole or half."""
        messages: dict[int, list[str]] = defaultdict(list)
        for (output, _), deltas in sorted(self._texts.items()):
            if output not in self._asides:
                messages[output] += deltas
        text = "\n\n".join("".join(deltas) for deltas in messages.values())
        return "" if says_not_in_docs(text) else clean_text(_UNFINISHED.sub("", text))


def stream_timeout() -> Timeout:
    """How long to wait for the next event."""
    return Timeout(SILENCE, connect=CONNECT_SECONDS)


async def no_stream() -> AsyncIterator[Written]:
    """Say nothing."""
    nothing: tuple[Written, ...] = ()
    for written in nothing:
        yield written
