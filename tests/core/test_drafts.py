"""Answers appear as they are written, in the messages that the reply will be, whatever crashes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from core import drafts, loop, pacing
from core.domain import Failed, MessageId, TurnState, Working
from core.errors import DraftStopped, PlatformBusy, PlatformRefused, PlatformUnreachable, StoreError
from core.lease import Lease
from core.store import Store
from servers.loop_rig import Bench, Running
from servers.scripted import RecordingPlatform, ScriptedEngine, done
from servers.waiting import until

pytestmark = pytest.mark.usefixtures("drafts_at_once")


@pytest.fixture
def engine() -> ScriptedEngine:
    engine = ScriptedEngine()
    engine.speaks = True
    return engine


def call_of(name: str, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a method of the drafts is called."""
    method, called = getattr(drafts.Drafts, name), asyncio.Event()

    async def call(*given: Any) -> None:
        called.set()
        await method(*given)

    monkeypatch.setattr(drafts.Drafts, name, call)
    return called


async def finish(engine: ScriptedEngine, text: str, run: str = "run_1") -> None:
    await engine.has_started(run)
    engine.finish(run, done(text))
    engine.end_words(run)


async def test_the_words_are_shown_in_the_message_that_the_reply_becomes(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        engine.write("run_1", "It is blue")
        await platform.drafted("It is blue")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]
    assert platform.edits == [("p0", "It is blue.")]
    assert (await bench.turn()).state is TurnState.DELIVERED


async def test_the_end_of_the_words_is_looked_at_without_a_wait(
    running: Running, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "FIRST_LOOK", 3_600.0)  # polling alone would take too long
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is blue")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert engine.looks == 1


async def test_an_answer_that_is_there_at_once_is_posted_once(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drafts, "FIRST_WORDS", 3_600.0)
    async with running() as bench:
        engine.write("run_1", "answer to q")
        engine.end_words("run_1")
        await bench.ask("q")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to q"]
    assert (platform.drafts, platform.edits) == ([], [])


async def test_a_part_that_is_full_stays_and_the_next_one_begins(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform._parts = 2
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "one|two")
        await platform.drafted("two")
        engine.write("run_1", "one|two and")
        await platform.drafted("two and")
        await finish(engine, "x")
        await bench.idle()
    assert platform.drafts == ["one", "two", "two and"]
    assert platform.threads["t1"] == ["x", "x (1)"]


async def test_a_message_that_the_reply_does_not_need_is_deleted(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "one|two|three")
        await platform.drafted("three")
        await finish(engine, "x")
        await bench.idle()
    assert platform.threads["t1"] == ["x", "", ""]


@pytest.mark.parametrize("option", ["streaming", "platform"])
async def test_where_no_drafts_are_wanted_the_answer_comes_in_one_piece(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform, option: str
) -> None:
    if option == "platform":
        platform.draft_seconds = None
    engine.script("q", Working())
    async with running(streaming=option != "streaming") as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]
    assert platform.drafts == []


