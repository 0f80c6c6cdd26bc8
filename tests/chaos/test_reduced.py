"""What the chaos suite once found, each reduced to the few steps that it takes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest

from chaos.plan import Asking
from chaos.stage import TOKEN, ChaosOpenAI, question_text
from core.store import Store, migrate_database
from core.store.news import FREE
from servers.discord_server import DiscordServer
from servers.docent_rig import docent_running, settings_for, write_docs
from servers.faults import Fault
from servers.slack_server import SlackServer
from servers.slack_workspace import BOT_USER

CHANNEL = "C0GENERAL"
ASKER = "U0ALICE"
SECONDS = 20.0


def asking(token: str) -> Asking:
    platform = "slack" if token[1] == "s" else "discord"
    return Asking(
        token=token,
        platform=platform,  # type: ignore[arg-type]
        thread=0,
        author=0,
        pause=0.0,
        lines=1,
        run_seconds=0.3,
    )


@pytest.fixture
async def openai() -> AsyncIterator[ChaosOpenAI]:
    tokens = [f"q{letter}{number:04d}" for letter in "sd" for number in range(10)]
    async with ChaosOpenAI({token: asking(token) for token in tokens}) as server:
        yield server


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


@pytest.fixture
def values(openai: ChaosOpenAI, sqlite_url: str, tmp_path: Path) -> dict[str, str]:
    docs = write_docs(tmp_path / "docs")
    return {
        **settings_for(openai),
        "DOCS_SOURCES": docs,
        "DATABASE_URL": sqlite_url,
        "STREAMING": "false",  # a draft is no reply yet
    }


@pytest.fixture
def slack_values(values: dict[str, str], slack: SlackServer) -> dict[str, str]:
    return {**values, **settings_for(slack)}


@pytest.fixture
def discord_values(values: dict[str, str], discord: DiscordServer) -> dict[str, str]:
    return {**values, **settings_for(discord)}


def told(texts: Callable[[], list[str]]) -> list[str]:
    """The tokens that were answered, in order."""
    return [found[0] for text in texts() for found in TOKEN.findall(text)]


async def test_a_question_that_comes_while_a_run_is_in_doubt_is_not_taken_as_answered_by_that_run(
    slack_values: dict[str, str], slack: SlackServer, openai: ChaosOpenAI
) -> None:
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        openai.fault("POST", "/responses", Fault(drop="after"))
        root = slack.mention(CHANNEL, ASKER, question_text("qs0001"))
        await openai.wait_for("POST", "/responses", within=SECONDS)
        slack.mention(CHANNEL, ASKER, question_text("qs0002"), thread_ts=root)

        def bot_texts() -> list[str]:
            return [one["text"] for one in slack.thread(CHANNEL, root) if "bot_id" in one]

        await slack.wait_for(lambda: "qs0001" in told(bot_texts), SECONDS)
        await slack.wait_for(lambda: "qs0002" in told(bot_texts), SECONDS)
        assert told(bot_texts) == ["qs0001", "qs0002"]
        assert len(openai.responses.all) == 2


async def test_an_edit_while_a_run_is_in_doubt_is_not_answered_by_that_run(
    slack_values: dict[str, str], slack: SlackServer, openai: ChaosOpenAI
) -> None:
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        openai.fault("POST", "/responses", Fault(drop="after"))
        root = slack.mention(CHANNEL, ASKER, question_text("qs0001"))
        await openai.wait_for("POST", "/responses", within=SECONDS)
        slack.edit(CHANNEL, root, f"<@{BOT_USER}> {question_text('qs0001', 2)}")
        await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2, SECONDS)
        assert "qs0001 v2" in slack.thread(CHANNEL, root)[1]["text"]


async def test_a_question_that_is_delivered_again_after_its_deletion_gets_no_answer(
    slack_values: dict[str, str], slack: SlackServer, openai: ChaosOpenAI
) -> None:
    slack.mention(CHANNEL, ASKER, question_text("qs0001"))
    asked = list(slack._deliveries.lost)  # nobody is there to hear them
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections, SECONDS)
        slack.delete(CHANNEL, str(asked[0].event["ts"]))
        await slack.wait_for(lambda: [one for one in slack.deliveries if one.acked_at], SECONDS)
        again = [slack.event(delivery.event) for delivery in asked]
        await slack.wait_for(lambda: all(delivery.acked_at for delivery in again), SECONDS)
        root = slack.mention(CHANNEL, ASKER, question_text("qs0002"))
        await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2, SECONDS)
    assert list(openai.tokens.values()) == [["qs0002 v1"]]


async def test_an_event_that_comes_again_does_not_hide_the_later_ones_that_were_missed(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world = discord.world
    channel, asker = world.channel("help"), world.user("alice")
    thread = await discord.open_thread(channel, asker, "talk")
    async with docent_running(discord_values):
        await discord.wait_for(lambda: discord.gateway.sessions, SECONDS)
        first = await discord.mention(thread, asker, question_text("qd0001"))
        await discord.wait_for(lambda: told(thread.texts).count("qd0001") == 2, SECONDS)
    world.write(thread, asker, f"<@{world.bot.id}> {question_text('qd0002')}")
    # What is missed is looked for only when the servers are described: until then, the old event.
    discord.gateway.withhold_guild = True
    async with docent_running(discord_values):
        await discord.wait_for(lambda: discord.gateway.sessions, SECONDS)
        (session,) = discord.gateway.sessions.values()
        await session.send("GUILD_CREATE", world.guild_payload(world.guilds[world.guild]))
        await discord.redeliver(first)
        await discord.wait_for(lambda: told(thread.texts).count("qd0002") == 2, SECONDS)


async def test_whoever_buries_a_dead_process_wakes_those_who_can_take_its_threads_over(
    postgres_url: str,
) -> None:
    await migrate_database(postgres_url)
    async with (
        await Store.open(postgres_url) as worker,
        await Store.open(postgres_url) as listener,
        asyncio.timeout(SECONDS),
    ):
        await worker.leases.beat(["slack"])
        await listener.leases.beat([])
        news = worker.news()
        assert await anext(news) == ""  # it listens from now on
        with psycopg.connect(postgres_url) as connection:
            connection.execute("INSERT INTO processes VALUES ('dead', 'slack', 0)")
        assert (await listener.leases.beat([])).others_died
        assert await anext(news) == FREE
        await news.aclose()
