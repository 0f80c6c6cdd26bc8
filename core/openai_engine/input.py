"""What goes into a conversation: questions with all that belongs to them, and earlier ones."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

from openai.types.responses import EasyInputMessageParam, ResponseInputItemParam

from core.domain import Exchange, Question
from core.openai_engine.attached import asked_items
from core.openai_engine.calls import told_before
from core.openai_engine.quoting import quoted
from core.openai_engine.transcript import marker


def asked_for(question: Question) -> list[ResponseInputItemParam]:
    """Write a question with all that belongs to it."""
    return [
        marker(question),
        *quoted(question.talk),
        *told_before(question.made, question.untold),
        *asked_items(question),
    ]


def _message(role: Literal["user", "assistant"], text: str) -> EasyInputMessageParam:
    return {"type": "message", "role": role, "content": text}


def messages(history: Sequence[Exchange]) -> Iterator[EasyInputMessageParam]:
    """Write earlier questions and their answers."""
    for exchange in history:
        if exchange.question and exchange.answer:  # an empty message is refused
            yield _message("user", exchange.question)
            yield _message("assistant", exchange.answer)


def safety_identifier(question: Question) -> str:
    """Name the author for OpenAI's abuse detection: always the same, and telling nothing."""
    thread = question.thread
    identity = "\n".join((thread.platform, thread.tenant, question.author))
    return hashlib.sha256(identity.encode()).hexdigest()
