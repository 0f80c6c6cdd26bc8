import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bots.slack_bot import adapter, api
from bots.slack_bot.adapter import SlackPlatform
from core.domain import MessageId, Post, Reply, ThreadRef
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)
from servers.faults import Fault
from servers.slack_faults import (
    api_error,
    broken_json,
    html_page,
    rate_limited,
    server_error,
)
from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import SlackServer

MARKER = "0123456789abcdef01234567"


@asynccontextmanager
async def question() -> AsyncIterator[tuple[SlackServer, SlackPlatform, Post]]:
    """A question in a channel, and the reply that is to be posted to it; nothing runs yet."""
    async with SlackServer() as server:
        root = server.mention("C0GENERAL", "U1", "how do I start?")
        post = Post(
            thread=ThreadRef(platform="slack", tenant="T0DOCS", key=f"C0GENERAL:{root}"),
            reply_to=MessageId(root),
            marker=MARKER,
            text="Run `docent run`.",
        )
        platform = SlackPlatform(slack_settings(server))
        try:
            yield server, platform, post
        finally:
            await platform.close()


def replies(server: SlackServer, post: Post) -> list[dict[str, Any]]:
    return server.thread("C0GENERAL", post.reply_to)[1:]


async def test_a_reply_is_posted_in_the_thread_with_its_marker_and_without_previews() -> None:
    async with question() as (server, platform, post):
        ts = await platform.post(post)

        (reply,) = replies(server, post)
        assert (reply["ts"], reply["text"]) == (ts, "Run `docent run`.")
        assert reply["metadata"]["event_payload"] == {"marker": MARKER}
        (call,) = server.calls_of("chat.postMessage")
        assert {call["unfurl_links"], call["unfurl_media"], call["unfurl_app_links"]} == {False}
        assert not {"link_names", "parse", "markdown_text", "blocks"} & set(call)
        assert server.unknown_args == []


async def test_a_reply_to_a_question_in_a_thread_goes_to_its_root() -> None:
    async with question() as (server, platform, post):
        again = server.mention("C0GENERAL", "U1", "and then?", thread_ts=post.reply_to)
        await platform.post(
            Post(thread=post.thread, reply_to=MessageId(again), marker=MARKER, text="Then this.")
        )
        assert [m["text"] for m in replies(server, post)][-1] == "Then this."


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_broken_connection_is_reported_and_never_posts_twice(drop: Any) -> None:
    async with question() as (server, platform, post):
        server.fail("chat.postMessage", Fault(drop=drop))
        with pytest.raises(PlatformUnreachable):
            await platform.post(post)

        posted = replies(server, post)
        assert len(posted) == (1 if drop == "after" else 0)
        assert await platform.find(post) == (posted[0]["ts"] if posted else None)


async def test_a_rate_limit_is_handed_on_and_not_slept_through() -> None:
    async with question() as (server, platform, post):
        server.fail("chat.postMessage", rate_limited(30))
        with pytest.raises(PlatformBusy) as raised:
            async with asyncio.timeout(60):
                await platform.post(post)
        assert raised.value.retry_after == 30
        assert len(server.calls_of("chat.postMessage")) == 0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (server_error(500), PlatformUnreachable),
        (server_error(503), PlatformUnreachable),
        (html_page(), PlatformUnreachable),
        (broken_json(), PlatformUnreachable),
        (Fault(status=200, body="ok"), PlatformUnreachable),
        (Fault(status=200, body=["ok"]), PlatformUnreachable),
        (Fault(status=200, body={"ok": True}), PlatformUnreachable),
        (api_error("internal_error"), PlatformUnreachable),
        (api_error("restricted_action_thread_locked"), ThreadGone),
        (api_error("token_revoked"), TokenRefused),
        (api_error("msg_too_long"), PlatformRefused),
        (api_error("rate_limited"), PlatformBusy),
        (api_error("no_permission"), ThreadGone),
    ],
)
async def test_what_goes_wrong_with_a_post_is_told_apart(
    fault: Fault, kind: type[PlatformError]
) -> None:
    async with question() as (server, platform, post):
        server.fail("chat.postMessage", fault)
        with pytest.raises(PlatformError) as raised:
            await platform.post(post)
        assert type(raised.value) is kind


