"""The main job in Slack: real SDKs over sockets, from a mention to its threaded answer."""

from pathlib import Path

from servers.docent_rig import OLD_PAGES, docent_running, remove_docs, unseen, write_docs
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_deliveries import Delivery
from servers.slack_server import SlackServer

CHANNEL = "C0GENERAL"
ASKER = "U0ALICE"
ADMIN = "U0ADMIN"


async def replies(slack: SlackServer, root: str, count: int) -> list[str]:
    """The bot's texts under a root message, once there are so many."""

    def of_the_bot() -> list[str]:
        return [
            message["text"] for message in slack.thread(CHANNEL, root)[1:] if "bot_id" in message
        ]

    await slack.wait_for(lambda: len(of_the_bot()) >= count)
    return of_the_bot()


def told(slack: SlackServer, command: Delivery) -> str:
    """All that the person was told of a refresh, wherever that was."""
    direct = slack.workspace.direct(command.payload["user_id"])
    return str([command.reply, slack.answers(command), direct.messages])


async def test_the_main_job(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer, documentation: Path
) -> None:
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections)

        # An admin refreshes the documentation; somebody else is told how to become one.
        refused = slack.slash("/refresh-docs", "", channel=CHANNEL, user=ASKER)
        await slack.wait_for(lambda: "slack:U0ALICE" in told(slack, refused))
        write_docs(documentation, {"limits.md": "# Limits\n\nA project holds forty members.\n"})
        command = slack.slash("/refresh-docs", "", channel=CHANNEL, user=ADMIN)
        await slack.wait_for(lambda: "1 added, 0 changed" in told(slack, command))

        # A mention is answered in its thread, with a link to the page.
        root = slack.mention(CHANNEL, ASKER, "When does an access token expire?")
        (answer,) = await replies(slack, root, 1)
        assert "ninety days" in answer
        assert "<https://docs.example.com/tokens|Access tokens>" in answer

        # Asked again in the thread, it is the same conversation.
        slack.mention(CHANNEL, ASKER, "How many members does a project hold?", thread_ts=root)
        answer = (await replies(slack, root, 2))[1]
        assert "forty members" in answer
        created = openai.sent("POST", "/responses")
        assert created[0].json["conversation"] == created[1].json["conversation"]

        # A run that fails brings the fallback, with the pages that may help.
        openai.script(Script(statuses=["failed"], error_code="invalid_prompt"))
        slack.mention(CHANNEL, ASKER, "How do I renew an access token?", thread_ts=root)
        fallback = (await replies(slack, root, 3))[2]
        assert fallback.startswith("I cannot reply at this time. Reach out to the team on Discord")
        assert slack_values["DISCORD_INVITE_URL"] in fallback
        assert "https://docs.example.com/tokens" in fallback

        # And nothing is left behind.
        await slack.wait_for(lambda: slack.status(CHANNEL, root) == "")
        posts = [post["channel"] for post in slack.calls_of("chat.postMessage")]
        assert posts.count(CHANNEL) == 3
        assert slack.violations == []


async def test_a_vector_store_that_was_deleted_is_filled_again_by_the_next_refresh(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    async with docent_running(slack_values) as docent:
        await slack.wait_for(lambda: slack.connections)
        openai.vector_stores.all.clear()
        report = await docent.refresher.refresh(unseen)
        assert (report.unchanged, report.failed) == (2, ())
        root = slack.mention(CHANNEL, ASKER, "When does an access token expire?")
        assert "ninety days" in (await replies(slack, root, 1))[0]


async def test_a_direct_message_is_answered_under_it_and_a_file_is_said_to_be_unread(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    async with docent_running({**slack_values, "ENGINE": "local"}):
        await slack.wait_for(lambda: slack.connections)
        root = slack.dm(ASKER, "When does an access token expire?", files=["trace.log"])
        channel = slack.workspace.direct(ASKER).id
        await slack.wait_for(lambda: len(slack.thread(channel, root)) > 1)
        reply = slack.thread(channel, root)[1]["text"]
        assert "ninety days" in reply
        assert "trace.log" in reply


async def test_ask_puts_the_question_into_the_channel_and_answers_under_it(
    slack_values: dict[str, str], slack: SlackServer
) -> None:
    async with docent_running({**slack_values, "ENGINE": "local"}):
        await slack.wait_for(lambda: slack.connections)
        slack.slash("/ask", "When does an access token expire?", channel=CHANNEL, user=ASKER)
        await slack.wait_for(lambda: len(slack.calls_of("chat.postMessage")) == 2)
        question, answer = slack.workspace.channels[CHANNEL].messages
        assert "When does an access token expire?" in question["text"]
        assert answer["thread_ts"] == question["ts"]
        assert "ninety days" in answer["text"]


async def test_pages_that_are_gone_stay_until_an_admin_presses_the_button(
    slack_values: dict[str, str], slack: SlackServer, documentation: Path
) -> None:
    write_docs(documentation, OLD_PAGES)
    async with docent_running({**slack_values, "ENGINE": "local"}) as docent:
        await slack.wait_for(lambda: slack.connections)
        remove_docs(documentation, OLD_PAGES)
        command = slack.slash("/refresh-docs", "", channel=CHANNEL, user=ADMIN)
        await slack.wait_for(lambda: "Remove 7 pages" in told(slack, command))
        assert "7 of 9 pages" in told(slack, command)
        direct = slack.workspace.direct(ADMIN)
        shown, channel = next(
            (one, where)
            for one, where in ((command.reply, CHANNEL), *((m, direct.id) for m in direct.messages))
            if one.get("blocks")
        )
        pages = docent.store.documents
        assert await pages.count() == 9

        slack.press(channel, shown, "Remove 7 pages", user=ADMIN)
        await slack.wait_for(lambda: "7 removed" in shown["text"])
        assert await pages.count() == 2
        assert not shown["blocks"]
        assert slack.violations == []
