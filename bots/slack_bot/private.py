"""Replies that one member of a channel sees, and how the others come to see them.

Slack keeps no such message: it can be neither found nor changed, and is gone when the client is
restarted. So a reply whose fate is unknown is posted once more.
"""

from typing import Final

from bots.slack_bot.acting import announced
from bots.slack_bot.api import Bot, Look, SlackApi
from bots.slack_bot.buttons import blocks
from bots.slack_bot.errors import BlocksRefused
from bots.slack_bot.events import place, thread_ref
from bots.slack_bot.mrkdwn import escape
from core.domain import MessageId, Post, Root, ThreadRef
from core.errors import PlatformRefused, ThreadGone

LONGEST_QUESTION: Final = 3_000  #: characters, before any is escaped


async def whisper_post(api: SlackApi, post: Post) -> MessageId:
    """Post a part to its asker alone, with its buttons where the workspace takes them."""
    channel, _ = place(post.thread)
    if post.buttons:
        try:  # plain ones: whether Slack takes its own kind here is not documented
            shown = blocks(post, Look.PLAIN)
            return MessageId(await api.whisper(channel, post.asker, post.text, shown))
        except BlocksRefused:
            pass  # the text is worth more
    return MessageId(await api.whisper(channel, post.asker, post.text))


async def show_question(
    api: SlackApi,
    bot: Bot,
    thread: ThreadRef,
    asker: str,
    question: str,
    *,
    marker: str,
    doubtful: bool,
) -> Root:
    """Show in the channel who asked what; see `Platform.share_question`."""
    channel, _ = place(thread)
    ts = await _shown_before(api, bot, channel, marker) if doubtful else None
    if ts is None:
        shown = escape(question[:LONGEST_QUESTION])
        ts = await api.post(channel, f"<@{asker}> asks: {shown}", marker=marker)
    root = thread_ref(thread.tenant, channel, ts)
    return Root(thread=root, channel=channel, message=MessageId(ts))


async def _shown_before(api: SlackApi, bot: Bot, channel: str, marker: str) -> str | None:
    """Look for the question; one that cannot be looked for is shown once more."""
    try:
        return await announced(api, channel, marker, bot)
    except (PlatformRefused, ThreadGone):
        return None
