"""The floor: a bot that makes the SDK calls which an answer needs, and does nothing else.

It has no database, renders nothing, and forgets everything with its process. `STREAMING=true`: it
reads each answer as a stream of the SDK's events, else it looks at runs as often as Docent does.
"""

import asyncio
import os
import time

import aiohttp
from openai import AsyncOpenAI
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from benchmarks.processes import PAGES
from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS
from core.pacing import Pace, RequestBudget

MODEL = "gpt-6-luna"


class FloorBot:
    """Answers mentions."""

    def __init__(self, web: AsyncWebClient, openai: AsyncOpenAI, *, streamed: bool) -> None:
        self._web = web
        self._openai = openai
        self._streamed = streamed
        self._budget = RequestBudget()
        self._pace = Pace()
        self._store = ""

    async def prepare(self) -> None:
        """Put the same documentation into a vector store that Docent answers from."""
        store = await self._openai.vector_stores.create(name="floor")
        for name, text in PAGES.items():
            file = await self._openai.files.create(file=(name, text.encode()), purpose="assistants")
            await self._openai.vector_stores.files.create(store.id, file_id=file.id)
        self._store = store.id

    async def serve(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """Acknowledge, and answer if it is a mention."""
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
        event = request.payload.get("event", {})
        if event.get("type") == "app_mention":
            await self._answer(
                event["channel"], event.get("thread_ts") or event["ts"], event["text"]
            )

    async def _answer(self, channel: str, thread: str, question: str) -> None:
        await self._web.assistant_threads_setStatus(
            channel_id=channel, thread_ts=thread, status="is working on it"
        )
        conversation = await self._openai.conversations.create()
        asked = {
            "model": MODEL,
            "conversation": conversation.id,
            "input": question,
            "instructions": DEFAULT_INSTRUCTIONS,
            "tools": [
                {"type": "file_search", "vector_store_ids": [self._store], "max_num_results": 8}
            ],
            "include": ["file_search_call.results"],
            "background": True,
            "store": True,
        }
        text = await (self._heard(asked) if self._streamed else self._polled(asked))
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}]
        await self._web.chat_postMessage(
            channel=channel,
            thread_ts=thread,
            text=text,
            blocks=blocks,
            metadata={"event_type": "reply", "event_payload": {"marker": thread}},
        )

    async def _heard(self, asked: dict[str, object]) -> str:
        text = ""
        async for event in await self._openai.responses.create(stream=True, **asked):  # type: ignore[call-overload]
            if event.type == "response.output_text.delta":
                text += event.delta
        return text

    async def _polled(self, asked: dict[str, object]) -> str:
        response = await self._openai.responses.create(**asked)  # type: ignore[call-overload]
        began, age, at_work = time.monotonic(), 0.0, 0.0
        while response.status in ("queued", "in_progress"):
            at_work = age
            await asyncio.sleep(self._pace.wait(age))
            while not self._budget.take(time.monotonic()):  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(self._budget.wait)
            response = await self._openai.responses.retrieve(response.id)
            age = time.monotonic() - began
        self._pace.ended(age, at_work)
        return str(response.output_text)


async def main() -> None:
    """Serve until the process is ended."""
    values = os.environ  # noqa: TID251
    openai = AsyncOpenAI(
        api_key=values["OPENAI_API_KEY"], base_url=values["OPENAI_BASE_URL"], max_retries=0
    )
    async with aiohttp.ClientSession() as session:
        web = AsyncWebClient(
            token=values["SLACK_BOT_TOKEN"],
            base_url=values["SLACK_API_URL"] + "/",
            session=session,
        )
        bot = FloorBot(web, openai, streamed=values["STREAMING"] == "true")
        await bot.prepare()
        client = SocketModeClient(app_token=values["SLACK_APP_TOKEN"], web_client=web)
        client.socket_mode_request_listeners.append(bot.serve)
        await client.connect()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
