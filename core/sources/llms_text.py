"""`llms.txt`, a list of pages, and `llms-full.txt`, their text in one file: reading, no fetching.

The second has no standard. What is read here is what the common generators write: each page begins
with its heading or a block of front matter, and names its address in one of a few ways.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import urljoin, urlsplit

_LINK = re.compile(r"(?<!!)\[[^\[\]\n]{0,500}\]\(\s*<?([^\s()<>]{1,2000})>?[^()\n]{0,500}\)")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^#[ \t]+(.*?)[ \t]*$")
_IN_HEADING = re.compile(r"\(((?:https?://|/)[^\s()]{0,2000})\)$")
_RULE = re.compile(r"^-{3,}[ \t]*$")
_NAMED = re.compile(
    r"^[ \t]*(?:>[ \t]+)?[*_]{0,2}(url|canonical|canonical_url|source_url|permalink|html"
    r"|source|link)[*_]{0,2}[ \t]*:[*_]{0,2}[ \t]*[\"'<(]?((?:https?://|/(?!/))[^\s\"'<>)]{0,2000})",
    re.IGNORECASE,
)
_TAG = re.compile(r"^<(?:doc|page|document)\b([^<>]{0,2000})>[ \t]*$", re.IGNORECASE)
_IN_TAG = re.compile(r"\b(?:url|href|source)=[\"']([^\"']{1,2000})[\"']", re.IGNORECASE)
_TAG_END = re.compile(r"^</(?:doc|page|document)>[ \t]*$", re.IGNORECASE)
_NEAR = 3  # lines with text after a heading among which its address is looked for
_BLOCK = 40  # lines that a block of front matter has at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A page's share of a text with many pages."""

    address: str | None  #: as written there; None where it names none
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Head:
    """Where a page begins: its first line, where its text begins, and its address if it has one."""

    line: int
    body: int
    address: str | None
    begins: str = ""  #: what stands instead of the lines from the first to that of the text


def links_in(text: str) -> Sequence[str]:
    """Give the targets of the links of an llms.txt, in their order; those in code are none."""
    lines = text.splitlines()
    return [
        found[1]
        for line, is_code in zip(lines, _code(lines), strict=True)
        if not is_code
        for found in _LINK.finditer(line)
    ]


def split_pages(text: str) -> Sequence[Part]:
    """Cut an llms-full.txt into its pages.

    Where pages name their addresses, a page begins at each that does; where none does, at each
    heading of the first level. What stands before the first is a page, too.
    """
    lines = text.splitlines()
    heads = list(_heads(lines, _code(lines)))
    if any(head.address for head in heads):
        heads = [head for head in heads if head.address]
    before = "\n".join(lines[: heads[0].line] if heads else lines)
    parts = [Part(address=None, text=before)] if before.strip() else []
    for head, following in zip_longest(heads, heads[1:]):
        end = following.line if following else len(lines)
        body = [line for line in lines[head.body : end] if not _TAG_END.match(line)]
        parts.append(Part(address=head.address, text="\n".join([head.begins, *body]).strip("\n")))
    return [part for part in parts if part.text.strip()]


def page_address(address: str, base: str) -> str | None:
    """Make an address absolute, without its fragment; None for what is none of the web."""
    try:
        absolute = urljoin(base, address)
        parts = urlsplit(absolute)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        return None
    return absolute.partition("#")[0]


def _code(lines: Sequence[str]) -> Sequence[bool]:
    """Say of each line whether it is in a fenced block: examples hold headings and links, too."""
    inside: str | None = None
    flags = []
    for line in lines:
        found = _FENCE.match(line)
        if inside is None:
            inside = found[1] if found else None
            flags.append(found is not None)
        else:
            flags.append(True)
            if found and found[1].startswith(inside) and not line.strip(" `~"):
                inside = None
    return flags


def _heads(lines: Sequence[str], code: Sequence[bool]) -> Iterator[_Head]:
    number = 0
    while number < len(lines):
        head = None if code[number] else _head(lines, number)
        if head is not None:
            yield head
        number = max(head.body if head else 0, number + 1)


def _head(lines: Sequence[str], number: int) -> _Head | None:
    if tag := _TAG.match(lines[number]):
        named = _IN_TAG.search(tag[1])
        inner = _front_matter(lines, number + 1)
        address = named[1] if named else (inner.address if inner else None)
        return _Head(line=number, body=number + 1, address=address)
    if heading := _HEADING.match(lines[number]):
        if in_heading := _IN_HEADING.search(heading[1]):
            title = heading[1][: in_heading.start()]
            return _Head(
                line=number, body=number + 1, address=in_heading[1], begins=f"# {title.strip()}"
            )
        return _named_near(lines, number)
    if _RULE.match(lines[number]):
        head = _front_matter(lines, number)
        return head if head and head.address else None
    return None


def _front_matter(lines: Sequence[str], number: int) -> _Head | None:
    """Read a block between two rules; None where there is none that is like front matter."""
    if number >= len(lines) or not _RULE.match(lines[number]):
        return None
    for end in range(number + 1, min(number + 1 + _BLOCK, len(lines))):
        if _RULE.match(lines[end]):
            block = lines[number + 1 : end]
            # With three dashes, however many there are: so the reader of Markdown finds its title.
            begins = "\n".join(("---", *block, "---"))
            return _Head(line=number, body=end + 1, address=_best(block), begins=begins)
    return None


def _named_near(lines: Sequence[str], number: int) -> _Head:
    """Look for the address under a heading; the lines that name it are no text of the page."""
    near: list[str] = []
    kept: list[str] = [lines[number]]
    body = number + 1
    while body < len(lines) and len(near) < _NEAR:
        line = lines[body]
        if _HEADING.match(line) or _FENCE.match(line):
            break
        if line.strip() and not _RULE.match(line):
            near.append(line)
        if not _NAMED.match(line):
            kept.append(line)
        body += 1
    if (address := _best(near)) is None:
        return _Head(line=number, body=number, address=None)
    return _Head(line=number, body=body, address=address, begins="\n".join(kept))


def _best(lines: Sequence[str]) -> str | None:
    """Choose among the addresses that are named: `Source:` may be that of a file in a repository.

    So it counts only where there is no other.
    """
    named = [(found[1].lower(), found[2]) for line in lines if (found := _NAMED.match(line))]
    named.sort(key=lambda one: one[0] in {"source", "link"})
    return named[0][1] if named else None
