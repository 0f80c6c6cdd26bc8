"""Remote MCP servers that cannot be reached: questions are asked without them, for a while.

OpenAI asks each server for its tools before a run begins, and refuses the request, or lets the run
fail, where one does not reply. No question is to go without an answer for that.
"""

import logging
import re
import time
from collections.abc import Sequence

from openai.types.responses import ToolParam

log = logging.getLogger(__name__)

AWAY = 60.0  # seconds until a server is tried again

_SAID = re.compile(r"\bMCP server\b|external_connector", re.IGNORECASE)


class HostedTools:
    """The tools that OpenAI calls by itself, without those of servers that are away."""

    def __init__(self, tools: Sequence[ToolParam]) -> None:
        self._tools = tuple(tools)
        self._back_at: dict[str, float] = {}  # by the server's label, by the monotonic clock

    def usable(self, *, asking: bool = True) -> list[ToolParam]:
        """Those that a request may name now; unless `asking`, none that needs a permission."""
        here = [tool for tool in self._tools if not self._is_away(tool)]
        return [tool for tool in here if asking or not _asks(tool)]

    def blame(self, said: str) -> bool:
        """Hear why a request or a run failed; whether another one would go without a server."""
        if not _SAID.search(said):
            return False
        labels = [tool["server_label"] for tool in self.usable() if tool["type"] == "mcp"]
        named = [label for label in labels if re.search(f"['\"`]{re.escape(label)}['\"`]", said)]
        away = named or labels
        for label in away:
            self._back_at[label] = time.monotonic() + AWAY
            extra = {"server": label, "seconds": AWAY}
            log.warning("OpenAI cannot use a remote MCP server: it is left out", extra=extra)
        return bool(away)

    def _is_away(self, tool: ToolParam) -> bool:
        if tool["type"] != "mcp":
            return False
        return time.monotonic() < self._back_at.get(tool["server_label"], 0.0)


def _asks(tool: ToolParam) -> bool:
    return tool["type"] == "mcp" and tool.get("require_approval") != "never"
