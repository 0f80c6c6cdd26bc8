"""Attached files from a question to its reply, with a real store and OpenAI's protocol."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from core.domain import Attached, MessageRef, TurnId, TurnState
from core.errors import PlatformUnreachable
from core.forgetting import Forgetting
from core.openai_engine.engine import OpenAIEngine
from core.store import Store
from core.tools import Toolbox
from servers.attached_files import PDF, PNG, archive, attached
from servers.loop_rig import Bench
from servers.mentions import mention
from servers.openai_faults import Hold, error, server_error
from servers.openai_rig import Docs, function_call, make_engine
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.scripted import RecordingPlatform
from servers.tool_rig import toolbox


@dataclass
class World:
    """A process that answers in one thread, and what people attach there."""

    store: Store
    server: OpenAIServer
    engine: OpenAIEngine
    platform: RecordingPlatform = field(default_factory=RecordingPlatform)

    def __post_init__(self) -> None:
        self.platform.files = {"a.png": PNG, "b.pdf": PDF, "c.log": b"disk full"}

    def bench(self, deadline: float = 60.0, toolbox: Toolbox | None = None) -> Bench:
        return Bench(self.store, self.engine, self.platform, deadline=deadline, toolbox=toolbox)

    async def ask(self, bench: Bench, text: str, *names: str, thread: str = "t1") -> MessageRef:
        files: tuple[Attached, ...] = tuple(map(attached, names))
        asked = replace(mention(text, thread=thread), files=files)
        assert await bench.desk.take(asked)
        return asked.ref

    def replies(self, thread: str = "t1") -> list[str]:
        return self.platform.threads[thread]

    def notes(self) -> tuple[str, ...]:
        return self.platform.replies[-1].notes

    def sent_files(self) -> list[list[str]]:
        """The ids of files in each request for a response."""
        return [
            [
                part["file_id"]
                for item in request.json["input"]
                for part in item["content"]
                if isinstance(part, dict) and "file_id" in part
            ]
            for request in self.server.sent("POST", "/responses")
        ]

    def files(self) -> list[str]:
        return list(self.server.files.all)

    async def outcome(self, turn: int = 1) -> tuple[TurnState, str | None]:
        found = await self.store.turns.get(TurnId(turn))
        assert found is not None
        return found.state, found.outcome


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    async with OpenAIServer(script=Script(statuses=["completed"], text="The disk.")) as server:
        engine = make_engine(server, Docs())
        yield World(store, server, engine)
        await engine.close()


async def reached(hold: Hold) -> None:
    async with asyncio.timeout(60):
        await hold.reached.wait()


async def test_a_question_is_answered_with_its_files(world: World) -> None:
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png", "b.pdf", "c.log")
        await bench.idle()
    assert world.replies() == ["The disk."]
    assert world.notes() == ()
    assert world.sent_files() == [world.files()] or world.sent_files() == [world.files()[::-1]]
    (request,) = world.server.sent("POST", "/responses")
    assert "disk full" in str(request.json["input"])


async def test_what_cannot_be_read_is_named_under_the_answer(world: World) -> None:
    world.platform.files["logs.zip"] = archive({"a.log": b"disk full"})
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "logs.zip", "gone.log", "c.log")
        await bench.idle()
    assert world.replies() == ["The disk."]
    assert world.notes() == (
        "I could not read: logs.zip (an archive), gone.log (it is no longer there).",
    )


async def test_files_alone_are_a_question(world: World) -> None:
    async with world.bench().running() as bench:
        await world.ask(bench, "", "c.log")
        await bench.idle()
    assert world.replies() == ["The disk."]


async def test_files_alone_of_which_none_can_be_read_are_answered_without_a_run(
    world: World,
) -> None:
    async with world.bench().running() as bench:
        await world.ask(bench, "", "gone.log")
        await bench.idle()
    (said,) = world.replies()
    assert said.startswith("I could read nothing of what you sent me.")
    assert "gone.log" in world.notes()[0]
    assert world.server.runs() == []


async def test_files_of_messages_that_are_answered_together_are_all_read(world: World) -> None:
    hold = world.server.hold("POST", "/conversations")
    async with world.bench().running() as bench:
        await world.ask(bench, "first", thread="t1")
        await reached(hold)
        await world.ask(bench, "look at this:", thread="t1")
        await world.ask(bench, "", "a.png", thread="t1")
        hold.release()
        await bench.idle()
    assert [len(files) for files in world.sent_files()] == [0, 1]


async def test_a_platform_that_is_away_for_a_moment_costs_nothing_but_that(world: World) -> None:
    class Away(RecordingPlatform):
        async def read_file(self, *of_file: object) -> bytes:
            if not self.files_read:
                self.files_read.append("a.png")
                raise PlatformUnreachable
            return PNG

    world.platform = Away()
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await bench.idle()
    assert (world.replies(), world.notes()) == (["The disk."], ())
    assert [len(files) for files in world.sent_files()] == [1]


# --- what goes wrong at OpenAI --------------------------------------------------------------------


async def test_a_process_that_dies_before_the_run_does_not_upload_twice(world: World) -> None:
    hold = world.server.hold("POST", "/conversations", effect=False)
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await reached(hold)
        bench.kill()
    hold.release()
    async with world.bench().running() as bench:
        await world.platform.posted(1)
        await bench.idle()
    assert world.replies() == ["The disk."]
    assert len(world.server.sent("POST", "/files")) == 1
    assert world.platform.files_read == ["a.png"]
    assert world.sent_files() == [world.files()]


async def test_a_file_that_has_expired_heals_the_conversation(world: World) -> None:
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await bench.idle()
        (lost,) = world.files()
        world.server.files.expire(lost)
        await world.ask(bench, "And now?", "b.pdf")
        await bench.idle()
    assert world.replies() == ["The disk.", "The disk."]
    assert (world.notes(), len(world.server.sent("POST", "/conversations"))) == ((), 2)
    assert world.sent_files()[-1] == world.files()


async def test_an_upload_that_is_gone_before_it_is_read_is_made_again(world: World) -> None:
    hold = world.server.hold("POST", "/conversations")
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await reached(hold)
        world.server.files.expire(world.files()[0])
        hold.release()
        await bench.idle()
    assert (world.replies(), world.notes()) == (["The disk."], ())
    assert len(world.server.sent("POST", "/files")) == 2


async def test_a_file_that_openai_cannot_read_costs_the_file_and_not_the_answer(
    world: World,
) -> None:
    world.platform.files["broken.webp"] = b"RIFF\x24\0\0\0WEBPVP8 "
    hold = world.server.hold("POST", "/conversations")
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png", "broken.webp")
        await reached(hold)
        broken = next(f for f in world.server.files.all.values() if f.name.startswith("broken"))
        broken.content = b"no picture after all"
        hold.release()
        await bench.idle()
    assert world.replies() == ["The disk."]
    assert world.notes() == ("I could not read: broken.webp (the model could not read it).",)
    assert [len(files) for files in world.sent_files()] == [2, 1]


async def test_a_run_that_fails_for_a_file_is_followed_by_one_without(world: World) -> None:
    failed = Script(
        statuses=["queued", "failed"], error_code="invalid_image", error_message="Not valid."
    )
    world.server.script(failed)
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png", "c.log")
        await bench.idle()
    assert world.replies() == ["The disk."]
    assert world.notes() == ("I could not read: a.png (the model could not read it).",)
    assert [len(files) for files in world.sent_files()] == [1, 0]
    assert await world.outcome() == (TurnState.DELIVERED, "answered")


UNKNOWN = Script(
    statuses=["queued", "failed"], error_code="no_alpha", error_message="Alpha is beyond us."
)


async def test_a_run_that_fails_in_words_that_nobody_knows_is_followed_by_one_without_files(
    world: World,
) -> None:
    world.server.script(UNKNOWN)
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png", "c.log")
        await bench.idle()
    assert world.replies() == ["The disk."]
    assert world.notes() == ("I could not read: a.png (the model could not read it).",)
    assert [len(files) for files in world.sent_files()] == [1, 0]
    assert await world.outcome() == (TurnState.DELIVERED, "answered")


async def test_where_it_fails_without_files_too_there_is_no_third_run(world: World) -> None:
    world.server.script(UNKNOWN)
    world.server.script(UNKNOWN)
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await bench.idle()
    assert await world.outcome() == (TurnState.DELIVERED, "no_alpha")
    assert [len(files) for files in world.sent_files()] == [1, 0]


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
async def test_what_fails_in_passing_is_not_blamed_on_files(world: World, code: str) -> None:
    failed = Script(statuses=["failed"], error_code=code, error_message="Alpha is beyond us.")
    world.server.script(failed)
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await bench.idle()
    assert (world.replies(), world.notes()) == (["The disk."], ())
    assert [len(files) for files in world.sent_files()] == [1, 1]


async def test_without_uploads_a_failure_in_unknown_words_is_told_at_once(world: World) -> None:
    world.server.script(UNKNOWN)
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "c.log")
        await bench.idle()
    assert await world.outcome() == (TurnState.DELIVERED, "no_alpha")
    assert world.sent_files() == [[]]


async def test_who_has_read_the_files_and_wanted_calls_did_not_fail_for_them(
    world: World, tmp_path: Path
) -> None:
    code = '@tool(repeatable=True)\ndef look_up() -> str:\n    "Look."\n    return "full"\n'
    world.server.script(Script(statuses=["completed"], output=[function_call()]))
    world.server.script(UNKNOWN)
    async with world.bench(toolbox=toolbox(tmp_path, code)).running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await bench.idle()
    assert await world.outcome() == (TurnState.DELIVERED, "no_alpha")
    assert world.notes() == ()
    assert len(world.server.runs()) == 2


async def test_a_request_that_is_refused_in_unknown_words_is_made_without_files(
    world: World,
) -> None:
    refused = error(422, "Alpha is beyond us.", "no_alpha", "invalid_request_error")
    world.server.fault("POST", "/responses", refused)
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await bench.idle()
    assert world.replies() == ["The disk."]
    assert world.notes() == ("I could not read: a.png (the model could not read it).",)
    assert [len(files) for files in world.sent_files()] == [1, 0]


async def test_uploads_that_fail_for_a_while_are_made_when_they_can_be(world: World) -> None:
    world.server.fault("POST", "/files", server_error(), server_error(503))
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png")
        await bench.idle()
    assert (world.replies(), world.notes()) == (["The disk."], ())


# --- forgetting -----------------------------------------------------------------------------------


async def test_a_person_is_forgotten_with_what_is_at_openai(world: World) -> None:
    async with world.bench().running() as bench:
        await world.ask(bench, "Why?", "a.png", "b.pdf")
        await bench.idle()
    assert len(world.files()) == 2
    await world.store.people.forget("slack", "U1")
    assert await Forgetting(store=world.store, engine=world.engine).erase() is None
    assert (world.files(), len(world.server.files.deleted)) == ([], 2)
    assert world.server.conversations.all == {}


async def test_a_question_that_is_deleted_while_its_file_is_uploaded_leaves_nothing_there(
    world: World,
) -> None:
    hold: Hold = world.server.hold("POST", "/files")
    async with world.bench().running() as bench:
        asked = await world.ask(bench, "Why?", "a.png")
        await reached(hold)
        await bench.desk.withdraw(asked)
        hold.release()
        await bench.idle()
    assert await Forgetting(store=world.store, engine=world.engine).erase() is None
    assert world.files() == []
    assert world.replies() == []
