"""What a refresh makes of a site that has something wrong: which pages stay or go, and why."""

import zlib
from collections.abc import AsyncIterator

import pytest

from core.documents import RefreshReport
from core.ports import PageSource
from core.refresh import Refresher
from core.refresh.refresher import unseen
from core.sources import fetch, make_source
from core.store import Store
from servers.scripted_docs import ScriptedIndex
from servers.site_server import (
    HTML,
    Drop,
    Encoded,
    Fault,
    GzipBomb,
    Redirect,
    SiteServer,
    Status,
)


class Docs:
    """Three pages that have been read, and what the next refresh makes of them."""

    def __init__(self, site: SiteServer, store: Store, source: PageSource) -> None:
        self.site = site
        self.index = ScriptedIndex(batch_size=10)
        self._refresher = Refresher(store=store, sources=[source], indexes=[self.index])

    async def refresh(self) -> RefreshReport:
        return await self._refresher.refresh(unseen)

    @property
    def pages(self) -> set[str]:
        return {"/" + url.removeprefix(self.site.url) for url in self.index.content}

    def reasons(self, report: RefreshReport) -> dict[str, str]:
        """Why a page failed or was skipped, by its path."""
        told = (*report.failed, *report.skipped)
        return {"/" + url.removeprefix(self.site.url): reason for url, reason in told}


@pytest.fixture
async def docs(sqlite_store: Store) -> AsyncIterator[Docs]:
    async with SiteServer() as site:
        for path in ("/a", "/b", "/c"):
            site.put(path, f"<main><h1>Page {path}</h1></main>")
        site.put_sitemap("/sitemap.xml", "/a", "/b", "/c")
        source = make_source(site.url, allow_private=True)
        made = Docs(site, sqlite_store, source)
        assert len((await made.refresh()).added) == 3
        yield made
        await source.close()


@pytest.mark.parametrize("code", [404, 410])
async def test_a_page_that_is_not_there_any_more_goes(docs: Docs, code: int) -> None:
    docs.site.fault("/b", Status(code=code))
    report = await docs.refresh()
    assert report.removed == (f"{docs.site.url}b",)
    assert (report.failed, docs.pages) == ((), {"/a", "/c"})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Status(code=429, retry_after="3600"), "HTTP 429"),
        (Status(code=500), "HTTP 500"),
        (Status(code=403), "HTTP 403"),
        (Redirect(to="/ping"), "more than 5 redirects"),
        (Redirect(to="https://login.example/?next=b"), "redirects to another site, login.example"),
        (Drop(), "no usable reply"),
        (GzipBomb(size=50_000_000), "more than 10 MB"),
        (Encoded(encoding="deflate", body=zlib.compress(bytes(50_000_000))), "more than 10 MB"),
        (Encoded(encoding="br", body=b"\x0b\x02\x80abc\x03"), "not asked for (br)"),
    ],
)
async def test_a_page_that_cannot_be_had_stays_as_it_was_and_says_why(
    docs: Docs, fault: Fault, reason: str
) -> None:
    docs.site.fault("/ping", Redirect(to="/pong"))
    docs.site.fault("/pong", Redirect(to="/ping"))
    docs.site.fault("/b", fault)
    report = await docs.refresh()
    assert reason in docs.reasons(report)["/b"]
    assert (len(report.failed), report.unchanged) == (1, 2)
    assert docs.pages == {"/a", "/b", "/c"}


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"x" * 50_000_000, HTML, "more than 10 MB"),
        ("<html><head><title>B</title></head></html>", HTML, "no content"),
        ("", HTML, "no content"),
        ("<p>" * 300_000, HTML, "more than 200,000 tags"),
        ("%PDF-1.7", "application/pdf", "not a format that can be read"),
    ],
)
async def test_a_page_that_became_unusable_stays_as_it_was_and_says_why(
    docs: Docs, body: str | bytes, content_type: str, reason: str
) -> None:
    docs.site.put("/b", body, content_type)
    report = await docs.refresh()
    assert reason in docs.reasons(report)["/b"]
    assert (report.removed, report.unchanged) == ((), 2)
    assert docs.index.content[f"{docs.site.url}b"] == "# Page /b"


async def test_a_page_that_only_leads_to_another_goes(docs: Docs) -> None:
    docs.site.put("/b", '<meta http-equiv="refresh" content="0; url=/c"><p>Moved.</p>')
    assert (await docs.refresh()).removed == (f"{docs.site.url}b",)
    assert docs.pages == {"/a", "/c"}


async def test_a_page_with_a_wrong_charset_is_read_as_well_as_it_goes(docs: Docs) -> None:
    body = "<main><h1>Käse</h1><p>Cheese for sale.</p></main>".encode("latin-1")
    docs.site.put("/b", body, "text/html; charset=utf-8")
    report = await docs.refresh()
    assert report.changed == (f"{docs.site.url}b",)
    assert "Cheese for sale." in docs.index.content[f"{docs.site.url}b"]


async def test_a_host_that_is_down_keeps_all_its_pages(docs: Docs) -> None:
    await docs.site.stop()
    report = await docs.refresh()
    assert [what for what, _ in report.failed] == [docs.site.url]
    assert "no usable reply" in report.failed[0][1]
    assert docs.pages == {"/a", "/b", "/c"}


async def test_a_host_that_goes_down_after_its_sitemap_keeps_all_its_pages(
    docs: Docs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FAILURES_IN_A_ROW", 1)
    for path in ("/a", "/b", "/c"):
        docs.site.fault(path, Drop())
    report = await docs.refresh()
    assert set(docs.reasons(report)) == docs.pages == {"/a", "/b", "/c"}
    assert report.removed == ()
