"""A further part of a draft, of which nobody knows whether it was posted, becomes the reply's."""

import asyncio
from typing import Any

import pytest

from core.domain import Answer, Answered, MessageId, Working
from core.errors import PlatformUnreachable
from core.store import Store
from servers.loop_rig import Bench
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("drafts_at_once")


@pytest.fixture
def engine() -> ScriptedEngine:
    engine = ScriptedEngine()
    engine.speaks = True
    engine.script("q", Working())
    return engine


@pytest.fixture
def platform() -> RecordingPlatform:
    return RecordingPlatform(parts=2)


def finish(engine: ScriptedEngine) -> None:
    engine.finish("run_1", Answered(answer=Answer(text="x")))
    engine.end_words("run_1")


async def test_a_further_part_whose_fate_is_unknown_is_found_by_the_reply(
    store: Store, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    bench = Bench(store, engine, platform)
    async with bench.running():
        await bench.ask("q")
        engine.write("run_1", "one")
        await platform.drafted("one")
        platform.draft_errors_after = [PlatformUnreachable()]
        engine.write("run_1", "one|two")
        await platform.drafted("two")
        finish(engine)
        await bench.idle()
    assert platform.threads["t1"] == ["x", "x (1)"]


@pytest.mark.parametrize("looks_like_the_first", [False, True])
async def test_a_further_part_that_was_posted_before_a_kill_is_found_by_the_reply(
    store: Store,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    monkeypatch: pytest.MonkeyPatch,
    looks_like_the_first: bool,
) -> None:
    first, drafted = Bench(store, engine, platform), store.progress.drafted
    posted, delivered = store.progress.posted, asyncio.Event()

    async def dies_with_the_second(turn: Any, part: int, message: MessageId) -> None:
        if part == 0:
            await drafted(turn, part, message)
            return
        first.kill()
        await asyncio.sleep(0)

    async def records(*given: Any, last: bool) -> None:
        await posted(*given, last=last)
        if last:
            delivered.set()

    async def finds_the_first(_: Any) -> MessageId:
        return MessageId("p0")

    monkeypatch.setattr(store.progress, "drafted", dies_with_the_second)
    async with first.running():
        await first.ask("q")
        engine.write("run_1", "one|two")
        await platform.drafted("two")
        first.kill()
    monkeypatch.setattr(store.progress, "drafted", drafted)
    monkeypatch.setattr(store.progress, "posted", records)
    if looks_like_the_first:
        monkeypatch.setattr(platform, "find", finds_the_first)
    finish(engine)
    async with Bench(store, engine, platform).running(), asyncio.timeout(60):
        await delivered.wait()
    lost = ["two"] if looks_like_the_first else []
    assert platform.threads["t1"] == ["x", *lost, "x (1)"]
