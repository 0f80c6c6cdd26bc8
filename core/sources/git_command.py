"""The `git` command, run so that nothing but what we tell it decides what it does.

No configuration of the machine or of a person, no hooks, no prompts, no redirects, one protocol;
bounded in time, in output and in what it writes.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from core.errors import DocentError
from core.waiting import happens

MAX_REPOSITORY = 1_000_000_000  #: bytes on our disk
MAX_OUTPUT = 100_000_000  #: bytes
COMMAND_SECONDS = 60.0  #: for what does not use the network
FETCH_SECONDS = 900.0
_LOOK_SECONDS = 1.0  # between two looks at how large the repository has become
_CHUNK = 64 * 1024

_ALWAYS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",  # bytes per second
    "http.lowSpeedTime": "30",
}

_LOGIN = "it asks for another login than it got: write git+https://TOKEN@host/…"

# What git says, in its own words, and what we say instead: git's hold addresses and whatever the
# server wrote.
_REASONS = (
    ("could not read username", _LOGIN),
    ("authentication failed", _LOGIN),
    ("couldn't find remote ref", "it has no such branch"),
    ("error: 403", "it does not let us in: check the token and its rights"),
    ("not found", "there is no such repository, or it is not for everybody"),
    ("does not appear to be a git repository", "there is no git repository"),
    ("dubious ownership", "it belongs to another user of this machine"),
    ("could not resolve host", "its name is not known"),
    ("certificate", "its certificate is not trusted"),
    ("error: 30", "it has moved: write its present address, often with .git at the end"),
    ("failed to connect", "it does not reply"),
    ("couldn't connect", "it does not reply"),
    ("timed out", "it does not reply in time"),
    ("too slow", "it does not reply in time"),
)


class GitFailed(DocentError):
    """The git command did not do what it was asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Git:
    """The command, for one repository of ours."""

    folder: Path
    protocol: str  #: the only one that it may use
    config: Mapping[str, str]  #: may hold secrets: it is handed over where nobody can list it

    async def run(
        self, *words: str, stdin: bytes = b"", most: int = MAX_OUTPUT, fetches: bool = False
    ) -> bytes:
        """Run a command and give what it printed. Raises GitFailed, with a reason for people.

        `fetches`: it uses the network, which takes longer, and fills the disk.
        """
        command = shutil.which("git")
        if command is None:
            raise GitFailed("the command git is not installed here: install it")
        process = await asyncio.create_subprocess_exec(
            command,
            *words,
            cwd=self.folder,
            env=self._environment(command),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,  # so that its helpers end with it
        )
        try:
            async with asyncio.timeout(FETCH_SECONDS if fetches else COMMAND_SECONDS):
                output, said = await self._talk(process, stdin, most, fetches)
        except TimeoutError as problem:
            raise GitFailed("git took too long") from problem
        finally:
            await _end(process)
        if process.returncode != 0:
            raise GitFailed(_reason(said))
        return output

    async def _talk(
        self, process: Process, stdin: bytes, most: int, fetches: bool
    ) -> tuple[bytes, bytes]:
        ended = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                output = tasks.create_task(_read(process.stdout, most))
                said = tasks.create_task(_read_some(process.stderr))
                tasks.create_task(_write(process.stdin, stdin))
                if fetches:
                    tasks.create_task(self._watch_size(ended))
                await output
                await said
                await process.wait()
                ended.set()
        except* GitFailed as failed:
            raise failed.exceptions[0] from None
        return output.result(), said.result()

    async def _watch_size(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            if await asyncio.to_thread(_size, self.folder) > MAX_REPOSITORY:
                raise GitFailed(f"it is larger than {MAX_REPOSITORY / 1_000_000_000:g} GB")
            await happens(ended, within=_LOOK_SECONDS)

    def _environment(self, command: str) -> Mapping[str, str]:
        config = {**_ALWAYS, **self.config}
        numbered: dict[str, str] = {"GIT_CONFIG_COUNT": str(len(config))}
        for number, (name, value) in enumerate(config.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        return numbered | {
            "PATH": f"{Path(command).parent}{os.pathsep}{os.defpath}",
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": self.protocol,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_HTTP_USER_AGENT": f"git/2 Docent/{version('docent')}",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }


async def _read(stream: asyncio.StreamReader | None, most: int) -> bytes:
    read = bytearray()
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        read += chunk
        if len(read) > most:
            raise GitFailed(f"more than {most / 1_000_000:g} MB")
    return bytes(read)


async def _read_some(stream: asyncio.StreamReader | None) -> bytes:
    """Read to the end, and keep the last of it: where the reason of a failure is."""
    kept = b""
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        kept = (kept + chunk)[-_CHUNK:]
    return kept


async def _write(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _end(process: Process) -> None:
    """See to it that nothing of the command goes on."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _reason(said: bytes) -> str:
    words = said.decode("utf-8", "replace").lower()
    return next((reason for sign, reason in _REASONS if sign in words), "git failed")


def _size(folder: Path) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # git renames its files while we look
                total += Path(where, name).lstat().st_size
    return total
