"""Mentions for tests that begin behind the adapters."""

import itertools
import time

from core.domain import Mention, MessageId, ThreadRef

_numbers = itertools.count(1)


def mention(
    text: str = "How do I start?",
    *,
    thread: str = "t1",
    author: str = "U1",
    platform: str = "slack",
    tenant: str = "T1",
    channel: str = "C1",
    message: str | None = None,
    unread: tuple[str, ...] = (),
) -> Mention:
    """A mention with a message id that no other has, unless one is given."""
    return Mention(
        thread=ThreadRef(platform=platform, tenant=tenant, key=thread),
        channel=channel,
        message=MessageId(message or f"m{next(_numbers)}"),
        author=author,
        text=text,
        at=time.time(),
        unread=unread,
    )
