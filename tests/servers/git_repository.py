"""A git repository on this machine that a test fills, and a server that gives it out over HTTP.

    repository = GitRepository(tmp_path / "docs.git")
    repository.commit({"guide/setup.md": "# Set up", "old.md": None})
    async with GitServer(repository) as server:
        source = make_source(f"git+{server.url}", allow_private=True)

The server runs git's own program for it, `git http-backend`.
"""

import asyncio
import base64
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

_PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "PATH": os.defpath,
}


class GitRepository:
    """A bare repository, with a folder beside it in which commits are made."""

    def __init__(self, path: Path, *, can_filter: bool = True) -> None:
        self.path = path
        self._work = path.with_name(f"{path.name}.work")
        _git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
        self.configure("uploadpack.allowFilter", str(can_filter).lower())
        self.configure("uploadpack.allowAnySHA1InWant", str(can_filter).lower())
        _git("init", "--quiet", "--initial-branch=main", str(self._work))

    @property
    def url(self) -> str:
        """Its address on this disk."""
        return self.path.as_uri()

    def configure(self, name: str, value: str) -> None:
        """Set an option of the repository."""
        _git("-C", str(self.path), "config", name, value)

    def commit(self, files: Mapping[str, str | bytes | None], *, branch: str = "main") -> None:
        """Write and delete (None) files, and push them on a branch that begins at the last one."""
        for name, text in files.items():
            file = self._work / name
            file.parent.mkdir(parents=True, exist_ok=True)
            match text:
                case None:
                    file.unlink()
                case str():
                    file.write_text(text)
                case bytes():
                    file.write_bytes(text)
        self.push(branch)

    def link(self, name: str, target: str) -> None:
        """Commit a symbolic link."""
        (self._work / name).symlink_to(target)
        self.push("main")

    def push(self, branch: str) -> None:
        """Commit what is in the folder, and push it."""
        work = str(self._work)
        _git("-C", work, "add", "--all")
        _git("-C", work, "commit", "--quiet", "--allow-empty", "--message=change")
        _git("-C", work, "push", "--quiet", "--force", str(self.path), f"HEAD:refs/heads/{branch}")


@dataclass(frozen=True, kw_only=True)
class GitRequest:
    """A request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class GitServer:
    """`git http-backend` on 127.0.0.1, from `async with` on."""

    repository: GitRepository
    login: str | None = None  #: `user:password`, where it asks for one
    redirect: str | None = None  #: where it sends everybody
    requests: list[GitRequest] = field(default_factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.url.removeprefix("http://").partition("/")[0]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/{path:.*}", self._reply)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/{self.repository.path.name}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def wanted(self) -> list[str]:
        """The ids of everything that was asked for, in order."""
        bodies = b"\n".join(request.body for request in self.requests)
        return [found.decode() for found in re.findall(rb"want ([0-9a-f]{40})", bodies)]

    async def _reply(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(
            GitRequest(path=request.path, headers=dict(request.headers), body=body)
        )
        if self.redirect is not None:
            return web.Response(status=301, headers={"Location": self.redirect + request.path_qs})
        if self.login is not None:
            expected = base64.b64encode(self.login.encode()).decode()
            if request.headers.get("Authorization") != f"Basic {expected}":
                return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return _response(await self._run_backend(request, body))

    async def _run_backend(self, request: web.Request, body: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={
                "PATH": os.defpath,
                "GIT_PROJECT_ROOT": str(self.repository.path.parent),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
                "PATH_INFO": request.path,
                "QUERY_STRING": request.query_string,
                "REQUEST_METHOD": request.method,
                "CONTENT_TYPE": request.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
            },
        )
        output, _ = await process.communicate(body)
        return output


def _response(output: bytes) -> web.Response:
    """Turn what a CGI program printed into a response."""
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return web.Response(status=status, headers=headers, body=body)


def _git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, env=_PERSON, timeout=30)
