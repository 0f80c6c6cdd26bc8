"""The address under which a page is cited: what `<link rel="canonical">` names, where that is true.

Many sites get it wrong: every page names the start page, or the address of a proxy, or one that is
no more. So a page is recorded under another address only where the same text is found there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

from yarl import URL

from core.documents import Page
from core.errors import PageGone, PageUnreadable

MAX_ADDRESS = 2_000  #: characters

#: Reads the page at an address; gives it, where it was in the end, and what it names as canonical.
Look = Callable[[str], Awaitable[tuple[Page, str, str | None]]]


class Canonicals:
    """What the pages of one source name, looked at once each in a refresh."""

    def __init__(self, owns: Callable[[URL], bool], look: Look) -> None:
        """`owns` says whether an address is one of the source; `look` obeys robots.txt."""
        self._owns = owns
        self._look = look
        self.begin()

    def begin(self) -> None:
        """Begin a refresh: forget what was seen in the last one."""
        self._hashes: dict[str, str | None] = {}  # of the pages that are where they say
        self._in_doubt: set[str] = set()
        self._looking: dict[str, asyncio.Lock] = {}

    async def of(self, page: Page, reached: str, named: str | None) -> str | None:
        """Say under which address a page is to be cited; None where that cannot be told at present.

        `reached` is where it was read, `named` what it says.
        """
        target = self._target(reached, named)
        if target is None or target == page.url:
            if _plain(reached) == page.url:
                self._hashes[page.url] = page.hash
            return page.url
        if _plain(reached) == target:
            return target
        async with self._looking.setdefault(target, asyncio.Lock()):
            if target not in self._hashes:
                self._hashes[target] = await self._hash_at(target)
        if target in self._in_doubt:
            return None
        return target if self._hashes[target] == page.hash else page.url

    def _target(self, reached: str, named: str | None) -> str | None:
        """Read what a page names: an address of the source, or nothing."""
        if not named or len(named) > MAX_ADDRESS:
            return None
        if not named.lower().startswith(("https://", "http://", "/")):
            return None  # relative: mostly a template that was never filled in
        try:
            url = URL(urljoin(reached, named)).with_fragment(None)
            is_ours = url.user is None and url.password is None and self._owns(url)
        except ValueError:
            return None
        return str(url) if is_ours else None

    async def _hash_at(self, target: str) -> str | None:
        """The hash of the page at an address; None where it is not there, or says it is not."""
        try:
            page, reached, named = await self._look(target)
        except PageGone:
            return None
        except PageUnreadable:
            self._in_doubt.add(target)
            return None
        if _plain(reached) != target or self._target(reached, named) not in {None, target}:
            return None
        return page.hash


def _plain(address: str) -> str:
    return str(URL(address).with_fragment(None))
