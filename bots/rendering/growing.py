"""Renders an answer while it is being written, so that what is shown never has to be taken back."""

from collections.abc import Sequence

from bots.rendering.blocks import Block, Fence
from bots.rendering.compose import NOTHING, allowed_pages, footer, headed, pieces, visible
from bots.rendering.dialect import Dialect
from bots.rendering.markdown import LONGEST_MARKDOWN, Top, parse
from bots.rendering.parts import Piece, pack, size
from bots.rendering.prose import Words
from bots.rendering.unfinished import Unfinished, decided, unfinished
from core.domain import Citation, Reply


class Growing:
    """An answer that is still being written, rendered for one platform.

    What it says of a text depends on that text alone. It remembers what is settled, so that it
    takes a few milliseconds when it is given longer and longer beginnings of the same text.
    """

    def __init__(self, dialect: Dialect, links: Sequence[Citation] = ()) -> None:
        """`links` are the pages whose links keep their label; see `Reply.links`."""
        self._dialect = dialect
        self._allowed = allowed_pages(Reply(text="", links=tuple(links)))
        self._forget()

    def _forget(self) -> None:
        self._read = ""  # the text of the blocks that are complete
        self._ended = 0  # see `read`
        self._packed: list[str] = []
        self._heading: list[tuple[str, Piece]] = []  # one that waits for what it heads

    def parts(self, text: str) -> list[str]:
        """Render the beginning of a text.

        Every part is whole in itself and within the dialect's limit. All parts but the last are
        final: `compose` begins with the same ones when the text has grown, as long as the links
        stay the same. Empty while there is nothing to be seen.
        """
        rest = self._take(text)
        settled = self._pack(rest.settled)
        if rest.shown == rest.settled:
            return visible(settled)
        shown = self._pack(rest.shown)
        if len(shown) == max(len(settled), 1) and shown[:-1] == settled[:-1]:
            return visible(shown)
        pieces = self._headed(rest.shown)
        if rest.goes_on or len(pieces) <= len(self._headed(rest.settled)):
            return visible(settled)
        return visible(_begun(settled, *pieces[-1], self._dialect.limit))

    def settled(self, text: str) -> str:
        """Write as much of the beginning of a text as no further text can change, in one piece.

        What comes back for a beginning of the text is a beginning of what comes back later, and of
        `whole`. The dialect has no limit.
        """
        rest = self._take(text)
        written = "".join(self._pack(rest.settled))
        if rest.goes_on and isinstance(rest.settled[-1].content, Fence):
            return written.removesuffix("\n```")
        return written

    def _take(self, text: str) -> Unfinished:
        """Read a text, remember what of it is complete, and give back the rest."""
        text = decided(text)
        if not text.startswith(self._read):
            self._forget()
        if len(text) > LONGEST_MARKDOWN:
            self._forget()
            return unfinished(text)
        rest = unfinished(text[len(self._read) :], ended=self._ended)
        if rest.top.blocks:
            self._remember(text, rest)
            rest = unfinished(text[len(self._read) :], ended=self._ended)
        return rest

    def _remember(self, text: str, rest: Unfinished) -> None:
        """Pack the blocks that are complete."""
        top: Top = rest.top
        ready = self._headed(rest.settled[: top.blocks])
        is_heading = ready and isinstance(ready[-1][1], Words) and ready[-1][1].heading
        self._heading = [ready.pop()] if is_heading else []
        self._packed = pack(ready, self._dialect.limit, self._packed)
        lines = text[len(self._read) :].split("\n")[: top.line]
        self._read += "".join(f"{line}\n" for line in lines)
        self._ended = top.ended - top.line

    def _headed(self, blocks: Sequence[Block]) -> list[tuple[str, Piece]]:
        written = pieces(blocks, self._allowed, self._dialect)
        return list(headed([*self._heading, *written]))

    def _pack(self, blocks: Sequence[Block]) -> list[str]:
        return pack(self._headed(blocks), self._dialect.limit, self._packed)


def parts_so_far(reply: Reply, dialect: Dialect) -> list[str]:
    """Render the beginning of a reply once; see `Growing.parts`. Footer and notes are left out."""
    return Growing(dialect, reply.links).parts(reply.text)


def whole(reply: Reply, dialect: Dialect) -> str:
    """Write a reply that is complete in one piece: its text, then sources and small print.

    It begins with what `Growing.settled` wrote, as long as the links are the same.
    """
    written = pieces(parse(reply.text), allowed_pages(reply), dialect)
    parts = (*pack(headed(written), dialect.limit), footer(reply, dialect))
    return "\n\n".join(filter(None, parts)) or NOTHING


def _begun(parts: list[str], gap: str, piece: Piece, limit: int) -> list[str]:
    """Show as much of a piece as there is room for in the last part."""
    *full, part = parts or [""]
    lead = gap if part else ""
    text, _ = piece.cut(limit - size(part + lead))
    return [*full, part + lead + text] if text else parts
