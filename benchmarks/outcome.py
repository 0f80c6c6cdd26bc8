"""What benchmarks look at, or do, in the servers' process when something goes wrong on purpose."""

import asyncio
import math
import random
import re
import time
from collections import Counter, deque
from collections.abc import Mapping

from aiohttp import web

from benchmarks.asking import number_of
from benchmarks.fakes import _texts
from benchmarks.host import Stage

_NUMBER = re.compile(r"question (\d+)")
_END = re.compile(r"END(\d+)\.")
MINUTE = 60.0  # seconds
LOOK = 0.005  # seconds


async def streaming(stage: Stage) -> int:
    """How many messages are being streamed, as people see it."""
    slack = stage.slack
    return sum(
        slack.streams.is_open(message["ts"])
        for channel in slack.workspace.channels.values()
        for message in channel.messages
    )


async def working(stage: Stage) -> int:
    """How many threads show that somebody is at work."""
    return len(stage.slack.hanging)


async def runs(stage: Stage) -> list[tuple[str, list[int]]]:
    """Of each run in order its conversation, and which questions it was to answer."""
    found = []
    for run in stage.openai.responses.all.values():
        numbers = [int(number) for text in _texts(run.input) for number in _NUMBER.findall(text)]
        found.append((str(run.conversation and run.conversation.id), numbers))
    return found


async def order_of_answers(stage: Stage) -> list[int]:
    """Which question each answer in the threads of Slack is for, from top to bottom."""
    found = []
    for channel in stage.slack.workspace.channels.values():
        for message in sorted(channel.messages, key=lambda message: float(message["ts"])):
            if "bot_id" in message and "thread_ts" in message:
                said = f"{message['text']} {message.get('blocks')}"
                found += sorted({int(number) for number in _END.findall(said)})
    return found


async def heard(stage: Stage) -> dict[int, int]:
    """To how many connections the events of each question were delivered."""
    sockets: dict[int, set[int]] = {}
    for delivery in stage.slack.deliveries:
        number = number_of(stage, delivery)
        if number is not None and delivery.socket is not None:
            sockets.setdefault(number, set()).add(id(delivery.socket))
    return {number: len(each) for number, each in sockets.items()}


async def replies(stage: Stage) -> int:
    """How many messages of the bot there are in threads."""
    return sum(
        "bot_id" in message and "thread_ts" in message
        for channel in stage.slack.workspace.channels.values()
        for message in channel.messages
    )


async def requested(stage: Stage, count: int) -> None:
    """Wait until the runs of so many questions were asked for."""
    seen = stage.ledger.seen
    while sum(one.requested_at is not None for one in seen.values()) < count:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(LOOK)


async def whole(stage: Stage, count: int) -> None:
    """Wait until all of so many answers is to be seen."""
    seen = stage.ledger.seen
    while sum(one.seen_at is not None for one in seen.values()) < count:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(LOOK)


async def disconnected(stage: Stage) -> None:
    """Wait until no bot is connected to Slack."""
    await stage.slack.wait_for(lambda: not stage.slack.connections)


async def deliver_each(stage: Stage, times: int) -> None:
    """Deliver each event of Slack so often from now on."""
    stage.slack.deliver_each(times)


async def deliver_again(stage: Stage) -> int:
    """Deliver once more all that people said in Slack, and wait until it is acknowledged."""
    deliveries = stage.slack._deliveries
    said = {
        one.payload["event_id"]: one
        for one in list(deliveries.all)
        if one.kind == "events_api" and "bot_id" not in one.event
    }
    again = [
        deliveries.send("events_api", one.payload, attempt=1, repeated=True)
        for one in said.values()
    ]
    for one in again:
        await one.done.wait()
    return len(again)


async def acknowledged(stage: Stage) -> None:
    """Wait until everything that was delivered is acknowledged."""
    for one in stage.slack.deliveries:
        await one.done.wait()


async def deal_at_random(stage: Stage) -> None:
    """Give each event of Slack to any connection, as Slack does, and not to each in turn.

    The two events of a mention would else go to the same two processes, again and again.
    """
    dice = random.Random(5)
    stage.slack._deliveries._turn = iter(lambda: dice.randrange(1_000), None)  # type: ignore[assignment]


async def limit(stage: Stage, per_minute: Mapping[str, int]) -> None:
    """Let Slack refuse, from now on, what is more than so many calls of a method in a minute."""
    slack = stage.slack
    taken: dict[str, deque[float]] = {method: deque() for method in per_minute}
    refused = Counter[str]()
    answer = slack._answer_method

    async def limited(request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if method in taken:
            window, now = taken[method], time.monotonic()
            while window and window[0] <= now - MINUTE:
                window.popleft()
            if len(window) >= per_minute[method]:
                refused[method] += 1
                wait = math.ceil(window[0] + MINUTE - now)
                return web.json_response(
                    {"ok": False, "error": "ratelimited"},
                    status=429,
                    headers={"Retry-After": str(wait)},
                )
            window.append(now)
        return await answer(request)

    slack._answer_method = limited  # type: ignore[method-assign]
    slack.refused = refused  # type: ignore[attr-defined]


async def refusals(stage: Stage) -> Counter[str]:
    """How often a call was refused because of `limit`, by method."""
    return stage.slack.refused  # type: ignore[attr-defined,no-any-return]
