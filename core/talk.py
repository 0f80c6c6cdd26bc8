"""What people said in a thread beside the questions, for those that are asked in the middle of it.

Read from the platform when a run is created, and never kept: neither in our database nor in a log.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from core.domain import Exchange, MessageId, Said, Turn
from core.errors import PlatformError
from core.mishaps import log_mishap
from core.ports import Platform
from core.text import shortened

log = logging.getLogger(__name__)

MESSAGES = 30  # at most, the newest
CHARACTERS = 6_000  # of all together
OF_ONE = 2_000  # characters of one message: what people paste may be long
PATIENCE = 3.0  # seconds: a question is better answered without than late

#: What is asked by a mention alone, where people have talked before.
CALLED = "Somebody called you into this discussion: answer what is asked in it."


async def talk_before(
    platform: Platform,
    turn: Turn,
    follows: MessageId | None,
    history: Sequence[Exchange] | None = None,
) -> tuple[Said, ...]:
    """What was said before a question that its conversation does not know yet, bounded.

    That is what came since the turn before, whose message it `follows`; with `history`, which a new
    conversation begins with, all since the thread's root, without the questions in it. Never
    raises: where the platform does not tell in time, it is nothing.
    """
    after = None if history is not None else follows
    try:
        async with asyncio.timeout(PATIENCE):
            said = await platform.talk(turn.thread, after, turn.message, MESSAGES)
    except (PlatformError, TimeoutError) as error:
        why = str(error) or "no answer in time"
        log.info("Answered without the talk before", extra={"turn": turn.id, "because": why})
        return ()
    except Exception as error:  # noqa: BLE001 (a question is better answered without)
        log_mishap(log, "Answered without the talk before", error, turn=turn.id)
        return ()
    known = {part for each in history or () for part in _parts_of(each.question)}
    new = [each for each in said if each.text.strip() not in known]
    return bounded(new, keeps_first=after is None)


def bounded(talk: Sequence[Said], *, keeps_first: bool) -> tuple[Said, ...]:
    """As much of a talk as is passed on: the newest; `keeps_first`: and what it began with."""
    short = [
        replace(each, text=shortened(each.text.strip(), OF_ONE))
        for each in talk
        if each.text.strip()
    ]
    first = short[:1] if keeps_first else []
    left = CHARACTERS - sum(len(each.text) for each in first)
    newest: list[Said] = []
    for each in reversed(short[len(first) :][len(first) - MESSAGES :]):
        left -= len(each.text)
        if left < 0:
            break
        newest.append(each)
    return (*first, *reversed(newest))


def _parts_of(question: str) -> tuple[str, ...]:
    """A question, and those that it was put together from."""
    return (question.strip(), *(part.strip() for part in question.split("\n\n")))
