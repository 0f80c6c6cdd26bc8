"""Local search: at 10,000 pages, on SQLite and on Postgres; and what building the index holds up.

A made-up documentation is put into the local index while another task takes mentions as they come
from a platform; then questions of several lengths are looked up.
"""

import asyncio
import itertools
import json
import random
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.frame import Options, Result, percentile, yardstick
from benchmarks.postgres import KINDS, Kind, fresh_database
from core.documents import Page
from core.domain import Mention, MessageId, ThreadRef
from core.local_engine import LocalIndex, PageFinder
from core.store import Store

PAGES: Final = 10_000
SECTIONS: Final = 8  # of a page
WORDS: Final = 30_000  # that the documentation knows
COMMON: Final = """
    how to set up the server connect a database with your account and change settings of the project
    user file page token error message list option value default example request
    """.split()  # noqa: SIM905
MENTIONS_EVERY: Final = 0.02  # seconds
QUESTIONS: Final = 60
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Took:
    """What it took on one kind of database; seconds, and MB."""

    built: float
    takings: list[float]
    held_up: float  #: the event loop, at most
    searches: list[float]
    memory: float
    yard: float


async def measure(options: Options) -> list[Result]:
    """Each kind of database, in a process of its own, whose memory is its own."""
    pages = 300 if options.quick else PAGES
    results = []
    for kind in KINDS:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.cases.local_search", kind, str(pages),
            stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        output, _ = await process.communicate()
        results += _results(f"{kind}, {pages:,} pages", Took(**json.loads(output)))
    return results


def _results(name: str, took: Took) -> list[Result]:
    yard = took.yard * 1000
    return [
        Result(name=f"{name}: search, median", value=statistics.median(took.searches) * 1000,
               unit="ms", reference=yard),
        Result(name=f"{name}: search, p95", value=percentile(took.searches, 0.95) * 1000,
               unit="ms", reference=yard, goal=250),
        Result(name=f"{name}: building", value=took.built, unit="s",
               reference=took.yard),
        Result(name=f"{name}: memory, at most", value=took.memory, unit="MB"),
        Result(name=f"{name}: a mention taken meanwhile, median",
               value=statistics.median(took.takings) * 1000, unit="ms", reference=yard),
        Result(name=f"{name}: a mention taken meanwhile, p99",
               value=percentile(took.takings, 0.99) * 1000, unit="ms",
               reference=yard, goal=300),
        Result(name=f"{name}: the loop held up meanwhile, at most", value=took.held_up * 1000,
               unit="ms", reference=yard),
    ]  # fmt: skip


async def _measure(kind: Kind, pages: int) -> Took:
    """Build the index, take mentions meanwhile, and ask."""
    async with fresh_database(kind) as url, await Store.open(url) as store:
        takings: list[float] = []
        lags = [0.0]
        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_take_mentions(store, done, takings))
            tasks.create_task(_watch_loop(done, lags))
            began = time.perf_counter()
            await _build(store, pages)
            built = time.perf_counter() - began
            done.set()
        return Took(
            built=built,
            takings=takings,
            held_up=max(lags),
            searches=await _ask(store),
            memory=_peak_memory(),
            yard=yardstick(),
        )


def _peak_memory() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


async def _build(store: Store, pages: int) -> None:
    index = LocalIndex(store.passages)
    documentation = _documentation(pages)
    while some := list(itertools.islice(documentation, index.batch_size)):
        await index.put(some)
    await index.tidy(pages)  # as a refresh does in the end


async def _ask(store: Store) -> list[float]:
    finder = PageFinder(store.passages)
    times = []
    for question in _questions():
        began = time.perf_counter()
        await finder.find([question])
        times.append(time.perf_counter() - began)
    return times


async def _take_mentions(store: Store, done: asyncio.Event, times: list[float]) -> None:
    for number in itertools.count():
        if done.is_set():
            return
        thread = ThreadRef(platform="slack", tenant="T", key=f"C:{number}")
        mention = Mention(
            thread=thread,
            channel="C",
            message=MessageId(str(number)),
            author="U",
            text="How do I connect it?",
            at=float(number),
        )
        began = time.perf_counter()
        await store.turns.take(mention)
        times.append(time.perf_counter() - began)
        await asyncio.sleep(MENTIONS_EVERY)


async def _watch_loop(done: asyncio.Event, lags: list[float]) -> None:
    while not done.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.002)
        lags.append(time.perf_counter() - began - 0.002)


def _documentation(pages: int) -> Iterator[Page]:
    dice = random.Random(7)
    for number in range(pages):
        topic = " ".join(_some_words(dice, 3))
        sections = [
            f"## {' '.join(_some_words(dice, 3))}\n\n{_text(dice, 110)}" for _ in range(SECTIONS)
        ]
        yield Page(
            source="bench",
            url=f"https://docs.example.com/{number}",
            title=topic,
            markdown=f"# {topic}\n\n" + "\n\n".join(sections),
            stamp=None,
        )


def _questions() -> list[str]:
    dice = random.Random(8)
    asked = []
    for number in range(QUESTIONS):
        rare = _some_words(dice, 1 + number % 4)
        common = dice.sample(COMMON, number % 5)
        asked.append(f"how do i {' '.join([*common, *rare])}")
    return asked


def _text(dice: random.Random, words: int) -> str:
    return " ".join(
        dice.choice(COMMON) if dice.random() < 0.5 else _word(dice) for _ in range(words)
    )


def _some_words(dice: random.Random, count: int) -> list[str]:
    return [_word(dice) for _ in range(count)]


def _word(dice: random.Random) -> str:
    """A word of about the frequencies of language: few are common, and most are rare."""
    rank = int(WORDS ** dice.random())
    syllables = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "cha", "dre")
    letters = ""
    while rank:
        rank, syllable = divmod(rank, len(syllables))
        letters += syllables[syllable]
    return f"{letters}n"


if __name__ == "__main__":
    _, _kind, _pages = sys.argv
    print(json.dumps(asdict(asyncio.run(_measure(_kind, int(_pages))))))  # type: ignore[arg-type]
