"""What was asked while no events came: what is found of it, and how much is read for it."""

import pytest

from bots.slack_bot import api, manifest, missed
from servers.slack_rig import away, back, message_ref, thread_on
from servers.slack_server import BOT_USER, SlackServer

ASK = f"<@{BOT_USER}> "
HOUR = 3600.0


def age(server: SlackServer, channel: str, ts: str, seconds: float) -> str:
    """Make a message older than it is; its new ts."""
    place = server.workspace.channels[channel]
    old = f"{float(ts) - seconds:.6f}"
    for message in place.messages:
        for name in ("ts", "thread_ts"):
            if message.get(name) == ts:
                message[name] = old
    place.messages.sort(key=lambda message: message["ts"])
    return old


# --- what is found ---------------------------------------------------------------------------


def everywhere(server: SlackServer) -> None:
    """Ask the bot in every kind of place and in every way."""
    space = server.workspace
    space.add_channel("C0OTHER")
    space.add_channel("G0PRIVATE", "group")
    space.add_channel("G0SEVERAL", "mpim")
    root = server.mention("C0GENERAL", "U1", "a root &lt;b&gt; <https://example.com|here>")
    server.say("C0GENERAL", "U2", "what do you mean?", thread_ts=root)
    server.mention("C0GENERAL", "U1", "a reply", thread_ts=root)
    talk = server.say("C0OTHER", "U1", "let us talk")
    broadcast = {"thread_ts": talk, "subtype": "thread_broadcast"}
    server.say("C0OTHER", "U1", f"{ASK}a reply to all", **broadcast)
    server.mention("C0OTHER", "U1", "with files", files=["a.png", "b.log"])
    server.mention("G0PRIVATE", "U1", "in private")
    server.mention("G0SEVERAL", "U1", "among several")
    direct = server.dm("U1", "directly")
    server.dm("U1", "directly, in a thread", thread_ts=direct)
    server.dm("U1", "", files=["c.txt"])


async def test_what_is_found_again_is_the_same_as_what_was_taken_live() -> None:
    async with SlackServer() as server:
        async with back(server) as live:
            everywhere(server)
            await server.wait_for(lambda: len(live.taken) == 9)
            await server.wait_for(lambda: all(d.acked_at for d in server.deliveries))
        async with back(server, away()) as found:
            pass

        assert sorted(found.taken, key=str) == sorted(live.taken, key=str)


async def test_what_came_while_no_connection_was_open_is_found() -> None:
    async with SlackServer() as server:
        everywhere(server)
        assert len(server.lost) > 9
        async with back(server, away()) as reception:
            assert len(reception.taken) == 9
            assert server.deliveries == []
            assert reception.heard_from[0] == "slack"


async def test_the_manifest_has_the_scopes_that_reading_needs() -> None:
    async with SlackServer() as server:
        server.scopes.intersection_update(manifest.SCOPES)
        everywhere(server)
        async with back(server, away()) as reception:
            assert len(reception.taken) == 9


async def test_what_does_not_ask_the_bot_is_not_taken() -> None:
    async with SlackServer() as server:
        space = server.workspace
        server.say("C0GENERAL", "U1", "lunch?")
        server.say("C0GENERAL", BOT_USER, f"{ASK}is me", bot_id="B0DOCENT")
        server.say("C0GENERAL", "U1", f"{ASK}has joined", subtype="channel_join")
        space.write(space.direct("U1"), BOT_USER, "an answer", bot_id="B0DOCENT")
        space.add_channel("C0OUT", bot=False)
        server.mention("C0OUT", "U1", "are you there?")
        async with back(server, away()) as reception:
            assert reception.offered == 0


async def test_the_oldest_is_handed_over_first() -> None:
    async with SlackServer() as server:
        first = server.mention("C0GENERAL", "U1", "1")
        server.mention("C0GENERAL", "U1", "2")
        server.mention("C0GENERAL", "U1", "3", thread_ts=first)
        server.mention("C0GENERAL", "U1", "4")
        server.mention("C0GENERAL", "U1", "5", thread_ts=first)
        async with back(server, away()) as reception:
            assert reception.texts == ["1", "2", "3", "4", "5"]


async def test_what_is_older_than_the_absence_is_let_be() -> None:
    async with SlackServer() as server:
        old = server.mention("C0GENERAL", "U1", "long ago")
        age(server, "C0GENERAL", old, 2 * HOUR)
        server.mention("C0GENERAL", "U1", "lately")
        async with back(server, away()) as reception:
            assert reception.texts == ["lately"]


