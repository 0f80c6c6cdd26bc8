"""A server on this machine that speaks OpenAI's protocol, as strictly as OpenAI does.

    async with OpenAIServer() as server:
        settings = OpenAISettings(api_key=server.api_key, base_url=server.url)
        server.script(Script(statuses=["queued", "failed"]))
        server.fault("POST", "/responses", rate_limited(retry_after="2"))

It has conversations, responses in the background and at once, files, vector stores and models. What
a run says is scripted, or made by an answerer out of what file_search finds.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from servers.faults import Fault
from servers.openai_calls import call_item
from servers.openai_conversations import Conversations
from servers.openai_faults import Hold
from servers.openai_files import Files
from servers.openai_responses import Responses
from servers.openai_runs import Answerer, RunSeen, Script, answer_from_documents
from servers.openai_vector_store_routes import VectorStores
from servers.openai_vector_stores import Indexing
from servers.openai_wire import ApiError, Json, new_id, now, page_of

PREFIX = "/v1"
LARGEST_UPLOAD = 512 * 2**20  # bytes


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A request as it came in."""

    method: str
    path: str  #: without /v1
    query: Mapping[str, str]
    headers: Mapping[str, str]
    json: Any  #: None where the body is none


class OpenAIServer:
    """OpenAI on 127.0.0.1, from `async with` on."""

    def __init__(
        self,
        *,
        api_key: str = "sk-test-0123456789",
        models: Iterable[str] = ("gpt-6-luna", "gpt-6.1-terra"),
        script: Script | None = None,
        answerer: Answerer = answer_from_documents,
    ) -> None:
        """`script` and `answerer` are for all runs that have no script of their own."""
        self.api_key = api_key
        self.models: dict[str, str | None] = dict.fromkeys(models)  #: with the date of its end
        self.requests: list[Recorded] = []
        self.missing_status = 404  #: of replies about what is not there; some servers say 400
        self.indexing = Indexing()
        self.files = Files()
        self.conversations = Conversations()
        self.vector_stores = VectorStores(self.files, self.indexing)
        self.responses = Responses(self.models, self.conversations, self.files, self.vector_stores)
        self.responses.script = script or Script()
        self.responses.answerer = answerer
        self._faults: list[tuple[str, str, Fault]] = []
        self._outages: list[tuple[str, str, Fault]] = []
        self._holds: list[Hold] = []
        self._stopping = self.responses.stopping
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._address = ""

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL has to be."""
        return f"{self._address}{PREFIX}"

    async def __aenter__(self) -> Self:
        api = web.Application(
            middlewares=[self._record, self._with_faults, self._refuse, self._authorise],
            client_max_size=LARGEST_UPLOAD,
        )
        api.add_routes(
            _under_prefix(
                [
                    *self.conversations.routes(),
                    *self.responses.routes(),
                    *self.files.routes(),
                    *self.vector_stores.routes(),
                    web.get("/models", self._list_models),
                    web.get("/models/{model}", self._retrieve_model),
                ]
            )
        )
        self._runner = web.AppRunner(api, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._address = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        for hold in self._holds:
            hold.release()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- what a test orders --------------------------------------------------------------------

    def script(self, *scripts: Script) -> None:
        """The next runs go like this, one after the other."""
        self.responses.scripts.extend(scripts)

    def fault(self, method: str, path: str, *faults: Fault) -> None:
        """The next requests to `path` go wrong like this, one after the other.

        `path` is without /v1 and may have `*` in it, which stands for anything. Several orders that
        fit a request are used up in the order in which they were given.
        """
        self._faults += [(method, path, fault) for fault in faults]

    def clear_faults(self) -> None:
        self._faults.clear()

    def break_down(self, fault: Fault, method: str = "*", path: str = "*") -> None:
        """From now on all requests to `path` go wrong like this, until `mend`."""
        self._outages.append((method, path, fault))

    def mend(self) -> None:
        self._outages.clear()

    def hold(self, method: str, path: str, *, effect: bool = True) -> Hold:
        """Hold the next request to `path`: after its effect, before the reply; or before both.

        `reached` is set when it is held; `release` lets it go on.
        """
        self._holds.append(hold := Hold(effect=effect))
        self.fault(method, path, hold)
        return hold

    def spoil(self, conversation: str, how: Literal["gone", "too_long", "open_call"]) -> None:
        """Make a conversation one that takes no more questions."""
        kept = self.conversations.get(conversation)
        match how:
            case "gone":
                del self.conversations.all[conversation]
            case "too_long":
                kept.too_long = True
            case "open_call":
                kept.items.append(call_item())

    # --- what a test looks at ------------------------------------------------------------------

    def sent(self, method: str, path: str) -> list[Recorded]:
        """The requests to `path` so far; `*` stands for anything."""
        return [
            request
            for request in self.requests
            if request.method == method and fnmatchcase(request.path, path)
        ]

    def runs(self) -> list[RunSeen]:
        """All runs so far, in the order of their creation: whose they are and how they ended."""
        return self.responses.seen()

    def orphans(self) -> list[RunSeen]:
        """The runs that are still at work."""
        return [run for run in self.runs() if run.is_at_work]

    async def wait_for(self, method: str, path: str, count: int = 1, within: float = 60.0) -> None:
        """Wait until that many requests to `path` have come in; TimeoutError after `within` s."""
        async with asyncio.timeout(within), self._arrived:
            await self._arrived.wait_for(lambda: len(self.sent(method, path)) >= count)

    # --- on the way to the endpoints -----------------------------------------------------------

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        raw = await request.read() if request.content_type == "application/json" else b""
        recorded = Recorded(
            method=request.method,
            path=request.path.removeprefix(PREFIX),
            query=dict(request.query),
            headers=CIMultiDict(request.headers),
            json=_parsed(raw),
        )
        async with self._arrived:
            self.requests.append(recorded)
            self._arrived.notify_all()
        reply = await handler(request)
        reply.headers["x-request-id"] = new_id("req_")
        return reply

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        for number, (method, pattern, fault) in enumerate(self._faults):
            if method == request.method and fnmatchcase(path, pattern):
                del self._faults[number]
                return await fault.apply(request, handler, self._stopping)
        for method, pattern, fault in self._outages:
            if fnmatchcase(request.method, method) and fnmatchcase(path, pattern):
                return await fault.apply(request, handler, self._stopping)
        return await handler(request)

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            status = self.missing_status if error.status == 404 else error.status
            return web.json_response(error.body, status=status)
        except web.HTTPClientError as refusal:
            invalid = ApiError(refusal.status, f"Invalid URL ({request.method} {request.path})")
            return web.json_response(invalid.body, status=refusal.status)

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not given.startswith("Bearer "):
            raise ApiError(401, "Missing bearer or basic authentication in header")
        key = given.removeprefix("Bearer ")
        if key != self.api_key:
            raise ApiError(
                401,
                f"Incorrect API key provided: {key[:7]}***. You can find your API key at "
                "https://platform.openai.com/account/api-keys.",
                code="invalid_api_key",
            )
        return await handler(request)

    # --- models --------------------------------------------------------------------------------

    async def _list_models(self, request: web.Request) -> web.Response:
        listed = page_of([self._model(name) for name in self.models], request.query, most=1000)
        return web.json_response(listed)

    async def _retrieve_model(self, request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in self.models:
            message = f"The model '{name}' does not exist"
            raise ApiError(404, message, code="model_not_found", param="model")
        return web.json_response(self._model(name))

    def _model(self, name: str) -> Json:
        return {
            "id": name,
            "object": "model",
            "created": now(),
            "owned_by": "system",
            "shutdown_date": self.models[name],
        }


def _under_prefix(routes: Iterable[web.RouteDef]) -> list[web.RouteDef]:
    return [web.RouteDef(r.method, PREFIX + r.path, r.handler, r.kwargs) for r in routes]


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
