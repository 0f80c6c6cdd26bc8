"""`docent doctor`: check what can be checked before anybody asks a question."""

import argparse
import socket
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bots.app import open_store
from bots.commands.tool_list import has_tools, told_in_vain, told_tools
from bots.discord_bot import checkup as discord_checkup
from bots.slack_bot import checkup as slack_checkup
from core.channels import Channels, load_channels
from core.config import load_settings
from core.documents import Listed
from core.errors import ConfigError, DocentError, StoreError
from core.gap_replies import counted
from core.log import set_up_logging
from core.openai_engine import checkup as openai_checkup
from core.refresh import was_tried
from core.refresh.names import by_any_name
from core.setting_reader import reason
from core.settings import Settings
from core.sources import make_sources

Check = Awaitable[str] | str | None
"""What is found when it is looked at; why it is not looked at; None: it is not set up."""


class Note(str):
    """Something that is found, and works, but not as somebody may think."""

    __slots__ = ()


WELL, NOTE, MEND, UNUSED = "ok", "note", "MEND", "-"
NEXT_LINE = "\n" + " " * 21  # below what was said first
NOT_WRITABLE = (
    "It can be read, but nothing can be written: see to the rights on the file and its folder, to "
    "the room on the disk, or to the rights of the user in DATABASE_URL."
)

NOT_LOOKED_AT = "not looked at: mend {} first"
NOT_REFRESHED = (
    "nothing was refreshed yet. `docent run` does so when it starts; `docent refresh` does it now."
)
NOTHING_FOUND = "the last refresh left none. `docent refresh` tries again, and says why."


async def main(options: argparse.Namespace) -> int:
    """Print one line a check; 0 when all is well, 1 when something needs mending."""
    settings = load_settings()
    # At DEBUG the log says more than a line has room for, such as why a file of TOOLS fails.
    set_up_logging("DEBUG" if settings.log_level == "DEBUG" else "ERROR", "text")
    marks: dict[str, str] = {}
    for subject, check in _checks(settings, marks):
        mark, said = await _outcome(check)
        marks[subject] = mark
        print(f"{mark:<4}  {subject:<14} {said}")
    if MEND in marks.values():
        print("Mend what is marked, then run `docent doctor` again.")
        return 1
    print("Nothing has to be mended; read the notes." if NOTE in marks.values() else "All is well.")
    return 0


def _checks(settings: Settings, marks: Mapping[str, str]) -> Iterator[tuple[str, Check]]:
    """What is checked, in order; `marks` has what came of those before."""
    yield "settings", _check_settings(settings)
    yield "database", _check_database(settings)
    yield "documentation", _check_documentation(settings)
    yield "engine", _check_engine(settings)
    yield "tools", _check_tools(settings) if has_tools(settings) else None
    yield "slack", slack_checkup.check(settings.slack) if settings.slack else None
    yield "discord", discord_checkup.check(settings.discord) if settings.discord else None
    if _is_called(settings):
        yield "port", _check_port(settings.port)
    there = _There(settings, frozenset(name for name, mark in marks.items() if mark == MEND))
    channels, check = _channels(there)
    yield "channels", check
    yield "humans", _check_people(there, channels)
    yield "team channel", there.check_channel(settings.team_channel)
    yield "ops channel", there.check_channel(settings.ops_channel)
    yield "digest channel", there.check_channel(settings.digest_channel)


async def _outcome(check: Check) -> tuple[str, str]:
    if check is None or isinstance(check, str):
        return UNUSED, check or "not set up"
    try:
        said = await check
        return NOTE if isinstance(said, Note) else WELL, said
    except ConfigError as error:
        return MEND, NEXT_LINE.join(error.problems)
    except DocentError as error:
        return MEND, str(error)


async def _check_settings(settings: Settings) -> str:
    said = "can be read"
    return Note(NEXT_LINE.join((said, *settings.slips))) if settings.slips else said


async def _check_database(settings: Settings) -> str:
    async with open_store(settings) as store:
        states, tried = await store.documents.states(), await was_tried(store)
        try:
            await store.values.try_out()
        except StoreError as error:
            raise StoreError(f"{error} {NOT_WRITABLE}") from error
    kind = settings.database_url.partition(":")[0]
    said = f"{kind}, with {counted(len(states), 'page')} of documentation"
    lacking = sum(settings.engine not in state.copies for state in states)
    if lacking:  # as after the first key of OpenAI: every question would get the fallback
        where = f"of which the engine {settings.engine} lacks {lacking}"
        raise StoreError(f"{said}, {where}. Run `docent refresh`.")
    if not states and settings.docs_sources:
        return Note(f"{said}: {NOTHING_FOUND if tried else NOT_REFRESHED}")
    return said


async def _check_documentation(settings: Settings) -> str:
    if not settings.docs_sources:
        raise ConfigError(["DOCS_SOURCES is not set: there is nothing to answer from."])
    counts = []
    for source in make_sources(settings.docs_sources, allow_private=settings.docs_allow_private):
        try:
            listed = await source.list()
            counts.append(f"{source.name} has {counted(len(listed), 'page')}{_hint(listed)}")
        finally:
            await source.close()
    return ", ".join(counts)


