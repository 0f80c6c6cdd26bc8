"""/docs-gaps as an admin asks for it in a chat, on every platform. No sending here."""

import asyncio
import logging
from typing import Final

from core.domain import Reply
from core.errors import DocentError, NotAdmin
from core.mishaps import log_mishap
from core.reception import Reception
from core.setting_reader import parse_duration

log = logging.getLogger(__name__)

COMMAND: Final = "/docs-gaps"
USUAL: Final = 7 * 86_400.0  # seconds
LONGEST: Final = 366 * 86_400.0
PARTS: Final = 4  # messages: Slack takes five answers to a command
SECONDS: Final = 30.0  # to make a report

UNREADABLE: Final = f"Write a time after the command, such as `{COMMAND} 7d` or `{COMMAND} 24h`."
BROKEN: Final = "The report failed. My log says why."
LATE: Final = "The report takes too long now. Please try again later, or with a shorter time."
CUT: Final = "… `docent report` has the rest."


def read_period(text: str) -> float | None:
    """The seconds that somebody means who writes `7d`; USUAL for nothing; None: it cannot be read.

    At most LONGEST.
    """
    if not text.strip():
        return USUAL
    seconds = parse_duration(text)
    return None if seconds is None else min(seconds, LONGEST)


async def answer(reception: Reception, platform: str, user: str, text: str) -> Reply:
    """What to tell the person who wrote `text` after the command, and nobody else.

    Raises nothing but CancelledError.
    """
    seconds = read_period(text)
    if seconds is None:
        return Reply(text=UNREADABLE)
    try:
        async with asyncio.timeout(SECONDS):
            return await reception.gaps(platform, user, seconds)
    except NotAdmin as refusal:
        mending = f"an operator can add {platform}:{user} to ADMINS."
        return Reply(text=f"{refusal} Your id is {user}: {mending}")
    except TimeoutError:
        return Reply(text=LATE)
    except DocentError as error:
        log.error("A report failed: %s", error)
        return Reply(text=BROKEN)
    except Exception as error:  # noqa: BLE001 (whatever it is, the admin hears of it)
        log_mishap(log, "A report failed", error)
        return Reply(text=BROKEN)
