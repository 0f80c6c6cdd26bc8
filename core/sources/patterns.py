"""Which pages of a source count: the patterns of `include=` and `exclude=`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import unquote

from yarl import URL

from core.documents import Listed, Page
from core.errors import SourceUnreachable
from core.ports import PageSource

MAX_PATTERN = 200  #: characters
_PART = re.compile(r"/\*\*/|^\*\*/|/\*\*$|\*\*|\*|\?|[^*?/]+|/")


class Pattern:
    """A path with `*` (within a part of the path), `**` (any parts) and `?` (one character)."""

    def __init__(self, text: str) -> None:
        self._regex = re.compile("".join(map(_regex, _PART.findall(text))))

    def fits(self, path: str) -> bool:
        """Whether the whole path, which begins with a slash, is as the pattern says."""
        return self._regex.fullmatch(path) is not None


def pattern_problem(text: str) -> str | None:
    """Say what is wrong with a pattern and how to mend it; None where nothing is."""
    if len(text) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters: write it shorter"
    if "***" in text:
        return "holds ***: write ** for any folders, or * for a part of a name"
    if "://" in text:
        return "is a whole address: write its path only, such as /guide/**"
    if not text.startswith(("/", "**")):
        return "begins in the middle of a path: write /guide/** or **/guide/**"
    return None


class SelectedSource:
    """A source, of which only some pages count: those included, without those excluded."""

    def __init__(
        self, source: PageSource, include: Sequence[Pattern], exclude: Sequence[Pattern]
    ) -> None:
        self._source = source
        self._include = include
        self._exclude = exclude

    @property
    def name(self) -> str:
        """That of the source."""
        return self._source.name

    async def list(self) -> Sequence[Listed]:
        """List the pages that count. Raises SourceUnreachable, also where none does."""
        listed = await self._source.list()
        selected = [entry for entry in listed if self._counts(_path(entry))]
        if listed and not selected:
            raise SourceUnreachable(
                f"include= and exclude= leave none of the {len(listed)} pages of {self.name}. "
                f"Compare them with a page that is there, such as {_path(listed[0])}."
            )
        return selected

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Read one page, as the source does; under an address that does not count, as listed."""
        page = await self._source.read(listed, known)
        if page is None or page.url == listed.url or self._counts(unquote(URL(page.url).raw_path)):
            return page
        return replace(page, url=listed.url)

    async def close(self) -> None:
        """Close the source."""
        await self._source.close()

    def _counts(self, path: str) -> bool:
        if self._include and not any(pattern.fits(path) for pattern in self._include):
            return False
        return not any(pattern.fits(path) for pattern in self._exclude)


def _path(listed: Listed) -> str:
    """What patterns are held against: of a file its path in the folder, else that of the url."""
    if "://" in listed.location:
        return unquote(URL(listed.url).raw_path)
    return f"/{listed.location}"


def _regex(part: str) -> str:
    match part:
        case "/**/":
            return "/(?:.*/)?"
        case "**/":
            return "(?:/|/.*/)"
        case "/**":
            return "(?:/.*)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _:
            return re.escape(part)
