"""What a site's robots.txt (RFC 9309) asks of us: reading, no fetching."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from yarl import URL

OUR_NAME = "docent"  #: as a robots.txt may write it, in any case

_LINE = re.compile(r"^\s*([A-Za-z-]+)\s*:\s*([^#]*)")
_MAX_RULES = 5_000  #: of a group; the others are not read
_MAX_PATTERN = 1_000  #: characters
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}", re.ASCII)

MAX_DELAY = 10.0  #: seconds between two requests; a site that asks for more gets this


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    allows: bool
    length: int
    parts: Sequence[str]  #: of the path, between the stars
    whole: bool  #: whether the path ends with the last part

    def fits(self, path: str) -> bool:
        """Whether a path begins like the rule. Without backtracking: no rule makes it slow."""
        first, *others = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        for part in others:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        if not self.whole:
            return True
        return path.endswith(self.parts[-1]) and (bool(others) or len(path) == at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Robots:
    """The rules for us, and the sitemaps that are named."""

    rules: Sequence[_Rule] = ()
    sitemaps: Sequence[str] = ()
    crawl_delay: float = 0.0  #: seconds that are to pass between two requests

    def allow(self, url: URL) -> bool:
        """Whether we may read the address: the longest rule that fits counts, else it is a yes."""
        path = _normal(url.raw_path_qs)
        fits = [rule for rule in self.rules if rule.fits(path)]
        return max(fits, key=lambda rule: (rule.length, rule.allows)).allows if fits else True


@dataclass(kw_only=True, slots=True)
class _Group:
    """The rules of one or more user agents, as far as they are read."""

    agents: set[str] = field(default_factory=set)
    rules: list[_Rule] = field(default_factory=list)
    delay: float = 0.0
    begun: bool = False  # a rule was read: the next user agent begins another group


def parse_robots(text: str) -> Robots:
    """Read a robots.txt: the groups that name us, else those for everybody."""
    groups = [_Group()]
    sitemaps: list[str] = []
    for line in text.replace("\ufeff", "").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        name, value = found[1].lower(), found[2].strip()
        if name == "sitemap" and value:
            sitemaps.append(line.partition(":")[2].split()[0])
        elif name == "user-agent":
            if groups[-1].begun:
                groups.append(_Group())
            groups[-1].agents.add(re.split(r"[\s/]", value.lower())[0])
        elif name in ("allow", "disallow", "crawl-delay"):
            _add(groups[-1], name, value)
    ours = [group for group in groups if OUR_NAME in group.agents]
    ours = ours or [group for group in groups if "*" in group.agents]
    return Robots(
        rules=[rule for group in ours for rule in group.rules],
        sitemaps=sitemaps,
        crawl_delay=max((group.delay for group in ours), default=0.0),
    )


def _add(group: _Group, name: str, value: str) -> None:
    group.begun = True
    if name == "crawl-delay":
        group.delay = min(float(value), MAX_DELAY) if _NUMBER.fullmatch(value) else group.delay
    elif value and len(group.rules) < _MAX_RULES:
        group.rules.append(_rule(name == "allow", value))


def _rule(allows: bool, path: str) -> _Rule:
    path = path[:_MAX_PATTERN]
    parts = [_normal(part) for part in path.removesuffix("$").split("*")]
    return _Rule(allows=allows, length=len(path), parts=parts, whole=path.endswith("$"))


def _normal(path: str) -> str:
    """Write a path the one way in which rules and addresses are compared."""
    return quote(unquote(path), safe="/?=&:;,+!$'()*@~[]|")
