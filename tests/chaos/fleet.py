"""Processes of `docent run`, and the supervisor that starts each again when it has died."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from aiohttp import web

from chaos.kills import sender_of
from chaos.plan import PlatformName
from servers.docent_rig import DOCENT
from servers.forks import ForkedProcess

HOOK: Final = Path(__file__).with_name("hook")
STOP_SECONDS: Final = 30.0
MOST_CRASHES: Final = 20  # deaths that nobody ordered, after which starting again is no use


@dataclass(kw_only=True)
class Member:
    """One place in the fleet, taken by one process after the other."""

    name: str
    roles: tuple[str, ...]
    log: Path
    process: ForkedProcess | None = None
    starts: int = 0

    @property
    def pid(self) -> int | None:
        """Of the process that runs there now."""
        process = self.process
        return process.pid if process and process.returncode is None else None


@dataclass(frozen=True, kw_only=True)
class Death:
    """One process that was killed."""

    name: str
    roles: tuple[str, ...]
    at: float  #: by the monotonic clock

    def listened_to(self, platform: PlatformName) -> bool:
        """Whether it was one to hear what is said on a platform."""
        return not self.roles or platform in self.roles


class Fleet:
    """Runs its processes while its `async with` lasts; afterwards none is left."""

    def __init__(
        self,
        folder: Path,
        values: Mapping[str, str],
        roles: Sequence[tuple[str, ...]],
        on_death: Callable[[], None],
    ) -> None:
        """One process for each of `roles`, which are the arguments of `docent run`."""
        self.orders = folder / "orders"
        self.orders.mkdir()
        self.members = [
            Member(
                name=f"{number}-{'-'.join(role) or 'all'}",
                roles=role,
                log=folder / f"{number}-{'-'.join(role) or 'all'}.log",
            )
            for number, role in enumerate(roles)
        ]
        self._folder = folder
        self._values = values
        self._on_death = on_death
        self._may_start = asyncio.Event()
        self._may_start.set()
        self._stopping = False
        self._killed_at: dict[int, float] = {}  # by pid: those that we killed from here
        self._tasks = asyncio.TaskGroup()
        self.deaths: list[Death] = []  #: of those that were killed, from here or from inside
        self.exits: list[tuple[str, int]] = []  #: member and code, of those that nobody killed

    async def __aenter__(self) -> "Fleet":
        await self._tasks.__aenter__()
        for member in self.members:
            self._tasks.create_task(self._supervise(member))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stopping = True
        self._may_start.set()
        for pid in self.pids:
            self._signal(pid, signal.SIGKILL)
        await self._tasks.__aexit__(None, None, None)

    @property
    def pids(self) -> list[int]:
        """Of the processes that run now."""
        return [member.pid for member in self.members if member.pid]

    @property
    def starts(self) -> int:
        """How often a process was started."""
        return sum(member.starts for member in self.members)

    def kill_sender(self, request: web.Request) -> None:
        """Kill the process that sent a request; all of them, where the system does not tell."""
        pid = sender_of(request, self.pids)
        for each in [pid] if pid else self.pids:
            self._kill(each)

    def kill_one(self, dice: random.Random) -> bool:
        """Kill any process; False where none runs."""
        pids = self.pids
        if pids:
            self._kill(dice.choice(pids))
        return bool(pids)

    def hold_down(self) -> None:
        """Kill all processes, and start none before `let_up`."""
        self._may_start.clear()
        for pid in self.pids:
            self._kill(pid)

    def let_up(self) -> None:
        """Start processes again."""
        self._may_start.set()

    async def stop(self) -> list[int]:
        """Ask every process to stop, and wait until it has; their exit codes."""
        self._stopping = True
        running = [member.process for member in self.members if member.pid and member.process]
        for process in running:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            return [await process.wait() for process in running]

    def complaints(self) -> list[str]:
        """What went wrong with the processes: deaths without a word, and unforeseen errors.

        One that says why it stops, and leaves it to its supervisor to start it again, may do so.
        """
        found = []
        for member in self.members:
            log = member.log.read_text(encoding="utf-8")
            found += [f"{member.log}: {line}" for line in log.splitlines() if _is_mishap(line)]
            crashes = sum(name == member.name for name, _ in self.exits)
            if crashes > log.count("Docent stops: "):
                found.append(f"{member.name} ended {crashes} times by itself without a word")
        return found

    def tail(self, lines: int = 25) -> str:
        """The last lines of every log."""
        return "\n".join(
            f"--- {member.log}\n"
            + "\n".join(member.log.read_text(encoding="utf-8").splitlines()[-lines:])
            for member in self.members
            if member.log.exists()
        )

    def _kill(self, pid: int) -> None:
        self._killed_at.setdefault(pid, time.monotonic())
        self._signal(pid, signal.SIGKILL)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    async def _supervise(self, member: Member) -> None:
        with member.log.open("ab") as log:
            while not self._stopping:
                await self._may_start.wait()
                if self._stopping:
                    return
                pid, code = await self._live(member, log)
                killed_at = self._killed_at.pop(pid, time.monotonic())
                if self._stopping:
                    return
                if code == -signal.SIGKILL:
                    death = Death(name=member.name, roles=member.roles, at=killed_at)
                    self.deaths.append(death)
                else:
                    self.exits.append((member.name, code))
                if len(self.exits) > MOST_CRASHES:
                    raise RuntimeError(f"{member.name} ends on and on:\n{self.tail()}")
                self._on_death()

    async def _live(self, member: Member, log: IO[bytes]) -> tuple[int, int]:
        """Run one process to its end; its pid and exit code."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251
        member.starts += 1
        log.write(f"--- start {member.starts} at {time.time():.3f}\n".encode())
        log.flush()
        member.process = await ForkedProcess.start(
            [str(DOCENT), "run", *member.roles],
            self._folder,
            {
                **kept,
                **self._values,
                "PYTHONPATH": str(HOOK),
                "DOCENT_CHAOS": str(self.orders),
            },
            log.fileno(),
        )
        return member.process.pid, await member.process.wait()


def _is_mishap(line: str) -> bool:
    return "Traceback" in line or "Unforeseen" in line
