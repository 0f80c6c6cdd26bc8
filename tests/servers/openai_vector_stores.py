"""Vector stores of the OpenAI server: which files they hold, and what a search finds in them.

Searching is by words that a question and a file share; it is there to find the one page that a test
is about.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from servers.openai_files import File, Files, not_in_store
from servers.openai_filters import lets_through
from servers.openai_wire import ApiError, Json, check_choice, check_fields, check_range, new_id, now

# fmt: off
READABLE = {
    ".c", ".cpp", ".cs", ".css", ".doc", ".docx", ".go", ".html", ".java", ".js", ".json", ".md",
    ".pdf", ".php", ".pptx", ".py", ".rb", ".sh", ".tex", ".ts", ".txt",
}
# fmt: on
EMPTY_WORDS = {
    "does",
    "from",
    "have",
    "that",
    "there",
    "they",
    "this",
    "what",
    "when",
    "where",
    "which",
    "with",
}
STATUSES = ("in_progress", "completed", "cancelled", "failed")


@dataclass
class Indexing:
    """How the server takes files in; names are given by a part of them."""

    looks: int = 1  #: how often a file is looked at before it is indexed
    fail: dict[str, str] = field(default_factory=dict)  #: name -> code of the failure
    stuck: set[str] = field(default_factory=set)  #: these stay in progress for ever
    lose: set[str] = field(default_factory=set)  #: these are left out, without a word
    lose_in_batches: set[str] = field(default_factory=set)  #: these too, but not one by one
    keeps_labels: bool = True  #: whether attributes of a file can be changed
    poll_after_ms: int | None = None  #: what the header says while a batch is in progress

    def failure_of(self, name: str) -> str | None:
        if PurePosixPath(name).suffix.lower() not in READABLE:
            return "unsupported_file"
        return next((code for part, code in self.fail.items() if part in name), None)

    def is_stuck(self, name: str) -> bool:
        return any(part in name for part in self.stuck)

    def loses(self, name: str, *, in_batch: bool = False) -> bool:
        return any(
            part in name for part in self.lose | (self.lose_in_batches if in_batch else set())
        )


@dataclass
class StoredFile:
    """A file in a vector store."""

    file: File
    store: str
    attributes: Json
    chunking: Json
    looks_left: int
    status: str = "in_progress"
    failure: str | None = None
    created_at: int = field(default_factory=now)

    def look(self, indexing: Indexing) -> None:
        """Somebody looks how far the file is, which is what makes it go on."""
        self.looks_left -= 1
        if self.status == "in_progress" and self.looks_left <= 0:
            if indexing.is_stuck(self.file.name):
                return
            self.failure = indexing.failure_of(self.file.name)
            self.status = "failed" if self.failure else "completed"

    def shape(self) -> Json:
        error = {"code": self.failure, "message": "The file could not be processed."}
        return {
            "id": self.file.id,
            "object": "vector_store.file",
            "usage_bytes": len(self.file.content) if self.status == "completed" else 0,
            "created_at": self.created_at,
            "vector_store_id": self.store,
            "status": self.status,
            "last_error": error if self.failure else None,
            "attributes": self.attributes,
            "chunking_strategy": self.chunking,
        }


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What a search found in one file."""

    file: File
    attributes: Json
    score: float  #: the part of the question's words that the file has
    text: str  #: the paragraph that has most of them

    def shape(self) -> Json:
        """As in the results of a file_search call."""
        return {
            "file_id": self.file.id,
            "filename": self.file.name,
            "score": self.score,
            "attributes": self.attributes,
            "text": self.text,
        }


@dataclass
class VectorStore:
    name: str
    metadata: Json
    expires_after: Json | None
    files: dict[str, StoredFile] = field(default_factory=dict)
    batches: dict[str, list[str]] = field(
        default_factory=dict
    )  #: ids of the files that came in each
    is_expired: bool = False
    id: str = field(default_factory=lambda: new_id("vs_"))
    created_at: int = field(default_factory=now)

    def shape(self) -> Json:
        counts = counts_of(self.files.values())
        status = "in_progress" if counts["in_progress"] else "completed"
        return {
            "id": self.id,
            "object": "vector_store",
            "created_at": self.created_at,
            "name": self.name,
            "usage_bytes": sum(held.shape()["usage_bytes"] for held in self.files.values()),
            "file_counts": counts,
            "status": "expired" if self.is_expired else status,
            "expires_after": self.expires_after,
            "expires_at": None,
            "last_active_at": self.created_at,
            "metadata": self.metadata,
        }

    def add(self, file: File, indexing: Indexing, request: Json) -> StoredFile:
        """Take a file in; one that is there already is taken in anew."""
        held = StoredFile(
            file=file,
            store=self.id,
            attributes=request.get("attributes") or {},
            chunking=chunking_of(request.get("chunking_strategy")),
            looks_left=indexing.looks,
        )
        if not indexing.loses(file.name):
            self.files[file.id] = held
        return held

    def held(self, file_id: str) -> StoredFile:
        if file_id not in self.files:
            raise not_in_store(file_id, self.id)
        return self.files[file_id]

    def search(
        self, questions: Sequence[str], most: int, files: Files, filters: Json | None = None
    ) -> list[Hit]:
        """The files that share words with a question and that filters let through, best first."""
        asked = words(" ".join(questions))
        hits = [
            Hit(file=held.file, attributes=held.attributes, score=score, text=text)
            for held in self.files.values()
            if held.status == "completed" and held.file.id in files.all
            if lets_through(filters, held.attributes)
            for score, text in [_match(asked, held.file.content.decode("utf-8", "replace"))]
            if score > 0
        ]
        return sorted(hits, key=lambda hit: hit.score, reverse=True)[:most]


def words(text: str) -> set[str]:
    """The beginnings of the words of a text that mean something."""
    found = set(re.findall(r"\w{4,}", text.lower())) - EMPTY_WORDS
    return {word.rstrip("s")[:6] for word in found}


def _match(asked: set[str], content: str) -> tuple[float, str]:
    shared = asked & words(content)
    paragraphs = [part.strip() for part in content.split("\n\n")]
    told = [part for part in paragraphs if not part.startswith(("#", "Source:"))] or paragraphs
    best = max(told, key=lambda part: len(asked & words(part)))
    return len(shared) / max(1, len(asked)), best


def counts_of(held: Iterable[StoredFile]) -> Json:
    statuses = [file.status for file in held]
    return {status: statuses.count(status) for status in STATUSES} | {"total": len(statuses)}


def chunking_of(given: Any) -> Json:
    """A chunking strategy as it is kept, from one as it is sent."""
    if given is None or given == {"type": "auto"}:
        static = {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}
        return {"type": "static", "static": static}
    check_fields(given, {"type", "static"}, {"type", "static"}, at="chunking_strategy.")
    check_choice(given["type"], ("auto", "static"), "chunking_strategy.type")
    static = given["static"]
    known = {"max_chunk_size_tokens", "chunk_overlap_tokens"}
    check_fields(static, known, known, at="chunking_strategy.static.")
    size, overlap = static["max_chunk_size_tokens"], static["chunk_overlap_tokens"]
    check_range(size, 100, 4096, "chunking_strategy.static.max_chunk_size_tokens")
    if overlap > size / 2:
        raise ApiError(
            400,
            "chunk_overlap_tokens must not exceed half of max_chunk_size_tokens",
            param="chunking_strategy",
        )
    return dict(given)
