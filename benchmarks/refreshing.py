"""One refresh in a process of its own: python -m benchmarks.refreshing FOLDER DATABASE URL KEY.

Prints what it took as JSON.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

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

#: The limit of 1,000 uploads a minute, which OpenAI sets, is lifted: it would be all that one sees.
TIMING = Timing(first_look=0.01, longest_look=0.1, uploads_per_second=1e6)


async def refresh(folder: str, database: str, url: str, key: str) -> None:
    """Refresh once, into the local index and into a vector store, and print what it took."""
    async with await Store.open(database) as store:
        writes = _count_writes(store)
        client = make_client(OpenAISettings(api_key=key, base_url=url))
        load = partial(store.values.get, "openai_vector_store")
        save = partial(store.values.put, "openai_vector_store")
        vector_store = VectorStore(client, configured=None, load=load, save=save)
        marker = partial(store.values.once, "marker", lambda: "bench")
        index = OpenAIIndex(client, vector_store=vector_store, marker=marker, timing=TIMING)
        sources = make_sources([f"{folder}=https://docs.example.com/"])
        indexes = [LocalIndex(store.passages), index]
        refresher = Refresher(store=store, sources=sources, indexes=indexes)
        start = _peak_memory()
        began, cpu = time.monotonic(), time.process_time()
        report = await refresher.refresh(unseen)
        took = {
            "seconds": time.monotonic() - began,
            "cpu": time.process_time() - cpu,
            "start": start,
            "peak": _peak_memory(),
            "writes": writes["n"],
            "failed": len(report.failed),
            "done": len(report.added) + len(report.changed) + report.unchanged,
        }
        print(json.dumps(took))
        await index.close()


def _peak_memory() -> float:
    """The most memory that this process has had, in MB; not what its parent had before it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def _count_writes(store: Store) -> Counter[str]:
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


if __name__ == "__main__":
    asyncio.run(refresh(*sys.argv[1:]))
