"""Processes of `docent` that need not load it: forked from one that has.

To start Python and load Docent with its SDKs takes a second of a processor, most of what a test of
a process would cost. A process that is forked is one all the same: it has its own pid, files,
environment and end, and takes signals. What it cannot show is that the script `docent` starts and
that a command loads all that it needs; for that, `DocentProcess.start_anew` is there.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import core

ROOT = Path(core.__file__).parents[1]  # the processes run the code that the tests run
SERVER = Path(__file__).with_name("fork_server.py")
MOST_INPUT = 32_768  # bytes: a pipe takes so many at once, whether somebody reads them or not


class _Report(asyncio.Protocol):
    """Hears of a process's pid, and of its end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.pid: asyncio.Future[int] = loop.create_future()
        self.code: asyncio.Future[int] = loop.create_future()
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if not self.pid.done() and b"\n" in self._heard:
            self.pid.set_result(int(self._heard.split(b"\n")[0]))

    def connection_lost(self, exc: Exception | None) -> None:
        numbers = self._heard.split()
        if len(numbers) == 2:
            self.code.set_result(int(numbers[1]))
            return
        for awaited in (self.pid, self.code):
            if not awaited.done():
                awaited.set_exception(RuntimeError("the process that forks others has died"))
                awaited.exception()  # heard of, also where nobody waits


class ForkedProcess:
    """What of `asyncio.subprocess.Process` tests use."""

    def __init__(self, report: _Report, stdin: int | None, readers: Sequence[asyncio.StreamReader]):
        self.pid = report.pid.result()
        self._report = report
        self._stdin = stdin
        self._readers = readers

    @classmethod
    async def start(
        cls, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: int | None
    ) -> Self:
        """Start `docent`, with pipes; or without input, and what it says in the file `log`.

        `arguments`: the first is the name under which it runs.
        """
        report = _Report()
        heard, told = os.pipe()
        stdin, given = _input(log)
        files = [given, *((log, log) if log is not None else ())]
        ours = [given, told]  # to be closed once they are handed over
        readers = []
        for _ in range(3 - len(files)):
            reader, end = await _reading()
            readers.append(reader)
            files.append(end)
            ours.append(end)
        await _connect(report, heard)
        _fork_server().fork(arguments, folder, environment, [*files, told])
        for file in ours:
            os.close(file)
        await report.pid
        return cls(report, stdin, readers)

    @property
    def returncode(self) -> int | None:
        """Of a process that has ended; negative: the signal that ended it."""
        return self._report.code.result() if self._report.code.done() else None

    async def wait(self) -> int:
        """Its exit code, when it has ended."""
        return await asyncio.shield(self._report.code)

    async def communicate(self, given: bytes = b"") -> tuple[bytes, bytes]:
        """Give it its input, and read what it says to the end."""
        assert self._stdin is not None, "it has neither input nor output"
        assert len(given) <= MOST_INPUT
        with contextlib.suppress(BrokenPipeError):
            os.write(self._stdin, given)
        os.close(self._stdin)
        self._stdin = None
        output, errors = [await reader.read() for reader in self._readers]
        await self.wait()
        return output, errors

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without asking."""
        self.send_signal(signal.SIGKILL)


class _ForkServer:
    """The process that forks, as long as this one lives."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", SERVER, str(theirs.fileno())],
                env={**kept, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        files: Sequence[int],
    ) -> None:
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
        }
        text = json.dumps(request).encode()
        socket.send_fds(self._control, [len(text).to_bytes(4)], files)
        self._control.sendall(text)

    def close(self) -> None:
        self._control.close()
        self._process.wait(30)


_servers: list[_ForkServer] = []  # the one of this process, once somebody needed it


def _fork_server() -> _ForkServer:
    if not _servers:
        _servers.append(_ForkServer())
    return _servers[0]


def close_fork_server() -> None:
    """End the process that forks others, if there is one."""
    while _servers:
        _servers.pop().close()


def _input(log: int | None) -> tuple[int | None, int]:
    """Where to write what a process is given, and where it reads."""
    if log is not None:
        return None, os.open(os.devnull, os.O_RDONLY)
    given, stdin = os.pipe()
    return stdin, given


async def _reading() -> tuple[asyncio.StreamReader, int]:
    """A reader, and the end of a pipe where to write what it reads."""
    reader = asyncio.StreamReader()
    ours, theirs = os.pipe()
    await _connect(asyncio.StreamReaderProtocol(reader), ours)
    return reader, theirs


async def _connect(protocol: asyncio.BaseProtocol, file: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: protocol, os.fdopen(file, "rb", 0))
