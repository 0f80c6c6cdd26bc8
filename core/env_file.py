"""The file `.env`: read as it is written, or refused with the line that cannot be read."""

import difflib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from core.errors import ConfigError
from core.setting_reader import Reader, reason, remedy
from core.settings import SETTINGS

ALIKE = 0.8  # of 1: DISCORD_BOT_TOKEN is taken for DISCORD_TOKEN, HELPER_TOKEN for nothing


def read_env_file(file: Path) -> dict[str, str | None]:
    """Read names and values from `file`; there are none where there is no such file.

    A value is what stands there: `${…}` is no reference. Raises ConfigError with every line that
    cannot be read, none of which is quoted: it may hold a secret.
    """
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{file} cannot be read ({reason(error)}): {remedy(error)}."
        raise ConfigError([problem]) from None
    lines = list(parse_stream(io.StringIO(text)))
    if problems := [_problem(file, line) for line in lines if not _is_usable(line)]:
        raise ConfigError(problems)
    return {line.key: line.value for line in lines if line.key is not None}


def likely_slips(written: Mapping[str, str | None], values: Mapping[str, str | None]) -> list[str]:
    """Tell in sentences of names in `.env` that are no settings, but close to one that is not set.

    `values` are all that there are. The file may hold what other programs read: a name that is
    close to nothing, or to what is set, is let be.
    """
    return list(_slips(written, Reader(values)))


def _slips(written: Mapping[str, str | None], reader: Reader) -> Iterator[str]:
    names = [setting.name for setting in SETTINGS]
    for name, value in written.items():
        if name in names or not (value or "").strip():
            continue
        near = difflib.get_close_matches(name.upper(), names, 1, ALIKE)
        if near and not reader.is_set(near[0]):
            yield f"{name} in .env is no setting: did you mean {near[0]}?"


def _is_usable(line: Binding) -> bool:
    """Whether it is empty, a comment, or a name with its value, which may be empty."""
    return not line.error and (line.key is None or line.value is not None)


def _problem(file: Path, line: Binding) -> str:
    text = line.original.string
    blank = text[: len(text) - len(text.lstrip())].count("\n")  # which the parser counts to it
    return (
        f"{file}, line {line.original.line + blank} cannot be read: write NAME=value there, and "
        "close each quote on the line or a later one."
    )
