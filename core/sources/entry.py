"""Entries of DOCS_SOURCES: what they name, and the words that may follow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from yarl import URL

from core.errors import ConfigError
from core.sources.extract import BY_SUFFIX
from core.sources.git_address import without_login
from core.sources.patterns import Pattern, pattern_problem

FOLDER_AND_BASE = re.compile(r"(?P<folder>.+?)=(?P<base>https?://.*)", re.IGNORECASE)

_WORD = re.compile(r"\s+([A-Za-z_-]+)=(\S*)\Z")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_LLMS = re.compile(r"llms(-[\w-]+)?\.txt", re.IGNORECASE)


class Kind(StrEnum):
    """What an address of the web is: what `as=` may say."""

    SITE = "site"
    SITEMAP = "sitemap"
    PAGE = "page"
    LLMS = "llms"
    LLMS_FULL = "llms-full"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry, taken apart."""

    target: str  #: the folder, site or repository, without the words
    include: Sequence[Pattern] = ()
    exclude: Sequence[Pattern] = ()
    kind: Kind | None = None


def parse_entry(text: str) -> Entry:
    """Take an entry apart: `TARGET [as=KIND] [include=PATTERN …] [exclude=PATTERN …]`.

    Raises ConfigError, with the mending, for words that are not known or do not fit.
    """
    target, words = _split(text.strip())
    problems: list[str] = []
    patterns: dict[str, list[Pattern]] = {"include": [], "exclude": []}
    kind: Kind | None = None
    for name, value in words:
        if name in patterns:
            problem = pattern_problem(value)
            if problem is None:
                patterns[name].append(Pattern(value))
            else:
                problems.append(f"DOCS_SOURCES: {name}={value} {problem}.")
        elif name == "as" and value in tuple(Kind):
            kind = Kind(value)
        elif name == "as":
            problems.append(f"DOCS_SOURCES: as={value} is not known: write {_one_of(Kind)}.")
        else:
            problems.append(
                f"DOCS_SOURCES: {name}= after {without_login(target)} is not known: "
                "write include=, exclude= or as=."
            )
    if kind is not None and not is_web(target):
        problems.append(
            f"DOCS_SOURCES: as= is for addresses that begin with https://: take as={kind} out "
            f"after {without_login(target)}."
        )
    if problems:
        raise ConfigError(problems)
    return Entry(target=target, include=patterns["include"], exclude=patterns["exclude"], kind=kind)


def has_scheme(target: str) -> bool:
    """Whether it is an address of some kind, and no folder."""
    return _SCHEME.match(target) is not None


def is_web(target: str) -> bool:
    """Whether it is an address of the web."""
    return target.lower().startswith(("https://", "http://"))


def kind_of(url: URL) -> Kind:
    """Tell by the end of its path what an address is, where `as=` does not say so."""
    name = PurePosixPath(url.path).name.lower()
    if name.endswith((".xml", ".xml.gz")):
        return Kind.SITEMAP
    if _LLMS.fullmatch(name):
        return Kind.LLMS if name == "llms.txt" else Kind.LLMS_FULL
    if not url.path.endswith("/") and PurePosixPath(name).suffix in BY_SUFFIX:
        return Kind.PAGE
    return Kind.SITE


def _split(text: str) -> tuple[str, Sequence[tuple[str, str]]]:
    """Take the words off the end: what is before may hold spaces, as names of folders do."""
    words: list[tuple[str, str]] = []
    while found := _WORD.search(text):
        words.insert(0, (found[1].lower(), found[2]))
        text = text[: found.start()]
    return text, words


def _one_of(kinds: type[Kind]) -> str:
    return ", ".join(kinds)
