"""The digest: posted when it is due, once, by one process of all, whatever ends one of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from core.digest import FIRST_PAUSE, LEASE, LONGEST_WAIT, WEEK, Digest
from core.domain import Turn
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
)
from core.gap_report import GapReports
from core.schedule import parse_cron
from core.store import Store
from servers.gaps import asked
from servers.scripted import RecordingPlatform

MONDAYS = parse_cron("0 8 * * 1")
MONDAY = 1_763_366_400.0  # 17 November 2025, 08:00 UTC
FRIDAY = MONDAY - 3 * 86_400.0


@dataclass
class Clock:
    """A time of day that a test sets."""

    at: float = FRIDAY

    def __call__(self) -> float:
        return self.at


@dataclass
class World:
    """Processes on one database, and what people see."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    platform: RecordingPlatform = field(default_factory=RecordingPlatform)
    troubles: list[tuple[str, str | None]] = field(default_factory=list)
    in_trouble: asyncio.Event = field(default_factory=asyncio.Event)

    def process(self) -> Digest:
        platform = self.platform
        return Digest(
            kept=self.store.values,
            reports=GapReports(store=self.store, platforms={platform.name: platform}),
            platform=platform,
            channel="C0TEAM",
            every=MONDAYS,
            on_trouble=self.hear,
            clock=self.clock,
        )

    def hear(self, key: str, trouble: str | None) -> None:
        self.troubles.append((key, trouble))
        self.in_trouble.set()

    @property
    def posted(self) -> list[str]:
        assert {channel for channel, _ in self.platform.announced} <= {"C0TEAM"}
        return [text for _, text in self.platform.announced]


@pytest.fixture
async def world(store: Store) -> World:
    """A database where the first process has begun on Friday."""
    made = World(store)
    await made.process().step()
    return made


async def unhelpful(world: World, at: float, text: str = "How do I export invoices?") -> Turn:
    """A question whose answer did not help, at this time."""
    turn = await asked(world.store, text, "answered", thread=f"{text} {at}")
    await world.store.feedback.judge(turn.id, "U2", "unhelpful", at)
    return turn


async def test_it_is_posted_when_it_is_due_and_not_before(world: World) -> None:
    await unhelpful(world, FRIDAY - 100)
    digest = world.process()
    assert await digest.step() == LONGEST_WAIT
    world.clock.at = MONDAY - 60
    assert await digest.step() == 60
    assert world.posted == []
    world.clock.at = MONDAY
    assert await digest.step() == 0
    (text,) = world.posted
    assert "export" in text
    assert world.troubles == [("digest", None)]


async def test_of_processes_at_the_same_time_and_after_restarts_one_posts_it(
    world: World,
) -> None:
    await unhelpful(world, FRIDAY)
    world.clock.at = MONDAY + 1
    await asyncio.gather(*(world.process().step() for _ in range(4)))
    for _ in range(3):
        world.clock.at += LEASE
        await world.process().step()
    assert len(world.posted) == 1


async def test_each_goes_on_where_the_last_one_ended(world: World) -> None:
    await unhelpful(world, FRIDAY, "First week invoices?")
    world.clock.at = MONDAY
    await world.process().step()
    await unhelpful(world, MONDAY, "Second week webhooks?")
    world.clock.at = MONDAY + WEEK
    await world.process().step()
    first, second = world.posted
    assert "First week" in first
    assert "Second week" not in first
    assert "First week" not in second
    assert "Second week" in second


async def test_the_first_tells_of_a_week_before_it_was_switched_on(world: World) -> None:
    await unhelpful(world, FRIDAY - WEEK + 60, "Within it?")
    await unhelpful(world, FRIDAY - WEEK - 60, "Before it?")
    world.clock.at = MONDAY
    await world.process().step()
    (text,) = world.posted
    assert "Within it" in text
    assert "Before it" not in text


