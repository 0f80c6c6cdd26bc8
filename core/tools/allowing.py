"""Who may use a tool."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.platform_ids import CHANNEL, USER
from core.tools.marking import Asker

ADMINS = "admins"
FORMS = 'write "admins", "slack:U0123456", "discord:123456789", "in:slack:C0123456" for a channel'

_PERSON = re.compile(rf"{USER}|terminal:\w+", re.ASCII)
_CHANNEL = re.compile(rf"in:({CHANNEL})", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """Those who may; nobody named: everybody may. One that fits is enough."""

    people: frozenset[str] = frozenset()  #: written `platform:id`
    channels: frozenset[str] = frozenset()  #: written `platform:id`
    admins: bool = False

    def lets(self, asker: Asker, admins: Collection[str]) -> bool:
        """Whether the asker may; `admins` are written `platform:id`."""
        if not (self.people or self.channels or self.admins):
            return True
        person = f"{asker.platform}:{asker.user}"
        places = (asker.channel, asker.parent)
        return (
            person in self.people
            or (self.admins and person in admins)
            or any(place and f"{asker.platform}:{place}" in self.channels for place in places)
        )


def read_allowed(entries: Sequence[object]) -> Allowed:
    """Read the entries of `allow`. Raises ValueError, naming the one that means nothing."""
    people, channels = set[str](), set[str]()
    for entry in entries:
        if not isinstance(entry, str):
            raise ValueError(f"allows {entry!r:.80}")
        if channel := _CHANNEL.fullmatch(entry):
            channels.add(channel[1])
        elif _PERSON.fullmatch(entry):
            people.add(entry)
        elif entry != ADMINS:
            raise ValueError(f"allows {entry!r:.80}")
    return Allowed(people=frozenset(people), channels=frozenset(channels), admins=ADMINS in entries)
