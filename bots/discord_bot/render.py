"""How Discord shows a reply: the dialect of its Markdown.

Posting is in the adapter; what becomes of a reply on every platform is in `bots.rendering`.
"""

import re
from collections.abc import Sequence
from typing import Final

from bots.rendering.blocks import Mark
from bots.rendering.compose import compose
from bots.rendering.dialect import ZERO_WIDTH_SPACE, Dialect
from bots.rendering.growing import Growing, parts_so_far
from core.domain import Citation, Reply

_MARKS: Final = {Mark.BOLD: "**", Mark.ITALIC: "*", Mark.STRIKE: "~~"}
_DEEPEST_HEADING: Final = 3

# < covers people, channels, commands, times and emoji; | is a spoiler.
_SPECIAL: Final = re.compile(r"[\\*_~`|<\[\]]")
# The server looks for these in the text as it was sent, where a backslash does not stop it.
_PING: Final = re.compile(r"@(?=everyone|here)|(?<=<)@(?=[!&]?\d)")
_BLOCK: Final = re.compile(r"\A(?:[-+>]|>>>|-?#|##|###)(?=\s|$)")
_NUMBER: Final = re.compile(r"\A(\d+)([.)]\s)")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+.#-]{1,20}")


def render(reply: Reply) -> list[str]:
    """Render a reply in at least one part; each has at most 1,900 UTF-16 code units.

    Never raises, and gives the same parts for the same reply.
    """
    return compose(reply, _Markdown())


def render_so_far(reply: Reply) -> list[str]:
    """Render the beginning of a reply that is still being written; footer and notes come later.

    Each part keeps the limit of `render`. All parts but the last are final: with more text, and
    in `render` of the whole, they are the same, as long as `reply.links` are. Empty while there
    is nothing to be seen. Never raises.
    """
    return parts_so_far(reply, _Markdown())


def quoted(text: str) -> list[str]:
    """The lines of a quotation of what somebody wrote, which shows it as it was written."""
    markdown = _Markdown()
    return [f"> {markdown.guard(markdown.escape(line))}" for line in text.splitlines()]


def growing(links: Sequence[Citation] = ()) -> Growing:
    """Render one answer again and again while it is written, as `render_so_far` does, in less time.

    Call `parts` with longer and longer beginnings of its text.
    """
    return Growing(_Markdown(), links)


class _Markdown(Dialect):
    limit = 1_900  # Discord refuses a message of more than 2,000 characters
    small = "-# "
    quotes_hold_fences = True

    def mark(self, mark: Mark, text: str) -> str:
        if mark is Mark.CODE:
            return "``" if "`" in text else "`"
        return _MARKS[mark]

    def escape(self, text: str) -> str:
        return _PING.sub("@" + ZERO_WIDTH_SPACE, _SPECIAL.sub(r"\\\g<0>", text))

    def escape_code(self, code: str) -> str:
        # Discord shows code as it is and pings nobody there. Backticks are kept apart from each
        # other and from those around the code.
        return code.replace("`", f"{ZERO_WIDTH_SPACE}`{ZERO_WIDTH_SPACE}")

    def escape_fenced(self, code: str) -> str:
        return re.sub("`(?=``)", "`" + ZERO_WIDTH_SPACE, code)

    def guard(self, line: str) -> str:
        return _NUMBER.sub(r"\1\\\2", _BLOCK.sub(r"\\\g<0>", line))

    def clashes(self, outside: str) -> bool:
        return outside in "*_~`"

    def address(self, url: str) -> str:
        if url.startswith("mailto:"):
            return self.escape(url.removeprefix("mailto:"))
        return f"<{url}>"

    def link(self, label: str, url: str) -> str:
        # Brackets would end the label, and the address, before their end.
        text = label.replace("[", "(").replace("]", ")")
        target = url.replace("(", "%28").replace(")", "%29")
        return f"[{self.escape(text)}](<{target}>)"

    def heading(self, level: int) -> str:
        return "#" * level + " " if level <= _DEEPEST_HEADING else ""

    def bullet(self, depth: int) -> str:
        return "- "

    def indent(self, marker: str) -> str:
        return " " * len(marker)

    def fence(self, language: str) -> str:
        name = _LANGUAGE.match(language)
        return "```" + (name[0] if name else "")
