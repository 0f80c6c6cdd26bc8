"""The trap: at the step that a kill names, it kills the process that comes along.

Steps that a server sees are reported by the servers in `stage.py`; steps inside the process by the
process itself, which `hook/sitecustomize.py` makes die by orders in a folder.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from aiohttp import web

from chaos.plan import INSIDE, Kill, PlatformName, Step


class Trap:
    """One kill at a time waits for its moment."""

    def __init__(self, folder: Path, kill: Callable[[web.Request], None]) -> None:
        """`folder` is where the hook looks; `kill` ends the process that sent a request."""
        self._folder = folder
        self._kill = kill
        self._armed: Kill | None = None
        self._left = 0
        self.sprung = asyncio.Event()
        self.hits: Counter[tuple[Step, str]] = Counter()

    def arm(self, kill: Kill) -> None:
        """Wait for a step from now on."""
        self._armed, self._left = kill, kill.passage
        self.sprung.clear()
        if kill.step in INSIDE:
            for number in range(1, kill.passage + 1):
                Path(self._folder, f"{kill.step}.{kill.platform}.{number}").touch()

    def disarm(self) -> None:
        """Wait no more."""
        self._armed = None
        for order in self._folder.glob("*.[0-9]"):
            order.unlink(missing_ok=True)

    def reached(self, step: Step, platform: PlatformName | None, request: web.Request) -> bool:
        """Hear that a request reached a step; whether its sender was killed for that."""
        armed = self._armed
        if armed is None or (armed.step, armed.platform) != (step, platform):
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self._kill(request)
        self._count(armed)
        return True

    def look(self) -> None:
        """See whether a process that died did so by an order in the folder."""
        armed = self._armed
        if armed is None:
            return
        mark = Path(self._folder, f"{armed.step}.{armed.platform}.hit")
        if mark.exists():
            mark.unlink()
            self._count(armed)

    def _count(self, kill: Kill) -> None:
        assert kill.platform
        self.hits[kill.step, kill.platform] += 1
        self._armed = None
        self.sprung.set()


def sender_of(request: web.Request, pids: Collection[int]) -> int | None:
    """Which of these processes sent a request: the one that holds the other end of its socket.

    None where the system does not say (only Linux does), or where it has ended already.
    """
    if len(pids) == 1:
        return next(iter(pids))
    assert request.transport
    port = request.transport.get_extra_info("peername")[1]
    inodes = {
        fields[9]
        for line in _lines("/proc/net/tcp")
        if (fields := line.split())[1].endswith(f":{port:04X}")
    }
    for pid in pids:
        if inodes & _sockets(pid):
            return pid
    return None


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []


def _sockets(pid: int) -> set[str]:
    found = set()
    try:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            target = str(handle.readlink())
            if target.startswith("socket:["):
                found.add(target[len("socket:[") : -1])
    except OSError:
        pass
    return found
