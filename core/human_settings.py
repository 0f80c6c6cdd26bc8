"""Who is called when somebody asks for a human, as the settings say it."""

import re

from core.platform_ids import CHANNEL, PERSON
from core.setting_reader import Reader


def read_humans(reader: Reader) -> tuple[str, ...]:
    """Read HUMANS; what is wrong with it goes to the reader's problems."""
    people: list[str] = []
    for entry in reader.list("HUMANS"):
        person = person_of(entry)
        if person is not None:
            people.append(person)
        else:
            reader.problem(
                f"HUMANS has {entry!r}: write slack:S0123456 (a user group) or slack:U0123456, "
                "discord:&123456789 (a role) or discord:123456789."
            )
    return tuple(dict.fromkeys(people))


def person_of(entry: str) -> str | None:
    """Write one entry in full, `platform:id`; None where it names nobody."""
    full = entry
    if re.fullmatch(r"&?\d+", entry):
        full = f"discord:{entry}"
    elif re.fullmatch(r"[SUW][A-Z0-9]+", entry):
        full = f"slack:{entry}"
    return full if re.fullmatch(PERSON, full) else None


def read_channel(reader: Reader, name: str, platforms: dict[str, bool]) -> str | None:
    """Read a setting that names a channel of one of the platforms whose tokens are set."""
    text = reader.optional(name)
    if text is None:
        return None
    if not re.fullmatch(CHANNEL, text):
        reader.problem(
            f"{name} is {text!r}: write slack:C0123456 or discord:123456789 "
            "(a channel's id, not its name)."
        )
        return None
    platform = text.partition(":")[0]
    if not platforms[platform]:
        reader.problem(f"{name} is on {platform}, but the tokens of {platform} are not set.")
    return text
