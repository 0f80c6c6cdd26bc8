import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bots.slack_bot.events import Asked, Deleted, Edited, read_event, read_found
from core.domain import MessageId, MessageRef
from core.errors import StoreError
from servers.slack_rig import FakeReception, http_settings, running, slack_settings
from servers.slack_server import BOT_USER, SlackServer

PAYLOADS = Path(__file__).parent.parent / "payloads" / "slack"
BOT = "U0LAN0Z89"
ASK = f"<@{BOT_USER}> "


def payload(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return body


def ref(channel: str, ts: str, tenant: str = "T0DOCS") -> MessageRef:
    return MessageRef(platform="slack", tenant=tenant, channel=channel, message=MessageId(ts))


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[SlackServer, FakeReception]]:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        yield server, reception
        assert server.violations == []


async def all_acknowledged(server: SlackServer) -> None:
    await server.wait_for(lambda: all(delivery.acked_at for delivery in server.deliveries))


def test_an_edit_is_read_as_the_message_reads_now_and_dated_by_the_edit() -> None:
    heard = read_event(payload("message_changed"), BOT)
    assert isinstance(heard, Edited)
    assert heard.mention.text == "edited"
    assert heard.mention.at == 1763800190.0
    assert heard.mention.ref == ref("C0LAN2Q65", "1763800000.000100", "T061EG9R6")
    assert heard.mention.thread.key == "C0LAN2Q65:1763800000.000100"


def test_a_mention_that_an_edit_added_is_an_edit() -> None:
    heard = read_event(payload("app_mention_edited_in"), BOT)
    assert isinstance(heard, Edited)
    assert (heard.mention.text, heard.mention.at) == ("never mind", 1763800075.0)


@pytest.mark.parametrize("edited", [True, {"ts": 7}, {"ts": "soon"}])
def test_an_edit_without_a_time_is_dated_by_its_message(edited: object) -> None:
    body = payload("app_mention_edited_in")
    body["event"]["edited"] = edited
    heard = read_event(body, BOT)
    assert isinstance(heard, Edited)
    assert heard.mention.at == 1763800070.0001


def test_a_deletion_names_the_message_as_its_mention_does() -> None:
    asked = read_event(payload("app_mention"), BOT)
    gone = read_event(payload("message_deleted"), BOT)
    assert isinstance(asked, Asked)
    assert isinstance(gone, Deleted)
    assert gone.message == asked.mention.ref


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ({}, True),
        ({"text": "no mention"}, False),
        ({"text": "no mention any more", "edited": {"ts": "1763800190.000000"}}, None),
        ({"user": BOT, "bot_id": "B9"}, None),  # as `/ask` posts what it was asked
        ({"bot_id": "B9"}, True),  # core decides which bots may ask
    ],
)
def test_a_deletion_says_whether_the_message_asked_the_bot(
    before: dict[str, Any], asked: bool | None
) -> None:
    body = payload("message_deleted")
    body["event"]["previous_message"] |= before
    gone = read_event(body, BOT)
    assert isinstance(gone, Deleted)
    assert gone.asked is asked


@pytest.mark.parametrize("before", [None, 7, []])
def test_a_deletion_that_does_not_show_the_message_leaves_open_what_it_asked(
    before: object,
) -> None:
    body = payload("message_deleted")
    body["event"]["previous_message"] = before
    gone = read_event(body, BOT)
    assert isinstance(gone, Deleted)
    assert gone.asked is None


@pytest.mark.parametrize(
    "change",
    [
        {"message": None},
        {"message": 7},
        {"message.edited": None},
        {"message.bot_id": "B9"},
        {"message.user": BOT},
        {"message.user": None},
        {"message.text": "no mention any more"},
        {"message.subtype": "bot_message"},
        {"message.ts": None},
        {"channel": None},
        {"previous_message.text": f"<@{BOT}> edited"},
    ],
)
def test_a_change_that_asks_the_bot_nothing_is_ignored(change: dict[str, Any]) -> None:
    body = payload("message_changed")
    for path, value in change.items():
        *parents, name = path.split(".")
        (body["event"][parents[0]] if parents else body["event"])[name] = value
    assert read_event(body, BOT) is None


