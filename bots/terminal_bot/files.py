"""Files of this machine that are attached to what is asked at the terminal."""

import mimetypes
from pathlib import Path

from bots.download import GONE, too_large
from core.domain import Attached, MessageId
from core.errors import FileUnreadable


def find(typed: str) -> Path:
    """The file that somebody names, as typed or dropped into the terminal.

    Raises FileUnreadable, with what to do.
    """
    name = typed.strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1]
    if not name:
        raise FileUnreadable("Name a file, as in: /attach trace.log")
    try:
        path = Path(name).expanduser().absolute()
        if path.is_dir():
            raise FileUnreadable(f"{path} is a folder: attach its files, one at a time.")
        if not path.is_file():
            raise FileUnreadable(f"There is no file {path}.")
        with path.open("rb"):
            return path
    except (OSError, RuntimeError, ValueError) as error:  # no such home; no such name
        reason = getattr(error, "strerror", None) or "that is no path"
        raise FileUnreadable(f"{name} cannot be read: {reason}.") from error


def attached(path: Path, channel: str, message: MessageId) -> Attached:
    """What core hears of a file. Raises OSError where it is gone."""
    return Attached(
        name=path.name,
        size=path.stat().st_size,
        media_type=mimetypes.guess_type(path.name)[0] or "",
        ref=str(path),
        channel=channel,
        message=message,
    )


def read(file: Attached, limit: int) -> bytes:
    """See `Platform.read_file`."""
    try:
        with Path(file.ref).open("rb") as opened:
            data = opened.read(limit + 1)
    except FileNotFoundError:
        raise FileUnreadable(GONE) from None
    except OSError as error:
        raise FileUnreadable(f"it cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise too_large(limit)
    return data
