"""The files of a message as Discord describes them -> what core hears of them. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import discord

from core.domain import Attached, MessageId


@dataclass(frozen=True, kw_only=True, slots=True)
class Ref:
    """What `Attached.ref` holds: how to get at a file. Its link is good for a day or so."""

    id: int
    url: str

    def written(self) -> str:
        """As it is kept."""
        return json.dumps({"id": self.id, "url": self.url})

    @classmethod
    def read(cls, text: str) -> "Ref":
        """Read what was kept."""
        kept = json.loads(text)
        return cls(id=int(kept["id"]), url=str(kept["url"]))


def attachments_of(message: discord.Message) -> Iterator[discord.Attachment]:
    """The files of a message, and those of the messages that it forwards."""
    yield from message.attachments
    for snapshot in message.message_snapshots:
        yield from snapshot.attachments


def attached(
    files: Iterable[discord.Attachment], channel: int, message: int
) -> tuple[Attached, ...]:
    """What core hears of files that are attached to a message."""
    return tuple(
        Attached(
            name=file.filename,
            size=file.size,
            media_type=(file.content_type or "").partition(";")[0].strip(),
            ref=Ref(id=file.id, url=file.url).written(),
            channel=str(channel),
            message=MessageId(str(message)),
        )
        for file in files
    )
