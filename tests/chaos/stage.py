"""The three servers, with eyes on the steps that they see, and an OpenAI that echoes tokens."""

import asyncio
import itertools
import json
import random
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from aiohttp import web
from aiohttp.typedefs import Handler

from chaos.calls import Witness, attached_to, interrupted_in, is_told, names_in, next_calls
from chaos.kills import Trap
from chaos.plan import Asking, PlatformName, Step
from servers.discord_http import Answer
from servers.discord_server import DiscordServer
from servers.discord_world import Json
from servers.openai_conversations import Conversation
from servers.openai_response_requests import conversation_id
from servers.openai_runs import Run, Script
from servers.openai_server import PREFIX, OpenAIServer
from servers.openai_streams import words
from servers.slack_deliveries import Delivery
from servers.slack_server import SlackServer

TOKEN: Final = re.compile(r"\b(q[sd]\d{4}) (v\d)\b")
CALLING_SECONDS: Final = 0.3  # at most, until a run has said which functions it calls
REPEAT_SECONDS: Final = 1.5  # at most, until an event comes once more
BEGINNING: Final = 5  # events of a stream that falls silent
_FILLER: Final = "and so it goes on, word by word, until the end of the line is reached at last."


def question_text(token: str, version: int = 1) -> str:
    """What a person writes."""
    return f"How does it work? {token} v{version}"


def answer_text(number: int, tokens: list[str], lines: int) -> str:
    """What the model says: a head with the tokens that it was asked for, lines, and an end."""
    name = f"a{number:04d}"
    body = "\n\n".join(f"Line {one} of {lines} of {name} {_FILLER}" for one in range(1, lines + 1))
    return f"Answer {name} to {', '.join(tokens)}.\n\n{body}\n\nEnd of {name}."


def is_answer(text: str) -> bool:
    """Whether a post is (a part of) an answer."""
    return re.search(r"\b(Answer|Line \d+ of \d+ of|End of) a\d{4}\b", text) is not None


def is_middle(text: str) -> bool:
    """Whether a post is a part of an answer that is neither the first nor the last one."""
    return is_answer(text) and not re.search(r"\b(Answer|End of) a\d{4}\b", text)


@dataclass(frozen=True, kw_only=True)
class _Creating:
    """A request for a run: what it asks, and whose planned failure the run is."""

    request: web.Request
    tokens: list[str]
    fails: set[str]
    is_told: bool  #: it brings the outputs of calls


class _Runs(dict[str, Run]):
    """Runs by their ids; each is told of when it comes."""

    def __init__(self, on_new: Callable[[Run], None]) -> None:
        super().__init__()
        self._on_new = on_new

    def __setitem__(self, key: str, run: Run) -> None:
        super().__setitem__(key, run)
        self._on_new(run)


