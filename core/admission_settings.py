"""Who is answered, and where, as the settings say it; see `core.settings.Admission`."""

import re

from core.platform_ids import BOT, GUILD, ROLE, SHARED_CHANNEL
from core.setting_reader import Reader
from core.settings import Admission


def read_admission(reader: Reader) -> Admission:
    """Read the allow-lists; what is wrong with them goes to the reader's problems."""
    example = "slack:C0123456 or discord:123456789"
    return Admission(
        channels=_ids(reader, "ALLOW_CHANNELS", SHARED_CHANNEL, "[CG]", example),
        guilds=_ids(reader, "ALLOW_GUILDS", GUILD, "[TE]", "discord:123456789 or slack:T0123"),
        roles=_ids(reader, "ALLOW_ROLES", ROLE, None, "discord:123456789, for roles of Discord"),
        bots=_ids(reader, "ALLOW_BOTS", BOT, "[BUW]", "slack:B0123456 or discord:123456789"),
        external=reader.flag("ALLOW_EXTERNAL"),
        direct_messages=reader.flag("DIRECT_MESSAGES"),
    )


def _ids(
    reader: Reader, name: str, form: str, of_slack: str | None, example: str
) -> frozenset[str]:
    """The ids of a list, in full: bare numbers are Discord's, others Slack's."""
    ids = set()
    for entry in reader.list(name):
        full = entry
        if entry.isdecimal():
            full = f"discord:{entry}"
        elif of_slack and re.fullmatch(f"{of_slack}[A-Z0-9]+", entry):
            full = f"slack:{entry}"
        if re.fullmatch(form, full):
            ids.add(full)
        else:
            reader.problem(f"{name} has {entry!r}: write {example} (an id, not a name).")
    return frozenset(ids)
