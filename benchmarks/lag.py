"""How long after its run is done an answer is in the thread, and how many looks that takes.

Docent and a reference loop answer the same questions, from the same loopback servers in one run.
The reference polls every run each 500 ms and keeps its mapping in memory. Run lengths vary: a
length that is a multiple of the interval would hide the lag.

    make bench
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from openai import AsyncOpenAI
from slack_sdk.web.async_client import AsyncWebClient

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from servers.docent_rig import docent_running, write_docs
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_server import APP_TOKEN, BOT_TOKEN, SlackServer

CHANNEL = "C0GENERAL"
QUESTIONS = 16
SHORTEST, LONGEST = 1.5, 6.0  # seconds that a run takes
REFERENCE_INTERVAL = 0.5  # seconds


async def main() -> None:
    """Measure both, and print a table with their ratio."""
    dice = random.Random(7)  # the same lengths in every run
    lengths = [dice.uniform(SHORTEST, LONGEST) for _ in range(QUESTIONS)]
    rows = {}
    for name, measure in (("reference", reference), ("docent", docent)):
        async with SlackServer() as slack, OpenAIServer() as openai:
            openai.script(
                *(
                    Script(statuses=["in_progress", "completed"], seconds=seconds, text=f"a{n}")
                    for n, seconds in enumerate(lengths)
                )
            )
            rows[name] = await measure(slack, openai, lengths)
    print(f"{QUESTIONS} questions, runs of {SHORTEST}-{LONGEST} s, asked one after the other\n")
    print("             lag median    lag p99    looks per answer")
    for name, (lags, looks) in rows.items():
        worst = sorted(lags)[int(len(lags) * 0.99)]
        median = statistics.median(lags)
        print(f"{name:<10} {median * 1000:9.0f} ms {worst * 1000:7.0f} ms {looks:15.1f}")
    ratio = statistics.median(rows["docent"][0]) / statistics.median(rows["reference"][0])
    print(f"\nDocent's median lag is {ratio:.2f} of the reference's.")


async def docent(
    slack: SlackServer, openai: OpenAIServer, lengths: Sequence[float]
) -> tuple[list[float], float]:
    """Ask Docent in threads of their own; the lag of each answer and the looks per answer."""
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_API_URL": slack.api_url,
            "OPENAI_API_KEY": openai.api_key,
            "OPENAI_BASE_URL": openai.url,
            "DATABASE_URL": f"sqlite:///{folder}/docent.db",
            "DOCS_SOURCES": write_docs(Path(folder) / "docs"),
            "STREAMING": "false",  # with a stream there is no wait for the next look
        }
        async with docent_running(values):
            await slack.wait_for(lambda: slack.connections, 15)
            for number in range(len(lengths)):
                slack.mention(CHANNEL, "U0ALICE", f"question {number}")
                await slack.wait_for(
                    lambda n=number: len(slack.calls_of("chat.postMessage")) > n, 30
                )
    return _lags(slack, openai, lengths), _looks(openai)


async def reference(
    slack: SlackServer, openai: OpenAIServer, lengths: Sequence[float]
) -> tuple[list[float], float]:
    """Do the same with a loop of a few lines."""
    web = AsyncWebClient(token=BOT_TOKEN, base_url=f"{slack.api_url}/")
    async with AsyncOpenAI(api_key=openai.api_key, base_url=openai.url) as client:
        for number in range(len(lengths)):
            root = slack.mention(CHANNEL, "U0ALICE", f"question {number}")
            conversation = await client.conversations.create()
            response = await client.responses.create(
                model="gpt-6-luna",
                input=f"question {number}",
                conversation=conversation.id,
                background=True,
                store=True,
            )
            while response.status != "completed":
                await asyncio.sleep(REFERENCE_INTERVAL)
                response = await client.responses.retrieve(response.id)
            await web.chat_postMessage(channel=CHANNEL, thread_ts=root, text=response.output_text)
    return _lags(slack, openai, lengths), _looks(openai)


def _lags(slack: SlackServer, openai: OpenAIServer, lengths: Sequence[float]) -> list[float]:
    posts = [call.at for call in slack.calls if call.method == "chat.postMessage"]
    runs = list(openai.responses.all.values())
    return [
        at - (run.started + seconds) for at, run, seconds in zip(posts, runs, lengths, strict=True)
    ]


def _looks(openai: OpenAIServer) -> float:
    return len(openai.sent("GET", "/responses/*")) / QUESTIONS


if __name__ == "__main__":
    began = time.monotonic()
    asyncio.run(main())
    print(f"Measured in {time.monotonic() - began:.0f} s.")
