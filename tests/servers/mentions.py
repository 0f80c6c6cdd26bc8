"""Mentions for tests that begin behind the adapters."""

import itertools
import time
from typing import Any

from core.domain import Mention, MessageId, Remark, ThreadRef

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
    at: float | None = None,
    **more: Any,
) -> Mention:
    """A mention with a message id that no other has, unless one is given."""
    return Mention(
        thread=ThreadRef(platform=platform, tenant=tenant, key=thread),
        channel=channel,
        message=MessageId(message or f"m{next(_numbers)}"),
        author=author,
        text=text,
        at=time.time() if at is None else at,
        unread=unread,
        **more,
    )


def remark(
    text: str = "And then?",
    *,
    to_others: bool = False,
    edited: bool = False,
    hidden: bool = False,
    **of_mention: Any,
) -> Remark:
    """A remark without a mention, with a message id that no other has, unless one is given."""
    said = mention(text, **of_mention)
    return Remark(mention=said, to_others=to_others, edited=edited, hidden=hidden)
