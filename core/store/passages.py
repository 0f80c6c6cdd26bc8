"""Full-text search over passages: FTS5 on SQLite, tsvector on Postgres, the same answers from both.

The words of a passage come from the caller, ready to be compared (`core.local_engine.words`), and are
indexed exactly as they come: neither database stems them or drops any. What is alike enough to be
found is decided in one place, and both databases find the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Passage
from core.store.database import Database
from core.store.schema import passages, vocabulary

MOST_WORDS = 32  # of one search, those that weigh most: its cost must not follow what people paste
AT_ONCE = 500  # values in one IN (…)
ANY = ""  # the entry of the vocabulary that counts every passage; no passage has an empty word


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A passage and the words it is found by, in their order.

    A word is made of letters and digits, as `str.isalnum` says; others are never found.
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
            statement = insert(passages).returning(passages.c.id, sort_by_parameter_order=True)
            ids = (await connection.execute(statement, rows)).scalars().all()
            for id_, row in zip(ids, rows, strict=True):
                row["id"] = id_
            await self._index(connection, rows)
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
        words = sorted(filter(str.isalnum, weights), key=weights.__getitem__, reverse=True)
        if not words:
            return []
        search = _search_sqlite if self._database.is_sqlite else _search_postgres
        statement, values = search({word: weights[word] for word in words[:MOST_WORDS]})
        async with self._database.read() as connection:
            rows = (await connection.execute(text(statement), values | {"limit": limit})).all()
            found = {row.id: row.rank for row in rows}
            query = select(passages).where(passages.c.id.in_(found))
            entries = {row.id: _entry(row) for row in await connection.execute(query)}
        return [(entries[id_], rank) for id_, rank in found.items()]

    async def frequencies(self, words: Iterable[str]) -> tuple[int, dict[str, int]]:
        """How many passages there are, and how many of them have each of the words that any has."""
        wanted = [ANY, *words]
        counts: dict[str, int] = {}
        async with self._database.read() as connection:
            for start in range(0, len(wanted), AT_ONCE):
                query = select(vocabulary.c.word, vocabulary.c.passages).where(
                    vocabulary.c.word.in_(wanted[start : start + AT_ONCE])
                )
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
        await connection.execute(
            new.on_conflict_do_update(index_elements=["word"], set_={"passages": more}),
            [{"word": word, "passages": n} for word, n in _words_by_passages(rows)],
        )

    async def _remove(self, connection: AsyncConnection, refs: Sequence[str]) -> None:
        for start in range(0, len(refs), AT_ONCE):
            batch = passages.c.ref.in_(refs[start : start + AT_ONCE])
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
    await connection.execute(update(vocabulary).where(this).values(fewer), counts)
    await connection.execute(delete(vocabulary).where(this, vocabulary.c.passages <= 0), counts)


def _words_by_passages(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """In how many of the rows each word is. In order: two writers in two orders would deadlock."""
    counts: Counter[str] = Counter()
    for row in rows:
        fields = (row["title_words"], row["heading_words"], row["text_words"])
        counts.update({ANY, *" ".join(fields).split()})
    return sorted(counts.items())


def _search_sqlite(weights: Mapping[str, float]) -> tuple[str, dict[str, Any]]:
    # bm25 knows by itself how much a word tells. It is the less, the better the passage.
    statement = """SELECT rowid AS id, -bm25(passage_words, 4.0, 3.0, 1.0) AS rank
        FROM passage_words WHERE passage_words MATCH :query ORDER BY rank DESC, rowid LIMIT :limit"""
    return statement, {"query": " OR ".join(f'"{word}"' for word in weights)}


def _search_postgres(weights: Mapping[str, float]) -> tuple[str, dict[str, Any]]:
    # ts_rank does not know how much a word tells, so each is ranked alone and weighed by us.
    ranks = " + ".join(
        f"CAST(:weight{n} AS float8) * ts_rank('{{0, 0.25, 0.75, 1}}', words, CAST(:word{n} AS tsquery))"
        for n in range(len(weights))
    )
    statement = f"""SELECT rowid AS id, {ranks} AS rank
        FROM passage_words WHERE words @@ CAST(:query AS tsquery)
        ORDER BY rank DESC, rowid LIMIT :limit"""
    values: dict[str, Any] = {"query": " | ".join(f"'{word}'" for word in weights)}
    for n, (word, weight) in enumerate(weights.items()):
        values |= {f"word{n}": f"'{word}'", f"weight{n}": weight}
    return statement, values


def _columns(ref: str, position: int, entry: Entry) -> dict[str, Any]:
    return {
        "ref": ref,
        "position": position,
        "url": entry.passage.url,
        "title": entry.passage.title,
        "headings": list(entry.passage.headings),
        "text": entry.passage.text,
        "title_words": " ".join(entry.title),
        "heading_words": " ".join(entry.headings),
        "text_words": " ".join(entry.text),
    }


def _vector(row: Mapping[str, Any]) -> str:
    """The words as Postgres writes a tsvector: each with its places and their weights."""
    places: dict[str, list[str]] = {}
    place = 0
    for weight, column in (("A", "title_words"), ("B", "heading_words"), ("C", "text_words")):
        for word in row[column].split():
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