def _is_called(settings: Settings) -> bool:
    """Whether `docent run` takes requests over HTTP."""
    by_slack = settings.slack is not None and settings.slack.app_token is None
    return by_slack or settings.docs_webhook_secret is not None


async def _check_port(port: int) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 (for no longer than it takes)
        except OSError as error:
            return Note(
                f"{port} cannot be had now ({reason(error)}): a Docent that runs has it, or set "
                "PORT to a free one"
            )
    return f"{port} is free"


@dataclass(frozen=True, slots=True)
class _There:
    """What can be looked at on platforms: all that is set up, and was found to work."""

    settings: Settings
    broken: frozenset[str]  #: the checks that ended in MEND, those of platforms among them

    def check_channel(self, named: str | None) -> Check:
        """Look whether the bot may post in a channel, written `platform:channel`."""
        name, _, channel = (named or "").partition(":")
        if name in self.broken:
            return NOT_LOOKED_AT.format(name)
        if name == "slack" and self.settings.slack:
            return slack_checkup.check_channel(self.settings.slack, channel)
        if name == "discord" and self.settings.discord:
            return discord_checkup.check_channel(self.settings.discord, channel)
        return None

    def check_people(self, platform: str, ids: Sequence[str]) -> Check:
        """Look whether there are these people."""
        if platform in self.broken:
            return f"{len(ids)} on {platform} {NOT_LOOKED_AT.format(platform)}"
        if platform == "slack" and self.settings.slack:
            return slack_checkup.check_people(self.settings.slack, ids)
        if platform == "discord" and self.settings.discord:
            return discord_checkup.check_people(self.settings.discord, ids)
        return f"{len(ids)} on {platform}, whose tokens are not set"


def _channels(there: _There) -> tuple[Channels, Check]:
    """What is said of single channels, as far as it can be read, and what is found of that."""
    settings = there.settings
    path = Path(settings.channels_file)
    if path == Path():
        return Channels(), None
    try:
        sources = make_sources(settings.docs_sources, allow_private=settings.docs_allow_private)
    except ConfigError:  # which the line of the documentation tells
        return Channels(), "not looked at: mend DOCS_SOURCES first, which it may name"
    try:
        required, names = settings.channels_required, by_any_name(sources)
        channels = load_channels(path, required=required, sources=names)
    except ConfigError as error:
        return Channels(), _found(error)
    return channels, _check_channels(there, channels)


async def _found(error: ConfigError) -> str:
    raise error


async def _check_channels(there: _There, channels: Channels) -> str:
    settings = there.settings
    if channels == Channels():
        return f"{settings.channels_file} is not there, or says nothing: all channels are alike"
    teams = {policy.team_channel for policy in channels.policies} - {None, settings.team_channel}
    problems: list[str] = []
    unseen: set[str] = set()
    for team in sorted(filter(None, teams)):
        platform = team.partition(":")[0]
        if platform in there.broken:
            unseen.add(f"; team channels on {platform} were {NOT_LOOKED_AT.format(platform)}")
            continue
        mark, said = await _outcome(there.check_channel(team))
        if mark == UNUSED:
            said = f"the tokens of {platform} are not set."
        if mark != WELL:
            problems.append(f"{settings.channels_file} has the team_channel {team}: {said}")
    if problems:
        raise ConfigError(problems)
    return f"{settings.channels_file} has {len(channels.channels)} of them{''.join(sorted(unseen))}"


def _check_people(there: _There, channels: Channels) -> Check:
    """Look for those who are called, anywhere; None where nobody is."""
    everywhere = (there.settings.humans, *(policy.humans or () for policy in channels.policies))
    people = tuple(dict.fromkeys(person for some in everywhere for person in some))
    platforms = {person.partition(":")[0] for person in people}
    if platforms and platforms <= there.broken:
        return NOT_LOOKED_AT.format(" and ".join(sorted(platforms)))
    return _look_for(there, people) if people else None


async def _look_for(there: _There, people: Sequence[str]) -> str:
    said: list[str] = []
    problems: list[str] = []
    for platform in dict.fromkeys(person.partition(":")[0] for person in people):
        ids = [one.partition(":")[2] for one in people if one.startswith(f"{platform}:")]
        mark, told = await _outcome(there.check_people(platform, ids))
        (problems if mark == MEND else said).append(told)
    if problems:
        raise ConfigError(problems)
    return ", ".join(said)


def _hint(listed: Sequence[Listed]) -> str:
    if any(entry.url.startswith("file:") for entry in listed):
        return " (cited as files: write folder=https://… for links that others can open)"
    return ""


async def _check_engine(settings: Settings) -> str:
    if settings.engine == "local" or settings.openai is None:
        return "local: answers with passages, without a language model"
    return f"openai: {await openai_checkup.check(settings.openai)}"


async def _check_tools(settings: Settings) -> str:
    said = "; ".join(told_tools(settings))
    in_vain = told_in_vain(settings)
    if in_vain is None:
        return said
    return Note(NEXT_LINE.join(filter(None, (said, in_vain))))
