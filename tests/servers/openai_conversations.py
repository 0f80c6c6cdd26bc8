"""Conversations of the OpenAI server: items in the order in which they were said."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from servers.openai_calls import APPROVAL, FUNCTION_OUTPUT, open_calls
from servers.openai_inputs import check_parts
from servers.openai_wire import (
    ApiError,
    Json,
    check_choice,
    check_fields,
    check_metadata,
    check_type,
    new_id,
    not_found,
    now,
    page_of,
    read_json,
)

ITEMS_AT_ONCE = 20
ROLES = ("user", "assistant", "system", "developer")
INCLUDABLE = (
    "file_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
)


@dataclass
class Conversation:
    metadata: Json
    items: list[Json] = field(default_factory=list)
    id: str = field(default_factory=lambda: new_id("conv_"))
    created_at: int = field(default_factory=now)
    too_long: bool = False  #: it takes no more questions, because it does not fit the model
    listed: set[str] = field(default_factory=set)  #: ids of the items that somebody has listed

    def shape(self) -> Json:
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": self.created_at,
            "metadata": self.metadata,
        }

    def open_calls(self) -> list[str]:
        """Ids of function calls that have no output: with one of them, no response is made."""
        return open_calls(self.items)


class Conversations:
    """All conversations, and the endpoints for them."""

    def __init__(self) -> None:
        self.all: dict[str, Conversation] = {}
        self.deleted: dict[str, Conversation] = {}  #: with the items that were left in them
        self.settle: Callable[[Conversation], None] = lambda _: None
        """Brings a conversation up to date with the run at work on it."""

    def routes(self) -> list[web.RouteDef]:
        one, items = "/conversations/{conversation}", "/conversations/{conversation}/items"
        return [
            web.post("/conversations", self._create),
            web.get(one, self._retrieve),
            web.delete(one, self._delete),
            web.post(items, self._add_items),
            web.get(items, self._list_items),
            web.get(f"{items}/{{item}}", self._retrieve_item),
            web.delete(f"{items}/{{item}}", self._delete_item),
        ]

    def get(self, conversation_id: str) -> Conversation:
        if conversation_id not in self.all:
            raise not_found(f"Conversation with id '{conversation_id}' not found.")
        return self.all[conversation_id]

    def _of(self, request: web.Request) -> Conversation:
        conversation = self.get(request.match_info["conversation"])
        self.settle(conversation)
        return conversation

    async def _create(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        check_fields(body, {"items", "metadata"})
        check_metadata(body.get("metadata"))
        conversation = Conversation(
            metadata=body.get("metadata") or {}, items=items_of(body.get("items") or [], "items")
        )
        self.all[conversation.id] = conversation
        return web.json_response(conversation.shape())

    async def _retrieve(self, request: web.Request) -> web.Response:
        return web.json_response(self._of(request).shape())

    async def _delete(self, request: web.Request) -> web.Response:
        conversation = self._of(request)
        self.deleted[conversation.id] = self.all.pop(conversation.id)
        return web.json_response(
            {"id": conversation.id, "object": "conversation.deleted", "deleted": True}
        )

    async def _add_items(self, request: web.Request) -> web.Response:
        conversation = self._of(request)
        body = await read_json(request)
        check_fields(body, {"items"}, required={"items"})
        added = items_of(body["items"], "items")
        conversation.items += added
        return web.json_response(page_of(added, {"order": "asc"}))

    async def _list_items(self, request: web.Request) -> web.Response:
        include = request.query.getall("include[]", [])
        for value in include:
            check_choice(value, INCLUDABLE, "include")
        conversation = self._of(request)
        shown = [with_results(item, include) for item in conversation.items]
        page = page_of(shown, request.query, also={"include[]"})
        conversation.listed |= {item["id"] for item in page["data"]}
        return web.json_response(page)

    async def _retrieve_item(self, request: web.Request) -> web.Response:
        return web.json_response(self._item(request))

    async def _delete_item(self, request: web.Request) -> web.Response:
        conversation = self._of(request)
        conversation.items.remove(self._item(request))
        return web.json_response(conversation.shape())

    def _item(self, request: web.Request) -> Json:
        conversation, item_id = self._of(request), request.match_info["item"]
        for item in conversation.items:
            if item["id"] == item_id:
                return item
        raise not_found(f"Item with id '{item_id}' not found in conversation '{conversation.id}'.")


def with_results(item: Json, include: list[str]) -> Json:
    """An item as it is shown: search results only to those who ask for them."""
    if item["type"] == "file_search_call" and "file_search_call.results" not in include:
        return {**item, "results": None}
    return item


def items_of(given: Any, param: str, most: int = ITEMS_AT_ONCE) -> list[Json]:
    """Items as they are kept, from items as they are sent."""
    check_type(given, list, param)
    if len(given) > most:
        raise ApiError(
            400,
            f"Invalid '{param}': array too long. Expected an array with maximum length "
            f"{most}, but got an array with length {len(given)} instead.",
            code="array_above_max_length",
            param=param,
        )
    return [_item_of(item, f"{param}[{number}]") for number, item in enumerate(given)]


def _item_of(given: Any, param: str) -> Json:
    check_type(given, dict, param)
    kind = given.get("type", "message")
    check_choice(kind, ("message", "function_call", FUNCTION_OUTPUT, APPROVAL), f"{param}.type")
    if kind == "message":
        return _message_of(given, param)
    if kind == APPROVAL:
        known = {"type", "approval_request_id", "approve", "id", "reason"}
        check_fields(given, known, required={"approval_request_id"}, at=f"{param}.")
        check_type(given.get("approve"), bool, f"{param}.approve")
        return {"id": new_id("mcpa_"), **given}
    if kind == FUNCTION_OUTPUT:
        known = {"type", "call_id", "output", "id", "status"}
        check_fields(given, known, required={"call_id", "output"}, at=f"{param}.")
        return {"id": new_id("fco_"), "status": "completed", **given}
    known = {"type", "call_id", "name", "arguments", "id", "status"}
    check_fields(given, known, required={"call_id", "name", "arguments"}, at=f"{param}.")
    return {"id": new_id("fc_"), "status": "completed", **given}


def _message_of(given: Json, param: str) -> Json:
    known = {"type", "role", "content", "id", "status", "phase"}
    check_fields(given, known, required={"role", "content"}, at=f"{param}.")
    check_choice(given["role"], ROLES, f"{param}.role")
    content = given["content"]
    check_type(content, (str, list), f"{param}.content")
    if content in ("", []):
        raise ApiError(
            400,
            f"Invalid '{param}.content': must not be empty.",
            code="empty_string",
            param=f"{param}.content",
        )
    if isinstance(content, str):
        is_said = given["role"] == "assistant"
        part: Json = {"type": "output_text" if is_said else "input_text", "text": content}
        content = [part | ({"annotations": []} if is_said else {})]
    check_parts(content, given["role"], f"{param}.content")
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": given["role"],
        "status": "completed",
        "content": content,
    }
