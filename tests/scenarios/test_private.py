"""/ask with an answer that only its asker sees, until the asker shares it with everybody."""

import asyncio
from typing import Any

import pytest

from core.domain import MessageRef, TurnId
from servers.discord_http import Fault
from servers.discord_server import DiscordServer
from servers.discord_world import EPHEMERAL, LOADING, Channel, Json
from servers.docent_rig import docent_running
from servers.openai_runs import Pace, Script
from servers.openai_server import OpenAIServer
from servers.slack_faults import api_error
from servers.slack_server import SlackServer

SECONDS = 60  #: for everything, on a machine with much to do
CHANNEL, ASKER = "C0GENERAL", "U0ALICE"
QUESTION = "When does an access token expire?"
RESPONSE = "/webhooks/{application}/{token}/messages/@original"
MESSAGES = "/channels/{channel}/messages"
PRIVATE = {"ASK": "private", "ENGINE": "local"}


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nobody_sees_a_private_answer_being_written(
    people: Any, people_values: dict[str, str], openai: OpenAIServer
) -> None:
    paces = [Pace(10), Pace(10)]
    said = "The token expires " + "after many " * 20 + "days."
    openai.script(*[Script(statuses=["queued", "completed"], text=said, pace=p) for p in paces])
    async with docent_running(people_values | {"ASK": "private", "STREAMING": "true"}):
        await people.ready()
        await people.ask_in_private(people.alice, QUESTION)
        await openai.wait_for("POST", "/responses")
        await people.ask(people.bob, QUESTION)
        (draft,) = await people.replied(1)
        assert "days." not in draft
        # Begun before, and with as many words: those would have been seen by now.
        assert people.answers_in_private() == []
        for pace in paces:
            pace.finish()
        await people.dressed(1)
        (answer,) = await people.server.wait_for(people.answers_in_private, SECONDS)
        assert answer.endswith("days.")
    if people.name == "slack":  # where nothing else can be said in private
        calls = [call.args for call in people.server.calls]
        assert {args["thread_ts"] for args in calls if "thread_ts" in args} == {people.root}


# --- Slack ----------------------------------------------------------------------------------------


async def asked_in_slack(slack: SlackServer, count: int = 1) -> Json:
    """Ask, and wait for the answer; as the asker sees it."""
    await slack.wait_for(lambda: slack.connections, SECONDS)
    slack.slash("/ask", QUESTION, channel=CHANNEL, user=ASKER)

    def answers() -> list[Json]:
        return [one for one in slack.whispers if "Share in channel" in str(one.get("blocks"))]

    await slack.wait_for(lambda: len(answers()) == count, SECONDS)
    return answers()[-1]


async def told_in_slack(slack: SlackServer, words: str) -> None:
    await slack.wait_for(lambda: any(words in one["text"] for one in slack.whispers), SECONDS)


