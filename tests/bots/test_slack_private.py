"""/ask in Slack with an answer that only its asker sees."""

import pytest

from bots.slack_bot import commands
from core.domain import Button, MessageId, Post, ThreadRef
from core.errors import PlatformRefused, StoreError, ThreadGone
from servers.slack_faults import api_error, server_error
from servers.slack_rig import FakeReception, away, back, running, slack_settings
from servers.slack_server import SlackServer
from servers.slack_workspace import TEAM

CHANNEL, ASKER = "C0GENERAL", "U1"
PRIVATE = ThreadRef(platform="slack", tenant=TEAM, key=f"{CHANNEL}:private:0123")


def post(text: str = "By starting.", **fields: object) -> Post:
    given = {"thread": PRIVATE, "reply_to": MessageId("private:0123"), "marker": "0" * 24}
    return Post(**(given | {"text": text, "asker": ASKER} | fields))  # type: ignore[arg-type]


async def test_a_question_is_taken_before_slack_hears_that_it_is_read() -> None:
    reception = FakeReception()
    reception.may_take.clear()
    async with SlackServer() as server:
        settings = slack_settings(server, private_asks=True)
        async with running(settings, reception) as platform:
            asked = server.slash("/ask", "how do I start?", channel=CHANNEL, user=ASKER)
            await reception.wait_until_offered()
            assert not asked.done.is_set()
            reception.may_take.set()
            await asked.done.wait()
            assert asked.reply == {"text": commands.READING, "response_type": "ephemeral"}
            (mention,) = reception.taken
            assert (mention.author, mention.text) == (ASKER, "how do I start?")
            assert mention.thread.key.startswith(f"{CHANNEL}:private:")
            assert not mention.direct
            assert platform.is_direct(mention.thread)
            assert platform.can_share(mention.thread)
            assert platform.channel_of(mention.thread) == CHANNEL
            assert server.calls_of("chat.postMessage") == []


async def test_each_question_has_a_place_of_its_own() -> None:
    reception = FakeReception()
    async with SlackServer() as server:
        async with running(slack_settings(server, private_asks=True), reception):
            for _ in range(2):
                asked = server.slash("/ask", "how?", channel=CHANNEL, user=ASKER)
                await asked.done.wait()
        first, second = reception.taken
        assert first.thread != second.thread
        assert first.message != second.message


async def test_in_direct_messages_a_question_is_asked_as_ever() -> None:
    reception = FakeReception()
    async with SlackServer() as server:
        channel = server.workspace.direct(ASKER).id
        async with running(slack_settings(server, private_asks=True), reception) as platform:
            asked = server.slash("/ask", "how?", channel=channel, user=ASKER)
            await asked.done.wait()
            (mention,) = reception.taken
            assert asked.reply is None
            assert not platform.can_share(mention.thread)


async def test_who_is_turned_away_is_told_so_and_nothing_is_taken() -> None:
    reception = FakeReception()
    reception.turns_away[ASKER] = "I answer members of this organisation only."
    async with SlackServer() as server:
        async with running(slack_settings(server, private_asks=True), reception):
            asked = server.slash("/ask", "how?", channel=CHANNEL, user=ASKER)
            await asked.done.wait()
        assert asked.reply["text"] == "I answer members of this organisation only."
        assert reception.taken == []


async def test_where_no_answer_could_arrive_the_asker_is_told_how_to_invite_the_bot() -> None:
    reception = FakeReception()
    async with SlackServer() as server:
        server.workspace.add_channel("C0OTHER", bot=False)
        server.workspace.add_channel("G0SECRET", "group", bot=False)
        async with running(slack_settings(server, private_asks=True), reception):
            for channel in ("C0OTHER", "G0SECRET"):
                asked = server.slash("/ask", "how?", channel=channel, user=ASKER)
                await asked.done.wait()
                assert "/invite" in asked.reply["text"]
        assert reception.taken == []


async def test_a_question_is_taken_where_slack_does_not_say_whether_the_bot_is_there() -> None:
    reception = FakeReception()
    async with SlackServer() as server:
        server.fail("conversations.info", server_error())
        async with running(slack_settings(server, private_asks=True), reception):
            asked = server.slash("/ask", "how?", channel=CHANNEL, user=ASKER)
            await asked.done.wait()
        assert asked.reply["text"] == commands.READING


