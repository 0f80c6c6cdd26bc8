"""What went unanswered: asked for by an admin, printed, and posted in a channel of choice."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bots.app import Docent
from core.store import Store
from servers.discord_server import DiscordServer
from servers.docent_rig import DocentProcess, docent_running
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.people import Discord, Slack
from servers.slack_server import SlackServer

CHANNEL = "C0GENERAL"
TEAM = "C0TEAM"
DAY = 86_400.0
QUESTION = "How do I export *all* invoices?"


def goes_unanswered(openai: OpenAIServer) -> None:
    openai.script(Script(statuses=["failed"], error_code="invalid_prompt"))


async def it_is_on_record(docent: Docent) -> None:
    """The reply is seen before it is noted that it was posted."""
    async with asyncio.timeout(60):
        while not (await docent.store.gaps.within(0.0, 1e12, 1))[1]:
            pass


async def a_digest_is_due(values: Mapping[str, str]) -> None:
    """As if the last one had been posted a week ago."""
    last = {"since": time.time() - 8 * DAY, "after": time.time() - 8 * DAY, "trying": None}
    async with await Store.open(values["DATABASE_URL"]) as store:
        await store.values.put("digest", json.dumps(last))


async def test_in_slack_admins_and_a_channel_hear_what_went_unanswered(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    slack.workspace.add_channel(TEAM)
    values = {**slack_values, "DIGEST_CHANNEL": f"slack:{TEAM}"}
    team = slack.workspace.channels[TEAM].messages
    async with docent_running(values) as docent:
        await slack.wait_for(lambda: slack.connections)
        goes_unanswered(openai)
        root = slack.mention(CHANNEL, "U0ALICE", QUESTION)
        await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2)
        await it_is_on_record(docent)

        # An admin asks, and sees the question with a link to it; others are refused.
        asked = slack.slash("/docs-gaps", "", channel=CHANNEL, user="U0ADMIN")
        (answer,) = await slack.wait_for(lambda: slack.answers(asked))
        assert "(1 question, last on" in answer["text"]
        assert f": {QUESTION} <https://" in answer["text"]
        assert f"/archives/{CHANNEL}/p{root.replace('.', '')}" in answer["text"]
        refused = slack.slash("/docs-gaps", "", channel=CHANNEL, user="U0ALICE")
        (answer,) = await slack.wait_for(lambda: slack.answers(refused))
        assert "slack:U0ALICE" in answer["text"]
        assert "invoices" not in answer["text"]
        assert team == []

    # A digest that came due while nobody ran is posted by the next process, once.
    await a_digest_is_due(values)
    for _ in range(2):
        async with docent_running(values) as docent:
            await slack.wait_for(lambda: slack.connections)
            await slack.wait_for(lambda: team)
            assert docent.digest
            await docent.digest.step()
    (digest,) = team
    assert QUESTION in digest["text"]
    assert slack.violations == []


async def test_in_discord_admins_and_a_channel_hear_what_went_unanswered(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer
) -> None:
    world = discord.world
    help_channel, team = world.channel("help"), world.channel("team")
    asker, admin = world.user("alice"), world.user("root")
    values = {
        **discord_values,
        "ADMINS": f"discord:{admin.id}",
        "DIGEST_CHANNEL": f"discord:{team.id}",
    }
    async with docent_running(values) as docent:
        await discord.wait_for(lambda: world.commands)
        goes_unanswered(openai)
        message = await discord.mention(help_channel, asker, QUESTION)
        thread = await discord.wait_for(lambda: discord.thread_under(message))
        await discord.wait_for(lambda: discord.posted(thread))
        await it_is_on_record(docent)

        # An admin asks, and sees the question with a link to it; others are refused.
        asked = await discord.slash("docs-gaps", admin, help_channel)
        (answer,) = await discord.wait_for(lambda: asked.texts)
        link = (
            f"https://discord.com/channels/{help_channel.guild}/{help_channel.id}/{message['id']}"
        )
        assert f": How do I export \\*all\\* invoices? [1](<{link}>)" in answer
        refused = await discord.slash("docs-gaps", asker, help_channel)
        (answer,) = await discord.wait_for(lambda: refused.texts)
        assert f"discord:{asker.id}" in answer
        assert "invoices" not in answer
        assert (asked.ephemeral, refused.ephemeral) == (True, True)
        assert team.texts() == []

    # A digest that came due while nobody ran is posted by the next process, once.
    await a_digest_is_due(values)
    for _ in range(2):
        async with docent_running(values) as docent:
            await discord.wait_for(team.texts)
            assert docent.digest
            await docent.digest.step()
    (digest,) = team.texts()
    assert "invoices" in digest


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_report_prints_what_went_unanswered_on_both_platforms(
    slack_values: dict[str, str],
    discord_values: dict[str, str],
    slack: SlackServer,
    discord: DiscordServer,
    openai: OpenAIServer,
    tmp_path: Path,
) -> None:
    values = {**discord_values, **slack_values, "HUMANS": "slack:S0TEAM, discord:&55"}
    in_slack, in_discord = Slack(slack), Discord(discord)
    async with docent_running(values) as docent:
        for people in (in_slack, in_discord):
            await people.ready()
            goes_unanswered(openai)
            await people.ask(people.alice, QUESTION)
            (fallback,) = await people.dressed(1)
            await people.object_to(fallback, people.bob, f"It says nothing in {people.name}.")
            await people.press(fallback, "Ask a human", people.bob)
            await people.replied(2)
        async with asyncio.timeout(60):
            await docent.loop.idle.wait()

    forms = [(), ("--format", "csv"), ("--format", "json")]
    started = [await DocentProcess.start(tmp_path, values, "report", *form) for form in forms]
    text, table, structure = [await process.end() for process in started]
    assert [code for code, _, _ in (text, table, structure)] == [0, 0, 0]
    assert "2 questions by 2 people" in text[1]
    assert text[1].count(QUESTION) == 2
    rows = list(csv.DictReader(io.StringIO(table[1])))
    assert [row["question"] for row in rows] == [QUESTION, QUESTION]
    assert {row["platform"] for row in rows} == {"slack", "discord"}
    (topic,) = json.loads(structure[1])["topics"]
    assert topic["unanswered"] == {"failed": 2, "unhelpful": 2, "human": 2}
    reasons = [one["reasons"] for one in topic["questions"]]
    assert sorted(reasons) == [["It says nothing in discord."], ["It says nothing in slack."]]
    links = [one["link"] for one in topic["questions"]]
    assert any(link.startswith("https://discord.com/channels/") for link in links)
