import asyncio
from typing import Any

import pytest

from bots.slack_bot import commands
from core.domain import RefreshProgress, RefreshReport
from core.errors import NotAdmin, RefreshBusy, SourceUnreachable, StoreError
from core.ports import OnProgress
from servers.faults import Fault
from servers.slack_faults import api_error, rate_limited, server_error
from servers.slack_rig import NOTHING_DONE, FakeReception, running, slack_settings
from servers.slack_server import BOT_USER, SlackServer

REPORT = RefreshReport(
    added=["https://d.example/a"],
    changed=[],
    removed=["https://d.example/b"],
    unchanged=7,
    failed=[("https://d.example/c", "the page is <empty> & odd")],
    seconds=12.0,
)


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
        (rate_limited(30), commands.TRY_AGAIN),
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
        await asked.done.wait()

        assert asked.reply["text"] == told
        assert asked.latency < 3.0
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


# --- /refresh-docs --------------------------------------------------------------------------------


async def outcome(server: SlackServer, user: str = "U1") -> list[dict[str, Any]]:
    """Everything that the caller of a refresh is told, the acknowledgement first."""
    asked = server.slash("/refresh-docs", "", channel="C0GENERAL", user=user)
    await asked.done.wait()
    await server.wait_for(lambda: server.answers(asked))
    return [asked.reply, *server.answers(asked)]


async def test_a_refresh_is_acknowledged_at_once_and_reported_to_the_caller_alone() -> None:
    reception = FakeReception()
    may_end = asyncio.Event()

    async def refresh(_: OnProgress) -> RefreshReport:
        await may_end.wait()
        return REPORT

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
        await asked.done.wait()
        assert asked.reply == {"text": commands.STARTED, "response_type": "ephemeral"}
        may_end.set()
        (answer,) = await server.wait_for(lambda: server.answers(asked))

        assert reception.refreshes == [("slack", "U1")]
        assert answer["response_type"] == "ephemeral"
        assert answer["replace_original"] is True
        assert "1 added, 0 changed, 1 removed, 7 unchanged, 1 failed" in answer["text"]
        assert "https://d.example/c: the page is &lt;empty&gt; &amp; odd" in answer["text"]
        assert server.workspace.channels["C0GENERAL"].messages == []


async def test_progress_is_told_three_times_at_most_and_the_outcome_always(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "PROGRESS_AFTER", (0.0, 0.0, 0.0))
    reception = FakeReception()

    async def refresh(on_progress: OnProgress) -> RefreshReport:
        for done in range(50):
            await on_progress(RefreshProgress(phase="reading", done=done, total=50, what="docs"))
        return REPORT

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
        await server.wait_for(lambda: len(server.answers(asked)) == 4)

        *progress, end = [answer["text"] for answer in server.answers(asked)]
        assert ["Checking docs · 0 of 50" in line for line in progress] == [True, False, False]
        assert "1 added" in end


async def test_progress_is_not_told_before_it_is_due() -> None:
    reception = FakeReception()

    async def refresh(on_progress: OnProgress) -> RefreshReport:
        for done in range(50):
            await on_progress(RefreshProgress(phase="reading", done=done, total=50, what="docs"))
        return REPORT

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
        await server.wait_for(lambda: len(server.answers(asked)) == 2)
        assert "1 added" in server.answers(asked)[1]["text"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotAdmin(), ["U1", "`slack:U1`", "ADMINS"]),
        (RefreshBusy(), ["under way already"]),
        (SourceUnreachable("The source docs cannot be listed."), ["The source docs cannot"]),
        (RuntimeError("a secret detail"), [commands.BROKEN]),
    ],
)
async def test_a_refresh_that_does_not_happen_is_explained(
    error: Exception, words: list[str]
) -> None:
    reception = FakeReception()

    async def refresh(_: OnProgress) -> RefreshReport:
        raise error

    reception.refresh_as = refresh
    async with SlackServer() as server, running(slack_settings(server), reception):
        _, answer = await outcome(server)
        for word in words:
            assert word in answer["text"]
        assert "secret" not in answer["text"]


async def test_an_outcome_that_comes_too_late_for_an_answer_is_whispered_in_the_channel() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.fail("response_url", Fault(status=404, body="expired_url"))
        server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
        (whisper,) = await server.wait_for(lambda: server.whispers)
        assert (whisper["channel"], whisper["user"]) == ("C0GENERAL", "U1")
        assert "3 unchanged" in whisper["text"]


async def test_after_half_an_hour_no_answer_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "ANSWERS_END_SECONDS", -1.0)
    async with SlackServer() as server, running(slack_settings(server), FakeReception()):
        asked = server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
        await server.wait_for(lambda: server.whispers)
        assert server.answers(asked) == []


async def test_an_outcome_goes_to_the_caller_directly_where_the_bot_is_not_in_the_channel() -> None:
    async with SlackServer() as server, running(slack_settings(server), FakeReception()):
        server.workspace.add_channel("C0OUT", bot=False)
        server.fail("response_url", server_error())
        server.slash("/refresh-docs", "", channel="C0OUT", user="U1")
        direct = server.workspace.direct("U1")
        (message,) = await server.wait_for(lambda: direct.messages)
        assert "3 unchanged" in message["text"]


async def test_an_outcome_that_cannot_be_told_at_all_harms_nothing() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.fail("response_url", Fault(drop="before"))
        server.fail("chat.postEphemeral", server_error())
        server.fail("chat.postMessage", server_error())
        server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
        server.dm("U1", "still there?")
        await server.wait_for(lambda: reception.taken)


async def test_a_refresh_that_outlasts_the_bot_is_cancelled_and_its_caller_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "FINISH_SECONDS", 0.05)
    reception = FakeReception()
    cancelled = asyncio.Event()

    async def refresh(_: OnProgress) -> RefreshReport:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return NOTHING_DONE

    reception.refresh_as = refresh
    async with SlackServer() as server:
        async with running(slack_settings(server), reception):
            asked = server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
            await asked.done.wait()
        assert cancelled.is_set()
        assert [answer["text"] for answer in server.answers(asked)] == [commands.INTERRUPTED]


async def test_a_refresh_that_is_nearly_done_may_end_when_the_bot_stops() -> None:
    reception = FakeReception()
    stop, may_end = asyncio.Event(), asyncio.Event()

    async def refresh(_: OnProgress) -> RefreshReport:
        await may_end.wait()
        return REPORT

    reception.refresh_as = refresh
    async with (
        SlackServer() as server,
        running(slack_settings(server), reception, stop=stop),
    ):
        asked = server.slash("/refresh-docs", "", channel="C0GENERAL", user="U1")
        await asked.done.wait()
        stop.set()
        await server.wait_for(lambda: server.connections == 0)
        may_end.set()
        (answer,) = await server.wait_for(lambda: server.answers(asked))
        assert "1 added" in answer["text"]
