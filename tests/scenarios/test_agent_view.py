"""Slack's agent view: questions to begin with, an answer, and a title for its thread."""

from servers.docent_rig import docent_running
from servers.slack_agent import SCOPE
from servers.slack_server import SlackServer

SECONDS = 60
ASKER = "U0ALICE"
QUESTION = "When does an access token expire?"


async def replied(slack: SlackServer, channel: str, root: str) -> str:
    thread = await slack.wait_for(lambda: slack.thread(channel, root)[1:], SECONDS)
    await slack.wait_for(lambda: "ninety days" in thread[0]["text"], SECONDS)
    return str(thread[0]["text"])


async def test_a_suggested_question_in_the_agent_view_is_answered_in_a_thread_with_a_title(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    slack.scopes.add(SCOPE)
    values = {**slack_values, "ENGINE": "local", "SUGGESTED_PROMPTS": f"{QUESTION}\nHow much?"}
    channel = slack.workspace.direct(ASKER).id
    async with docent_running(values) as docent:
        await slack.wait_for(lambda: slack.connections, SECONDS)
        slack.open_home(ASKER)
        prompts = await slack.wait_for(lambda: slack.agent_view.prompts.get(channel), SECONDS)
        assert [prompt["message"] for prompt in prompts] == [QUESTION, "How much?"]
        assert await docent.store.turns.heads() == []

        root = slack.dm(ASKER, prompts[0]["message"])
        await replied(slack, channel, root)
        await slack.wait_for(lambda: slack.agent_view.titles, SECONDS)
        assert slack.agent_view.titles == {(channel, root): QUESTION}
    assert slack.unknown_args == []


async def test_direct_messages_are_answered_as_ever_by_an_app_that_is_no_agent(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    channel = slack.workspace.direct(ASKER).id
    async with docent_running({**slack_values, "ENGINE": "local"}):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        for _ in range(2):
            await replied(slack, channel, slack.dm(ASKER, QUESTION))
    assert slack.agent_view.titles == {}
    assert slack.calls_of("assistant.threads.setTitle")  # which was refused
