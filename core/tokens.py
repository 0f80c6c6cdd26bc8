"""What a platform wants to see with a private reply: a secret, good for some minutes."""

from dataclasses import dataclass, field
from typing import Protocol

from core.domain import MessageRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplyToken:
    """Lets whoever has it reply to one question, in private."""

    token: str = field(repr=False)
    expires_at: float


class Tokens(Protocol):
    """Keeps such secrets, so that a restart still replies. Methods raise StoreError."""

    async def put(self, question: MessageRef, person: str, token: ReplyToken) -> None:
        """Keep what lets us reply to a question of a person. The first one for it counts."""
        ...

    async def get(self, question: MessageRef) -> ReplyToken | None:
        """What lets us reply to a question; None where there is none, or it has expired."""
        ...
