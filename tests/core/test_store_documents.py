"""Pages and their copies on record, on both databases."""

import asyncio
from dataclasses import replace

from core.documents import Document, Page
from core.store import Store


def page(url: str, text: str = "Text.", source: str = "docs") -> Page:
    return Page(source=source, url=url, title=url.upper(), markdown=text, stamp=None)


def copy(of: Page, ref: str, index: str = "openai", place: str = "here") -> Document:
    return Document(index=index, url=of.url, title=of.title, hash=of.hash, ref=ref, place=place)


async def refs_of_stale(store: Store, place: str) -> set[str]:
    return {one.ref for one in await store.documents.stale("openai", place)}


async def test_a_copy_at_another_place_counts_until_there_is_one_here(store: Store) -> None:
    one = page("a")
    await store.documents.put_pages([one])
    await store.documents.add([copy(one, "r1", place="old")])
    assert await store.documents.missing_urls("openai", "old") == []
    assert await store.documents.missing_urls("openai", "new") == ["a"]
    assert await refs_of_stale(store, "new") == set()

    await store.documents.add([copy(one, "r2", place="new")])
    assert await store.documents.missing_urls("openai", "new") == []
    assert await refs_of_stale(store, "new") == {"r1"}
    assert [one.place for one in await store.documents.stale("openai", "new")] == ["old"]


async def test_of_two_copies_that_are_alike_one_is_stale(store: Store) -> None:
    one = page("a")
    await store.documents.put_pages([one])
    await store.documents.add([copy(one, "r1"), copy(one, "r2")])
    assert await refs_of_stale(store, "here") == {"r2"}


async def test_a_copy_that_an_index_gives_its_old_ref_again_moves(store: Store) -> None:
    old, new = page("a", "Old."), page("a", "New.")
    await store.documents.put_pages([new])
    await store.documents.add([copy(old, "r1", place="old")])
    await store.documents.add([copy(new, "r1", place="new")])
    assert await store.documents.copies("openai") == [copy(new, "r1", place="new")]


async def test_the_states_of_pages_are_told_without_their_texts(store: Store) -> None:
    first, second = page("a", "Text of a."), page("b", "x" * 1000, source="another")
    await store.documents.put_pages([first, second])
    outdated = replace(copy(second, "r3", index="local"), hash="of before")
    await store.documents.add([copy(first, "r1"), copy(first, "r2", index="local"), outdated])
    b, a = await store.documents.states()
    assert (a.url, a.title, a.source, a.size) == ("a", "A", "docs", 10)
    assert a.copies == {"local": "current", "openai": "current"}
    assert (b.url, b.size, b.copies) == ("b", 1000, {"local": "outdated"})
    assert a.fetched_at > 1_700_000_000

    found = await store.documents.page("a")
    assert found is not None
    assert found == (first, a)
    assert await store.documents.page("c") is None


async def test_a_value_that_is_made_once_is_the_same_for_all(store: Store) -> None:
    made = iter(range(100))
    values = await asyncio.gather(
        *(store.values.once("marker", lambda: f"m{next(made)}") for _ in range(5))
    )
    assert set(values) == {await store.values.get("marker")}
    await store.values.forget("marker")
    await store.values.forget("marker")
    assert await store.values.get("marker") is None
