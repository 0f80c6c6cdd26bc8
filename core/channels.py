"""What holds in one channel and not in all: read from a TOML file, checked, and looked up.

The file is read at the start and again when it is asked for; a new one that is broken changes
nothing. How it is written is in docs/channels.md.
"""

import difflib
import logging
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from core.domain import Guide, ThreadRef, Turn
from core.errors import ConfigError
from core.human_settings import person_of
from core.platform_ids import CHANNEL, GUILD
from core.setting_reader import reason, remedy
from core.settings import FollowUps, Settings

log = logging.getLogger(__name__)

LONGEST_INSTRUCTIONS = 8_000  # characters; they are sent with every question
LONGEST_LANGUAGE = 60
ALERT = "channels_file"  # the key of its trouble

_CHANNEL = re.compile(CHANNEL)
_GUILD = re.compile(GUILD)
_FORMS = {"channels": _CHANNEL, "guilds": _GUILD}
_EXAMPLES = {
    "channels": "slack:C0123456 or discord:123456789",
    "guilds": "discord:123456789 or slack:T0123456",
}

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelPolicy:
    """What is said of a channel. None: nothing, so that what is said in general counts."""

    instructions: str | None = None
    sources: tuple[str, ...] | None = None  #: as `PageSource.name` has them; (): all of them
    language: str | None = None
    humans: tuple[str, ...] | None = None  #: written as in HUMANS
    team_channel: str | None = None  #: written `platform:channel`
    follow_ups: FollowUps | None = None
    streaming: bool | None = None

    @property
    def guide(self) -> Guide:
        """The part of it that engines heed."""
        return Guide(
            instructions=self.instructions or "",
            language=self.language or "",
            sources=self.sources or (),
        )

    def over(self, general: "ChannelPolicy") -> "ChannelPolicy":
        """This, and what `general` says where this says nothing."""
        own = {name: getattr(self, name) for name in KEYS}
        return ChannelPolicy(
            **{name: getattr(general, name) if own[name] is None else own[name] for name in KEYS}
        )


KEYS = tuple(each.name for each in fields(ChannelPolicy))


@dataclass(frozen=True, kw_only=True, slots=True)
class Channels:
    """All that one file says. Keys are written `platform:id`."""

    defaults: ChannelPolicy = field(default_factory=ChannelPolicy)
    guilds: Mapping[str, ChannelPolicy] = field(default_factory=dict)
    channels: Mapping[str, ChannelPolicy] = field(default_factory=dict)

    def of(self, platform: str, channel: str, tenant: str = "") -> ChannelPolicy:
        """What holds in a channel: its own table first, then its guild's, then the defaults."""
        nothing = ChannelPolicy()
        own = self.channels.get(f"{platform}:{channel}", nothing)
        return own.over(self.guilds.get(f"{platform}:{tenant}", nothing)).over(self.defaults)

    @property
    def policies(self) -> tuple[ChannelPolicy, ...]:
        """What it says, of whichever place."""
        return (self.defaults, *self.guilds.values(), *self.channels.values())

    @property
    def has_sources(self) -> bool:
        """Whether there is a place where not all sources count."""
        return any(policy.sources for policy in self.policies)


