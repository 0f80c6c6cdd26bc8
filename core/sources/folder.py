"""A folder of documentation on this machine as a source of pages."""

import asyncio
import logging
import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from core.domain import Listed, Page
from core.errors import PageUnreadable, SourceUnreachable
from core.sources.encoding import decode_strictly
from core.sources.extract import BY_SUFFIX, EXTRACTION, extract
from core.sources.links import Resolve, absolute

log = logging.getLogger(__name__)

MAX_FILE = 5_000_000  #: bytes

# Where two files share one address (index.md and README.md), the first of these is the page.
_INDEX_NAMES = ("index", "readme")
_SUFFIX_RANK = {suffix: rank for rank, suffix in enumerate(BY_SUFFIX)}


class FolderSource:
    """The files of a folder and the folders in it, in the formats of `extract.BY_SUFFIX`.

    With a base, `guide/setup.md` is the page `<base>guide/setup`, `guide/index.md` or
    `guide/README.md` is `<base>guide/`, and `.rst` becomes `.html`, as Sphinx has it; `.html` and
    `.txt` keep their names. Without one a page's url is the `file:` address of its file.

    Hidden files and folders, `node_modules`, links to folders, and links that lead out of the
    folder are passed over.
    """

    def __init__(self, name: str, root: Path, base: str | None) -> None:
        self._name = name
        # Not resolved: where the folder is a link that each deployment turns, addresses stay.
        self._root = Path(os.path.normpath(root.expanduser().absolute()))
        self._base = None if base is None else f"{base.rstrip('/')}/"
        # One at a time: conversion is CPU work, and more threads only slow the event loop down.
        self._reading = asyncio.Lock()

    @property
    def name(self) -> str:
        """As written in DOCS_SOURCES."""
        return self._name

    async def list(self) -> Sequence[Listed]:
        """List the files in the order of their paths. Raises SourceUnreachable."""
        try:
            return await asyncio.to_thread(self._list)
        except OSError as problem:
            raise SourceUnreachable(
                f"{self._name} cannot be read ({problem.strerror}). "
                "Check that the folder is there and may be read, then refresh again."
            ) from problem

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Read one file; None where its size and time of change are as in `known`.

        Raises PageUnreadable.
        """
        async with self._reading:
            return await asyncio.to_thread(self._read, listed, known)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _list(self) -> Sequence[Listed]:
        pages: dict[str, Listed] = {}
        for path in sorted(self._files(), key=_precedence):
            url = self._url(path)
            if url in pages:
                log.warning(
                    "A file is passed over: another has its address",
                    extra={"source": self._name, "file": str(path), "other": pages[url].location},
                )
                continue
            try:
                stamp = _stamp((self._root / path).stat())
            except FileNotFoundError:  # deleted since we looked
                continue
            pages[url] = Listed(url=url, location=str(path), stamp=stamp)
        return sorted(pages.values(), key=lambda listed: listed.location)

    def _files(self) -> Iterator[PurePosixPath]:
        def fail(problem: OSError) -> None:
            raise problem  # a folder left out would be a part of the list as if it were the whole

        for folder, subfolders, files in os.walk(self._root, onerror=fail):
            subfolders[:] = [name for name in subfolders if _is_visible(name)]
            for name in files:
                path = Path(folder, name)
                if _is_visible(name) and path.suffix.lower() in BY_SUFFIX and self._is_page(path):
                    yield PurePosixPath(path.relative_to(self._root).as_posix())

    def _is_page(self, path: Path) -> bool:
        """Whether it is a regular file (to open a pipe would wait for ever) of this folder."""
        try:
            return path.is_file() and (not path.is_symlink() or self._is_inside(path))
        except OSError:  # such as a name that is too long
            return False

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._root.resolve())

    def _url(self, path: PurePosixPath) -> str:
        if self._base is None:
            return (self._root / path).as_uri()
        if path.stem.lower() in _INDEX_NAMES:
            address = path.parent.as_posix() + "/"
        elif path.suffix.lower() in {".md", ".markdown", ".mdx"}:
            address = path.with_suffix("").as_posix()
        elif path.suffix.lower() == ".rst":
            address = path.with_suffix(".html").as_posix()
        else:
            address = path.as_posix()
        return self._base + quote(address.removeprefix("./"))

    def _read(self, listed: Listed, known: str | None) -> Page | None:
        path = PurePosixPath(listed.location)
        file = self._root / path
        if not (self._is_page(file) and self._is_inside(file)):
            raise PageUnreadable("the file is no longer there")
        try:
            with file.open("rb") as opened:
                stamp = _stamp(os.fstat(opened.fileno()))
                if stamp == known:
                    return None
                data = opened.read(MAX_FILE + 1)
        except OSError as problem:
            raise PageUnreadable(f"not readable ({problem.strerror})") from problem
        if len(data) > MAX_FILE:
            raise PageUnreadable(f"more than {MAX_FILE // 1_000_000} MB")
        try:
            text = decode_strictly(data)
        except UnicodeDecodeError as problem:
            raise PageUnreadable("not in UTF-8") from problem
        form = BY_SUFFIX[path.suffix.lower()]
        content = extract(text, form, name=_fallback_title(path), resolve=self._resolver(path))
        return Page(
            source=self._name,
            url=listed.url,
            title=content.title,
            markdown=content.markdown,
            stamp=stamp,
        )

    def _resolver(self, page: PurePosixPath) -> Resolve:
        """Resolve links between files to the addresses of their pages."""

        def resolve(target: str) -> str | None:
            try:
                parts = urlsplit(target.strip())
            except ValueError:
                return None
            if parts.scheme or parts.netloc:
                return absolute(self._base or "", target)
            fragment = f"#{parts.fragment}" if parts.fragment else ""
            linked = self._linked(page, unquote(parts.path)) if parts.path else page
            if linked is not None:
                return self._url(linked) + fragment
            if self._base is None:
                return None
            return absolute(self._base + quote(page.as_posix()), target)

        return resolve

    def _linked(self, page: PurePosixPath, target: str) -> PurePosixPath | None:
        """Find the file that a page links to: by its path, or as sites do without its suffix."""
        start = "" if target.startswith("/") else page.parent.as_posix()
        path = posixpath.normpath(posixpath.join(start, target.lstrip("/")))
        if path.startswith(".."):
            return None
        names = [path, *(f"{path}{suffix}" for suffix in BY_SUFFIX)]
        names += [
            f"{path}/{index}" for index in ("index.md", "README.md", "index.mdx", "index.rst")
        ]
        for name in names:
            candidate = PurePosixPath(name)
            if candidate.suffix.lower() in BY_SUFFIX and self._is_page(self._root / candidate):
                return candidate
        return None


def _stamp(status: os.stat_result) -> str:
    return f"{EXTRACTION}-{status.st_mtime_ns}-{status.st_size}"


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "node_modules"


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