async def test_new_replies_in_old_threads_are_found_whoever_began_them() -> None:
    async with SlackServer() as server:
        ours = server.mention("C0GENERAL", "U1", "long ago")
        ours = age(server, "C0GENERAL", ours, 20 * HOUR)
        for number in range(60):  # too many to be looked through one by one
            chat = server.say("C0GENERAL", "U1", f"chat {number}")
            age(server, "C0GENERAL", chat, 10 * HOUR)
        theirs = server.say("C0GENERAL", "U1", "who knows?")
        theirs = age(server, "C0GENERAL", theirs, 2 * HOUR)
        server.mention("C0GENERAL", "U1", "again", thread_ts=ours)
        server.mention("C0GENERAL", "U2", "do you know?", thread_ts=theirs)
        absence = away(threads=[thread_on("C0GENERAL", ours)])
        async with back(server, absence) as reception:
            assert sorted(reception.texts) == ["again", "do you know?"]


async def test_threads_of_another_workspace_are_none_of_ours() -> None:
    async with SlackServer() as server:
        absence = away(threads=[thread_on("C0PARTNER", "1.000001", "T0PARTNER")])
        async with back(server, absence) as reception:
            assert reception.offered == 0
        assert {call["channel"] for call in server.calls_of("conversations.history")} == {
            "C0GENERAL"
        }


async def test_an_edited_question_is_handed_over_as_an_edit_and_a_tombstone_as_a_deletion() -> None:
    async with SlackServer() as server:
        edited = server.mention("C0GENERAL", "U1", "how do I start?")
        server.edit("C0GENERAL", edited, f"{ASK}how do I stop?")
        deleted = server.mention("C0GENERAL", "U1", "never mind")
        server.say("C0GENERAL", "U2", "I do", thread_ts=deleted)
        server.delete("C0GENERAL", deleted)
        async with back(server, away()) as reception:
            assert [mention.text for mention in reception.edited] == ["how do I stop?"]
            assert reception.edited[0].ref == message_ref("C0GENERAL", edited)
            assert reception.withdrawn == [message_ref("C0GENERAL", deleted)]
            assert reception.taken == []


# --- how much is read ------------------------------------------------------------------------


def asked_for(server: SlackServer, channel: str) -> int:
    """How many messages of a channel were asked for."""
    return sum(
        int(call["limit"])
        for method in ("conversations.history", "conversations.replies")
        for call in server.calls_of(method)
        if call["channel"] == channel
    )


async def test_no_more_is_read_than_may_be_and_the_newest_is_found(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with SlackServer() as server:
        for number in range(60):
            server.mention("C0GENERAL", "U1", str(number))
        async with back(server, away(messages=40)) as reception:
            assert reception.texts == [str(number) for number in range(20, 60)]
        assert asked_for(server, "C0GENERAL") <= 40
    assert "more may have been missed" in caplog.text


async def test_a_flood_in_one_channel_does_not_hide_the_others() -> None:
    async with SlackServer() as server:
        for number in range(5):
            server.workspace.add_channel(f"C0QUIET{number}")
            server.mention(f"C0QUIET{number}", "U1", f"quiet {number}")
        for number in range(300):
            server.say("C0GENERAL", "U1", f"chat {number}")
        server.mention("C0GENERAL", "U1", "in the flood")
        async with back(server, away(messages=120)) as reception:
            assert sorted(reception.texts) == [
                "in the flood",
                *(f"quiet {number}" for number in range(5)),
            ]
        assert asked_for(server, "C0GENERAL") <= 120


async def test_all_pages_are_read_of_channels_history_and_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (api, missed):
        monkeypatch.setattr(module, "LARGEST_PAGE", 2)
    monkeypatch.setattr(missed, "SMALLEST_SHARE", 2)
    async with SlackServer() as server:
        for number in range(5):
            server.workspace.add_channel(f"C0{number}")
            root = server.mention(f"C0{number}", "U1", f"root {number}")
            for reply in range(5):
                server.mention(f"C0{number}", "U1", f"reply {reply}", thread_ts=root)
                server.say(f"C0{number}", "U1", "chat")
        async with back(server, away()) as reception:
            assert len(reception.taken) == 30
            in_one = [mention.text for mention in reception.taken if mention.channel == "C03"]
            assert in_one == ["root 3", *(f"reply {reply}" for reply in range(5))]
        assert len(server.calls_of("users.conversations")) == 6


async def test_a_scope_that_is_missing_is_named_once_and_the_rest_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with SlackServer() as server:
        everywhere(server)
        server.scopes.difference_update({"groups:read", "im:history"})
        async with back(server, away()) as reception:
            assert len(reception.taken) == 5  # none directly, and none in private
    reasons = [str(record.__dict__.get("reason")) for record in caplog.records]
    for scope in ("groups:read", "im:history"):
        (reason,) = [reason for reason in reasons if scope in reason]
        assert "docent manifest slack" in reason
