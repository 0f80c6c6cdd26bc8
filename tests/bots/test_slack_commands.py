import asyncio

import pytest

from bots.slack_bot import commands
from core.errors import StoreError
from servers.faults import Fault
from servers.slack_faults import api_error, rate_limited, server_error
from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import BOT_USER, SlackServer


async def test_a_question_is_repeated_in_the_channel_and_answered_in_its_thread() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = server.slash("/ask", "how do I start?", channel="C0GENERAL", user="U1")
        await asked.done.wait()

        (root,) = server.workspace.channels["C0GENERAL"].messages
        (mention,) = reception.taken
        assert root["text"] == "<@U1> asks: how do I start?"
        assert asked.reply is None
        assert mention.message == root["ts"]
        assert mention.thread.key == f"C0GENERAL:{root['ts']}"
        assert mention.thread.tenant == "T0DOCS"
        assert (mention.author, mention.text) == ("U1", "how do I start?")
        assert server.violations == []


async def test_a_question_pings_nobody_when_it_is_repeated() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        text = f"who is <@{BOT_USER}>? <!channel> &lt;!here&gt; <https://evil.example|our docs>"
        asked = server.slash("/ask", text, channel="C0GENERAL", user="U1")
        await asked.done.wait()

        (root,) = server.workspace.channels["C0GENERAL"].messages
        assert root["text"].removeprefix("<@U1> asks: ") == (
            f"who is @{BOT_USER}? @channel &lt;!here&gt; our docs (https://evil.example)"
        )
        await server.wait_for(lambda: all(d.acked_at for d in server.deliveries))
        assert reception.offered == 1  # our own message is not taken for a question


async def test_a_very_long_question_is_cut_where_it_is_repeated_only() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = server.slash("/ask", "x" * 5_000, channel="C0GENERAL", user="U1")
        await asked.done.wait()

        (root,) = server.workspace.channels["C0GENERAL"].messages
        assert len(root["text"]) < 3_100
        assert reception.taken[0].text == "x" * 5_000


@pytest.mark.parametrize("text", ["", "  \n"])
async def test_an_empty_question_brings_a_hint_that_only_the_asker_sees(text: str) -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = server.slash("/ask", text, channel="C0GENERAL", user="U1")
        await asked.done.wait()

        assert asked.reply["response_type"] == "ephemeral"
        assert "/ask" in asked.reply["text"]
        assert server.workspace.channels["C0GENERAL"].messages == []
        assert reception.offered == 0


@pytest.mark.parametrize("channel", ["C0OUT", "G0SECRET"])
async def test_in_a_channel_without_the_bot_the_asker_is_told_to_invite_it(channel: str) -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.workspace.add_channel("C0OUT", bot=False)
        asked = server.slash("/ask", "hello?", channel=channel, user="U1")
        await asked.done.wait()

        assert f"/invite` <@{BOT_USER}>" in asked.reply["text"]
        assert reception.offered == 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (rate_limited(3_600), commands.TRY_AGAIN),
        (server_error(), commands.TRY_AGAIN),
        (Fault(hang=True), commands.TRY_AGAIN),
        (api_error("token_revoked"), commands.REFUSED),
    ],
)
async def test_a_question_that_cannot_be_posted_is_reported_to_the_asker_in_time(
    fault: Fault, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "ROOT_SECONDS", 0.2)
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.fail("chat.postMessage", fault)
        asked = server.slash("/ask", "hello?", channel="C0GENERAL", user="U1")
        async with asyncio.timeout(60):
            await asked.done.wait()

        assert asked.reply["text"] == told
        assert reception.offered == 0


async def test_a_question_that_cannot_be_written_down_is_taken_back() -> None:
    reception = FakeReception()
    reception.failures = [StoreError()]
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = server.slash("/ask", "hello?", channel="C0GENERAL", user="U1")
        await asked.done.wait()

        assert asked.reply["text"] == commands.TRY_AGAIN
        await server.wait_for(lambda: server.workspace.channels["C0GENERAL"].messages == [])


async def test_a_command_that_we_do_not_have_is_answered() -> None:
    async with SlackServer() as server, running(slack_settings(server), FakeReception()):
        asked = server.slash("/deploy", "", channel="C0GENERAL", user="U1")
        await asked.done.wait()
        assert asked.reply["response_type"] == "ephemeral"
