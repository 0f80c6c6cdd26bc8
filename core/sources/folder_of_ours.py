"""Temporary folders that are found and removed when the process that made them was killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PREFIX = "docent-git-"


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderOfOurs:
    """A folder that its process holds a lock on: the lock ends with the process, however it ends.

    A number of the process in its name would not do: numbers are used again, and mean nothing in
    another container with the same temporary folder.
    """

    path: Path
    lock: int  #: the descriptor by which it is held; programs that we start do not get it

    @classmethod
    def make(cls) -> Self:
        """Remove what killed processes left, then make a folder. Raises OSError."""
        with contextlib.suppress(OSError):
            for left in _left():
                shutil.rmtree(left, ignore_errors=True)
        while True:
            path = Path(tempfile.mkdtemp(prefix=PREFIX))
            lock = _locked(path)
            if lock is not None and path.exists():
                return cls(path=path, lock=lock)
            _close(lock)  # another process took it for one that was left, before we had the lock

    def remove(self) -> None:
        """Remove the folder with all that is in it, as far as that can be done."""
        shutil.rmtree(self.path, ignore_errors=True)
        _close(self.lock)


def _left() -> Iterator[Path]:
    """Folders of ours that nobody holds; each is held by us while the caller has it."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = _locked(path)
        if lock is None:
            continue
        try:
            if os.fstat(lock).st_uid == os.geteuid():
                yield path
        finally:
            _close(lock)


def _locked(path: Path) -> int | None:
    """Hold a folder (not what a link leads to), if nobody else does."""
    lock = None
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _close(lock)
        return None
    return lock


def _close(lock: int | None) -> None:
    if lock is not None:
        with contextlib.suppress(OSError):
            os.close(lock)
