"""Pages as last read, and which copies of them the indexes hold.

What a refresh has to do follows from these two tables alone, so that one that was killed is
finished by the next.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, select

from core.documents import Document, Page, PageState
from core.domain import Citation
from core.store.database import Database
from core.store.schema import documents, pages
from core.store.values import Values
from core.text import storable

CHARACTERS_AT_ONCE = 1_000_000  # of pages in one transaction, but for one that is longer
AT_ONCE = 500  # rows in one transaction: on SQLite, nothing else is written meanwhile


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownPage:
    """What a refresh compares a page with."""

    source: str
    hash: str
    stamp: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alias:
    """An address that a source lists, and whose page is recorded under another, canonical one."""

    page: str  #: the address that the page has
    source: str
    stamp: str | None  #: of what was read at the listed address
    hash: str  #: of the page then


ALIASES = "aliases"  # the name under which they are kept: few, and read and written together


class Documents:
    """The documentation as we have it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self) -> dict[str, KnownPage]:
        """Every page that we have, by url."""
        query = select(pages.c.url, pages.c.source, pages.c.hash, pages.c.stamp)
        async with self._database.read() as connection:
            return {
                row.url: KnownPage(source=row.source, hash=row.hash, stamp=row.stamp)
                for row in await connection.execute(query)
            }

    async def put_pages(self, batch: Sequence[Page]) -> None:
        """Keep pages as they were just read, in place of what their urls had before.

        Raises StoreError; some of them may be kept then.
        """
        insert_page = self._database.insert(pages)
        columns = ("source", "title", "markdown", "hash", "stamp", "fetched_at")
        upsert = insert_page.on_conflict_do_update(
            index_elements=["url"], set_={name: insert_page.excluded[name] for name in columns}
        )
        now = time.time()
        rows = [
            {
                "source": page.source,
                "url": page.url,
                "title": storable(page.title),
                "markdown": storable(page.markdown),
                "hash": page.hash,
                "stamp": page.stamp,
                "fetched_at": now,
            }
            for page in batch
        ]
        for some in _writes(rows):
            async with self._database.write() as connection:
                await connection.execute(upsert, some)

    async def remove_pages(self, urls: Sequence[str]) -> None:
        """Forget pages that the documentation no longer has."""
        for start in range(0, len(urls), AT_ONCE):
            batch = urls[start : start + AT_ONCE]
            async with self._database.write() as connection:
                await connection.execute(delete(pages).where(pages.c.url.in_(batch)))

    async def aliases(self) -> dict[str, Alias]:
        """The addresses that are listed, and whose page is recorded under another one."""
        kept = await Values(self._database).get(ALIASES)
        return {url: Alias(**alias) for url, alias in json.loads(kept or "{}").items()}

    async def put_aliases(self, aliases: Mapping[str, Alias]) -> None:
        """Keep these, in place of those that there were."""
        text = json.dumps({url: asdict(alias) for url, alias in aliases.items()})
        await Values(self._database).put(ALIASES, text)

    async def count(self) -> int:
        """How many pages we have."""
        async with self._database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(pages))).scalar_one()

    async def page(self, url: str) -> tuple[Page, PageState] | None:
        """A page and what is known of it; None where the documentation has no such page."""
        found = await self.get_pages([url])
        states = await self.states(url)
        return (found[0], states[0]) if found and states else None

    async def states(self, url: str | None = None) -> list[PageState]:
        """What is known of every page, or of one, without the texts; by source and url."""
        columns = (pages.c.url, pages.c.title, pages.c.source, pages.c.hash, pages.c.fetched_at)
        size = func.length(pages.c.markdown).label("size")
        query = select(*columns, size).order_by(pages.c.source, pages.c.url)
        copies = select(documents.c.index_name, documents.c.url, documents.c.hash)
        if url is not None:
            query, copies = query.where(pages.c.url == url), copies.where(documents.c.url == url)
        async with self._database.read() as connection:
            rows = list(await connection.execute(query))
            hashes: dict[str, list[tuple[str, str]]] = {}
            for copy in await connection.execute(copies):
                hashes.setdefault(copy.url, []).append((copy.index_name, copy.hash))
        return [_state(row, hashes.get(row.url, ())) for row in rows]

    async def missing_urls(self, index: str, place: str = "") -> list[str]:
        """Urls of the pages of which an index has, at a place, no copy as they are now."""
        current = exists().where(_is_copy(index), documents.c.place == place)
        query = select(pages.c.url).where(~current).order_by(pages.c.id)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def get_pages(self, urls: Sequence[str]) -> list[Page]:
        """The pages of these urls that we have, in no particular order."""
        query = select(pages).where(pages.c.url.in_(urls))
        async with self._database.read() as connection:
            return [_page(row) for row in await connection.execute(query)]

    async def copies(self, index: str) -> list[Document]:
        """All copies of an index that are on record, wherever it keeps them."""
        query = select(documents).where(documents.c.index_name == index)
        async with self._database.read() as connection:
            return [_document(row) for row in await connection.execute(query)]

    async def stale(self, index: str, place: str = "") -> list[Document]:
        """The copies in an index whose page is gone, or has a copy as it is now, at the place.

        The copy of a page that changed is not stale before the new one is in: at no moment is a
        page of the documentation missing from the index.
        """
        same_page = exists().where(pages.c.url == documents.c.url)
        newer = documents.alias("newer")
        replaced = exists().where(
            newer.c.index_name == index,
            newer.c.url == documents.c.url,
            newer.c.place == place,
            newer.c.hash == pages.c.hash,
            newer.c.ref != documents.c.ref,
            (newer.c.hash != documents.c.hash)
            | (newer.c.place != documents.c.place)
            | (newer.c.id < documents.c.id),  # of two that are alike, the first stays
            pages.c.url == documents.c.url,
        )
        query = select(documents).where(documents.c.index_name == index, ~same_page | replaced)
        async with self._database.read() as connection:
            return [_document(row) for row in await connection.execute(query)]

    async def mislabelled(self, index: str, place: str = "") -> list[Document]:
        """The copies as they should be that say another source than their page has, or none."""
        query = (
            select(documents, pages.c.source.label("page_source"))
            .join(pages, pages.c.url == documents.c.url)
            .where(
                documents.c.index_name == index,
                documents.c.place == place,
                documents.c.hash == pages.c.hash,
                documents.c.source != pages.c.source,
            )
            .order_by(documents.c.id)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [replace(_document(row), source=row.page_source) for row in rows]

    async def add(self, batch: Sequence[Document]) -> None:
        """Record copies that an index now holds."""
        if not batch:
            return
        rows = [
            {
                "index_name": document.index,
                "url": document.url,
                "title": document.title,
                "hash": document.hash,
                "ref": document.ref,
                "place": document.place,
                "source": document.source,
            }
            for document in batch
        ]
        new = self._database.insert(documents)
        columns = ("url", "title", "hash", "place", "source")
        statement = new.on_conflict_do_update(
            index_elements=["index_name", "ref"],
            set_={name: new.excluded[name] for name in columns},
        )
        for start in range(0, len(rows), AT_ONCE):
            async with self._database.write() as connection:
                await connection.execute(statement, rows[start : start + AT_ONCE])

    async def forget(self, batch: Sequence[Document]) -> None:
        """Drop the record of copies that an index no longer holds."""
        refs: dict[str, list[str]] = {}
        for document in batch:
            refs.setdefault(document.index, []).append(document.ref)
        for index, theirs in refs.items():
            for start in range(0, len(theirs), AT_ONCE):
                some = documents.c.ref.in_(theirs[start : start + AT_ONCE])
                async with self._database.write() as connection:
                    await connection.execute(
                        delete(documents).where(documents.c.index_name == index, some)
                    )

    async def citations(self, index: str, refs: Sequence[str]) -> Mapping[str, Citation]:
        """What to cite for each of an index's refs whose page the documentation still has."""
        query = (
            select(documents.c.ref, pages.c.url, pages.c.title)
            .join(pages, pages.c.url == documents.c.url)
            .where(documents.c.index_name == index, documents.c.ref.in_(refs))
        )
        async with self._database.read() as connection:
            return {
                row.ref: Citation(url=row.url, title=row.title)
                for row in await connection.execute(query)
            }


def _writes(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut rows of pages into parts that are not long to write."""
    together: list[dict[str, Any]] = []
    reached = 0
    for row in rows:
        reached += len(row["markdown"])
        if together and (reached > CHARACTERS_AT_ONCE or len(together) == AT_ONCE):
            yield together
            together, reached = [], len(row["markdown"])
        together.append(row)
    if together:
        yield together


def _is_copy(index: str) -> Any:
    return and_(
        documents.c.index_name == index,
        documents.c.url == pages.c.url,
        documents.c.hash == pages.c.hash,
    )


def _page(row: Row[Any]) -> Page:
    return Page(
        source=row.source, url=row.url, title=row.title, markdown=row.markdown, stamp=row.stamp
    )


def _document(row: Row[Any]) -> Document:
    return Document(
        index=row.index_name,
        url=row.url,
        title=row.title,
        hash=row.hash,
        ref=row.ref,
        place=row.place,
        source=row.source,
    )


def _state(row: Any, copies: Sequence[tuple[str, str]]) -> PageState:
    """Read one row of `states`, with the index and hash of each copy of the page."""
    names = {name for name, _ in copies}
    is_current = {name for name, hash_ in copies if hash_ == row.hash}
    return PageState(
        url=row.url,
        title=row.title,
        source=row.source,
        size=row.size,
        fetched_at=row.fetched_at,
        copies={name: "current" if name in is_current else "outdated" for name in sorted(names)},
    )