async def test_what_was_missed_is_made_up_for_by_one_that_tells_all(world: World) -> None:
    await unhelpful(world, FRIDAY, "First week?")
    await unhelpful(world, MONDAY + 86_400, "Second week?")
    world.clock.at = MONDAY + 2 * WEEK + 3_600
    digest = world.process()
    await digest.step()
    (text,) = world.posted
    assert "First week" in text
    assert "Second week" in text
    assert await digest.step() > 0


async def test_nothing_is_posted_where_nothing_went_unanswered(world: World) -> None:
    await asked(world.store, "Answered?", "answered")
    world.clock.at = MONDAY
    digest = world.process()
    assert await digest.step() == 0
    assert await digest.step() > 0
    assert world.posted == []


@pytest.mark.parametrize("error", [PlatformBusy(retry_after=1.0), PlatformUnreachable()])
async def test_a_platform_that_is_away_gets_it_later(world: World, error: PlatformError) -> None:
    await unhelpful(world, FRIDAY)
    world.clock.at = MONDAY
    world.platform.announce_errors.append(error)
    digest = world.process()
    with pytest.raises(type(error)):
        await digest.step()
    assert world.posted == []
    world.clock.at += FIRST_PAUSE
    await world.process().step()
    assert len(world.posted) == 1


class LosesReplies(RecordingPlatform):
    """Posts, and does not say so, once; or dies in between."""

    def __init__(self, parts: int, at: int, fail: Callable[[], BaseException]) -> None:
        super().__init__(parts=parts)
        self._at = at
        self._fail = fail

    async def publish(
        self, channel: str, part: str, *, marker: str, doubtful: bool = False
    ) -> None:
        await super().publish(channel, part, marker=marker, doubtful=doubtful)
        self._at -= 1
        if self._at == 0:
            raise self._fail()


@pytest.mark.parametrize("fail", [PlatformUnreachable, asyncio.CancelledError])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_no_part_is_posted_twice_or_lost_when_a_post_ends_in_doubt(
    world: World, at: int, fail: Callable[[], BaseException]
) -> None:
    world.platform = LosesReplies(3, at, fail)
    await unhelpful(world, FRIDAY)
    world.clock.at = MONDAY
    with pytest.raises(fail):  # type: ignore[call-overload]
        await world.process().step()
    await unhelpful(world, MONDAY + 1, "Meanwhile?")
    world.clock.at = MONDAY + LEASE + 1
    await world.process().step()
    assert len(world.posted) == len(set(world.posted)) == 3
    assert not any("Meanwhile" in text for text in world.posted)
    world.clock.at = MONDAY + WEEK
    await world.process().step()
    assert any("Meanwhile" in text for text in world.posted[3:])


async def test_while_a_killed_process_holds_it_the_others_wait_for_its_lease(
    world: World,
) -> None:
    await unhelpful(world, FRIDAY)
    world.clock.at = MONDAY
    assert await world.store.values.claim("digest", MONDAY, LEASE)  # and no more of it
    assert await world.process().step() == FIRST_PAUSE
    assert world.posted == []
    world.clock.at = MONDAY + LEASE
    await world.process().step()
    assert len(world.posted) == 1


@pytest.mark.parametrize("error", [PlatformRefused("No such channel."), ThreadGone()])
async def test_a_channel_that_refuses_it_is_told_to_the_operator(
    world: World, error: PlatformError
) -> None:
    await unhelpful(world, FRIDAY)
    world.clock.at = MONDAY
    world.platform.announce_errors.append(error)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.process().run())
        await world.in_trouble.wait()
        running.cancel()
    ((key, trouble),) = world.troubles
    assert key == "digest"
    assert trouble is not None
    assert "DIGEST_CHANNEL" in trouble
    assert str(error) in trouble


async def test_a_clock_that_was_wrong_does_not_hold_it_up(world: World) -> None:
    world.clock.at = MONDAY + 500 * WEEK
    await world.process().step()
    world.clock.at = FRIDAY
    await world.process().step()
    await unhelpful(world, FRIDAY)
    world.clock.at = MONDAY
    await world.process().step()
    assert len(world.posted) == 1
