"""What a run at OpenAI says, as an answer in our words: its text, and the pages it rests on.

Everything in a response is untrusted: fields may be missing, ids wrong, and marks meant for another
program left in the text.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard
from urllib.parse import urlsplit

from openai.types.conversations import Message
from openai.types.responses import (
    ResponseFileSearchToolCall,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
)
from openai.types.responses.response_file_search_tool_call import Result
from openai.types.responses.response_output_text import (
    AnnotationFileCitation,
    AnnotationURLCitation,
)

from core.domain import Answer, Citation, ToolCall
from core.openai_engine.calls import wanted
from core.openai_engine.hosted import web_citation

SpokenMessage = ResponseOutputMessage | Message

Resolve = Callable[[Sequence[str]], Awaitable[Mapping[str, Citation]]]
"""Finds the pages of documents by their refs; those of pages that are gone are left out."""

Locate = Callable[[Citation, str], Awaitable[Citation]]
"""Finds the section of a page that some words rest on; the page itself where none is sure."""

CLAIM = 300  # characters before a mark, at most, that say what is cited

# Citation marks that a model wrote into its text instead of beside it. The private-use characters
# U+E200, U+E202 and U+E201 open, separate and close them; a proxy may have lost any of the three.
_MARK = re.compile(
    r"""
      \uE200[^\uE200\uE201]{0,400}\uE201
    | \uE200?(?:file)?cite(?:\uE202?turn\d+[a-z]+\d+)+\uE201?
    | 【\d+(?::\d+)*†[^】\n]{0,200}】
    | [\uE200-\uE202]
    """,
    re.VERBOSE,
)
# Both look only where a run of spaces or of emphasis begins: looking from every place in it would
# take quadratic time on a long one.
_MARKS = re.compile(rf"(?<![ \t])(?P<before>[ \t]*+)(?:(?:{_MARK.pattern})[ \t]*+)+", re.VERBOSE)
_NOT_IN_DOCS = re.compile(
    r"(?<![`*_])[`*_]*+\[\[\s*not[-_ ]in[-_ ]docs\s*\]\][`*_]*+", re.IGNORECASE
)
_NO_SPACE_BEFORE = ".,;:!?)]}\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cited:
    """A file, or a page of the web, that the text rests on."""

    ref: str
    name: str
    claim: str = ""  #: the words before the mark: what the file is cited for
    address: str = ""  #: of a page of the web


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A file that file_search showed to the model.

    Some servers call it by ids and names of their own, and put ours into its attributes.
    """

    refs: tuple[str, ...]
    names: tuple[str, ...]
    page: Citation | None  #: what the file's attributes say that it is a copy of


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What there is in a response, or in the items that it left in its conversation."""

    text: str  #: Markdown, without marks
    in_docs: bool  #: False: the model says that the documentation has no answer
    cited: tuple[Cited, ...]
    found: tuple[Found, ...]
    calls: tuple[ToolCall, ...]  #: the model waits for what comes of these


def read_items(output: object) -> Reading:
    """Take apart what a run has put out, from its response or from its conversation."""
    items = _entries(output)
    messages = _spoken([item for item in items if _is_said(item)])
    text = clean_text("\n\n".join(filter(None, map(_text, messages))))
    said = _NOT_IN_DOCS.sub("", text)
    return Reading(
        text=said.strip(),
        in_docs=said == text,
        cited=tuple(cited for message in messages for cited in _cited(message)),
        found=tuple(found for item in items for found in _found(item)),
        calls=wanted(items),
    )


async def answer_of(
    reading: Reading,
    resolve: Resolve,
    locate: Locate,
    *,
    incomplete: bool = False,
    web_domains: Sequence[str] = (),
) -> Answer:
    """Make the answer: with every page that it cites once, in order of use.

    Of pages of the web, only those on `web_domains` count.
    """
    citations = await _pages(reading, resolve, locate, web_domains) if reading.cited else ()
    return Answer(text=reading.text, citations=tuple(citations), incomplete=incomplete)


def clean_text(text: str) -> str:
    """Take citation marks out of a text, and the spaces that stood around them."""
    return _MARKS.sub(_gap, text).strip()


def says_not_in_docs(text: str) -> bool:
    """Whether the model says that the documentation does not answer the question."""
    return _NOT_IN_DOCS.search(text) is not None


def _gap(marks: re.Match[str]) -> str:
    """Return what stays where marks were: one space between words, else nothing."""
    text, before = marks.string, marks["before"]
    line_start = marks.start() == 0 or text[marks.start() - 1] == "\n"
    if line_start:
        return before  # the indentation of code or of a list
    line_end = marks.end() == len(text)
    if line_end or text[marks.end()] in _NO_SPACE_BEFORE:
        return ""
    return " " if before or text[marks.end() - 1] in " \t" else ""


def _is_said(item: object) -> TypeGuard[SpokenMessage]:
    """Whether the model said it: a conversation has the messages of others too."""
    in_conversation = isinstance(item, Message) and item.role == "assistant"
    return in_conversation or isinstance(item, ResponseOutputMessage)


def _spoken(messages: Sequence[SpokenMessage]) -> Sequence[SpokenMessage]:
    """Leave out what the model said to itself on the way, if it said more than that."""
    final = [message for message in messages if message.phase != "commentary"]
    return final or messages


def _text(message: SpokenMessage) -> str:
    parts: list[str] = []
    for part in _entries(message.content):
        if isinstance(part, ResponseOutputText):
            parts.append(_words(part.text))
        elif isinstance(part, ResponseOutputRefusal):
            parts.append(_words(part.refusal))
    return "".join(parts)


def _cited(message: SpokenMessage) -> Iterator[Cited]:
    for part in _entries(message.content):
        if isinstance(part, ResponseOutputText):
            for annotation in _entries(part.annotations):
                if isinstance(annotation, AnnotationFileCitation):
                    claim = _claim(_words(part.text), annotation.index)
                    ref, name = _words(annotation.file_id), _words(annotation.filename)
                    yield Cited(ref=ref, name=name, claim=claim)
                elif isinstance(annotation, AnnotationURLCitation):
                    title, address = _words(annotation.title), _words(annotation.url)
                    yield Cited(ref="", name=title, address=address)


def _claim(text: str, index: object) -> str:
    """Return the last of the text before a mark, within its paragraph."""
    end = index if isinstance(index, int) and 0 <= index <= len(text) else len(text)
    before = clean_text(text[:end]).rsplit("\n", 1)[-1]
    return before[-CLAIM:]


def _found(item: object) -> Iterator[Found]:
    if isinstance(item, ResponseFileSearchToolCall):
        for result in _entries(item.results):
            if isinstance(result, Result):
                attributes = result.attributes if isinstance(result.attributes, dict) else {}
                refs = (result.file_id, attributes.get("file_id"))
                names = (result.filename, attributes.get("filename"))
                yield Found(
                    refs=tuple(filter(None, map(_words, refs))),
                    names=tuple(filter(None, map(_words, names))),
                    page=_page_of_attributes(attributes),
                )


def _page_of_attributes(attributes: Mapping[str, object]) -> Citation | None:
    url = _words(attributes.get("url"))
    if not _is_web_address(url):
        return None
    return Citation(url=url, title=_words(attributes.get("title")) or url)


async def _pages(
    reading: Reading, resolve: Resolve, locate: Locate, web_domains: Sequence[str]
) -> Iterable[Citation]:
    refs = [cited.ref for cited in reading.cited]
    refs += [ref for found in reading.found for ref in found.refs]
    known = await resolve(list(dict.fromkeys(filter(None, refs))))
    pages: dict[str, Citation] = {}
    for cited in reading.cited:
        if cited.address:
            found = web_citation(cited.address, cited.name, web_domains)
            if found is not None:
                pages.setdefault(found.url, found)
            continue
        page = _page(cited, reading.found, known)
        if page is not None and page.url not in pages:
            pages[page.url] = await locate(page, cited.claim)
    return pages.values()


def _page(cited: Cited, found: Sequence[Found], known: Mapping[str, Citation]) -> Citation | None:
    """Find the page of a citation: by our own table, else by what the file says of itself.

    Some servers cite with an id that they do not know themselves; the file's name is right then.
    """
    same_ref = [file for file in found if cited.ref in file.refs]
    same_name = [file for file in found if cited.name in file.names]
    files = same_ref + same_name
    ours = (known.get(ref) for ref in (cited.ref, *(ref for file in files for ref in file.refs)))
    theirs = (file.page for file in files)
    return next((page for page in (*ours, *theirs) if page is not None), None)


def _entries(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
