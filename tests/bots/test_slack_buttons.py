"""Buttons under replies in Slack: how they are posted, and what comes of a press.

The exact calls stand in `payloads/calls`. After a change that is meant, write them anew and read
the difference: `PYTHONPATH=tests .venv/bin/python tests/bots/test_slack_buttons.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots import press_order
from bots.slack_bot import presses
from bots.slack_bot.adapter import SlackPlatform
from bots.slack_bot.buttons import (
    LONGEST_SECTION,
    blocks,
    press_of,
    reason_of,
    reason_view,
    sections,
)
from bots.slack_bot.presses import ASK_ABOUT
from core.domain import Button, MessageId, Post, ThreadRef, TurnId
from core.errors import StoreError
from core.press import Press, Pressed
from servers.faults import Fault
from servers.slack_deliveries import Delivery
from servers.slack_faults import api_error, server_error
from servers.slack_rig import FakeReception, http_settings, running, slack_settings
from servers.slack_server import SlackServer
from servers.slack_workspace import TEAM, Json

PAYLOADS = Path(__file__).parents[1] / "payloads"
MARKER = "0123456789abcdef01234567"
CHANNEL = "C0GENERAL"
EVERY = (Button.HELPFUL, Button.UNHELPFUL, Button.AGAIN, Button.HUMAN)
ROOT = "1764000000.000001"
POST = Post(
    thread=ThreadRef(platform="slack", tenant=TEAM, key=f"{CHANNEL}:{ROOT}"),
    reply_to=MessageId(ROOT),
    marker=MARKER,
    text="Run `docent run`. <https://docs.example.com/|Docs>",
    turn=TurnId(12),
    buttons=EVERY,
)
PRESS = Press(
    platform="slack",
    tenant=TEAM,
    channel=CHANNEL,
    thread=POST.thread,
    message=MessageId("1764000001.000002"),
    user="U1",
    turn=TurnId(12),
    button=Button.UNHELPFUL,
    at=1764000002.0,
)


@asynccontextmanager
async def question() -> AsyncIterator[tuple[SlackServer, SlackPlatform, Post]]:
    """A question in a channel, and the reply that is to be posted to it; nothing runs yet."""
    async with SlackServer() as server:
        root = server.mention(CHANNEL, "U1", "how do I start?")
        thread = ThreadRef(platform="slack", tenant=TEAM, key=f"{CHANNEL}:{root}")
        platform = SlackPlatform(slack_settings(server))
        try:
            yield server, platform, replace(POST, thread=thread, reply_to=MessageId(root))
        finally:
            await platform.close()


@asynccontextmanager
async def replied(*, http: bool = False) -> AsyncIterator[tuple[SlackServer, FakeReception, Json]]:
    """The adapter at work, and a reply with its buttons in the thread of a question."""
    reception = FakeReception()
    async with SlackServer() as server:
        settings = http_settings(server) if http else slack_settings(server)
        async with running(settings, reception) as platform:
            if http:
                server.deliver_to(f"http://127.0.0.1:{platform.port}/slack/events")
            server.workspace.channels[CHANNEL].members.add("U2")
            root = server.mention(CHANNEL, "U1", "how do I start?")
            await reception.wait_until_offered()
            thread = ThreadRef(platform="slack", tenant=TEAM, key=f"{CHANNEL}:{root}")
            ts = await platform.post(replace(POST, thread=thread, reply_to=MessageId(root)))
            yield server, reception, server.workspace.channels[CHANNEL].get(ts)
        assert server.unknown_args == []
        assert server.violations == []


async def pressed(server: SlackServer, shown: Json, label: str, user: str = "U2") -> Delivery:
    delivery = server.press(CHANNEL, shown, label, user=user)
    async with asyncio.timeout(60):
        await delivery.done.wait()
    return delivery


def types(shown: Any) -> list[str]:
    return [block["type"] for block in shown or ()]


# --- the exact calls ------------------------------------------------------------------------------


def exact() -> dict[str, Any]:
    """What each file of `payloads` holds."""
    from bots.slack_bot.api import Look  # noqa: PLC0415 - named here only

    return {
        "slack_reply": list(blocks(POST)),
        "slack_reply_plain": list(blocks(POST, Look.PLAIN)),
        "slack_draft": list(blocks(replace(POST, buttons=(Button.STOP,)))),
        "slack_reason": reason_view(PRESS),
    }


@pytest.mark.parametrize("name", sorted(exact()))
def test_what_is_sent_is_what_the_file_says(name: str) -> None:
    recorded = (PAYLOADS / "calls" / f"{name}.json").read_text(encoding="utf-8")
    assert exact()[name] == json.loads(recorded)


async def calls() -> dict[str, Any]:
    """The calls that post a reply, tag people and tell the team, without what differs."""
    async with question() as (server, platform, post):
        server.workspace.add_channel("C0TEAM")
        await platform.post(post)
        await platform.post(replace(post, text="help?", people=("S0TEAM", "U7"), buttons=()))
        await platform.announce("C0TEAM", "Help!", quote="How? <!here>", marker=MARKER)
        reply, tag, plea = server.calls_of("chat.postMessage")
        named = json.dumps([reply, tag, plea]).replace(post.reply_to, "QUESTION")
        return dict(zip(("slack_post", "slack_tag", "slack_plea"), json.loads(named), strict=True))


async def test_the_calls_are_what_the_files_say() -> None:
    for name, call in (await calls()).items():
        recorded = (PAYLOADS / "calls" / f"{name}.json").read_text(encoding="utf-8")
        assert call == json.loads(recorded), name


@pytest.mark.parametrize(("name", "button"), [("helpful", Button.HELPFUL), ("again", Button.AGAIN)])
def test_a_recorded_press_is_read(name: str, button: Button) -> None:
    body = json.loads((PAYLOADS / "slack" / f"press_{name}.json").read_text(encoding="utf-8"))
    press = press_of(body, TEAM)
    assert press is not None
    assert (press.button, press.turn, press.user) == (button, 12, "U0ALICE")
    assert press.thread == ThreadRef(platform="slack", tenant=TEAM, key=f"{CHANNEL}:{ROOT}")
    assert press.at == pytest.approx(1764000009.123456)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"container": {}, "actions": [{}]},
        {"container": {"channel_id": "C1", "message_ts": "1.0"}, "actions": []},
        {"container": {"channel_id": "C1", "message_ts": "1.0"}, "actions": [{"value": "again:x"}]},
        {
            "container": {"channel_id": "C1", "message_ts": "1.0"},
            "actions": [{"value": "burn:1"}],
            "user": {"id": "U1"},
        },
        {
            "container": {"channel_id": "C1", "message_ts": "1.0"},
            "actions": [{"value": "again:99999999999999999999"}],
            "user": {"id": "U1"},
        },
        {"container": "x", "actions": "y", "user": 3},
    ],
)
def test_an_odd_press_is_none(body: Json) -> None:
    assert press_of(body, TEAM) is None
    assert reason_of(body, TEAM, 1.0) is None


# --- text in sections -----------------------------------------------------------------------------


def test_a_text_that_fits_is_one_section() -> None:
    assert sections("a\nb") == ["a\nb"]


def test_a_fence_that_is_cut_is_closed_and_opened_again() -> None:
    text = "Look:\n```\n" + "code = 1\n" * 400 + "```\nDone."
    first, second = sections(text)
    assert first.endswith("\n```")
    assert second.startswith("```\n")
    assert first.count("```") % 2 == second.count("```") % 2 == 0
    whole = first.removesuffix("\n```") + "\n" + second.removeprefix("```\n")
    assert whole == text


def test_no_link_and_no_entity_is_cut() -> None:
    for pad in range(2_900, 3_010):
        for piece in ("<https://docs.example.com/" + "x" * 90 + "|a b>", "&amp;"):
            text = "y" * pad + piece + "z" * 200
            assert any(piece in part for part in sections(text)), pad


@given(st.text(alphabet="ab \n`<>&;", max_size=4_000).map(lambda text: text + "x" * 500))
def test_no_character_is_lost_and_no_section_is_too_long(text: str) -> None:
    cut = sections(text)
    assert all(0 < len(part) <= LONGEST_SECTION for part in cut)
    kept = [one for one in "".join(cut) if one not in "`\n"]
    assert kept == [one for one in text if one not in "`\n"]


# --- posting --------------------------------------------------------------------------------------


async def test_a_reply_has_its_text_its_marker_and_its_buttons() -> None:
    async with question() as (server, platform, post):
        ts = await platform.post(post)
        (call,) = server.calls_of("chat.postMessage")
        assert call["text"] == post.text
        assert types(call["blocks"]) == ["section", "context_actions", "actions"]
        assert call["metadata"]["event_payload"] == {"marker": MARKER}
        assert await platform.find(post) == ts
        assert server.unknown_args == []


async def test_a_reply_without_buttons_has_no_blocks() -> None:
    async with question() as (server, platform, post):
        await platform.post(replace(post, buttons=()))
        (call,) = server.calls_of("chat.postMessage")
        assert "blocks" not in call


async def test_where_feedback_buttons_are_refused_plain_ones_are_shown_from_then_on() -> None:
    async with question() as (server, platform, post):
        server.refused_blocks.add("context_actions")
        await platform.post(post)
        await platform.post(replace(post, marker="f" * 24))
        calls = server.calls_of("chat.postMessage")
        assert [types(call["blocks"]) for call in calls] == [
            ["section", "context_actions", "actions"],
            ["section", "actions"],
            ["section", "actions"],
        ]
        posted = server.thread(CHANNEL, post.reply_to)[1:]
        assert [message["metadata"]["event_payload"]["marker"] for message in posted] == [
            MARKER,
            "f" * 24,
        ]


async def test_where_all_blocks_are_refused_the_text_alone_is_posted() -> None:
    async with question() as (server, platform, post):
        server.refused_blocks.update(("context_actions", "actions"))
        ts = await platform.post(post)
        (message,) = server.thread(CHANNEL, post.reply_to)[1:]
        assert (message["ts"], message["text"]) == (ts, post.text)
        assert "blocks" not in message
        assert await platform.find(post) == ts


async def test_a_draft_becomes_the_reply_with_its_buttons() -> None:
    async with question() as (server, platform, post):
        ts = await platform.post(replace(post, text="Run …", buttons=(Button.STOP,)))
        await platform.edit(post, ts)
        (message,) = server.thread(CHANNEL, post.reply_to)[1:]
        assert message["text"] == post.text
        assert types(message["blocks"]) == ["section", "context_actions", "actions"]
        await platform.edit(replace(post, buttons=()), ts)
        (message,) = server.thread(CHANNEL, post.reply_to)[1:]
        assert message["blocks"] == []


async def test_a_call_tags_a_user_group_and_a_person_and_nothing_else_does() -> None:
    async with question() as (server, platform, post):
        call = replace(post, text="help, please", people=("S0TEAM", "U7"), buttons=())
        ts = await platform.post(call)
        (message,) = server.thread(CHANNEL, post.reply_to)[1:]
        assert message["text"] == "<!subteam^S0TEAM> <@U7> help, please"
        assert await platform.find(call) == ts


async def test_an_answer_that_is_being_streamed_is_not_taken_for_a_call() -> None:
    async with question() as (server, platform, post):
        draft = replace(post, text="Run it.", buttons=(), asker="U1")
        assert await platform.draft(draft, None)
        call = replace(post, marker="f" * 24, people=("U7",), buttons=())
        assert await platform.find(call) is None
        assert server.unknown_args == []


async def test_a_question_is_quoted_in_the_teams_channel_once_and_pings_nobody() -> None:
    async with question() as (server, platform, post):
        server.workspace.add_channel("C0TEAM")
        link = await platform.link(post.thread, post.reply_to)
        said = {"quote": "How? <!channel>\n*bold* <@U1>", "marker": "a" * 24}
        for doubtful in (False, True):
            await platform.announce("C0TEAM", f"Help: {link}", **said, doubtful=doubtful)
        (message,) = server.workspace.channels["C0TEAM"].messages
        first, *rest = message["text"].splitlines()
        assert first == f"Help: https://docs.slack.example/archives/{CHANNEL}/p" + (
            post.reply_to.replace(".", "")
        )
        assert rest == ["&gt; How? &lt;!channel&gt;", "&gt; *bold* &lt;@U1&gt;"]
        assert server.unknown_args == []


async def test_an_announcement_that_cannot_be_looked_for_is_made_again() -> None:
    async with question() as (server, platform, _):
        server.scopes.discard("channels:history")
        for doubtful in (False, True):
            await platform.announce(CHANNEL, "Help", marker="a" * 24, doubtful=doubtful)
        assert [call["text"] for call in server.calls_of("chat.postMessage")] == ["Help"] * 2


# --- presses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(
    ("label", "button"),
    [("Helpful", Button.HELPFUL), ("Try again", Button.AGAIN), ("Ask a human", Button.HUMAN)],
)
async def test_a_press_is_handed_over_and_answered_in_the_thread(
    label: str, button: Button, http: bool
) -> None:
    async with replied(http=http) as (server, reception, shown):
        await pressed(server, shown, label)
        await server.wait_for(lambda: server.whispers, 60)
        (press,) = reception.presses
        assert (press.button, press.turn, press.user) == (button, 12, "U2")
        assert (press.platform, press.tenant, press.channel) == ("slack", TEAM, CHANNEL)
        assert press.message == shown["ts"]
        assert press.thread is not None
        assert press.thread.key == f"{CHANNEL}:{shown['thread_ts']}"
        (whisper,) = server.whispers
        assert whisper == {
            "channel": CHANNEL,
            "user": "U2",
            "thread_ts": shown["thread_ts"],
            "text": f"{button} it is.",
        }


async def test_a_press_of_a_plain_button_reads_the_same() -> None:
    async with replied() as (server, reception, shown):
        shown["blocks"] = exact()["slack_reply_plain"]
        await pressed(server, shown, "Not helpful")
        await server.wait_for(lambda: reception.presses, 60)
        assert reception.presses[0].button is Button.UNHELPFUL


async def test_not_helpful_asks_why_and_the_reason_is_handed_over() -> None:
    async with replied() as (server, reception, shown):
        reception.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
        await pressed(server, shown, "Not helpful")
        (view,) = await server.wait_for(lambda: server.views, 60)
        assert server.whispers == []
        sent = server.submit(view, "It is too short.", user="U2")
        async with asyncio.timeout(60):
            await sent.done.wait()
        verdict, reason = reception.presses
        assert verdict.reason == ""
        assert reason.reason == "It is too short."
        assert (reason.turn, reason.user, reason.thread) == (12, "U2", verdict.thread)
        assert (reason.channel, reason.message) == (verdict.channel, verdict.message)
        assert not sent.reply


@pytest.mark.parametrize("text", [None, "", "  "])
async def test_a_reason_that_says_nothing_is_none(text: str | None) -> None:
    async with replied() as (server, reception, shown):
        reception.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
        await pressed(server, shown, "Not helpful")
        (view,) = await server.wait_for(lambda: server.views, 60)
        sent = server.submit(view, text, user="U2")
        async with asyncio.timeout(60):
            await sent.done.wait()
        assert len(reception.presses) == 1


async def test_a_reason_that_could_not_be_kept_stays_in_the_form() -> None:
    async with replied() as (server, reception, shown):
        reception.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
        await pressed(server, shown, "Not helpful")
        (view,) = await server.wait_for(lambda: server.views, 60)
        reception.failures.append(StoreError())
        sent = server.submit(view, "Too short.", user="U2")
        async with asyncio.timeout(60):
            await sent.done.wait()
        assert sent.reply == {
            "response_action": "errors",
            "errors": {"why": press_order.TRY_AGAIN},
        }


async def test_where_no_form_can_be_opened_the_verdict_is_thanked_for() -> None:
    async with replied() as (server, reception, shown):
        reception.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
        server.fail("views.open", api_error("expired_trigger_id"))
        await pressed(server, shown, "Not helpful")
        (whisper,) = await server.wait_for(lambda: server.whispers, 60)
        assert whisper["text"] == "Thanks."


async def test_a_press_that_could_not_be_written_down_is_acknowledged_and_said_so() -> None:
    async with replied() as (server, reception, shown):
        reception.failures.append(StoreError())
        await pressed(server, shown, "Helpful")
        (whisper,) = await server.wait_for(lambda: server.whispers, 60)
        assert whisper["text"] == press_order.TRY_AGAIN


async def test_a_database_that_hangs_holds_no_acknowledgement_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(press_order, "STORE_SECONDS", 0.05)
    async with replied() as (server, reception, shown):
        reception.may_take.clear()
        await pressed(server, shown, "Helpful")
        (whisper,) = await server.wait_for(lambda: server.whispers, 60)
        assert whisper["text"] == press_order.TRY_AGAIN


@pytest.mark.parametrize("fault", [api_error("user_not_in_channel"), server_error()])
async def test_where_nothing_can_be_whispered_the_response_url_is_used(fault: Fault) -> None:
    async with replied() as (server, _, shown):
        server.fail("chat.postEphemeral", fault)
        delivery = await pressed(server, shown, "Helpful")
        (answer,) = await server.wait_for(lambda: server.answers(delivery), 60)
        assert answer["text"] == "helpful it is."
        assert answer["response_type"] == "ephemeral"
        assert answer["replace_original"] is False


async def test_a_press_that_changes_nothing_visible_says_nothing() -> None:
    async with replied() as (server, reception, shown):
        reception.pressed[Button.AGAIN] = Pressed(said="")
        await pressed(server, shown, "Try again")
        await pressed(server, shown, "Helpful")
        await server.wait_for(lambda: server.whispers, 60)
        assert [whisper["text"] for whisper in server.whispers] == ["helpful it is."]


async def test_a_button_of_another_app_is_acknowledged_and_let_be() -> None:
    async with replied() as (server, reception, shown):
        for block in shown["blocks"]:
            for element in block.get("elements", ()):
                if element["type"] == "button":
                    element["value"] = "again:12; drop"
        await pressed(server, shown, "Try again")
        await pressed(server, shown, "Helpful")
        await server.wait_for(lambda: reception.presses, 60)
        assert [press.button for press in reception.presses] == [Button.HELPFUL]


# --- the message shortcut -------------------------------------------------------------------------


async def test_ask_docent_about_this_takes_a_message_of_a_thread_as_the_pressers_question() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        root = server.say(CHANNEL, "U1", "Who knows this?")
        ts = server.say(CHANNEL, "U1", "How do I *renew* a token &amp; why?", thread_ts=root)
        delivery = server.message_menu(ASK_ABOUT, CHANNEL, ts, user="U2")
        (answer,) = await server.wait_for(lambda: server.answers(delivery), 60)
        (mention,) = reception.taken
        assert mention.text == "How do I *renew* a token & why?"
        assert (mention.author, mention.message) == ("U2", ts)
        assert mention.thread.key == f"{CHANNEL}:{root}"
        assert answer["text"] == presses.TAKEN

        server.interact(delivery.payload)
        await server.wait_for(lambda: len(server.answers(delivery)) == 2, 60)
        assert server.answers(delivery)[1]["text"] == presses.TAKEN_BEFORE
        assert len(reception.taken) == 1
        assert server.violations == []


async def test_a_message_where_the_bot_cannot_write_is_not_taken_and_the_person_told() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        server.workspace.add_channel("C0OTHER", bot=False)
        ts = server.say("C0OTHER", "U1", "How do I start?")
        delivery = server.message_menu(ASK_ABOUT, "C0OTHER", ts, user="U2")
        (answer,) = await server.wait_for(lambda: server.answers(delivery), 60)
        assert "/invite" in answer["text"]
        assert reception.taken == []


async def test_a_message_that_says_nothing_is_not_taken() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        ts = server.say(CHANNEL, "U1", " ")
        delivery = server.message_menu(ASK_ABOUT, CHANNEL, ts, user="U2")
        (answer,) = await server.wait_for(lambda: server.answers(delivery), 60)
        assert answer["text"] == presses.NO_TEXT
        assert reception.taken == []


async def test_a_shortcut_that_could_not_be_written_down_is_said_so() -> None:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server), reception):
        ts = server.say(CHANNEL, "U1", "How do I start?")
        reception.failures.append(StoreError())
        delivery = server.message_menu(ASK_ABOUT, CHANNEL, ts, user="U2")
        (answer,) = await server.wait_for(lambda: server.answers(delivery), 60)
        assert answer["text"] == presses.NOT_TAKEN


if __name__ == "__main__":
    for file, payload in (exact() | asyncio.run(calls())).items():
        text = json.dumps(payload, indent=2, ensure_ascii=False) + "\n"
        (PAYLOADS / "calls" / f"{file}.json").write_text(text, encoding="utf-8")
