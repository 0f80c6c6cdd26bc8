"""Answers in Slack as they are written: streamed, or edited, or in one piece."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace

import pytest

from bots.slack_bot import drafts
from bots.slack_bot.adapter import SlackPlatform
from bots.slack_bot.drafts import Budget
from core.domain import Button, MessageId, Post, ThreadRef, TurnId
from core.errors import (
    DraftStopped,
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
)
from servers.faults import Fault
from servers.slack_faults import api_error, rate_limited
from servers.slack_rig import slack_settings, thread_on
from servers.slack_server import SlackServer
from servers.slack_workspace import TEAM

MARKER = "0123456789abcdef01234567"


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def platform(server: SlackServer) -> AsyncIterator[SlackPlatform]:
    platform = SlackPlatform(slack_settings(server))
    yield platform
    await platform.close()


@pytest.fixture
def post(server: SlackServer) -> Post:
    root = server.mention("C0GENERAL", "U1", "how do I start?")
    return Post(
        thread=ThreadRef(platform="slack", tenant=TEAM, key=f"C0GENERAL:{root}"),
        reply_to=MessageId(root),
        marker=MARKER,
        text="",
        asker="U1",
        turn=TurnId(7),
        buttons=(Button.STOP,),
    )


def shown(server: SlackServer, post: Post) -> list[str]:
    return [message["text"] for message in server.thread("C0GENERAL", post.reply_to)[1:]]


async def write(platform: SlackPlatform, post: Post, *states: str) -> MessageId:
    """Show the states of an answer one after the other."""
    message: MessageId | None = None
    for state in states:
        (text,) = platform.draft_renderer(thread_on("C0GENERAL", "1.0"))(state)
        message = await platform.draft(replace(post, text=text), message)
    assert message is not None
    return message


def methods(server: SlackServer) -> list[str]:
    return [call.method for call in server.calls if call.method.startswith("chat.")]


async def test_an_answer_is_streamed_to_the_asker_and_becomes_the_reply(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "Run it.\n\n", "Run it.\n\nThen **look**.\n\n")
    assert shown(server, post) == ["Run it.\n\nThen **look**."]
    (started,) = server.calls_of("chat.startStream")
    assert (started["recipient_user_id"], started["recipient_team_id"]) == ("U1", TEAM)

    final = replace(post, text="Run it.\n\nThen *look*.", buttons=(Button.HELPFUL,))
    await platform.edit(final, message)
    (reply,) = server.thread("C0GENERAL", post.reply_to)[1:]
    assert reply["text"] == "Run it.\n\nThen *look*."
    assert reply["metadata"]["event_payload"] == {"marker": MARKER}
    assert reply["blocks"][-1]["elements"][0]["value"] == "helpful:7"
    assert methods(server) == [
        "chat.startStream",
        "chat.appendStream",
        "chat.stopStream",
        "chat.update",
    ]
    assert server.unknown_args == []


async def test_only_what_is_new_is_sent(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    await write(platform, post, "One.\n\n", "One.\n\nTwo.\n\n", "One.\n\nTwo.\n\n")
    (sent,) = server.calls_of("chat.appendStream")
    (chunk,) = sent["chunks"]
    assert "Two." in chunk["text"]
    assert "One." not in chunk["text"]


async def test_a_stream_can_be_stopped_by_a_button_above_its_text(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n", "One.\n\nTwo.\n\n")
    (started,) = server.calls_of("chat.startStream")
    assert [chunk["type"] for chunk in started["chunks"]] == ["blocks", "markdown_text"]
    (draft,) = server.thread("C0GENERAL", post.reply_to)[1:]
    (row,) = draft["blocks"]
    assert [one["value"] for one in row["elements"]] == ["stop:7"]
    await platform.edit(replace(post, text="One. Two.", buttons=()), message)
    assert draft["blocks"] == []


@pytest.mark.parametrize("without", ["chunks", "actions"])
async def test_where_a_stream_takes_no_button_it_goes_on_without_and_that_is_remembered(
    server: SlackServer, platform: SlackPlatform, post: Post, without: str
) -> None:
    if without == "chunks":
        server.streams.takes_chunks = False
    else:
        server.refused_blocks.add(without)
    await write(platform, post, "One.\n\n", "One.\n\nTwo.\n\n")
    assert shown(server, post) == ["One.\n\nTwo."]
    await write(platform, post, "Three.\n\n")
    assert shown(server, post) == ["One.\n\nTwo.", "Three."]
    starts = server.calls_of("chat.startStream")
    assert ["chunks" in start for start in starts] == [True, False, False]
    assert len(server.calls_of("chat.appendStream")) == 1


async def test_words_that_were_refused_for_now_are_sent_with_the_next_ones(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    server.fail("chat.appendStream", rate_limited(1))
    with pytest.raises(PlatformBusy):
        await write_more(platform, post, message, "One.\n\nTwo.\n\n")
    await write_more(platform, post, message, "One.\n\nTwo.\n\nThree.\n\n")
    assert shown(server, post) == ["One.\n\nTwo.\n\nThree."]


async def test_words_whose_fate_is_unknown_are_not_sent_twice(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    server.fail("chat.appendStream", Fault(drop="after"))
    with pytest.raises(PlatformUnreachable):
        await write_more(platform, post, message, "One.\n\nTwo.\n\n")
    await write_more(platform, post, message, "One.\n\nTwo.\n\nThree.\n\n")
    assert shown(server, post) == ["One.\n\nTwo.\n\nThree."]


async def test_a_reply_may_overtake_words_that_hang(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    server.fail("chat.appendStream", Fault(hang=True))
    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(
            fate_of(write_more(platform, post, message, "One.\n\nTwo.\n\n"))
        )
        await server.wait_for(lambda: server.faults_left("chat.appendStream") == 0)
        await platform.edit(replace(post, text="One. Two."), message)
        assert shown(server, post) == ["One. Two."]
        await platform.close()
    assert isinstance(hanging.result(), PlatformUnreachable)


async def fate_of(call: Awaitable[None]) -> PlatformError | None:
    try:
        await call
    except PlatformError as error:
        return error
    return None


async def test_a_stream_that_ended_by_itself_is_rewritten_all_the_same(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    server.streams.seconds = 0.0
    with pytest.raises(PlatformRefused):
        await write_more(platform, post, message, "One.\n\nTwo.\n\n")
    await platform.edit(replace(post, text="One. Two."), message)
    assert shown(server, post) == ["One. Two."]


async def write_more(platform: SlackPlatform, post: Post, message: MessageId, state: str) -> None:
    (text,) = platform.draft_renderer(thread_on("C0GENERAL", "1.0"))(state)
    assert await platform.draft(replace(post, text=text), message) == message


async def test_another_process_ends_the_stream_and_goes_on_in_its_message(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    other = SlackPlatform(slack_settings(server))
    await write_more(other, post, message, "One.\n\nTwo.\n\n")
    assert shown(server, post) == ["One.\n\nTwo."]
    await other.edit(replace(post, text="One. Two."), message)
    assert shown(server, post) == ["One. Two."]
    await other.close()


async def test_another_process_makes_a_stream_the_reply_at_once(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    other = SlackPlatform(slack_settings(server))
    await other.edit(replace(post, text="One. Two."), message)
    assert shown(server, post) == ["One. Two."]
    await other.close()


async def test_a_stream_whose_process_died_before_it_wrote_its_id_down_is_found(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    other = SlackPlatform(slack_settings(server))
    assert await other.find(post) == message
    await other.close()


async def test_a_reply_to_an_earlier_question_is_not_taken_for_a_stream(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    earlier = await write(platform, post, "One.\n\n")
    await platform.edit(replace(post, text="One."), earlier)
    again = server.mention("C0GENERAL", "U1", "and then?", thread_ts=post.reply_to)
    later = replace(post, reply_to=MessageId(again), marker="f" * 24)
    assert await platform.find(later) is None


async def test_where_slack_does_not_stream_a_message_is_edited_that_can_be_stopped(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    server.streams.refusal = "not_allowed_for_team"
    (text,) = platform.draft_renderer(thread_on("C0GENERAL", "1.0"))("One.\n\n")
    with pytest.raises(PlatformBusy):
        await platform.draft(replace(post, text=text), None)
    assert platform.draft_seconds == drafts.EDIT_SECONDS
    message = await write(platform, post, "One more word", "One more *word* there")
    (reply,) = server.thread("C0GENERAL", post.reply_to)[1:]
    assert reply["text"] == "One more _word_"
    assert reply["metadata"]["event_payload"] == {"marker": MARKER}
    assert reply["blocks"][-1]["elements"][0]["value"] == "stop:7"
    await platform.edit(replace(post, text="One. Two.", buttons=()), message)
    assert shown(server, post) == ["One. Two."]
    assert not server.thread("C0GENERAL", post.reply_to)[1].get("blocks")
    assert "chat.stopStream" not in methods(server)


async def test_a_draft_is_deleted_while_it_is_streamed(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    await platform.delete(post.thread, message)
    assert shown(server, post) == []
    await platform.delete(post.thread, message)
    await platform.edit(replace(post, text="late"), message)
    assert shown(server, post) == []


async def test_beyond_slacks_limits_answers_come_in_one_piece(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    for _ in range(int(drafts.STARTS / 2)):
        await write(platform, post, "One.\n\n")
    with pytest.raises(PlatformBusy) as busy:
        await platform.draft(replace(post, text="One."), None)
    assert busy.value.retry_after is not None
    assert len(server.calls_of("chat.startStream")) == drafts.STARTS / 2


async def test_beyond_slacks_limits_no_answer_is_rendered_in_vain(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    waiting = platform.draft_renderer(thread_on("C0GENERAL", "1.0"))
    for _ in range(int(drafts.STARTS / 2)):
        assert waiting("One.\n\n") == ["One."]
        await write(platform, post, "One.\n\n")
    with pytest.raises(PlatformBusy) as busy:
        waiting("One.\n\n")
    assert busy.value.retry_after is not None
    assert platform.draft_renderer(post.thread)("One.\n\n") == ["One."]  # begun: it may go on


async def test_a_rate_limit_of_slack_is_no_end_of_streaming(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    server.fail("chat.startStream", rate_limited(3))
    (text,) = platform.draft_renderer(thread_on("C0GENERAL", "1.0"))("One.\n\n")
    with pytest.raises(PlatformBusy) as busy:
        await platform.draft(replace(post, text=text), None)
    assert busy.value.retry_after == 3
    assert platform.draft_seconds == drafts.STREAM_SECONDS
    await write(platform, post, "One.\n\n")
    assert shown(server, post) == ["One."]


def test_a_budget_fills_evenly_and_keeps_no_more_than_half_a_minute() -> None:
    now = [100.0]
    budget = Budget(20, clock=lambda: now[0])
    for _ in range(10):
        budget.take()
    with pytest.raises(PlatformBusy) as busy:
        budget.take()
    assert busy.value.retry_after == pytest.approx(3.0)
    now[0] += 3.0
    budget.take()
    now[0] += 3_600.0
    for _ in range(10):
        budget.take()
    with pytest.raises(PlatformBusy):
        budget.take()


async def test_who_stops_a_stream_in_slack_is_heard(
    server: SlackServer, platform: SlackPlatform, post: Post
) -> None:
    message = await write(platform, post, "One.\n\n")
    server.fail("chat.appendStream", api_error("stopped_by_user"))
    with pytest.raises(DraftStopped):
        await write_more(platform, post, message, "One.\n\nTwo.\n\n")
    server.fail("chat.stopStream", api_error("stopped_by_user"))
    server.streams.seconds = 0.0
    await platform.edit(replace(post, text="One. Stopped."), message)
    assert shown(server, post) == ["One. Stopped."]


async def test_streams_are_tried_again_some_time_after_one_was_refused(
    server: SlackServer, platform: SlackPlatform, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "REFUSED_SECONDS", 0.0)
    server.streams.refusal = "channel_type_not_supported"
    with pytest.raises(PlatformBusy):
        await write(platform, post, "One.\n\n")
    server.streams.refusal = None
    await write(platform, post, "One.\n\n")
    assert shown(server, post) == ["One."]
    assert "chat.postMessage" not in methods(server)
