import asyncio
import logging

import pytest

from bots.slack_bot import adapter, socket_mode
from bots.slack_bot.adapter import SlackPlatform
from core.domain import MessageId, ThreadRef
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)
from core.settings import SlackSettings
from servers.faults import Fault
from servers.slack_faults import api_error, html_page, rate_limited, server_error
from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import SlackServer


async def start(settings: SlackSettings) -> PlatformError:
    """Run the adapter until it gives up; why."""
    platform = SlackPlatform(settings)
    ready = asyncio.Event()
    try:
        with pytest.raises(PlatformError) as raised:
            async with asyncio.timeout(60):
                await platform.run(FakeReception(), asyncio.Event(), ready)
    finally:
        await platform.close()
    assert not ready.is_set()
    return raised.value


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"bot_token": "xoxb-of-yesterday"}, "SLACK_BOT_TOKEN"),
        ({"bot_token": "xapp-test-app-token"}, "SLACK_BOT_TOKEN"),
        ({"app_token": "xapp-of-yesterday"}, "SLACK_APP_TOKEN"),
        ({"app_token": "xoxb-test-bot-token"}, "SLACK_APP_TOKEN"),
    ],
)
async def test_a_bad_token_is_reported_by_name_instead_of_hanging(
    changes: dict[str, str], setting: str
) -> None:
    async with SlackServer() as server:
        error = await start(slack_settings(server, **changes))
        assert isinstance(error, PlatformRefused)
        assert setting in error.hint
        for token in changes.values():
            assert token not in str(error)


async def test_a_slack_that_is_not_there_is_unreachable() -> None:
    async with SlackServer() as server:
        settings = slack_settings(server)
    assert isinstance(await start(settings), PlatformUnreachable)


async def test_a_slack_that_never_replies_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "PREFLIGHT_SECONDS", 0.1)
    monkeypatch.setattr(socket_mode, "CONNECT_SECONDS", 0.1)
    async with SlackServer() as server:
        server.fail("auth.test", Fault(hang=True))
        assert isinstance(await start(slack_settings(server)), PlatformUnreachable)
        server.fail("apps.connections.open", Fault(hang=True))
        assert isinstance(await start(slack_settings(server)), PlatformUnreachable)
        server.fail(
            "apps.connections.open", Fault(status=200, body={"ok": True, "url": "ws://127.0.0.1:9"})
        )
        assert isinstance(await start(slack_settings(server)), PlatformUnreachable)


async def test_slack_asking_for_a_pause_at_the_start_is_busy() -> None:
    async with SlackServer() as server:
        server.fail("apps.connections.open", rate_limited(30))
        error = await start(slack_settings(server))
        assert isinstance(error, PlatformBusy)
        assert error.retry_after == 30


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_address_of_the_api_may_end_in_a_slash(slash: str) -> None:
    async with (
        SlackServer() as server,
        running(slack_settings(server, api_url=server.api_url + slash), FakeReception()),
    ):
        assert server.connections == 1


async def test_a_connection_is_replaced_before_slack_closes_it() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        await server.disconnect("warning")
        most = await server.wait_for(lambda: server.connections == 2 and server.connections)
        await server.wait_for(lambda: server.connections == 1)
        server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: reception.taken)

        assert most == 2  # never without a connection
        assert server.violations == []


async def test_a_connection_with_an_event_at_work_stays_until_that_is_acknowledged() -> None:
    reception = FakeReception()
    reception.may_take.clear()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.redeliver_after(None)
        server.dm("U1", "hello?")
        await reception.wait_until_offered()
        await server.disconnect()
        await server.wait_for(lambda: server.connections == 2)
        for _ in range(4):  # both connections are in use meanwhile
            await server.event({"type": "reaction_added", "user": "U1"}).done.wait()

        assert server.connections == 2
        reception.may_take.set()
        await server.wait_for(lambda: server.deliveries[0].acked_at)
        await server.wait_for(lambda: server.connections == 1)


@pytest.mark.parametrize("how", ["closed", "broken", "silent"])
async def test_a_connection_that_ends_is_replaced(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_mode, "PING_SECONDS", 0.05)
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        if how == "closed":
            await server.close_sockets()
        elif how == "broken":
            server.drop_sockets()
        else:
            server.mute_sockets()
        await server.wait_for(lambda: len(server.calls_of("apps.connections.open")) == 2)
        await server.wait_for(lambda: server.connections)  # what came before that would be lost
        server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: reception.taken)


