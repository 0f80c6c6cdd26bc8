"""Lag, one question at a time: how soon after the model an answer is to be seen.

Run lengths vary: one that is a multiple of the reference's interval would hide its lag. Polling
and the reference are measured side by side, with servers of their own; streaming by itself.
"""

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.asking import answered, ask, ask_in_discord, calls, seen
from benchmarks.frame import Options, Result, percentile
from benchmarks.ledger import Question, Seen
from benchmarks.processes import bot, docent
from benchmarks.servers import Servers

SHORTEST, LONGEST = 4.0, 8.0  # seconds that a polled run takes
WORD_SECONDS = 0.05
WORDS = (40, 60, 80, 110)  # of a streamed answer
PAUSE = 0.2  # seconds between an answer and the next question
PATIENCE = 60.0  # seconds, for one answer
WARM_UP = 1_000  # numbers from here on do not count

Ask = Callable[[Servers, Question], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Lags:
    """What one way of answering took: times in ms, requests per answer."""

    whole: list[float]
    first: list[float]
    finished: list[float]
    requested: list[float]
    looks: float
    openai: float
    platform: float


async def measure(options: Options) -> list[Result]:
    """Polling beside the reference, then streaming in both platforms."""
    count = 3 if options.quick else 36
    async with asyncio.TaskGroup() as tasks:
        polled = tasks.create_task(_polled(count))
        reference = tasks.create_task(_reference(count))
    polling, naive = polled.result(), reference.result()
    results = [
        _of("polling: run done to whole text, median", polling.whole, naive.whole, goal=130.0),
        _of("polling: run done to whole text, p99", polling.whole, naive.whole, 0.99),
        _of("polling: mention to model request, median", polling.requested, naive.requested),
        _of("polling: mention to model request, p99", polling.requested, naive.requested, 0.99),
        _count("polling: looks per answer", polling.looks, naive.looks, naive.looks),
        _count(
            "polling: requests to OpenAI per answer", polling.openai, naive.openai, naive.openai
        ),
        _count("polling: calls to Slack per answer", polling.platform, naive.platform),
    ]
    for name in ("Slack", "Discord"):
        streamed = await _streamed(name, 2 if options.quick else 12)
        results += [
            _of(f"streaming, {name}: run done to whole text, median", streamed.whole, goal=10.0),
            _of(f"streaming, {name}: run done to whole text, p99", streamed.whole, part=0.99),
            _of(f"streaming, {name}: run done to buttons below it, median", streamed.finished),
            _of(
                f"streaming, {name}: first token to first words, median", streamed.first, goal=100.0
            ),
            _of(f"streaming, {name}: first token to first words, p99", streamed.first, part=0.99),
            _of(f"streaming, {name}: mention to model request, median", streamed.requested),
            _count(f"streaming, {name}: requests to OpenAI per answer", streamed.openai),
            _count(f"streaming, {name}: calls to {name} per answer", streamed.platform),
        ]
    return results


def polled_questions(count: int) -> list[Question]:
    """Questions whose runs take different times, the same in each run of the benchmark."""
    dice = random.Random(7)
    return [Question(number=n, seconds=dice.uniform(SHORTEST, LONGEST)) for n in range(count)]


async def _polled(count: int) -> Lags:
    async with Servers.start() as servers, docent(servers, STREAMING="false"):
        await _warm_up(servers)
        return await _one_by_one(servers, polled_questions(count), _in_slack)


async def _reference(count: int) -> Lags:
    async with Servers.start() as servers, bot(servers, "reference_bot"):
        await _warm_up(servers)
        return await _one_by_one(servers, polled_questions(count), _in_slack)


async def _warm_up(servers: Servers) -> None:
    """Answer some questions that do not count: Docent learns how long runs take."""
    some = [replace(one, number=WARM_UP + one.number) for one in polled_questions(10)]
    async with asyncio.timeout(PATIENCE):
        await servers.run(ask, some)
        await servers.run(answered, [question.number for question in some])


async def _streamed(platform: str, count: int) -> Lags:
    questions = [
        Question(number=n, words=WORDS[n % len(WORDS)], word_seconds=WORD_SECONDS)
        for n in range(count)
    ]
    async with Servers.start() as servers, docent(servers, "run", platform.lower()):
        asking = _in_slack if platform == "Slack" else _in_discord
        return await _one_by_one(servers, questions, asking)


async def _in_slack(servers: Servers, question: Question) -> None:
    await servers.run(ask, [question])


async def _in_discord(servers: Servers, question: Question) -> None:
    await servers.run(ask_in_discord, question)


async def _one_by_one(servers: Servers, questions: Sequence[Question], asking: Ask) -> Lags:
    before = await servers.run(calls)
    for question in questions:
        async with asyncio.timeout(PATIENCE):
            await asking(servers, question)
            await servers.run(answered, [question.number])
        await asyncio.sleep(PAUSE)
    made = await servers.run(calls)
    made.subtract(before)
    return _lags([row for row in await servers.run(seen) if row.number < WARM_UP], made)


def _lags(rows: Sequence[Seen], made: Counter[str]) -> Lags:
    openai = sum(count for name, count in made.items() if name.startswith("OpenAI"))
    return Lags(
        whole=[_ms(row.done_at, row.seen_at) for row in rows],
        first=[_ms(row.first_token_at, row.first_seen_at) for row in rows],
        finished=[_ms(row.done_at, row.finished_at) for row in rows if row.finished_at],
        requested=[_ms(row.asked_at, row.requested_at) for row in rows],
        looks=sum(row.looks for row in rows) / len(rows),
        openai=openai / len(rows),
        platform=(made.total() - openai) / len(rows),
    )


def _ms(since: float | None, until: float | None) -> float:
    """Milliseconds between two moments; none where the second is the earlier one."""
    assert since is not None
    assert until is not None
    return max(0.0, until - since) * 1000


def _of(
    name: str,
    values: list[float],
    reference: list[float] | None = None,
    part: float | None = None,
    goal: float | None = None,
) -> Result:
    def shown(some: list[float]) -> float:
        return statistics.median(some) if part is None else percentile(some, part)

    beside = None if reference is None else shown(reference)
    return Result(name=name, value=shown(values), unit="ms", reference=beside, goal=goal)


def _count(
    name: str, value: float, reference: float | None = None, goal: float | None = None
) -> Result:
    return Result(name=name, value=value, unit="", reference=reference, goal=goal)
