"""`docent forget` as an operator runs it: a process, with a database and OpenAI's API."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bots.cli import main
from core.domain import Exchange, MessageId, Turn, TurnState
from core.store import Store, migrate_database
from servers.docent_rig import DOCENT, DocentProcess
from servers.mentions import mention
from servers.openai_faults import server_error
from servers.openai_rig import Docs, make_engine, question
from servers.openai_server import OpenAIServer

ERASED = "The engine keeps nothing that was to be erased."


@pytest.fixture
async def openai() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@dataclass(frozen=True, kw_only=True)
class Place:
    """A database in which people have asked, and how to run the command there."""

    folder: Path
    values: dict[str, str]
    openai: OpenAIServer

    async def forget(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Exit code, output, and what went to standard error."""
        process = await DocentProcess.start(
            self.folder, {**self.values, **more}, "forget", *arguments
        )
        return await process.end()

    async def ask(self, author: str, thread: str, *, answered: bool = True) -> Turn:
        """Somebody asks, and OpenAI answers, or is at work."""
        engine = make_engine(self.openai, Docs())
        async with await Store.open(self.values["DATABASE_URL"]) as store:
            await store.leases.beat([])
            turn = await store.turns.take(mention("private", author=author, thread=thread))
            assert turn is not None
            history = [Exchange(question="private", answer="private")]
            conversation = await engine.open_conversation(turn.thread, history)
            await store.progress.link(turn, engine.name, conversation)
            run = await engine.start(conversation, question("private", author, turn.id))
            assert await store.progress.began(turn, run)
            if answered:
                await store.progress.settle(turn, TurnState.ANSWERED, "answered", None, ["So."])
                await store.progress.posted(turn, 0, MessageId("p"), last=True)
            await store.leases.leave()
        await engine.close()
        return turn

    async def read(self, turn: Turn) -> Turn:
        async with await Store.open(self.values["DATABASE_URL"]) as store:
            found = await store.turns.get(turn.id)
            assert found is not None
            return found


@pytest.fixture
async def place(request: pytest.FixtureRequest, openai: OpenAIServer, tmp_path: Path) -> Place:
    """On SQLite, unless a test asks for both kinds: a process takes seconds to start."""
    url = str(request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url"))
    await migrate_database(url)
    values = {
        "DATABASE_URL": url,
        "OPENAI_API_KEY": openai.api_key,
        "OPENAI_BASE_URL": openai.url,
        "DOCS_SOURCES": str(tmp_path / "no such folder"),
    }
    return Place(folder=tmp_path, values=values, openai=openai)


@pytest.mark.parametrize("place", ["sqlite", "postgres"], indirect=True)
async def test_a_person_is_erased_here_and_at_openai(place: Place) -> None:
    answered = await place.ask("UGONE", "t1")
    at_work = await place.ask("UGONE", "t2", answered=False)
    other = await place.ask("U2", "t3")

    code, output, errors = await place.forget("--user", "slack:UGONE", "--yes")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        "Forgotten of slack:UGONE: 2 questions in 2 threads, 1 of them waiting for an answer, "
        "2 conversations.",
        ERASED,
    ]
    kept = await place.read(other)
    assert list(place.openai.conversations.all) == [kept.conversation]
    assert all(not gone.items for gone in place.openai.conversations.deleted.values())
    assert list(place.openai.responses.all) == [kept.run]
    assert at_work.run not in [run.id for run in place.openai.orphans()]
    for turn in (answered, at_work):
        now = await place.read(turn)
        assert (now.question, now.author, now.conversation, now.run) == ("", "", None, None)
    assert kept.question == "private"


async def test_who_only_judged_a_reply_is_erased_too(place: Place) -> None:
    turn = await place.ask("U2", "t1")
    async with await Store.open(place.values["DATABASE_URL"]) as store:
        await store.feedback.judge(turn.id, "UGONE", "helpful", 1.0)
    code, output, _ = await place.forget("--user", "slack:UGONE")
    assert (code, output) == (2, "")  # it asks first
    code, output, _ = await place.forget("--user", "slack:UGONE", "--yes")
    assert code == 0
    assert "0 questions in 0 threads, 0 conversations, 1 verdict." in output
    async with await Store.open(place.values["DATABASE_URL"]) as store:
        assert await store.feedback.of(turn.id) == {}


