import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bots.slack_bot.adapter import SlackPlatform
from core.errors import PlatformRefused, StoreError
from servers.slack_rig import FakeReception, http_settings, running
from servers.slack_server import SlackServer


@asynccontextmanager
async def listening(reception: FakeReception) -> AsyncIterator[tuple[SlackServer, str]]:
    """The adapter in HTTP mode, and where it listens."""
    async with (
        SlackServer() as server,
        running(http_settings(server), reception) as platform,
    ):
        base = f"http://127.0.0.1:{platform.port}"
        server.deliver_to(f"{base}/slack/events")
        yield server, base


async def test_a_mention_is_taken_and_then_answered_with_200() -> None:
    reception = FakeReception()
    async with listening(reception) as (server, _):
        ts = server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 2)

        assert [mention.message for mention in reception.taken] == [ts]
        assert server.calls_of("apps.connections.open") == []
        assert [delivery.reply for delivery in server.deliveries] == [None, None]


async def test_a_mention_that_could_not_be_written_is_answered_with_500_and_comes_again() -> None:
    reception = FakeReception()
    reception.failures = [StoreError()]
    async with listening(reception) as (server, _):
        server.redeliver_after(0.05)
        server.dm("U1", "hello?")
        await server.wait_for(lambda: len(reception.taken) == 1)
        assert [delivery.status for delivery in server.deliveries] == [500, 200]


async def test_an_event_that_asks_nothing_is_answered_with_200() -> None:
    async with listening(FakeReception()) as (server, _):
        delivery = server.event({"type": "reaction_added", "user": "U1"})
        await delivery.done.wait()
        assert delivery.status == 200


async def test_a_slash_command_is_answered() -> None:
    reception = FakeReception()
    async with listening(reception) as (server, _):
        ask = server.slash("/ask", "how do I start?", channel="C0GENERAL", user="U1")
        empty = server.slash("/ask", "", channel="C0GENERAL", user="U1")
        await ask.done.wait()
        await empty.done.wait()

        assert ask.reply is None
        assert empty.reply["response_type"] == "ephemeral"
        assert [mention.text for mention in reception.taken] == ["how do I start?"]


async def test_slack_can_verify_the_address() -> None:
    async with listening(FakeReception()) as (server, _):
        status, body = await server.post('{"type": "url_verification", "challenge": "3eZbrw1a"}')
        assert (status, json.loads(body)) == (200, {"challenge": "3eZbrw1a"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Slack-Signature": "v0=" + "0" * 64}, 401),
        ({"X-Slack-Signature": ""}, 401),
        ({"X-Slack-Request-Timestamp": "soon"}, 401),
        ({"X-Slack-Request-Timestamp": ""}, 401),
        ({"X-Slack-Request-Timestamp": "1763800000"}, 401),
    ],
)
async def test_what_slack_did_not_sign_is_refused_and_not_logged(
    headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reception = FakeReception()
    async with listening(reception) as (server, _):
        body = '{"type": "event_callback", "event": {"type": "message", "text": "a forged line"}}'
        assert (await server.post(body, headers=headers))[0] == status
        assert (await server.post(body, at=time.time() - 301))[0] == 401
    assert reception.offered == 0
    assert "a forged line" not in caplog.text


@pytest.mark.parametrize("body", ['{"type": ', "[1", '"'])
async def test_a_body_that_cannot_be_read_is_refused(body: str) -> None:
    async with listening(FakeReception()) as (server, _):
        assert (await server.post(body))[0] == 400


async def test_a_host_can_ask_whether_the_bot_is_well() -> None:
    async with (
        listening(FakeReception()) as (_, base),
        aiohttp.ClientSession() as session,
        session.get(f"{base}/healthz") as reply,
    ):
        assert (reply.status, await reply.text()) == (200, "ok")


async def test_no_page_for_installing_is_offered_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLACK_CLIENT_ID", "of-another-app")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "of-another-app")
    async with (
        listening(FakeReception()) as (_, base),
        aiohttp.ClientSession() as session,
        session.get(f"{base}/slack/install") as reply,
    ):
        assert reply.status == 404


async def test_stopping_answers_what_is_at_work_and_takes_no_more() -> None:
    reception = FakeReception()
    reception.may_take.clear()
    stop = asyncio.Event()
    async with SlackServer() as server:
        async with running(http_settings(server), reception, stop=stop) as platform:
            server.deliver_to(f"http://127.0.0.1:{platform.port}/slack/events")
            server.redeliver_after(None)
            server.dm("U1", "first")
            await reception.wait_until_offered()
            stop.set()
            reception.may_take.set()
        assert [delivery.status for delivery in server.deliveries] == [200]


async def test_a_port_that_is_taken_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        async with SlackServer() as server:
            platform = SlackPlatform(http_settings(server, port=taken.getsockname()[1]))
            with pytest.raises(PlatformRefused, match="PORT"):
                await platform.run(FakeReception(), asyncio.Event(), asyncio.Event())
            await platform.close()
