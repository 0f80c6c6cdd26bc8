"""The Markdown that Slack reads in a stream (`markdown_text`), as a dialect.

It is CommonMark in which Slack still reads people, channels and links out of <…>. Posts are written
as mrkdwn, in `render`.
"""

import re
import sys
from typing import Final

from bots.rendering.blocks import Mark
from bots.rendering.dialect import ZERO_WIDTH_SPACE, Dialect
from bots.slack_bot.mrkdwn import escape

_MARKS: Final = {Mark.BOLD: "**", Mark.ITALIC: "*", Mark.STRIKE: "~~", Mark.CODE: "`"}
_LIKE_BACKTICK: Final = "ˋ"

# An underscore within a word is none of emphasis; a backslash there would only be in the way.
_SPECIAL: Final = re.compile(r"[\\*~`|\[\]]|_(?![^\W_])|(?<![^\W_])_")
_BLOCK: Final = re.compile(r"\A(?:-+|=+|\+|#{1,6})(?=\s|$)")
_NUMBER: Final = re.compile(r"\A(\d{1,9})([.)])(?=\s|$)")
_PING: Final = re.compile(r"@(?=everyone|here|channel)")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+.#-]{1,20}")
# Code shows an entity as it is written, so what Slack would read there is kept from it unseen.
_TOKEN: Final = re.compile(r"<(?=[@#!]\w|(?:https?|mailto|tel|slack):)", re.IGNORECASE)


class MarkdownText(Dialect):
    """Writes text that can be appended to a stream; one part holds all of it."""

    limit = sys.maxsize
    line_break = "  \n"
    notes = (Mark.ITALIC,)
    quotes_hold_fences = False

    def mark(self, mark: Mark, text: str) -> str:
        """See Dialect."""
        return _MARKS[mark]

    def escape(self, text: str) -> str:
        """See Dialect."""
        return _PING.sub("@" + ZERO_WIDTH_SPACE, _SPECIAL.sub(r"\\\g<0>", escape(text)))

    def escape_code(self, code: str) -> str:
        """See Dialect."""
        return _without_tokens(code.replace("`", _LIKE_BACKTICK))

    def escape_fenced(self, code: str) -> str:
        """See Dialect."""
        return _without_tokens(re.sub("`(?=``)", "`" + ZERO_WIDTH_SPACE, code))

    def guard(self, line: str) -> str:
        """See Dialect."""
        return _NUMBER.sub(r"\1\\\2", _BLOCK.sub(r"\\\g<0>", line))

    def clashes(self, outside: str) -> bool:
        """See Dialect."""
        return not outside.isspace() and (
            not outside.isascii() or outside.isalnum() or outside in "*_~`"
        )

    def address(self, url: str) -> str:
        """See Dialect."""
        return f"<{url}>"

    def link(self, label: str, url: str) -> str:
        """See Dialect."""
        # Brackets would end the label, and the address, before their end.
        text = label.replace("[", "(").replace("]", ")")
        return f"[{self.escape(text)}]({url.replace('(', '%28').replace(')', '%29')})"

    def heading(self, level: int) -> str:
        """See Dialect."""
        return "#" * level + " "

    def bullet(self, depth: int) -> str:
        """See Dialect."""
        return "- "

    def indent(self, marker: str) -> str:
        """See Dialect."""
        return " " * len(marker)

    def fence(self, language: str) -> str:
        """See Dialect."""
        name = _LANGUAGE.match(language)
        return "```" + (name[0] if name else "")


def _without_tokens(code: str) -> str:
    return _TOKEN.sub("<" + ZERO_WIDTH_SPACE, code)
