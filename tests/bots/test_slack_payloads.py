"""Recorded payloads of Slack through the whole adapter, by Socket Mode and over HTTP.

They have the shapes that Slack publishes, with values of our own. What each of them is read as in
detail is tested beside the reader.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from servers.slack_deliveries import Delivery
from servers.slack_rig import FakeReception, http_settings, running, slack_settings
from servers.slack_server import BOT_USER, SlackServer
from servers.slack_workspace import TEAM, Json

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
ROOT, REPLY, MESSAGE = "1764000000.000001", "1764000001.000002", "1764000002.000003"
PROMPTS = ("How do I start?",)

#: What core hears of each; "" for a payload that is acknowledged and nothing more.
HEARD = {
    "app_home_opened": "",
    "app_home_opened_home": "",
    "app_mention": "took 'how do I rotate a key?'",
    "app_mention_as_message": "took 'how do I rotate a key?'",
    "app_mention_bare": "took ''",
    "app_mention_edited_in": "edited 'never mind'",
    "app_mention_from_organisation": "took 'which port?'",
    "app_mention_from_shared_channel": "took 'which port?'",
    "app_mention_in_thread": "took 'and with the CLI?'",
    "app_mention_with_files": "took 'what is wrong here?' with screen.png, trace.txt",
    "app_mention_with_tokens": "took 'hi does @U061F7AUS need #help-keys or th'",
    "message_action": "took 'Does anybody know how to rotate a key?'",
    "message_changed": "edited 'edited'",
    "message_channel_join": "",
    "message_channel_mentioning_another": "",
    "message_channel_without_mention": "",
    "message_deleted": "withdrew 1763800000.000100",
    "message_file_from_another_workspace": "took '' with a file",
    "message_file_share_in_thread": "took 'why does this fail?' with build.log, screen.png",
    "message_file_share_with_mention": "took 'see the picture' with picture.png",
    "message_im": "took 'how do I rotate a key?'",
    "message_im_blocks_only": "took 'Why does @U061F7AUS get <none> & in #C0L'",
    "message_im_empty": "",
    "message_im_files_only": "took '' with log.txt",
    "message_im_in_thread": "took 'and with the CLI?'",
    "message_in_thread": "overheard 'and on Windows?'",
    "message_in_thread_to_a_group": "overheard '@S0614TZR7 can somebody help?' to others",
    "message_in_thread_to_another": "overheard '@U061F7AUS do you know?' to others",
    "message_mpim_with_mention": "took 'which port?'",
    "message_mpim_without_mention": "",
    "message_of_an_old_style_bot": "took 'deploy done' of a bot",
    "message_of_another_bot": "took 'build 17 failed' of a bot",
    "message_of_our_own": "",
    "message_private_channel_with_mention": "took 'hey which port?'",
    "message_thread_broadcast_with_mention": "took 'does this hold?'",
    "press_again": "pressed again of 12",
    "press_helpful": "pressed helpful of 12",
    "reaction_added": "",
    "slash_ask": "took 'how do I rotate a key?'",
    "view_submission": "pressed unhelpful of 12 because 'It is about the old version.'",
}


def recorded(name: str, server: SlackServer) -> Json:
    """A payload as the workspace of the server would send it."""
    text = (PAYLOADS / f"{name}.json").read_text(encoding="utf-8")
    for theirs, ours in (
        ("U0LAN0Z89", BOT_USER),
        ("T061EG9R6", TEAM),
        ("https://hooks.slack.com", server.base_url),
    ):
        text = text.replace(theirs, ours)
    payload: Json = json.loads(text)
    return payload


def kind_of(payload: Json) -> str:
    """How Slack sends it."""
    if payload.get("type") == "event_callback":
        return "events_api"
    return "slash_commands" if "command" in payload else "interactive"


def heard(reception: FakeReception) -> str:
    """All that core heard, with the beginnings of texts."""
    taken = [
        f"took {one.text[:40]!r}"
        + (f" with {', '.join(file.name for file in one.files)}" if one.files else "")
        + (" of a bot" if one.bot else "")
        for one in reception.taken
    ]
    overheard = [
        f"overheard {one.mention.text!r}" + (" to others" if one.to_others else "")
        for one in reception.overheard
    ]
    pressed = [
        f"pressed {one.button} of {one.turn}" + (f" because {one.reason!r}" if one.reason else "")
        for one in reception.presses
    ]
    edited = [f"edited {one.text!r}" for one in reception.edited]
    withdrawn = [f"withdrew {one.message}" for one in reception.withdrawn]
    return "; ".join([*taken, *edited, *withdrawn, *overheard, *pressed])


@asynccontextmanager
async def adapter(transport: str) -> AsyncIterator[tuple[SlackServer, FakeReception]]:
    reception = FakeReception()
    async with SlackServer() as server:
        people = {"U0ALICE", "U0BOB", "U061F7AUR"}
        channel = server.workspace.channels["C0GENERAL"]
        channel.members |= people
        server.workspace.users |= people
        channel.messages += [
            {"type": "message", "user": user, "text": "?", "ts": ts, "thread_ts": ROOT}
            for user, ts in (("U0ALICE", ROOT), (BOT_USER, REPLY), ("U0BOB", MESSAGE))
        ]
        of_transport = http_settings if transport == "http" else slack_settings
        async with running(of_transport(server, prompts=PROMPTS), reception) as platform:
            if transport == "http":
                server.deliver_to(f"http://127.0.0.1:{platform.port}/slack/events")
            yield server, reception
        assert server.unknown_args == []
        assert server.violations == []


async def delivered(server: SlackServer, name: str) -> Delivery:
    payload = recorded(name, server)
    delivery = server.deliver(kind_of(payload), payload)
    async with asyncio.timeout(60):
        await delivery.done.wait()
    return delivery


@pytest.mark.parametrize("transport", ["socket", "http"])
@pytest.mark.parametrize("name", sorted(HEARD))
async def test_a_recorded_payload_is_acknowledged_and_comes_to_what_it_says(
    name: str, transport: str
) -> None:
    async with adapter(transport) as (server, reception):
        await delivered(server, name)
    assert heard(reception) == HEARD[name]  # all that was begun has ended


def test_every_recorded_payload_is_sent_through_the_adapter() -> None:
    assert {path.stem for path in PAYLOADS.glob("*.json")} == set(HEARD)


async def test_a_recorded_opening_of_the_messages_tab_brings_questions_to_begin_with() -> None:
    async with adapter("socket") as (server, _):
        server.workspace.add_channel("D0ALICE", "im", members=["U0ALICE"])
        server.scopes.add("assistant:write")
        await delivered(server, "app_home_opened_home")
        await delivered(server, "app_home_opened")
        await server.wait_for(lambda: server.agent_view.prompts)
        (call,) = server.calls_of("assistant.threads.setSuggestedPrompts")
        assert call["channel_id"] == "D0ALICE"


async def test_a_recorded_command_posts_the_question_in_the_channel_it_names() -> None:
    async with adapter("socket") as (server, reception):
        await delivered(server, "slash_ask")
        await server.wait_for(lambda: reception.taken)
        (call,) = server.calls_of("chat.postMessage")
    assert call["channel"] == "C0GENERAL"
    assert "how do I rotate a key?" in call["text"]
    (mention,) = reception.taken
    assert mention.author == "U0ALICE"


async def test_a_recorded_choice_in_the_menu_of_a_message_is_asked_in_its_thread() -> None:
    async with adapter("http") as (server, reception):
        await delivered(server, "message_action")
    (mention,) = reception.taken
    assert mention.thread.key == f"C0GENERAL:{ROOT}"
    assert (mention.message, mention.author) == (MESSAGE, "U0ALICE")
