"""What platforms do differently when they show a reply: one subclass for each."""

from abc import ABC, abstractmethod
from typing import ClassVar

from bots.rendering.blocks import Mark

ZERO_WIDTH_SPACE = "\u200b"


class Dialect(ABC):
    """How one platform writes what a reply holds. All text that goes in is untrusted."""

    limit: ClassVar[int]  #: of one message, in UTF-16 code units
    line_break: ClassVar[str] = "\n"  #: within a paragraph
    small: ClassVar[str] = ""  #: begins a line in small print
    notes: ClassVar[tuple[Mark, ...]] = ()  #: how small print stands out
    quotes_hold_fences: ClassVar[bool]  #: whether lines of a fence may carry the sign of a quote

    @abstractmethod
    def mark(self, mark: Mark, text: str) -> str:
        """What stands before and after `text`, which is not escaped yet, to make it stand out."""

    @abstractmethod
    def escape(self, text: str) -> str:
        """Write text so that it is shown as it is: nothing in it pings, links or formats."""

    @abstractmethod
    def escape_code(self, code: str) -> str:
        """Write text that stands in a code span, so that it cannot end the span."""

    @abstractmethod
    def escape_fenced(self, code: str) -> str:
        """Write text that stands in a fence, so that it cannot end the fence."""

    @abstractmethod
    def guard(self, line: str) -> str:
        """Keep a line of escaped text from being read as a block; adds two characters at most."""

    @abstractmethod
    def clashes(self, outside: str) -> bool:
        """Whether a mark is not seen where this character stands directly outside of it."""

    @abstractmethod
    def address(self, url: str) -> str:
        """Show an address in full, without a preview."""

    @abstractmethod
    def link(self, label: str, url: str) -> str:
        """Show a label that leads to an address; the label is not escaped yet."""

    @abstractmethod
    def heading(self, level: int) -> str:
        """What begins a heading of this level; "" where headings are shown in bold."""

    @abstractmethod
    def bullet(self, depth: int) -> str:
        """What begins an item of a list without numbers; `depth` counts from 0."""

    @abstractmethod
    def indent(self, marker: str) -> str:
        """What begins the further lines of an item that begins with `marker`."""

    @abstractmethod
    def fence(self, language: str) -> str:
        """The first line of a fence; the language is not escaped yet."""
