"""When it is looked for what was missed, what goes wrong with it, and what core hears of it."""

import asyncio
import logging

import pytest

from bots.slack_bot import missed, presence, socket_mode
from bots.slack_bot.adapter import SlackPlatform
from core.domain import Absence
from core.errors import StoreError, TokenRefused
from servers.faults import Fault
from servers.slack_faults import api_error, html_page, rate_limited, server_error
from servers.slack_rig import (
    FakeReception,
    away,
    back,
    http_settings,
    running,
    slack_settings,
    thread_on,
)
from servers.slack_server import SlackServer


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "SHORTEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(missed, "_patience", lambda failures: 0.0)
    monkeypatch.setattr(presence, "HEARD_SECONDS", 0.05)


# --- what goes wrong -------------------------------------------------------------------------


async def test_a_rate_limit_is_waited_for() -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "how do I start?")
        for method in ("users.conversations", "conversations.history"):
            server.fail(method, rate_limited(0.01), rate_limited(0.01))
        async with back(server, away()) as reception:
            assert reception.texts == ["how do I start?"]
        assert reception.asked_for_absence == ["slack"]


async def test_a_channel_that_refuses_is_skipped_with_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with SlackServer() as server:
        server.workspace.add_channel("C0OTHER")
        server.mention("C0OTHER", "U1", "how do I start?")
        server.fail("conversations.history", api_error("channel_not_found"))
        async with back(server, away()) as reception:
            assert reception.texts == ["how do I start?"]
    (record,) = [record for record in caplog.records if "cannot be read" in record.message]
    assert record.__dict__["where"] == "C0GENERAL"


async def test_a_thread_that_is_gone_is_skipped() -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "how do I start?")
        absence = away(threads=[thread_on("C0GENERAL", "1763800000.000100")])
        async with back(server, absence) as reception:
            assert reception.texts == ["how do I start?"]


@pytest.mark.parametrize("fault", [server_error(), html_page(), Fault(drop="before")])
async def test_a_call_that_fails_is_made_again(fault: Fault) -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "how do I start?")
        server.fail("conversations.history", fault, fault)
        async with back(server, away()) as reception:
            assert reception.texts == ["how do I start?"]
        assert reception.asked_for_absence == ["slack"]


async def test_while_slack_is_away_nothing_is_heard_and_the_search_begins_anew() -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "how do I start?")
        server.fail("users.conversations", *[server_error()] * 12)
        absence = away()
        async with back(server, absence, absence, absence) as reception:
            assert reception.texts == ["how do I start?"]
            assert len(reception.asked_for_absence) == 3


async def test_one_channel_that_fails_does_not_hide_the_others_and_is_tried_again() -> None:
    async with SlackServer() as server:
        server.workspace.add_channel("C0OTHER")
        server.mention("C0GENERAL", "U1", "first")
        server.mention("C0OTHER", "U1", "second")
        server.fail("conversations.history", *[server_error()] * 3)
        absence = away()
        async with back(server, absence, absence) as reception:
            assert reception.texts == ["second", "first"]


async def test_a_search_that_never_succeeds_is_given_up_with_a_clear_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(presence, "ATTEMPTS", 3)
    async with SlackServer() as server:
        server.fail("users.conversations", *[api_error("token_revoked")] * 3)
        absence = away()
        async with back(server, absence, absence, absence) as reception:
            assert len(reception.asked_for_absence) == 3
    assert "going on without it" in caplog.text


async def test_what_cannot_be_written_down_is_looked_for_again() -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "how do I start?")
        reception = FakeReception()
        reception.absences = [StoreError(), away(), away()]
        reception.failures = [StoreError()]
        async with running(slack_settings(server), reception):
            await reception.wait_until_heard()
            assert reception.texts == ["how do I start?"]
            assert len(reception.asked_for_absence) == 3


async def test_an_error_that_nobody_foresaw_harms_only_the_search(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "a private matter")
        reception = FakeReception()
        reception.absences = [away(), None]
        reception.failures = [RuntimeError("a private matter")]
        async with running(slack_settings(server), reception):
            await reception.wait_until_heard()
            server.dm("U1", "directly")
            await server.wait_for(lambda: reception.taken)
    assert "search for what was missed failed" in caplog.text
    assert "private matter" not in caplog.text


async def test_the_search_holds_no_event_up_and_ends_with_the_stop() -> None:
    async with asyncio.timeout(60), SlackServer() as server:
        server.fail("users.conversations", Fault(hang=True))
        reception = FakeReception()
        reception.absences = [away()]
        async with running(slack_settings(server), reception):
            await reception.wait_until_asked()
            server.dm("U1", "directly")
            await server.wait_for(lambda: server.deliveries and server.deliveries[0].acked_at)
            assert reception.texts == ["directly"]
        assert reception.heard_from == []


