"""Files that people attach: read for the question, in Slack, on Discord and at a terminal."""

import json
from pathlib import Path
from typing import Any

from servers.attached_files import EXECUTABLE, PDF, PNG, archive
from servers.docent_rig import DocentProcess, docent_running, settings_for
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.people import People
from servers.slack_server import SlackServer

QUESTION = "When does an access token expire?"
LOG = b"12:00 renewing token\n12:01 disk full\n"
ANSWER = "ninety days"


def asked(openai: OpenAIServer, number: int = -1) -> list[Any]:
    """What the model was asked with a run: the parts of its last message, and all texts before."""
    sent = openai.sent("POST", "/responses")[number]
    contents = [item["content"] for item in sent.json["input"] if item.get("role") == "user"]
    return [
        part
        for content in contents
        for part in ([content] if isinstance(content, str) else content)
    ]


def kinds(openai: OpenAIServer) -> list[str]:
    """Which kinds of parts that are no text the model was asked with."""
    return [part["type"] for part in asked(openai) if part_is_file(part)]


def part_is_file(part: Any) -> bool:
    return isinstance(part, dict) and part["type"] != "input_text"


def uploads(openai: OpenAIServer) -> dict[str, bytes]:
    """What was uploaded for questions, and has an end."""
    files = openai.files.all.values()
    return {file.name: file.content for file in files if file.purpose != "assistants"}


async def test_a_text_a_picture_and_a_pdf_are_read_for_the_question(
    people_values: dict[str, str], people: People, openai: OpenAIServer
) -> None:
    async with docent_running(people_values):
        await people.ready()
        files = {"trace.log": LOG, "screen.png": PNG, "Plan 1.pdf": PDF}
        await people.ask(people.alice, QUESTION, files)
        (reply,) = await people.replied(1)
        assert ANSWER in reply
        assert "could not read" not in reply
        assert "disk full" in json.dumps(asked(openai))
        assert sorted(kinds(openai)) == ["input_file", "input_image"]
        assert sorted(uploads(openai).values()) == sorted((PNG, PDF))
        kept = [file for file in openai.files.all.values() if file.purpose != "assistants"]
        assert all(file.expires_at for file in kept)


async def test_what_cannot_be_read_is_named_with_why_and_the_rest_is_read(
    people_values: dict[str, str], people: People, openai: OpenAIServer
) -> None:
    async with docent_running(people_values):
        await people.ready()
        files = {
            "trace.log": LOG,
            "all.zip": archive({"a.txt": b"a"}),
            "acme": EXECUTABLE,
            "lies.png": b"#!/bin/sh\n",
            "huge.log": b"x" * 20_000_001,
        }
        await people.ask(people.alice, QUESTION, files)
        (reply,) = await people.replied(1)
        assert ANSWER in reply
        notes = reply.replace("\\", "")
        for named in ("all.zip (an archive)", "acme (", "huge.log (it is larger than 20 MB)"):
            assert named in notes
        assert "trace.log" not in notes
        assert "lies.png" not in notes  # it is a text, whatever its name says
        assert "disk full" in json.dumps(asked(openai))


async def test_a_picture_that_is_refused_in_words_that_nobody_knows_costs_the_picture_alone(
    people_values: dict[str, str], people: People, openai: OpenAIServer
) -> None:
    unknown = "Alpha channels are beyond us."
    openai.script(Script(statuses=["failed"], error_code="no_alpha", error_message=unknown))
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION, {"screen.png": PNG, "trace.log": LOG})
        (reply,) = await people.replied(1)
        assert ANSWER in reply
        assert "screen.png (the model could not read it)" in reply.replace("\\", "")
        assert kinds(openai) == []
        assert "disk full" in json.dumps(asked(openai))
        assert len(openai.sent("POST", "/responses")) == 2


