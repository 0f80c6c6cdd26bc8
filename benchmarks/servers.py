"""The loopback servers in a process of their own, as a benchmark drives them."""

import asyncio
import contextlib
import itertools
import pickle
import resource
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from benchmarks import host
from benchmarks.host import Stage

P = ParamSpec("P")
T = TypeVar("T")

ROOT = Path(__file__).parents[1]
END_SECONDS = 10.0
ALL = ("slack", "openai")


class HostError(Exception):
    """A function failed in the servers' process; the text is its traceback."""


class Servers:
    """The servers' process. Get one with `async with Servers.start() as servers`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls) -> AsyncIterator["Servers"]:
        """Start all servers anew, and end them with the block."""
        more_files()
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.host", str(theirs.fileno()),
                cwd=ROOT, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        reader, writer = await asyncio.open_connection(sock=ours)
        servers = cls(reader, writer)
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(servers._hear())
            try:
                yield servers
            finally:
                writer.close()
                hearing.cancel()
                try:
                    async with asyncio.timeout(END_SECONDS):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def run(
        self,
        function: Callable[Concatenate[Stage, P], Awaitable[T]],
        *arguments: P.args,
        **_: P.kwargs,
    ) -> T:
        """Run a function of this package in the servers' process; what it returns.

        Raises HostError where it raises.
        """
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        host.write_frame(self._writer, pickle.dumps((number, function, arguments)))
        result: T = await future
        return result

    async def settings(self, *names: str) -> dict[str, str]:
        """The settings that lead a Docent to these servers, by default Slack and OpenAI."""
        return await self.run(host.settings, names or ALL)

    async def processor_seconds(self) -> float:
        """What the servers have computed so far: near the time that went by, they are the limit."""
        return await self.run(host.processor_seconds)

    async def _hear(self) -> None:
        while (frame := await host.read_frame(self._reader)) is not None:
            number, is_done, result = pickle.loads(frame)
            future = self._waiting.pop(number)
            if future.cancelled():
                continue
            if is_done:
                future.set_result(result)
            else:
                future.set_exception(HostError(result))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(HostError("The servers' process has ended."))


def more_files() -> None:
    """Let this process and its children open as many files as they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
