"""How Slack shows a reply: the dialect of its mrkdwn.

Posting is in the adapter; what becomes of a reply on every platform is in `bots.rendering`.
"""

import re
from collections.abc import Sequence
from typing import Final

from bots.rendering.blocks import Mark
from bots.rendering.compose import compose
from bots.rendering.dialect import ZERO_WIDTH_SPACE, Dialect
from bots.rendering.growing import Growing, parts_so_far, whole
from bots.slack_bot.markdown_text import MarkdownText
from bots.slack_bot.mrkdwn import escape
from core.domain import Citation, Reply

_MARKS: Final = {Mark.BOLD: "*", Mark.ITALIC: "_", Mark.STRIKE: "~", Mark.CODE: "`"}
_BULLETS: Final = "•◦▪"

# Nothing escapes a backtick in mrkdwn: outside of a fence this letter stands in for it.
_LIKE_BACKTICK: Final = "ˋ"


def render(reply: Reply) -> list[str]:
    """Render a reply as mrkdwn, in at least one part; each has at most 3,900 characters.

    Never raises, and gives the same parts for the same reply.
    """
    return compose(reply, _Mrkdwn())


def render_so_far(reply: Reply) -> list[str]:
    """Render the beginning of a reply that is still being written; footer and notes come later.

    Each part keeps the limit of `render`. All parts but the last are final: with more text, and
    in `render` of the whole, they are the same, as long as `reply.links` are. Empty while there
    is nothing to be seen. Never raises.
    """
    return parts_so_far(reply, _Mrkdwn())


def growing(links: Sequence[Citation] = ()) -> Growing:
    """Render one answer again and again while it is written, as `render_so_far` does, in less time.

    Call `parts` with longer and longer beginnings of its text.
    """
    return Growing(_Mrkdwn(), links)


def growing_stream(links: Sequence[Citation] = ()) -> Growing:
    """Write one answer for a stream: call `settled` with longer and longer beginnings of it.

    What comes back is the Markdown of chat.appendStream, not mrkdwn, and it only ever grows: append
    what is new, at most 12,000 characters a call. `render_stream` says the end of it.
    """
    return Growing(MarkdownText(), links)


def stream_text(reply: Reply, *, ended: bool = False) -> str:
    """Write what of a growing reply can be streamed: `growing_stream` once, or `render_stream`."""
    return render_stream(reply) if ended else growing_stream(reply.links).settled(reply.text)


def render_stream(reply: Reply) -> str:
    """Write a whole reply as a stream has it, with sources and small print. Never raises.

    It begins with whatever `growing_stream` wrote of `reply.text`, given the same links.
    """
    return whole(reply, MarkdownText())


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
