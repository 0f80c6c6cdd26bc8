"""Who is called when somebody asks for a human, and where the others hear of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.domain import ThreadRef, Turn

PeopleFor = Callable[[ThreadRef], tuple[str, ...]]
"""Who is called to a thread, by the platform's ids."""
TeamChannelFor = Callable[[ThreadRef], str | None]
"""Where others hear that people are called to a thread: `platform:channel`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Humans:
    """Who can be called."""

    people_for: PeopleFor
    team_channel_for: TeamChannelFor

    def can_be_called(self, turn: Turn) -> bool:
        """Whether anybody hears of it when people are called to the thread of a turn."""
        return bool(self.people_for(turn.thread)) or self.team_channel_for(turn.thread) is not None


def everywhere(people: Sequence[str], team_channel: str | None) -> Humans:
    """The same people in all threads of a platform; they are written `platform:id`."""

    def people_for(thread: ThreadRef) -> tuple[str, ...]:
        pairs = (one.partition(":") for one in people)
        return tuple(person for platform, _, person in pairs if platform == thread.platform)

    return Humans(people_for=people_for, team_channel_for=lambda _: team_channel)


NOBODY = everywhere((), None)
