"""What every index promises, whichever it is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest

from core.documents import Document, Page
from core.local_engine.index import LocalIndex
from core.local_engine.words import words_of
from core.openai_engine.client import make_client
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.vector_store import VectorStore
from core.ports import DocumentIndex
from core.settings import OpenAISettings
from core.store import Store
from servers.openai_server import OpenAIServer


def page(name: str, text: str) -> Page:
    return Page(
        source="docs",
        url=f"https://docs.example.com/{name}",
        title=name.title(),
        markdown=f"# {name.title()}\n\n{text}",
        stamp=None,
    )


def document(index: DocumentIndex, of: Page, ref: object) -> Document:
    return Document(index=index.name, url=of.url, title=of.title, hash=of.hash, ref=str(ref))


async def placed(subject: "Subject", copies: Sequence[Document]) -> list[Document]:
    """The copies, with the place where the index keeps them."""
    place = await subject.index.prepare()
    return [replace(copy, place=place) for copy in copies]


@dataclass(kw_only=True)
class Subject:
    """An index, and a way to look into it from outside."""

    index: DocumentIndex
    store: Store
    server: OpenAIServer | None = None

    async def found(self, word: str) -> int:
        """How many copies hold a word."""
        if self.server is None:
            words = dict.fromkeys(words_of(word), 1.0)
            return len(await self.store.passages.search(words, 10))
        (kept,) = self.server.vector_stores.all.values()
        return len([hit for hit in kept.search([word], 50, self.server.files) if word in hit.text])


@pytest.fixture(params=["local", "openai"])
async def subject(request: pytest.FixtureRequest, sqlite_store: Store) -> AsyncIterator[Subject]:
    if request.param == "local":
        index = LocalIndex(sqlite_store.passages)
        yield Subject(index=index, store=sqlite_store)
        await index.close()
        return
    async with OpenAIServer() as server:
        client = make_client(OpenAISettings(api_key=server.api_key, base_url=server.url))
        values = sqlite_store.values
        vector_store = VectorStore(
            client,
            configured=None,
            load=partial(values.get, "store"),
            save=partial(values.put, "store"),
        )
        marker = partial(values.once, "marker", lambda: "0123abcd")
        openai_index = OpenAIIndex(client, vector_store=vector_store, marker=marker)
        yield Subject(index=openai_index, store=sqlite_store, server=server)
        await openai_index.close()


async def put(subject: Subject, *pages: Page) -> Sequence[Document]:
    refs = await subject.index.put(pages)
    assert len(refs) == len(pages)
    return [document(subject.index, of, ref) for of, ref in zip(pages, refs, strict=True)]


async def test_what_was_put_can_be_found_as_soon_as_put_returns(subject: Subject) -> None:
    await put(subject, page("one", "A zebra."), page("two", "A giraffe."))
    assert (await subject.found("zebra"), await subject.found("giraffe")) == (1, 1)


async def test_every_copy_has_a_ref_of_its_own(subject: Subject) -> None:
    copies = await put(subject, page("one", "A zebra."), page("two", "A zebra."))
    copies = [*copies, *await put(subject, page("one", "A newer zebra."))]
    assert len({copy.ref for copy in copies}) == 3


async def test_a_newer_copy_leaves_the_old_one_until_that_is_removed(subject: Subject) -> None:
    old = await put(subject, page("one", "A zebra."))
    await put(subject, page("one", "A giraffe."))
    assert await subject.found("zebra") == 1

    await subject.index.remove(old)
    assert (await subject.found("zebra"), await subject.found("giraffe")) == (0, 1)


async def test_removing_twice_does_nothing(subject: Subject) -> None:
    copies = await put(subject, page("one", "A zebra."))
    await subject.index.remove(copies)
    await subject.index.remove(copies)
    assert await subject.found("zebra") == 0


async def test_preparing_an_index_leaves_what_is_in_it(subject: Subject) -> None:
    await subject.index.prepare()
    await put(subject, page("one", "A zebra."))
    await subject.index.prepare()
    assert await subject.found("zebra") == 1


async def test_the_place_of_an_index_stays_the_same(subject: Subject) -> None:
    place = await subject.index.prepare()
    await put(subject, page("one", "A zebra."))
    assert await subject.index.prepare() == place
    assert (await subject.index.compare([])).place == place


async def test_an_index_that_holds_what_is_on_record_does_not_differ(subject: Subject) -> None:
    assert (await subject.index.compare([])).orphans == []
    copies = await placed(subject, await put(subject, page("one", "A zebra."), page("two", "Hay.")))
    held = await subject.index.compare(copies)
    assert (list(held.lost), list(held.orphans), held.foreign) == ([], [], 0)
    assert not subject.index.in_doubt


async def test_what_is_not_on_record_is_an_orphan_and_can_be_removed(subject: Subject) -> None:
    one, two = await placed(
        subject, await put(subject, page("one", "A zebra."), page("two", "A giraffe."))
    )
    held = await subject.index.compare([two])
    assert [orphan.ref for orphan in held.orphans] == [one.ref]
    await subject.index.remove(held.orphans)
    assert (await subject.found("zebra"), await subject.found("giraffe")) == (0, 1)
    assert (await subject.index.compare([two])).orphans == []


async def test_what_is_on_record_and_not_there_is_lost(subject: Subject) -> None:
    one, two = await placed(
        subject, await put(subject, page("one", "A zebra."), page("two", "A giraffe."))
    )
    await subject.index.remove([one])
    held = await subject.index.compare([one, two])
    assert list(held.lost) == [one]


async def test_a_copy_takes_another_label_and_stays_what_it_is(subject: Subject) -> None:
    copies = await placed(subject, await put(subject, page("one", "A zebra.")))
    for source in ("handbook", "handbook", "wiki"):
        labelled = [replace(copy, source=source) for copy in copies]
        assert list(await subject.index.relabel(labelled)) == [True]
    assert await subject.found("zebra") == 1
    held = await subject.index.compare(copies)
    assert (list(held.lost), list(held.orphans), held.foreign) == ([], [], 0)
    assert list(await subject.index.relabel([])) == []


async def test_several_batches_may_be_put_at_the_same_time(subject: Subject) -> None:
    pages = [page(f"p{n}", "A zebra.") for n in range(2 * subject.index.lanes)]
    async with asyncio.TaskGroup() as tasks:
        for lane in range(subject.index.lanes):
            tasks.create_task(put(subject, *pages[2 * lane : 2 * lane + 2]))
    assert await subject.found("zebra") == len(pages)


@pytest.mark.parametrize("changes", [1, 10_000])
async def test_tidying_changes_nothing_that_can_be_found(subject: Subject, changes: int) -> None:
    copies = await placed(subject, await put(subject, page("one", "A zebra.")))
    await subject.index.tidy(changes)
    assert await subject.found("zebra") == 1
    assert list((await subject.index.compare(copies)).orphans) == []


async def test_putting_and_removing_nothing_does_nothing(subject: Subject) -> None:
    assert list(await subject.index.put([])) == []
    await subject.index.remove([])


async def test_a_full_batch_is_taken_at_once(subject: Subject) -> None:
    pages = [page(f"p{n}", "A zebra.") for n in range(subject.index.batch_size)]
    copies = await put(subject, *pages)
    assert len({copy.ref for copy in copies}) == subject.index.batch_size


async def test_closing_twice_does_nothing(subject: Subject) -> None:
    await subject.index.close()
    await subject.index.close()
