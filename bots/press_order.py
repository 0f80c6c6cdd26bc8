"""A press of a button under a reply as it is handed over, on every platform. No sending here."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from core.domain import Button
from core.errors import StoreError
from core.mishaps import log_mishap
from core.press import Press, Pressed
from core.reception import Reception

log = logging.getLogger(__name__)

STORE_SECONDS: Final = 2.0  #: for the database, of the 3 s in which platforms wait

LABELS: Final[Mapping[Button, str]] = {
    Button.HELPFUL: "Helpful",
    Button.UNHELPFUL: "Not helpful",
    Button.AGAIN: "Try again",
    Button.HUMAN: "Ask a human",
    Button.STOP: "Stop",
    Button.QUIET: "Be quiet here",
    Button.SHARE: "Share in channel",
    Button.CONFIRM: "Confirm",
    Button.DENY: "Cancel",
}
WHY: Final = "What was wrong, or missing?"
TRY_AGAIN: Final = "That did not work. Please try again in a moment."


async def hand_over(reception: Reception, press: Press) -> Pressed | None:
    """Tell core; None where that did not work. Never raises."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await reception.press(press)
    except (StoreError, TimeoutError) as error:
        reason = str(error) or "the database does not reply in time"
        log.error("A press was not written down", extra={"reason": reason})
    except Exception as error:  # noqa: BLE001 (one odd press must not end the intake)
        log_mishap(log, "A press could not be handed over", error)
    return None
