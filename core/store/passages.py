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
    Row,
    Select,
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

from core.domain import Passage
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
    fewer_words,
    is_word,
    prepared,
)
from core.store.schema import passages, vocabulary

__all__ = ["Entry", "Passages"]

MOST_WORDS = 32  # of one search, those that weigh most: its cost must not follow what people paste
NAMED_AT_MOST = 1_500  # passages that Postgres ranks; SQLite is quick enough with all
AT_ONCE = 500  # values in one IN (…), or rows in one go: between two, the event loop can turn
REMOVED_AT_ONCE = 10  # copies in one transaction: on SQLite, nothing else is written meanwhile

T = TypeVar("T")

# Of text, headings and title, the last three; as bm25 has them below.
_FIELD_WEIGHTS: ColumnClause[Any] = literal_column("'{0, 0.25, 0.75, 1}'")

# While Postgres has no figures of a table that has just been filled, it would rather read all of it
# and start workers for that: for one search, either takes longer than the search.
_BY_INDEX = text(
    "SELECT set_config('enable_seqscan', 'off', true), "
    "set_config('max_parallel_workers_per_gather', '0', true)"
)
_NAMED: ColumnClause[Any] = literal_column("ts_filter(words, '{a,b}')")  # as its index has it


class Passages:
    """The passages of all copies in the local index, each copy known by its ref."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, copies: Mapping[str, Sequence[Entry]]) -> None:
        """Keep the entries of each ref, in place of what it had: all of them or, on error, none.

        Raises StoreError. A repeat changes nothing.
        """
        # In a thread, as all work on words here: mentions are acknowledged meanwhile.
        sqlite = self._database.is_sqlite
        new = await asyncio.to_thread(prepared, copies, vectors=not sqlite)
        async with self._database.write() as connection:
            await self._remove(connection, list(copies))
            if not new.counts:
                return
            if sqlite:
                await connection.execute(INSERT_SQLITE, {"rows": new.rows})
                await connection.execute(INDEX_SQLITE, {"refs": new.refs})
            else:
                await connection.execute(INSERT_POSTGRES, {"rows": new.rows})
            await self._count(connection, new.counts)

    async def remove(self, refs: Sequence[str]) -> None:
        """Delete all passages of these refs; those that are gone already are no error."""
        for some in _batches(refs, REMOVED_AT_ONCE):
            async with self._database.write() as connection:
                await self._remove(connection, some)

    async def refs(self) -> set[str]:
        """The refs of all copies. Raises StoreError."""
        async with self._database.read() as connection:
            return set((await connection.execute(select(passages.c.ref).distinct())).scalars())

    async def search(
        self, weights: Mapping[str, float], limit: int, *, named: bool = False
    ) -> list[tuple[Entry, float]]:
        """Up to `limit` passages that have any of the words, the best first, each with its rank.

        With `named`, only those that have one in their title or headings, and any NAMED_AT_MOST of
        very many: for words that most passages have. `weights` says how much each word tells; ranks
        are positive and mean nothing beyond this search. Any text may be asked for: nothing in it
        is read as a query language.
        """
        words = sorted(filter(is_word, weights), key=weights.__getitem__, reverse=True)
        if not words:
            return []
        search = _search_sqlite if self._database.is_sqlite else _search_postgres
        statement = search({word: weights[word] for word in words[:MOST_WORDS]}, limit, named)
        async with self._database.read() as connection:
            if not self._database.is_sqlite:
                await connection.execute(_BY_INDEX)
            found = {row.id: row.rank for row in await connection.execute(statement)}
            query = select(passages).where(passages.c.id.in_(found))
            entries = {row.id: _entry(row) for row in await connection.execute(query)}
        # On Postgres a refresh may have removed one between the two looks.
        return [(entries[id_], rank) for id_, rank in found.items() if id_ in entries]

    async def frequencies(self, words: Iterable[str]) -> tuple[int, dict[str, int]]:
        """How many passages there are, and how many of them have each of the words that any has."""
        wanted = [ANY, *words]
        counts: dict[str, int] = {}
        async with self._database.read() as connection:
            for some in _batches(wanted):
                query = select(vocabulary).where(vocabulary.c.word.in_(some))
                counts |= {row.word: row.passages for row in await connection.execute(query)}
        return counts.pop(ANY, 0), counts

    async def _remove(self, connection: AsyncConnection, refs: Sequence[str]) -> None:
        for some in _batches(refs):
            batch = passages.c.ref.in_(some)
            rows = [dict(row) for row in (await connection.execute(_words(batch))).mappings()]
            if not rows:
                continue
            if self._database.is_sqlite:  # on Postgres the foreign key does it
                await connection.execute(FORGET_SQLITE, {"refs": json.dumps(list(some))})
            await connection.execute(delete(passages).where(batch))
            fewer = await asyncio.to_thread(fewer_words, rows)
            await self._count(connection, fewer)
            discard = DISCARD_SQLITE if self._database.is_sqlite else DISCARD_POSTGRES
            await connection.execute(discard, {"counts": fewer})

    async def _count(self, connection: AsyncConnection, counts: str) -> None:
        statement = COUNT_SQLITE if self._database.is_sqlite else COUNT_POSTGRES
        await connection.execute(statement, {"counts": counts})


def _words(which: ColumnElement[bool]) -> Select[Any]:
    c = passages.c
    return select(c.title_words, c.heading_words, c.text_words).where(which)


def _batches(items: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _search_sqlite(weights: Mapping[str, float], limit: int, named: bool) -> Executable:
    # bm25 knows by itself how much a word tells. It is the less, the better the passage.
    statement = """SELECT rowid AS id, -bm25(passage_words, 4.0, 3.0, 1.0) AS rank
        FROM passage_words WHERE passage_words MATCH :query
        ORDER BY rank DESC, rowid LIMIT :limit"""
    query = " OR ".join(f'"{word}"' for word in weights)
    if named:
        query = f"{{title_words heading_words}} : ({query})"
    return text(statement).bindparams(query=query, limit=limit)


def _search_postgres(weights: Mapping[str, float], limit: int, named: bool) -> Executable:
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
    some = (having.limit(NAMED_AT_MOST) if named else having).subquery()
    return (
        select(rowid.label("id"), rank).select_from(some).order_by(rank.desc(), rowid).limit(limit)
    )


def _entry(row: Row[Any]) -> Entry:
    passage = Passage(url=row.url, title=row.title, headings=tuple(row.headings), text=row.text)
    return Entry(
        passage=passage,
        title=row.title_words.split(),
        headings=row.heading_words.split(),
        text=row.text_words.split(),
    )
