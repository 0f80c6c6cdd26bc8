"""The process of the loopback servers: starts them, and does what it is told over a socket.

Whoever starts it is `benchmarks/servers.py`. A request is a function of this package with its
arguments; functions run side by side, and what each returns goes back.
"""

import asyncio
import contextlib
import pickle
import resource
import socket
import struct
import sys
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass

from benchmarks.fakes import BenchDiscord, BenchOpenAI, BenchSlack
from benchmarks.ledger import Ledger
from servers.docent_rig import settings_for

_HEAD = struct.Struct("!I")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What functions that run in this process get as their first argument."""

    slack: BenchSlack
    openai: BenchOpenAI
    discord: BenchDiscord
    ledger: Ledger


async def settings(stage: Stage, names: tuple[str, ...]) -> dict[str, str]:
    """The settings that lead a Docent to these servers."""
    return settings_for(*(getattr(stage, name) for name in names))


async def processor_seconds(_: Stage) -> float:
    """What this process has computed so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """All servers, while the block lasts."""
    ledger = Ledger()
    slack, openai, discord = BenchSlack(ledger), BenchOpenAI(ledger), BenchDiscord(ledger)
    async with slack, openai, discord:
        yield Stage(slack=slack, openai=openai, discord=discord, ledger=ledger)


async def serve(control: socket.socket) -> None:
    """Do what comes over the socket until it is closed."""
    reader, writer = await asyncio.open_connection(sock=control)
    async with stage() as servers, asyncio.TaskGroup() as tasks:
        running = []
        while (frame := await read_frame(reader)) is not None:
            running.append(tasks.create_task(_do(servers, frame, writer)))
            running = [task for task in running if not task.done()]
        for task in running:
            task.cancel()


async def _do(servers: Stage, frame: bytes, writer: asyncio.StreamWriter) -> None:
    number, function, arguments = pickle.loads(frame)
    try:
        reply = number, True, await function(servers, *arguments)
    except Exception:  # noqa: BLE001 (who asked gets it)
        reply = number, False, traceback.format_exc()
    with contextlib.suppress(ConnectionError):
        write_frame(writer, pickle.dumps(reply))


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame; None where there is none any more."""
    try:
        (length,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def write_frame(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send a frame."""
    writer.write(_HEAD.pack(len(data)) + data)


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
