"""How soon the first words of an answer are seen, and its end, while it is written word by word.

The model says a word each 50 ms. Measured at the loopback platforms: from the first word until
something of the answer can be seen, and from the last word until the reply is complete. The calls
of each answer are counted, because the platforms limit them.

    make bench
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from servers.discord_server import DiscordServer
from servers.docent_rig import docent_running, settings_for, write_docs
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_server import BOT_USER, SlackServer

CHANNEL = "C0GENERAL"
QUESTIONS = 10
WORD_SECONDS = 0.05
LENGTHS = (40, 60, 80, 120)  # words
END = "That is all."


@dataclass(frozen=True)
class Seen:
    """What one answer took, in seconds."""

    first: float
    last: float


async def main() -> None:
    """Measure each way in which answers are shown, and print a table."""
    print(f"{QUESTIONS} answers of {min(LENGTHS)}-{max(LENGTHS)} words, one word each 50 ms\n")
    print("                    first words   whole answer   calls per answer")
    for name, refusal in (("Slack, streamed", None), ("Slack, edited", "not_allowed")):
        async with SlackServer() as slack, OpenAIServer() as openai:
            slack.streams.refusal = refusal
            seen = await in_slack(slack, openai)
            calls = [call.method for call in slack.calls if call.method.startswith("chat.")]
            report(name, seen, Counter(calls))
    async with DiscordServer() as discord, OpenAIServer() as openai:
        seen = await in_discord(discord, openai)
        posts = len(discord.calls("POST", "/channels/{channel}/messages"))
        edits = len(discord.calls("PATCH", "/channels/{channel}/messages/{message}"))
        report("Discord", seen, Counter({"post": posts, "edit": edits}))


def report(name: str, seen: Sequence[Seen], calls: Counter[str]) -> None:
    """Print a row: medians, and the worst in brackets."""
    columns = []
    for values in ([one.first for one in seen], [one.last for one in seen]):
        columns.append(f"{statistics.median(values) * 1000:4.0f} ({max(values) * 1000:.0f}) ms")
    each = ", ".join(f"{count / len(seen):.1f} {what}" for what, count in sorted(calls.items()))
    print(f"{name:<18} {columns[0]:>13} {columns[1]:>14}   {each}")


async def in_slack(slack: SlackServer, openai: OpenAIServer) -> list[Seen]:
    """Ask in threads of their own, one after the other."""
    seen = []
    async with running(openai, settings_for(slack)):
        await slack.wait_for(lambda: slack.connections)
        for number in range(QUESTIONS):
            script(openai, number)
            root = slack.mention(CHANNEL, "U0ALICE", f"question {number}?")

            def texts(root: str = root) -> list[str]:
                return [m["text"] for m in slack.thread(CHANNEL, root)[1:] if m["user"] == BOT_USER]

            def done(root: str = root) -> bool:
                return "metadata" in slack.thread(CHANNEL, root)[-1] and END in texts(root)[-1]

            seen.append(await timed(openai, number, slack.wait_for, lambda t=texts: t(), done))
    return seen


async def in_discord(discord: DiscordServer, openai: OpenAIServer) -> list[Seen]:
    """Ask in threads of their own, one after the other."""
    seen = []
    channel, asker = discord.world.channel("help"), discord.world.user("alice")
    async with running(openai, settings_for(discord)):
        await discord.wait_for(lambda: discord.world.commands)
        for number in range(QUESTIONS):
            script(openai, number)
            question = await discord.mention(channel, asker, f"question {number}?")
            thread = await discord.wait_for(lambda q=question: discord.thread_under(q))

            def texts(thread=thread) -> list[str]:  # type: ignore[no-untyped-def]
                return [str(message["content"]) for message in discord.posted(thread)]

            def done(texts: Callable[[], list[str]] = texts) -> bool:
                return any(END in text for text in texts())

            seen.append(await timed(openai, number, discord.wait_for, texts, done))
    return seen


async def timed(openai, number, wait_for, begun, done) -> Seen:  # type: ignore[no-untyped-def]
    """Wait for the first words and for the end of an answer; how long each took."""
    await wait_for(begun)
    first = time.monotonic()
    await wait_for(done)
    last = time.monotonic()
    run = list(openai.responses.all.values())[number]
    return Seen(first=first - run.started, last=last - run.ends_at)


def script(openai: OpenAIServer, number: int) -> None:
    """Let the next run say so many words."""
    count = LENGTHS[number % len(LENGTHS)]
    text = "The answer: " + " ".join(f"word{n}" for n in range(count)) + f". {END}"
    openai.script(Script(statuses=["queued", "completed"], text=text, word_seconds=WORD_SECONDS))


@asynccontextmanager
async def running(openai: OpenAIServer, platform: dict[str, str]) -> AsyncIterator[None]:
    """Serve a small documentation while the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        values = {
            **settings_for(openai),
            **platform,
            "DATABASE_URL": f"sqlite:///{folder}/docent.db",
            "DOCS_SOURCES": write_docs(Path(folder) / "docs"),
            "USER_LIMIT": "off",
        }
        async with docent_running(values):
            yield


if __name__ == "__main__":
    asyncio.run(main())
