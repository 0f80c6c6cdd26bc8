"""The calls to Slack that stream a message: it grows until it is stopped.

A stream is written in one of two ways from its first call to its last, as plain Markdown or in
chunks; only chunks may hold blocks. When to call what is decided in `drafts`.
"""

from collections.abc import Sequence
from typing import Any

from bots.slack_bot.api import Blocks, SlackApi
from bots.slack_bot.errors import translated

Written = dict[str, Any]


async def start_stream(
    api: SlackApi,
    channel: str,
    root: str,
    markdown: str,
    *,
    team: str,
    user: str,
    blocks: Blocks = (),
) -> str:
    """Begin a message that grows, for the person whose question it answers; its ts.

    With `blocks` it is written in chunks, and they stand above the text. Slack keeps no marker of
    ours with it until it has ended.
    """
    chunks = [{"type": "blocks", "blocks": list(blocks)}] if blocks else []
    with translated():
        reply = await api.client.chat_startStream(
            channel=channel,
            thread_ts=root,
            recipient_team_id=team,
            recipient_user_id=user,
            **_written(markdown, chunks, in_chunks=bool(blocks)),
        )
        return str(reply["ts"])


async def append_stream(
    api: SlackApi, channel: str, ts: str, markdown: str, *, in_chunks: bool
) -> None:
    """Add to a message that grows, as it was begun. Raises NotStreaming where it has ended."""
    written = _written(markdown, (), in_chunks=in_chunks)
    with translated():
        await api.client.chat_appendStream(channel=channel, ts=ts, **written)


async def stop_stream(api: SlackApi, channel: str, ts: str) -> None:
    """End a message that grows, as it is. Raises NotStreaming where it has ended."""
    with translated():
        await api.client.chat_stopStream(channel=channel, ts=ts)


def _written(markdown: str, chunks: Sequence[Written], *, in_chunks: bool) -> Written:
    if not in_chunks:
        return {"markdown_text": markdown}
    return {"chunks": [*chunks, {"type": "markdown_text", "text": markdown}]}
