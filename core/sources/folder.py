"""A folder of documentation on this machine as a source of pages."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from core.documents import Listed, Page
from core.errors import PageGone, PageUnreadable, SourceUnreachable
from core.sources.extract import BY_SUFFIX, EXTRACTION
from core.sources.links import Resolve
from core.sources.tree import (
    MAX_FILE,
    UrlOf,
    below,
    by_address,
    file_content,
    is_visible,
    no_page,
    resolver,
)


class FolderSource:
    """The files of a folder and the folders in it, in the formats of `extract.BY_SUFFIX`.

    With a base, the pages are below it, as `tree.below` says. Without one a page's url is the
    `file:` address of its file.

    Hidden files and folders, `node_modules`, links to folders, and links that lead out of the
    folder are passed over.
    """

    def __init__(self, name: str, root: Path, base: str | None) -> None:
        self._name = name
        # Not resolved: where the folder is a link that each deployment turns, addresses stay.
        self._root = Path(os.path.normpath(root.expanduser().absolute()))
        self._base = None if base is None else f"{base.rstrip('/')}/"
        self._url: UrlOf = below(self._base) if self._base else self._uri
        # One at a time: conversion is CPU work, and more threads only slow the event loop down.
        self._reading = asyncio.Lock()

    @property
    def name(self) -> str:
        """As written in DOCS_SOURCES."""
        return self._name

    async def list(self) -> Sequence[Listed]:
        """List the files in the order of their paths. Raises SourceUnreachable, also for none."""
        try:
            listed = await asyncio.to_thread(self._list)
        except OSError as problem:
            raise SourceUnreachable(
                f"{self._name} cannot be read ({problem.strerror}). "
                "Check that the folder is there and may be read, then refresh again."
            ) from problem
        if not listed:
            raise SourceUnreachable(no_page(self._name))
        return listed

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Read one file; None where its size and time of change are as in `known`.

        Raises PageUnreadable.
        """
        async with self._reading:
            return await asyncio.to_thread(self._read, listed, known)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _list(self) -> Sequence[Listed]:
        listed: list[Listed] = []
        for url, path in by_address(self._files(), self._url, self._name).items():
            try:
                stamp = _stamp((self._root / path).stat())
            except FileNotFoundError:  # deleted since we looked
                continue
            listed.append(Listed(url=url, location=str(path), stamp=stamp))
        return sorted(listed, key=lambda one: one.location)

    def _files(self) -> Iterator[PurePosixPath]:
        def fail(problem: OSError) -> None:
            raise problem  # a folder left out would be a part of the list as if it were the whole

        for folder, subfolders, files in os.walk(self._root, onerror=fail):
            subfolders[:] = [name for name in subfolders if is_visible(name)]
            for name in files:
                path = Path(folder, name)
                if is_visible(name) and path.suffix.lower() in BY_SUFFIX and self._is_page(path):
                    yield PurePosixPath(path.relative_to(self._root).as_posix())

    def _is_page(self, path: Path) -> bool:
        """Whether it is a regular file (to open a pipe would wait for ever) of this folder."""
        try:
            return path.is_file() and (not path.is_symlink() or self._is_inside(path))
        except OSError:  # such as a name that is too long
            return False

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._root.resolve())

    def _uri(self, path: PurePosixPath) -> str:
        return (self._root / path).as_uri()

    def _read(self, listed: Listed, known: str | None) -> Page | None:
        path = PurePosixPath(listed.location)
        file = self._root / path
        if not (self._is_page(file) and self._is_inside(file)):
            raise PageGone("the file is no longer there")
        try:
            with file.open("rb") as opened:
                stamp = _stamp(os.fstat(opened.fileno()))
                if stamp == known:
                    return None
                data = opened.read(MAX_FILE + 1)  # one more: it is refused then
        except OSError as problem:
            raise PageUnreadable(f"not readable ({problem.strerror})") from problem
        content = file_content(data, path, self._resolver(path))
        return Page(
            source=self._name,
            url=listed.url,
            title=content.title,
            markdown=content.markdown,
            stamp=stamp,
        )

    def _resolver(self, page: PurePosixPath) -> Resolve:
        return resolver(
            page,
            url_of=self._url,
            base=self._base,
            is_page=lambda path: self._is_page(self._root / path),
        )


def _stamp(status: os.stat_result) -> str:
    return f"{EXTRACTION}-{status.st_mtime_ns}-{status.st_size}"
