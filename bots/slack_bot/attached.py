"""The files of a message as Slack describes them -> what core hears of them. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.domain import Attached, MessageId

#: Documents of Slack's own, which have no content but a page in HTML.
_CANVASES: Final = frozenset({"canvas", "docs", "list", "quip", "space"})

OUTSIDE: Final = "it is kept outside of Slack"
DELETED: Final = "it was deleted"
HIDDEN: Final = "the plan of the workspace hides it"
CANVAS: Final = "it is a canvas"

_Json = Mapping[str, Any]
Files = tuple[tuple[Attached, ...], tuple[str, ...]]
"""Files that can be read, and the names of the others, each with why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ref:
    """What `Attached.ref` holds: how to get at a file."""

    id: str
    url: str  #: "": Slack tells it when it is asked for the file

    def written(self) -> str:
        """As it is kept."""
        return json.dumps({"id": self.id, "url": self.url})

    @classmethod
    def read(cls, text: str) -> "Ref":
        """Read what was kept."""
        kept = json.loads(text)
        return cls(id=str(kept["id"]), url=str(kept["url"]))


def files_of(message: _Json, channel: str, ts: str) -> Files:
    """Read the files of a message: those that can be read, and the names of the others."""
    readable: list[Attached] = []
    unread: list[str] = []
    for file in _files(message):
        name = name_of(file)
        if reason := why_not(file):
            unread.append(f"{name} ({reason})")
        elif (ref := ref_of(file)) is None:
            unread.append(name)
        else:
            readable.append(
                Attached(
                    name=name,
                    size=size_of(file),
                    media_type=_text(file, "mimetype"),
                    ref=ref.written(),
                    channel=channel,
                    message=MessageId(ts),
                )
            )
    return tuple(readable), tuple(unread)


def name_of(file: _Json) -> str:
    """Name a file; one from another workspace, or hidden by a plan's limit, may have no name."""
    return _text(file, "name") or _text(file, "title") or "a file"


def why_not(file: _Json) -> str:
    """Say why a file can never be read; "" where it may be."""
    mode = file.get("mode")
    if mode == "tombstone" or file.get("is_deleted"):
        return DELETED
    if mode == "hidden_by_limit":
        return HIDDEN
    if mode == "external" or file.get("is_external"):
        return OUTSIDE
    return CANVAS if mode in _CANVASES else ""


def ref_of(file: _Json) -> Ref | None:
    """How to get at a file; None where Slack does not even say which it is.

    Of one from another workspace an event may have the id alone (`check_file_info`).
    """
    number = _text(file, "id")
    url = _text(file, "url_private_download") or _text(file, "url_private")
    return Ref(id=number, url=url) if number or url else None


def size_of(file: _Json) -> int:
    """How many bytes Slack says that a file has; 0 where it does not."""
    size = file.get("size")
    return size if isinstance(size, int) and size > 0 else 0


def _files(message: _Json) -> Iterator[_Json]:
    files = message.get("files")
    for file in files if isinstance(files, list) else ():
        if isinstance(file, Mapping):
            yield file


def _text(file: _Json, name: str) -> str:
    value = file.get(name)
    return value if isinstance(value, str) else ""
