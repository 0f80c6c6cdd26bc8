"""What people say and press, for tests that begin behind the adapters."""

import itertools
import time
from typing import Any

from core.domain import Button, Mention, MessageId, Remark, ThreadRef, TurnId
from core.press import Press

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


def press(
    button: Button, *, to: Mention | None = None, user: str = "U1", turn: int = 1, **changes: Any
) -> Press:
    """A press below the reply to a turn, and to this mention where it is to tell the thread."""
    below = to or mention()
    given: dict[str, Any] = {
        "platform": below.thread.platform,
        "tenant": below.thread.tenant,
        "channel": below.channel,
        "thread": to.thread if to else None,
        "message": MessageId(f"reply{turn}"),
        "user": user,
        "turn": TurnId(turn),
        "button": button,
        "at": time.time(),
    }
    return Press(**(given | changes))
