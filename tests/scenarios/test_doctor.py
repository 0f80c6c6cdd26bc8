"""`docent doctor` on what `docent run` would stumble over later."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from core.store import migrate_database
from servers.docent_rig import DocentProcess, settings_for, write_docs
from servers.openai_server import OpenAIServer
from servers.slack_server import SlackServer

CHANNELS = ("TEAM_CHANNEL", "OPS_CHANNEL", "DIGEST_CHANNEL")


def refuse_writes(url: str) -> None:
    """Let a database be read, and nothing more."""
    if url.startswith("sqlite"):
        # No right on the file would do: it holds for everybody but root.
        refusal = "SELECT RAISE(ABORT, 'attempt to write a readonly database')"
        with closing(sqlite3.connect(url.partition("///")[2])) as connection:
            connection.execute(
                f"CREATE TRIGGER refuse BEFORE INSERT ON kept_values BEGIN {refusal}; END"
            )
        return
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')


async def findings(folder: Path, values: dict[str, str]) -> tuple[int | None, dict[str, str]]:
    """The exit code, and the line of each thing that was looked at."""
    process = await DocentProcess.start(folder, values, "doctor")
    code, output, _ = await process.end()
    return code, {line[6:20].strip(): line for line in output.splitlines()}


async def test_a_database_that_cannot_be_written_is_to_be_mended(
    slack_values: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    await migrate_database(database_url)
    code, found = await findings(tmp_path, slack_values)
    assert code == 0
    assert found["database"].startswith("note")
    assert found["ops channel"].startswith("- ")

    refuse_writes(database_url)
    code, found = await findings(
        tmp_path,
        {**slack_values, **dict.fromkeys(CHANNELS, "slack:C0NOWHERE")},
    )
    assert code == 1
    assert found["database"].startswith("MEND")
    assert "nothing can be written" in found["database"]
    assert found["team channel"].startswith("MEND")
    assert found["ops channel"].startswith("MEND")
    assert found["digest channel"].startswith("MEND")
    assert found["slack"].startswith("ok")


async def test_that_nothing_was_refreshed_yet_is_told_and_is_no_failure(tmp_path: Path) -> None:
    values = {"DOCS_SOURCES": write_docs(tmp_path / "docs")}
    for looked_for in range(2):  # to look is not to refresh
        code, found = await findings(tmp_path, values)
        assert code == 0, looked_for
        assert found["database"].startswith("note")
        assert "with 0 pages of documentation: nothing was refreshed yet." in found["database"]
        assert "`docent refresh` does it now." in found["database"]
    assert (await (await DocentProcess.start(tmp_path, values, "refresh")).end())[0] == 0
    code, found = await findings(tmp_path, values)
    assert (code, found["database"][:4]) == (0, "ok  ")


async def test_pages_that_a_new_engine_has_not_got_are_to_be_mended(tmp_path: Path) -> None:
    values = {"DOCS_SOURCES": write_docs(tmp_path / "docs")}
    assert (await (await DocentProcess.start(tmp_path, values, "refresh")).end())[0] == 0
    assert (await findings(tmp_path, values))[0] == 0
    async with OpenAIServer() as openai:
        values |= settings_for(openai)
        code, found = await findings(tmp_path, values)
        assert code == 1
        assert found["database"].startswith("MEND")
        assert "the engine openai lacks 2. Run `docent refresh`." in found["database"]
        assert found["engine"].startswith("ok")

        assert (await (await DocentProcess.start(tmp_path, values, "refresh")).end())[0] == 0
        code, found = await findings(tmp_path, values)
        assert code == 0
        assert found["database"].startswith("ok")


async def test_those_who_are_called_and_their_channels_are_looked_at(
    slack_values: dict[str, str], slack: SlackServer, database_url: str, tmp_path: Path
) -> None:
    await migrate_database(database_url)
    slack.workspace.users.add("U0CAROL")
    slack.workspace.add_channel("C0TEAM")
    (tmp_path / "docent.toml").write_text(
        "[channels.'slack:C0GENERAL']\nhumans = ['slack:U0NEVER']\nteam_channel = 'slack:C0TEAM'\n"
        "[channels.'slack:C0OTHER']\nteam_channel = 'slack:C0NOWHERE'\n"
    )
    code, found = await findings(tmp_path, {**slack_values, "HUMANS": "slack:U0CAROL"})
    assert code == 1
    assert found["humans"].startswith("MEND")
    assert "nobody with the id U0NEVER" in found["humans"]
    assert "CAROL" not in found["humans"]
    assert found["channels"].startswith("MEND")
    assert "docent.toml has the team_channel slack:C0NOWHERE: " in found["channels"]
    assert "C0TEAM" not in found["channels"]

    slack.workspace.users.add("U0NEVER")
    slack.workspace.add_channel("C0NOWHERE")
    code, found = await findings(tmp_path, {**slack_values, "HUMANS": "slack:U0CAROL"})
    assert code == 0
    assert "2 on Slack" in found["humans"]
    assert found["channels"].startswith("ok")
    assert slack.calls_of("chat.postMessage") == []


async def test_sources_that_cannot_be_read_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "docent.toml").write_text("[defaults]\nsources = ['docs']\n")
    code, found = await findings(tmp_path, {"DOCS_SOURCES": "ftp://docs.example.com"})
    assert code == 1
    assert found["documentation"].startswith("MEND")
    assert found["channels"].startswith("-")
    assert "mend DOCS_SOURCES first" in found["channels"]


async def test_each_problem_stands_in_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text(
        "from core.tools import tool\n\n"
        "@tool\ndef one(): ...\n\n"
        '@tool\ndef two(*words: str):\n    """Two."""\n'
    )
    values = {"DOCS_SOURCES": write_docs(tmp_path / "docs"), "TOOLS": "tools.py"}
    process = await DocentProcess.start(tmp_path, values, "doctor")
    code, output, _ = await process.end()
    assert code == 1
    lines = output.splitlines()
    (first,) = (number for number, line in enumerate(lines) if line.startswith("MEND  tools"))
    column = lines[first].index("TOOLS: ")
    assert "one() has no docstring" in lines[first]
    assert lines[first + 1].startswith(" " * column + "TOOLS: ")
    assert "two() takes *words" in lines[first + 1]


async def test_what_a_broken_platform_makes_impossible_is_not_looked_at(
    slack_values: dict[str, str], slack: SlackServer, database_url: str, tmp_path: Path
) -> None:
    await migrate_database(database_url)
    (tmp_path / "docent.toml").write_text("[defaults]\nteam_channel = 'slack:C0OTHER'\n")
    values = {**slack_values, "SLACK_BOT_TOKEN": "xoxb-wrong", "HUMANS": "slack:U0CAROL"}
    code, found = await findings(tmp_path, {**values, **dict.fromkeys(CHANNELS, "slack:C0TEAM")})
    assert code == 1
    assert found["slack"].startswith("MEND")
    told = [line for line in found.values() if "invalid_auth" in line]
    assert told == [found["slack"]]
    for line in ("humans", "team channel", "ops channel", "digest channel"):
        assert found[line].startswith("- ")
        assert found[line].endswith("not looked at: mend slack first")
    assert found["channels"].startswith("ok")
    assert found["channels"].endswith("team channels on slack were not looked at: mend slack first")

    people = "slack:U0CAROL,discord:1"
    _, found = await findings(tmp_path, {**values, "HUMANS": people})
    assert "1 on slack not looked at: mend slack first" in found["humans"]


async def test_a_port_that_another_has_is_a_note_as_a_docent_that_runs_may_be_that(
    slack_values: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    await migrate_database(database_url)
    over_http = {**slack_values, "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": "x" * 32}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, found = await findings(tmp_path, {**over_http, "PORT": port})
        assert (code, found["port"][:4]) == (0, "note")
        assert f"{port} cannot be had now" in found["port"]
        _, found = await findings(tmp_path, {**slack_values, "PORT": port})
        assert "port" not in found
    code, found = await findings(tmp_path, {**over_http, "PORT": "0"})
    assert (code, found["port"][:4]) == (0, "ok  ")


async def test_why_a_file_of_tools_cannot_be_run_is_in_the_log_at_debug(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("raise ValueError('because of the weather')\n")
    values = {"DOCS_SOURCES": write_docs(tmp_path / "docs"), "TOOLS": "tools.py"}
    for level, told in (("INFO", False), ("DEBUG", True)):
        process = await DocentProcess.start(tmp_path, {**values, "LOG_LEVEL": level}, "doctor")
        code, output, errors = await process.end()
        assert code == 1
        assert "(ValueError in line 1)" in output
        assert ("because of the weather" in errors) == told
