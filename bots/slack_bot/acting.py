"""The calls to Slack that acting on a reply needs: modals, whispers in a thread, links."""

from collections.abc import Mapping
from typing import Any, Final

from bots.slack_bot.api import Bot, SlackApi, is_ours, marker_of
from bots.slack_bot.errors import translated

SEARCHED: Final = (
    200  #: messages of a channel, the newest ones, among which one of ours is looked for
)


async def open_view(api: SlackApi, trigger: str, view: Mapping[str, Any]) -> None:
    """Open a modal for the person of a trigger, which Slack takes for 3 s."""
    with translated():
        await api.client.views_open(trigger_id=trigger, view=dict(view))


async def whisper(api: SlackApi, channel: str, user: str, text: str, *, root: str | None) -> None:
    """Post a message in a thread, or a channel, that only one member of the channel sees."""
    with translated():
        await api.client.chat_postEphemeral(channel=channel, user=user, text=text, thread_ts=root)


async def permalink(api: SlackApi, channel: str, ts: str) -> str:
    """Ask for the address at which people find a message."""
    with translated():
        reply = await api.client.chat_getPermalink(channel=channel, message_ts=ts)
        return str(reply.get("permalink") or "")


async def announced(api: SlackApi, channel: str, marker: str, bot: Bot) -> str | None:
    """Look for a message of ours with this marker among the newest ones of a channel; its ts."""
    with translated():
        reply = await api.client.conversations_history(
            channel=channel, limit=SEARCHED, include_all_metadata=True
        )
        found = (
            str(message["ts"])
            for message in reply["messages"]
            if is_ours(message, bot) and marker_of(message) == marker
        )
        return next(found, None)
