"""The measured processes: Docent as it is run, and the bots that it is compared with."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.asking import connected
from benchmarks.servers import ROOT, Servers
from core.store import migrate_database

READY_SECONDS = 60.0
END_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")

#: Nobody is refused, and nothing is fetched that nobody asked for.
DEFAULTS = {
    "USER_LIMIT": "off",
    "CHANNEL_LIMIT": "off",
    "CATCH_UP": "off",
    "CATCH_UP_APOLOGY": "off",
    "ENGINE": "openai",
    "LOG_FORMAT": "json",
}
PAGES = {
    f"page{number}.md": f"# Page {number}\n\n"
    + "\n\n".join(
        f"## Part {part}\n\n" + f"An access token expires after {part} days. " * 15
        for part in range(6)
    )
    for number in range(12)
}


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process has used so far."""

    cpu: float  #: seconds of a processor
    threads: Mapping[str, float]  #: the same by the name of the thread, and its number
    memory: float  #: MB at this moment
    peak: float  #: MB at most, so far


class Process:
    """A process that was started by a benchmark."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log  #: its output and errors

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def usage(self) -> Usage:
        """What it has used until now."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        memory = {name: int(size) / 1024 for name, size in re.findall(r"(\w+):\s+(\d+) kB", status)}
        threads = {}
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):
                name, seconds = _cpu(stat)
                threads[f"{name} {stat.parent.name}"] = seconds
        return Usage(
            cpu=_cpu(Path(f"/proc/{self.pid}/stat"))[1],
            threads=threads,
            memory=memory["VmRSS"],
            peak=memory["VmHWM"],
        )

    def forget_peak(self) -> None:
        """Count the peak of the memory from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="utf-8")

    async def until_connected(
        self, servers: Servers, platforms: Sequence[str], before: int
    ) -> None:
        """Wait until there are more connections to the servers than `before`."""
        async with asyncio.timeout(READY_SECONDS):
            while await servers.run(connected, platforms) <= before:
                if self._process.returncode is not None:
                    raise RuntimeError(f"It ended with {self._process.returncode}.")
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()

    async def end(self) -> int:
        """Ask it to end, as a supervisor does; its exit code, -9 where it had to be killed."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()


def _cpu(stat: Path) -> tuple[str, float]:
    head, _, rest = stat.read_text(encoding="utf-8").rpartition(")")
    fields = rest.split()
    return head.partition("(")[2], (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.asynccontextmanager
async def python(
    folder: Path, values: Mapping[str, str], *arguments: str
) -> AsyncIterator[Process]:
    """A Python with these arguments and settings only, until the block ends."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251
    log = folder / f"{'-'.join(arguments).replace('/', '-')[-60:]}.log"
    with log.open("ab") as output:
        started = await asyncio.create_subprocess_exec(
            sys.executable, *arguments,
            cwd=folder, env={**kept, "PYTHONPATH": str(ROOT), **values},
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    process = Process(started, log)
    try:
        yield process
    except BaseException:
        print(log.read_text(encoding="utf-8", errors="replace")[-3000:], file=sys.stderr)
        raise
    finally:
        await process.end()


@contextlib.asynccontextmanager
async def docent(
    servers: Servers,
    *arguments: str,
    folder: Path | None = None,
    profile: Path | None = None,
    **values: str,
) -> AsyncIterator[Process]:
    """`docent` with these arguments (by default `run slack`), connected, until the block ends.

    `values` are settings besides those that lead to the servers; without DATABASE_URL it gets a
    SQLite file in its folder, which is a new one unless `folder` says which, for a second start.
    A small documentation is in the vector store before the first start in a folder. `profile`:
    where to write what the profiler says.
    """
    arguments = arguments or ("run", "slack")
    platforms = [name for name in ("slack", "discord") if name in arguments] or ["slack"]
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="docent-bench-")))
        led = await servers.settings(*platforms, "openai")
        database = f"sqlite:///{folder}/docent.db"
        docs = folder / "docs"
        known = {"DATABASE_URL": database, "DOCS_SOURCES": f"{docs}=https://docs.example.com/"}
        settings = {**DEFAULTS, **led, **known, **values}
        if not docs.exists():
            docs.mkdir()
            for name, text in PAGES.items():
                (docs / name).write_text(text, encoding="utf-8")
            await migrate_database(settings["DATABASE_URL"])
            async with python(folder, settings, "-m", "bots", "refresh") as refresh:
                await refresh._process.wait()
        began_with = await servers.run(connected, platforms)
        command = ["-m", "bots", *arguments]
        if profile is not None:
            command = ["-m", "benchmarks.profiled", str(profile), *command]
        async with python(folder, settings, *command) as process:
            await process.until_connected(servers, platforms, began_with)
            yield process


@contextlib.asynccontextmanager
async def fleet(
    servers: Servers, count: int, database: str, **values: str
) -> AsyncIterator[list[Process]]:
    """So many `docent run slack` on one database, by its URL, until the block ends."""
    # The documentation is the first one's: another folder would be another documentation.
    settings = {"DATABASE_URL": database, "DOCS_SOURCES": "", **values}
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(docent(servers, **settings)) for _ in range(count)]


@contextlib.asynccontextmanager
async def bot(servers: Servers, module: str, **values: str) -> AsyncIterator[Process]:
    """Another bot of this package, by its module's name, connected, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="docent-bench-") as folder:
        settings = {**await servers.settings(), **values}
        began_with = await servers.run(connected, ["slack"])
        async with python(Path(folder), settings, "-m", f"benchmarks.{module}") as process:
            await process.until_connected(servers, ["slack"], began_with)
            yield process
