"""How Slack shows a reply: the dialect of its mrkdwn.

Posting is in the adapter; what becomes of a reply on every platform is in `bots.rendering`.
"""

import re
from typing import Final

from bots.rendering.blocks import Mark
from bots.rendering.compose import compose
from bots.rendering.dialect import ZERO_WIDTH_SPACE, Dialect
from bots.slack_bot.mrkdwn import escape
from core.domain import Reply

_MARKS: Final = {Mark.BOLD: "*", Mark.ITALIC: "_", Mark.STRIKE: "~", Mark.CODE: "`"}
_BULLETS: Final = "•◦▪"

# Nothing escapes a backtick in mrkdwn: outside of a fence this letter stands in for it.
_LIKE_BACKTICK: Final = "ˋ"


def render(reply: Reply) -> list[str]:
    """Render a reply as mrkdwn, in at least one part; each has at most 3,900 characters.

    Never raises, and gives the same parts for the same reply.
    """
    return compose(reply, _Mrkdwn())


class _Mrkdwn(Dialect):
    limit = 3_900  # Slack cuts a message at 4,000 characters, wherever that may be
    notes = (Mark.ITALIC,)
    quotes_hold_fences = False

    def mark(self, mark: Mark, text: str) -> str:
        return _MARKS[mark]

    def escape(self, text: str) -> str:
        # Slack reads a channel, a person or a group only out of <…>.
        return escape(text.replace("`", _LIKE_BACKTICK))

    def escape_code(self, code: str) -> str:
        return self.escape(code)

    def escape_fenced(self, code: str) -> str:
        return re.sub("`(?=``)", "`" + ZERO_WIDTH_SPACE, escape(code))

    def guard(self, line: str) -> str:
        return ZERO_WIDTH_SPACE + line if line.startswith("&gt;") else line

    def clashes(self, outside: str) -> bool:
        # Slack sees a mark next to a space or to punctuation, but to that of ASCII only.
        return not outside.isspace() and (
            not outside.isascii() or outside.isalnum() or outside in "*_~`"
        )

    def address(self, url: str) -> str:
        return f"<{_target(url)}>"

    def link(self, label: str, url: str) -> str:
        return f"<{_target(url)}|{self.escape(label.replace('|', '¦'))}>"

    def heading(self, level: int) -> str:
        return ""

    def bullet(self, depth: int) -> str:
        return _BULLETS[min(depth, len(_BULLETS) - 1)] + " "

    def indent(self, marker: str) -> str:
        return "    "

    def fence(self, language: str) -> str:
        return "```"  # Slack would show a language as a line of code


def _target(url: str) -> str:
    # Slack takes & as it is in an address, and would read an entity there.
    return re.sub("&(?=(?:amp|lt|gt);)", "&amp;", url)
