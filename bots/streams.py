"""The standard streams of a command, which may be closed, full, or read by nobody any more."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from core.setting_reader import reason


class Output(io.TextIOWrapper):
    """Standard output that remembers why it could not be written."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write, as its base does."""
        with self._noted():
            return super().write(text)

    def flush(self) -> None:
        """Write what is in the buffer, as its base does."""
        with self._noted():
            super().flush()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise


def prepare_streams() -> bool:
    """Have standard output watched, and lead closed streams nowhere; whether it was open.

    Otherwise the next file that is opened, such as the database, would get the number of a closed
    stream, and with it what a library or a process that we start writes there.
    """
    is_open = sys.stdout is not None
    if sys.stdout is sys.__stdout__:  # not what a test has put there
        sys.stdout = _watched(sys.stdout)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the lowest free number is its own
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, nowhere)
    return is_open


def _watched(out: TextIO | None) -> Any:
    """Watch a stream, which must live on: when it goes, it closes what both write to."""
    if not isinstance(out, io.TextIOWrapper):
        return out
    return Output(
        out.buffer,
        encoding=out.encoding,
        errors=out.errors,
        line_buffering=out.line_buffering,
        write_through=out.write_through,
    )


def is_output_lost() -> bool:
    """Whether something that was printed cannot be written, and nobody has seen to that yet.

    The reason goes to standard error, unless it is that the reader went away, as in
    `docent doctor | head -1`.
    """
    out = sys.stdout
    if not isinstance(out, Output):
        return False
    with suppress(OSError):  # it is noted
        out.flush()
    if out.failure is None or _leads_nowhere(out.fileno()):
        return False
    if not isinstance(out.failure, BrokenPipeError):
        tell_lost(reason(out.failure))
    # What is left in the stream's buffer is written at the exit, which would fail once more.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)
    return True


def _leads_nowhere(file: int) -> bool:
    """Whether it does, as where a `Screen` lost its reader: its command has heard of that."""
    return os.path.samestat(os.fstat(file), Path(os.devnull).stat())


def tell_lost(why: str) -> None:
    """Say why nothing can be printed, where there is somebody to say it to."""
    with suppress(OSError):
        sys.stderr.write(f"The output cannot be written ({why}).\n")
