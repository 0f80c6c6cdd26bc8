"""Questions with what is expected of their answers, read from a file of JSON lines. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from core.errors import CasesUnreadable

KEYS = ("question", "earlier", "page", "fact", "no_answer")
_ENDINGS = (".html", ".htm", ".md", ".mdx", ".rst", ".txt")
_MOST_PROBLEMS = 20  # that are named at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One question, and what a good answer to it is."""

    line: int  #: of the file, from 1
    question: str
    earlier: tuple[str, ...] = ()  #: questions of the same thread, oldest first
    pages: tuple[str, ...] = ()  #: any of them is right: addresses, or the ends of their paths
    facts: tuple[str, ...] = ()  #: texts that the answer must hold, each of them
    no_answer: bool = False  #: the documentation does not answer it

    @property
    def questions(self) -> tuple[str, ...]:
        """All questions of the thread, oldest first."""
        return (*self.earlier, self.question)

    def is_page(self, url: str) -> bool:
        """Whether an address is one of the pages, or a section of one."""
        return any(_leads_to(url, page) for page in self.pages)


def read_cases(text: str) -> list[Case]:
    """Read one case a line; empty lines and those that begin with # are left out.

    Raises CasesUnreadable, which names each bad line by its number.
    """
    cases: list[Case] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        case, wrong = _read(number, line)
        if case:
            cases.append(case)
        problems += (f"Line {number}: {problem}" for problem in wrong)
    if not cases and not problems:
        problems = ["There is no question in the file."]
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        raise CasesUnreadable(problems[:_MOST_PROBLEMS] + [f"… and {more} more."] * (more > 0))
    return cases


def _read(number: int, line: str) -> tuple[Case | None, Sequence[str]]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        place = f" at character {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        return None, [f"this is not JSON{place}; write one object a line."]
    if not isinstance(fields, dict):
        return None, ['this is not an object; write {"question": "…", "page": "…"}.']
    if problems := list(_problems(fields)):
        return None, problems
    case = Case(
        line=number,
        question=fields["question"].strip(),
        earlier=_texts(fields.get("earlier")),
        pages=_texts(fields.get("page")),
        facts=_texts(fields.get("fact")),
        no_answer=fields.get("no_answer", False),
    )
    return case, ()


def _problems(fields: dict[str, Any]) -> Iterator[str]:
    for key in fields.keys() - set(KEYS):
        yield f"there is no {key!r}; known are {', '.join(KEYS)}."
    question = fields.get("question")
    if not isinstance(question, str) or not question.strip():
        yield '"question" is missing, or no text.'
    for key in ("earlier", "page", "fact"):
        value = fields.get(key, [])
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) and text.strip() for text in listed):
            yield f'"{key}" is neither a text nor a list of texts.'
    if not isinstance(fields.get("no_answer", False), bool):
        yield '"no_answer" is neither true nor false.'
    expects_answer = bool(fields.get("page") or fields.get("fact"))
    if expects_answer and fields.get("no_answer"):
        yield 'with "no_answer" there can be no "page" and no "fact".'
    elif not expects_answer and not fields.get("no_answer"):
        yield 'say what is expected: a "page", a "fact", or "no_answer": true.'


def _texts(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(text.strip() for text in ([value] if isinstance(value, str) else value))


def _leads_to(url: str, page: str) -> bool:
    """Whether an address ends in what is written of a page; in its section, where one is named."""
    path, _, section = page.partition("#")
    if section and urlsplit(url).fragment != section:
        return False
    expected, found = _segments(path), _segments(url)
    return bool(expected) and found[-len(expected) :] == expected


def _segments(address: str) -> list[str]:
    """The host and the parts of the path, without what servers add to it or leave off."""
    split = urlsplit(address)
    parts = [split.netloc, *(unquote(part) for part in split.path.split("/"))]
    parts = [part for part in parts if part]
    if parts:
        ending = next((end for end in _ENDINGS if parts[-1].endswith(end)), "")
        parts[-1] = parts[-1].removesuffix(ending)
    return parts[:-1] if len(parts) > 1 and parts[-1] == "index" else parts