async def test_reconnecting_goes_on_through_every_kind_of_trouble(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(socket_mode, "LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(socket_mode, "CONNECT_SECONDS", 0.2)
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        used_up = Fault(status=200, body={"ok": True, "url": f"{server.base_url}/link?ticket=old"})
        server.fail(
            "apps.connections.open",
            server_error(),
            rate_limited(0.01),
            html_page(),
            Fault(drop="before"),
            used_up,
        )
        await server.close_sockets()
        await server.wait_for(lambda: len(server.calls_of("apps.connections.open")) == 2)
        await server.wait_for(lambda: server.connections)
        server.mention("C0GENERAL", "U1", "hello?")
        await server.wait_for(lambda: reception.taken)
    assert "no connection to Slack" in caplog.text
    assert "ticket" not in caplog.text  # the address of a websocket is a secret


async def test_a_token_that_is_revoked_ends_the_run() -> None:
    async with SlackServer() as server:
        platform, stop, ready = (
            SlackPlatform(slack_settings(server)),
            asyncio.Event(),
            asyncio.Event(),
        )
        async with asyncio.TaskGroup() as tasks:

            async def revoke() -> None:
                await ready.wait()
                server.fail("apps.connections.open", api_error("token_revoked"))
                await server.close_sockets()

            tasks.create_task(revoke())
            async with asyncio.timeout(60):
                with pytest.raises(TokenRefused, match="SLACK_APP_TOKEN"):
                    await platform.run(FakeReception(), stop, ready)
        await platform.close()


async def test_a_connection_that_is_one_too_many_is_tried_again_after_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    pause = socket_mode._pause

    def noted(losses: int) -> float:
        pauses.append(pause(losses))
        return 0.0

    monkeypatch.setattr(socket_mode, "_pause", noted)
    async with SlackServer() as server, running(slack_settings(server), FakeReception()):
        for _ in range(5):
            await server.disconnect("too_many_websockets")
            await server.wait_for(lambda: server.connections == 2)
            await server.wait_for(lambda: server.connections == 1)
        assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0]


async def test_a_process_that_only_posts_knows_the_bot_and_hears_of_nothing() -> None:
    async with SlackServer() as server:
        platform = SlackPlatform(slack_settings(server))
        await platform.open()
        await platform.open()
        await platform.announce("C0GENERAL", "<!here> *Docent* & <@U1> cannot answer")
        await platform.close()

        assert len(server.calls_of("auth.test")) == 1
        assert server.calls_of("apps.connections.open") == []
        (message,) = server.workspace.channels["C0GENERAL"].messages
        assert message["text"] == "&lt;!here&gt; *Docent* &amp; &lt;@U1&gt; cannot answer"
        assert "thread_ts" not in message
        (call,) = server.calls_of("chat.postMessage")
        assert {call["unfurl_links"], call["unfurl_media"], call["unfurl_app_links"]} == {False}
        assert not {"link_names", "parse", "metadata"} & set(call)


async def test_an_announcement_is_never_so_long_that_slack_splits_it() -> None:
    async with SlackServer() as server:
        platform = SlackPlatform(slack_settings(server))
        await platform.announce("C0GENERAL", "x" * 10_000)
        with pytest.raises(ThreadGone):
            await platform.announce("C0NOWHERE", "x")
        await platform.close()
        (message,) = server.workspace.channels["C0GENERAL"].messages
        assert len(message["text"]) < 4_000
        assert message["text"].endswith("x…")


async def test_a_process_that_only_posts_starts_without_slack_but_not_with_a_bad_token() -> None:
    async with SlackServer() as server:
        platform = SlackPlatform(slack_settings(server))
        server.fail("auth.test", server_error(), rate_limited(5))
        await platform.open()
        await platform.open()
        await platform.announce("C0GENERAL", "here I am")
        await platform.close()
        assert len(server.workspace.channels["C0GENERAL"].messages) == 1

        wrong = SlackPlatform(slack_settings(server, bot_token="xoxb-of-yesterday"))
        with pytest.raises(TokenRefused, match="SLACK_BOT_TOKEN"):
            await wrong.open()
        await wrong.close()


async def test_stopping_acknowledges_what_is_at_work_and_takes_no_more() -> None:
    reception = FakeReception()
    reception.may_take.clear()
    stop = asyncio.Event()
    thread = ThreadRef(platform="slack", tenant="T0DOCS", key="C0GENERAL:1.000001")
    async with SlackServer() as server:
        async with running(slack_settings(server), reception, stop=stop) as platform:
            server.redeliver_after(None)
            server.dm("U1", "first")
            await reception.wait_until_offered()
            stop.set()
            server.dm("U1", "second")
            for _ in range(4):  # time for the adapter to notice
                await platform.clear_working(thread, MessageId("1.000001"))

            assert server.connections == 1
            reception.may_take.set()
            await server.wait_for(lambda: server.connections == 0)
        assert [d.acked_at is not None for d in server.deliveries] == [True, False]
        assert [mention.text for mention in reception.taken] == ["first"]


async def test_stopping_does_not_wait_for_a_network_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket_mode, "GOODBYE_SECONDS", 0.05)
    async with (
        asyncio.timeout(60),
        SlackServer() as server,
        running(slack_settings(server), FakeReception()),
    ):
        server.mute_sockets()


async def test_the_adapter_can_be_closed_twice_and_posts_nothing_after() -> None:
    async with SlackServer() as server:
        async with running(slack_settings(server), FakeReception()) as platform:
            pass
        await platform.close()
        with pytest.raises(PlatformUnreachable):
            await platform.run(FakeReception(), asyncio.Event(), asyncio.Event())


async def test_nothing_is_left_running_after_the_adapter() -> None:
    before = asyncio.all_tasks()
    async with SlackServer() as server, running(slack_settings(server), FakeReception()):
        pass
    assert asyncio.all_tasks() == before
