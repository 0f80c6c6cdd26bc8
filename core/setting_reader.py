"""Values by name, as somebody wrote them: read, checked, and complained of all at once."""

import contextlib
import re
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from core.settings import SETTINGS

#: The name of a variable; so written that a key, put in its place, is hardly ever taken for one.
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


class Reader:
    """Reads values by name, and collects what is wrong with them instead of stopping."""

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self._values = {name: (value or "").strip() for name, value in values.items()}
        self._defaults = {setting.name: setting.default for setting in SETTINGS}
        self.problems: list[str] = []

    def problem(self, text: str) -> None:
        """Note what is wrong with a value, and how to mend it."""
        self.problems.append(text)

    def text(self, name: str) -> str:
        """The text of a setting, or its default."""
        return self._values.get(name) or self._defaults[name]

    def optional(self, name: str) -> str | None:
        """The text of a setting; None where there is none."""
        return self.text(name) or None

    def variable(self, name: str) -> str | None:
        """What a variable says that is no setting, but named by one; None where it is not set."""
        return self._values.get(name) or None

    def is_set(self, name: str) -> bool:
        """Whether a setting says something else than its default."""
        return self.text(name) != self._defaults[name]

    def list(self, name: str) -> Sequence[str]:
        """The entries of a list that is separated by commas or lines."""
        return [part.strip() for part in re.split(r"[,\n]", self.text(name)) if part.strip()]

    def number(self, name: str, least: float, most: float = sys.float_info.max) -> float:
        """A number from `least` to `most`; 0 where nothing is set or it was refused."""
        text = self.text(name)
        with contextlib.suppress(ValueError):
            if not text or least <= float(text) <= most:
                return float(text or 0)
        upper = "or more" if most == sys.float_info.max else f"to {most:g}"
        self.problem(f"{name} is {text!r}: write a number, {least:g} {upper}.")
        return 0

    def whole(self, name: str, least: int) -> int:
        """A whole number, `least` or more; 0 where nothing is set or it was refused."""
        text = self.text(name)
        if not text or (re.fullmatch(r"\d{1,9}", text) and int(text) >= least):
            return int(text or 0)
        self.problem(f"{name} is {text!r}: write a whole number, {least} or more.")
        return 0

    def duration(self, name: str, off: bool = False) -> float | None:
        """Seconds, written `30m`; None where nothing is set, or `off` where that is allowed."""
        text = self.optional(name)
        if text is None or (off and text.lower() == "off"):
            return None
        if (seconds := parse_duration(text)) is None:
            or_off = ", or off" if off else ""
            self.problem(f"{name} is {text!r}: write 30m, 6h or 1d{or_off}.")
        return seconds

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the words that are allowed, whatever its case."""
        text = self.text(name)
        for value in allowed:
            if value.lower() == text.lower():
                return value
        self.problem(f"{name} is {text!r}: write one of {', '.join(allowed)}.")
        return allowed[0]

    def flag(self, name: str) -> bool:
        """Whether something is switched on."""
        text = self.text(name).lower()
        if text not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            self.problem(f"{name} is {text!r}: write true or false.")
        return text in ("true", "1", "yes", "on")

    def url(self, name: str, schemes: Sequence[str] = ("https", "http")) -> str | None:
        """An address with one of the schemes; None where nothing is set."""
        text = self.optional(name)
        if text is None:
            return None
        try:
            parsed = urlsplit(text)
            usable = parsed.scheme in schemes and bool(parsed.hostname)
        except ValueError:
            usable = False
        if not usable:
            self.problem(f"{name} is not a URL: write {schemes[0]}://… in full.")
        return text


def parse_duration(text: str) -> float | None:
    """A duration as people write it; None where it is none, or not above 0."""
    match = re.fullmatch(r"(\d+)\s*([smhd])", text.strip().lower())
    if match is None or int(match[1]) == 0:
        return None
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def reason(error: Exception) -> str:
    """Say in a few words why a file cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def remedy(error: Exception) -> str:
    """Say what to do about a file that a setting names and that cannot be read."""
    match error:
        case UnicodeDecodeError():
            return "save it as UTF-8 text"
        case PermissionError():
            return "let the user that runs Docent read it, as its owner or by its group"
        case FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return "correct the path"
        case _:
            return "see that it is a file on a disk that works"
