"""A page as passages with the words that they are found by. Pure."""

import re
from urllib.parse import unquote, urlsplit

from core.documents import Page
from core.local_engine.passages import cut
from core.local_engine.words import words_of
from core.store.passages import Entry

_EXTENSION = re.compile(r"\.[a-z]{2,5}$")
_NAMELESS = {"index", "readme", "default"}  # files that are named after nothing


def entries_of(page: Page) -> list[Entry]:
    """Cut a page into passages, each with its words; none where the page has no text.

    The name of the page in its address tells as much as its title: "How to leave" is at
    `/cancel-subscription`.
    """
    title = words_of(page.title)
    title += [word for word in words_of(_name_of(page.url)) if word not in title]
    return [
        Entry(
            passage=passage,
            title=title,
            headings=words_of("\n".join(h for h in passage.headings if h != page.title)),
            text=words_of(passage.text),
        )
        for passage in cut(page)
    ]


def _name_of(url: str) -> str:
    """The last part of an address that names something, as words."""
    parts = [unquote(part) for part in urlsplit(url).path.split("/")]
    names = (_EXTENSION.sub("", part) for part in reversed(parts) if part)
    name = next((name for name in names if name.lower() not in _NAMELESS), "")
    return name.replace("-", " ").replace("_", " ")
