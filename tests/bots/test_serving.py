import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bots import serving
from bots.app import Docent, assemble
from bots.serving import serve, stop_on_signals
from bots.waiting import work_until
from core.domain import Answer, TurnState
from core.errors import PlatformRefused, StoreError
from core.forgetting import Forgetting
from core.reception import Reception
from core.refresh.refresher import LAST_ENDED
from core.schedule import Cron, parse_cron
from core.settings import OpenAISettings, Settings
from core.store import Store
from core.store.part_rows import Unposted
from servers.docent_rig import write_docs
from servers.mentions import mention
from servers.openai_server import OpenAIServer
from servers.scripted import RecordingPlatform


class ShutOut(RecordingPlatform):
    """A platform that does not let the bot in."""

    async def run(self, reception: Reception, stop: asyncio.Event, ready: asyncio.Event) -> None:
        raise PlatformRefused("The token is wrong.")


async def test_a_platform_that_does_not_let_the_bot_in_ends_the_whole(sqlite_store: Store) -> None:
    platforms = [RecordingPlatform("slack"), ShutOut("discord")]
    async with assemble(Settings(), sqlite_store, platforms) as docent:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.timeout(60):
                await serve(docent, Settings(), asyncio.Event())
    assert caught.group_contains(PlatformRefused, match="token")


