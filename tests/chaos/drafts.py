"""Drafts, as the servers of the platforms see them: how many there were, and whether one is left.

A draft is known by its button: only what is still being written can be stopped. A message that is
streamed in Slack may have none, but bears no marker either, until it is the reply.
"""

import json
from collections.abc import Iterator

from chaos.stage import Stage
from servers.discord_world import Json


def drafts_left(stage: Stage) -> Iterator[str]:
    """Messages that are no more than a draft at the end."""
    for channel in stage.slack.workspace.channels.values():
        for message in channel.messages:
            if message.get("bot_id") is None:
                continue
            where = f"slack {channel.id} {message['ts']}: {message['text'][:60]!r}"
            if stage.slack.streams.is_open(message["ts"]):
                yield f"still streaming: {where}"
            elif _can_be_stopped(message.get("blocks")) or "metadata" not in message:
                yield f"a draft is left: {where}"
    for place in stage.discord.world.channels.values():
        for message in stage.discord.posted(place):
            if _can_be_stopped(message.get("components")):
                text = str(message["content"])[:60]
                yield f"a draft is left: discord {place.id} {message['id']}: {text!r}"


def drafts_shown(stage: Stage) -> tuple[int, int]:
    """How many drafts were posted, and how often one got more words, by the calls that came."""
    slack, discord = stage.slack, stage.discord
    begun = [call for call in slack.calls_of("chat.postMessage") if _can_be_stopped(call)]
    posts = discord.calls("POST", "/channels/{channel}/messages")
    patches = discord.calls("PATCH", "/channels/{channel}/messages/{message}")
    drafts = len(slack.calls_of("chat.startStream")) + len(begun)
    drafts += sum(_can_be_stopped(call.body) for call in posts)
    states = len(slack.calls_of("chat.appendStream"))
    states += sum(_can_be_stopped(call) for call in slack.calls_of("chat.update"))
    states += sum(_can_be_stopped(call.body) for call in patches)
    return drafts, states


def _can_be_stopped(payload: Json | object) -> bool:
    return "stop:" in json.dumps(payload, default=str)
