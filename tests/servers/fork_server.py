"""Python with Docent loaded, which makes a process of it for everybody who asks.

Started by `servers/forks.py`, as a script. A request comes over the socket whose number is the
argument: arguments, folder and environment as JSON, and four files: input, output, errors, and
where to write the pid and, at the end, how it ended. It ends when nobody holds the other end any
more.
"""

import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import site
import socket
import sys
import threading
from typing import Any, TextIO

import bots.commands
from bots import cli

#: What `bots/app.py` loads only where it is needed, and what the store loads by a URL.
LOADED_LATER = (
    "bots.discord_bot.adapter",
    "bots.slack_bot.adapter",
    "bots.webhook",
    "core.openai_engine.engine",
    "core.openai_engine.index",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
)


def main() -> None:
    """Serve; in a process that was made, return once it is to begin."""
    gc.disable()
    for found in pkgutil.iter_modules(bots.commands.__path__, "bots.commands."):
        importlib.import_module(found.name)
    for name in LOADED_LATER:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.collect()
    gc.freeze()  # what is shared is not looked through, and so not copied, by every process
    gc.enable()
    serve(int(sys.argv[1]))


def serve(control: int) -> None:
    """Make a process for each request, and tell of each one's end."""
    reports: dict[int, int] = {}  # by pid
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([control, ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            bury(reports)
        if control in ready:
            request, files = receive(control)
            pid = os.fork()
            if pid == 0:
                become(request, files)
                return
            reports[pid] = files.pop()
            tell(reports[pid], pid)
            for file in files:
                os.close(file)


def receive(control: int) -> tuple[dict[str, Any], list[int]]:
    """The next request and its files; ends the process where there will be none."""
    sender = socket.socket(fileno=control)
    length, files, _, _ = socket.recv_fds(sender, 4, 4)
    if not length:
        os._exit(0)
    text = b""
    while len(text) < int.from_bytes(length):
        text += sender.recv(int.from_bytes(length) - len(text))
    sender.detach()
    return json.loads(text), files


def become(request: dict[str, Any], files: list[int]) -> None:
    """Be as if started by the system: own files, folder, environment, and what `site` does."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, 1024)
    sys.stdin = sys.__stdin__ = opened(0, sys.stdin)
    sys.stdout = sys.__stdout__ = opened(1, sys.stdout)
    sys.stderr = sys.__stderr__ = opened(2, sys.stderr)
    os.chdir(request["folder"])
    os.environ.clear()  # noqa: TID251 (this is who sets it)
    os.environ.update(request["environment"])  # noqa: TID251
    sys.argv = request["arguments"]
    if path := request["environment"].get("PYTHONPATH"):
        sys.path[:0] = path.split(os.pathsep)
        site.execsitecustomize()


def opened(file: int, before: TextIO) -> TextIO:
    """A file as Python opens it at its start; what it knew of the one before is not of this one."""
    mode, by_line = ("r", False) if file == 0 else ("w", file == 2)
    binary = open(file, f"{mode}b", closefd=False)  # noqa: SIM115 (it stays open)
    return io.TextIOWrapper(
        binary, encoding=before.encoding, errors=before.errors, line_buffering=by_line
    )


def bury(reports: dict[int, int]) -> None:
    """Tell how those ended that have."""
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        report = reports.pop(pid)
        tell(report, os.waitstatus_to_exitcode(status))
        os.close(report)


def tell(report: int, number: int) -> None:
    """Write a number to somebody who may have gone away."""
    try:
        os.write(report, f"{number}\n".encode())
    except BrokenPipeError:
        return


if __name__ == "__main__":
    main()
    sys.exit(cli.main())
