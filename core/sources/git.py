"""A git repository as a source of pages: its files in one branch and folder."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from yarl import URL

from core.documents import Listed, Page
from core.errors import PageGone, PageUnreadable, SourceUnreachable
from core.sources.extract import EXTRACTION
from core.sources.folder_of_ours import FolderOfOurs
from core.sources.git_address import GitAddress
from core.sources.git_command import Git, GitFailed
from core.sources.reach import check_literal, public_addresses
from core.sources.tree import (
    MAX_FILE,
    UrlOf,
    below,
    by_address,
    file_content,
    is_page_name,
    no_page,
    resolver,
)

MAX_FILES = 200_000  #: in the folder, pages or not
_FIRST_FETCH = 16  # contents of files that are asked for together; each time twice as many
_MOST_FETCHED = 4_096
_OURS = "refs/docent/head"  # under which name we keep the branch
_REGULAR = (b"100644", b"100755")  # links and submodules are passed over
_ENTRY = re.compile(rb"(\d+) (\w+) ([0-9a-f]{40,64})\t(.+)", re.DOTALL)


class GitSource:
    """The files of a repository, with the rules of a folder for formats, addresses and links.

    Listing fetches the newest commit and the names of its files, without the contents where the
    host can do that; reading fetches the contents of the files that are read. A file's stamp is the
    id of its content, so that nothing is read of what has not changed, also after a restart.

    The repository is kept in a temporary folder until `close`; one that a killed process left is
    removed before.
    """

    def __init__(self, address: GitAddress, *, allow_private: bool = False) -> None:
        self._address = address
        self._allow_private = allow_private
        base = address.base or address.shown_at
        self._base = base
        self._url: UrlOf = below(address.base) if address.base else self._shown
        self._folder: FolderOfOurs | None = None
        self._git: Git | None = None
        self._blobs: dict[PurePosixPath, str] = {}  # ids of the files' contents, by path
        self._here: set[str] = set()  # those that are fetched
        self._together = _FIRST_FETCH
        self._fetching = asyncio.Lock()
        # One at a time: conversion is CPU work, and more threads only slow the event loop down.
        self._converting = asyncio.Lock()

    @property
    def name(self) -> str:
        """As written in DOCS_SOURCES, without a login."""
        return self._address.name

    async def list(self) -> Sequence[Listed]:
        """List the files in the order of their paths. Raises SourceUnreachable, also for none."""
        async with self._fetching:
            try:
                git = await self._opened()
                await self._fetch_branch(git)
                self._blobs = await self._files(git)
                self._here = await self._fetched(git)
            except (GitFailed, PageUnreadable) as problem:
                await self._forget()
                raise SourceUnreachable(f"{self.name} could not be read: {problem}.") from problem
            self._together = _FIRST_FETCH
        pages = by_address(self._blobs, self._url, self.name)
        if not pages:
            raise SourceUnreachable(no_page(self.name))
        listed = [
            Listed(url=url, location=str(path), stamp=_stamp(self._blobs[path]))
            for url, path in pages.items()
        ]
        return sorted(listed, key=lambda one: one.location)

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Read one file as it was listed; None where its content is that of `known`.

        Raises PageUnreadable.
        """
        path = PurePosixPath(listed.location)
        blob = self._blobs.get(path)
        if blob is None:
            raise PageGone("the file is no longer there")
        if _stamp(blob) == known:
            return None
        try:
            data = await self._content(blob)
        except GitFailed as problem:
            raise PageUnreadable(str(problem)) from problem
        async with self._converting:
            return await asyncio.to_thread(self._page, listed, path, blob, data)

    async def close(self) -> None:
        """Delete what was fetched. A second call does nothing."""
        await self._forget()

    # --- the repository ---------------------------------------------------------------------------

    async def _opened(self) -> Git:
        """Make ready to fetch, from a host that was looked up this time, too."""
        config = {} if self._allow_private else await self._pinned()
        if self._address.login:
            config[f"http.{self._address.url}.extraHeader"] = self._address.login
        if self._folder is None:
            self._folder = await self._made()
        git = Git(folder=self._folder.path, protocol=self._address.protocol, config=config)
        if self._git is None:
            self._git = git
            await git.run("init", "--bare", "--quiet")
            await git.run("remote", "add", "origin", self._address.url)
        self._git = git
        return git

    async def _made(self) -> FolderOfOurs:
        try:
            return await asyncio.to_thread(FolderOfOurs.make)
        except OSError as problem:
            raise GitFailed(f"no temporary folder can be made ({problem.strerror})") from problem

    async def _pinned(self) -> dict[str, str]:
        """Look the host up, and have git connect to what was found and to nothing else."""
        if self._address.protocol == "file":
            return {}
        url = URL(self._address.url)
        check_literal(url)
        host, port = url.host or "", url.port or 443
        addresses = ",".join(await public_addresses(host, port))
        # Known to git since 2.37; an older one looks the name up again by itself.
        return {"http.curloptResolve": f"{host}:{port}:{addresses}"}

    async def _fetch_branch(self, git: Git) -> None:
        await git.run(
            *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head"),
            *("--filter=blob:none", "origin", f"+{self._address.branch or 'HEAD'}:{_OURS}"),
            fetches=True,
        )

    async def _files(self, git: Git) -> dict[PurePosixPath, str]:
        folder = self._address.folder
        tree = f"{_OURS}:{folder}"
        names = await git.run("cat-file", "--batch-check", stdin=f"{tree}\n".encode())
        if names.split()[1:2] != [b"tree"]:
            raise GitFailed(f"it has no folder {folder}")
        output = await git.run("ls-tree", "-r", "-z", "--full-tree", tree)
        entries = output.split(b"\0")
        if len(entries) > MAX_FILES:
            raise GitFailed(f"it has more than {MAX_FILES:,} files: name a folder of it")
        blobs: dict[PurePosixPath, str] = {}
        for entry in filter(None, entries):
            found = _ENTRY.fullmatch(entry)
            if found is None or found[1] not in _REGULAR:
                continue
            path = PurePosixPath(found[4].decode("utf-8", "replace"))
            if is_page_name(path):
                blobs[path] = found[3].decode()
        return blobs

    async def _fetched(self, git: Git) -> set[str]:
        """Say which contents are here already: all, where the host cannot leave them out."""
        output = await git.run(
            *("cat-file", "--batch-all-objects", "--unordered"),
            "--batch-check=%(objecttype) %(objectname)",
        )
        kinds = (line.split() for line in output.decode().splitlines())
        return {name for kind, name in kinds if kind == "blob"}

    async def _content(self, blob: str) -> bytes:
        async with self._fetching:
            git = self._git
            if git is None:
                raise GitFailed("the repository is closed")
            if blob not in self._here:
                await self._fetch_contents(git, blob)
        output = await git.run("cat-file", "--batch", stdin=f"{blob}\n".encode(), most=2 * MAX_FILE)
        header, _, data = output.partition(b"\n")
        if header.split()[:2] != [blob.encode(), b"blob"]:
            raise GitFailed("its content is missing")
        return data[:-1]

    async def _fetch_contents(self, git: Git, blob: str) -> None:
        """Fetch one content, and with it those of the next files: they are likely to be wanted."""
        blobs = list(dict.fromkeys(self._blobs.values()))
        start = blobs.index(blob) if blob in blobs else 0
        wanted = [one for one in blobs[start:] if one not in self._here][: self._together]
        wanted = list(dict.fromkeys([blob, *wanted]))
        self._together = min(2 * self._together, _MOST_FETCHED)
        await git.run(
            *("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags"),
            *("--no-write-fetch-head", "--filter=blob:none", "--stdin", "origin"),
            stdin="".join(f"{one}\n" for one in wanted).encode(),
            fetches=True,
        )
        self._here.update(wanted)

    async def _forget(self) -> None:
        folder, self._folder, self._git = self._folder, None, None
        if folder is not None:
            await asyncio.to_thread(folder.remove)

    # --- its pages --------------------------------------------------------------------------------

    def _shown(self, path: PurePosixPath) -> str:
        return str(URL(self._base or "") / path.as_posix())

    def _page(self, listed: Listed, path: PurePosixPath, blob: str, data: bytes) -> Page:
        resolve = resolver(
            path, url_of=self._url, base=self._base, is_page=self._blobs.__contains__
        )
        content = file_content(data, path, resolve)
        return Page(
            source=self.name,
            url=listed.url,
            title=content.title,
            markdown=content.markdown,
            stamp=_stamp(blob),
        )


def _stamp(blob: str) -> str:
    return f"{EXTRACTION}-{blob}"