async def pauses_of(
    docent: Docent, every: float | Cron | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """How long the housekeeping sleeps between refreshes, the first `count` times."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(round(seconds))
        if len(pauses) >= count:
            raise asyncio.CancelledError

    monkeypatch.setattr(serving.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await serving._keep_fresh(docent, every)
    return pauses


async def test_an_empty_documentation_is_read_at_the_start(
    sqlite_store: Store, tmp_path: Path
) -> None:
    settings = Settings(docs_sources=(write_docs(tmp_path / "docs"),))
    async with assemble(settings, sqlite_store, []) as docent:
        await serving._keep_fresh(docent, None)
    assert await sqlite_store.documents.count() == 2


async def test_an_engine_that_has_none_of_the_documentation_gets_it_at_the_start(
    sqlite_store: Store, tmp_path: Path
) -> None:
    settings = Settings(docs_sources=(write_docs(tmp_path / "docs"),))
    async with assemble(settings, sqlite_store, []) as docent:
        await docent.refresher.refresh(_unseen)
    async with OpenAIServer() as server:
        openai = OpenAISettings(api_key=server.api_key, base_url=server.url)
        settings = replace(settings, engine="openai", openai=openai)
        async with assemble(settings, sqlite_store, []) as docent:
            for _ in range(2):
                await serving._keep_fresh(docent, None)
        assert len(server.sent("POST", "/files")) == 2
    assert len(await sqlite_store.documents.copies("openai")) == 2


async def test_an_engine_that_takes_no_documentation_is_not_tried_for_ever(
    sqlite_store: Store, tmp_path: Path
) -> None:
    settings = Settings(docs_sources=(write_docs(tmp_path / "docs"),))
    async with assemble(settings, sqlite_store, []) as docent:
        await docent.refresher.refresh(_unseen)
    async with OpenAIServer() as server:
        openai = OpenAISettings(api_key="sk-wrong", base_url=server.url)
        settings = replace(settings, engine="openai", openai=openai)
        async with assemble(settings, sqlite_store, []) as docent:
            await serving._keep_fresh(docent, None)
    assert await sqlite_store.documents.copies("openai") == []


async def test_a_first_refresh_that_failed_is_tried_again_ever_more_slowly(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    settings = Settings(docs_sources=(str(tmp_path / "docs"),))
    async with assemble(settings, sqlite_store, []) as docent:
        pauses = await pauses_of(docent, None, 6, monkeypatch)
    assert pauses == [0, 60, 0, 120, 0, 240]


async def test_a_refresh_is_due_one_interval_after_the_last_one_of_any_process(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(docs_sources=(write_docs(tmp_path / "docs"),))
    async with assemble(settings, sqlite_store, []) as docent:
        await docent.refresher.refresh(_unseen)
        pauses = await pauses_of(docent, 1000.0, 2, monkeypatch)
    assert pauses == [pytest.approx(1000, abs=60)] * 2


async def test_a_time_that_was_missed_is_made_up_for_once(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(docs_sources=(write_docs(tmp_path / "docs"),))
    cron = parse_cron("0 3 * * *")
    async with assemble(settings, sqlite_store, []) as docent:
        await docent.refresher.refresh(_unseen)
        long_ago = time.time() - 3 * 86_400
        await sqlite_store.values.put(LAST_ENDED, str(long_ago))
        pauses = await pauses_of(docent, cron, 2, monkeypatch)
        last = await docent.refresher.last_ended()
    assert pauses[0] == 0  # at once, for all three nights
    assert pauses[1] == pytest.approx(cron.after(time.time()) - time.time(), abs=60)
    assert last is not None
    assert last > long_ago


async def test_an_operator_hears_of_pages_that_wait_for_a_yes(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    pages = {f"{n}.md": f"# Page {n}\n\nText." for n in range(10)}
    settings = Settings(docs_sources=(write_docs(docs, pages),))
    reported: dict[str, str | None] = {}
    async with assemble(settings, sqlite_store, []) as docent:
        monkeypatch.setattr(docent.alerts, "report", reported.__setitem__)
        assert await serving._refresh(docent)
        assert reported == {"withheld": None}
        for n in range(6):
            (docs / f"{n}.md").unlink()
        assert await serving._refresh(docent)
    assert str(reported["withheld"]).startswith("6 of 10 pages (60%) are no longer")


async def test_a_last_refresh_that_lies_in_the_future_does_not_put_off_the_next(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(docs_sources=(write_docs(tmp_path / "docs"),))
    async with assemble(settings, sqlite_store, []) as docent:
        await docent.refresher.refresh(_unseen)
        await sqlite_store.values.put(LAST_ENDED, str(time.time() + 1e6))
        assert await pauses_of(docent, 1000.0, 1, monkeypatch) == [1000]


async def test_housekeeping_survives_a_database_that_is_away(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(docs_sources=(write_docs(tmp_path / "docs"),))

    async def fails(*_: object, **__: object) -> int:
        raise StoreError

    monkeypatch.setattr(sqlite_store.documents, "count", fails)
    monkeypatch.setattr(sqlite_store.values, "claim", fails)
    async with assemble(settings, sqlite_store, []) as docent:
        assert (await pauses_of(docent, None, 3, monkeypatch))[0] == 60
        with pytest.raises(asyncio.CancelledError):
            await serving._tidy(Forgetting(store=sqlite_store, engine=docent.engine), 1)


async def _unseen(progress: object) -> None:
    """Nobody looks."""


async def test_texts_are_forgotten_after_the_retention_time_and_identities_kept(
    store: Store,
) -> None:
    asked = mention("a private question", unread=("private.xlsx",))
    turn = await store.turns.take(asked)
    assert turn is not None
    answer = Answer(text="a private answer")
    await store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["rendered"])
    assert await store.people.forget_texts(before=turn.asked_at + 1e6) == 0  # still open

    await store.progress.close(turn, TurnState.DELIVERED, "answered")
    assert await store.people.forget_texts(before=turn.asked_at - 1e6) == 0
    assert await store.people.forget_texts(before=turn.asked_at + 1e6) == 1
    assert await store.people.forget_texts(before=turn.asked_at + 1e6) == 0

    kept = await store.turns.get(turn.id)
    assert kept is not None
    assert kept.question == ""
    assert await store.progress.unposted(turn) == [Unposted(0, "", None)]
    assert await store.turns.take(asked) is None


async def test_a_file_name_without_a_question_is_forgotten_too(store: Store) -> None:
    turn = await store.turns.take(mention("", unread=("salaries.xlsx",)))
    assert turn is not None
    await store.progress.close(turn, TurnState.DELIVERED, "greeted")
    assert await store.people.forget_texts(before=turn.asked_at + 1e6) == 1
    kept = await store.turns.get(turn.id)
    assert kept is not None
    assert kept.unread == ()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_sets_the_stop_and_a_second_one_kills(number: signal.Signals) -> None:
    stop = asyncio.Event()
    with stop_on_signals(stop):
        os.kill(os.getpid(), number)
        async with asyncio.timeout(60):
            await stop.wait()
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        assert signal.getsignal(number) in (default, signal.SIG_DFL)


async def test_work_ends_with_the_stop_or_by_itself_and_its_errors_come_out() -> None:

    async def fails() -> None:
        raise RuntimeError("a bug")

    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    async with asyncio.timeout(60):
        await work_until(stop, asyncio.sleep(3600))
        await work_until(asyncio.Event(), asyncio.sleep(0))
    with pytest.raises(ExceptionGroup):
        await work_until(asyncio.Event(), fails())
