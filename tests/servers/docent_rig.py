"""A whole Docent for scenarios: in this process, or as `docent run` in one of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from bots.app import Docent, Roles, assemble, make_platforms, open_store
from bots.serving import serve
from core.config import parse_settings
from core.documents import RefreshProgress
from core.store import migrate_database
from servers.discord_server import DiscordServer
from servers.forks import ForkedProcess
from servers.openai_server import OpenAIServer
from servers.slack_server import APP_TOKEN, BOT_TOKEN, SlackServer

DOCENT = Path(sys.executable).with_name("docent")
BASE_URL = "https://docs.example.com/"

PAGES = {
    "installing.md": "# Installing Acme\n\nInstall Acme with `pip install acme`.\n",
    "tokens.md": "# Access tokens\n\nAn access token expires after ninety days. "
    "Renew it on the page Account.\n",
}


#: So many that a refresh asks before it removes them.
OLD_PAGES = {f"old{n}.md": f"# Old {n}\n\nAn old page.\n" for n in range(7)}


def write_docs(folder: Path, pages: Mapping[str, str] = PAGES) -> str:
    """Write a small documentation; what DOCS_SOURCES has to say for it."""
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return f"{folder}={BASE_URL}"


def remove_docs(folder: Path, pages: Iterable[str]) -> None:
    """Take pages out of a documentation."""
    for name in pages:
        (folder / name).unlink()


def settings_for(*servers: OpenAIServer | SlackServer | DiscordServer) -> dict[str, str]:
    """The settings that lead a Docent to these servers, and let it in."""
    values: dict[str, str] = {}
    for server in servers:
        match server:
            case OpenAIServer():
                values |= {"OPENAI_API_KEY": server.api_key, "OPENAI_BASE_URL": server.url}
            case SlackServer():
                values |= {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
                values |= {"SLACK_API_URL": server.api_url}
            case DiscordServer():
                values |= {"DISCORD_TOKEN": server.token, "DISCORD_API_URL": server.api_url}
                values |= {"DISCORD_GATEWAY_URL": server.gateway_url}
    return values


@asynccontextmanager
async def docent_running(values: Mapping[str, str]) -> AsyncIterator[Docent]:
    """Serve with these settings while the block lasts; then stop, which must take seconds only.

    The documentation is read before anybody is served.
    """
    settings = parse_settings(values)
    await migrate_database(settings.database_url)
    stop = asyncio.Event()
    async with open_store(settings) as store:
        platforms = make_platforms(settings, store, Roles.named([], settings))
        async with assemble(settings, store, platforms) as docent, asyncio.TaskGroup() as tasks:
            await docent.refresher.refresh(unseen)
            serving = tasks.create_task(serve(docent, settings, stop))
            try:
                yield docent
            finally:
                stop.set()
                async with asyncio.timeout(60):
                    await asyncio.wait([serving])


async def unseen(progress: RefreshProgress) -> None:
    """Nobody looks."""


class DocentProcess:
    """`docent` with its arguments, in a process of its own and with these settings only."""

    _started: ClassVar[list["DocentProcess"]] = []

    def __init__(self, process: asyncio.subprocess.Process | ForkedProcess) -> None:
        self._process = process
        self._started.append(self)

    @classmethod
    async def end_all(cls) -> None:
        """End what a test has started and, because it failed, not ended."""
        while cls._started:
            process = cls._started.pop()
            if process._process.returncode is None:
                process.kill()
                await process.end()

    @classmethod
    async def start(
        cls, folder: Path, values: Mapping[str, str], *arguments: str
    ) -> "DocentProcess":
        """Start it in `folder`, where it finds no `.env` but one that a test put there."""
        command = [str(DOCENT), *arguments]
        return cls(await ForkedProcess.start(command, folder, cls._environment(values), None))

    @classmethod
    async def start_anew(
        cls, folder: Path, values: Mapping[str, str], *arguments: str
    ) -> "DocentProcess":
        """Start it as people do, by its script: for one test of each command."""
        process = await asyncio.create_subprocess_exec(
            DOCENT,
            *arguments,
            cwd=folder,
            env=cls._environment(values),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process)

    @staticmethod
    def _environment(values: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251
        return {**kept, **values}

    async def end(self, given: str = "", seconds: float = 30) -> tuple[int, str, str]:
        """Give it its input and wait for its end: exit code, output, errors."""
        async with asyncio.timeout(seconds):
            output, errors = await self._process.communicate(given.encode())
        assert self._process.returncode is not None
        return self._process.returncode, output.decode(), errors.decode()

    def terminate(self) -> None:
        """Ask it to stop, as a supervisor does."""
        self._process.send_signal(signal.SIGTERM)

    def hang_up(self) -> None:
        """Ask it to read again what holds in channels."""
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it without asking."""
        self._process.kill()
