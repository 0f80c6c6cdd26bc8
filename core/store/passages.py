"""Full-text search over passages: FTS5 on SQLite, tsvector on Postgres, with the same results.

The words of a passage come from the caller, ready to be compared (`core.local_engine.words`), and
are indexed as they come: neither database stems them or drops any. Which words are alike is thus
decided in one place, and both databases find the same passages.
"""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnClause,
    Executable,
    Row,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Passage
from core.store.database import Database
from core.store.schema import passages, vocabulary

MOST_WORDS = 32  # of one search, those that weigh most: its cost must not follow what people paste
AT_ONCE = 500  # values in one IN (…), or rows in one go: between two, the event loop can turn
ANY = ""  # the entry of the vocabulary that counts every passage; no passage has an empty word

T = TypeVar("T")

# Of text, headings and title, the last three; as bm25 has them below.
_FIELD_WEIGHTS: ColumnClause[Any] = literal_column("'{0, 0.25, 0.75, 1}'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A passage and the words it is found by, in their order.

    A word is made of lower-case letters and digits; whatever else is given as one is left out.
    """

    passage: Passage
    title: Sequence[str]
    headings: Sequence[str]
    text: Sequence[str]


class Passages:
    """The passages of all copies in the local index, each copy known by its ref."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, copies: Mapping[str, Sequence[Entry]]) -> None:
        """Keep the entries of each ref, in place of what it had: all of them or, on error, none.

        Raises StoreError. A repeat changes nothing.
        """
        rows = [
            _columns(ref, position, entry)
            for ref, entries in copies.items()
            for position, entry in enumerate(entries)
        ]
        async with self._database.write() as connection:
            await self._remove(connection, list(copies))
            if not rows:
                return
            for some in _batches(rows):
                statement = insert(passages).returning(passages.c.id, sort_by_parameter_order=True)
                ids = (await connection.execute(statement, some)).scalars()
                for id_, row in zip(ids, some, strict=True):
                    row["id"] = id_
                await self._index(connection, some)
            await self._count(connection, rows)

    async def remove(self, refs: Sequence[str]) -> None:
        """Delete all passages of these refs; those that are gone already are no error."""
        async with self._database.write() as connection:
            await self._remove(connection, refs)

    async def search(self, weights: Mapping[str, float], limit: int) -> list[tuple[Entry, float]]:
        """Up to `limit` passages that have any of the words, the best first, each with its rank.

        `weights` says how much each word tells; ranks are positive and mean nothing beyond this
        search. Any text may be asked for: nothing in it is read as a query language.
        """
        words = sorted(filter(_is_word, weights), key=weights.__getitem__, reverse=True)
        if not words:
            return []
        search = _search_sqlite if self._database.is_sqlite else _search_postgres
        statement = search({word: weights[word] for word in words[:MOST_WORDS]}, limit)
        async with self._database.read() as connection:
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

    async def _index(self, connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
        if self._database.is_sqlite:
            statement = """INSERT INTO passage_words (rowid, title_words, heading_words, text_words)
                VALUES (:id, :title_words, :heading_words, :text_words)"""
            await connection.execute(text(statement), rows)
        else:
            statement = """INSERT INTO passage_words (rowid, words)
                VALUES (:id, CAST(:words AS tsvector))"""
            vectors = [{"id": row["id"], "words": _vector(row)} for row in rows]
            await connection.execute(text(statement), vectors)

    async def _count(self, connection: AsyncConnection, rows: Iterable[Mapping[str, Any]]) -> None:
        new = self._database.insert(vocabulary)
        more = vocabulary.c.passages + new.excluded.passages
        upsert = new.on_conflict_do_update(index_elements=["word"], set_={"passages": more})
        counts = [{"word": word, "passages": n} for word, n in _words_by_passages(rows)]
        for some in _batches(counts):
            await connection.execute(upsert, some)

    async def _remove(self, connection: AsyncConnection, refs: Sequence[str]) -> None:
        for some in _batches(refs):
            batch = passages.c.ref.in_(some)
            result = await connection.execute(select(passages).where(batch))
            rows = [dict(row) for row in result.mappings()]
            if not rows:
                continue
            if self._database.is_sqlite:  # on Postgres the foreign key does it
                # FTS5 keeps no words of its own: it has to be told those that it is to forget.
                statement = """INSERT INTO passage_words
                    (passage_words, rowid, title_words, heading_words, text_words)
                    VALUES ('delete', :id, :title_words, :heading_words, :text_words)"""
                await connection.execute(text(statement), rows)
            await connection.execute(delete(passages).where(batch))
            await _discount(connection, rows)


async def _discount(connection: AsyncConnection, rows: Iterable[Mapping[str, Any]]) -> None:
    counts = [{"known": word, "fewer": n} for word, n in _words_by_passages(rows)]
    this = vocabulary.c.word == bindparam("known")
    fewer = {"passages": vocabulary.c.passages - bindparam("fewer")}
    for some in _batches(counts):
        await connection.execute(update(vocabulary).where(this).values(fewer), some)
        await connection.execute(delete(vocabulary).where(this, vocabulary.c.passages <= 0), some)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def _words_by_passages(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """In how many of the rows each word is. In order: two writers in two orders would deadlock."""
    counts: Counter[str] = Counter()
    for row in rows:
        fields = (row["title_words"], row["heading_words"], row["text_words"])
        counts.update({ANY, *" ".join(fields).split()})
    return sorted(counts.items())


def _search_sqlite(weights: Mapping[str, float], limit: int) -> Executable:
    # bm25 knows by itself how much a word tells. It is the less, the better the passage.
    statement = """SELECT rowid AS id, -bm25(passage_words, 4.0, 3.0, 1.0) AS rank
        FROM passage_words WHERE passage_words MATCH :query
        ORDER BY rank DESC, rowid LIMIT :limit"""
    query = " OR ".join(f'"{word}"' for word in weights)
    return text(statement).bindparams(query=query, limit=limit)


def _search_postgres(weights: Mapping[str, float], limit: int) -> Executable:
    rowid: ColumnClause[int] = column("rowid")
    words: ColumnClause[str] = column("words")
    # ts_rank does not know how much a word tells, so each is ranked alone and weighed here.
    ranks = [
        literal(weight) * func.ts_rank(_FIELD_WEIGHTS, words, cast(f"'{word}'", TSQUERY))
        for word, weight in weights.items()
    ]
    rank = reduce(operator.add, ranks).label("rank")
    any_word = cast(" | ".join(f"'{word}'" for word in weights), TSQUERY)
    query = select(rowid.label("id"), rank).select_from(table("passage_words"))
    query = query.where(words.bool_op("@@")(any_word))
    return query.order_by(rank.desc(), rowid).limit(limit)


def _columns(ref: str, position: int, entry: Entry) -> dict[str, Any]:
    passage = entry.passage
    return {
        "ref": ref,
        "position": position,
        "url": _storable(passage.url),
        "title": _storable(passage.title),
        "headings": [_storable(heading) for heading in passage.headings],
        "text": _storable(passage.text),
        "title_words": " ".join(filter(_is_word, entry.title)),
        "heading_words": " ".join(filter(_is_word, entry.headings)),
        "text_words": " ".join(filter(_is_word, entry.text)),
    }


def _is_word(text: str) -> bool:
    # Both query languages read such words as words, and FTS5 would fold the case of others.
    return text.isalnum() and text == text.lower()


def _storable(text: str) -> str:
    # Postgres has no character zero, and no database half of a surrogate pair.
    return text.replace("\0", "").encode(errors="ignore").decode()


def _vector(row: Mapping[str, Any]) -> str:
    """The words as Postgres writes a tsvector: each with its places and their weights."""
    places: dict[str, list[str]] = {}
    place = 0
    for weight, field in (("A", "title_words"), ("B", "heading_words"), ("C", "text_words")):
        for word in row[field].split():
            place += 1
            places.setdefault(word, []).append(f"{place}{weight}")
    return " ".join(f"'{word}':{','.join(where)}" for word, where in places.items())


def _entry(row: Row[Any]) -> Entry:
    passage = Passage(url=row.url, title=row.title, headings=tuple(row.headings), text=row.text)
    return Entry(
        passage=passage,
        title=row.title_words.split(),
        headings=row.heading_words.split(),
        text=row.text_words.split(),
    )