async def test_files_that_are_gone_are_named_and_the_question_is_answered(
    people_values: dict[str, str], people: People, openai: OpenAIServer
) -> None:
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        people.lose_files()  # those of before
        await people.ask(people.alice, QUESTION, {"kept.log": LOG})
        await people.replied(2)

    await people.ask(people.alice, QUESTION, {"trace.log": LOG})  # while nobody is there
    people.lose_files()
    async with docent_running(people_values):
        *_, reply = await people.replied(3)
        assert ANSWER in reply
        assert "trace.log (it is no longer there)" in reply.replace("\\", "")


async def test_files_of_follow_ups_and_files_without_a_word_are_read(
    people_values: dict[str, str], people: People, openai: OpenAIServer
) -> None:
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        await people.say(people.alice, "", files={"trace.log": LOG})
        await people.replied(2)
        parts = asked(openai)
        assert "disk full" in json.dumps(parts)
        assert "what is attached" in json.dumps(parts[-1])  # somebody has to ask something
        await people.ask(people.alice, "", {"screen.png": PNG})
        await people.replied(3)
        assert kinds(openai) == ["input_image"]


async def test_what_is_asked_again_is_asked_with_its_files(
    people_values: dict[str, str], people: People, openai: OpenAIServer
) -> None:
    async with docent_running(people_values):
        await people.ready()
        openai.script(Script(statuses=["failed"], error_code="invalid_prompt"))
        await people.ask(people.alice, QUESTION, {"trace.log": LOG})
        (fallback,) = await people.dressed(1)
        await people.press(fallback, "Try again", people.alice)
        _, reply = await people.replied(2)
        assert ANSWER in reply
        assert "disk full" in json.dumps(asked(openai))


async def test_an_engine_that_reads_no_files_says_so_and_fetches_none(
    people_values: dict[str, str], people: People
) -> None:
    async with docent_running({**people_values, "ENGINE": "local"}):
        await people.ready()
        await people.ask(people.alice, QUESTION, {"trace.log": LOG})
        (reply,) = await people.replied(1)
        assert ANSWER in reply
        assert "trace.log" in reply
        assert people.file_requests() == 0


async def test_without_its_scope_slack_s_page_to_sign_in_is_not_read_as_the_file(
    slack_values: dict[str, str], slack: SlackServer, openai: OpenAIServer
) -> None:
    slack.scopes.remove("files:read")
    async with docent_running(slack_values):
        await slack.wait_for(lambda: slack.connections)
        root = slack.dm("U0ALICE", QUESTION, files=[slack.files.upload("trace.log", LOG)])
        channel = slack.workspace.direct("U0ALICE").id
        await slack.wait_for(lambda: len(slack.thread(channel, root)) > 1)
        reply = slack.thread(channel, root)[1]["text"]
        assert ANSWER in reply
        assert "trace.log (Slack does not let me read it)" in reply
        assert "Sign in" not in json.dumps(asked(openai))


async def test_at_a_terminal_files_are_attached_by_their_paths(
    openai: OpenAIServer, documentation: Path, tmp_path: Path
) -> None:
    values = {
        **settings_for(openai),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'docent.db'}",
        "DOCS_SOURCES": f"{documentation}=https://docs.example.com/",
    }
    (tmp_path / "trace.log").write_bytes(LOG)
    (tmp_path / "screen.png").write_bytes(PNG)
    (tmp_path / "all.zip").write_bytes(archive({"a.txt": b"a"}))
    refreshed = await DocentProcess.start(tmp_path, values, "refresh")
    assert (await refreshed.end(seconds=60))[0] == 0
    chat = await DocentProcess.start(tmp_path, values, "chat")
    lines = ("/attach trace.log", "/attach screen.png", "/attach all.zip", "/attach none", QUESTION)
    code, output, errors = await chat.end("\n".join(lines), seconds=60)
    assert (code, errors) == (0, "")
    shown = " ".join(output.split())
    assert "trace.log goes with your next question." in shown
    assert "There is no file" in shown
    assert ANSWER in shown
    assert "I could not read: all.zip (an archive)" in shown
    assert "disk full" in json.dumps(asked(openai))
    assert kinds(openai) == ["input_image"]
