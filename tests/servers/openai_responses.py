"""The endpoints of the OpenAI server for responses: create, retrieve and cancel.

There are no streams yet: `stream` is refused. A stream would send what `Run` passes through.
"""

import time
from collections import deque
from collections.abc import Collection

from aiohttp import web

from servers.openai_conversations import INCLUDABLE, Conversation, Conversations, items_of
from servers.openai_files import Files
from servers.openai_response_requests import check_request, conversation_id, search_tool
from servers.openai_runs import (
    Answerer,
    Run,
    Said,
    Script,
    answer_from_documents,
    message_item,
    search_item,
)
from servers.openai_vector_store_routes import VectorStores
from servers.openai_vector_stores import Hit
from servers.openai_wire import ApiError, Json, check_choice, check_fields, not_found, read_json


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
        self._holders: dict[str, Run] = {}  #: the run at work on each conversation

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/responses", self._create),
            web.get("/responses/{response}", self._retrieve),
            web.post("/responses/{response}/cancel", self._cancel),
        ]

    def finish(self, response_id: str, status: str = "completed") -> None:
        """End a run now."""
        self._move(self.all[response_id], status)

    async def _create(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        check_request(body, self._models)
        conversation = self._conversation_of(body)
        given = body["input"]
        entered = items_of(
            [{"role": "user", "content": given}] if isinstance(given, str) else given, "input"
        )
        self._check_calls(conversation, entered)
        tool = search_tool(body)
        for store in tool["vector_store_ids"] if tool else ():
            self._stores.usable(store)
        script = self.scripts.popleft() if self.scripts else self.script
        run = Run(request=body, script=script, conversation=conversation, input=entered)
        self.all[run.id] = run
        if conversation:
            self._holders[conversation.id] = run
        in_background = body.get("background")
        self._move(run, script.statuses[0] if in_background else script.statuses[-1])
        return web.json_response(run.shape(body.get("include") or []))

    async def _retrieve(self, request: web.Request) -> web.Response:
        check_fields(request.query, {"include[]"})
        include = request.query.getall("include[]", [])
        for value in include:
            check_choice(value, INCLUDABLE, "include")
        run = self._of(request)
        self._move(run, run.due(looked=True))
        return web.json_response(run.shape(include))

    async def _cancel(self, request: web.Request) -> web.Response:
        run = self._of(request)
        if not run.request.get("background"):
            raise ApiError(400, "Cannot cancel a synchronous response.")
        self._move(run, run.due(looked=False))
        if run.is_over and run.status != "cancelled":
            raise ApiError(400, f"Cannot cancel a {run.status} response.")
        self._move(run, "cancelled")
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
        holder = self._holders.get(wanted)
        if holder is not None:
            self._move(holder, holder.due(looked=False))
            if not holder.is_over:
                raise ApiError(
                    400,
                    "Another process is currently operating on this conversation. "
                    "Please retry in a few seconds.",
                    code="conversation_locked",
                    param="conversation",
                )
        return conversation

    def _check_calls(self, conversation: Conversation | None, entered: list[Json]) -> None:
        waiting = conversation.open_calls() if conversation else []
        outputs = [item["call_id"] for item in entered if item["type"] == "function_call_output"]
        for call in outputs:
            if call not in waiting:
                message = f"No tool call found for function call output with call_id {call}."
                raise ApiError(400, message, param="input")
        for call in waiting:
            if call not in outputs:
                message = f"No tool output found for function call {call}."
                raise ApiError(400, message, param="input")

    def _move(self, run: Run, status: str) -> None:
        """Bring a run to a status; one that is over stays as it is."""
        if run.is_over:
            return
        run.status = status
        if status in ("completed", "incomplete"):
            run.output = self._output_of(run)
        if status == "completed":
            run.completed_at = time.time()
            # Nothing is said about what a response leaves behind that ends in another way.
            if run.conversation:
                run.conversation.items += run.input + run.output
        if run.is_over and run.conversation:
            self._holders.pop(run.conversation.id, None)

    def _output_of(self, run: Run) -> list[Json]:
        script, searches = run.script, list[Json]()
        hits: list[Hit] = []
        tool = search_tool(run.request)
        if tool is not None:
            question = run.asked([]).question
            stores = [self._stores.all.get(store) for store in tool["vector_store_ids"]]
            most = tool.get("max_num_results", 20)
            hits = [
                hit
                for store in stores
                if store
                for hit in store.search([question], most, self._files)
            ]
            searches = [search_item([question], hits)]
        if script.output is not None:
            return searches + list(script.output)
        if script.text is not None:
            said = Said(text=script.text, cites=script.cites)
        else:
            said = self.answerer(run.asked(hits))
        return [*searches, message_item(said, self._files, run.status)]
