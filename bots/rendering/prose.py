"""Writes spans of text in a platform's dialect, as atoms that can be cut apart between any two."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bots.rendering.blocks import Mark, Span, joined
from bots.rendering.dialect import ZERO_WIDTH_SPACE, Dialect
from bots.rendering.parts import chunks, size

LONGEST_ATOM = 40  # UTF-16 code units of a word that stay together when nothing else helps
GUARD = 2  # what Dialect.guard may add to a line

_ANYWHERE, _WORD, _SENTENCE, _LINE = range(4)  # after what a cut comes, from worst to best

_WORDS = re.compile(r"\n|[ \t]+|[^ \t\n。！？]*[。！？]+|[^ \t\n。！？]+")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"')\]”’»]*$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Atom:
    """A word or the space between two, escaped, and the signs of the marks that it stands in."""

    text: str
    marks: tuple[str, ...] = ()  #: outermost first; each stands before and after the text


def atoms(spans: Iterable[Span], dialect: Dialect) -> tuple[Atom, ...]:
    """Write spans, whose links have been through `links.show`."""
    return tuple(atom for span in joined(spans) for atom in _atoms(span, dialect))


def _atoms(span: Span, dialect: Dialect) -> Iterator[Atom]:
    marks = tuple(dialect.mark(mark, span.text) for mark in span.marks)
    if span.url is not None:
        link = dialect.link(span.text, span.url) if span.text else dialect.address(span.url)
        yield Atom(text=link, marks=marks)
        return
    code = Mark.CODE in span.marks
    text = dialect.escape_code(span.text) if code else dialect.escape(span.text)
    for word in _WORDS.findall(text):
        for chunk in chunks(word, LONGEST_ATOM):
            yield Atom(text=chunk, marks=marks)


def written(line: Sequence[Atom], dialect: Dialect) -> str:
    """Write one line, with every mark closed at its end."""
    out, opened = "", tuple[str, ...]()
    for atom in line:
        if atom.marks == opened:
            out += atom.text
            continue
        kept = _shared(opened, atom.marks)
        closing, opening = opened[kept:], atom.marks[kept:]
        out += "".join(reversed(closing))
        outside = out[-1:] if opening else atom.text[0] if closing else ""
        if outside and dialect.clashes(outside):
            out += ZERO_WIDTH_SPACE
        out += "".join(opening) + atom.text
        opened = atom.marks
    return dialect.guard(out + "".join(reversed(opened)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A paragraph: cut after a line, else a sentence, else a word, else anywhere."""

    atoms: tuple[Atom, ...]
    dialect: Dialect
    first: str = ""  #: begins the first line
    rest: str = ""  #: begins each further line
    heading: bool = False

    def cut(self, room: int) -> tuple[str, "Words | None"]:
        """Keep the promise of `Piece.cut`."""
        count = self._fitting(room)
        if size(self.first) > room or (self.atoms and not count):
            return "", self
        left = without_blanks(self.atoms[count:])
        after = replace(self, first=self.rest, atoms=left) if left else None
        return self._write(self.atoms[:count]), after

    def _fitting(self, room: int) -> int:
        """How many atoms to take: all, or as many as end well in the second half of the room."""
        spent, marks = size(self.first) + GUARD, tuple[str, ...]()
        ends: list[int] = []  # where each atom that fits ends
        for atom in self.atoms:
            spent += self._cost(atom, marks)
            marks = atom.marks
            if spent > room:
                break
            ends.append(spent)
        else:
            return len(self.atoms)
        # By what a cut comes after: atoms, and their size.
        best = {self._ending(index): (index + 1, end) for index, end in enumerate(ends)}
        for ending in (_LINE, _SENTENCE, _WORD):
            count, end = best.get(ending, (0, 0))
            if 2 * end >= room:
                return count
        return max((count for count, _ in best.values()), default=0)

    def _cost(self, atom: Atom, marks: tuple[str, ...]) -> int:
        """At most what an atom adds, with the marks and zero-width spaces around it."""
        cost = size(atom.text)
        if atom.text == "\n":
            cost += size(self.dialect.line_break) + size(self.rest) + GUARD
        if atom.text == "\n" or atom.marks != marks:
            cost += sum(2 * size(mark) + 2 for mark in atom.marks)
        return cost

    def _ending(self, index: int) -> int:
        text = self.atoms[index].text
        if text == "\n":
            return _LINE
        if not text.isspace():
            return _SENTENCE if text[-1] in "。！？" else _ANYWHERE
        ended = index and _SENTENCE_END.search(self.atoms[index - 1].text)
        return _SENTENCE if ended else _WORD

    def _write(self, taken: Sequence[Atom]) -> str:
        lines: list[list[Atom]] = [[]]
        for atom in taken:
            if atom.text == "\n":
                lines.append([])
            else:
                lines[-1].append(atom)
        texts = [written(without_blanks(line), self.dialect) for line in lines]
        return self.dialect.line_break.join(
            ((self.rest if number else self.first) + text).rstrip()
            for number, text in enumerate(texts)
        ).rstrip()


def _shared(marks: Sequence[str], others: Sequence[str]) -> int:
    """How many marks are the same, counted from the outermost."""
    pairs = zip(marks, others, strict=False)
    return next(
        (at for at, (one, other) in enumerate(pairs) if one != other), min(len(marks), len(others))
    )


def without_blanks(atoms: Sequence[Atom]) -> tuple[Atom, ...]:
    """Drop space at both ends."""
    start, end = 0, len(atoms)
    while start < end and atoms[start].text.isspace():
        start += 1
    while end > start and atoms[end - 1].text.isspace():
        end -= 1
    return tuple(atoms[start:end])
