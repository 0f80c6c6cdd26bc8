"""Refresh: 10,000 pages for the first time, without changes, and with 1 % of them changed.

A folder of Markdown files goes into the local index and into a vector store at a loopback server.
Beside it: a script that only reads the files and hashes them.
"""

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.frame import Options, Result
from servers.openai_server import OpenAIServer

PAGES: Final = 10_000
WORDS: Final = (
    "install", "configure", "token", "deploy", "index", "query", "cache", "proxy", "worker",
)  # fmt: skip
MEMORY_GOAL: Final = 300.0  # MB
CALLS_GOAL: Final = 10  # requests for all of the pages, where none has changed
ROOT: Final = Path(__file__).parents[2]


async def measure(options: Options) -> list[Result]:
    """The three, one after the other."""
    pages = 300 if options.quick else PAGES
    with tempfile.TemporaryDirectory(prefix="docent-bench-") as scratch:
        folder, database = Path(scratch) / "docs", Path(scratch) / "docent.db"
        folder.mkdir()
        for number in range(pages):
            _write_page(folder, number)
        async with OpenAIServer() as server:
            first = await _refresh(folder, database, server)
            bare = _read_and_hash(folder)
            unchanged = await _refresh(folder, database, server)
            for number in range(pages // 100):
                _write_page(folder, number * 100, version=1)
            changed = await _refresh(folder, database, server)
    results = [
        Result(name=f"{pages:,} unchanged: uploads", value=unchanged["uploads"], unit="", goal=0),
        Result(name=f"{pages:,} unchanged: requests", value=unchanged["requests"], unit="",
               goal=CALLS_GOAL),
        Result(name="1 % changed: uploads", value=changed["uploads"], unit="", goal=pages // 100),
        Result(name="first: requests for a page", value=first["requests"] / pages, unit=""),
    ]  # fmt: skip
    named = {f"{pages:,} for the first time": first, f"{pages:,} unchanged": unchanged,
             "1 % changed": changed}  # fmt: skip
    for name, took in named.items():
        results += _results(name, pages, took, bare)
    return results


def _results(name: str, pages: int, took: Mapping[str, float], bare: float) -> list[Result]:
    return [
        Result(name=f"{name}: pages that are in order", value=took["done"], unit="",
               better="higher", goal=pages),
        Result(name=f"{name}: time, beside reading and hashing", value=took["seconds"], unit="s",
               reference=bare),
        Result(name=f"{name}: CPU, beside reading and hashing", value=took["cpu"], unit="s",
               reference=bare),
        Result(name=f"{name}: writing transactions", value=took["writes"], unit=""),
        Result(name=f"{name}: memory, at most", value=took["peak"], unit="MB", goal=MEMORY_GOAL),
    ]  # fmt: skip


async def _refresh(folder: Path, database: Path, server: OpenAIServer) -> dict[str, float]:
    """Refresh in a process of its own, and say what it took."""
    server.requests.clear()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.refreshing", str(folder), f"sqlite:///{database}",
        server.url, server.api_key, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    output, _ = await process.communicate()
    took: dict[str, float] = json.loads(output)
    took["requests"] = len(server.requests)
    took["uploads"] = len(server.sent("POST", "/files"))
    return took


def _read_and_hash(folder: Path) -> float:
    """Seconds to read every file, and to hash it."""
    began = time.monotonic()
    for path in folder.rglob("*.md"):
        hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()
    return time.monotonic() - began


def _write_page(folder: Path, number: int, version: int = 0) -> None:
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