async def test_a_dry_run_counts_and_erases_nothing(place: Place) -> None:
    turn = await place.ask("UGONE", "t1")
    code, output, _ = await place.forget("--user", "slack:UGONE", "--dry-run")
    assert code == 0
    assert output == "There is of slack:UGONE: 1 question in 1 thread, 1 conversation.\n"
    assert (await place.read(turn)).question == "private"
    assert len(place.openai.conversations.all) == 1


async def test_without_a_terminal_nothing_is_erased_unless_yes_is_said(place: Place) -> None:
    turn = await place.ask("UGONE", "t1")
    code, _, errors = await place.forget("--user", "slack:UGONE")
    assert code == 2
    assert "--yes" in errors
    assert (await place.read(turn)).question == "private"


@pytest.mark.parametrize(("typed", "code", "left"), [("n", 1, "private"), ("yes", 0, "")])
async def test_at_a_terminal_it_asks_first(place: Place, typed: str, code: int, left: str) -> None:
    turn = await place.ask("UGONE", "t1")
    keyboard, terminal = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            DOCENT,
            *("forget", "--user", "slack:UGONE"),
            cwd=place.folder,
            env={"PATH": os.environ["PATH"], **place.values},  # noqa: TID251
            stdin=terminal,
            stdout=asyncio.subprocess.PIPE,
        )
        os.write(keyboard, f"{typed}\n".encode())
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert process.returncode == code
    assert b"This cannot be undone. [y/N]" in output
    assert (await place.read(turn)).question == left


async def test_what_openai_did_not_erase_is_erased_by_the_next_call(place: Place) -> None:
    turn = await place.ask("UGONE", "t1")
    place.openai.break_down(server_error(), "DELETE", "*")
    code, _, errors = await place.forget("--user", "slack:UGONE", "--yes")
    assert code == 1
    assert "At openai, 1 erasure to be done yet." in errors
    assert "run `docent forget --user slack:UGONE` again" in errors
    assert (await place.read(turn)).author == ""
    assert place.openai.conversations.all

    place.openai.mend()
    code, output, errors = await place.forget("--user", "slack:UGONE")
    assert (code, errors) == (0, "")
    assert ERASED in output
    assert not place.openai.conversations.all


async def test_an_engine_that_is_not_set_up_any_more_is_named(place: Place) -> None:
    await place.ask("UGONE", "t1")
    code, _, errors = await place.forget("--user", "slack:UGONE", "--yes", ENGINE="local")
    assert code == 1
    assert "set ENGINE=openai" in errors


async def test_of_somebody_unknown_it_is_said_that_there_is_nothing(place: Place) -> None:
    await place.ask("U2", "t1")
    said = "Nothing of slack:UGONE is in the database.\n"
    code, output, _ = await place.forget("--user", "slack:UGONE", "--dry-run")
    assert (code, output) == (0, said)
    code, output, _ = await place.forget("--user", "slack:UGONE", "--yes")
    assert (code, output) == (0, f"{said}{ERASED}\n")
    assert len(place.openai.conversations.all) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("forget", "--user", "slack:UGONE", "--yes"),
        ("docs", "list"),
        ("docs", "verify", "--repair"),
        ("report",),
        ("eval", "questions.jsonl"),
    ],
)
async def test_in_a_wrong_folder_what_reads_or_erases_makes_no_database(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "Why?", "no_answer": true}\n')
    process = await DocentProcess.start(tmp_path, {}, *arguments)
    code, output, errors = await process.end()
    assert (code, output) == (1, "")
    file = tmp_path / "data" / "docent.db"
    assert errors.startswith(f"Docent stops: There is no database at {file}: .env is read from")
    assert not file.parent.exists()


@pytest.mark.parametrize("user", ["mara", "slack:@mara", "slack:u123", "discord:mara", "irc:X", ""])
def test_a_person_is_named_by_platform_and_id(
    user: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["forget", "--user", user])
    assert caught.value.code == 2
    assert "slack:U0123456" in capsys.readouterr().err
