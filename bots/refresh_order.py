"""A refresh as it is ordered in a chat, on every platform: who, of what, and how it came out.

Where pages are withheld, the outcome has buttons. They say all that is needed to carry on, so that
they work in every process and after a restart; who presses one is judged anew. No sending here.
"""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bots.refresh_text import KEPT, question, summary
from core.documents import OnProgress, removals_key
from core.errors import DocentError, NotAdmin, RefreshBusy
from core.mishaps import log_mishap
from core.reception import Reception

log = logging.getLogger(__name__)

BROKEN: Final = "The refresh failed. My log says why."
OUTDATED: Final = "That was asked too long ago. Run /refresh-docs again to see how it is now."
CHANGED: Final = "The sources have changed since that was asked. Run /refresh-docs again."
#: How long a refresh gets to end before anything is said of its progress: refusals come first.
EARLY_SECONDS: Final = 1.0
#: How long a button works: what is gone from the sources may be something else by then.
ASKED_FOR_SECONDS: Final = 24 * 3600.0

_KEY_LENGTH: Final = 16
_BUTTON: Final = re.compile(r"refresh:(remove|keep):(([0-9a-f]{16}|all):(\d{1,12}):([0-9a-f]{16}))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A refresh that somebody asks for."""

    platform: str
    user: str
    source: str | None = None  #: None: of all sources
    confirm: str | None = None  #: the key of the pages that are to go, as they were shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Button:
    """A button under an outcome."""

    label: str
    id: str  #: at most 100 characters of [a-z0-9:]
    dangerous: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the person is told in the end, as plain text."""

    text: str
    buttons: Sequence[Button] = ()
    begun: bool = True  #: False: this person may not, or another refresh is under way


@dataclass(frozen=True, kw_only=True, slots=True)
class Pressed:
    """What a button said."""

    removes: bool
    source: str | None  #: a key of it
    at: int  #: when it was shown
    pages: str  #: a key of those that it was about


async def carry_out(reception: Reception, order: Order, on_progress: OnProgress) -> Outcome:
    """Refresh, and say how it came out. Raises nothing but CancelledError."""
    try:
        report = await reception.refresh(
            order.platform, order.user, on_progress, source=order.source, confirm=order.confirm
        )
    except NotAdmin as refusal:
        mending = f"an operator can add {order.platform}:{order.user} to ADMINS."
        return Outcome(text=f"{refusal} Your id is {order.user}: {mending}", begun=False)
    except RefreshBusy as busy:
        return Outcome(text=str(busy), begun=False)
    except DocentError as error:  # written for people
        return Outcome(text=str(error))
    except Exception as error:  # noqa: BLE001 (whatever it is, the admin hears of it)
        log_mishap(log, "A refresh failed", error)
        return Outcome(text=BROKEN)
    if report.withheld:
        text = question(report, again=order.confirm is not None)
        return Outcome(text=text, buttons=_buttons(report.withheld, order.source))
    return Outcome(text=summary(report))


async def soon(run: "asyncio.Task[Outcome]") -> Outcome | None:
    """The outcome of a refresh that ends within EARLY_SECONDS, else None."""
    await asyncio.wait((run,), timeout=EARLY_SECONDS)
    return run.result() if run.done() and not run.cancelled() else None


def find_source(given: str, sources: Sequence[str]) -> str | None:
    """The source that somebody means; what is unknown as it was given; nothing for nothing."""
    given = given.strip()
    for source in sources:
        if given in (source, key_of(source)) or _loose(given) == _loose(source):
            return source
    return given or None


def key_of(source: str) -> str:
    """A short name of a source for machines; its own may be longer than a button can say."""
    return hashlib.sha256(source.encode()).hexdigest()[:_KEY_LENGTH]


def is_button(text: str) -> bool:
    """Whether this is the id of a button of ours."""
    return _BUTTON.fullmatch(text) is not None


def order_of(button: str, platform: str, user: str, sources: Sequence[str]) -> Order | Outcome:
    """What is to be done where somebody presses a button; or what there is to say instead."""
    pressed = _read(button)
    if pressed is None or _now() - pressed.at > ASKED_FOR_SECONDS:
        return Outcome(text=OUTDATED)
    if not pressed.removes:
        return Outcome(text=KEPT)
    if pressed.source is None:
        return Order(platform=platform, user=user, confirm=pressed.pages)
    source = find_source(pressed.source, sources)
    if source not in sources:
        return Outcome(text=CHANGED)
    return Order(platform=platform, user=user, source=source, confirm=pressed.pages)


def asked_by(button: str) -> str:
    """The question that a button is under: the same for both of its buttons."""
    match = _BUTTON.fullmatch(button)
    return match.group(2) if match else button


def _buttons(urls: Sequence[str], source: str | None) -> Sequence[Button]:
    about = f"{key_of(source) if source else 'all'}:{int(_now())}:{removals_key(urls)}"
    pages = "page" if len(urls) == 1 else "pages"
    return (
        Button(label=f"Remove {len(urls)} {pages}", id=f"refresh:remove:{about}", dangerous=True),
        Button(label="Keep them", id=f"refresh:keep:{about}"),
    )


def _read(button: str) -> Pressed | None:
    match = _BUTTON.fullmatch(button)
    if match is None:
        return None
    what, _, source, at, pages = match.groups()
    about = None if source == "all" else source
    return Pressed(removes=what == "remove", source=about, at=int(at), pages=pages)


def _loose(source: str) -> str:
    return source.casefold().rstrip("/")


def _now() -> float:
    return time.time()