@pytest.mark.parametrize(
    "change", [{"deleted_ts": None}, {"deleted_ts": 7}, {"channel": None}, {"channel": []}]
)
def test_an_odd_deletion_is_ignored(change: dict[str, Any]) -> None:
    body = payload("message_deleted")
    body["event"] |= change
    assert read_event(body, BOT) is None


def test_a_message_of_the_history_reads_as_its_event() -> None:
    for name in (
        "app_mention_as_message",
        "message_im",
        "message_im_in_thread",
        "message_mpim_with_mention",
        "message_private_channel_with_mention",
        "message_file_share_with_mention",
        "message_thread_broadcast_with_mention",
    ):
        body = payload(name)
        event = body["event"]
        message = {
            key: value
            for key, value in event.items()
            if key not in {"channel", "channel_type", "event_ts"}
        }
        found = read_found(message, "T061EG9R6", event["channel"], event["channel_type"], BOT)
        assert found == read_event(body, BOT), name
        assert isinstance(found, Asked)


def test_a_found_message_asks_without_a_mention_only_where_all_do() -> None:
    message = {"type": "message", "user": "U1", "text": "how?", "ts": "1763800000.000100"}
    assert isinstance(read_found(message, "T1", "X1", "im", BOT), Asked)
    assert isinstance(read_found(message, "T1", "D1", None, BOT), Asked)
    assert read_found(message, "T1", "C1", "mpim", BOT) is None
    assert read_found(message, "T1", "C1", None, BOT) is None


async def test_an_edited_question_is_handed_over_as_it_reads_now() -> None:
    async with connected() as (server, reception):
        ts = server.mention("C0GENERAL", "U1", "how do I start?")
        await server.wait_for(lambda: reception.taken)
        server.edit("C0GENERAL", ts, f"{ASK}how do I stop?")
        await server.wait_for(lambda: reception.edited)
        await all_acknowledged(server)

        (edit,) = reception.edited
        (mention,) = reception.taken
        assert (edit.text, edit.ref, edit.thread) == (
            "how do I stop?",
            mention.ref,
            mention.thread,
        )
        assert edit.at == float(server.thread("C0GENERAL", ts)[0]["edited"]["ts"])


async def test_a_mention_added_by_an_edit_reads_the_same_in_both_its_events() -> None:
    async with connected() as (server, reception):
        root = server.say("C0GENERAL", "U1", "who knows?")
        ts = server.say("C0GENERAL", "U2", "how do I start?", thread_ts=root)
        server.edit("C0GENERAL", ts, f"{ASK}how do I start?")
        await server.wait_for(lambda: len(server.deliveries) == 4)
        await all_acknowledged(server)

        assert reception.offered == 3  # as a remark first, and two edits
        (edit,) = reception.edited
        assert edit.thread.key == f"C0GENERAL:{root}"
        assert reception.taken == []


async def test_an_edit_of_a_direct_message_needs_no_mention() -> None:
    async with connected() as (server, reception):
        ts = server.dm("U1", "how do I start?")
        server.edit("D1", ts, "how do I stop?")
        await server.wait_for(lambda: reception.edited)
        assert reception.edited[0].text == "how do I stop?"


async def test_a_preview_a_reply_and_the_bots_own_edits_are_no_edits() -> None:
    async with connected() as (server, reception):
        ts = server.mention("C0GENERAL", "U1", "see https://example.com")
        server.preview("C0GENERAL", ts)
        channel = server.workspace.channels["C0GENERAL"]
        before = channel.shown(channel.get(ts))
        server.say("C0GENERAL", "U2", "me too", thread_ts=ts)
        server.changed("C0GENERAL", channel.shown(channel.get(ts)), before)
        own = server.workspace.write(channel, BOT_USER, "an answer", bot_id="B0DOCENT")
        server.edit("C0GENERAL", own["ts"], f"{ASK}a better answer")
        other = server.workspace.write(channel, "U9", "built", bot_id="B9")
        server.edit("C0GENERAL", other["ts"], f"{ASK}built again")
        await server.wait_for(lambda: len(server.deliveries) == 9)
        await all_acknowledged(server)

        assert [mention.message for mention in reception.taken] == [ts]
        assert reception.offered == 3  # the two deliveries of the mention, and the remark
        assert [remark.edited for remark in reception.overheard] == [False]
        assert reception.edited == []


