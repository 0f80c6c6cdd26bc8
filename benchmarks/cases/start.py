"""Start: until `docent --help` is there, until `docent run` is connected, and what imports take.

Beside a Python that does nothing, and one that imports only the SDKs which `docent run` cannot do
without.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.frame import Options, Result
from benchmarks.host import Stage
from benchmarks.processes import DEFAULTS, docent, python
from benchmarks.servers import Servers

TIMES: Final = 9
SDKS: Final = "import openai, slack_bolt.async_app, aiohttp, sqlalchemy.ext.asyncio, aiosqlite"


async def measure(options: Options) -> list[Result]:
    """Start each some times, in turn, so that a busy moment hits all of them."""
    times = 3 if options.quick else TIMES
    commands: dict[str, Sequence[str]] = {
        "nothing": ("-c", "pass"),
        "help": ("-m", "bots", "--help"),
        "sdks": ("-c", SDKS),
        "app": ("-c", "import bots.app"),
    }
    took: dict[str, list[float]] = {name: [] for name in (*commands, "slack")}
    memory = []
    with tempfile.TemporaryDirectory(prefix="docent-bench-") as scratch:
        folder = Path(scratch)
        async with Servers.start() as servers:
            settings = await _prepare(servers, folder)
            for _ in range(times):
                for name, arguments in commands.items():
                    took[name].append(await _run(arguments))
                seconds, megabytes = await _connect(servers, folder, settings)
                took["slack"].append(seconds)
                memory.append(megabytes)
    ms = {name: statistics.median(values) * 1000 for name, values in took.items()}
    return [
        Result(name="docent --help, beside a Python that does nothing", value=ms["help"],
               unit="ms", reference=ms["nothing"], goal=200),
        Result(name="import bots.app, beside the SDKs of `docent run slack`", value=ms["app"],
               unit="ms", reference=ms["sdks"]),
        Result(name="docent run slack: connected, beside the import of its SDKs",
               value=ms["slack"], unit="ms", reference=ms["sdks"]),
        Result(name="docent run slack: memory when connected", value=statistics.median(memory),
               unit="MB"),
    ]  # fmt: skip


async def _run(arguments: Sequence[str]) -> float:
    """Seconds of a Python from its start to its end."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments,
        cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0
    return time.monotonic() - began


async def _prepare(servers: Servers, folder: Path) -> Mapping[str, str]:
    """Let there be a database and a documentation, as at every start but the first."""
    async with docent(servers, "run", "slack", folder=folder):
        pass
    return {
        **DEFAULTS,
        **await servers.settings(),
        "DATABASE_URL": f"sqlite:///{folder}/docent.db",
        "DOCS_SOURCES": f"{folder}/docs=https://docs.example.com/",
    }


async def _connect(
    servers: Servers, folder: Path, settings: Mapping[str, str]
) -> tuple[float, float]:
    """Seconds until Slack has said hello to `docent run slack`, and its memory then in MB."""
    began = time.monotonic()
    async with python(folder, settings, "-m", "bots", "run", "slack") as process:
        greeted = await servers.run(_greeted)
        usage = process.usage()
    await servers.run(_alone)
    return greeted - began, usage.memory


async def _greeted(stage: Stage) -> float:
    """When a bot was connected."""
    await stage.slack.wait_for(lambda: stage.slack.connections)
    return time.monotonic()


async def _alone(stage: Stage) -> None:
    """Wait until no bot is connected any more."""
    await stage.slack.wait_for(lambda: not stage.slack.connections)