async def test_a_fallback_takes_the_place_of_what_was_written(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        engine.finish("run_1", Failed(reason="server_error", transient=False))
        engine.end_words("run_1")
        await bench.idle()
    (reply,) = platform.threads["t1"]
    assert reply.startswith("I cannot reply")


async def test_another_run_writes_in_the_same_message(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        engine.finish("run_1", Failed(reason="server_error", transient=True))
        engine.end_words("run_1")
        engine.write("run_2", "Blue")
        await platform.drafted("Blue")
        await finish(engine, "Blue.", "run_2")
        await bench.idle()
    assert platform.threads["t1"] == ["Blue."]


async def test_an_edited_question_is_answered_in_the_same_message(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("old", Working())
    engine.script("new", Working())
    async with running() as bench:
        (asked,) = await bench.ask("old")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        await bench.desk.edit(replace(asked, text="new"))
        engine.write("run_2", "Blue")
        await platform.drafted("Blue")
        await finish(engine, "Blue.", "run_2")
        await bench.idle()
    assert platform.threads["t1"] == ["Blue."]


async def test_what_was_written_for_a_deleted_question_is_taken_back(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    async with running() as bench:
        (asked,) = await bench.ask("q")
        engine.write("run_1", "one|two")
        await platform.drafted("two")
        platform.edit_errors = [PlatformBusy(0.001)]
        await bench.desk.withdraw(asked.ref)
        await bench.idle()
        assert (await bench.turn()).state is TurnState.CANCELLED
    assert platform.threads["t1"] == ["", ""]


async def test_a_draft_that_is_on_its_way_when_the_question_is_deleted_is_taken_back(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    async with running() as bench:
        (asked,) = await bench.ask("q")

        async def deleted_first() -> None:
            platform.before_draft = None
            await bench.desk.withdraw(asked.ref)

        platform.before_draft = deleted_first
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        await bench.idle()
        assert (await bench.turn()).state is TurnState.CANCELLED
    assert platform.threads["t1"] == [""]


async def test_a_draft_that_is_on_its_way_when_the_answer_is_there_becomes_the_reply(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    answered = asyncio.Event()
    async with running() as bench:

        async def answered_first() -> None:
            await finish(engine, "It is blue.")
            await engine.looked_at(1)
            await answered.wait()

        platform.before_draft = answered_first
        await bench.ask("q")
        engine.write("run_1", "It is")
        await engine.looked.wait()
        answered.set()
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]


@pytest.mark.parametrize("lands", [True, False])
async def test_a_change_that_hangs_does_not_keep_the_reply_waiting_nor_takes_its_place(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
    lands: bool,
) -> None:
    monkeypatch.setattr(drafts, "LAST_CHANGE", 0.01)
    engine.script("q", Working())
    hangs, lands_now = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        hangs.set()
        await lands_now.wait()
        if not lands:
            raise PlatformUnreachable

    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        platform.before_draft = hang
        engine.write("run_1", "It is blue")
        await hangs.wait()
        await finish(engine, "It is blue.")
        await until(lambda: platform.threads["t1"] == ["It is blue."], asyncio.Event, 60)
        assert (await bench.turn()).state is TurnState.ANSWERED  # until it is sure to stay so
        lands_now.set()
        await bench.idle()
        assert (await bench.turn()).state is TurnState.DELIVERED
    assert platform.threads["t1"] == ["It is blue."]
    assert ("It is blue" in platform.drafts) is lands
    assert [text for _, text in platform.edits] == ["It is blue."] * 2


async def test_a_change_that_hangs_when_the_question_is_deleted_is_given_up(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drafts, "LAST_CHANGE", 0.01)
    engine.script("q", Working())
    hangs, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        hangs.set()
        await never.wait()

    async with running() as bench:
        (asked,) = await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        platform.before_draft = hang
        engine.write("run_1", "It is blue")
        await hangs.wait()
        await bench.desk.withdraw(asked.ref)
        await bench.idle()
    assert platform.threads["t1"] == [""]


@pytest.mark.parametrize("error", [PlatformUnreachable(), PlatformRefused("no")])
async def test_a_draft_that_fails_is_given_up_and_the_answer_comes(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform, error: Exception
) -> None:
    platform.draft_errors = [error]
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]


async def test_a_first_draft_whose_fate_is_unknown_is_found_by_the_reply(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.draft_errors_after = [PlatformUnreachable()]
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]


async def test_a_draft_that_could_not_be_written_down_is_found_by_the_reply(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(*_: Any) -> None:
        raise StoreError

    monkeypatch.setattr(store.progress, "drafted", fails)
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]


async def test_a_platform_that_asks_for_a_pause_gets_the_draft_later(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.draft_errors = [PlatformBusy(0.001)]
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It")
        await platform.refused.wait()
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]


@pytest.mark.parametrize("when", ["on record", "in doubt"])
async def test_after_a_kill_the_next_process_goes_on_in_the_same_message(
    store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    engine.script("q", Working())
    first = Bench(store, engine, platform)
    if when == "in doubt":
        drafted = store.progress.drafted

        async def dies(*_: Any) -> None:
            first.kill()
            monkeypatch.setattr(store.progress, "drafted", drafted)
            await asyncio.sleep(0)

        monkeypatch.setattr(store.progress, "drafted", dies)
    async with first.running():
        await first.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        first.kill()
    second = Bench(store, engine, platform)
    async with second.running():
        engine.write("run_1", "It is blue")
        await platform.drafted("It is blue")
        await finish(engine, "It is blue.")
        await second.idle()
    assert platform.threads["t1"] == ["It is blue."]


async def test_a_run_is_not_looked_at_while_its_words_come(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drafts, "LISTENING_LOOK", 3_600.0)
    monkeypatch.setattr(loop, "LISTENING_LOOK", 0.0)  # so it has a step all the time
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        await engine.looked.wait()
        engine.write("run_1", "It")
        await platform.drafted("It")
        looks = engine.looks
        for number in range(20):
            engine.write("run_1", f"It {number}")
            await platform.drafted(f"It {number}")
        assert engine.looks == looks
        await finish(engine, "It is blue.")
        await bench.idle()
    assert engine.looks == looks + 1


async def test_a_run_that_says_no_more_is_looked_at(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drafts, "LISTENING_LOOK", 0.001)
    monkeypatch.setattr(loop, "LISTENING_LOOK", 0.001)
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It")
        await platform.drafted("It")
        engine.finish("run_1", done("It is blue."))  # but its stream hangs
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]


async def test_a_draft_that_was_not_written_down_is_taken_back_without_a_search(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def finds_nothing(_: Any) -> None:
        """A search that compares texts does not find what has grown since."""

    monkeypatch.setattr(platform, "find", finds_nothing)
    engine.script("q", Working())
    async with running() as bench:
        (asked,) = await bench.ask("q")

        async def deleted_first() -> None:
            platform.before_draft = None
            await bench.desk.withdraw(asked.ref)

        platform.before_draft = deleted_first
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        await bench.idle()
    assert platform.threads["t1"] == [""]


async def test_a_draft_that_was_not_written_down_becomes_the_reply_without_a_search(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(*_: Any) -> None:
        raise StoreError

    async def finds_nothing(_: Any) -> None:
        """As above."""

    monkeypatch.setattr(store.progress, "drafted", fails)
    monkeypatch.setattr(platform, "find", finds_nothing)
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        await finish(engine, "It is blue.")
        await bench.idle()
    assert platform.threads["t1"] == ["It is blue."]


async def test_a_part_that_looks_like_another_one_is_not_taken_for_it(
    store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform._parts = 2
    engine.script("q", Working())
    first = Bench(store, engine, platform)
    async with first.running():
        await first.ask("q")
        for words in ("one", "one more"):  # by the second ones it is on record
            engine.write("run_1", words)
            await platform.drafted(words)
        first.kill()

    async def finds_any(_: Any) -> MessageId:
        return MessageId("p0")

    monkeypatch.setattr(platform, "find", finds_any)
    second = Bench(store, engine, platform)
    async with second.running():
        engine.write("run_1", "one more|two")
        await platform.drafted("two")
        await finish(engine, "x")
        await second.idle()
    assert platform.threads["t1"] == ["x", "x (1)"]


async def test_parts_that_are_not_shown_yet_do_not_keep_the_reply_waiting(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ending = call_of("end", monkeypatch)
    engine.script("q", Working())
    async with running() as bench:

        async def answered_first() -> None:
            platform.before_draft = None
            ending.clear()
            await finish(engine, "x")
            await ending.wait()  # the reply waits for the draft from now on

        platform.before_draft = answered_first
        await bench.ask("q")
        engine.write("run_1", "one|two|three")
        await bench.idle()
    assert platform.drafts == ["one"]
    assert platform.threads["t1"] == ["x"]


async def test_a_draft_that_is_on_its_way_at_the_stop_is_on_record_for_the_next_process(
    store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closing = call_of("close", monkeypatch)
    engine.script("q", Working())
    first = Bench(store, engine, platform)
    async with first.running():

        async def stopped_first() -> None:
            platform.before_draft = None
            first.stop.set()
            await closing.wait()

        platform.before_draft = stopped_first
        await first.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
    drafted = await store.progress.drafts(await first.turn())
    assert list(drafted) == [0]


async def test_a_run_that_is_created_during_the_stop_does_not_hold_it_up(
    store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closing = call_of("close", monkeypatch)
    bench = Bench(store, engine, platform)

    async def stopped_first() -> None:
        bench.stop.set()
        await closing.wait()

    engine.script("q", Working())  # it never ends, and nobody says a word
    engine.before_reply = stopped_first
    async with asyncio.timeout(60), bench.running():
        await bench.ask("q")
        await engine.has_started("run_1")
    turn = await bench.turn()
    assert (turn.state, turn.run) == (TurnState.RUNNING, "run_1")


async def test_a_process_that_may_have_lost_its_threads_changes_no_draft(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asyncio.Event()

    def has_ended(_: Lease) -> bool:
        asked.set()
        return False

    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        with monkeypatch.context() as paused:
            paused.setattr(Lease, "is_valid", property(has_ended))
            engine.write("run_1", "It is blue")
            async with asyncio.timeout(60):
                await asked.wait()
            await finish(engine, "It is blue.")
            await bench.idle()
    assert platform.drafts == ["It is"]


async def test_an_answer_that_the_asker_stops_on_the_platform_ends_with_what_is_written(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("q", Working())
    async with running() as bench:
        await bench.ask("q")
        engine.write("run_1", "It is")
        await platform.drafted("It is")
        platform.draft_errors = [DraftStopped("stopped")]
        engine.write("run_1", "It is blue")
        await bench.idle()
        await asyncio.wait_for(engine.cancelled_one.wait(), 60)
    (reply,) = platform.threads["t1"]
    assert reply.startswith("It is")
    assert (await bench.turn()).outcome == "stopped"
    assert engine.cancelled == ["run_1"]
