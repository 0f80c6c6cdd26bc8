"""Full-text search over passages: FTS5 on SQLite, tsvector on Postgres, with the same results.

The words of a passage come from the caller, ready to be compared (`core.local_engine.words`), and
are indexed as they come: neither database stems them or drops any. Which words are alike is thus
decided in one place, and both databases find the same passages.
"""

import asyncio
import json
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Executable,
    FromClause,
    Row,
    Select,
    and_,
    cast,
    column,
    delete,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from core.documents import Passage
from core.store.database import Database
from core.store.passage_rows import (
    ANY,
    COUNT_POSTGRES,
    COUNT_SQLITE,
    DISCARD_POSTGRES,
    DISCARD_SQLITE,
    FORGET_SQLITE,
    INDEX_SQLITE,
    INSERT_POSTGRES,
    INSERT_SQLITE,
    Entry,
    Prepared,
    fewer_words,
    is_word,
    prepared,
)
from core.store.schema import documents, pages, passages, values, vocabulary

__all__ = ["Entry", "Passages"]

MOST_WORDS = 32  # of one search, those that weigh most: its cost must not follow what people paste
NAMED_AT_MOST = 1_500  # passages that Postgres ranks; SQLite is quick enough with all
AT_ONCE = 500  # values in one IN (…), or rows in one go: between two, the event loop can turn
WRITTEN_AT_ONCE = 200  # passages in one transaction: on SQLite, nothing else is written meanwhile
HIDDEN = "half_a_copy:"  # begins the names of the values that hide copies, each by its ref

T = TypeVar("T")

# Of text, headings and title, the last three; as bm25 has them below.
_FIELD_WEIGHTS: ColumnClause[Any] = literal_column("'{0, 0.25, 0.75, 1}'")

# While Postgres has no figures of a table that has just been filled, it would rather read all of it
# and start workers for that: for one search, either takes longer than the search.
_BY_INDEX = text(
    "SELECT set_config('enable_seqscan', 'off', true), "
    "set_config('max_parallel_workers_per_gather', '0', true)"
)
_BEHIND_HIDDEN = HIDDEN[:-1] + chr(ord(HIDDEN[-1]) + 1)
_HIDDEN = select(func.substr(values.c.name, len(HIDDEN) + 1)).where(
    values.c.name >= HIDDEN, values.c.name < _BEHIND_HIDDEN
)
_NAMED: ColumnClause[Any] = literal_column("ts_filter(words, '{a,b}')")  # as its index has it