class ChaosOpenAI(OpenAIServer):
    """Answers with the tokens that it is asked for; the plan says how long that takes."""

    def __init__(self, askings: Mapping[str, Asking]) -> None:
        super().__init__()
        self.trap: Trap | None = None
        self.failed: set[str] = set()  #: tokens whose planned failure has happened
        self.tokens: dict[str, list[str]] = {}  #: by run: what it was asked, as `token version`
        self.planned_failures: set[str] = set()  #: runs
        #: what befalls the streams of the next runs, as fields of their scripts
        self.stream_troubles: deque[dict[str, int]] = deque()
        self.witness = Witness()
        self._askings = askings
        self._numbers = itertools.count(1)
        self.responses.all = _Runs(self._created)

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Outside of the faults: what is seen here is on its way to the process."""
        path = request.path.removeprefix(PREFIX)
        if request.method == "GET" and path.startswith("/responses/"):
            run = self.responses.all.get(path.rpartition("/")[2])
            is_look = request.query.get("stream") != "true"
            if is_look and self._reached(Step.POLLING, _platform_of(run), request):
                return _dropped(request)
        return await super()._with_faults(request, handler)

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Inside of them: what comes here has an effect."""
        path = request.path.removeprefix(PREFIX)
        if (request.method, path) == ("POST", "/responses"):
            return await self._create(request, handler)
        reply = await super()._authorise(request, handler)
        if (request.method, path) == ("POST", "/conversations"):
            platform = (await request.json())["metadata"]["docent_platform"]
            if self._reached(Step.CONVERSATION_OPENED, platform, request):
                return _dropped(request)
        if (request.method, path) == ("POST", "/files") and isinstance(reply, web.Response):
            self.witness.uploads[json.loads(reply.text or "{}").get("filename", "?")] += 1
        return reply

    async def _create(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json()
        given = body["input"]
        conversation = self.conversations.all.get(conversation_id(body) or "")
        tokens = _tokens_of(given, conversation)
        script, planned = self._script(tokens, given, conversation)
        self._witness(tokens, given, conversation)
        self.responses.scripts.append(script)
        self._creating = _Creating(
            request=request, tokens=tokens, fails=planned, is_told=is_told(given)
        )
        try:
            return await super()._authorise(request, handler)
        finally:
            self.responses.scripts.clear()

    def _created(self, run: Run) -> None:
        """Note a new run. The reply may go on until the run ends: it is a stream."""
        creating = self._creating
        self.tokens[run.id] = creating.tokens
        if creating.fails:
            self.failed |= creating.fails
            self.planned_failures.add(run.id)
        step = Step.OUTPUTS_TOLD if creating.is_told else Step.RUN_CREATED
        if self._reached(step, _platform_of(run), creating.request):
            _dropped(creating.request)

    def asks(self, run: str, token: str) -> bool:
        """Whether a run is for a question, whatever version of it."""
        return token in {told.split()[0] for told in self.tokens.get(run, [])}

    def _witness(
        self, tokens: list[str], given: list[Json], conversation: Conversation | None
    ) -> None:
        self.witness.interrupted.update(interrupted_in(given, conversation))
        if is_told(given):
            self.witness.told += len(given)
            return
        askings = [self._askings[token.split()[0]] for token in tokens]
        expected = {name for one in askings for name in attached_to(one)}
        if names_in(given) != expected:
            self.witness.without_files.append(f"{tokens}: {names_in(given)} of {expected}")

    def _script(
        self, tokens: list[str], given: list[Json], conversation: Conversation | None
    ) -> tuple[Script, set[str]]:
        """How a run for these tokens goes, and whose planned failure it is.

        Questions that are asked together fail together, and one that joins another in its second
        run does not fail: two failures in a row end in the fallback.
        """
        askings = [self._askings[token.split()[0]] for token in tokens]
        seconds = max((one.run_seconds for one in askings), default=0.2)
        if calls := next_calls(askings, given, conversation):
            return Script(seconds=min(seconds, CALLING_SECONDS), calls=calls), set()
        planned = {asking.token for asking in askings if asking.fails_first}
        if planned and not planned & self.failed:
            statuses = ("queued", "in_progress", "failed")
            return Script(statuses=statuses, seconds=seconds), planned
        lines = max((one.lines for one in askings), default=1)
        text = answer_text(next(self._numbers), tokens, lines)
        pace = seconds / len(words(text))  # so that there is always something that grows
        trouble = self.stream_troubles.popleft() if self.stream_troubles else {}
        if any(one.falls_silent for one in askings):
            trouble = {"silent_after": BEGINNING}
        return Script(seconds=seconds, text=text, word_seconds=pace, **trouble), set()

    def _reached(self, step: Step, platform: Any, request: web.Request) -> bool:
        return self.trap is not None and self.trap.reached(step, platform, request)


class ChaosSlack(SlackServer):
    """Delivers every event once more, some time later; can swallow events."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.trap: Trap | None = None
        self.deaf = False  #: events are not delivered at all
        self.repeats = 0
        self._dice = dice
        self._later: list[Callable[[], None]] = []

    def event(self, event: Json) -> Delivery:
        if self.deaf:
            return Delivery(kind="events_api", payload={"event": event})
        delivery = super().event(event)
        if event.get("bot_id") is None:
            self.repeats += 1
            loop = asyncio.get_running_loop()
            loop.call_later(self._dice.uniform(0.0, REPEAT_SECONDS), self._repeat, delivery)
        return delivery

    def _repeat(self, delivery: Delivery) -> None:
        if not self._stopping.is_set():
            self.redeliver(delivery)

    async def _serve_method(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["method"] == "chat.postMessage":
            text = unquote_plus(await request.text())
            if is_middle(text) and self._reached(Step.PART_POSTED, request):
                return _dropped(request)
        return await super()._serve_method(request)

    async def _answer_method(self, request: web.Request) -> web.Response:
        reply = await super()._answer_method(request)
        if request.match_info["method"] == "chat.postMessage" and '"ok": true' in str(reply.text):
            text = unquote_plus(await request.text())
            if is_answer(text) and self._reached(Step.NOT_RECORDED, request):
                _dropped(request)
        return reply

    def _reached(self, step: Step, request: web.Request) -> bool:
        return self.trap is not None and self.trap.reached(step, "slack", request)


class ChaosDiscord(DiscordServer):
    """Tells of every message once more, some time later."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.trap: Trap | None = None
        self.repeats = 0
        self._dice = dice
        self._write = self.rest._post_message
        self.rest._post_message = self._post  # type: ignore[method-assign]

    @property
    def connections(self) -> int:
        """How many sessions have a socket."""
        return sum(session.socket is not None for session in self.gateway.sessions.values())

    def repeat_after(self) -> float:
        """Seconds until an event comes once more."""
        self.repeats += 1
        return self._dice.uniform(0.0, REPEAT_SECONDS)

    async def _post(self, request: web.Request, body: Json) -> Answer:
        text = str(body.get("content"))
        if is_middle(text) and self._reached(Step.PART_POSTED, request):
            _dropped(request)
            return Answer()
        answer = await self._write(request, body)
        if is_answer(text) and self._reached(Step.NOT_RECORDED, request):
            _dropped(request)
        return answer

    def _reached(self, step: Step, request: web.Request) -> bool:
        return self.trap is not None and self.trap.reached(step, "discord", request)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The servers together."""

    slack: ChaosSlack
    discord: ChaosDiscord
    openai: ChaosOpenAI
    faults: Counter[str]

    def set_trap(self, trap: Trap) -> None:
        """Let every server tell of the steps that it sees."""
        self.slack.trap = self.discord.trap = self.openai.trap = trap

    def listens(self, platform: PlatformName | None = None) -> bool:
        """Whether somebody hears of what is said on a platform, or on both."""
        slack, discord = self.slack.connections > 0, self.discord.connections > 0
        return {"slack": slack, "discord": discord, None: slack and discord}[platform]


def _tokens_of(given: Any, conversation: Conversation | None) -> list[str]:
    """What a request asks; where it brings outputs, what was asked before them."""
    if is_told(given):
        said = conversation.items if conversation else []
        asked = [_tokens_in(_question_in([item])) for item in said if item.get("role") == "user"]
        return next((tokens for tokens in reversed(asked) if tokens), [])
    return _tokens_in(_question_in(given))


def _tokens_in(text: str) -> list[str]:
    return [" ".join(found) for found in TOKEN.findall(text)]


def _question_in(given: Any) -> str:
    """What a request asks: its last item. What others said in the thread is quoted before it."""
    return given if isinstance(given, str) else str(given[-1].get("content"))


def _platform_of(run: Run | None) -> Any:
    conversation = run.conversation if run else None
    return conversation.metadata.get("docent_platform") if conversation else None


def _dropped(request: web.Request) -> web.Response:
    """Break the connection: whoever was at its other end is dead."""
    if request.transport:
        request.transport.abort()
    return web.Response()