async def test_a_preview_after_an_edit_is_no_second_edit() -> None:
    async with connected() as (server, reception):
        ts = server.mention("C0GENERAL", "U1", "how do I start?")
        server.edit("C0GENERAL", ts, f"{ASK}how do I stop?")
        server.preview("C0GENERAL", ts)
        await server.wait_for(lambda: len(server.deliveries) == 4)
        await all_acknowledged(server)
        assert reception.offered == 3


async def test_a_deleted_question_is_withdrawn_by_the_name_that_it_was_taken_by() -> None:
    async with connected() as (server, reception):
        channel_ts = server.mention("C0GENERAL", "U1", "how do I start?")
        direct_ts = server.dm("U1", "how do I start?")
        await server.wait_for(lambda: len(reception.taken) == 2)
        server.delete("C0GENERAL", channel_ts)
        server.delete("D1", direct_ts)
        await server.wait_for(lambda: len(reception.withdrawn) == 2)
        await all_acknowledged(server)

        assert set(reception.withdrawn) == {mention.ref for mention in reception.taken}
        assert reception.withdrawn_asked == [True, True]


async def test_a_deleted_question_with_replies_is_withdrawn_when_its_tombstone_appears() -> None:
    async with connected() as (server, reception):
        ts = server.mention("C0GENERAL", "U1", "how do I start?")
        reply = server.say("C0GENERAL", "U2", "no idea", thread_ts=ts)
        server.delete("C0GENERAL", ts)
        await server.wait_for(lambda: reception.withdrawn)
        assert reception.withdrawn == [ref("C0GENERAL", ts)]
        assert server.thread("C0GENERAL", ts)[0]["subtype"] == "tombstone"

        server.delete("C0GENERAL", reply)
        await server.wait_for(lambda: len(reception.withdrawn) == 3)
        assert reception.withdrawn[1:] == [ref("C0GENERAL", reply), ref("C0GENERAL", ts)]
        assert reception.withdrawn_asked == [True, False, False]
        assert server.thread("C0GENERAL", ts) == []


async def test_a_question_that_ask_posted_is_withdrawn_although_the_message_is_ours() -> None:
    async with connected() as (server, reception):
        command = server.slash("/ask", "how do I start?", channel="C0GENERAL", user="U1")
        await command.done.wait()
        (mention,) = reception.taken
        server.delete("C0GENERAL", mention.message)
        await server.wait_for(lambda: reception.withdrawn)
        assert reception.withdrawn == [mention.ref]


@pytest.mark.parametrize("how", ["edit", "delete"])
async def test_what_could_not_be_written_down_is_not_acknowledged_and_comes_again(
    how: str,
) -> None:
    async with connected() as (server, reception):
        ts = server.mention("C0GENERAL", "U1", "how do I start?")
        await server.wait_for(lambda: sum(d.acked_at is not None for d in server.deliveries) == 2)
        server.redeliver_after(0.05)
        reception.failures = [StoreError("The database cannot be used.")]
        if how == "edit":
            server.edit("C0GENERAL", ts, f"{ASK}how do I stop?")
        else:
            server.delete("C0GENERAL", ts)
        await server.wait_for(lambda: reception.edited or reception.withdrawn)
        await server.wait_for(lambda: server.deliveries[-1].acked_at)

        attempts = [(d.attempt, d.acked_at is not None) for d in server.deliveries[2:]]
        assert attempts == [(0, False), (1, True)]


async def test_edits_and_deletions_come_over_http_too() -> None:
    reception = FakeReception()
    async with (
        SlackServer() as server,
        running(http_settings(server), reception) as platform,
        asyncio.timeout(60),
    ):
        server.deliver_to(f"http://127.0.0.1:{platform.port}/slack/events")
        ts = server.dm("U1", "how do I start?")
        await server.wait_for(lambda: reception.taken)
        server.edit("D1", ts, "how do I stop?")
        await server.wait_for(lambda: reception.edited)
        server.delete("D1", ts)
        await server.wait_for(lambda: reception.withdrawn)
        assert reception.withdrawn == [reception.taken[0].ref]