async def test_a_place_that_is_closed_to_the_bot_is_gone() -> None:
    async with question() as (server, platform, post):
        space = server.workspace
        space.add_channel("C0OLD", archived=True)
        space.add_channel("C0OUT", bot=False)
        space.add_channel("G0SECRET", "group", bot=False)
        for key in (
            "C0OLD:1.000001",
            "C0OUT:1.000001",
            "G0SECRET:1.000001",
            "C0NOWHERE:1.000001",
            "C0GENERAL:1.000001",
        ):
            thread = ThreadRef(platform="slack", tenant="T0DOCS", key=key)
            gone = Post(thread=thread, reply_to=post.reply_to, marker=MARKER, text="x")
            with pytest.raises(ThreadGone):
                await platform.post(gone)
            if key != "C0OLD:1.000001":  # it can still be read
                with pytest.raises(ThreadGone):
                    await platform.find(gone)


async def test_a_missing_scope_is_named() -> None:
    async with question() as (server, platform, post):
        server.fail("chat.postMessage", api_error("missing_scope", needed="chat:write"))
        with pytest.raises(PlatformRefused, match="chat:write"):
            await platform.post(post)


async def test_a_part_is_found_by_its_marker_through_many_pages() -> None:
    async with question() as (server, platform, post):
        channel = server.workspace.channels["C0GENERAL"]
        for number in range(450):
            server.workspace.write(channel, "U1", f"chat {number}", thread_ts=post.reply_to)
        ts = await platform.post(post)

        assert await platform.find(post) == ts
        assert len(server.calls_of("conversations.replies")) == 3


async def test_a_part_is_looked_for_from_its_question_on() -> None:
    async with question() as (server, platform, post):
        channel = server.workspace.channels["C0GENERAL"]
        for number in range(450):
            server.workspace.write(channel, "U1", f"chat {number}", thread_ts=post.reply_to)
        again = server.mention("C0GENERAL", "U1", "and then?", thread_ts=post.reply_to)
        late = Post(thread=post.thread, reply_to=MessageId(again), marker=MARKER, text="x")
        ts = await platform.post(late)

        assert await platform.find(late) == ts
        assert len(server.calls_of("conversations.replies")) == 1


async def test_a_part_of_another_marker_or_of_somebody_else_is_not_found() -> None:
    async with question() as (server, platform, post):
        await platform.post(
            Post(thread=post.thread, reply_to=post.reply_to, marker="f" * 24, text="x")
        )
        channel = server.workspace.channels["C0GENERAL"]
        stolen = {"event_type": "docent_reply", "event_payload": {"marker": MARKER}}
        server.workspace.write(channel, "U1", "x", thread_ts=post.reply_to, metadata=stolen)

        assert await platform.find(post) is None


async def test_a_part_in_a_thread_of_direct_messages_is_found_with_many_replies_after_it() -> None:
    async with SlackServer() as server:
        root = server.dm("U1", "how do I start?")
        direct = server.workspace.direct("U1")
        post = Post(
            thread=ThreadRef(platform="slack", tenant="T0DOCS", key=f"{direct.id}:{root}"),
            reply_to=MessageId(root),
            marker=MARKER,
            text="Run `docent run`.",
        )
        platform = SlackPlatform(slack_settings(server))
        for number in range(250):
            server.workspace.write(direct, "U1", f"chat {number}", thread_ts=root)
        ts = await platform.post(post)
        for number in range(250):
            server.workspace.write(direct, "U1", f"more {number}", thread_ts=root)

        assert await platform.find(post) == ts
        assert await platform.find(replace(post, marker="f" * 24)) is None
        await platform.close()


async def test_a_part_is_not_looked_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "FIND_PAGES", 3)
    monkeypatch.setattr(api, "LARGEST_PAGE", 10)
    async with question() as (server, platform, post):
        channel = server.workspace.channels["C0GENERAL"]
        for number in range(50):
            server.workspace.write(channel, "U1", f"chat {number}", thread_ts=post.reply_to)
        assert await platform.find(post) is None
        assert len(server.calls_of("conversations.replies")) == 3


async def test_a_part_is_found_under_a_question_that_was_deleted_meanwhile() -> None:
    async with question() as (server, platform, post):
        ts = await platform.post(post)
        server.delete("C0GENERAL", post.reply_to)
        assert await platform.find(post) == ts


async def test_a_part_that_slack_finds_too_long_is_refused_for_good() -> None:
    async with question() as (server, platform, post):
        with pytest.raises(PlatformRefused, match="msg_too_long"):
            await platform.post(replace(post, text="x" * 40_001))
        assert len(server.calls_of("chat.postMessage")) == 1


async def test_a_long_pause_that_slack_asks_for_is_handed_on_in_full() -> None:
    async with question() as (server, platform, post):
        server.fail("chat.postMessage", rate_limited(3_600))
        with pytest.raises(PlatformBusy) as raised:
            await platform.post(post)
        assert raised.value.retry_after == 3_600


