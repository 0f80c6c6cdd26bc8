"""What many tests of core begin with."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core import drafts, pacing
from core.ports import PageSource
from core.sources import make_source
from core.store import Store
from servers.loop_rig import Bench, Running, runner
from servers.rounds_rig import Told, tools
from servers.scripted import RecordingPlatform, ScriptedEngine
from servers.site_server import SiteServer

# --- the loop: an engine, a platform, and a process around them -----------------------------------


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are looked at, and what failed is tried again, almost at once."""
    monkeypatch.setattr(pacing, "FIRST_LOOK", 0.001)
    monkeypatch.setattr(pacing, "FIRST_SETBACK", 0.001)


@pytest.fixture
def drafts_at_once(short_waits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the first words of an answer are shown when they come."""
    monkeypatch.setattr(drafts, "FIRST_WORDS", 0.0)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def platform() -> RecordingPlatform:
    return RecordingPlatform()


@pytest.fixture
def running(store: Store, engine: ScriptedEngine, platform: RecordingPlatform) -> Running:
    """What runs a process while a block lasts; takes the options of `Bench`."""
    return runner(store, engine, platform)


# --- with tools -----------------------------------------------------------------------------------


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def bench(
    sqlite_store: Store, engine: ScriptedEngine, platform: RecordingPlatform, told: Told
) -> Callable[..., Bench]:
    """What makes a process with tools; each begins where the one before was ended."""

    def made(**options: Any) -> Bench:
        return Bench(sqlite_store, engine, platform, toolbox=tools(told), **options)

    return made


# --- sources --------------------------------------------------------------------------------------


@pytest.fixture
async def site() -> AsyncIterator[SiteServer]:
    async with SiteServer() as server:
        yield server


@pytest.fixture
async def source(site: SiteServer) -> AsyncIterator[PageSource]:
    """The whole site."""
    made = make_source(site.url, allow_private=True)
    yield made
    await made.close()