class ChannelsInForce:
    """The configuration that counts now; callables of it stay good when it is read anew."""

    def __init__(
        self,
        settings: Settings,
        sources: Mapping[str, str],
        channel_of: Callable[[ThreadRef], str],
    ) -> None:
        """Read the file that the settings name; what it does not say, they do.

        `sources` has every name that a source may be called by, with the name that pages have it
        under; `channel_of` says in which channel a thread hangs. Raises ConfigError.
        """
        self._path = Path(settings.channels_file)
        self._required = settings.channels_required
        self._sources = sources
        self._channel_of = channel_of
        self._settings = ChannelPolicy(
            humans=settings.humans,
            team_channel=settings.team_channel,
            follow_ups=settings.follow_ups,
            streaming=settings.streaming,
        )
        self.current = self._read()

    def reload(self, on_trouble: Callable[[str, str | None], None]) -> bool:
        """Read the file again; where it cannot be used, what was read before stays in force.

        Returns whether the new one counts; else `on_trouble` hears what is wrong. Never raises.
        """
        try:
            self.current = self._read()
        except ConfigError as error:
            for problem in error.problems:
                log.error("%s", problem)
            on_trouble(ALERT, _trouble(self._path, error.problems))
            return False
        on_trouble(ALERT, None)
        log.info("Channels are configured anew", extra={"channels": len(self.current.channels)})
        return True

    def policy_of(self, thread: ThreadRef) -> ChannelPolicy:
        """What holds in a thread: that of the channel that it hangs in."""
        channel = self._channel_of(thread)
        return self.current.of(thread.platform, channel, thread.tenant).over(self._settings)

    def guide_for(self, turn: Turn) -> Guide:
        """How a question is to be answered."""
        return self.policy_of(turn.thread).guide

    def follow_ups_for(self, thread: ThreadRef) -> FollowUps:
        """Which messages of a thread are questions."""
        return self.policy_of(thread).follow_ups or "thread"

    def streaming_for(self, turn: Turn) -> bool:
        """Whether an answer is shown as it is written."""
        return self.policy_of(turn.thread).streaming is not False

    def people_for(self, thread: ThreadRef) -> tuple[str, ...]:
        """Whom to call in a thread: by the platform's ids."""
        pairs = (each.partition(":") for each in self.policy_of(thread).humans or ())
        return tuple(person for platform, _, person in pairs if platform == thread.platform)

    def team_channel_for(self, thread: ThreadRef) -> str | None:
        """Where others hear that somebody is called, written `platform:channel`."""
        return self.policy_of(thread).team_channel

    def _read(self) -> Channels:
        if self._path == Path():
            return Channels()  # somebody wants none
        return load_channels(self._path, required=self._required, sources=self._sources)


def load_channels(path: Path, *, required: bool, sources: Mapping[str, str]) -> Channels:
    """Read and check the file. Raises ConfigError with every problem and how to mend it."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if not required:
            return Channels()
        raise ConfigError([_unreadable(path, error)]) from None
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: ~nobody
        raise ConfigError([_unreadable(path, error)]) from None
    return parse_channels(text, str(path), sources)


def parse_channels(text: str, name: str, sources: Mapping[str, str]) -> Channels:
    """Check the text of a file that is called `name`. Raises ConfigError, as `load_channels`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name} is not TOML: {error}. Correct that line."]) from None
    reader = _Reader(name, sources)
    channels = reader.read(tables)
    if reader.problems:
        raise ConfigError(reader.problems)
    return channels


def _unreadable(path: Path, error: Exception) -> str:
    return f"CHANNELS_FILE {str(path)!r} cannot be read ({reason(error)}): {remedy(error)}."


def _trouble(path: Path, problems: Sequence[str]) -> str:
    more = f" (and {len(problems) - 1} more, in the log)" if len(problems) > 1 else ""
    return (
        f"The new {path.name} is not used, and what was read before still holds: {problems[0]}"
        f"{more} Then send SIGHUP again."
    )


