"""The words about documentation as values: sources' pages, their copies, what a refresh did.

Frozen, without I/O, as in `domain.py`, which has the words about questions and answers.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from core.text import storable


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """An address that a source has, before it is read."""

    url: str  #: what citations link to
    location: str  #: where the source reads it; made and read by the source only
    stamp: str | None = None  #: changes whenever the page does, where listing tells so; else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One address as fetched: its main content as Markdown."""

    source: str
    url: str
    title: str
    markdown: str
    stamp: str | None  #: opaque to all but the source, which gets it back to ask for changes only
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        # Of the text as it is stored: a page that comes back from the store has the same hash.
        content = storable(f"{self.title}\n{self.markdown}")
        object.__setattr__(self, "hash", hashlib.sha256(content.encode()).hexdigest())


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """The copy of a page in an index."""

    index: str
    url: str
    title: str
    hash: str  #: the page's hash when it was put there
    ref: str  #: the index's own id of the copy
    place: str = ""  #: where the index kept it then; see `DocumentIndex.prepare`
    source: str = ""  #: which source the copy says that its page comes from; "": it does not say


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A section of a page as the local index has it."""

    url: str  #: with the section's anchor where it is known
    title: str
    headings: tuple[str, ...]  #: from the page's top to the section
    text: str


RefreshPhase = Literal["listing", "reading", "comparing", "indexing", "removing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshProgress:
    """How far a refresh is."""

    phase: RefreshPhase
    done: int
    total: int
    what: str  #: the source or index at work


OnProgress = Callable[[RefreshProgress], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshUnderWay:
    """A refresh that has not ended: whose it is, and how far."""

    by: str  #: "slack:U123", "the schedule", "the command line"
    since: float
    progress: RefreshProgress | None = None  #: None: it has only begun


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshReport:
    """What a refresh did, by page address."""

    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]
    unchanged: int
    failed: Sequence[tuple[str, str]]  #: address and reason
    seconds: float
    skipped: Sequence[tuple[str, str]] = ()  #: pages that hold nothing to index, with the reason
    #: Pages that are gone, and so many of `known` that somebody has to confirm it: they stay.
    withheld: Sequence[str] = ()
    known: int = 0  #: how many pages there were before, of the sources in question
    dry_run: bool = False  #: nothing was done: this is the plan


def removals_key(urls: Iterable[str]) -> str:
    """What tells pages to be removed from any others, so that a yes counts for these alone."""
    return hashlib.sha256("\n".join(sorted(urls)).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How what an index holds differs from what we have on record."""

    place: str  #: where it holds it; see `DocumentIndex.prepare`
    lost: Sequence[Document] = ()  #: on record, and not (or not usably) there
    #: Ours and there, but not on record. One that can be found and says of which page it is a copy
    #: has its url and hash; else these are empty.
    orphans: Sequence[Document] = ()
    foreign: int = 0  #: what others have put there, which is left alone
    others: Mapping[str, int] = field(default_factory=dict)  #: of it, that of each other Docent


@dataclass(frozen=True, kw_only=True, slots=True)
class PageState:
    """What is known of a page, without its text."""

    url: str
    title: str
    source: str
    size: int  #: characters of Markdown
    fetched_at: float
    copies: Mapping[str, Literal["current", "outdated"]]  #: by index; where it has none, nothing
