"""The reference: a bot as the original write-ups describe it, for Slack.

Its mapping of threads to conversations is in memory, and it polls each run every 500 ms.
"""

import asyncio
import os

from openai import AsyncOpenAI
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

INTERVAL = 0.5  # seconds
SORRY = "I cannot reply at this time. Reach out to the team on Discord"


async def main() -> None:
    """Serve until the process is ended."""
    values = os.environ  # noqa: TID251
    web = AsyncWebClient(token=values["SLACK_BOT_TOKEN"], base_url=values["SLACK_API_URL"] + "/")
    app = AsyncApp(client=web)
    openai = AsyncOpenAI(api_key=values["OPENAI_API_KEY"], base_url=values["OPENAI_BASE_URL"])
    conversations: dict[str, str] = {}

    @app.event("app_mention")
    async def answer(event, say) -> None:  # type: ignore[no-untyped-def]
        thread = event.get("thread_ts") or event["ts"]
        if thread not in conversations:
            conversations[thread] = (await openai.conversations.create()).id
        response = await openai.responses.create(
            model="gpt-6-luna",
            conversation=conversations[thread],
            input=event["text"],
            background=True,
            store=True,
        )
        while response.status in ("queued", "in_progress"):
            await asyncio.sleep(INTERVAL)
            response = await openai.responses.retrieve(response.id)
        text = response.output_text if response.status == "completed" else SORRY
        await say(text=text, thread_ts=thread)

    @app.event("message")
    async def ignore() -> None:
        pass

    await AsyncSocketModeHandler(app, values["SLACK_APP_TOKEN"]).start_async()


if __name__ == "__main__":
    asyncio.run(main())
