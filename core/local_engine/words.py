"""Text as words that can be compared: split, folded and stemmed. Pages and questions alike.

Which words a question is really about is `query`'s to say. The words of pages are stored: a change
here takes effect on a page when it is indexed anew.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

from core.local_engine.vocabulary import STOP_WORDS

LONGEST = 40  # characters: what is longer is a hash or a key, and nobody asks for it

# A word, or several in one: DATABASE_URL, --dry-run, core.store, openai/gpt is two.
_TOKEN = re.compile(r"[^\W_]+(?:['’._-]+[^\W_]+)*")
_SEPARATORS = re.compile(r"[._-]+")
# camelCase and HTTPServer, but neither APIs nor URLs.
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_APOSTROPHE = re.compile(r"['’]")
_POSSESSIVE = re.compile(r"['’]s$")
_LINK_TARGET = re.compile(r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,300}>|<!--.*?-->", re.DOTALL)
_BRITISH = (
    (re.compile(r"(?<=[a-z]{2})is(?=(?:e|es|ed|er|ers|ing|ation|ations)$)"), "iz"),
    (re.compile(r"(?<=[a-z]{3})our(?=s?$|ed$|ing$|al$|ite|ful)"), "or"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A word as somebody wrote it."""

    raw: str  #: in lower case, without accents, apostrophes and separators
    word: str  #: what it is compared by; of an identifier all parts as one: "databaseurl"
    parts: tuple[str, ...] = ()  #: of an identifier only, each as it is compared


def words_of(markdown: str) -> list[str]:
    """The words of a text in their order; an identifier as its parts and as a whole."""
    words: list[str] = []
    for match in _TOKEN.finditer(_folded(_plain(markdown))):
        words += _expand(match.group())
    return words


def tokens_of(text: str) -> Iterator[Token]:
    """The words of a question in their order, all of them."""
    for match in _TOKEN.finditer(_folded(text)):
        yield _token(match.group())


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """What the inflections of a lower-case word have in common, in British and American."""
    for british, american in _BRITISH:
        word = british.sub(american, word)
    # One stemmer a word: it keeps its work in itself, and pages are cut in other threads.
    return str(snowballstemmer.stemmer("english").stemWord(word))


def _plain(markdown: str) -> str:
    """The text without what readers do not see: link targets, tags and comments."""
    return _TAG.sub(" ", _LINK_TARGET.sub("] ", markdown))


def _folded(text: str) -> str:
    """The text without accents, and with each letter in one form only."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", plain)


@lru_cache(maxsize=50_000)
def _expand(text: str) -> tuple[str, ...]:
    token = _token(text)
    if token.raw in STOP_WORDS:
        return ()
    return tuple(word for word in (*token.parts, token.word) if len(word) <= LONGEST)


def _token(text: str) -> Token:
    text = _APOSTROPHE.sub("", _POSSESSIVE.sub("", text))
    parts = [part.lower() for piece in _SEPARATORS.split(text) for part in _HUMP.split(piece)]
    raw = "".join(parts)
    return Token(raw=raw, word=stem(raw), parts=tuple(map(stem, parts)) if len(parts) > 1 else ())
