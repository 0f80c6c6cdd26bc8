"""Private answers that are shared: once, whoever dies meanwhile, and only by their askers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core import feedback
from core.domain import Button, NotAnswered, TurnId
from core.errors import PlatformRefused, PlatformUnreachable
from core.humans import everywhere
from core.press import Pressed
from core.settings import Limit
from core.sharing import REFUSED
from core.store import Store
from servers.loop_rig import Bench
from servers.mentions import mention, press
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")

ASKER, OTHER = "U1", "U2"
PRIVATE = "c1:private:1"
QUESTION = "How do I start?"


@asynccontextmanager
async def bench(
    store: Store, *, engine: ScriptedEngine | None = None, parts: int = 1
) -> AsyncIterator[tuple[Bench, RecordingPlatform]]:
    """One process at work, with the task that shares answers."""
    platform = RecordingPlatform(parts=parts)
    humans = everywhere(["slack:S1"], None)
    made = Bench(store, engine or ScriptedEngine(), platform, humans=humans)
    async with made.running(), asyncio.TaskGroup() as tasks:
        shares = tasks.create_task(made.sharing.run())
        try:
            yield made, platform
        finally:
            shares.cancel()


async def ask(made: Bench, thread: str = PRIVATE) -> None:
    await made.ask(QUESTION, author=ASKER, thread=thread)
    await made.idle()


async def share(made: Bench, *, user: str = ASKER, turn: int = 1) -> Pressed:
    return await made.desk.press(press(Button.SHARE, user=user, turn=turn))


async def test_a_private_answer_can_be_shared_and_nobody_is_called_to_it(store: Store) -> None:
    async with bench(store) as (made, platform):
        await ask(made)
        judged = (Button.HELPFUL, Button.UNHELPFUL, Button.AGAIN)
        assert platform.posts[-1].buttons == (*judged, Button.SHARE)
        await ask(made, thread="t1")
        assert platform.posts[-1].buttons == (*judged, Button.HUMAN)


async def test_a_private_answer_is_shared_once_with_all_of_its_parts(store: Store) -> None:
    async with bench(store, parts=2) as (made, platform):
        await ask(made)
        assert [await share(made) for _ in range(2)] == [
            Pressed(said=feedback.SHARED),
            Pressed(said=feedback.SHARED_BEFORE),
        ]
        await platform.posted(4)
        await made.idle()
        assert list(platform.shared.values()) == [f"{ASKER} asks: {QUESTION}"]
        assert platform.threads["shared0"] == platform.threads[PRIVATE]
        first, last = platform.posts[-2:]
        assert first.buttons == ()
        assert Button.SHARE not in last.buttons
        assert last.turn == 2
        shared = await made.store.turns.get(TurnId(2))
        assert shared is not None
        assert (shared.author, shared.question, shared.outcome) == (ASKER, QUESTION, "shared")


async def test_nobody_but_the_asker_may_press_what_only_the_asker_sees(store: Store) -> None:
    async with bench(store) as (made, platform):
        await ask(made)
        assert await share(made, user=OTHER) == Pressed(said=feedback.NOT_YOURS)
        assert platform.shared == {}


async def test_what_everybody_sees_and_what_is_no_answer_cannot_be_shared(store: Store) -> None:
    engine = ScriptedEngine()
    engine.script(QUESTION, NotAnswered())
    async with bench(store, engine=engine) as (made, platform):
        await ask(made)
        assert Button.SHARE not in platform.posts[-1].buttons
        assert await share(made) == Pressed(said=feedback.NOTHING_TO_SHARE)
        await ask(made, thread="t1")
        assert await share(made, turn=2) == Pressed(said=feedback.NOTHING_TO_SHARE)
        assert platform.shared == {}


async def test_a_share_whose_fate_is_unknown_is_made_once(store: Store) -> None:
    platform = RecordingPlatform()
    made = Bench(store, ScriptedEngine(), platform)
    async with made.running():
        await ask(made)
        await share(made)
        platform.share_errors_after = [PlatformUnreachable()]
        for _ in range(3):
            await made.sharing.flush()
        await platform.posted(2)
        assert platform.times_shared == 1
        assert platform.threads["shared0"] == [f"answer to {QUESTION}"]


async def test_a_share_that_is_refused_is_not_tried_again_unless_it_is_wanted_again(
    store: Store,
) -> None:
    platform = RecordingPlatform()
    made = Bench(store, ScriptedEngine(), platform)
    async with made.running():
        await ask(made)
        await share(made)
        platform.share_errors = [PlatformRefused("No.")]
        for _ in range(2):
            await made.sharing.flush()
        assert platform.share_errors == []
        assert platform.shared == {}
        assert platform.threads[PRIVATE] == [f"answer to {QUESTION}", REFUSED]
        assert (platform.posts[-1].asker, platform.posts[-1].buttons) == (ASKER, ())

        assert await share(made) == Pressed(said=feedback.SHARED)
        await made.sharing.flush()
        assert list(platform.shared.values()) == [f"{ASKER} asks: {QUESTION}"]


async def test_a_share_that_is_refused_ends_though_its_asker_cannot_be_told(store: Store) -> None:
    platform = RecordingPlatform()
    made = Bench(store, ScriptedEngine(), platform)
    async with made.running():
        await ask(made)
        await share(made)
        platform.share_errors, platform.errors = [PlatformRefused("No.")], [PlatformRefused("No.")]
        for _ in range(2):
            await made.sharing.flush()
        assert (platform.share_errors, platform.errors) == ([], [])
        assert platform.threads[PRIVATE] == [f"answer to {QUESTION}"]


async def test_what_was_forgotten_is_not_shared(store: Store) -> None:
    platform = RecordingPlatform()
    made = Bench(store, ScriptedEngine(), platform)
    async with made.running():
        await ask(made)
        await share(made)
        await store.people.forget("slack", ASKER)
        await made.sharing.flush()
        assert platform.shared == {}
        assert await store.shares.claim(["slack"], time.time(), 0.0) == []


async def test_what_is_shared_counts_for_no_limit(store: Store) -> None:
    async with bench(store) as (made, platform):
        await ask(made)
        await share(made)
        await platform.posted(2)
        await made.ask("And then?", author=ASKER)
        await made.idle()
    another = await store.turns.take(mention("And now?", author=ASKER))
    assert another is not None
    two = await store.progress.gather(another, person=Limit(count=2, seconds=600))
    three = await store.progress.gather(another, person=Limit(count=3, seconds=600))
    assert two is not None
    assert two.filled.person is not None
    assert three is not None
    assert three.filled.person is None