async def test_a_question_that_cannot_be_written_down_is_not_acknowledged_as_read() -> None:
    reception = FakeReception()
    reception.failures = [StoreError()]
    async with SlackServer() as server:
        async with running(slack_settings(server, private_asks=True), reception):
            asked = server.slash("/ask", "how?", channel=CHANNEL, user=ASKER)
            await asked.done.wait()
        assert asked.reply["text"] == commands.TRY_AGAIN


async def test_a_reply_goes_to_the_asker_alone_with_plain_buttons() -> None:
    async with SlackServer() as server:
        server.workspace.channels[CHANNEL].members.add(ASKER)
        async with running(slack_settings(server), FakeReception()) as platform:
            buttons = (Button.HELPFUL, Button.UNHELPFUL, Button.SHARE)
            await platform.post(post(buttons=buttons))
            assert await platform.find(post()) is None
        (whisper,) = server.whispers
        assert (whisper["channel"], whisper["user"]) == (CHANNEL, ASKER)
        assert whisper["text"] == "By starting."
        section, actions = whisper["blocks"]
        assert section["text"]["text"] == "By starting."
        labels = [one["text"]["text"] for one in actions["elements"]]
        assert labels == ["Helpful", "Not helpful", "Share in channel"]
        assert server.workspace.channels[CHANNEL].messages == []


async def test_where_buttons_are_refused_the_text_is_posted_alone() -> None:
    async with SlackServer() as server:
        server.workspace.channels[CHANNEL].members.add(ASKER)
        server.refused_blocks.add("actions")
        async with running(slack_settings(server), FakeReception()) as platform:
            await platform.post(post(buttons=(Button.HELPFUL,)))
        (whisper,) = server.whispers
        assert "blocks" not in whisper


async def test_who_has_left_the_channel_gets_no_reply_and_it_is_not_tried_for_ever() -> None:
    async with SlackServer() as server, running(slack_settings(server), FakeReception()) as slack:
        with pytest.raises(PlatformRefused):
            await slack.post(post())


async def test_nothing_is_asked_of_slack_about_a_thread_that_it_does_not_know() -> None:
    async with SlackServer() as server, running(slack_settings(server), FakeReception()) as slack:
        before = len(server.calls)
        message = MessageId("private:0123")
        await slack.show_working(PRIVATE, message)
        await slack.clear_working(PRIVATE, message)
        assert await slack.talk(PRIVATE, None, message, 10) == ()
        assert await slack.link(PRIVATE, message) == ""
        assert slack.draft_renderer(PRIVATE)("Some words.\n\nMore.") == ()
        assert len(server.calls) == before


async def test_after_an_absence_private_places_are_not_looked_for() -> None:
    async with SlackServer() as server:
        async with back(server, away(threads=[PRIVATE])):
            pass
        assert server.calls_of("conversations.replies") == []


async def test_a_question_that_is_shared_pings_nobody_and_is_found_again() -> None:
    async with SlackServer() as server, running(slack_settings(server), FakeReception()) as slack:
        marker, question = "a" * 24, "who is <!channel>?"

        async def share(*, doubtful: bool) -> str:
            root = await slack.share_question(
                PRIVATE, ASKER, question, marker=marker, doubtful=doubtful
            )
            assert root.thread.key == f"{CHANNEL}:{root.message}"
            assert root.channel == CHANNEL
            return root.message

        first = await share(doubtful=True)
        assert await share(doubtful=True) == first
        (shown,) = server.workspace.channels[CHANNEL].messages
        assert shown["text"] == f"<@{ASKER}> asks: who is &lt;!channel&gt;?"
        server.fail("conversations.history", api_error("missing_scope"))
        assert await share(doubtful=True) != first  # better twice than not at all


async def test_a_question_cannot_be_shared_where_the_bot_is_no_longer() -> None:
    async with SlackServer() as server, running(slack_settings(server), FakeReception()) as slack:
        server.workspace.channels[CHANNEL].members.clear()
        with pytest.raises(ThreadGone):
            await slack.share_question(PRIVATE, ASKER, "how?", marker="a" * 24, doubtful=False)
