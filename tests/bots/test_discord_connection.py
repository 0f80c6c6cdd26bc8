"""Connecting to Discord: let in or told why not, never lost, never in a rush."""

import asyncio
import itertools
import logging

import pytest

from bots.discord_bot import checkup, connection, gateway
from core.errors import PlatformRefused, PlatformUnreachable, TokenRefused
from core.settings import DiscordSettings
from servers.discord_bench import Notebook, answer_to, connected, platform_for
from servers.discord_http import Fault
from servers.discord_server import DiscordServer

APPLICATION = "/oauth2/applications/@me"
WITHOUT_OWNER = Fault(body='{"id": "1"}', content_type="application/json")


@pytest.fixture
def hasty(monkeypatch):
    """Pauses that do not keep a test waiting."""
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(gateway, "IDENTIFY_SECONDS", 0.0)


async def refusal(platform) -> PlatformRefused:
    """Run a platform that will not be let in."""
    try:
        with pytest.raises(PlatformRefused) as caught:
            async with asyncio.timeout(60):
                await platform.run(Notebook(), asyncio.Event(), asyncio.Event())
    finally:
        await platform.close()
    return caught.value


# --- being let in ---------------------------------------------------------------------------------


async def test_only_the_intents_in_use_are_asked_for(discord):
    async with connected(discord):
        (identify,) = discord.gateway.identifies
    assert identify["intents"] == (1 << 0) | (1 << 9) | (1 << 12)


async def test_the_content_of_messages_is_asked_for_where_it_is_wanted():
    async with (
        DiscordServer(content_intent=True) as discord,
        connected(discord, message_content=True),
    ):
        assert discord.gateway.identifies[0]["intents"] & 1 << 15


async def test_a_bad_token_is_reported_by_the_name_of_its_setting(discord):
    error = await refusal(platform_for(discord, token="other-token"))
    assert isinstance(error, TokenRefused)
    assert "DISCORD_TOKEN" in error.hint
    assert "other-token" not in str(error)


async def test_a_token_that_only_the_gateway_refuses_is_reported_too(discord):
    discord.gateway.close_on_identify = 4004
    error = await refusal(platform_for(discord))
    assert isinstance(error, TokenRefused)
    assert "DISCORD_TOKEN" in error.hint


async def test_an_intent_that_is_not_switched_on_is_reported_with_its_mending(discord, caplog):
    error = await refusal(platform_for(discord, message_content=True))
    assert "Privileged Gateway Intents" in error.hint
    assert "DISCORD_MESSAGE_CONTENT=false" in error.hint
    assert "not switched on" in caplog.text  # said before the gateway closes


@pytest.mark.parametrize("code", [4010, 4011, 4012, 4013])
async def test_what_connecting_again_cannot_mend_ends_the_run(discord, code):
    discord.gateway.close_on_identify = code
    assert str(code) in str(await refusal(platform_for(discord)))
    assert discord.gateway.connections == 1


async def test_an_intent_that_is_switched_on_in_vain_is_mentioned(caplog):
    async with DiscordServer(content_intent=True) as discord, connected(discord):
        assert "DISCORD_MESSAGE_CONTENT=true" in caplog.text


async def test_without_the_intent_one_line_says_what_is_read(discord, caplog):
    caplog.set_level(logging.INFO, "bots")
    async with connected(discord):
        lines = [one for one in caplog.records if "Message Content Intent" in one.message]
        assert [one.levelname for one in lines] == ["INFO"]


async def test_a_discord_that_is_away_is_waited_for(discord, hasty, caplog):
    discord.fail("GET", "/users/@me", Fault(status=503), Fault(body="<html>"))
    async with connected(discord):
        assert len(discord.calls("GET", "/users/@me")) == 3
    failures = [one.message for one in caplog.records if "Logging in" in one.message]
    assert len(failures) == 2
    assert "HTTP 503" in failures[0]
    assert "TypeError" in failures[1]


async def test_a_login_that_cannot_be_read_says_what_is_wrong_with_it(discord, hasty, caplog):
    discord.fail("GET", APPLICATION, WITHOUT_OWNER)
    async with connected(discord):
        assert "KeyError in appinfo.py" in caplog.text


