"""Standard input and output, made so that nothing in them ends, blocks or outlives a talk."""

import asyncio
import io
import os
import sys
from typing import Any

from rich.console import Console
from rich.theme import Theme

from bots.streams import tell_lost
from core.setting_reader import reason

# rich puts code on black, which is a stain on a light terminal.
PLAIN_CODE = Theme({"markdown.code": "bold cyan", "markdown.code_block": "cyan"})


class Screen(Console):
    """Standard output, which ends the talk in good order when it takes nothing any more."""

    def __init__(self, stop: asyncio.Event) -> None:
        """`stop` is set when the reader goes away, as in `docent chat | head`."""
        super().__init__(highlight=False, theme=PLAIN_CODE)
        self.soft_wrap = not self.is_terminal  # what reads a pipe wants lines as they are
        self.gone = False  #: whether the reader went away, or there is no room for the output
        self._stop = stop

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does. Where the output cannot be written, say so once, and stop."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.on_broken_pipe()
            tell_lost(reason(error))

    def on_broken_pipe(self) -> None:
        """Write nothing more, and stop. rich would raise SystemExit in the midst of a task."""
        self.gone = self.quiet = True
        # What is left in the stream's buffer is written at the exit, which would fail once more.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
        self._stop.set()


def open_screen(stop: asyncio.Event) -> Screen:
    """Make the screen of this process; characters that its encoding lacks are replaced."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        # Without the usual buffer: a thread that waits for input holds the buffer's lock, without
        # which Python cannot exit ("Fatal Python error: _enter_buffered_busy").
        raw = io.FileIO(sys.stdin.fileno(), closefd=False)
        sys.stdin = io.TextIOWrapper(raw, encoding=sys.stdin.encoding, errors="replace")
    return Screen(stop)
