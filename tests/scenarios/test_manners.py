"""When Docent speaks and when it keeps out of it, on both platforms: each sentence once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bots.app import Docent
from core.domain import TurnId
from core.replies import QUIET
from servers.discord_server import DiscordServer
from servers.docent_rig import docent_running
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.people import Discord, Slack
from servers.slack_server import BOT_USER, SlackServer

CHANNEL = "C0GENERAL"
ALICE, BOB = "U0ALICE", "U0BOB"
QUESTION = "When does an access token expire?"
FOLLOW_UP = "And how do I renew an access token?"
ANSWER = "ninety days"
SECONDS = 60.0


@pytest.fixture
def values(people_values: dict[str, str]) -> dict[str, str]:
    """Settings with which people are answered by the local engine."""
    return {**people_values, "ENGINE": "local"}


async def test_later_messages_in_the_thread_need_no_mention(
    people: Any, values: dict[str, str]
) -> None:
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await people.say(people.alice, FOLLOW_UP)
        replies = await people.replied(2)
        assert ANSWER in replies[0]
        assert "Account" in replies[1]


async def test_with_follow_ups_switched_off_they_do(people: Any, values: dict[str, str]) -> None:
    async with docent_running({**values, "FOLLOW_UPS": "mention"}):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await people.say(people.alice, "This is not for the bot")
        await people.heard_all()
        await people.ask(people.alice, "thanks")
        assert (await people.replied(2))[1] == "You're welcome!"


async def test_what_is_said_to_somebody_else_is_left_to_them_until_the_next_mention(
    people: Any, values: dict[str, str]
) -> None:
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await people.say(people.alice, "is that right?", to=people.bob)
        await people.heard_all()
        await people.say(people.alice, QUESTION)
        await people.heard_all()
        await people.ask(people.alice, "thanks")
        assert (await people.replied(2))[1] == "You're welcome!"
        await people.say(people.alice, FOLLOW_UP)
        assert "Account" in (await people.replied(3))[2]


async def test_people_who_join_in_take_the_thread_over_until_the_next_mention(
    people: Any, values: dict[str, str]
) -> None:
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await people.say(people.bob, "I can tell you that")
        await people.heard_all()
        await people.say(people.alice, QUESTION)
        await people.heard_all()
        await people.ask(people.bob, "thanks")
        assert (await people.replied(2))[1] == "You're welcome!"
        await people.say(people.bob, FOLLOW_UP)
        assert "Account" in (await people.replied(3))[2]


async def is_quiet(docent: Docent) -> None:
    """Wait until it is on record that nothing is to be said in the thread of the first question."""
    turn = await docent.store.turns.get(TurnId(1))
    assert turn is not None
    async with asyncio.timeout(SECONDS):
        while True:
            standing = await docent.store.standings.of(turn.thread, turn.author)
            if standing is not None and standing.quiet:
                return


async def test_that_people_took_over_outlives_a_restart(
    people: Any, values: dict[str, str]
) -> None:
    async with docent_running(values) as docent:
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await people.say(people.bob, "I can tell you that")
        await is_quiet(docent)
    async with docent_running(values):
        await people.ready()
        await people.say(people.alice, QUESTION)
        await people.heard_all()
        await people.ask(people.alice, "thanks")
        assert (await people.replied(2))[1] == "You're welcome!"


async def test_an_idle_thread_is_left_alone(
    people: Any, values: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with docent_running({**values, "FOLLOW_UPS_FOR": "1d"}) as docent:
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await docent.loop.idle.wait()  # the reply is on record
        async with docent.store._database.write() as connection:  # as if it were long ago
            await connection.exec_driver_sql(
                "UPDATE turns SET asked_at = asked_at - 90000, finished_at = asked_at - 90000"
            )
        await people.say(people.alice, QUESTION)
        await people.heard_all()
        await people.ask(people.alice, "thanks")
        assert (await people.replied(2))[1] == "You're welcome!"


async def test_stop_ends_what_is_under_way_and_silences_until_a_mention(
    people: Any, values: dict[str, str], openai: OpenAIServer
) -> None:
    openai.script(Script(statuses=["in_progress"]))
    async with docent_running({**values, "ENGINE": "openai", "STREAMING": "false"}):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await openai.wait_for("POST", "/responses")
        await people.ask(people.bob, "Stop!")
        assert await people.replied(1) == [QUIET]
        await openai.wait_for("POST", "/responses/*/cancel")
        await people.say(people.alice, QUESTION)
        await people.heard_all()
        await people.ask(people.alice, QUESTION)
        assert ANSWER in (await people.replied(2))[1]


async def test_stop_takes_an_answer_away_while_it_is_being_written(
    people: Any, values: dict[str, str], openai: OpenAIServer
) -> None:
    words = "The token expires after ninety days, as far as I know. " * 40
    openai.script(Script(text=words, word_seconds=0.2))
    async with docent_running({**values, "ENGINE": "openai", "STREAMING": "true"}):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        (draft,) = await people.replied(1)
        assert draft in words
        await people.ask(people.bob, "Stop!")
        await openai.wait_for("POST", "/responses/*/cancel")
        await people.server.wait_for(lambda: people.replies() == [QUIET], SECONDS)


async def test_an_edit_of_a_follow_up_counts_while_it_waits(
    people: Any, values: dict[str, str], openai: OpenAIServer
) -> None:
    async with docent_running({**values, "ENGINE": "openai", "STREAMING": "false"}):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        openai.script(Script(statuses=["in_progress"]))
        edit = await said_and_to_be_edited(people, "And how do I isntall Acme?")
        await openai.wait_for("POST", "/responses", 2)
        await edit("And how do I install Acme?")
        assert "pip install acme" in (await people.replied(2))[1]


async def said_and_to_be_edited(people: Any, text: str) -> Callable[[str], Any]:
    """Say something; what edits it."""
    if isinstance(people, Discord):
        message = await people.say(people.alice, text)
        return lambda new: people.server.edit(message, new)
    ts = people.server.say(CHANNEL, people.alice, text, thread_ts=people.root)

    async def edit(new: str) -> None:
        people.server.edit(CHANNEL, ts, new)

    return edit


async def test_follow_ups_that_came_while_it_was_away_are_answered(
    people: Any, values: dict[str, str]
) -> None:
    async with docent_running(values) as docent:
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await docent.loop.idle.wait()
    await people.say(people.alice, FOLLOW_UP)
    async with docent_running(values):
        assert "Account" in (await people.replied(2))[1]


async def test_without_the_intent_people_are_told_once_how_to_go_on(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    people = Discord(discord)
    values = {**discord_values, "ENGINE": "local"}
    for count in (2, 3):  # also after a restart
        async with docent_running(values):
            await people.ready()
            if people.thread is None:
                await people.ask(people.alice, QUESTION)
                await people.replied(1)
            await people.say(people.alice, FOLLOW_UP)
            replies = await people.replied(2)
            assert "I cannot read this message. Please mention me in it" in replies[1]
            await people.ask(people.alice, "thanks")
            assert (await people.replied(count + 1))[-1] == "You're welcome!"
    hints = [one for one in people.replies() if "I cannot read this message" in one]
    assert len(hints) == 1


# --- who is answered ------------------------------------------------------------------------------


async def test_bots_are_answered_where_they_are_allowed_and_three_times_in_a_row_at_most(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    people = Slack(slack)
    values = {**slack_values, "ENGINE": "local", "ALLOW_BOTS": "slack:B0HELPER"}
    async with docent_running(values):
        await people.ready()
        stranger = f"<@{BOT_USER}> {QUESTION}"
        slack.say(CHANNEL, "U0OTHER", stranger, bot_id="B0OTHER", app_id="A0OTHER")
        people.root = slack.say(CHANNEL, ALICE, "Let us ask the bots")
        for _ in range(5):
            helper = {"bot_id": "B0HELPER", "app_id": "A0HELPER", "thread_ts": people.root}
            slack.say(CHANNEL, "U0HELPER", f"<@{BOT_USER}> {QUESTION}", **helper)
            await people.heard_all()
        await people.ask(people.alice, "thanks")
        await slack.wait_for(lambda: "You're welcome!" in people.replies(), SECONDS)
    replies = people.replies()
    answers = sum(reply.count(ANSWER) for reply in replies)
    assert 1 <= answers <= 3  # those that waited were answered together
    assert len(slack.workspace.channels[CHANNEL].messages) == 1 + 1 + 5 + 1 + len(replies)


async def test_a_bot_is_answered_in_discord_where_it_is_allowed_and_three_times_in_a_row_at_most(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world = discord.world
    channel, other = world.channel("help"), world.user("other", bot=True)
    helper, alice = world.user("helper", bot=True), world.user("alice")
    values = {**discord_values, "ENGINE": "local", "ALLOW_BOTS": f"discord:{helper.id}"}
    async with docent_running(values):
        await discord.wait_for(lambda: world.commands, SECONDS)
        ignored = await discord.mention(channel, other, QUESTION)
        taken = await discord.mention(channel, helper, QUESTION)
        thread = await discord.wait_for(lambda: discord.thread_under(taken), SECONDS)
        for count in (1, 2, 3):  # then nobody hears it any more, until a person has spoken
            await discord.wait_for(lambda n=count: len(discord.posted(thread)) == n, SECONDS)
            await discord.mention(thread, helper, QUESTION)
        await discord.mention(thread, helper, QUESTION)
        await discord.mention(thread, alice, "thanks")
        await discord.wait_for(lambda: "You're welcome!" in thread.texts(), SECONDS)
    replies = [str(message["content"]) for message in discord.posted(thread)]
    assert [ANSWER in reply for reply in replies] == [True, True, True, False]
    assert discord.thread_under(ignored) is None


@pytest.mark.parametrize("allowed", [False, True])
async def test_guests_and_outsiders_get_an_answer_only_where_that_is_allowed(
    slack_values: dict[str, str], slack: SlackServer, allowed: bool
) -> None:
    slack.workspace.profiles[ALICE] = {"is_restricted": True}
    slack.workspace.profiles[BOB] = {"team_id": "T0OTHERS"}
    slack.workspace.shared.add(CHANNEL)
    values = {**slack_values, "ENGINE": "local", "ALLOW_EXTERNAL": str(allowed).lower()}
    async with docent_running(values):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        roots = [slack.mention(CHANNEL, person, QUESTION) for person in (ALICE, BOB)]
        slack.mention(CHANNEL, ALICE, QUESTION)
        if allowed:
            await slack.wait_for(
                lambda: all(len(slack.thread(CHANNEL, root)) > 1 for root in roots), SECONDS
            )
            assert slack.whispers == []
        else:
            await slack.wait_for(lambda: len(slack.whispers) == 2, SECONDS)
            root = slack.mention(CHANNEL, "U0CAROL", "thanks")
            await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) > 1, SECONDS)
            assert [len(slack.thread(CHANNEL, root)) for root in roots] == [1, 1]
            said = "I answer members of this organisation only."
            assert {(one["user"], one["text"]) for one in slack.whispers} == {
                (ALICE, said),
                (BOB, said),
            }


async def test_channels_that_are_not_on_the_list_get_no_answer_in_slack(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    slack.workspace.add_channel("C0OTHER")
    values = {**slack_values, "ENGINE": "local", "ALLOW_CHANNELS": f"slack:{CHANNEL}"}
    async with docent_running(values):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        for _ in range(2):
            slack.mention("C0OTHER", ALICE, QUESTION)
        await slack.wait_for(lambda: slack.whispers, SECONDS)
        root = slack.mention(CHANNEL, ALICE, QUESTION)
        await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) > 1, SECONDS)
    whisper = {"channel": "C0OTHER", "user": ALICE, "text": "I do not answer in this channel."}
    assert slack.whispers == [whisper]
    assert len(slack.workspace.channels["C0OTHER"].messages) == 2


async def test_servers_channels_and_roles_that_are_not_on_the_list_get_none_in_discord(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world = discord.world
    team = world.role("team")
    channel, other = world.channel("help"), world.channel("other")
    elsewhere = world.channel("elsewhere", guild=world.add_guild())
    alice, bob = world.user("alice"), world.user("bob")
    alice.roles = (team,)
    values = {
        **discord_values,
        "ENGINE": "local",
        "ALLOW_GUILDS": str(world.guild),
        "ALLOW_CHANNELS": f"discord:{channel.id}",
        "ALLOW_ROLES": str(team),
    }
    async with docent_running(values):
        await discord.wait_for(lambda: world.commands, SECONDS)
        await discord.mention(elsewhere, alice, QUESTION)
        await discord.mention(other, alice, QUESTION)
        await discord.wait_for(lambda: discord.posted(world.direct(alice)), SECONDS)
        await discord.mention(channel, bob, QUESTION)
        await discord.wait_for(lambda: discord.posted(world.direct(bob)), SECONDS)
        message = await discord.mention(channel, alice, QUESTION)
        thread = await discord.wait_for(lambda: discord.thread_under(message), SECONDS)
        await discord.wait_for(lambda: discord.posted(thread), SECONDS)
        # A thread counts as the channel that it hangs in.
        await discord.mention(thread, alice, FOLLOW_UP)
        await discord.wait_for(lambda: len(discord.posted(thread)) == 2, SECONDS)
    assert world.direct(alice).texts() == ["I do not answer in this channel."]
    (said,) = world.direct(bob).texts()
    assert said.startswith("I answer people with certain roles only")
    assert discord.posted(other) == discord.posted(elsewhere) == []


async def test_direct_messages_can_be_switched_off_in_slack(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    values = {**slack_values, "ENGINE": "local", "DIRECT_MESSAGES": "false"}
    async with docent_running(values):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        slack.dm(ALICE, QUESTION)
        direct = slack.workspace.direct(ALICE)
        await slack.wait_for(lambda: len(direct.messages) == 2, SECONDS)
    assert direct.messages[1]["text"].startswith("I do not answer direct messages.")


async def test_direct_messages_can_be_switched_off_in_discord(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    alice = discord.world.user("alice")
    values = {**discord_values, "ENGINE": "local", "DIRECT_MESSAGES": "false"}
    async with docent_running(values):
        await discord.wait_for(lambda: discord.world.commands, SECONDS)
        await discord.dm(alice, QUESTION)
        direct = discord.world.direct(alice)
        await discord.wait_for(lambda: discord.posted(direct), SECONDS)
    assert direct.texts()[1].startswith("I do not answer direct messages.")
