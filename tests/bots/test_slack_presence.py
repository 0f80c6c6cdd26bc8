"""When it is looked for what was missed, what goes wrong with it, and what core hears of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bots.slack_bot import missed, presence, socket_mode
from bots.slack_bot.adapter import SlackPlatform
from core.domain import Absence, ThreadRef
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

    async def search_thread(*_: object) -> bool:
        return True

    present = presence.Presence(reception, search, search_thread)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(present.follow())
        present.connected(lambda: True)
        await reception.wait_until_heard()
        following.cancel()
    assert searches == [0, 0]


# --- what is said while it is looked for -----------------------------------------------------


@asynccontextmanager
async def searching(
    server: SlackServer, *threads: ThreadRef, faults: Sequence[Fault] = ()
) -> AsyncIterator[FakeReception]:
    """The adapter comes back, and its search hangs; the next calls for a thread go wrong."""
    reception = FakeReception()
    reception.absences = [away(threads=threads)]
    server.fail("conversations.history", Fault(hang=True))
    server.fail("conversations.replies", *faults)
    async with running(slack_settings(server), reception):
        await server.wait_for(lambda: not server.faults_left("conversations.history"))
        yield reception


def overheard(reception: FakeReception) -> list[str]:
    return [remark.mention.text for remark in reception.overheard]


async def test_what_was_missed_in_a_thread_is_judged_before_what_is_said_there_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "THREAD_SECONDS", 60.0)
    async with SlackServer() as server:
        root = server.say("C0GENERAL", "U1", "lunch?")
        server.say("C0GENERAL", "U2", "missed", thread_ts=root)
        async with searching(server, thread_on("C0GENERAL", root)) as reception:
            for count, text in enumerate(("now", "then"), 2):
                server.say("C0GENERAL", "U1", text, thread_ts=root)
                await server.wait_for(lambda count=count: len(reception.overheard) >= count)
            assert overheard(reception) == ["missed", "now", "then"]
            assert len(server.calls_of("conversations.replies")) == 1


async def test_where_nobody_talked_with_the_bot_lately_it_is_not_looked_for_what_was_missed() -> (
    None
):
    async with SlackServer() as server:
        root = server.say("C0GENERAL", "U1", "lunch?")
        server.say("C0GENERAL", "U2", "missed", thread_ts=root)
        async with searching(server) as reception:
            server.say("C0GENERAL", "U1", "now", thread_ts=root)
            await server.wait_for(lambda: any(one.acked_at for one in server.deliveries))
            assert overheard(reception) == ["now"]


@pytest.mark.parametrize("fault", [Fault(hang=True), server_error(), rate_limited(60.0)])
async def test_where_it_cannot_be_had_in_time_what_is_said_is_taken_all_the_same(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "THREAD_SECONDS", 0.2)
    async with SlackServer() as server:
        root = server.say("C0GENERAL", "U1", "lunch?")
        server.say("C0GENERAL", "U2", "missed", thread_ts=root)
        thread = thread_on("C0GENERAL", root)
        async with searching(server, thread, faults=[fault] * missed.TRIES) as reception:
            server.say("C0GENERAL", "U1", "now", thread_ts=root)
            await server.wait_for(lambda: any(one.acked_at for one in server.deliveries))
            assert overheard(reception) == ["now"]


async def test_what_was_missed_and_cannot_be_written_down_keeps_what_follows_from_being_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "THREAD_SECONDS", 60.0)
    async with SlackServer() as server:
        server.redeliver_after(0.1)
        root = server.say("C0GENERAL", "U1", "lunch?")
        server.say("C0GENERAL", "U2", "missed", thread_ts=root)
        async with searching(server, thread_on("C0GENERAL", root)) as reception:
            reception.failures = [StoreError()]
            server.say("C0GENERAL", "U1", "now", thread_ts=root)
            await server.wait_for(lambda: len(reception.overheard) == 2)
            assert overheard(reception) == ["missed", "now"]


async def test_a_connection_that_is_lost_during_the_search_has_its_threads_searched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "THREAD_SECONDS", 60.0)
    thread = thread_on("C0GENERAL", "1763800000.000100")
    reception, searched = FakeReception(), list[ThreadRef]()
    reception.absences = [away(threads=[thread])]

    async def search(_: Absence) -> bool:
        await asyncio.Event().wait()
        return True

    async def search_thread(_: Absence, which: ThreadRef, seconds: float) -> bool:
        assert 0 < seconds <= presence.THREAD_SECONDS
        searched.append(which)
        return True

    present = presence.Presence(reception, search, search_thread)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(present.follow())
        for _ in range(2):
            present.connected(lambda: True)
            await present.catch_up(thread)
            await present.catch_up(thread)
            present.lost()
        following.cancel()
    assert searched == [thread, thread]


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
