"""A press of a button under a reply, and what came of it, as values."""

from dataclasses import dataclass

from core.domain import Button, MessageId, ThreadRef, TurnId


@dataclass(frozen=True, kw_only=True, slots=True)
class Press:
    """Somebody pressed a button under a reply, or says why."""

    platform: str
    tenant: str
    channel: str  #: where the button is
    thread: ThreadRef | None  #: the same, where the platform tells
    message: MessageId  #: that the button is under
    user: str
    turn: TurnId  #: as the button has it: not to be trusted
    button: Button
    at: float
    reason: str = ""  #: why a reply did not help, in the person's words


@dataclass(frozen=True, kw_only=True, slots=True)
class Pressed:
    """What came of a press."""

    said: str  #: to the person who pressed, and nobody else; "" where it can be seen
    asks_why: bool = False  #: whether the person may say why, by another press with a reason
    settled: bool = False  #: whether the buttons of that message have no more to do, and may go
    follows: bool = False  #: whether a reply follows: to the message that the button is under
