"""The endpoints of the OpenAI server for responses: create, retrieve and cancel."""

import asyncio
import time
from collections import deque
from collections.abc import Collection

from aiohttp import web

from servers.openai_calls import (
    OUTPUTS,
    approved_items,
    call_item,
    check_calls,
    listed_items,
    remote_items,
    web_item,
)
from servers.openai_conversations import INCLUDABLE, Conversation, Conversations, items_of
from servers.openai_files import Files
from servers.openai_inputs import check_files
from servers.openai_response_requests import check_request, conversation_id, search_tool
from servers.openai_runs import (
    Answerer,
    Run,
    RunSeen,
    Said,
    Script,
    answer_from_documents,
    message_item,
    search_item,
)
from servers.openai_streams import seconds, stream
from servers.openai_vector_store_routes import VectorStores
from servers.openai_vector_stores import Hit
from servers.openai_wire import ApiError, Json, check_choice, check_fields, not_found, read_json

MOST_ITEMS = 1000  #: of one request; how many OpenAI takes is not known


class Responses:
    """All responses, and the endpoints for them."""

    def __init__(
        self,
        models: Collection[str],
        conversations: Conversations,
        files: Files,
        stores: VectorStores,
    ) -> None:
        self.all: dict[str, Run] = {}
        self.script = Script()  #: how a run goes for which none is scripted
        self.scripts: deque[Script] = deque()
        self.answerer: Answerer = answer_from_documents
        self._models = models
        self._conversations = conversations
        self._files = files
        self._stores = stores
        self.deleted: dict[str, Run] = {}
        self.streams = True  #: whether there are any; some servers have none in the background
        self.stopping = asyncio.Event()
        self._holders: dict[str, Run] = {}  #: the run at work on each conversation
        self._thens: dict[str, Script] = {}  #: of runs that bring outputs to a conversation
        conversations.settle = self._settle

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/responses", self._create),
            web.get("/responses/{response}", self._retrieve),
            web.delete("/responses/{response}", self._delete),
            web.post("/responses/{response}/cancel", self._cancel),
        ]

    def finish(self, response_id: str, status: str = "completed") -> None:
        """End a run now."""
        self._move(self.all[response_id], status)

    def seen(self) -> list[RunSeen]:
        """All runs that were ever created, as they are now, in that order."""
        runs = sorted([*self.all.values(), *self.deleted.values()], key=lambda run: run.started)
        for run in runs:
            self._move(run, run.due(looked=False))
        return [run.seen() for run in runs]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request)
        check_request(body, self._models)
        if body.get("stream") and not self.streams:
            raise ApiError(400, "Streams are not supported in background mode.", param="stream")
        conversation = self._conversation_of(body)
        given = body["input"]
        entered = items_of(
            [{"role": "user", "content": given}] if isinstance(given, str) else given,
            "input",
            MOST_ITEMS,
        )
        if conversation and conversation.too_long:
            raise ApiError(
                400,
                "Your input exceeds the context window of this model. Please adjust your input "
                "and try again.",
                code="context_length_exceeded",
                param="input",
            )
        before = conversation.items if conversation else []
        check_calls(before, entered)
        check_files(self._files, before, entered)
        tool = search_tool(body)
        for store in tool["vector_store_ids"] if tool else ():
            self._stores.usable(store)
        script = self._script_of(conversation, entered)
        run = Run(request=body, script=script, conversation=conversation, input=entered)
        self.all[run.id] = run
        if conversation:
            self._holders[conversation.id] = run
        if body.get("stream"):
            run.planned = self._output_of(run, script.statuses[-1])
            run.ends_at = run.started + (script.seconds or seconds(run))
            self._settle_run(run)
            include = body.get("include") or []
            return await stream(request, run, -1, include, self._settle_run, self.stopping)
        in_background = body.get("background")
        self._move(run, script.statuses[0] if in_background else script.statuses[-1])
        run.is_told = run.is_over
        return web.json_response(run.shape(body.get("include") or []))

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        check_fields(request.query, {"include[]", "stream", "starting_after"})
        include = request.query.getall("include[]", [])
        for value in include:
            check_choice(value, INCLUDABLE, "include")
        run = self._of(request)
        if request.query.get("stream") == "true":
            if run.planned is None:
                message = "This response cannot be streamed: it was not created with stream=true."
                raise ApiError(400, message, param="stream")
            after = int(request.query.get("starting_after", -1))
            return await stream(request, run, after, include, self._settle_run, self.stopping)
        self._move(run, run.due(looked=True))
        run.looks += 1
        run.is_told = run.is_told or run.is_over
        return web.json_response(run.shape(include))

    async def _delete(self, request: web.Request) -> web.Response:
        run = self._of(request)
        self._move(run, "cancelled")
        self.deleted[run.id] = self.all.pop(run.id)
        run.is_deleted = True
        return web.json_response({"id": run.id, "object": "response", "deleted": True})

    async def _cancel(self, request: web.Request) -> web.Response:
        run = self._of(request)
        if not run.request.get("background"):
            raise ApiError(400, "Cannot cancel a synchronous response.")
        self._move(run, run.due(looked=False))
        if run.is_over and run.status != "cancelled":
            raise ApiError(400, f"Cannot cancel a {run.status} response.")
        self._move(run, "cancelled")
        run.is_told = True
        return web.json_response(run.shape([]))

    def _of(self, request: web.Request) -> Run:
        response_id = request.match_info["response"]
        if response_id not in self.all:
            raise not_found(f"Response with id '{response_id}' not found.")
        return self.all[response_id]

    def _conversation_of(self, body: Json) -> Conversation | None:
        wanted = conversation_id(body)
        if wanted is None:
            return None
        conversation = self._conversations.get(wanted)
        self._settle(conversation)
        if wanted in self._holders:
            raise ApiError(
                400,
                "Another process is currently operating on this conversation. "
                "Please retry in a few seconds.",
                code="conversation_locked",
                param="conversation",
            )
        return conversation

    def _settle_run(self, run: Run) -> None:
        self._move(run, run.due(looked=False))

    def _settle(self, conversation: Conversation) -> None:
        if holder := self._holders.get(conversation.id):
            self._move(holder, holder.due(looked=False))

    def _script_of(self, conversation: Conversation | None, entered: list[Json]) -> Script:
        """How a new run goes. One that brings outputs goes as the calls' own script says."""
        then = self._thens.pop(conversation.id, None) if conversation else None
        goes_on = any(item["type"] in OUTPUTS for item in entered)
        script = then if then and goes_on else None
        if script is None:
            script = self.scripts.popleft() if self.scripts else self.script
        if conversation and script.then:
            self._thens[conversation.id] = script.then
        return script

    def _move(self, run: Run, status: str) -> None:
        """Bring a run to a status; one that is over stays as it is."""
        if run.is_over:
            return
        run.status = status
        if status in ("completed", "incomplete"):
            run.output = self._output_of(run, status) if run.planned is None else run.planned
        if status == "completed":
            run.completed_at = time.time()
        if run.is_over and run.conversation:
            run.conversation.items += _left_by(run)
            self._holders.pop(run.conversation.id, None)

    def _output_of(self, run: Run, status: str) -> list[Json]:
        script = run.script
        before = run.conversation.items if run.conversation else []
        hits = self._hits(run)
        items = [
            *listed_items(run.request, before),
            *approved_items(run.input, before, script.remote_output),
        ]
        if hits is not None:
            items.append(search_item([run.asked([]).question], hits))
        if script.output is not None:
            return [*items, *script.output]
        if script.calls:
            calls = [call_item(name, arguments) for name, arguments in script.calls]
            return [*items, *self._comment(script, status), *calls]
        items += remote_items(run.request, script.remote_calls, script.remote_output)
        if any(item["type"] == "mcp_approval_request" for item in items):
            return items
        if script.links is not None:
            items.append(web_item(run.asked([]).question))
        if script.text is not None:
            said = Said(text=script.text, cites=script.cites, links=script.links or ())
        else:
            said = self.answerer(run.asked(hits or []))
        return [*items, message_item(said, self._files, status)]

    def _comment(self, script: Script, status: str) -> list[Json]:
        if script.text is None:
            return []
        message = message_item(Said(text=script.text), self._files, status)
        return [message | {"phase": "commentary"}]

    def _hits(self, run: Run) -> list[Hit] | None:
        """What file_search finds; None where it was not offered."""
        tool = search_tool(run.request)
        if tool is None:
            return None
        question = run.asked([]).question
        stores = [self._stores.all.get(store) for store in tool["vector_store_ids"]]
        most = tool.get("max_num_results", 20)
        return [
            hit
            for store in stores
            if store
            for hit in store.search([question], most, self._files, tool.get("filters"))
        ]


def _left_by(run: Run) -> list[Json]:
    """The items that a run which is over adds to its conversation."""
    leaves = "output" if run.status == "completed" else run.script.leaves
    match leaves:
        case "nothing":
            return []
        case "input":
            return run.input
        case "call":
            return [*run.input, call_item()]
        case "output":
            return run.input + run.output