class Passages:
    """The passages of all copies in the local index, each copy known by its ref."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, copies: Mapping[str, Sequence[Entry]]) -> None:
        """Keep the entries of each ref, in place of what it had.

        A copy is found as a whole or not at all, also where this fails half way; of several copies,
        some may be there then. Raises StoreError. A repeat changes nothing.
        """
        together: dict[str, Sequence[Entry]] = {}
        for ref, entries in copies.items():
            if len(entries) > WRITTEN_AT_ONCE:
                await self._put_large(ref, entries)
                continue
            if sum(map(len, together.values())) + len(entries) > WRITTEN_AT_ONCE:
                await self._put(together)
                together = {}
            together[ref] = entries
        if together:
            await self._put(together)

    async def remove(self, refs: Sequence[str]) -> None:
        """Delete all passages of these refs; those that are gone already are no error.

        A copy is found as a whole or no more, also where this fails half way. Raises StoreError.
        """
        for some in _batches(refs):
            sizes = await self._sizes(some)
            large = [ref for ref, size in sizes.items() if size > WRITTEN_AT_ONCE]
            for ref in large:
                await self._clear_large(ref)
            for few in _in_bounds({ref: sizes[ref] for ref in sizes.keys() - set(large)}):
                async with self._database.write() as connection:
                    await self._remove(connection, passages.c.ref.in_(few))
            await self._show([ref for ref in some if ref in large or ref not in sizes])

    async def refs(self) -> set[str]:
        """The refs of all copies. Raises StoreError."""
        async with self._database.read() as connection:
            return set((await connection.execute(select(passages.c.ref).distinct())).scalars())

    async def hidden(self) -> set[str]:
        """The refs of copies that are not found, because a part of them may be missing."""
        async with self._database.read() as connection:
            return set((await connection.execute(_HIDDEN)).scalars())

    async def analyze(self) -> None:
        """Have the database look how the passages are now, which speeds up searches for them.

        To be called after many changes. Raises StoreError.
        """
        if self._database.is_sqlite:
            return
        for name in (passages.name, "passage_words", vocabulary.name):
            async with self._database.write() as connection:
                await connection.execute(text(f"ANALYZE {name}"))

    async def search(
        self,
        weights: Mapping[str, float],
        limit: int,
        *,
        named: bool = False,
        sources: Sequence[str] = (),
    ) -> list[tuple[Entry, float]]:
        """Up to `limit` passages that have any of the words, the best first, each with its rank.

        With `named`, only those that have one in their title or headings, and any NAMED_AT_MOST of
        very many: for words that most passages have. `weights` says how much each word tells; ranks
        are positive and mean nothing beyond this search. Any text may be asked for: nothing in it
        is read as a query language. Only in pages of `sources`, where any are named.
        """
        words = sorted(filter(is_word, weights), key=weights.__getitem__, reverse=True)
        if not words:
            return []
        search = _search_sqlite if self._database.is_sqlite else _search_postgres
        searched = {word: weights[word] for word in words[:MOST_WORDS]}
        found = search(searched, limit, named, sources)
        query = (
            select(passages, found.c.rank)
            .join(found, found.c.id == passages.c.id)
            .order_by(found.c.rank.desc(), found.c.id)
        )
        async with self._database.read() as connection:
            if not self._database.is_sqlite:
                await connection.execute(_BY_INDEX)
            return [(_entry(row), row.rank) for row in await connection.execute(query)]

    async def frequencies(self, words: Iterable[str]) -> tuple[int, dict[str, int]]:
        """How many passages there are, and how many of them have each of the words that any has."""
        wanted = [ANY, *words]
        counts: dict[str, int] = {}
        async with self._database.read() as connection:
            for some in _batches(wanted):
                query = select(vocabulary).where(vocabulary.c.word.in_(some))
                counts |= {row.word: row.passages for row in await connection.execute(query)}
        return counts.pop(ANY, 0), counts

    # --- a few copies in one transaction ----------------------------------------------------------

    async def _put(self, copies: Mapping[str, Sequence[Entry]]) -> None:
        # In a thread, as all work on words here: mentions are acknowledged meanwhile.
        new = await asyncio.to_thread(prepared, copies, vectors=not self._database.is_sqlite)
        async with self._database.write() as connection:
            await self._remove(connection, passages.c.ref.in_(list(copies)))
            await self._insert(connection, new)
            await connection.execute(_showing(list(copies)))

    async def _insert(self, connection: AsyncConnection, new: Prepared) -> None:
        if not new.counts:
            return
        if self._database.is_sqlite:
            await connection.execute(INSERT_SQLITE, {"rows": new.rows})
            await connection.execute(INDEX_SQLITE, {"keys": new.keys})
        else:
            await connection.execute(INSERT_POSTGRES, {"rows": new.rows})
        await self._count(connection, new.counts)

    async def _remove(self, connection: AsyncConnection, which: ColumnElement[bool]) -> int:
        """Remove these passages; how many there were."""
        rows = [dict(row) for row in (await connection.execute(_words(which))).mappings()]
        if not rows:
            return 0
        ids = [row.pop("id") for row in rows]
        if self._database.is_sqlite:  # on Postgres the foreign key does it
            await connection.execute(FORGET_SQLITE, {"ids": json.dumps(ids)})
        for some in _batches(ids):
            await connection.execute(delete(passages).where(passages.c.id.in_(some)))
        fewer = await asyncio.to_thread(fewer_words, rows)
        await self._count(connection, fewer)
        discard = DISCARD_SQLITE if self._database.is_sqlite else DISCARD_POSTGRES
        await connection.execute(discard, {"counts": fewer})
        return len(rows)

    # --- a large copy in several transactions, hidden until the last of them ----------------------

    async def _put_large(self, ref: str, entries: Sequence[Entry]) -> None:
        await self._clear_large(ref)
        for start in range(0, len(entries), WRITTEN_AT_ONCE):
            some = {ref: entries[start : start + WRITTEN_AT_ONCE]}
            vectors = not self._database.is_sqlite
            new = await asyncio.to_thread(prepared, some, vectors=vectors, first=start)
            async with self._database.write() as connection:
                await self._insert(connection, new)
        await self._show([ref])

    async def _clear_large(self, ref: str) -> None:
        """Hide a copy, whether there is one or not, and remove its passages."""
        hidden = self._database.insert(values).values(name=f"{HIDDEN}{ref}", value="1")
        async with self._database.write() as connection:
            await connection.execute(hidden.on_conflict_do_nothing())
        some = select(passages.c.id).where(passages.c.ref == ref).limit(WRITTEN_AT_ONCE)
        removed = WRITTEN_AT_ONCE
        while removed == WRITTEN_AT_ONCE:
            async with self._database.write() as connection:
                removed = await self._remove(connection, passages.c.id.in_(some))

    async def _show(self, refs: Sequence[str]) -> None:
        """Let copies be found that were hidden."""
        if refs:
            async with self._database.write() as connection:
                await connection.execute(_showing(refs))

    async def _sizes(self, refs: Sequence[str]) -> dict[str, int]:
        """How many passages the copies have that are there."""
        c = passages.c
        query = select(c.ref, func.count().label("size")).where(c.ref.in_(refs)).group_by(c.ref)
        async with self._database.read() as connection:
            return {row.ref: row.size for row in await connection.execute(query)}

    async def _count(self, connection: AsyncConnection, counts: str) -> None:
        statement = COUNT_SQLITE if self._database.is_sqlite else COUNT_POSTGRES
        await connection.execute(statement, {"counts": counts})


def _words(which: ColumnElement[bool]) -> Select[Any]:
    c = passages.c
    return select(c.id, c.title_words, c.heading_words, c.text_words).where(which)


def _showing(refs: Sequence[str]) -> Executable:
    return delete(values).where(values.c.name.in_([f"{HIDDEN}{ref}" for ref in refs]))


def _in_bounds(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Copies in groups that have at most WRITTEN_AT_ONCE passages together."""
    together: list[str] = []
    reached = 0
    for ref, size in sizes.items():
        if together and reached + size > WRITTEN_AT_ONCE:
            yield together
            together, reached = [], 0
        together.append(ref)
        reached += size
    if together:
        yield together


