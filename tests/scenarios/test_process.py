"""`docent` as an operator runs it: a process of its own, with signals and exit codes."""

import json
from pathlib import Path

import pytest

from core.store import migrate_database
from servers.discord_server import DiscordServer
from servers.docent_rig import DocentProcess, write_docs
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.slack_server import SlackServer
from servers.tool_rig import written

CHANNEL = "C0GENERAL"


on_both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite, unless a test asks for both kinds: a process takes seconds to start."""
    return str(request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url"))


async def run(folder: Path, values: dict[str, str], *arguments: str, given: str = "") -> str:
    """Run a command that is to succeed; what it printed."""
    process = await DocentProcess.start(folder, values, *arguments)
    code, output, errors = await process.end(given)
    assert code == 0, errors
    return output


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("migrate", 0),
        ("manifest slack", 0),
        ("doctor", 0),
        ("demo", 0),
        ("docs list", 0),
        ("report", 0),
        ("eval questions.jsonl", 1),  # there is no documentation yet
    ],
)
async def test_a_command_that_is_started_by_its_script_loads_all_that_it_needs(
    command: str, code: int, tmp_path: Path
) -> None:
    # Of the other commands: `run` below, `refresh`, `chat` and `forget` in tests/bots.
    await migrate_database(f"sqlite:///{tmp_path / 'data' / 'docent.db'}")
    (tmp_path / "questions.jsonl").write_text('{"question": "How?", "pages": ["/how"]}\n')
    values = {"DOCS_SOURCES": write_docs(tmp_path / "docs")}
    process = await DocentProcess.start_anew(tmp_path, values, *command.split())
    ended, _, errors = await process.end(seconds=60)
    assert "Traceback" not in errors
    assert ended == code, errors


@on_both_databases
async def test_both_platforms_are_served_until_sigterm_which_ends_it_with_0(
    slack_values: dict[str, str],
    discord_values: dict[str, str],
    slack: SlackServer,
    discord: DiscordServer,
    tmp_path: Path,
) -> None:
    values = {**discord_values, **slack_values, "LOG_FORMAT": "json"}
    await run(tmp_path, values, "migrate")
    process = await DocentProcess.start_anew(tmp_path, values, "run")
    await slack.wait_for(lambda: slack.connections, 30)
    channel, asker = discord.world.channel("help"), discord.world.user("alice")
    # Not for its commands, of which Discord is told before anybody listens.
    await discord.wait_for(lambda: any(one.socket for one in discord.gateway.sessions.values()), 30)

    root = slack.mention(CHANNEL, "U0ALICE", "When does an access token expire?")
    message = await discord.mention(channel, asker, "When does an access token expire?")
    await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2, 30)
    thread = await discord.wait_for(lambda: discord.thread_under(message), 30)
    await discord.wait_for(lambda: discord.posted(thread), 30)

    process.terminate()
    code, _, errors = await process.end(seconds=20)
    assert code == 0, errors
    lines = [json.loads(line) for line in errors.splitlines()]
    ended = [line for line in lines if line["message"] == "Turn ended"]
    assert sorted(line["platform"] for line in ended) == ["discord", "slack"]
    # What people write is nobody's business in a log.
    assert "access token" not in errors
    assert values["SLACK_BOT_TOKEN"] not in errors


async def test_tools_that_the_local_engine_does_not_call_are_told_once_at_the_start(
    slack_values: dict[str, str], slack: SlackServer, tmp_path: Path
) -> None:
    path = written(tmp_path, '@tool\ndef look() -> str:\n    "Look."\n    return ""\n')
    values = {**slack_values, "ENGINE": "local", "TOOLS": str(path), "LOG_FORMAT": "json"}
    process = await DocentProcess.start(tmp_path, values, "run")
    await slack.wait_for(lambda: slack.connections, 30)
    process.terminate()
    code, _, errors = await process.end()
    assert code == 0, errors
    lines = [json.loads(line) for line in errors.splitlines()]
    (said,) = [line for line in lines if "has no effect" in line["message"]]
    assert said["level"] == "WARNING"
    assert said["message"].startswith("TOOLS has no effect: the local engine calls nothing.")


@on_both_databases
async def test_a_run_that_was_under_way_when_the_process_was_killed_is_answered_by_the_next(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer, tmp_path: Path
) -> None:
    await run(tmp_path, slack_values, "migrate")
    openai.script(Script(statuses=["queued", "in_progress", "completed"], seconds=3, text="Late."))
    process = await DocentProcess.start(tmp_path, slack_values, "run")
    await slack.wait_for(lambda: slack.connections, 30)
    root = slack.mention(CHANNEL, "U0ALICE", "When does an access token expire?")
    await openai.wait_for("GET", "/responses/*", within=30)
    process.kill()
    await process.end()

    process = await DocentProcess.start(tmp_path, slack_values, "run")
    await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2, 30)
    process.terminate()
    assert (await process.end())[0] == 0
    assert slack.thread(CHANNEL, root)[1]["text"].startswith("Late.")
    assert len(openai.sent("POST", "/responses")) == 1


async def test_a_token_that_slack_refuses_ends_it_with_1_and_names_the_setting(
    slack_values: dict[str, str], tmp_path: Path
) -> None:
    await run(tmp_path, slack_values, "migrate")
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"):
        values = {**slack_values, name: f"{slack_values[name][:5]}wrong"}
        process = await DocentProcess.start(tmp_path, values, "run")
        code, _, errors = await process.end()
        assert code == 1
        assert name in errors
        assert "Traceback" not in errors


async def test_settings_that_need_mending_are_all_named_and_end_it_with_2(tmp_path: Path) -> None:
    values = {"SLACK_APP_TOKEN": "xapp-1", "LOG_LEVEL": "loud"}
    process = await DocentProcess.start(tmp_path, values, "run")
    code, _, errors = await process.end()
    assert code == 2
    assert "SLACK_BOT_TOKEN is missing" in errors
    assert "LOG_LEVEL" in errors


async def test_run_without_any_token_says_which_ones_there_are(tmp_path: Path) -> None:
    process = await DocentProcess.start(tmp_path, {}, "run")
    code, _, errors = await process.end()
    assert code == 2
    assert "SLACK_BOT_TOKEN" in errors
    assert "DISCORD_TOKEN" in errors


async def test_a_postgres_that_was_not_migrated_ends_it_with_1_and_names_the_command(
    slack_values: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    values = {**slack_values, "DATABASE_URL": postgres_url}
    process = await DocentProcess.start(tmp_path, values, "run")
    code, _, errors = await process.end()
    assert code == 1
    assert "docent migrate" in errors


async def test_chat_answers_questions_from_a_pipe_in_context(tmp_path: Path) -> None:
    values = {"DOCS_SOURCES": write_docs(tmp_path / "docs")}
    assert "2 added" in await run(tmp_path, values, "refresh")
    assert "2 unchanged" in await run(tmp_path, values, "refresh")

    asked = "When does an access token expire?\nAnd where do I renew it?\n/new\nHow to install?\n"
    output = await run(tmp_path, values, "chat", given=asked)
    first, second, third = output.split("\n> ")[1:]
    assert "ninety days" in first
    assert "https://docs.example.com/tokens" in first
    assert "Account" in second
    assert "pip install acme" in third


async def test_the_demo_shows_the_main_job_without_any_account_and_reads_nothing_twice(
    tmp_path: Path,
) -> None:
    first = await run(tmp_path, {}, "demo")
    assert "Sources" in first
    assert "I cannot reply at this time. Reach out to the team on Discord" in first
    assert first.count("\n> ") == 4
    assert "slow since 09:40 UTC" in first, "the tool is called"
    assert "the arguments do not fit" in first, "and called with what it does not take"

    again = await run(tmp_path, {}, "demo")
    assert "0 added, 0 changed, 0 removed" in again


async def test_the_demo_does_not_mind_what_the_environment_holds(tmp_path: Path) -> None:
    values = {"SLACK_APP_TOKEN": "xapp-1", "DATABASE_URL": "nonsense", "OPENAI_API_KEY": "wrong"}
    assert "Sources" in await run(tmp_path, values, "demo")


async def test_the_doctor_finds_what_is_well_and_what_is_not(
    slack_values: dict[str, str], tmp_path: Path
) -> None:
    await run(tmp_path, slack_values, "refresh")
    assert "All is well" in await run(tmp_path, slack_values, "doctor")

    values = {**slack_values, "OPENAI_API_KEY": "sk-wrong", "SLACK_APP_TOKEN": "xapp-wrong"}
    process = await DocentProcess.start(tmp_path, values, "doctor")
    code, output, _ = await process.end()
    assert code == 1
    marked = [line for line in output.splitlines() if line.startswith("MEND")]
    assert [("OPENAI_API_KEY" in line, "SLACK_APP_TOKEN" in line) for line in marked] == [
        (True, False),
        (False, True),
    ]


async def test_the_manifests_are_printed(tmp_path: Path) -> None:
    slack_manifest = json.loads(await run(tmp_path, {}, "manifest", "slack"))
    assert "app_mentions:read" in slack_manifest["oauth_config"]["scopes"]["bot"]
    assert "agent_view" not in slack_manifest["features"]
    prompts = {"SUGGESTED_PROMPTS": "How much?\nHow long?"}
    agent = json.loads(await run(tmp_path, prompts, "manifest", "slack", "--agent"))
    suggested = agent["features"]["agent_view"]["suggested_prompts"]
    assert [one["message"] for one in suggested] == ["How much?", "How long?"]
    printed = await run(tmp_path, {}, "manifest", "discord", "--application-id", "1234567890")
    assert "client_id=1234567890" in printed
    token = {"DISCORD_TOKEN": "MTIzNDU2Nzg5MA.x.y"}
    assert "client_id=1234567890" in await run(tmp_path, token, "manifest", "discord")


async def test_a_second_process_on_a_sqlite_file_is_refused_and_the_first_goes_on(
    slack_values: dict[str, str], slack: SlackServer, tmp_path: Path
) -> None:
    first = await DocentProcess.start(tmp_path, slack_values, "run")
    await slack.wait_for(lambda: slack.connections, 30)
    second = await DocentProcess.start(tmp_path, slack_values, "run")
    code, _, errors = await second.end()
    assert code == 1
    line = json.loads(errors)
    assert line["level"] == "ERROR"
    assert line["message"] == (
        "Docent stops: Another `docent run` works on this SQLite file: "
        "stop it, or use Postgres for several."
    )
    root = slack.mention(CHANNEL, "U0ALICE", "When does an access token expire?")
    await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2, 30)
    first.terminate()
    assert (await first.end())[0] == 0


async def test_a_worker_answers_what_another_process_hears_which_does_so_itself_without_one(
    slack_values: dict[str, str],
    slack: SlackServer,
    openai: OpenAIServer,
    postgres_url: str,
    tmp_path: Path,
) -> None:
    values = {**slack_values, "DATABASE_URL": postgres_url, "LOG_FORMAT": "json"}
    await run(tmp_path, values, "migrate")
    worker = await DocentProcess.start(tmp_path, values, "run", "worker")
    # It is known as a worker long before another process has begun to hear.
    await slack.wait_for(lambda: slack.calls_of("auth.test"), 30)
    ear = await DocentProcess.start(tmp_path, values, "run", "slack")
    await slack.wait_for(lambda: slack.connections, 30)
    root = slack.mention(CHANNEL, "U0ALICE", "When does an access token expire?")
    await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2, 30)
    worker.terminate()
    code, _, errors = await worker.end()
    assert code == 0, errors
    assert '"Turn ended"' in errors

    # Without a worker the process that hears answers by itself.
    root = slack.mention(CHANNEL, "U0ALICE", "When does an access token expire?")
    await slack.wait_for(lambda: len(slack.thread(CHANNEL, root)) == 2, 30)
    ear.terminate()
    code, _, errors = await ear.end()
    assert code == 0, errors
    assert errors.count('"Turn ended"') == 1
    assert len(openai.sent("POST", "/responses")) == 2
