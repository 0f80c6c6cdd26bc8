"""Alerts: one for a trouble, from one process, never in the way of anything."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from core import alerts as alerts_module
from core.alerts import AGAIN, SETTLED, Alerts, announcer
from core.errors import PlatformRefused, StoreError
from core.store import Store
from servers.scripted import RecordingPlatform

REFUSED = "OpenAI refused the key: check OPENAI_API_KEY."
Say = Callable[[str], Awaitable[None]]


class Clock:
    """A time of day that tests set."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


class Channel:
    """Where alerts are posted."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def announce(self, text: str) -> None:
        self.said.append(text)


class NoDatabase:
    """A database that is away."""

    def __init__(self) -> None:
        self.is_away = True
        self.asked = 0

    async def claim(self, name: str, now: float, seconds: float) -> bool:
        self.asked += 1
        if self.is_away:
            raise StoreError
        return True

    async def release(self, name: str) -> bool:
        self.asked += 1
        if self.is_away:
            raise StoreError
        return True


class NeverAnswers(NoDatabase):
    """A database that takes every request and answers none."""

    async def claim(self, name: str, now: float, seconds: float) -> bool:
        await asyncio.Event().wait()
        raise AssertionError


async def attend(alerts: Alerts) -> None:
    """Let everything be said that is to be said at this time."""
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(60):
        await alerts.run(stop)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno == logging.ERROR]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channel() -> Channel:
    return Channel()


async def test_a_trouble_is_alerted_once_in_the_log_and_in_the_channel(
    store: Store, clock: Clock, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    alerts = Alerts(store.values, channel.announce, clock=clock)
    for _ in range(5):
        alerts.report("engine", REFUSED)
        await attend(alerts)
        clock.time += AGAIN / 6
    assert channel.said == [REFUSED]
    assert errors(caplog) == [REFUSED]


async def test_a_trouble_that_lasts_is_alerted_again_after_an_hour(
    store: Store, clock: Clock, channel: Channel
) -> None:
    alerts = Alerts(store.values, channel.announce, clock=clock)
    for seconds in (0.0, AGAIN - 1, 1.0):
        clock.time += seconds
        alerts.report("engine", REFUSED)
        await attend(alerts)
    assert channel.said == [REFUSED, REFUSED]


async def test_troubles_of_different_keys_are_alerted_each(
    store: Store, clock: Clock, channel: Channel
) -> None:
    alerts = Alerts(store.values, channel.announce, clock=clock)
    alerts.report("engine", REFUSED)
    alerts.report("slack", "Slack refused the token.")
    await attend(alerts)
    assert channel.said == [REFUSED, "Slack refused the token."]


async def test_of_several_processes_one_alerts_and_one_says_that_it_is_over(
    store: Store, clock: Clock, channel: Channel
) -> None:
    processes = [Alerts(store.values, channel.announce, clock=clock) for _ in range(5)]
    for alerts in processes:
        alerts.report("engine", REFUSED)
    await asyncio.gather(*map(attend, processes))
    assert channel.said == [REFUSED]

    for alerts in processes:
        alerts.report("engine", None)
    await asyncio.gather(*map(attend, processes))
    clock.time += SETTLED
    await asyncio.gather(*map(attend, processes))
    assert channel.said == [REFUSED, f"This is over: {REFUSED}"]


async def test_a_process_that_starts_anew_does_not_alert_again_but_says_that_it_is_over(
    store: Store, clock: Clock, channel: Channel
) -> None:
    before = Alerts(store.values, channel.announce, clock=clock)
    before.report("engine", REFUSED)
    await attend(before)

    alerts = Alerts(store.values, channel.announce, clock=clock)
    alerts.report("engine", REFUSED)
    await attend(alerts)
    assert channel.said == [REFUSED]
    alerts.report("engine", None)
    await attend(alerts)
    clock.time += SETTLED
    await attend(alerts)
    assert channel.said == [REFUSED, f"This is over: {REFUSED}"]


async def test_what_comes_and_goes_is_alerted_once_and_over_only_when_it_stays_away(
    store: Store, clock: Clock, channel: Channel
) -> None:
    alerts = Alerts(store.values, channel.announce, clock=clock)
    for _ in range(4):
        alerts.report("engine", REFUSED)
        await attend(alerts)
        clock.time += 60
        alerts.report("engine", None)
        await attend(alerts)
        clock.time += SETTLED - 1
        await attend(alerts)
    assert channel.said == [REFUSED]
    clock.time += 1
    await attend(alerts)
    assert channel.said == [REFUSED, f"This is over: {REFUSED}"]

    alerts.report("engine", REFUSED)
    await attend(alerts)
    assert channel.said[2:] == [REFUSED]


async def test_what_was_never_alerted_is_not_over(
    store: Store, clock: Clock, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core")
    alerts = Alerts(store.values, channel.announce, clock=clock, settled=0.0)
    alerts.report("engine", None)
    await attend(alerts)
    assert channel.said == []
    assert caplog.messages == []


async def test_while_the_database_is_away_each_process_alerts_once_by_itself(
    clock: Clock, channel: Channel
) -> None:
    database = NoDatabase()
    alerts = Alerts(database, channel.announce, clock=clock)
    for _ in range(3):
        alerts.report("database", "The database is away.")
        await attend(alerts)
    assert channel.said == ["The database is away."]
    assert database.asked == 1

    alerts.report("database", None)
    await attend(alerts)
    clock.time += SETTLED
    await attend(alerts)
    assert len(channel.said) == 1  # it cannot be said yet
    database.is_away = False
    clock.time += SETTLED
    await attend(alerts)
    assert channel.said[1:] == ["This is over: The database is away."]


async def test_a_flood_of_reports_asks_the_database_once(clock: Clock, channel: Channel) -> None:
    database = NoDatabase()
    database.is_away = False
    alerts = Alerts(database, channel.announce, clock=clock)
    for _ in range(100):
        alerts.report("engine", REFUSED)
        await attend(alerts)
    assert database.asked == 1


async def test_a_database_that_does_not_answer_delays_an_alert_by_its_patience_only(
    clock: Clock, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "PATIENCE", 0.01)
    alerts = Alerts(NeverAnswers(), channel.announce, clock=clock)
    alerts.report("engine", REFUSED)
    await attend(alerts)
    assert channel.said == [REFUSED]


async def never(text: str) -> None:
    await asyncio.Event().wait()


async def refused(text: str) -> None:
    raise PlatformRefused("The bot is not in that channel.")


async def broken(text: str) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("announce", [never, refused, broken])
async def test_a_channel_that_cannot_be_told_does_not_keep_the_other_alerts_from_the_log(
    announce: Say,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(alerts_module, "PATIENCE", 0.01)
    database = NoDatabase()
    database.is_away = False
    alerts = Alerts(database, announce, clock=clock)
    alerts.report("engine", REFUSED)
    alerts.report("slack", "Slack refused the token.")
    await attend(alerts)
    said = errors(caplog)
    assert [text for text in said if "Unforeseen" not in text] == [
        REFUSED,
        "Slack refused the token.",
    ]
    problems = [line for line in caplog.records if line.getMessage() not in said]
    assert problems or any("Unforeseen" in text for text in said)


async def test_without_a_channel_the_log_has_to_do(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    alerts = Alerts(NoDatabase(), clock=clock)
    alerts.report("engine", REFUSED)
    await attend(alerts)
    assert errors(caplog) == [REFUSED]


async def test_what_a_process_that_dies_has_not_said_is_in_its_log(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    alerts = Alerts(NeverAnswers(), clock=clock)
    alerts.report("slack", "Slack refused the token.")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(alerts.run(asyncio.Event()))
        await asyncio.sleep(0)
        running.cancel()
    assert errors(caplog) == ["Slack refused the token."]


@asynccontextmanager
async def running(alerts: Alerts) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(alerts.run(stop))
        try:
            yield
        finally:
            stop.set()


async def test_the_task_hears_of_reports_and_of_what_has_settled_by_itself(
    sqlite_store: Store,
) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    alerts = Alerts(sqlite_store.values, said.put, settled=0.01)
    async with running(alerts):
        alerts.report("engine", REFUSED)
        assert await said.get() == REFUSED
        alerts.report("engine", None)
        assert await said.get() == f"This is over: {REFUSED}"


async def test_the_channel_of_the_operator_is_reached_through_its_platform() -> None:
    announced: list[tuple[str, str]] = []

    class Announcing(RecordingPlatform):
        async def announce(self, channel: str, text: str) -> None:
            announced.append((channel, text))

    platforms = {"slack": Announcing("slack")}
    announce = announcer("slack:C0OPS", platforms)
    assert announce is not None
    await announce(REFUSED)
    assert announced == [("C0OPS", REFUSED)]
    assert announcer("discord:1234", platforms) is None
    assert announcer(None, platforms) is None
