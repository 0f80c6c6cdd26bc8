"""A question that is found late and was asked early: answered before those that wait longer."""

import asyncio
from collections.abc import Callable

import pytest

from core.domain import Answer, Answered, Working
from core.store import Store
from servers.loop_rig import Bench
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine, done

NOON = 1_800_000_000.0  # seconds
DONE = done("answer to running")

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def bench(
    store: Store, engine: ScriptedEngine, platform: RecordingPlatform
) -> Callable[..., Bench]:
    """Make a process; one after the other, each begins where the one before was ended."""
    return lambda **options: Bench(store, engine, platform, **options)


async def ask(made: Bench, text: str, at: float) -> None:
    assert await made.desk.take(mention(text, at=NOON + at, author=f"who asked {text}"))


def asked(engine: ScriptedEngine) -> list[str]:
    return [question.text for _, question in engine.started]


async def test_what_was_missed_is_answered_before_what_waits_and_was_asked_after_it(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("running", Working())
    async with bench().running() as made:
        await ask(made, "running", 8)
        await engine.looked_at(1)
        for text, at in (("now", 9), ("missed", 5), ("missed before", 4), ("later", 10)):
            await ask(made, text, at)
        engine.finish("run_1", DONE)
        await made.idle()
    order = ["running", "missed before", "missed", "now", "later"]
    assert asked(engine) == order
    assert platform.threads["t1"] == [f"answer to {text}" for text in order]


async def test_what_has_a_run_keeps_its_place_over_a_restart(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    engine.script("running", Working())
    async with bench().running() as made:
        await ask(made, "running", 8)
        await engine.looked_at(1)
        await ask(made, "now", 9)
        await ask(made, "missed", 5)
        made.kill()
    engine.finish("run_1", DONE)
    async with bench().running() as made:
        await platform.posted(3)
        await made.idle()
    assert asked(engine) == ["running", "missed", "now"]
    assert platform.threads["t1"] == [f"answer to {text}" for text in asked(engine)]


async def test_a_run_whose_id_was_lost_is_found_though_something_older_came_before_it(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    died = asyncio.Event()

    async def dies() -> None:
        engine.before_reply = None
        died.set()
        await asyncio.Event().wait()

    async with bench().running() as made:
        await ask(made, "before", 1)
        await made.idle()
        engine.before_reply = dies
        await ask(made, "now", 9)
        await died.wait()
        made.kill()
    engine.lost["now"] = Answered(answer=Answer(text="found"))
    engine._busy.clear()  # it has ended meanwhile
    ear = bench(works=False)
    await ask(ear, "missed", 5)
    async with bench().running() as made:
        await platform.posted(3)
        await made.idle()
    assert platform.threads["t1"] == ["answer to before", "answer to missed", "found"]
    assert asked(engine) == ["before", "now", "missed"]


async def test_a_question_that_was_begun_in_doubt_is_not_begun_twice_for_what_is_in_hand(
    bench: Callable[..., Bench], engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    """While its run is created, something older comes: it waits for that run's reply."""
    created, go_on = asyncio.Event(), asyncio.Event()

    async def hangs() -> None:
        engine.before_reply = None
        created.set()
        await go_on.wait()

    engine.before_reply = hangs
    async with bench().running() as made:
        await ask(made, "now", 9)
        await created.wait()
        await ask(made, "missed", 5)
        made.loop.scan_soon()
        go_on.set()
        await made.idle()
    assert asked(engine) == ["now", "missed"]
    assert platform.threads["t1"] == ["answer to now", "answer to missed"]
