"""What the items of a conversation tell: which question they belong to, and how far that came.

Each question goes into a conversation behind a short message of ours that names its turn, the
marker. Only developers write messages in that role, so nobody in a chat can forge one.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal

from openai import AsyncOpenAI
from openai.types.conversations import Message
from openai.types.responses import (
    EasyInputMessageParam,
    ResponseFunctionToolCall,
    ResponseFunctionToolCallOutputItem,
    ResponseIncludable,
)
from openai.types.responses.response_input_item_param import FunctionCallOutput

from core.domain import ConversationId, Question
from core.openai_engine.client import POLL_TIMEOUT
from core.openai_engine.errors import entries_of, page_of

INCLUDE: list[ResponseIncludable] = ["file_search_call.results"]
PAGE = 50  # items that one request lists; those of a run are rarely more than ten
PAGES = 4  # that are read in search of a marker

_MARKER = re.compile(
    r"Question (?P<turn>\d{1,19})(, edit (?P<edit>\d{1,9}))?, asked on \d{4}-\d{2}-\d{2}\."
)


# --- what is written ------------------------------------------------------------------------------


def marker(question: Question) -> EasyInputMessageParam:
    """Name the turn for us, and the day for the model, which does not know it otherwise."""
    day = datetime.fromtimestamp(question.asked_at, UTC)
    edit = f", edit {question.revision}" if question.revision else ""
    text = f"Question {question.turn}{edit}, asked on {day:%Y-%m-%d}."
    return {"type": "message", "role": "developer", "content": text}


NO_OUTPUT = "Error: it is not known what came of this call. It may have taken effect."


def no_output(call: str) -> FunctionCallOutput:
    """Give a call that nobody will answer an output that says so."""
    return {"type": "function_call_output", "call_id": call, "output": NO_OUTPUT}


# --- what is read ---------------------------------------------------------------------------------


async def items_of_turn(
    client: AsyncOpenAI, conversation: ConversationId, question: Question
) -> Sequence[object] | None:
    """List what the newest run of a turn left behind its marker, oldest first; None: no marker.

    A run for the question as it read before an edit does not count. Turns of a thread run in the
    order of their numbers: what lies behind an earlier one is not looked at. Raises what the SDK
    raises, and EngineUnreachable.
    """
    asked = (int(question.turn), question.revision)
    later: list[object] = []
    async with aclosing(_newest(client, conversation)) as items:
        async for item in items:
            named = _asked_by(item)
            if named == asked:
                return later[::-1]
            if named is None:
                later.append(item)
            elif named < asked:
                return None
            else:
                later.clear()
    return None


async def open_calls(client: AsyncOpenAI, conversation: ConversationId) -> Sequence[str]:
    """List the calls among the newest items that have no output."""
    async with aclosing(_newest(client, conversation)) as items:
        return calls_without_output([item async for item in items])


def calls_without_output(items: Iterable[object]) -> Sequence[str]:
    """Name the calls of functions among items that have no output among them."""
    calls: list[str] = []
    answered: set[str] = set()
    for item in items:
        if isinstance(item, ResponseFunctionToolCall):
            call: object = item.call_id
            if isinstance(call, str):
                calls.append(call)
        elif isinstance(item, ResponseFunctionToolCallOutputItem):
            answered.add(str(item.call_id))
    return [call for call in calls if call not in answered]


def ending(items: Sequence[object]) -> Literal["completed", "incomplete"] | None:
    """Say how the last message of the model ended; None where there is none, or half of one."""
    for item in reversed(items):
        if isinstance(item, Message) and item.role == "assistant" and item.phase != "commentary":
            match item.status:
                case "in_progress":
                    return None
                case "incomplete":
                    return "incomplete"
                case _:  # some servers leave it out
                    return "completed"
    return None


async def _newest(
    client: AsyncOpenAI, conversation: ConversationId
) -> AsyncGenerator[object, None]:
    """Walk through the items, newest first, up to a bound."""
    page = await page_of(
        client.conversations.items.list(
            conversation, order="desc", limit=PAGE, include=INCLUDE, timeout=POLL_TIMEOUT
        )
    )
    for number in range(PAGES):
        for item in entries_of(page):
            yield item
        if number + 1 == PAGES or not page.has_next_page():
            return
        page = await page_of(page.get_next_page())


def _asked_by(item: object) -> tuple[int, int] | None:
    """Return the turn and the edit that a marker names; None for what is no marker."""
    if not isinstance(item, Message) or item.role != "developer":
        return None
    content: object = item.content
    if isinstance(content, list) and len(content) == 1:
        content = getattr(content[0], "text", None)  # some servers give the text itself
    match = _MARKER.fullmatch(content) if isinstance(content, str) else None
    return (int(match["turn"]), int(match["edit"] or 0)) if match else None
