"""How many questions a person, and a channel, may ask in a time: the others are refused politely.

Whether a question is refused depends on the turns before it alone, so that every process says the
same. A question that was let through stays so: what counts can only become less.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from core.domain import Reply
from core.settings import Limit
from core.store.counting import Filled

MINUTE, HOUR, DAY = 60, 3_600, 86_400  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A question that was one too many."""

    limit: Limit
    of: Literal["person", "channel"]
    wait: float  #: seconds until asking again helps; 0: now


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits that an operator has set; None: there is none."""

    user: Limit | None
    channel: Limit | None
    #: platforms where nothing is limited: who sits at the machine pays for it
    unlimited: Collection[str] = ("terminal",)

    def on(self, platform: str) -> "Limits":
        """Those of them that hold on a platform."""
        return replace(self, user=None, channel=None) if platform in self.unlimited else self

    def refusal(self, filled: Filled, now: float) -> Refusal | None:
        """Say which limit a turn goes beyond, before which they were filled: the longer one."""
        refusals = []
        if self.user and filled.person is not None:
            wait = max(0.0, filled.person + self.user.seconds - now)
            refusals.append(Refusal(limit=self.user, of="person", wait=wait))
        if self.channel and filled.channel is not None:
            wait = max(0.0, filled.channel + self.channel.seconds - now)
            refusals.append(Refusal(limit=self.channel, of="channel", wait=wait))
        return max(refusals, key=lambda refusal: refusal.wait, default=None)


def reply(refusal: Refusal) -> Reply:
    """What to say to the asker."""
    count = refusal.limit.count
    questions = "1 question" if count == 1 else f"{count} questions"
    period = _period(refusal.limit.seconds)
    if refusal.of == "person":
        said = f"You have asked {questions} in the last {period}, which is the limit here."
    else:
        were = "was" if count == 1 else "were"
        said = f"{questions} {were} asked in this channel in the last {period}, which is its limit."
    again = f"in about {_rounded_up(refusal.wait)}" if refusal.wait > 0 else "now"
    return Reply(text=f"{said} Please ask again {again}.")


def _period(seconds: float) -> str:
    """Name a length of time as it was set: "10 minutes", "hour", "90 seconds"."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second")):
        if seconds >= unit and seconds % unit == 0:
            return name if seconds == unit else f"{seconds / unit:.0f} {name}s"
    return f"{seconds:g} seconds"


def _rounded_up(seconds: float) -> str:
    """Name a time to wait so that it is over then: "10 seconds", "4 minutes", "2 hours"."""
    for unit, most, name in ((10, 60, "second"), (MINUTE, 60, "minute"), (HOUR, 24, "hour")):
        units = math.ceil(seconds / unit)
        if unit == 10:  # seconds by the ten
            units *= 10
        if units < most:
            return f"1 {name}" if units == 1 else f"{units} {name}s"
    days = math.ceil(seconds / DAY)
    return "1 day" if days == 1 else f"{days} days"