async def test_an_answer_to_ask_in_slack_is_private_until_it_is_shared_once(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    values = slack_values | PRIVATE
    async with docent_running(values):
        whispered = await asked_in_slack(slack)
        assert (whispered["channel"], whispered["user"]) == (CHANNEL, ASKER)
        assert "ninety days" in whispered["text"]
        assert "https://docs.example.com/tokens" in whispered["text"]
        assert slack.workspace.channels[CHANNEL].messages == []
    async with docent_running(values) as docent:  # a restart, and presses of all that was before
        await slack.wait_for(lambda: slack.connections, SECONDS)
        for _ in range(2):
            slack.press(CHANNEL, whispered, "Share in channel", user=ASKER)
        await told_in_slack(slack, "It has been shared here already")
        await slack.wait_for(lambda: len(slack.workspace.channels[CHANNEL].messages) > 1, SECONDS)
        root, reply = slack.workspace.channels[CHANNEL].messages
        assert root["text"] == f"<@{ASKER}> asks: {QUESTION}"
        assert reply["thread_ts"] == root["ts"]
        assert reply["text"] == whispered["text"]
        assert "Helpful" in str(reply["blocks"])
        assert "Share in channel" not in str(reply["blocks"])

        # The thread goes on as any other.
        slack.say(CHANNEL, ASKER, "And how do I renew it?", thread_ts=root["ts"])
        await slack.wait_for(lambda: len(slack.workspace.channels[CHANNEL].messages) > 3, SECONDS)
        async with asyncio.timeout(SECONDS):
            await docent.loop.idle.wait()
        usage = await docent.store.gaps.usage(0.0, 1e12)
        assert usage.questions == 2  # what was shared was asked once
    assert slack.violations == []
    assert slack.unknown_args == []


async def test_what_is_asked_again_in_private_is_answered_in_private_in_slack(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    async with docent_running(slack_values | PRIVATE):
        whispered = await asked_in_slack(slack)
        slack.press(CHANNEL, whispered, "Try again", user=ASKER)
        answers = await slack.wait_for(
            lambda: [one for one in slack.whispers if "ninety days" in one["text"]][1:], SECONDS
        )
        assert [one["user"] for one in answers] == [ASKER]
        slack.press(CHANNEL, whispered, "Not helpful", user=ASKER)
        (view,) = await slack.wait_for(lambda: slack.views, SECONDS)
        sent = slack.submit(view, "It is too short.", user=ASKER)
        await slack.wait_for(lambda: sent.done.is_set(), SECONDS)
        await told_in_slack(slack, "helps to mend")
        assert slack.workspace.channels[CHANNEL].messages == []


async def test_where_docent_may_not_write_in_slack_the_asker_is_told_and_may_share_later(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    async with docent_running(slack_values | PRIVATE):
        whispered = await asked_in_slack(slack)
        slack.fail("chat.postMessage", api_error("restricted_action"))
        slack.press(CHANNEL, whispered, "Share in channel", user=ASKER)
        await told_in_slack(slack, "I could not share your answer")
        assert slack.workspace.channels[CHANNEL].messages == []
        slack.press(CHANNEL, whispered, "Share in channel", user=ASKER)
        await slack.wait_for(lambda: len(slack.workspace.channels[CHANNEL].messages) > 1, SECONDS)
    assert slack.violations == []


# --- Discord --------------------------------------------------------------------------------------


def buttons(message: Json | None) -> str:
    return str((message or {}).get("components"))


async def test_an_answer_to_ask_on_discord_is_private_until_it_is_shared_once(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world, values = discord.world, discord_values | PRIVATE
    alice, channel = world.user("alice"), world.channel("help")
    async with docent_running(values) as docent:
        await discord.wait_for(lambda: world.commands, SECONDS)
        asked = await discord.slash("ask", alice, channel, {"question": QUESTION})
        await discord.wait_for(lambda: "Share in channel" in buttons(asked.message), SECONDS)
        assert asked.ephemeral
        assert "ninety days" in asked.texts[-1]
        assert "https://docs.example.com/tokens" in asked.texts[-1]
        assert discord.posted(channel) == []
        turn = await docent.store.turns.get(TurnId(1))
        assert turn is not None
    assert asked.message is not None
    async with docent_running(values):
        await discord.wait_for(lambda: discord.gateway.sessions, SECONDS)
        presses = [await discord.press(asked.message, "Share in channel", alice) for _ in range(2)]
        said = "It has been shared here already"
        await discord.wait_for(lambda: said in str([one.texts for one in presses]), SECONDS)
        (root,) = await discord.wait_for(lambda: discord.posted(channel), SECONDS)
        assert root["content"] == f"<@{alice.id}> asks: {QUESTION}"
        assert root["mentions"] == []
        thread: Channel = await discord.wait_for(lambda: discord.thread_under(root), SECONDS)
        (reply,) = await discord.wait_for(lambda: discord.posted(thread), SECONDS)
        assert reply["content"] == asked.texts[-1]
        assert "Helpful" in buttons(reply)
        assert "Share" not in buttons(reply)
        assert len(discord.posted(channel)) == 1


async def test_what_is_asked_again_in_private_is_answered_in_private_on_discord(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    """Within a thread, whose own conversation is another one."""
    world = discord.world
    alice, channel = world.user("alice"), world.channel("help")
    async with docent_running(discord_values | PRIVATE) as docent:
        await discord.wait_for(lambda: world.commands, SECONDS)
        thread = await discord.open_thread(channel, alice, "Tokens")
        asked = await discord.slash("ask", alice, thread, {"question": QUESTION})
        await discord.wait_for(lambda: "Share in channel" in buttons(asked.message), SECONDS)
        assert asked.message is not None
        again = await discord.press(asked.message, "Try again", alice)
        await discord.wait_for(lambda: "Share in channel" in buttons(again.message), SECONDS)
        assert again.ephemeral
        assert again.message is not None
        await discord.press(again.message, "Share in channel", alice)
        root, reply = await discord.wait_for(
            lambda: discord.posted(thread) if len(discord.posted(thread)) > 1 else None, SECONDS
        )
        assert root["content"] == f"<@{alice.id}> asks: {QUESTION}"
        assert "ninety days" in reply["content"]
        pressed = await discord.press(again.message, "Not helpful", alice)
        await discord.wait_for(lambda: pressed.modal, SECONDS)
        sent = await discord.submit(pressed, "It is too short.", alice)
        await discord.wait_for(lambda: "helps to mend" in str(sent.texts), SECONDS)
        verdict = {str(alice.id): ("unhelpful", "It is too short.")}
        assert await docent.store.feedback.of(TurnId(2)) == verdict


async def test_the_asker_sees_on_discord_that_a_private_answer_is_being_written(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer
) -> None:
    openai.script(Script(statuses=["in_progress"] * 1_000))
    alice, channel = discord.world.user("alice"), discord.world.channel("help")
    async with docent_running(discord_values | {"ASK": "private"}):
        await discord.wait_for(lambda: discord.world.commands, SECONDS)
        asked = await discord.slash("ask", alice, channel, {"question": QUESTION})
        await openai.wait_for("GET", "/responses/*")
        await discord.wait_for(lambda: asked.message, SECONDS)
        assert asked.message is not None
        assert asked.message["flags"] & (EPHEMERAL | LOADING) == EPHEMERAL | LOADING


async def test_a_restart_still_answers_in_private_on_discord_and_keeps_no_token(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world, values = discord.world, discord_values | PRIVATE
    alice, channel = world.user("alice"), world.channel("help")
    discord.fail("PATCH", RESPONSE, *[Fault(drop="after")] * 3)
    async with docent_running(values):
        await discord.wait_for(lambda: world.commands, SECONDS)
        asked = await discord.slash("ask", alice, channel, {"question": QUESTION})
        await discord.wait_for(lambda: len(discord.calls("PATCH", RESPONSE)) > 1, SECONDS)
    async with docent_running(values) as docent:
        await discord.wait_for(lambda: len(discord.calls("PATCH", RESPONSE)) > 3, SECONDS)
        async with asyncio.timeout(SECONDS):
            await docent.loop.idle.wait()
        turn = await docent.store.turns.get(TurnId(1))
        assert turn is not None
        question = MessageRef(
            platform="discord",
            tenant=turn.thread.tenant,
            channel=turn.channel,
            message=turn.message,
        )
        assert await docent.store.tokens.get(question) is None
    assert len(set(asked.texts)) == 1  # in the same place each time
    assert asked.follow_ups == []
    assert discord.posted(world.direct(alice)) == []


async def test_an_answer_that_comes_too_late_goes_to_the_asker_directly_on_discord(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world = discord.world
    alice, bob, channel = world.user("alice"), world.user("bob"), world.channel("help")
    bob.takes_messages = False
    discord.fail("PATCH", RESPONSE, *[Fault(drop="before")] * 4)
    async with docent_running(discord_values | PRIVATE) as docent:
        await discord.wait_for(lambda: world.commands, SECONDS)
        asked = [
            await discord.slash("ask", person, channel, {"question": QUESTION})
            for person in (alice, bob)
        ]
        await discord.wait_for(lambda: len(discord.calls("PATCH", RESPONSE)) > 2, SECONDS)
        for one in asked:
            one.expired = True
        (reply,) = await discord.wait_for(lambda: discord.posted(world.direct(alice)), SECONDS)
        assert reply["content"].startswith(f"-# You asked in <#{channel.id}>\n")
        assert "ninety days" in reply["content"]
        assert reply["components"] == []
        async with asyncio.timeout(SECONDS):
            await docent.loop.idle.wait()
        ends = [await docent.store.turns.get(TurnId(number)) for number in (1, 2)]
        assert {turn.outcome for turn in ends if turn} == {"answered", "thread_gone"}
    assert discord.posted(channel) == []


async def test_where_docent_may_not_write_on_discord_the_asker_is_told_and_may_share_later(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world = discord.world
    alice, channel = world.user("alice"), world.channel("help")
    async with docent_running(discord_values | PRIVATE):
        await discord.wait_for(lambda: world.commands, SECONDS)
        asked = await discord.slash("ask", alice, channel, {"question": QUESTION})
        await discord.wait_for(lambda: "Share in channel" in buttons(asked.message), SECONDS)
        assert asked.message is not None
        discord.fail("POST", MESSAGES, Fault(status=403, code=50013))
        await discord.press(asked.message, "Share in channel", alice)
        (told,) = await discord.wait_for(lambda: discord.posted(world.direct(alice)), SECONDS)
        assert "I could not share your answer" in told["content"]
        assert discord.posted(channel) == []
        await discord.press(asked.message, "Share in channel", alice)
        await discord.wait_for(lambda: discord.posted(channel), SECONDS)
    assert "ninety days" in asked.texts[-1]  # what was told did not take its place
