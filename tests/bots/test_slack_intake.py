import asyncio
import os

import pytest

from core.errors import StoreError
from servers.slack_rig import FakeReception, http_settings, running, slack_settings
from servers.slack_server import SlackServer


async def test_a_mention_in_a_channel_is_taken_once_although_it_is_delivered_twice() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        ts = server.mention("C0GENERAL", "U1", "how do I start?")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 2)

        assert reception.offered == 2
        (mention,) = reception.taken
        assert (mention.channel, mention.message, mention.author) == ("C0GENERAL", ts, "U1")
        assert mention.text == "how do I start?"
        assert mention.thread.key == f"C0GENERAL:{ts}"
        assert (mention.thread.platform, mention.thread.tenant) == ("slack", "T0DOCS")
        assert server.violations == []


async def test_a_mention_is_acknowledged_only_after_it_was_written_down() -> None:
    reception = FakeReception()
    reception.may_take.clear()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.redeliver_after(None)
        server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: len(server.deliveries) == 2)
        other = server.event({"type": "reaction_added", "user": "U1"})
        await other.done.wait()  # processed after the mentions, and not held up by them

        assert [d.acked_at for d in server.deliveries[:2]] == [None, None]
        reception.may_take.set()
        await server.wait_for(lambda: all(d.acked_at for d in server.deliveries))
