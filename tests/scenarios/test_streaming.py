"""Answers appear as they are written, on both platforms, and also when a process dies half way."""

from pathlib import Path

import pytest

from core.openai_engine import streams
from servers.discord_server import DiscordServer
from servers.docent_rig import DocentProcess, docent_running
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_server import BOT_USER, SlackServer

CHANNEL = "C0GENERAL"
ASKER = "U0ALICE"
QUESTION = "When does an access token expire?"
WORDS = [f"word{number}" for number in range(40)]
TEXT = "An answer of many words: " + " ".join(WORDS) + ". That is all."
SLOWLY = Script(statuses=["queued", "completed"], text=TEXT, word_seconds=0.08)

#: For tests with processes that die; how others take over on Postgres, `test_store_leases` shows.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def common_values(common_values: dict[str, str]) -> dict[str, str]:
    return {**common_values, "STREAMING": "true"}


def said(slack: SlackServer, root: str) -> list[str]:
    """The bot's texts under a root message."""
    return [m["text"] for m in slack.thread(CHANNEL, root)[1:] if m["user"] == BOT_USER]


def begun(texts: list[str]) -> bool:
    return any("An answer of many" in text and "That is all." not in text for text in texts)


def complete(texts: list[str]) -> bool:
    return any("That is all." in text for text in texts)


@pytest.mark.parametrize("refusal", [None, "not_allowed_for_team"])
async def test_in_slack_an_answer_grows_in_one_message(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer, refusal: str | None
) -> None:
    slack.streams.refusal = refusal
    openai.script(SLOWLY)
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections, 60)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        await slack.wait_for(lambda: begun(said(slack, root)), 60)
        await slack.wait_for(lambda: complete(said(slack, root)), 60)
        await slack.wait_for(lambda: "metadata" in slack.thread(CHANNEL, root)[-1], 60)
    (reply,) = said(slack, root)
    assert all(word in reply for word in WORDS)
    assert slack.unknown_args == []
    assert slack.hanging == {}


async def test_in_discord_an_answer_grows_in_one_message(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer
) -> None:
    world = discord.world
    channel, asker = world.channel("help"), world.user("alice")
    openai.script(SLOWLY)
    async with docent_running(discord_values):
        await discord.wait_for(lambda: world.commands, 60)
        message = await discord.mention(channel, asker, QUESTION)
        thread = await discord.wait_for(lambda: discord.thread_under(message), 60)
        await discord.wait_for(lambda: begun(thread.texts()), 60)
        await discord.wait_for(lambda: complete(thread.texts()), 60)
    (reply,) = [str(posted["content"]) for posted in discord.posted(thread)]
    assert all(word in reply for word in WORDS)


async def test_with_streaming_switched_off_it_comes_in_one_piece(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    openai.script(Script(statuses=["queued", "completed"], text=TEXT))
    async with docent_running({**slack_values, "STREAMING": "false"}):
        await slack.wait_for(lambda: slack.connections, 60)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        await slack.wait_for(lambda: said(slack, root), 60)
    assert complete(said(slack, root))
    assert not slack.calls_of("chat.startStream")
    assert not any(request.json.get("stream") for request in openai.sent("POST", "/responses"))


@pytest.mark.parametrize("breaks", ["breaks_after", "silent_after"])
async def test_a_stream_of_openai_that_breaks_is_no_loss(
    slack_values: dict[str, str],
    slack: SlackServer,
    openai: OpenAIServer,
    breaks: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "SILENCE", 1.0)
    fields = {"statuses": ["queued", "completed"], "text": TEXT, "word_seconds": 0.01}
    openai.script(Script(**fields, **{breaks: 30}))  # type: ignore[arg-type]
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections, 60)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        await slack.wait_for(lambda: complete(said(slack, root)), 60)
    (reply,) = said(slack, root)
    assert all(word in reply for word in WORDS)
    assert len(openai.sent("POST", "/responses")) == 1


