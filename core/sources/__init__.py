"""Where pages come from: one module per kind of source, and what turns a page into Markdown.

`make_source` decides which kind an entry of DOCS_SOURCES names; a new kind is a module here and a
line there. Fetching in order, comparing and storing are in `core/refresh.py`.
"""

from collections.abc import Sequence
from pathlib import Path

from yarl import URL

from core.errors import ConfigError
from core.ports import PageSource
from core.sources.entry import FOLDER_AND_BASE, Kind, has_scheme, is_web, kind_of, parse_entry
from core.sources.fetch import Fetcher
from core.sources.folder import FolderSource
from core.sources.git import GitSource
from core.sources.git_address import is_git, parse_git_address, without_login
from core.sources.llms import LlmsSource
from core.sources.llms_full import LlmsFullSource
from core.sources.one_page import OnePageSource
from core.sources.patterns import SelectedSource
from core.sources.site import SiteSource


def make_source(text: str, *, allow_private: bool = False) -> PageSource:
    """Make the source that one entry of DOCS_SOURCES names.

    - `./docs`, `~/docs`, `/srv/docs`: a folder; answers cite its files.
    - `./docs=https://docs.example.com/`: a folder; answers cite the pages that are made of its
      files, at that address.
    - `git+https://host/repo.git@branch#folder=https://docs.example.com/`: a repository, likewise;
      all after the repository may be left out.
    - `https://docs.example.com/`: a site by its sitemap, found through robots.txt or at
      `/sitemap.xml`; `https://example.com/docs/`: only what is below that path.
    - `https://docs.example.com/sitemap.xml`: a site by this sitemap (.xml or .xml.gz).
    - `https://docs.example.com/llms.txt`, `…/llms-full.txt`: the pages that it lists, or holds.
    - `https://docs.example.com/guide.html`: a page (an address that ends like a file of a page).

    `as=` behind an address says which of these it is, and `include=` and `exclude=`, which pages
    count. `allow_private`: whether to connect to others than public machines. Raises ConfigError,
    with the mending, for anything else and for a folder that is not there.
    """
    entry = parse_entry(text)
    source = _made(entry.target, entry.kind, allow_private)
    if entry.include or entry.exclude:
        return SelectedSource(source, entry.include, entry.exclude)
    return source


def make_sources(entries: Sequence[str], *, allow_private: bool = False) -> Sequence[PageSource]:
    """Make all sources. Raises one ConfigError with every problem of every entry."""
    sources: dict[str, PageSource] = {}
    problems: list[str] = []
    for entry in entries:
        try:
            source = make_source(entry, allow_private=allow_private)
        except ConfigError as problem:
            problems.extend(problem.problems)
            continue
        if source.name in sources:
            problems.append(
                f"DOCS_SOURCES names {source.name} twice: take one of them out. Several include= "
                "and exclude= may stand behind one."
            )
        sources[source.name] = source
    if problems:
        raise ConfigError(problems)
    return tuple(sources.values())


def _made(target: str, kind: Kind | None, allow_private: bool) -> PageSource:
    if is_git(target):
        return GitSource(
            parse_git_address(target, allow_private=allow_private), allow_private=allow_private
        )
    if has_scheme(target):
        return _of_the_web(target, kind, Fetcher(allow_private=allow_private))
    if based := FOLDER_AND_BASE.fullmatch(target):
        base = _checked_address(based["base"])
        return FolderSource(target, _checked_folder(based["folder"]), base)
    return FolderSource(target, _checked_folder(target), None)


def _of_the_web(target: str, kind: Kind | None, fetcher: Fetcher) -> PageSource:
    address = _checked_address(target)
    match kind or kind_of(URL(address)):
        case Kind.PAGE:
            return OnePageSource(target, address, fetcher)
        case Kind.LLMS:
            return LlmsSource(target, address, fetcher)
        case Kind.LLMS_FULL:
            return LlmsFullSource(target, address, fetcher)
        case Kind.SITEMAP:
            return SiteSource(target, address, fetcher, is_sitemap=True)
        case Kind.SITE:
            return SiteSource(target, address, fetcher, is_sitemap=False)


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
    if not is_web(address) or not url.host or " " in address:
        raise ConfigError(
            [
                f"DOCS_SOURCES: {without_login(address)} is not an address that can be read. "
                "Write a site as https://docs.example.com/, a repository as git+https://…."
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
