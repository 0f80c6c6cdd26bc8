"""The local index across versions: what older ones have made is made anew, and found meanwhile."""

import hashlib

import pytest

from core.documents import Page
from core.errors import StoreError
from core.local_engine import index as local_index
from core.local_engine.entries import entries_of
from core.local_engine.index import FORMAT, LocalIndex
from core.refresh import Refresher
from core.refresh.refresher import unseen
from core.store import Store
from core.store.passages import Passages
from servers.scripted_docs import ScriptedSource

SAMPLE = Page(
    source="docs",
    url="https://docs.example.com/how-to/cancel_subscription.html",
    title="How to leave",
    markdown="""# How to leave

Whoever's colours `DATABASE_URL` organises, see [the guide](https://x.example/guide).

## Exporting data {#export}

1. Run `docent --dry-run`.

| Key | Value |
|---|---|
| HTTPServer | 10.2 |
""",
    stamp=None,
)


def test_a_change_of_what_is_stored_of_a_page_raises_the_format() -> None:
    """Where this fails, raise FORMAT and write down the new digest: else old copies stay."""
    stored = [(e.passage, [*e.title], [*e.headings], [*e.text]) for e in entries_of(SAMPLE)]
    digest = hashlib.sha256(repr(stored).encode()).hexdigest()[:16]
    assert (FORMAT, digest) == ("2", "34f59d7347342991")


@pytest.fixture
def source() -> ScriptedSource:
    pages = {f"https://d/{n}": f"About zebra {n}." for n in range(5)}
    pages["https://d/large"] = "\n\n".join(f"## Part {n}\n\n{'A zebra. ' * 20}" for n in range(9))
    return ScriptedSource(pages)


async def test_copies_of_an_older_format_are_made_anew_by_the_next_refresh_which_reads_no_page(
    store: Store, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.passages.WRITTEN_AT_ONCE", 3)
    refresher = Refresher(store=store, sources=[source], indexes=[LocalIndex(store.passages)])
    with monkeypatch.context() as older:
        older.setattr(local_index, "FORMAT", "1")
        older.setattr(local_index, "entries_of", lambda page: entries_of(page)[:1])
        await refresher.refresh(unseen)
    old = await store.passages.refs()
    source.read_urls.clear()

    missing: list[set[str]] = []
    real = Passages._insert

    async def insert(passages: Passages, *given: object) -> None:
        missing.append(source.pages.keys() - await pages_with("zebra"))
        await real(passages, *given)  # type: ignore[arg-type]

    async def pages_with(word: str) -> set[str]:
        found = await store.passages.search({word: 1.0}, 99)
        return {entry.passage.url.partition("#")[0] for entry, _ in found}

    monkeypatch.setattr(Passages, "_insert", insert)
    report = await refresher.refresh(unseen)
    assert (report.unchanged, report.failed, source.read_urls) == (6, (), [])
    assert len(missing) > 3
    assert not set().union(*missing)
    new = await store.passages.refs()
    assert (len(new), old & new) == (6, set())
    assert (await store.passages.frequencies(["part"]))[1] == {"part": 9}
    assert {copy.ref for copy in await store.documents.copies("local")} == new

    inserted = len(missing)
    await refresher.refresh(unseen)
    assert len(missing) == inserted


async def test_a_copy_that_was_half_removed_is_made_anew_where_its_page_is_again_as_it_was(
    store: Store, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.passages.WRITTEN_AT_ONCE", 3)
    refresher = Refresher(store=store, sources=[source], indexes=[LocalIndex(store.passages)])
    await refresher.refresh(unseen)
    before = source.pages["https://d/large"]
    source.pages["https://d/large"] = "Short."
    real, removed = Passages._remove, 0

    async def remove(passages: Passages, *given: object) -> int:
        nonlocal removed
        count = await real(passages, *given)  # type: ignore[arg-type]
        removed += count
        if removed > 3:
            raise StoreError("The disk is full.")
        return count

    with monkeypatch.context() as broken:
        broken.setattr(Passages, "_remove", remove)
        assert [what for what, _ in (await refresher.refresh(unseen)).failed] == ["index local"]
    assert len(await store.passages.hidden()) == 1

    source.pages["https://d/large"] = before
    assert (await refresher.refresh(unseen)).failed == ()
    assert len(await store.passages.search({"part": 1.0}, 99)) == 9
    assert await store.passages.hidden() == set()
    copies = await store.documents.copies("local")
    assert await store.passages.refs() == {copy.ref for copy in copies}
    assert len(copies) == 6