def _batches(items: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _search_sqlite(
    weights: Mapping[str, float], limit: int, named: bool, sources: Sequence[str]
) -> FromClause:
    # bm25 knows by itself how much a word tells. It is the less, the better the passage.
    statement = """SELECT rowid AS id, -bm25(passage_words, 4.0, 3.0, 1.0) AS rank
        FROM passage_words WHERE passage_words MATCH :query AND rowid NOT IN (
            SELECT id FROM passages WHERE ref IN (
                SELECT substr(name, :after) FROM kept_values WHERE name >= :first AND name < :last))
            AND (:sources = '[]' OR rowid IN (
                SELECT passages.id FROM passages
                JOIN documents ON documents.ref = passages.ref AND documents.index_name = 'local'
                JOIN pages ON pages.url = documents.url
                WHERE pages.source IN (SELECT value FROM json_each(:sources))))
        ORDER BY rank DESC, rowid LIMIT :limit"""
    query = " OR ".join(f'"{word}"' for word in weights)
    if named:
        query = f"{{title_words heading_words}} : ({query})"
    hidden = {"after": len(HIDDEN) + 1, "first": HIDDEN, "last": _BEHIND_HIDDEN}
    only = json.dumps(list(sources))
    found = text(statement).bindparams(query=query, limit=limit, sources=only, **hidden)
    return found.columns(column("id"), column("rank")).subquery()


def _search_postgres(
    weights: Mapping[str, float], limit: int, named: bool, sources: Sequence[str]
) -> FromClause:
    rowid: ColumnClause[int] = column("rowid")
    words: ColumnClause[str] = column("words")
    # ts_rank does not know how much a word tells, so each is ranked alone and weighed here.
    ranks = [
        literal(weight) * func.ts_rank(_FIELD_WEIGHTS, words, cast(f"'{word}'", TSQUERY))
        for word, weight in weights.items()
    ]
    rank = reduce(operator.add, ranks).label("rank")
    any_word = cast(" | ".join(f"'{word}'" for word in weights), TSQUERY)
    having = select(rowid, words).select_from(table("passage_words"))
    having = having.where((_NAMED if named else words).bool_op("@@")(any_word))
    having = having.where(rowid.not_in(select(passages.c.id).where(passages.c.ref.in_(_HIDDEN))))
    if sources:
        having = having.where(rowid.in_(_from(sources)))
    some = (having.limit(NAMED_AT_MOST) if named else having).subquery()
    best = select(rowid.label("id"), rank).select_from(some).order_by(rank.desc(), rowid)
    return best.limit(limit).subquery()


def _from(sources: Sequence[str]) -> Select[Any]:
    """The ids of passages whose pages come from some sources."""
    return (
        select(passages.c.id)
        .join(documents, and_(documents.c.ref == passages.c.ref, documents.c.index_name == "local"))
        .join(pages, pages.c.url == documents.c.url)
        .where(pages.c.source.in_(sources))
    )


def _entry(row: Row[Any]) -> Entry:
    passage = Passage(url=row.url, title=row.title, headings=tuple(row.headings), text=row.text)
    return Entry(
        passage=passage,
        title=row.title_words.split(),
        headings=row.heading_words.split(),
        text=row.text_words.split(),
    )
