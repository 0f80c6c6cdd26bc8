"""A page as OpenAI gets it: a Markdown file, and attributes that come back with search results."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from openai.types import FileChunkingStrategyParam
from openai.types.shared_params import ComparisonFilter, CompoundFilter

from core.documents import Document, Page

ATTRIBUTE_LENGTH = 256  # characters; today's limit is 512, that of older accounts and servers 256
MARKER = "docent"  # the attribute that says which Docent has put a file into a vector store
SOURCE = "source"  # the attribute that searches in some sources only go by
NAME_LENGTH = 80  # characters of a file name, without hash and ending

# Sections of documentation are short. OpenAI's default of 800 tokens with half of it repeated puts
# several of them in one passage, and each of them in two.
CHUNKING: Final[FileChunkingStrategyParam] = {
    "type": "static",
    "static": {"max_chunk_size_tokens": 600, "chunk_overlap_tokens": 150},
}


def file_name(page: Page, marker: str = "") -> str:
    """Name the page's file: readable, the same each time, and unique for its url and the marker.

    It ends in `.md`, because OpenAI goes by the ending and refuses what it does not know.
    """
    parts = urlsplit(page.url)
    readable = unquote(f"{parts.hostname or ''}{parts.path}").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", readable)[:NAME_LENGTH].strip("-")
    digest = hashlib.sha256(page.url.encode()).hexdigest()[:8]
    return f"{'-'.join(filter(None, (slug, digest, marker)))}.md"


def is_named_so(name: str, marker: str) -> bool:
    """Return whether a file has a name that `file_name` gives with this marker."""
    return (
        bool(marker) and re.search(rf"\b[0-9a-f]{{8}}-{re.escape(marker)}\.md$", name) is not None
    )


def file_content(page: Page) -> bytes:
    """Write the page's file: never empty, and each with the address that answers may link to."""
    body = page.markdown.strip()
    heading = f"# {page.title}"
    body = body.removeprefix(heading).lstrip() if body.startswith(f"{heading}\n") else body
    return f"{heading}\n\nSource: {page.url}\n\n{body}".strip().encode() + b"\n"


def source_label(source: str) -> str:
    """Name a source to OpenAI: the same each time, and without where it is on this machine."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def only_from(sources: Sequence[str]) -> ComparisonFilter | CompoundFilter:
    """Filter a search by sources, in the words that every server with filters knows."""
    wanted: list[ComparisonFilter] = [
        {"type": "eq", "key": SOURCE, "value": source_label(source)} for source in sources
    ]
    return wanted[0] if len(wanted) == 1 else {"type": "or", "filters": wanted}


def file_attributes(page: Page | Document, marker: str = "") -> dict[str, str | float | bool]:
    """Say which page the file is of, for servers whose file ids do not come back as they were.

    And whose it is, by the marker, and from which source the page comes. An address that is too
    long is left out: half of one would lead nowhere.
    """
    attributes: dict[str, str | float | bool] = {"hash": page.hash}
    if page.source:
        attributes[SOURCE] = source_label(page.source)
    if marker:
        attributes[MARKER] = marker
    if page.title:
        attributes["title"] = page.title[:ATTRIBUTE_LENGTH]
    if len(page.url) <= ATTRIBUTE_LENGTH:
        attributes["url"] = page.url
    return attributes
