"""What of Slack's events is for Docent, and who is who: as core is told."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bots.slack_bot import outsiders
from bots.slack_bot.events import Asked, Overheard, read_event
from bots.slack_bot.mrkdwn import addresses_others
from core.domain import Remark
from servers.faults import Fault
from servers.slack_faults import api_error, rate_limited, server_error
from servers.slack_rig import FakeReception, away, back, running, slack_settings, thread_on
from servers.slack_server import BOT_USER, SlackServer
from servers.slack_workspace import TEAM

CHANNEL = "C0GENERAL"
OTHERS = "T0OTHERS"


@asynccontextmanager
async def connected(**settings: Any) -> AsyncIterator[tuple[SlackServer, FakeReception]]:
    reception = FakeReception()
    async with SlackServer() as server, running(slack_settings(server, **settings), reception):
        if settings.get("tell_externals", True):
            await server.wait_for(lambda: server.calls_of("users.list"))
        yield server, reception
    assert server.unknown_args == []
    assert server.violations == []


async def all_acknowledged(server: SlackServer) -> None:
    await server.wait_for(lambda: all(delivery.acked_at for delivery in server.deliveries))


# --- remarks --------------------------------------------------------------------------------------


async def test_a_message_in_a_thread_without_a_mention_is_overheard() -> None:
    async with connected() as (server, reception):
        root = server.mention(CHANNEL, "U1", "how do I start?")
        ts = server.say(CHANNEL, "U1", "and on &lt;Windows&gt;?", thread_ts=root, files=["a.log"])
        await server.wait_for(lambda: reception.overheard)
        (remark,) = reception.overheard
        assert (remark.to_others, remark.edited, remark.hidden) == (False, False, False)
        mention = remark.mention
        assert mention.thread == thread_on(CHANNEL, root)
        assert [file.name for file in mention.files] == ["a.log"]
        assert (mention.message, mention.author, mention.text) == (ts, "U1", "and on <Windows>?")


async def test_what_is_said_outside_of_threads_by_bots_or_by_us_is_not_overheard() -> None:
    async with connected() as (server, reception):
        root = server.say(CHANNEL, "U1", "lunch?")
        server.say(CHANNEL, "U9", "build failed", thread_ts=root, bot_id="B9")
        server.say(CHANNEL, BOT_USER, "an answer", thread_ts=root, bot_id="B0DOCENT")
        server.say(CHANNEL, "U1", "has joined", thread_ts=root, subtype="channel_join")
        await server.wait_for(lambda: len(server.deliveries) == 4)
        await all_acknowledged(server)
        assert reception.offered == 0


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("what about this?", False),
        ("I, <@U1>, ask", False),
        ("<@U0DOCENT> and you?", False),
        ("<@U2> what do you say?", True),
        ("<@U2|bob> what do you say?", True),
        ("<!subteam^S1> help", True),
        ("<!here> lunch", True),
        ("<!date^1|today> is a date", False),
        ("see <#C2|help> and <https://example.com|<@U2>>", True),
        ("&lt;@U2&gt; is escaped", False),
    ],
)
def test_whether_a_message_speaks_to_somebody_else(text: str, others: bool) -> None:
    assert addresses_others(text, BOT_USER, "U1") is others


async def test_that_a_message_speaks_to_somebody_else_is_said() -> None:
    async with connected() as (server, reception):
        root = server.mention(CHANNEL, "U1", "how do I start?")
        server.say(CHANNEL, "U1", "<@U2> do you know?", thread_ts=root)
        await server.wait_for(lambda: reception.overheard)
        assert reception.overheard[0].to_others


async def test_an_edit_of_such_a_message_is_told_and_a_preview_is_not() -> None:
    async with connected() as (server, reception):
        root = server.mention(CHANNEL, "U1", "how do I start?")
        ts = server.say(CHANNEL, "U1", "and on Windos?", thread_ts=root)
        await server.wait_for(lambda: reception.overheard)
        server.preview(CHANNEL, ts)
        server.edit(CHANNEL, ts, "and on Windows?")
        server.preview(CHANNEL, ts)
        await all_acknowledged(server)
        await server.wait_for(lambda: len(reception.overheard) == 2)
        edited = reception.overheard[1]
        assert edited.edited
        assert edited.mention.text == "and on Windows?"
        assert reception.edited == []


async def test_follow_ups_that_were_missed_are_found_in_their_order() -> None:
    async with SlackServer() as server:
        root = server.mention(CHANNEL, "U1", "how do I start?")
        server.say(CHANNEL, "U1", "and then?", thread_ts=root)
        ts = server.say(CHANNEL, "U1", "and after taht?", thread_ts=root)
        server.edit(CHANNEL, ts, "and after that?")
        async with back(server, away(threads=[thread_on(CHANNEL, root)])) as reception:
            said = [(one.mention.text, one.edited) for one in reception.overheard]
    # The edited one may have been taken before, or not.
    assert said == [("and then?", False), ("and after that?", False), ("and after that?", True)]
    # An edit does not make it later than what was said since.
    assert reception.overheard[1].mention.at == float(ts)


# --- bots -----------------------------------------------------------------------------------------


async def test_a_bot_that_mentions_us_is_known_by_both_its_ids() -> None:
    async with connected() as (server, reception):
        server.say(CHANNEL, "U9", f"<@{BOT_USER}> build failed", bot_id="B9", app_id="A9")
        await server.wait_for(lambda: reception.taken)
        (mention,) = reception.taken
        assert (mention.author, mention.bot) == ("U9", ("U9", "B9"))
        assert server.calls_of("users.info") == []


def test_a_bot_without_a_user_is_its_own_author() -> None:
    event = {
        "type": "message",
        "subtype": "bot_message",
        "bot_id": "B9",
        "text": f"<@{BOT_USER}> deployed",
        "channel": CHANNEL,
        "channel_type": "channel",
        "ts": "1763800000.000100",
    }
    heard = read_event({"event": event, "team_id": TEAM}, BOT_USER)
    assert isinstance(heard, Asked)
    assert (heard.mention.author, heard.mention.bot) == ("B9", ("B9",))


# --- outsiders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "external"),
    [
        ({}, False),
        ({"is_restricted": True}, True),
        ({"is_ultra_restricted": True}, True),
        ({"is_stranger": True, "team_id": OTHERS}, True),
        ({"team_id": OTHERS}, True),
        ({"team_id": OTHERS, "enterprise_user": {"enterprise_id": "E0OTHERS"}}, True),
    ],
)
async def test_slack_says_who_is_an_outsider(profile: dict[str, Any], external: bool) -> None:
    async with connected() as (server, reception):
        server.workspace.profiles["U1"] = profile
        server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: reception.taken)
        assert reception.taken[0].external is external


async def test_a_person_is_looked_up_once_for_all_that_they_ask() -> None:
    async with connected() as (server, reception):
        for text in ("one", "two", "three"):
            server.mention(CHANNEL, "U1", text)
        await server.wait_for(lambda: len(reception.taken) == 3)
        await all_acknowledged(server)
        assert server.calls_of("users.info") == [{"user": "U1"}]


async def test_who_is_in_the_list_of_members_is_not_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outsiders, "PAGE_SECONDS", 0.0)
    people = [f"U{number:03}" for number in range(300)]  # more than a page
    async with SlackServer() as server:
        reception = FakeReception()
        server.workspace.users |= set(people)
        server.workspace.profiles["U150"] = {"is_restricted": True}
        async with running(slack_settings(server), reception):
            # Once it asks for the second page, it has read the first.
            await server.wait_for(lambda: len(server.calls_of("users.list")) == 2)
            for person in ("U150", "U007"):
                server.mention(CHANNEL, person, "how do I start?")
            await server.wait_for(lambda: len(reception.taken) == 2)
            told = {mention.author: mention.external for mention in reception.taken}
            assert told == {"U150": True, "U007": False}
            assert server.calls_of("users.info") == []


async def test_an_odd_entry_in_the_list_of_members_is_passed_over() -> None:
    odd = {"id": "U1", "team_id": OTHERS, "enterprise_user": "E0"}
    members = [odd, None, {"is_bot": False}, {"id": "U2", "team_id": TEAM, "is_restricted": True}]
    async with SlackServer() as server:
        reception = FakeReception()
        server.fail("users.list", Fault(status=200, body={"ok": True, "members": members}))
        async with running(slack_settings(server), reception):
            await server.wait_for(lambda: server.faults_left("users.list") == 0)
            for person in ("U1", "U2"):
                server.mention(CHANNEL, person, "how do I start?")
            await server.wait_for(lambda: len(reception.taken) == 2)
            assert server.calls_of("users.info") == [{"user": "U1"}]


async def test_a_list_of_members_that_could_not_be_read_is_read_soon_after() -> None:
    async with SlackServer() as server:
        server.fail("users.list", rate_limited(0.05))
        async with running(slack_settings(server), FakeReception()):
            await server.wait_for(lambda: server.faults_left("users.list") == 0)
            await server.wait_for(lambda: server.calls_of("users.list"))


async def test_all_pages_of_the_list_of_members_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outsiders, "PAGE_SECONDS", 0.0)
    async with SlackServer() as server:
        server.workspace.users |= {f"U{number:03}" for number in range(500)}
        async with running(slack_settings(server), FakeReception()):
            await server.wait_for(lambda: len(server.calls_of("users.list")) == 3)
    cursors = [call.get("cursor") for call in server.calls_of("users.list")]
    assert len(set(cursors)) == 3


async def test_where_outsiders_are_answered_nobody_is_looked_up() -> None:
    async with connected(tell_externals=False) as (server, reception):
        server.workspace.profiles["U1"] = {"is_restricted": True}
        server.mention(CHANNEL, "U1", "how do I start?", files=["a.log"])
        await server.wait_for(lambda: reception.taken)
        assert not reception.taken[0].external
        assert server.calls_of("users.info") == server.calls_of("users.list") == []


async def test_nobody_is_looked_up_for_what_is_said_without_a_mention() -> None:
    async with connected() as (server, reception):
        root = server.say(CHANNEL, "U1", "lunch?")
        server.say(CHANNEL, "U2", "yes", thread_ts=root)
        await server.wait_for(lambda: reception.overheard)
        assert server.calls_of("users.info") == []


async def test_a_guest_who_is_known_is_known_in_what_follows_too() -> None:
    async with connected() as (server, reception):
        server.workspace.profiles["U1"] = {"is_restricted": True}
        root = server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: reception.taken)
        server.say(CHANNEL, "U1", "and then?", thread_ts=root)
        await server.wait_for(lambda: reception.overheard)
        assert reception.overheard[0].mention.external


@pytest.mark.parametrize(
    "fault",
    [
        api_error("user_not_found"),
        server_error(),
        rate_limited(30),
        Fault(status=200, body={"ok": True}),
        Fault(status=200, body={"ok": True, "user": "U1"}),
    ],
)
async def test_a_look_that_fails_shuts_out_nobody_in_a_channel_of_ours(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected() as (server, reception):
        server.fail("users.info", fault, fault)
        server.mention(CHANNEL, "U1", "how do I start?")
        server.mention(CHANNEL, "U1", "hello?")
        await server.wait_for(lambda: len(reception.taken) == 2)
        await all_acknowledged(server)
        assert [mention.external for mention in reception.taken] == [False, False]
        assert server.faults_left("users.info") == 1  # Slack is not asked again at once
        assert server.calls_of("users.info") == []
    told = [one for one in caplog.records if "who is a guest" in one.getMessage()]
    assert [one.levelno for one in told] == [logging.WARNING]


async def test_an_app_without_the_new_scope_goes_on_answering() -> None:
    async with connected() as (server, reception):
        server.scopes.discard("users:read")
        server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: reception.taken)
        assert not reception.taken[0].external


async def test_a_look_that_fails_shuts_everybody_out_in_a_channel_shared_with_others() -> None:
    async with connected() as (server, reception):
        server.workspace.shared.add(CHANNEL)
        server.fail("users.info", server_error())
        server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: reception.taken)
        assert reception.taken[0].external


async def test_a_look_that_fails_leaves_what_the_event_says_of_another_workspace() -> None:
    async with connected() as (server, reception):
        server.fail("users.info", server_error())
        ask = f"<@{BOT_USER}> how do I start?"
        server.say(CHANNEL, "U1", ask, user_team=OTHERS)
        await server.wait_for(lambda: reception.taken)
        assert reception.taken[0].external


async def test_a_member_in_a_channel_shared_with_others_is_answered() -> None:
    async with connected() as (server, reception):
        server.workspace.shared.add(CHANNEL)
        server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: reception.taken)
        assert not reception.taken[0].external


async def test_an_outsider_whose_question_was_missed_is_told_from_members() -> None:
    async with SlackServer() as server:
        server.workspace.profiles["U2"] = {"is_ultra_restricted": True}
        server.mention(CHANNEL, "U1", "1")
        server.mention(CHANNEL, "U2", "2")
        async with back(server, away()) as reception:
            assert [one.external for one in reception.taken] == [False, True]


# --- who is turned away ---------------------------------------------------------------------------


async def test_who_is_turned_away_hears_it_alone() -> None:
    async with connected() as (server, reception):
        reception.turns_away["U1"] = "Not here."
        server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: server.whispers)
        assert server.whispers[0] == {"channel": CHANNEL, "user": "U1", "text": "Not here."}
        await all_acknowledged(server)
        assert server.calls_of("chat.postMessage") == []
        assert "thread_ts" not in server.calls_of("chat.postEphemeral")[0]


async def test_in_a_thread_it_is_said_in_the_thread() -> None:
    async with connected() as (server, reception):
        reception.turns_away["U1"] = "Not here."
        root = server.say(CHANNEL, "U2", "look at this")
        server.mention(CHANNEL, "U1", "how do I start?", thread_ts=root)
        await server.wait_for(lambda: server.whispers)
        assert server.calls_of("chat.postEphemeral")[0]["thread_ts"] == root


async def test_in_direct_messages_it_is_a_message() -> None:
    async with connected() as (server, reception):
        reception.turns_away["U1"] = "Not here."
        root = server.dm("U1", "how do I start?")
        direct = server.workspace.direct("U1")
        await server.wait_for(lambda: len(direct.messages) == 2)
        assert (direct.messages[1]["text"], direct.messages[1]["thread_ts"]) == ("Not here.", root)


async def test_who_was_told_lately_hears_nothing() -> None:
    async with connected() as (server, reception):
        reception.turns_away["U1"] = ""
        server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: reception.asked_about)
        await all_acknowledged(server)
        assert server.whispers == []


async def test_a_word_that_cannot_be_said_holds_nothing_up() -> None:
    async with connected() as (server, reception):
        reception.turns_away["U1"] = "Not here."
        server.fail("chat.postEphemeral", api_error("channel_not_found"), server_error())
        server.mention(CHANNEL, "U1", "how do I start?")
        await server.wait_for(lambda: len(server.deliveries) == 2)
        await all_acknowledged(server)


async def test_a_command_of_somebody_who_is_turned_away_shows_nothing_in_the_channel() -> None:
    async with connected() as (server, reception):
        reception.turns_away |= {"U1": "Not here.", "U2": ""}
        refused = server.slash("/ask", "how do I start?", channel=CHANNEL, user="U1")
        await server.wait_for(lambda: refused.reply)
        assert refused.reply == {"text": "Not here.", "response_type": "ephemeral"}
        silent = server.slash("/ask", "how do I start?", channel=CHANNEL, user="U2")
        await server.wait_for(lambda: silent.reply)
        assert silent.reply["text"] == "I do not answer here."
        assert server.workspace.channels[CHANNEL].messages == []
        assert reception.taken == []


async def test_a_command_says_whether_a_guest_gives_it_and_in_direct_messages() -> None:
    async with connected() as (server, reception):
        server.workspace.profiles["U1"] = {"is_restricted": True}
        direct = server.workspace.direct("U1").id
        server.slash("/ask", "how do I start?", channel=direct, user="U1")
        await server.wait_for(lambda: reception.taken)
        assert (reception.taken[0].external, reception.taken[0].direct) == (True, True)


def test_a_remark_in_direct_messages_asks_the_bot() -> None:
    event = {
        "type": "message",
        "user": "U1",
        "text": "and then?",
        "channel": "D1",
        "channel_type": "im",
        "ts": "1763800001.000100",
        "thread_ts": "1763800000.000100",
    }
    heard = read_event({"event": event, "team_id": TEAM}, BOT_USER)
    assert isinstance(heard, Asked)
    assert heard.mention.direct
    in_channel = read_event(
        {"event": event | {"channel": "C1", "channel_type": "channel"}, "team_id": TEAM}, BOT_USER
    )
    assert isinstance(in_channel, Overheard)
    assert isinstance(in_channel.remark, Remark)
