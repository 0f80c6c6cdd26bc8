"""What happens to questions in Slack while Docent is away, and to those that people change."""

from servers.docent_rig import docent_running
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_server import BOT_USER, SlackServer

CHANNEL = "C0GENERAL"
ASKER = "U0ALICE"
QUESTION = "When does an access token expire?"


def of_the_bot(slack: SlackServer, channel: str, root: str) -> list[str]:
    """The bot's texts under a root message."""
    return [m["text"] for m in slack.thread(channel, root)[1:] if "bot_id" in m]


async def test_what_was_asked_while_docent_was_away_is_answered_once(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    values = {**slack_values, "ENGINE": "local"}
    async with docent_running(values):
        await slack.wait_for(lambda: slack.connections)
        talk = slack.mention(CHANNEL, ASKER, QUESTION)
        await slack.wait_for(lambda: of_the_bot(slack, CHANNEL, talk))

    slack.mention(CHANNEL, ASKER, "Do tokens expire?", thread_ts=talk)
    root = slack.mention(CHANNEL, ASKER, QUESTION)
    direct = slack.dm(ASKER, QUESTION)
    where = slack.workspace.direct(ASKER).id
    assert len(slack.lost) == 5

    for _ in range(2):  # the second start finds them again, and answers nothing twice
        async with docent_running(values):
            await slack.wait_for(lambda: slack.connections)
            live = slack.mention(CHANNEL, ASKER, QUESTION)
            for channel, thread, count in (
                (CHANNEL, talk, 2),
                (CHANNEL, root, 1),
                (where, direct, 1),
                (CHANNEL, live, 1),
            ):
                await slack.wait_for(
                    lambda channel=channel, thread=thread, count=count: (
                        len(of_the_bot(slack, channel, thread)) >= count
                    ),
                    15,
                )
    assert len(of_the_bot(slack, CHANNEL, talk)) == 2
    for channel, thread in ((CHANNEL, root), (where, direct), (CHANNEL, live)):
        (answer,) = of_the_bot(slack, channel, thread)
        assert "ninety days" in answer
    assert slack.hanging == {}


async def test_a_question_that_is_deleted_before_its_answer_gets_none(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    openai.script(Script(statuses=["in_progress"] * 1_000))
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections)
        root = slack.say(CHANNEL, ASKER, "A word on tokens.")
        asked = slack.mention(CHANNEL, ASKER, QUESTION, thread_ts=root)
        await slack.wait_for(lambda: slack.hanging)
        await openai.wait_for("GET", "/responses/*", within=15)
        slack.delete(CHANNEL, asked)
        await slack.wait_for(lambda: not slack.hanging)

        # The next one is not held up by it.
        slack.mention(CHANNEL, ASKER, QUESTION, thread_ts=root)
        await slack.wait_for(lambda: of_the_bot(slack, CHANNEL, root))
    assert len(of_the_bot(slack, CHANNEL, root)) == 1


async def test_a_mention_that_is_added_by_an_edit_is_answered(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    async with docent_running({**slack_values, "ENGINE": "local"}):
        await slack.wait_for(lambda: slack.connections)
        root = slack.say(CHANNEL, ASKER, QUESTION)
        slack.edit(CHANNEL, root, f"<@{BOT_USER}> {QUESTION}")
        await slack.wait_for(lambda: of_the_bot(slack, CHANNEL, root))
        (answer,) = of_the_bot(slack, CHANNEL, root)
    assert "ninety days" in answer
