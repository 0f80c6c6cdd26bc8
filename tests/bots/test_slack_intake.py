import asyncio
import logging

import pytest

from core.errors import StoreError
from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import BOT_USER, SlackServer
from servers.slack_workspace import Json


async def test_a_mention_is_taken_once_although_it_is_delivered_twice() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        ts = server.mention("C0GENERAL", "U1", "how do I start?")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 2)

        assert [d.event["type"] for d in server.deliveries] == ["app_mention", "message"]
        assert reception.offered == 2
        (mention,) = reception.taken
        assert (mention.channel, mention.message, mention.author) == ("C0GENERAL", ts, "U1")
        assert mention.text == "how do I start?"
        assert mention.thread.key == f"C0GENERAL:{ts}"
        assert (mention.thread.platform, mention.thread.tenant) == ("slack", "T0DOCS")
        assert server.violations == []


async def test_a_mention_is_acknowledged_after_it_was_written_and_holds_nothing_up() -> None:
    reception = FakeReception()
    reception.may_take.clear()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.redeliver_after(None)
        server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: len(server.deliveries) == 2)
        other = server.event({"type": "reaction_added", "user": "U1"})
        await other.done.wait()

        mentions = server.deliveries[:2]
        assert [delivery.acked_at for delivery in mentions] == [None, None]
        reception.may_take.set()
        await server.wait_for(lambda: all(delivery.acked_at for delivery in mentions))


async def test_a_mention_that_could_not_be_written_is_delivered_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reception = FakeReception()
    reception.failures = [StoreError("The database cannot be used."), RuntimeError("a bug")]
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.redeliver_after(0.05)
        server.mention("C0GENERAL", "U1", "a private matter")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 2)

        attempts = sorted((d.attempt, d.acked_at is not None) for d in server.deliveries)
        assert attempts == [(0, False), (0, False), (1, True), (1, True)]
        assert len(reception.taken) == 1
    reasons = [record.__dict__.get("reason") for record in caplog.records]
    assert "The database cannot be used." in reasons
    assert "a private matter" not in caplog.text


async def test_a_redelivered_event_is_acknowledged_and_changes_nothing() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: len(server.deliveries) == 2)
        again = server.redeliver(server.deliveries[0])
        await again.done.wait()

        assert again.attempt == 1
        assert len(reception.taken) == 1


async def test_events_that_ask_nothing_are_acknowledged_and_not_taken() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.say("C0GENERAL", "U1", "lunch?")
        server.event({"type": "message", "subtype": "message_changed", "channel": "C0GENERAL"})
        server.event({"type": "app_home_opened", "user": "U1", "tab": "messages"})
        server.event({"type": "an_event_of_tomorrow"})
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 4)

        assert reception.offered == 0


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "block_actions", "actions": [{"type": "button", "action_id": "old"}]},
        {"type": "message_action", "callback_id": "old"},
    ],
)
async def test_interactions_that_nobody_expects_are_acknowledged(payload: Json) -> None:
    async with SlackServer() as slack, running(slack_settings(slack), FakeReception()):
        delivery = slack.interact(payload)
        async with asyncio.timeout(60):
            await delivery.done.wait()
        assert delivery.acked_at is not None


async def test_the_message_events_of_our_own_posts_are_ignored() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        direct = server.workspace.direct("U1")
        message = server.workspace.write(direct, BOT_USER, "an answer", bot_id="B0DOCENT")
        own = server.event({**message, "channel": direct.id, "channel_type": "im"})
        await own.done.wait()

        assert reception.offered == 0


async def test_a_direct_message_needs_no_mention_and_its_thread_begins_with_it() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        root = server.dm("U1", "how do I start?")
        await server.wait_for(lambda: len(reception.taken) == 1)
        server.dm("U1", "and then?", thread_ts=root, files=["log.txt"])
        await server.wait_for(lambda: len(reception.taken) == 2)

        assert [m.thread.key for m in reception.taken] == [f"D1:{root}", f"D1:{root}"]
        assert [[f.name for f in m.files] for m in reception.taken] == [[], ["log.txt"]]


async def test_a_mention_with_a_file_is_taken_from_its_message_event_alone() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        channel = server.workspace.channels["C0GENERAL"]
        picture = server.files.upload("screen.png")
        message = server.workspace.write(
            channel, "U1", f"<@{BOT_USER}> what is this?", files=[picture]
        )
        server.event({**message, "channel": "C0GENERAL", "channel_type": "channel"})
        await server.wait_for(lambda: reception.taken)

        assert [file.name for file in reception.taken[0].files] == ["screen.png"]


async def test_the_variables_that_bolt_reads_by_itself_change_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET", "BOT_TOKEN", "APP_TOKEN", "SIGNING_SECRET"):
        monkeypatch.setenv(f"SLACK_{name}", "of-another-app")
    monkeypatch.setenv("SLACK_SCOPES", "admin")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    reception = FakeReception()
    caplog.set_level(logging.INFO)
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 2)

        assert len(reception.taken) == 1
    assert [record.name for record in caplog.records if "slack_bolt" in record.name] == []


async def test_who_we_are_is_asked_once_however_many_events_come_first() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        for number in range(20):
            server.mention("C0GENERAL", f"U{number}", "hello?")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 40)

        assert len(server.calls_of("auth.test")) == 1
        assert len(reception.taken) == 20


async def test_no_message_and_no_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.mention("C0GENERAL", "U1", "a private matter")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 2)
        await server.disconnect()
        await server.wait_for(lambda: len(server.calls_of("apps.connections.open")) == 2)
    for secret in ("private matter", "xoxb-", "xapp-", "ticket"):
        assert secret not in caplog.text