@on_sqlite
@pytest.mark.parametrize("refusal", [None, "not_allowed_for_team"])
async def test_after_a_kill_in_the_middle_the_next_process_ends_the_same_message(
    slack_values: dict[str, str],
    slack: SlackServer,
    openai: OpenAIServer,
    tmp_path: Path,
    refusal: str | None,
) -> None:
    slack.streams.refusal = refusal
    migrating = await DocentProcess.start(tmp_path, slack_values, "migrate")
    assert (await migrating.end())[0] == 0
    openai.script(Script(statuses=["queued", "completed"], text=TEXT, word_seconds=0.1))
    process = await DocentProcess.start(tmp_path, slack_values, "run")
    await slack.wait_for(lambda: slack.connections, 60)
    root = slack.mention(CHANNEL, ASKER, QUESTION)
    await slack.wait_for(lambda: begun(said(slack, root)), 60)
    process.kill()
    await process.end()

    process = await DocentProcess.start(tmp_path, slack_values, "run")
    await slack.wait_for(lambda: complete(said(slack, root)), 60)
    process.terminate()
    assert (await process.end())[0] == 0
    (reply,) = said(slack, root)
    assert all(word in reply for word in WORDS)
    assert len(openai.sent("POST", "/responses")) == 1


@on_sqlite
async def test_in_discord_after_a_kill_the_next_process_ends_the_same_message(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer, tmp_path: Path
) -> None:
    world = discord.world
    channel, asker = world.channel("help"), world.user("alice")
    migrating = await DocentProcess.start(tmp_path, discord_values, "migrate")
    assert (await migrating.end())[0] == 0
    openai.script(Script(statuses=["queued", "completed"], text=TEXT, word_seconds=0.1))
    process = await DocentProcess.start(tmp_path, discord_values, "run")
    await discord.wait_for(lambda: world.commands, 60)
    message = await discord.mention(channel, asker, QUESTION)
    thread = await discord.wait_for(lambda: discord.thread_under(message), 60)
    await discord.wait_for(lambda: begun(thread.texts()), 60)
    process.kill()
    await process.end()

    process = await DocentProcess.start(tmp_path, discord_values, "run")
    await discord.wait_for(lambda: complete(thread.texts()), 60)
    process.terminate()
    assert (await process.end())[0] == 0
    (reply,) = [str(posted["content"]) for posted in discord.posted(thread)]
    assert all(word in reply for word in WORDS)
    assert len(openai.sent("POST", "/responses")) == 1


LONG = "\n\n".join(
    [f"Paragraph {n}: " + " ".join(f"w{n}x{m}" for m in range(70)) + "." for n in range(8)]
    + ["```python\n" + "\n".join(f"print({n})  # a line of code" for n in range(120)) + "\n```"]
    + ["| a | b |\n|---|---|\n" + "\n".join(f"| cell {n} | value {n} |" for n in range(60))]
    + ["That is all."]
)


def check_parts(parts: list[str], longest: int) -> None:
    """All of LONG in several parts, each whole in itself."""
    assert len(parts) > 1
    for part in parts:
        assert len(part) <= longest
        assert part.count("```") % 2 == 0
    whole = "\n".join(parts)
    for word in ["w0x0", "w7x69", "print(0)", "print(119)", "cell 0", "value 59"]:
        assert word in whole


async def test_in_discord_a_long_answer_comes_in_parts_with_the_buttons_on_the_last(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer
) -> None:
    world = discord.world
    channel, asker = world.channel("help"), world.user("alice")
    openai.script(Script(statuses=["queued", "completed"], text=LONG, word_seconds=0.002))
    async with docent_running(discord_values):
        await discord.wait_for(lambda: world.commands, 60)
        message = await discord.mention(channel, asker, QUESTION)
        thread = await discord.wait_for(lambda: discord.thread_under(message), 60)
        await discord.wait_for(
            lambda: "helpful" in str([one.get("components") for one in discord.posted(thread)]), 60
        )
    posted = discord.posted(thread)
    check_parts([str(one["content"]) for one in posted], 2_000)
    assert [bool(one.get("components")) for one in posted] == [False] * (len(posted) - 1) + [True]


@pytest.mark.parametrize("refusal", [None, "not_allowed_for_team"])
async def test_in_slack_a_long_answer_comes_in_parts_with_the_buttons_on_the_last(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer, refusal: str | None
) -> None:
    slack.streams.refusal = refusal
    openai.script(Script(statuses=["queued", "completed"], text=LONG, word_seconds=0.002))
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections, 60)
        root = slack.mention(CHANNEL, ASKER, QUESTION)
        await slack.wait_for(
            lambda: "helpful" in str(slack.thread(CHANNEL, root)[-1].get("blocks")), 60
        )
    posted = slack.thread(CHANNEL, root)[1:]
    check_parts([str(one["text"]) for one in posted], 4_000)
    assert [bool(one.get("blocks")) for one in posted] == [False] * (len(posted) - 1) + [True]
