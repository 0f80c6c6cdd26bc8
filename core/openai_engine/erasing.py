"""Deleting what OpenAI keeps of a thread.

Deleting a conversation does not delete its items, and neither deletes the responses.
"""

from collections.abc import Awaitable, Sequence

import openai
from openai import AsyncOpenAI
from openai.types.conversations import Conversation, ConversationDeletedResource

from core.domain import ConversationId, RunId
from core.errors import EngineUnreachable
from core.openai_engine.client import POLL_TIMEOUT
from core.openai_engine.errors import entries_of, is_missing, page_of, translate_errors, usable
from core.openai_engine.outage import NOT_USABLE
from core.openai_engine.replies import json_in
from core.parallel import each

ITEMS_LISTED = 100  # at once; the most that there are to have


class Eraser:
    """Deletes responses, and conversations with all that is in them. What is gone is no error."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def erase_runs(self, runs: Sequence[RunId]) -> None:
        """Delete responses, some at once. Raises EngineError for the first that stays."""
        await each(runs, self._erase_run)

    async def erase_conversation(self, conversation: ConversationId) -> None:
        """Delete every item, then the conversation. Raises EngineError where something stays."""

        async def erase_item(item: str) -> None:
            await self._deleted(
                Conversation,
                self._client.conversations.items.delete(
                    item, conversation_id=conversation, timeout=POLL_TIMEOUT
                ),
            )

        await each(await self._items(conversation), erase_item)
        await self._deleted(
            ConversationDeletedResource,
            self._client.conversations.delete(conversation, timeout=POLL_TIMEOUT),
        )

    async def _items(self, conversation: ConversationId) -> Sequence[str]:
        """List the ids of all items; none where the conversation is gone."""
        found: dict[str, None] = {}
        with translate_errors():
            try:
                page = await page_of(
                    self._client.conversations.items.list(
                        conversation, limit=ITEMS_LISTED, timeout=POLL_TIMEOUT
                    )
                )
                while True:
                    ids = [ref for item in entries_of(page) if (ref := _id(item))]
                    is_new = any(one not in found for one in ids)
                    found |= dict.fromkeys(ids)
                    if not is_new or not page.has_next_page():  # see `Attachment._states`
                        return list(found)
                    page = await page_of(page.get_next_page())
            except openai.APIStatusError as error:
                if is_missing(error):
                    return []
                raise

    async def _erase_run(self, run: RunId) -> None:
        with translate_errors():
            try:
                # The SDK would take any reply with status 200 for a success.
                raw = await self._client.responses.with_raw_response.delete(
                    run, timeout=POLL_TIMEOUT
                )
                if not isinstance(json_in(raw.text or "{}"), dict):
                    raise EngineUnreachable(NOT_USABLE)
            except openai.APIStatusError as error:
                if not is_missing(error):
                    raise

    async def _deleted(self, expected: type[object], request: Awaitable[object]) -> None:
        with translate_errors():
            try:
                usable(expected, await request)
            except openai.APIStatusError as error:
                if not is_missing(error):
                    raise


def _id(item: object) -> str | None:
    ref = getattr(item, "id", None)
    return ref if isinstance(ref, str) else None