async def test_stopping_while_discord_is_away_takes_no_time(discord):
    asked = Fault(until=asyncio.Event())  # never answered
    discord.fail("GET", "/users/@me", asked)
    platform, stop = platform_for(discord), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(platform.run(Notebook(), stop, asyncio.Event()))
        await discord.wait_for(lambda: discord.calls("GET", "/users/@me"))
        stop.set()
    await platform.close()
    asked.until.set()


# --- what the doctor says -------------------------------------------------------------------------


def settings_for(discord: DiscordServer) -> DiscordSettings:
    return DiscordSettings(
        token=discord.token, api_url=discord.api_url, gateway_url=None, message_content=False
    )


async def test_the_doctor_names_the_bot(discord):
    assert "bot docent, message content is not read" in await checkup.check(settings_for(discord))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (WITHOUT_OWNER, "KeyError in appinfo.py"),
        (Fault(status=503), "GET /api/v10/oauth2/applications/@me: HTTP 503"),
        (Fault(drop="before"), "ServerDisconnectedError"),
    ],
    ids=repr,
)
async def test_the_doctor_says_why_logging_in_failed(discord, fault, said):
    discord.fail("GET", APPLICATION, fault, fault)  # aiohttp sends a GET that is cut off again
    with pytest.raises(PlatformUnreachable, match=said):
        await checkup.check(settings_for(discord))


async def test_the_doctor_does_not_wait_for_ever(discord, monkeypatch):
    monkeypatch.setattr(checkup, "PATIENCE", 0.05)
    asked = Fault(until=asyncio.Event())
    discord.fail("GET", APPLICATION, asked)
    with pytest.raises(PlatformUnreachable, match="within"):
        await checkup.check(settings_for(discord))
    asked.until.set()


# --- staying connected ----------------------------------------------------------------------------


async def test_what_was_written_while_the_socket_was_closed_is_taken(
    discord, hasty, help_channel, ann
):
    async with connected(discord) as bench:
        await discord.gateway.close_sockets(4000)
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"
    assert len(discord.gateway.identifies) == 1
    assert len(discord.gateway.resumes) == 1


async def test_discord_may_ask_for_a_new_socket(discord, hasty, help_channel, ann):
    async with connected(discord) as bench:
        await discord.gateway.ask_to_reconnect()
        await discord.wait_for(lambda: discord.gateway.resumes)
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"


async def test_replies_go_out_while_no_socket_is_open(discord, help_channel, ann, monkeypatch):
    monkeypatch.setattr(connection, "FIRST_PAUSE", 60.0)
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        await discord.gateway.close_sockets(4000)
        await bench.platform.post(answer_to(mention))
    assert discord.thread_under(question).texts() == ["By starting."]


async def test_a_lost_session_is_begun_anew(discord, hasty, help_channel, ann):
    async with connected(discord) as bench:
        await discord.gateway.close_sockets(1000, lose_sessions=True)
        await discord.wait_for(lambda: discord.gateway.sessions)
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"
    assert len(discord.gateway.identifies) == 2


async def test_a_session_that_timed_out_is_not_resumed(discord, hasty):
    async with connected(discord):
        await discord.gateway.close_sockets(4009, lose_sessions=True)
        await discord.wait_for(lambda: discord.gateway.sessions)
    assert discord.gateway.resumes == []


async def test_an_event_that_cannot_be_read_costs_no_other(
    discord, hasty, help_channel, ann, caplog
):
    async with connected(discord) as bench:
        await discord.gateway.dispatch("MESSAGE_CREATE", {"content": "half a message"}, 0)
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"
    assert len(discord.gateway.identifies) == 1
    assert "cannot be read" in caplog.text
    assert "half a message" not in caplog.text


async def test_a_first_socket_that_closes_before_it_says_hello_is_tried_again(discord, hasty):
    discord.gateway.close_at_once = [4000, 1011]
    async with connected(discord):
        assert discord.gateway.connections == 3


async def test_a_gateway_that_says_nothing_is_left(discord, hasty, monkeypatch):
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.1)
    discord.gateway.silent = True
    platform, stop, ready = platform_for(discord), asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(platform.run(Notebook(), stop, ready))
        await discord.wait_for(lambda: discord.gateway.connections == 2)
        stop.set()
    await platform.close()
    assert not ready.is_set()