async def test_the_search_ends_with_a_refused_token() -> None:
    async with asyncio.timeout(60), SlackServer() as server:
        server.fail("users.conversations", Fault(hang=True))
        reception = FakeReception()
        reception.absences = [away()]
        platform = SlackPlatform(slack_settings(server))

        async def revoke() -> None:
            await reception.wait_until_asked()
            server.fail("apps.connections.open", api_error("invalid_auth"))
            await server.close_sockets()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(revoke())
            with pytest.raises(TokenRefused, match="SLACK_APP_TOKEN"):
                await platform.run(reception, asyncio.Event(), asyncio.Event())
        await platform.close()


# --- when it is looked for -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["closed", "broken", "silent"])
async def test_what_came_between_two_connections_is_found(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_mode, "PING_SECONDS", 0.05)
    async with SlackServer() as server, back(server, None, away()) as reception:
        if how == "closed":
            await server.close_sockets()
        elif how == "broken":
            server.drop_sockets()
            await server.wait_for(lambda: server.connections == 0)
        else:
            server.mute_sockets()
        server.mention("C0GENERAL", "U1", "how do I start?")
        assert server.lost
        await reception.wait_until_asked(2)
        await server.wait_for(lambda: server.calls_of("conversations.history"))
        before = len(reception.heard_from)
        await reception.wait_until_heard(before + 1)
        assert reception.texts == ["how do I start?"]


async def test_a_connection_that_is_replaced_in_time_is_no_absence() -> None:
    async with SlackServer() as server, back(server) as reception:
        await server.disconnect("warning")
        await server.wait_for(lambda: server.connections == 2)
        await server.wait_for(lambda: server.connections == 1)
        await reception.wait_until_heard(len(reception.heard_from) + 2)
        assert reception.asked_for_absence == ["slack"]


async def test_nothing_is_heard_while_there_is_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket_mode, "LONGEST_PAUSE_SECONDS", 0.2)
    async with SlackServer() as server, back(server, None, away()) as reception:
        server.fail("apps.connections.open", rate_limited(0.3))
        await server.close_sockets()
        heard = len(reception.heard_from)
        await reception.wait_until_asked(2)
        assert len(reception.heard_from) == heard


async def test_a_connection_that_dies_before_its_replacement_is_there_is_an_absence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket_mode, "LONGEST_PAUSE_SECONDS", 0.2)
    async with SlackServer() as server, back(server, None, away()) as reception:
        server.fail("apps.connections.open", rate_limited(0.3))
        await server.disconnect("warning")
        await server.wait_for(lambda: not server.faults_left("apps.connections.open"))
        await server.close_sockets()
        server.mention("C0GENERAL", "U1", "how do I start?")
        assert server.lost
        heard = len(reception.heard_from)
        await reception.wait_until_asked(2)
        assert len(reception.heard_from) == heard
        await reception.wait_until_heard(heard + 1)
        assert reception.texts == ["how do I start?"]


async def test_an_event_that_was_not_written_down_is_looked_for_before_anything_is_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    async with SlackServer() as server, back(server, None, away()) as reception:
        server.redeliver_after(None)  # Slack has tried often enough
        reception.failures = [StoreError(), StoreError()]
        server.mention("C0GENERAL", "U1", "how do I start?")
        await server.wait_for(lambda: not reception.failures)
        await reception.wait_until_heard(len(reception.heard_from) + 2)
        assert reception.texts == ["how do I start?"]


async def test_an_event_that_fails_while_the_search_goes_on_is_looked_for_too() -> None:
    reception = FakeReception()
    reception.absences = [away(), away(), None]
    searches: list[int] = []

    async def search(_: Absence) -> bool:
        searches.append(len(reception.heard_from))
        if len(searches) == 1:
            present.failed()
        return True

    present = presence.Presence(reception, search)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(present.follow())
        present.connected(lambda: True)
        await reception.wait_until_heard()
        following.cancel()
    assert searches == [0, 0]


async def test_over_http_the_same_holds_from_the_start_on() -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "how do I start?")
        reception = FakeReception()
        reception.absences = [away()]
        async with running(http_settings(server), reception):
            await reception.wait_until_heard(2)
            assert reception.texts == ["how do I start?"]
            assert reception.asked_for_absence == ["slack"]


async def test_nothing_is_read_where_nothing_was_missed() -> None:
    async with SlackServer() as server:
        server.mention("C0GENERAL", "U1", "how do I start?")
        async with back(server, None) as reception:
            assert reception.asked_for_absence == ["slack"]
            await reception.wait_until_heard(3)  # and again, as long as it lasts
        assert reception.asked_for_absence == ["slack"]
        assert server.calls_of("users.conversations") == []
