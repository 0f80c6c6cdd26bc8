"""Acting on an answer, in Slack and on Discord: judged, asked again, stopped, handed to people."""

from core.domain import TurnId
from servers.discord_server import DiscordServer
from servers.discord_world import Channel, Json
from servers.docent_rig import docent_running
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_server import SlackServer

SECONDS = 60  #: for everything, on a machine with much to do
CHANNEL, TEAM, ASKER, OTHER = "C0GENERAL", "C0TEAM", "U0ALICE", "U0BOB"
QUESTION = "When does an access token expire?"
SLOW = Script(text="The token expires after ninety days, as far as I know. " * 40, word_seconds=0.2)


# --- Slack ----------------------------------------------------------------------------------------


async def slack_replies(slack: SlackServer, root: str, count: int) -> list[Json]:
    """The bot's replies with their buttons, once there are so many."""

    def complete() -> list[Json]:
        return [message for message in slack.thread(CHANNEL, root)[1:] if message.get("blocks")]

    await slack.wait_for(lambda: len(complete()) >= count, SECONDS)
    return complete()


async def whispered(slack: SlackServer, words: str) -> None:
    await slack.wait_for(lambda: any(words in one["text"] for one in slack.whispers), SECONDS)


async def test_an_answer_in_slack_is_judged_with_a_reason_also_after_a_restart(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    values = {**slack_values, "ENGINE": "local"}
    slack.workspace.channels[CHANNEL].members.update((ASKER, OTHER))
    async with docent_running(values) as docent:
        await slack.wait_for(lambda: slack.connections, SECONDS)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        (reply,) = await slack_replies(slack, root, 1)
        slack.press(CHANNEL, reply, "Helpful", user=OTHER)
        await whispered(slack, "Thank you")
        assert await docent.store.feedback.of(TurnId(1)) == {OTHER: ("helpful", "")}
    async with docent_running(values) as docent:
        await slack.wait_for(lambda: slack.connections, SECONDS)
        slack.press(CHANNEL, reply, "Not helpful", user=OTHER)
        (view,) = await slack.wait_for(lambda: slack.views, SECONDS)
        sent = slack.submit(view, "It does not say how to renew it.", user=OTHER)
        await slack.wait_for(lambda: sent.done.is_set(), SECONDS)
        verdict = ("unhelpful", "It does not say how to renew it.")
        assert await docent.store.feedback.of(TurnId(1)) == {OTHER: verdict}
    assert slack.violations == []


async def test_a_fallback_in_slack_is_judged_and_asked_again_by_its_asker_alone(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    slack.workspace.channels[CHANNEL].members.update((ASKER, OTHER))
    async with docent_running(slack_values) as docent:
        await slack.wait_for(lambda: slack.connections, SECONDS)
        openai.script(Script(statuses=["failed"], error_code="invalid_prompt"))
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        (fallback,) = await slack_replies(slack, root, 1)
        assert "cannot reply at this time" in fallback["text"]
        slack.press(CHANNEL, fallback, "Helpful", user=OTHER)
        await whispered(slack, "Thank you")
        assert await docent.store.feedback.of(TurnId(1)) == {OTHER: ("helpful", "")}

        slack.press(CHANNEL, fallback, "Try again", user=OTHER)
        await whispered(slack, "Only the person who asked")
        for _ in range(2):
            slack.press(CHANNEL, fallback, "Try again", user=ASKER)
        replies = await slack_replies(slack, root, 2)
        assert "ninety days" in replies[1]["text"]
        assert len(openai.sent("POST", "/responses")) == 2


async def test_ask_a_human_in_slack_tags_people_once_tells_the_team_and_makes_docent_quiet(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    slack.workspace.add_channel(TEAM)
    slack.workspace.channels[CHANNEL].members.update((ASKER, OTHER))
    people = {"HUMANS": "slack:S0TEAM, slack:U0CAROL", "TEAM_CHANNEL": f"slack:{TEAM}"}
    async with docent_running({**slack_values, **people, "ENGINE": "local"}) as docent:
        await slack.wait_for(lambda: slack.connections, SECONDS)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        (reply,) = await slack_replies(slack, root, 1)
        for _ in range(2):
            slack.press(CHANNEL, reply, "Ask a human", user=OTHER)
        (plea,) = await slack.wait_for(lambda: slack.workspace.channels[TEAM].messages, SECONDS)
        first, quoted = plea["text"].splitlines()
        assert f"/archives/{CHANNEL}/p{root.replace('.', '')}" in first
        assert quoted == f"&gt; {QUESTION}"
        await whispered(slack, "People have been called")
        tags = [one for one in slack.thread(CHANNEL, root) if "subteam" in one["text"]]
        assert [tag["text"].split(" can ")[0] for tag in tags] == ["<!subteam^S0TEAM> <@U0CAROL>"]

        # It is quiet now: a follow-up of the asker is let be, a mention is answered.
        slack.say(CHANNEL, ASKER, "And a refresh token?", thread_ts=root)
        slack.mention(CHANNEL, ASKER, QUESTION, thread_ts=root)
        await slack_replies(slack, root, 2)
        asked = [await docent.store.turns.get(TurnId(number)) for number in (1, 2, 3)]
        assert [turn.question for turn in asked if turn] == [QUESTION, QUESTION]


async def test_stop_in_slack_ends_an_answer_that_is_shown_by_editing(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    slack.streams.refusal = "feature_not_enabled"
    async with docent_running({**slack_values, "STREAMING": "true"}) as docent:
        await slack.wait_for(lambda: slack.connections, SECONDS)
        openai.script(SLOW)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        (draft,) = await slack_replies(slack, root, 1)
        slack.press(CHANNEL, draft, "Stop", user=ASKER)
        await slack.wait_for(lambda: "Stopped." in draft["text"], SECONDS)
        assert draft["text"].startswith("The token")
        assert "Helpful" in str(draft["blocks"])
        assert "docent:stop" not in str(draft["blocks"])
        turn = await docent.store.turns.get(TurnId(1))
        assert turn is not None
        assert turn.outcome == "stopped"
        cancelled = f"/responses/{turn.run}/cancel"
        await openai.wait_for("POST", cancelled)


async def test_stop_in_slack_ends_an_answer_that_slack_streams(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    async with docent_running({**slack_values, "STREAMING": "true"}) as docent:
        await slack.wait_for(lambda: slack.connections, SECONDS)
        openai.script(SLOW)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        (draft,) = await slack_replies(slack, root, 1)
        assert slack.streams.is_open(draft["ts"])
        slack.press(CHANNEL, draft, "Stop", user=ASKER)
        await slack.wait_for(lambda: "Stopped." in draft["text"], SECONDS)
        assert draft["text"].startswith("The token")
        assert "Helpful" in str(draft["blocks"])
        assert "docent:stop" not in str(draft["blocks"])
        turn = await docent.store.turns.get(TurnId(1))
        assert turn is not None
        assert turn.outcome == "stopped"
        await openai.wait_for("POST", f"/responses/{turn.run}/cancel")
        slack.workspace.channels[CHANNEL].members.add(OTHER)
        slack.press(CHANNEL, draft, "Be quiet here", user=OTHER)
        await whispered(slack, "I am quiet in this thread")


async def test_without_people_there_is_no_button_for_them_in_slack(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    async with docent_running({**slack_values, "ENGINE": "local"}):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        (reply,) = await slack_replies(slack, root, 1)
        assert "Ask a human" not in str(reply["blocks"])


async def test_ask_docent_about_this_works_inside_threads_of_slack(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    async with docent_running({**slack_values, "ENGINE": "local"}):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        root = slack.say(CHANNEL, ASKER, "Does anybody know?")
        message = slack.say(CHANNEL, ASKER, QUESTION, thread_ts=root)
        slack.message_menu("ask_docent", CHANNEL, message, user=OTHER)
        (reply,) = await slack_replies(slack, root, 1)
        assert "ninety days" in reply["text"]


# --- Discord --------------------------------------------------------------------------------------


async def discord_replies(discord: DiscordServer, thread: Channel, count: int) -> list[Json]:
    """The bot's replies with their buttons, once there are so many."""

    def complete() -> list[Json]:
        return [one for one in discord.posted(thread) if "Helpful" in str(one["components"])]

    await discord.wait_for(lambda: len(complete()) >= count, SECONDS)
    return complete()


async def asked(discord: DiscordServer, question: str = QUESTION) -> tuple[Json, Channel]:
    """A question in a channel, and the thread under it."""
    world = discord.world
    message = await discord.mention(world.channel("help"), world.user("alice"), question)
    return message, await discord.wait_for(lambda: discord.thread_under(message), SECONDS)


async def test_an_answer_on_discord_is_judged_with_a_reason_also_after_a_restart(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    values, bob = {**discord_values, "ENGINE": "local"}, discord.world.user("bob")
    async with docent_running(values):
        await discord.wait_for(lambda: discord.world.commands, SECONDS)
        _, thread = await asked(discord)
        (reply,) = await discord_replies(discord, thread, 1)
        pressed = await discord.press(reply, "Helpful", bob)
        await discord.wait_for(lambda: "Thank you" in str(pressed.texts), SECONDS)
        assert pressed.ephemeral
    async with docent_running(values) as docent:
        await discord.wait_for(lambda: discord.gateway.sessions, SECONDS)
        pressed = await discord.press(reply, "Not helpful", bob)
        await discord.wait_for(lambda: pressed.modal, SECONDS)
        sent = await discord.submit(pressed, "It does not say how to renew it.", bob)
        await discord.wait_for(lambda: sent.texts, SECONDS)
        verdict = ("unhelpful", "It does not say how to renew it.")
        assert await docent.store.feedback.of(TurnId(1)) == {str(bob.id): verdict}


async def test_a_fallback_on_discord_is_judged_and_asked_again_by_its_asker_alone(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer
) -> None:
    bob = discord.world.user("bob")
    async with docent_running(discord_values) as docent:
        await discord.wait_for(lambda: discord.world.commands, SECONDS)
        openai.script(Script(statuses=["failed"], error_code="invalid_prompt"))
        message, thread = await asked(discord)
        alice = discord.world.users[int(message["author"]["id"])]
        (fallback,) = await discord_replies(discord, thread, 1)
        assert "cannot reply at this time" in fallback["content"]
        judged = await discord.press(fallback, "Helpful", bob)
        await discord.wait_for(lambda: "Thank you" in str(judged.texts), SECONDS)
        assert await docent.store.feedback.of(TurnId(1)) == {str(bob.id): ("helpful", "")}

        refused = await discord.press(fallback, "Try again", bob)
        await discord.wait_for(lambda: "Only the person" in str(refused.texts), SECONDS)
        for _ in range(2):
            await discord.press(fallback, "Try again", alice)
        replies = await discord_replies(discord, thread, 2)
        assert "ninety days" in replies[1]["content"]
        assert len(openai.sent("POST", "/responses")) == 2


async def test_ask_a_human_on_discord_tags_people_once_tells_the_team_and_makes_docent_quiet(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    team, carol, bob = (
        discord.world.channel("team"),
        discord.world.user("carol"),
        discord.world.user("bob"),
    )
    discord.world.content_intent = True
    people = {"HUMANS": f"&77, {carol.id}", "TEAM_CHANNEL": f"discord:{team.id}"}
    values = {**discord_values, **people, "ENGINE": "local", "DISCORD_MESSAGE_CONTENT": "true"}
    async with docent_running(values) as docent:
        await discord.wait_for(lambda: discord.world.commands, SECONDS)
        message, thread = await asked(discord)
        (reply,) = await discord_replies(discord, thread, 1)
        for _ in range(2):
            await discord.press(reply, "Ask a human", bob)
        (plea,) = await discord.wait_for(lambda: discord.posted(team), SECONDS)
        assert f"/{message['channel_id']}/{message['id']}\n> {QUESTION}" in plea["content"]
        tags = [one for one in discord.posted(thread) if "<@&77>" in one["content"]]
        assert [[user["id"] for user in tag["mentions"]] for tag in tags] == [[str(carol.id)]]

        # It is quiet now: a follow-up of the asker is let be, a mention is answered.
        alice = discord.world.users[int(message["author"]["id"])]
        await discord.say(thread, alice, "And a refresh token?")
        await discord.mention(thread, alice, QUESTION)
        await discord_replies(discord, thread, 2)
        asked_for = [await docent.store.turns.get(TurnId(number)) for number in (1, 2, 3)]
        assert [turn.question for turn in asked_for if turn] == [QUESTION, QUESTION]


async def test_stop_on_discord_ends_an_answer_that_is_being_written(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer
) -> None:
    async with docent_running({**discord_values, "STREAMING": "true"}) as docent:
        await discord.wait_for(lambda: discord.world.commands, SECONDS)
        openai.script(SLOW)
        message, thread = await asked(discord)
        alice = discord.world.users[int(message["author"]["id"])]
        (draft,) = await discord.wait_for(
            lambda: [one for one in discord.posted(thread) if "token expires" in one["content"]],
            SECONDS,
        )
        pressed = await discord.press(draft, "Stop", alice)
        (reply,) = await discord_replies(discord, thread, 1)
        assert reply["id"] == draft["id"]
        assert reply["content"].startswith("The token expires")
        assert reply["content"].endswith("Stopped.")
        assert len(reply["content"]) < len(SLOW.text or "")
        assert pressed.acknowledged is not None
        turn = await docent.store.turns.get(TurnId(1))
        assert turn is not None
        assert turn.outcome == "stopped"
        run = turn.run
        await openai.wait_for("POST", f"/responses/{run}/cancel")
        silenced = await discord.press(reply, "Be quiet here", discord.world.user("bob"))
        await discord.wait_for(lambda: "I am quiet in this thread" in str(silenced.texts), SECONDS)


async def test_ask_docent_about_this_works_inside_threads_of_discord(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world = discord.world
    channel, alice, bob = world.channel("help"), world.user("alice"), world.user("bob")
    async with docent_running({**discord_values, "ENGINE": "local"}):
        await discord.wait_for(lambda: world.commands, SECONDS)
        thread = await discord.open_thread(channel, alice, "Tokens")
        message = await discord.say(thread, alice, QUESTION)
        await discord.message_menu("Ask Docent about this", message, bob)
        (reply,) = await discord_replies(discord, thread, 1)
        assert "ninety days" in reply["content"]
