"""The loopback servers of the tests, which note for the benchmarks when something became visible.

What they do differently: a stream sleeps until its next word is due, where those of the tests look
at the run each few milliseconds, and how a run goes depends on the question that is asked.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from benchmarks.ledger import PEOPLE, Ledger
from servers import openai_responses
from servers.discord_http import Answer
from servers.discord_rest import Rest
from servers.discord_server import DiscordServer
from servers.openai_responses import Responses
from servers.openai_runs import Asked, Run, Said, Script, answer_from_documents
from servers.openai_server import OpenAIServer
from servers.openai_streams import _end, _events, _send
from servers.openai_wire import read_json
from servers.slack_server import SlackServer

LONGEST_SLEEP = 0.5  # seconds until a stream sees that its run was cancelled


async def stream(
    request: web.Request,
    run: Run,
    after: int,
    include: list[str],
    settle: Callable[[Run], None],
    stopping: asyncio.Event,
) -> web.StreamResponse:
    """As `servers.openai_streams.stream`, without looking all the time."""
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    run.streams += 1
    with contextlib.suppress(ConnectionResetError):
        await reply.prepare(request)
        for number, event in enumerate(_events(run, include)):
            due = _due(run, event)
            while not run.is_over and (wait := due - time.monotonic()) > 0:
                if stopping.is_set():
                    return reply
                await asyncio.sleep(min(wait, LONGEST_SLEEP))
                settle(run)
            if run.status == "cancelled":
                return reply
            if number > after:
                await _send(reply, number, event)
        while (wait := run.ends_at - time.monotonic()) > 0 and not run.is_over:
            if stopping.is_set():
                return reply
            await asyncio.sleep(min(wait, LONGEST_SLEEP))
            settle(run)
        await _end(reply, run, include, settle, stopping)
    return reply


def _due(run: Run, event: dict[str, Any]) -> float:
    """When an event is to be sent: the words one after the other, all else without delay."""
    if "word" not in event:
        return 0.0
    script = run.script
    return run.started + script.first_word_seconds + float(event["word"]) * script.word_seconds


class _Runs(dict[str, Run]):
    """All runs; each is noted as it is created."""

    def __init__(self, note: Callable[[Run], None]) -> None:
        super().__init__()
        self._note = note

    def __setitem__(self, key: str, run: Run) -> None:
        super().__setitem__(key, run)
        self._note(run)


class BenchResponses(Responses):
    """Runs that take as long as the ledger says of their question."""

    def watch(self, ledger: Ledger) -> None:
        """Note in the ledger what becomes of runs."""
        self._ledger = ledger
        self.all = _Runs(self._note)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        at = time.monotonic()
        question = self._ledger.question_in(_texts((await read_json(request)).get("input")))
        if question is None:
            return await super()._create(request)
        seen = self._ledger.seen[question.number]
        seen.requested_at = seen.requested_at or at
        script = Script(
            statuses=("queued", "in_progress", "completed"),
            seconds=question.seconds,
            first_word_seconds=question.first_word_seconds,
            word_seconds=question.word_seconds,
            text=question.answer,
        )
        self.scripts.appendleft(script)  # nothing else runs until it is taken, or refused
        try:
            return await super()._create(request)
        finally:
            if script in self.scripts:
                self.scripts.remove(script)

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        run = self.all.get(request.match_info["response"])
        question = self._ledger.question_in(_texts(run.input)) if run else None
        if question is not None and request.query.get("stream") != "true":
            self._ledger.seen[question.number].looks += 1
        return await super()._retrieve(request)

    def _note(self, run: Run) -> None:
        question = self._ledger.question_in(_texts(run.input))
        if question is None:
            return
        seen = self._ledger.seen[question.number]
        seen.runs += 1
        seen.first_token_at = run.started + question.first_word_seconds
        words = question.first_word_seconds + question.words * question.word_seconds
        seen.done_at = run.started + (question.seconds or words)


class BenchOpenAI(OpenAIServer):
    """The OpenAI server of the tests, with a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(answerer=self._say)
        self._ledger = ledger
        openai_responses.stream = stream  # type: ignore[attr-defined]  # of this process
        responses = BenchResponses(self.models, self.conversations, self.files, self.vector_stores)
        responses.script, responses.answerer = self.responses.script, self._say
        responses.stopping = self._stopping
        responses.watch(ledger)
        self.responses = responses

    def _say(self, asked: Asked) -> Said:
        question = self._ledger.question_in([asked.question])
        return Said(text=question.answer) if question else answer_from_documents(asked)


class BenchSlack(SlackServer):
    """The Slack server of the tests, with a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self.roots: dict[str, int] = {}  #: the number of the question, by the ts of its thread
        self.workspace.users |= set(PEOPLE)
        self._threads: dict[str, str] = {}  # of the bot's messages, by their ts

    async def _answer_method(self, request: web.Request) -> web.Response:
        response = await super()._answer_method(request)
        call = self.calls[-1]  # nothing else ran since it was entered
        if call.method.startswith("chat."):
            self._note(call.args, call.at, json.loads(response.body or b"{}"))  # type: ignore[arg-type]
        return response

    def _note(self, args: Mapping[str, Any], at: float, reply: dict[str, Any]) -> None:
        ts = str(args.get("ts") or reply.get("ts") or "")
        thread = self._threads.setdefault(ts, str(args.get("thread_ts") or ""))
        if not reply.get("ok") or thread not in self.roots:
            return
        message = self.workspace.channels[args["channel"]].find(ts)
        if message is None:
            return
        said = " ".join(filter(None, (message["text"], json.dumps(message.get("blocks")))))
        finished = "metadata" in message
        for number in self.numbers_of(thread):
            self._ledger.shown(number, said, at, finished=finished)

    def numbers_of(self, thread: str) -> list[int]:
        """The questions of a thread."""
        first = self.roots[thread]
        return [first, *(n for n, one in self._ledger.asked.items() if one.thread == first)]


class _BenchRest(Rest):
    ledger: Ledger
    roots: dict[str, int]

    async def _post_message(self, request: web.Request, body: dict[str, Any]) -> Answer:
        at = time.monotonic()
        return self._noted(await super()._post_message(request, body), at)

    async def _patch_message(self, request: web.Request, body: dict[str, Any]) -> Answer:
        at = time.monotonic()
        return self._noted(await super()._patch_message(request, body), at)

    def _noted(self, answer: Answer, at: float) -> Answer:
        message = answer.body
        number = self.roots.get(str(message["channel_id"]))
        if number is not None:
            labels = json.dumps(message.get("components") or [])
            self.ledger.shown(number, message["content"], at, finished="helpful" in labels)
        return answer


class BenchDiscord(DiscordServer):
    """The Discord server of the tests, with a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.roots: dict[str, int] = {}  #: the number of the question, by its message's id
        self.rest = rest = _BenchRest(self.world, self.gateway, self._front)
        rest.ledger, rest.roots = ledger, self.roots
        self.place = self.world.channel("help")
        self.asker = self.world.user("alice")


def _texts(given: Any) -> list[str]:
    """The texts of the messages in what a response was asked with."""
    if isinstance(given, str):
        return [given]
    texts = []
    for item in given if isinstance(given, list) else ():
        content = item.get("content") if isinstance(item, dict) else None
        parts = [content] if isinstance(content, str) else content or ()
        texts += [part if isinstance(part, str) else str(part.get("text", "")) for part in parts]
    return texts