async def test_a_chosen_gateway_is_kept_whatever_ready_says(discord, hasty, help_channel, ann):
    discord.gateway.resume_url = "ws://127.0.0.1:9/"
    async with connected(discord) as bench:
        await discord.gateway.close_sockets(4000)
        await discord.mention(help_channel, ann, "How do I start?")
        await bench.notebook.next()
    assert len(discord.gateway.resumes) == 1


async def test_sessions_that_do_not_last_are_begun_ever_more_slowly(discord, monkeypatch):
    failures: list[int] = []

    def pause(count: int) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr(gateway, "pause", pause)
    monkeypatch.setattr(gateway, "IDENTIFY_SECONDS", 0.0)
    monkeypatch.setattr(gateway, "BRIEF_SECONDS", 0.0)
    async with connected(discord):
        for number in range(1, 4):
            await discord.wait_for(lambda: discord.gateway.sessions)
            await discord.gateway.close_sockets(4000, lose_sessions=True)
            await discord.wait_for(lambda n=number: len(discord.gateway.identifies) > n)
    assert failures == [0, 1, 0, 2, 0, 3]  # to resume, which is refused, and to begin anew


async def test_sockets_that_do_not_last_are_followed_ever_more_slowly(discord, monkeypatch):
    failures: list[int] = []
    monkeypatch.setattr(gateway, "pause", lambda count: failures.append(count) or 0.0)
    async with connected(discord):
        for number in range(1, 5):
            await discord.gateway.close_sockets(4000)
            await discord.wait_for(lambda n=number: len(discord.gateway.resumes) == n)
            await discord.wait_for(lambda: any(s.socket for s in discord.gateway.sessions.values()))
    assert failures == [0, 1, 2, 3]  # although each of them resumed the session


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000, 4001, 4002, 4003, 4005, 4008])
async def test_after_these_codes_the_session_is_resumed(discord, hasty, help_channel, ann, code):
    async with connected(discord) as bench:
        await discord.gateway.close_sockets(code)
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"
    assert len(discord.gateway.identifies) == 1


@pytest.mark.parametrize("code", [4007, 4009])
async def test_after_these_codes_a_new_session_is_begun(discord, hasty, help_channel, ann, code):
    async with connected(discord) as bench:
        await discord.gateway.close_sockets(code)
        await discord.wait_for(lambda: len(discord.gateway.sessions) == 2)
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"
    assert discord.gateway.resumes == []


async def test_an_invalid_session_that_may_be_resumed_is_resumed(discord, hasty, help_channel, ann):
    async with connected(discord) as bench:
        (session,) = discord.gateway.sessions.values()
        await session.socket.send({"op": 9, "d": True})
        await discord.wait_for(lambda: discord.gateway.resumes)
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"
    assert len(discord.gateway.identifies) == 1


async def test_a_session_that_lasted_makes_the_next_one_wait_no_longer(discord, monkeypatch):
    failures: list[int] = []
    monkeypatch.setattr(gateway, "STABLE_SECONDS", 0.0)
    monkeypatch.setattr(gateway, "IDENTIFY_SECONDS", 0.0)
    monkeypatch.setattr(gateway, "pause", lambda count: failures.append(count) or 0.0)
    async with connected(discord):
        await discord.gateway.close_sockets(4009, lose_sessions=True)
        await discord.wait_for(lambda: len(discord.gateway.identifies) == 2)
    assert failures == [1]  # the session is lost; nothing is known of how well the gateway does


def test_pauses_grow_up_to_five_minutes():
    longest = [connection.pause(failures) for failures in range(2_000)]
    assert all(pause <= connection.LONGEST_PAUSE for pause in longest)
    assert longest[0] <= connection.FIRST_PAUSE
    assert longest[-1] >= connection.LONGEST_PAUSE / 2
    assert all(later > pause / 2 for pause, later in itertools.pairwise(longest))


async def test_stopping_closes_the_session(discord):
    async with connected(discord) as bench:
        bench.stop.set()
        await bench.running
        await discord.wait_for(lambda: discord.gateway.close_codes)
    assert discord.gateway.close_codes == [1000]
