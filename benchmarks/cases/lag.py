"""Lag, one question at a time: how soon after the model an answer is to be seen.

Run lengths vary: one that is a multiple of the reference's interval would hide its lag. Polling
and the reference are measured side by side, with servers of their own; streaming by itself, beside
the time of the second word, before which nothing is shown.
"""

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.asking import answered, ask, ask_in_discord, calls, seen
from benchmarks.frame import Options, Result, percentile, yardstick
from benchmarks.ledger import Question, Seen
from benchmarks.processes import bot, docent
from benchmarks.servers import Servers

SHORTEST, LONGEST = 4.0, 8.0  # seconds that a polled run takes
WORD_SECONDS = 0.05
WORDS = (40, 60, 80, 110)  # of a streamed answer
SLOW_WORD_SECONDS = 0.2  # of a model that takes its time
SLOW_WORDS = (14, 17)
PAUSE = 0.2  # seconds between an answer and the next question
PATIENCE = 60.0  # seconds, for one answer
SLOW, WARM_UP = 500, 1_000  # the first number of what is asked beside the others

Asking = Callable[[Servers, Sequence[Question]], Awaitable[None]]


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


@dataclass(frozen=True, kw_only=True)
class Polled:
    """What one bot took: the first questions, asked at once while it knows nothing, and then."""

    cold: Lags
    warm: Lags


async def measure(options: Options) -> list[Result]:
    """Polling beside the reference, then streaming in both platforms."""
    count = 3 if options.quick else 36
    async with asyncio.TaskGroup() as tasks:
        polled = tasks.create_task(_polled(count))
        reference = tasks.create_task(_reference(count))
    results = _polled_results(polled.result(), reference.result())
    for name in ("Slack", "Discord"):
        fast, slow = await _streamed(name, 2 if options.quick else 12, 2 if options.quick else 6)
        results += _streamed_results(name, fast, slow, yardstick() * 1000)
    return results


def _polled_results(ours: Polled, theirs: Polled) -> list[Result]:
    polling, naive = ours.warm, theirs.warm
    cold, naive_cold = ours.cold.whole, theirs.cold.whole
    return [
        _of("polling: run done to whole text, median", polling.whole, naive.whole, goal=130.0),
        _of("polling: run done to whole text, p99", polling.whole, naive.whole, 0.99),
        _of("polling: cold, run done to whole text, median", cold, naive_cold),
        _of("polling: cold, run done to whole text, at most", cold, naive_cold, 1.0),
        _of("polling: mention to model request, median", polling.requested, naive.requested),
        _of("polling: mention to model request, p99", polling.requested, naive.requested, 0.99),
        _count("polling: looks per answer", polling.looks, naive.looks, naive.looks),
        _count(
            "polling: requests to OpenAI per answer", polling.openai, naive.openai, naive.openai
        ),
        _count("polling: calls to Slack per answer", polling.platform, naive.platform),
    ]


def _streamed_results(platform: str, fast: Lags, slow: Lags, yard: float) -> list[Result]:
    """The figures; nothing can be shown before the second word, which is the first's reference."""
    name, rate = f"streaming, {platform}", f"{1 / SLOW_WORD_SECONDS:.0f} words a second"
    second, slow_second = [WORD_SECONDS * 1000], [SLOW_WORD_SECONDS * 1000]
    return [
        _of(f"{name}: run done to whole text, median", fast.whole, [yard], goal=10.0),
        _of(f"{name}: run done to whole text, p99", fast.whole, [yard], 0.99),
        _of(f"{name}: run done to buttons below it, median", fast.finished, [yard]),
        _of(f"{name}: first token to first words, median", fast.first, second, goal=100.0),
        _of(f"{name}: first token to first words, p99", fast.first, second, 0.99),
        _of(f"{name}, {rate}: run done to whole text, median", slow.whole, [yard]),
        _of(f"{name}, {rate}: first token to first words, median", slow.first, slow_second),
        _of(f"{name}: mention to model request, median", fast.requested, [yard]),
        _count(f"{name}: requests to OpenAI per answer", fast.openai),
        _count(f"{name}: calls to {platform} per answer", fast.platform),
    ]


def polled_questions(count: int) -> list[Question]:
    """Questions whose runs take different times, the same in each run of the benchmark."""
    dice = random.Random(7)
    return [Question(number=n, seconds=dice.uniform(SHORTEST, LONGEST)) for n in range(count)]


async def _polled(count: int) -> Polled:
    async with Servers.start() as servers, docent(servers, STREAMING="false"):
        return await _cold_and_warm(servers, count)


async def _reference(count: int) -> Polled:
    async with Servers.start() as servers, bot(servers, "reference_bot"):
        return await _cold_and_warm(servers, count)


async def _cold_and_warm(servers: Servers, count: int) -> Polled:
    """Ask some questions at once, from which Docent learns how long runs take, and then the rest.

    Those take as long as the others, within the same bounds: what is learned of them holds.
    """
    some = [replace(one, number=WARM_UP + one.number) for one in polled_questions(10)]
    cold = await _measured(servers, some, _at_once)
    return Polled(cold=cold, warm=await _measured(servers, polled_questions(count), _one_by_one))


async def _streamed(platform: str, count: int, slow_count: int) -> tuple[Lags, Lags]:
    """Words as they come from a quick model, and from a slow one."""
    async with Servers.start() as servers, docent(servers, "run", platform.lower()):
        fast = streamed_questions(0, count, WORDS, WORD_SECONDS)
        slow = streamed_questions(SLOW, slow_count, SLOW_WORDS, SLOW_WORD_SECONDS)
        asking = _one_by_one if platform == "Slack" else _one_by_one_in_discord
        return await _measured(servers, fast, asking), await _measured(servers, slow, asking)


def streamed_questions(
    first: int, count: int, words: Sequence[int], word_seconds: float
) -> list[Question]:
    """Questions whose answers come word by word; `first` is the number of the first."""
    return [
        Question(number=first + n, words=words[n % len(words)], word_seconds=word_seconds)
        for n in range(count)
    ]


async def _measured(servers: Servers, questions: Sequence[Question], asking: Asking) -> Lags:
    before = await servers.run(calls)
    await asking(servers, questions)
    made = await servers.run(calls)
    made.subtract(before)
    numbers = {question.number for question in questions}
    return _lags([row for row in await servers.run(seen) if row.number in numbers], made)


async def _at_once(servers: Servers, questions: Sequence[Question]) -> None:
    async with asyncio.timeout(PATIENCE):
        await servers.run(ask, questions)
        await servers.run(answered, [question.number for question in questions])


async def _one_by_one(servers: Servers, questions: Sequence[Question]) -> None:
    for question in questions:
        await _at_once(servers, [question])
        await asyncio.sleep(PAUSE)


async def _one_by_one_in_discord(servers: Servers, questions: Sequence[Question]) -> None:
    for question in questions:
        async with asyncio.timeout(PATIENCE):
            await servers.run(ask_in_discord, question)
            await servers.run(answered, [question.number])
        await asyncio.sleep(PAUSE)


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
    reference: list[float],
    part: float | None = None,
    goal: float | None = None,
) -> Result:
    def shown(some: list[float]) -> float:
        return statistics.median(some) if part is None else percentile(some, part)

    return Result(name=name, value=shown(values), unit="ms", reference=shown(reference), goal=goal)


def _count(
    name: str, value: float, reference: float | None = None, goal: float | None = None
) -> Result:
    return Result(name=name, value=value, unit="", reference=reference, goal=goal)