async def test_looking_for_a_part_fails_as_posting_does() -> None:
    async with question() as (server, platform, post):
        for fault, kind in (
            (rate_limited(1), PlatformBusy),
            (server_error(), PlatformUnreachable),
            (Fault(status=200, body={"ok": True}), PlatformUnreachable),
            (api_error("invalid_auth"), PlatformRefused),
        ):
            server.fail("conversations.replies", fault)
            with pytest.raises(kind):
                await platform.find(post)


async def test_the_working_sign_is_shown_and_cleared() -> None:
    async with question() as (server, platform, post):
        await platform.show_working(post.thread, post.reply_to)
        assert server.status("C0GENERAL", post.reply_to) == "is reading the documentation…"
        await platform.clear_working(post.thread, post.reply_to)
        assert server.status("C0GENERAL", post.reply_to) == ""
        await platform.clear_working(post.thread, post.reply_to)
        assert platform.working_seconds < 120


@pytest.mark.parametrize(
    ("fault", "goes_on"),
    [
        (api_error("unknown_method"), False),
        (api_error("missing_scope", needed="chat:write"), False),
        (Fault(status=404, body="not found"), False),
        (server_error(), True),
        (rate_limited(60), True),
        (Fault(drop="before"), True),
        (api_error("thread_not_found"), True),
        (api_error("account_inactive"), True),
    ],
)
async def test_a_sign_that_cannot_be_shown_harms_nothing_and_is_mentioned_once(
    fault: Fault, goes_on: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with question() as (server, platform, post):
        server.fail("assistant.threads.setStatus", fault, fault)
        for _ in range(3):
            await platform.show_working(post.thread, post.reply_to)

        assert (server.status("C0GENERAL", post.reply_to) != "") is goes_on
    assert len([record for record in caplog.records if "status" in record.message]) == 1


@pytest.mark.parametrize("fault", [server_error(), rate_limited(1), Fault(drop="before")])
async def test_a_sign_that_cannot_be_taken_away_at_once_is_taken_away_then(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "CLEAR_PAUSES", (0.0, 0.0, 0.0))
    async with question() as (server, platform, post):
        await platform.show_working(post.thread, post.reply_to)
        server.fail("assistant.threads.setStatus", fault, fault)
        await platform.clear_working(post.thread, post.reply_to)
        assert server.hanging == {}

        await platform.show_working(post.thread, post.reply_to)
        server.fail("assistant.threads.setStatus", *[fault] * 9)
        await platform.clear_working(post.thread, post.reply_to)
        assert server.faults_left("assistant.threads.setStatus") == 6


async def test_a_sign_that_a_reply_has_taken_away_needs_no_call() -> None:
    async with question() as (server, platform, post):
        await platform.show_working(post.thread, post.reply_to)
        await platform.post(post)
        await platform.clear_working(post.thread, post.reply_to)
        assert server.hanging == {}
        assert len(server.statuses) == 1


async def test_a_sign_that_comes_after_a_reply_is_taken_away() -> None:
    async with question() as (server, platform, post):
        await platform.show_working(post.thread, post.reply_to)
        await platform.post(post)
        await platform.show_working(post.thread, post.reply_to)
        await platform.clear_working(post.thread, post.reply_to)
        assert server.hanging == {}
        assert len(server.statuses) == 3


async def test_a_sign_of_another_process_is_taken_away_though_a_reply_was_posted() -> None:
    async with question() as (server, platform, post):
        await platform.post(post)
        await platform.clear_working(post.thread, post.reply_to)
        assert len(server.statuses) == 1


async def test_no_sign_is_shown_after_closing_and_that_is_no_error() -> None:
    async with question() as (server, platform, post):
        await platform.close()
        await platform.show_working(post.thread, post.reply_to)
        assert server.statuses == []


async def test_a_reply_can_be_posted_after_the_run_has_stopped() -> None:
    async with SlackServer() as server:
        root = server.mention("C0GENERAL", "U1", "how do I start?")
        thread = ThreadRef(platform="slack", tenant="T0DOCS", key=f"C0GENERAL:{root}")
        post = Post(thread=thread, reply_to=MessageId(root), marker=MARKER, text="x")
        stop = asyncio.Event()
        async with running(slack_settings(server), FakeReception(), stop=stop) as platform:
            stop.set()
            await server.wait_for(lambda: server.connections == 0)
            await platform.post(post)
        assert len(replies(server, post)) == 1


async def test_a_reply_is_rendered_in_parts_that_slack_takes() -> None:
    async with question() as (_, platform, post):
        parts = platform.render(Reply(text="word " * 2_000))
        assert len(parts) > 1
        for part in parts:
            assert len(part) <= 3_900
            await platform.post(
                Post(thread=post.thread, reply_to=post.reply_to, marker=MARKER, text=part)
            )
