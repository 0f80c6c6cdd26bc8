"""How passages are written: prepared as JSON, and taken apart by the database itself.

One value for all rows, and not one for each, because what is done for each row in Python is done
on the event loop, where it keeps mentions from being acknowledged.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from core.documents import Passage

ANY = ""  # the entry of the vocabulary that counts every passage; no passage has an empty word


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A passage and the words it is found by, in their order.

    A word is made of lower-case letters and digits; whatever else is given as one is left out.
    """

    passage: Passage
    title: Sequence[str]
    headings: Sequence[str]
    text: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """Rows to insert, as JSON."""

    rows: str
    keys: str  #: each ref with its first and its last position
    counts: str  #: in how many of the rows each word is; "" where there is none


# FTS5 keeps no words of its own: it has to be told those that it is to forget.
FORGET_SQLITE = text(
    """INSERT INTO passage_words (passage_words, rowid, title_words, heading_words, text_words)
    SELECT 'delete', id, title_words, heading_words, text_words FROM passages
    WHERE id IN (SELECT value FROM json_each(:ids))"""
)

INSERT_SQLITE = text(
    """INSERT INTO passages
        (ref, position, url, title, headings, text, title_words, heading_words, text_words)
    SELECT json_extract(value, '$.ref'), json_extract(value, '$.position'),
        json_extract(value, '$.url'), json_extract(value, '$.title'),
        json_extract(value, '$.headings'), json_extract(value, '$.text'),
        json_extract(value, '$.title_words'), json_extract(value, '$.heading_words'),
        json_extract(value, '$.text_words')
    FROM json_each(:rows)"""
)
INDEX_SQLITE = text(
    """INSERT INTO passage_words (rowid, title_words, heading_words, text_words)
    SELECT passages.id, title_words, heading_words, text_words FROM json_each(:keys) AS keys
    JOIN passages ON ref = json_extract(keys.value, '$[0]') AND position BETWEEN
        json_extract(keys.value, '$[1]') AND json_extract(keys.value, '$[2]')"""
)
INSERT_POSTGRES = text(
    """WITH new AS (SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS fields (
        ref text, position integer, url text, title text, headings json, text text,
        title_words text, heading_words text, text_words text, words text)),
    kept AS (INSERT INTO passages
        (ref, position, url, title, headings, text, title_words, heading_words, text_words)
        SELECT ref, position, url, title, headings, text, title_words, heading_words, text_words
        FROM new RETURNING id, ref, position)
    INSERT INTO passage_words (rowid, words)
    SELECT kept.id, CAST(new.words AS tsvector) FROM kept JOIN new USING (ref, position)"""
)

# In the order of the words: two writers in two orders would deadlock.
_ADD = (
    "INSERT INTO vocabulary (word, passages) SELECT key, CAST(value AS integer) "
    "FROM {each} ORDER BY key "
    "ON CONFLICT (word) DO UPDATE SET passages = vocabulary.passages + excluded.passages"
)
# SQLite would take the ON for that of a join, if no WHERE were there.
COUNT_SQLITE = text(_ADD.format(each="json_each(:counts) WHERE true"))
COUNT_POSTGRES = text(_ADD.format(each="json_each_text(CAST(:counts AS json))"))

_DISCARD = "DELETE FROM vocabulary WHERE passages <= 0 AND word IN (SELECT key FROM {each})"
DISCARD_SQLITE = text(_DISCARD.format(each="json_each(:counts)"))
DISCARD_POSTGRES = text(_DISCARD.format(each="json_each(CAST(:counts AS json))"))


def prepared(copies: Mapping[str, Sequence[Entry]], *, vectors: bool, first: int = 0) -> Prepared:
    """The rows of the entries of each ref, which are at the positions from `first` on.

    With `vectors`, the words as Postgres has them, too.
    """
    rows = [
        _columns(ref, position, entry)
        for ref, entries in copies.items()
        for position, entry in enumerate(entries, first)
    ]
    counts = words_by_passages(rows)
    if vectors:
        for row in rows:
            row["words"] = _vector(row)
    return Prepared(
        rows=json.dumps(rows, ensure_ascii=False),
        keys=json.dumps([(ref, first, first + len(some) - 1) for ref, some in copies.items()]),
        counts=json.dumps(counts, ensure_ascii=False) if counts else "",
    )


def words_by_passages(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """In how many of the rows each word is."""
    counts: Counter[str] = Counter()
    for row in rows:
        fields = (row["title_words"], row["heading_words"], row["text_words"])
        counts.update({ANY, *" ".join(fields).split()})
    return dict(counts)


def fewer_words(rows: Iterable[Mapping[str, Any]]) -> str:
    """What `counts` of rows would be, to take them away."""
    fewer = {word: -passages for word, passages in words_by_passages(rows).items()}
    return json.dumps(fewer, ensure_ascii=False)


def is_word(text: str) -> bool:
    """Whether it can be looked for: else FTS5 would fold it, or a query language read it."""
    return text.isalnum() and text == text.lower()


def _columns(ref: str, position: int, entry: Entry) -> dict[str, Any]:
    passage = entry.passage
    return {
        "ref": ref,
        "position": position,
        "url": _storable(passage.url),
        "title": _storable(passage.title),
        "headings": [_storable(heading) for heading in passage.headings],
        "text": _storable(passage.text),
        "title_words": " ".join(filter(is_word, entry.title)),
        "heading_words": " ".join(filter(is_word, entry.headings)),
        "text_words": " ".join(filter(is_word, entry.text)),
    }


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
