"""Where pages come from: one module per kind of source, and what turns a page into Markdown.

`make_source` decides which kind an entry of DOCS_SOURCES names; a new kind is a module here and a
line there. Fetching in order, comparing and storing are in `core/refresh.py`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from yarl import URL

from core.errors import ConfigError
from core.ports import PageSource
from core.sources.folder import FolderSource
from core.sources.site import SiteSource

_FOLDER_AND_BASE = re.compile(r"(?P<folder>.+?)=(?P<base>https?://.*)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def make_source(entry: str) -> PageSource:
    """Make the source that one entry of DOCS_SOURCES names.

    - `./docs`, `~/docs`, `/srv/docs`: a folder; answers cite its files.
    - `./docs=https://docs.example.com/`: a folder; answers cite the pages that are made of its
      files, at that address.
    - `https://docs.example.com/`: a site by its sitemap, found through robots.txt or at
      `/sitemap.xml`; `https://example.com/docs/`: only what is below that path.
    - `https://docs.example.com/sitemap.xml`: a site by this sitemap (.xml or .xml.gz).

    Raises ConfigError, with the mending, for anything else and for a folder that is not there.
    """
    entry = entry.strip()
    if _SCHEME.match(entry):
        return SiteSource(entry, _checked_address(entry))
    if based := _FOLDER_AND_BASE.fullmatch(entry):
        base = _checked_address(based["base"])
        return FolderSource(entry, _checked_folder(based["folder"]), base)
    return FolderSource(entry, _checked_folder(entry), None)


def make_sources(entries: Sequence[str]) -> Sequence[PageSource]:
    """Make all sources. Raises one ConfigError with every problem of every entry."""
    sources: dict[str, PageSource] = {}
    problems: list[str] = []
    for entry in entries:
        try:
            source = make_source(entry)
        except ConfigError as problem:
            problems.extend(problem.problems)
            continue
        if source.name in sources:
            problems.append(f"DOCS_SOURCES names {source.name} twice: take one of them out.")
        sources[source.name] = source
    if problems:
        raise ConfigError(problems)
    return tuple(sources.values())


def _checked_folder(folder: str) -> Path:
    if not folder:
        raise ConfigError(["DOCS_SOURCES has an empty entry: take it out, or name a folder."])
    try:
        path = Path(folder).expanduser()
    except RuntimeError:
        path = Path(folder)  # ~name of nobody here: it does not exist either
    if not path.is_dir():
        raise ConfigError(
            [
                f"DOCS_SOURCES: {folder} is not a folder here. Name a folder that is there, "
                "or a site by an address that begins with https://."
            ]
        )
    return path


def _checked_address(address: str) -> str:
    try:
        url = URL(address)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(
            [
                f"DOCS_SOURCES: {address} is not an address that can be read. "
                "Write a site as https://docs.example.com/."
            ]
        )
    if url.user is not None or url.password is not None:
        raise ConfigError(
            [
                f"DOCS_SOURCES: the address of {url.host} holds a user name or password, which "
                "would show in logs and answers. Take it out; pages behind a login are not read."
            ]
        )
    return address
