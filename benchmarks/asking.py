"""What benchmarks have done in the servers' process: ask, wait, and look at what became of it."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from benchmarks.host import Stage
from benchmarks.ledger import Question, Seen
from servers.slack_deliveries import Delivery


async def connected(stage: Stage, platforms: Sequence[str]) -> int:
    """How many connections bots have open to these platforms; Discord's count once ready."""
    count = 0
    if "slack" in platforms:
        count += stage.slack.connections
    if "discord" in platforms:
        count += len(stage.discord.calls("PUT", "/applications/{application}/commands"))
    return count


async def ask(stage: Stage, questions: Sequence[Question], every: float = 0.0) -> None:
    """Ask in Slack, all at once, or one each so many seconds; returns when all are asked."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for place, question in enumerate(questions):
        if every and (wait := began + place * every - loop.time()) > 0:
            await asyncio.sleep(wait)
        _ask(stage, question)


async def ask_in_discord(stage: Stage, question: Question) -> None:
    """Ask in Discord, in a thread of its own."""
    stage.ledger.ask(question, asyncio.get_running_loop().time())
    discord = stage.discord
    message = await discord.mention(discord.place, discord.asker, question.text)
    discord.roots[str(message["id"])] = question.number


async def answered(stage: Stage, numbers: Sequence[int], finished: bool = False) -> None:
    """Wait until all of each answer is to be seen; `finished`: with what stands below it."""
    await stage.ledger.wait_for_answers(numbers, finished=finished)


async def seen(stage: Stage) -> list[Seen]:
    """What became of all questions so far, in the order in which they were asked."""
    said = Counter[int]()
    for channel in stage.slack.workspace.channels.values():
        for message in channel.messages:
            root = str(message.get("thread_ts"))
            if "bot_id" in message and root in stage.slack.roots:
                for number in stage.slack.numbers_of(root):
                    shown = f"{message['text']} {message.get('blocks')}"
                    said[number] += stage.ledger.asked[number].end in shown
    for seen in stage.ledger.seen.values():
        seen.answers = said[seen.number]
    latencies: dict[int, list[float]] = {}
    for delivery in stage.slack.deliveries:
        asked = number_of(stage, delivery)
        if asked is not None and delivery.acked_at is not None:
            latencies.setdefault(asked, []).append(delivery.latency)
    for number, found in latencies.items():
        stage.ledger.seen[number].acknowledged = found
    return list(stage.ledger.seen.values())


async def redelivered(stage: Stage) -> int:
    """How many deliveries of Slack were repeated, because nobody had acknowledged them in time."""
    return sum(delivery.attempt > 0 for delivery in stage.slack.deliveries)


async def calls(stage: Stage) -> Counter[str]:
    """How often each method of Slack was called, and each kind of request came to the others."""
    counts = Counter(call.method for call in stage.slack.calls)
    for request in stage.openai.requests:
        place = request.path.strip("/").split("/")
        counts[f"OpenAI: {request.method} {place[0]}{'/…' * (len(place) - 1)}"] += 1
    for call in stage.discord.all_calls():
        counts[f"Discord: {call.method} {call.route}"] += 1
    return counts


def _ask(stage: Stage, question: Question) -> None:
    slack = stage.slack
    if question.channel not in slack.workspace.channels:
        slack.workspace.add_channel(question.channel)
    root = None
    if question.thread is not None:
        (root,) = [ts for ts, number in slack.roots.items() if number == question.thread]
    stage.ledger.ask(question, asyncio.get_running_loop().time())
    ts = slack.mention(question.channel, question.author, question.text, thread_ts=root)
    if root is None:
        slack.roots[ts] = question.number


def number_of(stage: Stage, delivery: Delivery) -> int | None:
    """The number of the question that a delivery is about, if it is about one."""
    event = delivery.event
    if "bot_id" in event or event.get("subtype") or delivery.kind != "events_api":
        return None
    question = stage.ledger.question_in([str(event.get("text", ""))])
    return question.number if question else None
