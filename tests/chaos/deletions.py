"""Questions that were deleted while they waited, and answered all the same: was that to be avoided?

Times are those of the monotonic clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chaos.fleet import Death
from chaos.plan import PlatformName

NOTICE_SECONDS: Final = 1.0  # for a server to see that whoever it tells something is dead
HEARD_SECONDS: Final = 10.0  # for a deletion to be heard of, also over a connection made anew


@dataclass(frozen=True, kw_only=True)
class InVain:
    """A deletion that did not keep its question from being answered."""

    platform: PlatformName
    deleted_at: float
    #: When somebody confirmed to have written it down; Discord knows no such thing.
    acknowledged_at: float | None
    #: When the run for the question ended: from then on a deletion comes too late.
    ended_at: float

    def excuse(self, deaths: Iterable[Death]) -> str | None:
        """Say why it was not heard of in time, where that is nobody's fault."""
        if self.acknowledged_at is not None and self.acknowledged_at < self.ended_at:
            return None
        if self.ended_at < self.deleted_at + HEARD_SECONDS:
            return f"the run ended {self.ended_at - self.deleted_at:.1f} s after the deletion"
        for death in deaths:
            # Slack tells it again later, Discord never tells it again.
            if (
                death.listened_to(self.platform)
                and self.deleted_at - NOTICE_SECONDS <= death.at <= self.ended_at
            ):
                return f"{death.name} was killed {death.at - self.deleted_at:+.1f} s after it"
        return None
