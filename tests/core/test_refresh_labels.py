"""Copies say from which source their pages come, so that a search can keep to some of them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial

import pytest

from core.documents import Passage, RefreshReport
from core.local_engine import LocalIndex, PageFinder
from core.openai_engine.client import make_client
from core.openai_engine.documents import SOURCE, source_label
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.vector_store import VectorStore
from core.ports import DocumentIndex, PageSource
from core.refresh import Refresher
from core.refresh.refresher import unseen
from core.settings import OpenAISettings
from core.store import Store
from servers.openai_faults import rate_limited, server_error
from servers.openai_rig import AT_ONCE
from servers.openai_server import OpenAIServer
from servers.scripted_docs import ScriptedIndex, ScriptedSource

GUIDE = {"https://d/install": "How to install the router.", "https://d/update": "How to update."}
WIKI = {"https://w/install": "How to install the router at home."}


class Rig:
    """A documentation of two sources, and the index of it at OpenAI."""

    def __init__(self, server: OpenAIServer, store: Store) -> None:
        self.server = server
        self.store = store
        self.guide = ScriptedSource(dict(GUIDE), "guide")
        self.wiki = ScriptedSource(dict(WIKI), "wiki")

    async def refresh(self) -> RefreshReport:
        settings = OpenAISettings(api_key=self.server.api_key, base_url=self.server.url)
        async with make_client(settings) as client:
            values = self.store.values
            vector_store = VectorStore(
                client,
                configured=None,
                load=partial(values.get, "openai_vector_store"),
                save=partial(values.put, "openai_vector_store"),
                pauses=(0.0, 0.0),
            )
            index = OpenAIIndex(
                client,
                vector_store=vector_store,
                marker=partial(values.once, "marker", lambda: "0123abcd"),
                timing=AT_ONCE,
            )
            return await refresh(self.store, [self.guide, self.wiki], index)

    def labels(self) -> dict[str, object]:
        """What each file says of its source, by the address of its page."""
        (store,) = self.server.vector_stores.all.values()
        return {str(f.attributes["url"]): f.attributes.get(SOURCE) for f in store.files.values()}

    def changes(self) -> int:
        """How often attributes of a file were to be changed."""
        return len(self.server.sent("POST", "/vector_stores/*/files/*"))

    async def forget_labels(self) -> None:
        """Be as a version before this one left it."""
        for copy in await self.store.documents.copies("openai"):
            await self.store.documents.add([replace(copy, source="")])
        (store,) = self.server.vector_stores.all.values()
        for file in store.files.values():
            del file.attributes[SOURCE]


async def refresh(
    store: Store, sources: Sequence[PageSource], *indexes: DocumentIndex
) -> RefreshReport:
    return await Refresher(store=store, sources=sources, indexes=indexes).refresh(unseen)


@pytest.fixture
async def rig(sqlite_store: Store) -> AsyncIterator[Rig]:
    async with OpenAIServer() as server:
        yield Rig(server, sqlite_store)


LABELS = {url: source_label("guide") for url in GUIDE} | {url: source_label("wiki") for url in WIKI}


# --- at OpenAI ------------------------------------------------------------------------------------


async def test_a_new_file_says_from_which_source_its_page_comes(rig: Rig) -> None:
    await rig.refresh()
    assert rig.labels() == LABELS
    assert rig.changes() == 0


async def test_files_from_before_are_labelled_once_and_not_uploaded_again(rig: Rig) -> None:
    await rig.refresh()
    await rig.forget_labels()
    before = dict(rig.server.files.all)
    assert (await rig.refresh()).failed == ()
    assert rig.labels() == LABELS
    assert dict(rig.server.files.all) == before
    assert rig.changes() == 3
    await rig.refresh()
    assert rig.changes() == 3


async def test_a_label_keeps_what_else_a_file_says(rig: Rig) -> None:
    await rig.refresh()
    (store,) = rig.server.vector_stores.all.values()
    before = {ref: dict(file.attributes) for ref, file in store.files.items()}
    await rig.forget_labels()
    await rig.refresh()
    assert {ref: file.attributes for ref, file in store.files.items()} == before


async def test_where_a_server_cannot_label_a_file_a_new_one_takes_its_place(rig: Rig) -> None:
    await rig.refresh()
    await rig.forget_labels()
    before = set(rig.server.files.all)
    rig.server.indexing.keeps_labels = False
    assert (await rig.refresh()).failed == ()
    assert rig.labels() == LABELS
    assert len(rig.server.files.all) == 3
    assert before.isdisjoint(rig.server.files.all)


async def test_labels_that_could_not_be_written_are_written_by_the_next_refresh(rig: Rig) -> None:
    await rig.refresh()
    await rig.forget_labels()
    rig.server.break_down(server_error(), "POST")
    report = await rig.refresh()
    assert [what for what, _ in report.failed] == ["index openai"]
    rig.server.mend()
    assert (await rig.refresh()).failed == ()
    assert rig.labels() == LABELS
    assert len(rig.server.files.all) == 3


async def test_where_openai_asks_for_a_pause_the_labels_come_after_it(rig: Rig) -> None:
    await rig.refresh()
    await rig.forget_labels()
    rig.server.fault("POST", "/vector_stores/*/files/*", rate_limited(**{"retry-after-ms": "10"}))
    assert (await rig.refresh()).failed == ()
    assert rig.labels() == LABELS
    assert rig.changes() == 4


async def test_a_page_that_moves_to_another_source_is_labelled_anew(rig: Rig) -> None:
    await rig.refresh()
    rig.wiki.pages |= {"https://d/update": rig.guide.pages.pop("https://d/update")}
    await rig.refresh()
    assert rig.labels() == LABELS | {"https://d/update": source_label("wiki")}
    assert rig.changes() == 1


def test_a_label_tells_nothing_of_where_a_folder_is() -> None:
    assert "secret" not in source_label("/home/secret/docs")
    assert source_label("a") != source_label("b")


# --- any index ------------------------------------------------------------------------------------


async def test_a_copy_that_cannot_be_labelled_is_there_until_its_successor_is(
    store: Store,
) -> None:
    source, index = ScriptedSource(dict(GUIDE), "guide"), ScriptedIndex()
    await refresh(store, [source], index)
    for copy in await store.documents.copies(index.name):
        await store.documents.add([replace(copy, source="")])
    index.keeps_labels = False
    assert (await refresh(store, [source], index)).failed == ()
    assert {page.url for page in index.copies.values()} == set(GUIDE)
    assert len(index.copies) == 2
    assert all(urls == set(GUIDE) for urls in index.urls_at_removal)
    assert {copy.source for copy in await store.documents.copies(index.name)} == {"guide"}


# --- the local index ------------------------------------------------------------------------------


async def found(store: Store, *sources: str) -> set[str]:
    """The pages that answer a question, of some sources."""
    matches, _ = await PageFinder(store.passages).find(["How do I install the router?"], sources)
    passages: list[Passage] = [match.entry.passage for match in matches]
    return {passage.url.partition("#")[0] for passage in passages}


async def test_a_search_keeps_to_the_sources_that_are_named(store: Store) -> None:
    sources = [ScriptedSource(dict(GUIDE), "guide"), ScriptedSource(dict(WIKI), "wiki")]
    await refresh(store, sources, LocalIndex(store.passages))
    both = {"https://d/install", "https://w/install"}
    assert await found(store) >= both
    assert await found(store, "wiki") == {"https://w/install"}
    assert "https://w/install" not in await found(store, "guide")
    assert await found(store, "guide", "wiki") >= both
    assert await found(store, "no such source", "'); DROP TABLE pages; --") == set()


async def test_pages_under_a_fallback_keep_to_the_sources_that_are_named(store: Store) -> None:
    sources = [ScriptedSource(dict(GUIDE), "guide"), ScriptedSource(dict(WIKI), "wiki")]
    await refresh(store, sources, LocalIndex(store.passages))
    finder = PageFinder(store.passages)
    pages = await finder.helpful_pages("install the router", 3, ["wiki"])
    assert [page.url for page in pages] == ["https://w/install"]
