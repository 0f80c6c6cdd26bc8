"""What a refresh of 10,000 pages costs: the first one, one without changes, one with ten changes.

A folder of Markdown files is refreshed into the local index and into a vector store at a loopback
server. Each refresh is a process of its own, whose time and memory are its own. The limit of 1,000
uploads a minute, which OpenAI sets, is lifted: it would be all that there is to see.

    make bench, or: python benchmarks/refresh.py [pages]
"""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from core.local_engine.index import LocalIndex
from core.openai_engine.client import make_client
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.patience import Timing
from core.openai_engine.vector_store import VectorStore
from core.refresh import Refresher
from core.refresh.refresher import unseen
from core.settings import OpenAISettings
from core.sources import make_sources
from core.store import Store
from servers.openai_server import OpenAIServer

PAGES = 10_000
CHANGED = 10
TIMING = Timing(first_look=0.01, longest_look=0.1, uploads_per_second=1e6)
WORDS = ("install", "configure", "token", "deploy", "index", "query", "cache", "proxy", "worker")


def write_page(folder: Path, number: int, version: int = 0) -> None:
    """A page of some 4,000 characters, unlike every other."""
    sections = [
        f"## Section {section} of {number}\n\n"
        + " ".join(
            f"{WORDS[(number * 7 + section * 3 + n) % len(WORDS)]}{(number + n) % 97}"
            for n in range(100)
        )
        for section in range(4)
    ]
    text = "\n\n".join((f"# Page {number}", f"Version {version}.", *sections))
    path = folder / f"{number // 100:03}" / f"page-{number}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


async def child(folder: str, database: str, url: str, key: str) -> None:
    """Refresh once, and print what it took."""
    async with await Store.open(database) as store:
        writes = count_writes(store)
        client = make_client(OpenAISettings(api_key=key, base_url=url))
        load = partial(store.values.get, "openai_vector_store")
        save = partial(store.values.put, "openai_vector_store")
        vector_store = VectorStore(client, configured=None, load=load, save=save)
        marker = partial(store.values.once, "marker", lambda: "bench")
        index = OpenAIIndex(client, vector_store=vector_store, marker=marker, timing=TIMING)
        sources = make_sources([f"{folder}=https://docs.example.com/"])
        indexes = [LocalIndex(store.passages), index]
        refresher = Refresher(store=store, sources=sources, indexes=indexes)
        before = peak_memory()
        began, cpu = time.monotonic(), time.process_time()
        report = await refresher.refresh(unseen)
        took = {
            "seconds": time.monotonic() - began,
            "cpu": time.process_time() - cpu,
            "start": before,
            "peak": peak_memory(),
            "writes": writes["n"],
            "failed": len(report.failed),
            "added": len(report.added),
            "changed": len(report.changed),
            "unchanged": report.unchanged,
        }
        print(json.dumps(took))
        await index.close()


def peak_memory() -> float:
    """The most memory that this process has had, in MB; not what its parent had before it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def count_writes(store: Store) -> Counter[str]:
    """Count the transactions that write."""
    counts: Counter[str] = Counter()
    database: Any = store._database
    write = database.write

    @asynccontextmanager
    async def counted(**named: bool) -> AsyncIterator[Any]:
        counts["n"] += 1
        async with write(**named) as connection:
            yield connection

    database.write = counted
    return counts


async def refresh(folder: Path, database: Path, server: OpenAIServer) -> dict[str, float]:
    """Refresh in a process of its own, and say what it took."""
    server.requests.clear()
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "child", str(folder), f"sqlite:///{database}", server.url,
        server.api_key, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    took: dict[str, float] = json.loads(output)
    took["requests"] = len(server.requests)
    took["uploads"] = len(server.sent("POST", "/files"))
    return took


async def main(pages: int) -> None:
    """Measure the three, and print a table."""
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder, database = Path(scratch) / "docs", Path(scratch) / "docent.db"
        folder.mkdir()
        for number in range(pages):
            write_page(folder, number)
        async with OpenAIServer() as server:
            rows["first"] = await refresh(folder, database, server)
            rows["unchanged"] = await refresh(folder, database, server)
            for number in range(CHANGED):
                write_page(folder, number, version=1)
            rows["ten changed"] = await refresh(folder, database, server)
    columns = ("seconds", "cpu", "start", "peak", "writes", "requests", "uploads", "failed")
    print(f"{pages} pages; memory in MB, at the start and at most\n")
    print(" " * 12 + "".join(f"{column:>10}" for column in columns))
    for name, took in rows.items():
        print(f"{name:<12}" + "".join(f"{took[column]:>10.1f}" for column in columns))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        asyncio.run(child(*sys.argv[2:]))
    else:
        asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else PAGES))
