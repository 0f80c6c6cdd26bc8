"""/docs-gaps on Slack, and the digest, as people see them."""

import asyncio

import pytest

from bots.gaps_order import BROKEN, CUT, PARTS, UNREADABLE, read_period
from bots.slack_bot.adapter import SlackPlatform
from core.domain import Reply, ThreadRef
from core.errors import StoreError, ThreadGone
from servers.faults import Fault
from servers.slack_deliveries import Delivery
from servers.slack_faults import api_error
from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import SlackServer

WEEK = 7 * 86_400.0
CHANNEL = "C0GENERAL"
MARKER = "a" * 24
LINK = "https://docs.slack.example/archives/C0GENERAL/p1"


async def order(server: SlackServer, text: str = "", user: str = "U1") -> Delivery:
    asked = server.slash("/docs-gaps", text, channel=CHANNEL, user=user)
    async with asyncio.timeout(60):
        await asked.done.wait()
    return asked


async def told(server: SlackServer, asked: Delivery, count: int = 1) -> list[str]:
    """What the person who asked, and nobody else, is told."""
    answers = await server.wait_for(
        lambda: found if len(found := server.answers(asked)) == count else None, seconds=60
    )
    assert all(answer["response_type"] == "ephemeral" for answer in answers)
    assert not any(answer.get("replace_original") for answer in answers)
    return [answer["text"] for answer in answers]


async def test_an_admin_alone_sees_the_report_with_links_behind_their_labels() -> None:
    reception = FakeReception()

    async def report() -> Reply:
        return Reply(text=f"**Export** [1](<{LINK}>) [x](https://evil.example)", labelled=(LINK,))

    reception.report_gaps = report
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = await order(server)
        assert await told(server, asked) == [f"*Export* <{LINK}|1> x (<https://evil.example>)"]
        assert reception.asked_for_gaps == [WEEK]
        assert server.workspace.channels[CHANNEL].messages == []


async def test_who_is_no_admin_is_refused_and_told_what_to_do() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        (text,) = await told(server, await order(server, user="U2"))
        for word in ("Only admins", "slack:U2", "ADMINS"):
            assert word in text
        assert reception.asked_for_gaps == []


async def test_a_time_may_follow_the_command_and_one_that_cannot_be_read_is_told() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        await told(server, await order(server, " 24h "))
        assert reception.asked_for_gaps == [86_400.0]
        (text,) = await told(server, await order(server, "since <monday>"))
        assert text.replace("`", "") == UNREADABLE.replace("`", "")
        assert reception.asked_for_gaps == [86_400.0]


async def test_it_is_acknowledged_before_the_report_is_made() -> None:
    reception, may_report = FakeReception(), asyncio.Event()

    async def report() -> Reply:
        await may_report.wait()
        return Reply(text="At last.")

    reception.report_gaps = report
    async with SlackServer() as server, running(slack_settings(server), reception):
        asked = await order(server)  # done: nothing else is to be seen
        assert server.answers(asked) == []
        may_report.set()
        assert await told(server, asked) == ["At last."]


async def test_a_long_report_is_cut_to_the_answers_that_slack_takes() -> None:
    reception = FakeReception()

    async def report() -> Reply:
        return Reply(text="word " * 10_000)

    reception.report_gaps = report
    async with SlackServer() as server, running(slack_settings(server), reception):
        texts = await told(server, await order(server), PARTS + 1)
        assert texts[-1] == CUT
        assert all(len(text) <= 3_900 for text in texts)


async def test_where_the_answer_is_not_taken_it_is_whispered() -> None:
    async with SlackServer() as server, running(slack_settings(server), FakeReception()):
        server.fail("response_url", Fault(status=404, body="expired_url"))
        await order(server)
        await server.wait_for(lambda: server.calls_of("chat.postEphemeral"), seconds=60)
        (call,) = server.calls_of("chat.postEphemeral")
        assert (call["user"], call["text"]) == ("U1", "Nothing went unanswered.")


async def test_a_report_that_fails_is_told_without_its_reason() -> None:
    reception = FakeReception()

    async def report() -> Reply:
        raise StoreError("secret")

    reception.report_gaps = report
    async with SlackServer() as server, running(slack_settings(server), reception):
        assert await told(server, await order(server)) == [BROKEN]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", WEEK), ("30d", 30 * 86_400.0), ("99999d", 366 * 86_400.0), ("0d", None), ("7", None)],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float | None) -> None:
    assert read_period(text) == seconds


# --- the digest's channel, and links --------------------------------------------------------------


async def test_a_part_is_published_as_it_was_rendered_with_a_marker_to_find_it_by() -> None:
    async with SlackServer() as server:
        platform = SlackPlatform(slack_settings(server))
        await platform.publish(CHANNEL, f"*Export* <{LINK}|1>", marker=MARKER)
        await platform.publish(CHANNEL, f"*Export* <{LINK}|1>", marker=MARKER, doubtful=True)
        await platform.publish(CHANNEL, "Another", marker="b" * 24, doubtful=True)
        await platform.close()
        messages = server.workspace.channels[CHANNEL].messages
        assert [message["text"] for message in messages] == [f"*Export* <{LINK}|1>", "Another"]
        (first, _) = server.calls_of("chat.postMessage")
        assert str(first["unfurl_links"]).lower() in ("false", "0")


async def test_a_channel_that_the_bot_is_not_in_is_said_to_be_gone() -> None:
    async with SlackServer() as server:
        platform = SlackPlatform(slack_settings(server))
        server.fail("chat.postMessage", api_error("not_in_channel"))
        with pytest.raises(ThreadGone):
            await platform.publish(CHANNEL, "Export", marker=MARKER)
        await platform.close()


@pytest.mark.parametrize(("key", "direct"), [("D0ALICE:1.2", True), ("C0GENERAL:1.2", False)])
async def test_direct_messages_are_told_from_channels(key: str, direct: bool) -> None:
    async with SlackServer() as server:
        platform = SlackPlatform(slack_settings(server))
        assert platform.is_direct(ThreadRef(platform="slack", tenant="T", key=key)) is direct
        await platform.close()