class _Reader:
    """Reads tables, and collects what is wrong with them instead of stopping."""

    def __init__(self, name: str, sources: Mapping[str, str]) -> None:
        self._name = name
        self._sources = sources
        self._platform: str | None = None  # of the table at hand, where it is of one
        self.problems: list[str] = []

    def read(self, tables: Mapping[str, Any]) -> Channels:
        for unknown in sorted(tables.keys() - {"defaults", "guilds", "channels"}):
            self._problem(
                f"has [{unknown}], which means nothing: write [defaults], "
                '[channels."slack:C0123456"] or [guilds."discord:123456789"].'
            )
        defaults = tables.get("defaults", {})
        return Channels(
            defaults=self._policy("[defaults]", defaults),
            guilds=dict(self._policies("guilds", tables.get("guilds", {}))),
            channels=dict(self._policies("channels", tables.get("channels", {}))),
        )

    def _policies(self, kind: str, tables: object) -> Iterator[tuple[str, ChannelPolicy]]:
        if not isinstance(tables, dict):
            self._problem(f'has {kind} as a value: write a table, [{kind}."…"].')
            return
        for place, table in tables.items():
            where = f'[{kind}."{place}"]'
            if not _FORMS[kind].fullmatch(place):
                self._problem(
                    f'{where} names no place: write [{kind}."…"] with {_EXAMPLES[kind]} (an id, '
                    "not a name), in quotes."
                )
                if isinstance(table, dict) and not table.keys().isdisjoint(KEYS):
                    self._policy(where, table)  # tells what else is wrong there
                continue
            self._platform = place.partition(":")[0]
            yield place, self._policy(where, table)
            self._platform = None

    def _policy(self, where: str, table: object) -> ChannelPolicy:
        if not isinstance(table, dict):
            self._problem(f"has {where} as a value: write it as a table.")
            return ChannelPolicy()
        for unknown in [key for key in table if key not in KEYS]:
            near = difflib.get_close_matches(unknown, KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(KEYS)}."
            self._problem(f"{where} has {unknown}, which means nothing: {hint}")
        return ChannelPolicy(
            instructions=self._text(where, table, "instructions", LONGEST_INSTRUCTIONS),
            sources=self._source_names(where, table),
            language=self._line(where, table, "language"),
            humans=self._people(where, table),
            team_channel=self._team_channel(where, table),
            follow_ups=self._follow_ups(where, table),
            streaming=self._value(where, table, "streaming", bool, "true or false"),
        )

    # --- values -----------------------------------------------------------------------------------

    def _value(
        self, where: str, table: Mapping[str, Any], key: str, kind: type[T], wanted: str
    ) -> T | None:
        value = table.get(key)
        if value is None or isinstance(value, kind):
            return value
        self._problem(f"{where} {key} is of the wrong kind: write {wanted}.")
        return None

    def _text(self, where: str, table: Mapping[str, Any], key: str, most: int) -> str | None:
        value = self._value(where, table, key, str, 'text in quotes ("""…""" for several lines)')
        if value is not None and len(value) > most:
            self._problem(f"{where} {key} is longer than {most:,} characters: shorten it.")
            return None
        return value.strip() if value is not None else None

    def _line(self, where: str, table: Mapping[str, Any], key: str) -> str | None:
        value = self._text(where, table, key, LONGEST_LANGUAGE)
        if value is not None and len(value.splitlines()) > 1:
            self._problem(f'{where} {key} has several lines: write one, such as "German".')
            return None
        return value

    def _list(
        self, where: str, table: Mapping[str, Any], key: str, wanted: str
    ) -> Sequence[str] | None:
        value = self._value(where, table, key, list, wanted)
        if value is not None and not all(isinstance(each, str) for each in value):
            self._problem(f"{where} {key} has something else than text in it: write {wanted}.")
            return None
        return [each.strip() for each in value] if value is not None else None

    def _source_names(self, where: str, table: Mapping[str, Any]) -> tuple[str, ...] | None:
        names = self._list(where, table, "sources", '["https://docs.example.com/"]')
        if names is None:
            return None
        for unknown in [name for name in names if name not in self._sources]:
            there_are = ", ".join(sorted(self._sources)) or "none yet"
            self._problem(
                f"{where} sources has {unknown!r}, which DOCS_SOURCES does not have. There are: "
                f"{there_are}."
            )
        known = [self._sources[name] for name in names if name in self._sources]
        return tuple(dict.fromkeys(known))

    def _people(self, where: str, table: Mapping[str, Any]) -> tuple[str, ...] | None:
        entries = self._list(where, table, "humans", '["slack:S0123456"]')
        if entries is None:
            return None
        people = {entry: person_of(entry) for entry in entries}
        for entry, person in people.items():
            if person is None:
                self._problem(
                    f"{where} humans has {entry!r}: write slack:S0123456 (a user group), "
                    "slack:U0123456, discord:&123456789 (a role) or discord:123456789."
                )
            elif self._platform and not person.startswith(f"{self._platform}:"):
                self._problem(
                    f"{where} humans has {entry!r}, who is not on {self._platform}: take it out."
                )
        return tuple(dict.fromkeys(filter(None, people.values())))

    def _team_channel(self, where: str, table: Mapping[str, Any]) -> str | None:
        channel = self._value(where, table, "team_channel", str, '"slack:C0123456"')
        if channel is not None and not _CHANNEL.fullmatch(channel):
            self._problem(
                f"{where} team_channel is {channel!r}: write {_EXAMPLES['channels']} "
                "(a channel's id, not its name)."
            )
        return channel

    def _follow_ups(self, where: str, table: Mapping[str, Any]) -> FollowUps | None:
        allowed: tuple[FollowUps, ...] = get_args(FollowUps)
        value = self._value(where, table, "follow_ups", str, '"thread" or "mention"')
        for each in allowed:
            if each == value:
                return each
        if value is not None:
            self._problem(f'{where} follow_ups is {value!r}: write "thread" or "mention".')
        return None

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self._name}: {text}")
