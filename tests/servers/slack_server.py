"""A Slack on the loopback: Web API, Socket Mode, the Events API over HTTP, and response URLs.

Strict about the wire: it refuses what Slack refuses, with Slack's codes, and notes what Slack would
let pass but a client should not do. Behaves as Slack where that is a trap: a mention is delivered
twice with two event ids, an event that is not acknowledged comes again, the bot's own messages are
events too, the address of a websocket works once, each event goes to one of the open websockets in
turn, and what comes while none is open is lost.
"""

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from aiohttp import web

from servers.faults import Fault
from servers.slack_agent import AgentView
from servers.slack_blocks import checked_blocks
from servers.slack_deliveries import Deliveries, Delivery
from servers.slack_files import SlackFiles
from servers.slack_methods import METHODS, Method, Methods
from servers.slack_people import People, ResponseUrl
from servers.slack_streams import Streams
from servers.slack_workspace import BOT_USER as BOT_USER
from servers.slack_workspace import Json, SlackError, Workspace
from servers.waiting import until

BOT_TOKEN = "xoxb-test-bot-token"
APP_TOKEN = "xapp-test-app-token"
SIGNING_SECRET = "test-signing-secret"

RESPONSE_USES = 5

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of the Web API, also one that was refused."""

    method: str
    args: Mapping[str, Any]
    at: float


class SlackServer(People):
    """Start it with `async with`; everything else may be called at any time after.

    `fail("file", …)` lets the next request for a file go wrong.
    """

    def __init__(self) -> None:
        self.workspace = Workspace()
        self.calls: list[Call] = []
        self.unknown_args: list[tuple[str, str]] = []
        self.response_urls: dict[str, ResponseUrl] = {}
        self.base_url = ""
        self._copies = 1
        self._methods = Methods(
            self.workspace,
            emit=self.event,
            changed=self.changed,
            deleted=self.delete,
            socket_url=self._socket_url,
        )
        self.files = SlackFiles(BOT_TOKEN, self._methods.scopes, self._notify)
        self._methods.file_info = self.files.info
        self._faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._deliveries = Deliveries(tasks, self._notify, SIGNING_SECRET)
        self._stack.push_async_callback(self._deliveries.close)
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._serve_method)
        app.router.add_get("/link", self._serve_socket)
        app.router.add_post("/commands/{id}", self._serve_response)
        app.router.add_post("/actions/{id}", self._serve_response)
        for path in ("/files-pri/{file}/{name}", "/files-pri/{file}/download/{name}"):
            app.router.add_get(path, self._serve_file)
        app.router.add_get("/", self._serve_login)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.files.base_url = self.base_url
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await self.close_sockets()
        await self._stack.aclose()

    # --- what a client needs -----------------------------------------------------------------

    @property
    def api_url(self) -> str:
        """The base address of the Web API."""
        return f"{self.base_url}/api"

    # --- what tests look at ------------------------------------------------------------------

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt to hand a request to the bot, in order."""
        return self._deliveries.all

    @property
    def violations(self) -> list[str]:
        """What the client did against the protocol of Socket Mode."""
        return self._deliveries.violations

    @property
    def connections(self) -> int:
        """How many websockets are open."""
        return len(self._deliveries.sockets)

    @property
    def statuses(self) -> list[tuple[str, str, str]]:
        """Every status that was set, as channel, thread and text; "" takes it away."""
        return [(s.channel, s.thread_ts, s.status) for s in self._methods.statuses]

    @property
    def hanging(self) -> dict[tuple[str, str], str]:
        """The statuses that people see now, by channel and thread."""
        return {
            (channel, thread): status
            for (channel, thread), status in self._methods.shown.items()
            if status and self.workspace.channels[channel].find(thread)
        }

    @property
    def lost(self) -> list[Delivery]:
        """What came while no websocket was open, and is never delivered."""
        return self._deliveries.lost

    @property
    def scopes(self) -> set[str]:
        """The scopes that reading is allowed by; take some away to see it refused."""
        return self._methods.scopes

    @property
    def refused_blocks(self) -> set[str]:
        """Types of blocks that the workspace does not take."""
        return self._methods.refused_blocks

    @property
    def views(self) -> list[Json]:
        """Every modal that was opened."""
        return self._methods.views

    @property
    def agent_view(self) -> AgentView:
        """What people see in the agent view, for apps that have the scope for it."""
        return self._methods.agent_view

    @property
    def streams(self) -> Streams:
        """Which messages grow, and for how long they may."""
        return self._methods.streams

    @property
    def whispers(self) -> list[Json]:
        """Every ephemeral message, as channel, user and text."""
        return self._methods.whispers

    def status(self, channel: str, thread_ts: str) -> str:
        """The status that people see under a thread now."""
        return self._methods.shown.get((channel, thread_ts), "")

    def thread(self, channel: str, ts: str) -> list[Json]:
        """The messages of a thread, its root first."""
        return self.workspace.channels[channel].thread(ts)

    def calls_of(self, method: str) -> list[Mapping[str, Any]]:
        """The arguments of every call of a method."""
        return [call.args for call in self.calls if call.method == method]

    def answers(self, command: Delivery) -> list[Json]:
        """What was sent to the response URL of a slash command, or of the press of a button."""
        return self.response_urls[command.payload["response_url"]].answers

    async def wait_for(self, predicate: Callable[[], T], seconds: float = 60.0) -> T:
        """Wait until something holds, here or in what the bot makes of it; what it returns."""
        return await until(predicate, lambda: self._changed, seconds)

    # --- what tests order --------------------------------------------------------------------

    def fail(self, method: str, *faults: Fault) -> None:
        """Let the next calls of a method go wrong, one fault each."""
        self._faults[method].extend(faults)

    def faults_left(self, method: str) -> int:
        """How many calls of a method have still to go wrong."""
        return len(self._faults[method])

    def heal(self, method: str) -> None:
        """Take back what was ordered for a method."""
        self._faults[method].clear()

    def redeliver_after(self, seconds: float | None) -> None:
        """Set how long an event may stay unacknowledged; None: it is never sent again."""
        self._deliveries.redeliver_after = seconds

    def deliver_each(self, times: int) -> None:
        """Deliver each event so often from now on, with the same event id."""
        self._copies = times

    def deliver_to(self, url: str) -> None:
        """Deliver over HTTP from now on, instead of by Socket Mode."""
        self._deliveries.request_url = url

    def expire_response_urls(self) -> None:
        """Let the 30 minutes of every slash command so far be over."""
        for response in self.response_urls.values():
            response.until = 0

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Tell every client to connect anew; the connections stay open until it does."""
        for socket in list(self._deliveries.sockets):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {}})

    async def close_socket(self, number: int) -> None:
        """Close one websocket, counted from the oldest one that is open."""
        await self._deliveries.sockets[number].close()

    async def close_sockets(self) -> None:
        """Close every websocket in an orderly way."""
        for socket in list(self._deliveries.sockets):
            await socket.close()

    def drop_sockets(self) -> None:
        """Break every websocket."""
        self._deliveries.drop_sockets()

    def mute_sockets(self) -> None:
        """Let every websocket stand open and silent, as when the network is gone."""
        self._deliveries.mute_sockets()

    async def post(
        self, body: str, *, at: float | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Post a signed body to the bot over HTTP; `headers` replace those of the signature."""
        signed = self._deliveries.signed(body, at) | {"Content-Type": "application/json"}
        return await self._deliveries.post(body, {**signed, **(headers or {})})

    # --- the wire ----------------------------------------------------------------------------

    async def _serve_method(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        if self._faults[name]:
            fault = self._faults[name].pop(0)
            self._notify()
            return await fault.apply(request, self._answer_method, self._stopping)
        return await self._answer_method(request)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        if self._faults["file"]:
            fault = self._faults["file"].pop(0)
            self._notify()
            return await fault.apply(request, self.files.serve, self._stopping)
        return await self.files.serve(request)

    async def _serve_login(self, request: web.Request) -> web.StreamResponse:
        return self.files.login()

    async def _answer_method(self, request: web.Request) -> web.Response:
        name = request.match_info["method"]
        try:
            args = await _arguments(request)
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            self.calls.append(Call(method=name, args=args, at=time.perf_counter()))
            method = self._checked(name, token or args.get("token"), args)
            body = {"ok": True, **method.run(self._methods, args)}
        except SlackError as error:
            body = {"ok": False, "error": error.code, **error.more}
            if error.messages:
                body["response_metadata"] = {"messages": list(error.messages)}
        finally:
            self._notify()
        granted = ",".join(sorted(self.scopes))
        return web.json_response(body, headers={"X-OAuth-Scopes": granted})

    def _checked(self, name: str, token: object, args: Mapping[str, Any]) -> Method:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method")
        if not token:
            raise SlackError("not_authed")
        if token not in (BOT_TOKEN, APP_TOKEN):
            raise SlackError("invalid_auth")
        if not str(token).startswith(method.token):
            raise SlackError("not_allowed_token_type")
        missing = [need for need in method.needs if args.get(need) is None]
        if missing:
            raise SlackError(
                "invalid_arguments", *(f"[ERROR] missing required field: {m}" for m in missing)
            )
        known = {*method.needs, *method.knows, "token"}
        self.unknown_args += [(name, arg) for arg in args if arg not in known]
        return method

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.remove(ticket)
        return await self._deliveries.socket(request)

    async def _serve_response(self, request: web.Request) -> web.StreamResponse:
        if self._faults["response_url"]:
            fault = self._faults["response_url"].pop(0)
            return await fault.apply(request, self._answer_response, self._stopping)
        return await self._answer_response(request)

    async def _answer_response(self, request: web.Request) -> web.Response:
        response = self.response_urls.get(f"{self.base_url}{request.path}")
        if response is None or time.monotonic() > response.until:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if len(response.answers) == RESPONSE_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        answer = await request.json()
        if not answer.get("text") and not answer.get("blocks"):
            return web.Response(status=400, text="no_text")
        try:
            checked_blocks(answer.get("blocks") or [])
        except SlackError as error:
            return web.Response(status=400, text=error.code)
        response.answers.append(answer)
        if answer.get("replace_original"):
            if response.replaces is None:
                self.violations.append("an answer to a command that would replace something")
            else:
                new = {"text": answer["text"], "blocks": answer.get("blocks") or []}
                response.replaces.update(new)
        self._notify()
        return web.Response(text="ok")

    def _socket_url(self) -> str:
        ticket = f"ticket-{next(self._numbers)}"
        self._tickets.add(ticket)
        return f"{self.base_url.replace('http', 'ws', 1)}/link?ticket={ticket}"

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _arguments(request: web.Request) -> Json:
    """The arguments of a call: from the address, and from a form or a JSON object."""
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return args | body
    if request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        if request.can_read_body:
            raise SlackError("invalid_post_type")
        return args
    return args | dict(await request.post())
