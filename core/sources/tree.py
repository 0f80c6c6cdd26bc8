"""Files of documentation and the addresses of the pages that are made of them.

What holds for a folder and for a git repository alike; where the files are is theirs to know.
"""

import logging
import posixpath
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from core.errors import PageUnreadable
from core.sources.content import Content
from core.sources.encoding import decode_strictly
from core.sources.extract import BY_SUFFIX, extract
from core.sources.links import Resolve, absolute

log = logging.getLogger(__name__)

MAX_FILE = 5_000_000  #: bytes

# Where two files share one address (index.md and README.md), the first of these is the page.
_INDEX_NAMES = ("index", "readme")
_SUFFIX_RANK = {suffix: rank for rank, suffix in enumerate(BY_SUFFIX)}

#: Gives the address of a file's page.
UrlOf = Callable[[PurePosixPath], str]


def below(base: str) -> UrlOf:
    """Give addresses as sites have them: below `base`, which ends with a slash.

    `guide/setup.md` is `guide/setup`, `guide/index.md` and `guide/README.md` are `guide/`, and
    `.rst` becomes `.html`, as Sphinx has it; `.html` and `.txt` keep their names.
    """

    def url_of(path: PurePosixPath) -> str:
        if path.stem.lower() in _INDEX_NAMES:
            address = path.parent.as_posix() + "/"
        elif path.suffix.lower() in {".md", ".markdown", ".mdx"}:
            address = path.with_suffix("").as_posix()
        elif path.suffix.lower() == ".rst":
            address = path.with_suffix(".html").as_posix()
        else:
            address = path.as_posix()
        return base + quote(address.removeprefix("./"))

    return url_of


def is_page_name(path: PurePosixPath) -> bool:
    """Whether a file may be a page by its path: visible, and in a format that can be read."""
    return path.suffix.lower() in BY_SUFFIX and all(map(is_visible, path.parts))


def is_visible(name: str) -> bool:
    """Whether a file or folder of this name is looked at."""
    return not name.startswith(".") and name != "node_modules"


def no_page(source: str) -> str:
    """Say that there is no such file in a source, and what to do."""
    *most, last = BY_SUFFIX
    return (
        f"{source} has no page: no {', '.join(most)} or {last} is in it. Name the folder that has "
        "such files, then refresh again."
    )


def by_address(
    paths: Iterable[PurePosixPath], url_of: UrlOf, source: str
) -> dict[str, PurePosixPath]:
    """Give one file for each address; the others that have it are passed over with a warning."""
    pages: dict[str, PurePosixPath] = {}
    for path in sorted(paths, key=_precedence):
        url = url_of(path)
        if url in pages:
            log.warning(
                "A file is passed over: another has its address",
                extra={"source": source, "file": str(path), "other": str(pages[url])},
            )
        else:
            pages[url] = path
    return pages


def resolver(
    page: PurePosixPath,
    *,
    url_of: UrlOf,
    base: str | None,
    is_page: Callable[[PurePosixPath], bool],
) -> Resolve:
    """Resolve links between files to the addresses of their pages, all others against `base`."""

    def resolve(target: str) -> str | None:
        try:
            parts = urlsplit(target.strip())
        except ValueError:
            return None
        if parts.scheme or parts.netloc:
            return absolute(base or "", target)
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        linked = _linked(page, unquote(parts.path), is_page) if parts.path else page
        if linked is not None:
            return url_of(linked) + fragment
        return None if base is None else absolute(base + quote(page.as_posix()), target)

    return resolve


def file_content(data: bytes, path: PurePosixPath, resolve: Resolve) -> Content:
    """Extract a page from its file. Raises PageUnreadable."""
    if len(data) > MAX_FILE:
        raise PageUnreadable(f"more than {MAX_FILE // 1_000_000} MB")
    try:
        text = decode_strictly(data)
    except UnicodeDecodeError as problem:
        raise PageUnreadable("not in UTF-8") from problem
    form = BY_SUFFIX[path.suffix.lower()]
    return extract(text, form, name=_fallback_title(path), resolve=resolve)


def _linked(
    page: PurePosixPath, target: str, is_page: Callable[[PurePosixPath], bool]
) -> PurePosixPath | None:
    """Find the file that a page links to: by its path, or as sites do without its suffix."""
    start = "" if target.startswith("/") else page.parent.as_posix()
    path = posixpath.normpath(posixpath.join(start, target.lstrip("/")))
    if path.startswith(".."):
        return None
    names = [path, *(f"{path}{suffix}" for suffix in BY_SUFFIX)]
    names += [f"{path}/{index}" for index in ("index.md", "README.md", "index.mdx", "index.rst")]
    for name in names:
        candidate = PurePosixPath(name)
        if candidate.suffix.lower() in BY_SUFFIX and is_page(candidate):
            return candidate
    return None


def _precedence(path: PurePosixPath) -> tuple[str, bool, int, str]:
    return (
        path.parent.as_posix(),
        path.stem.lower() == "readme",
        _SUFFIX_RANK[path.suffix.lower()],
        path.as_posix(),
    )


def _fallback_title(path: PurePosixPath) -> str:
    if path.stem.lower() in _INDEX_NAMES and path.parent.name:
        return path.parent.name
    return path.stem
