"""Sites over real sockets: how pages are found, read only when changed, and what limits hold."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator

import pytest

from core.domain import Listed, Page
from core.errors import PageUnreadable, SourceUnreachable
from core.sources import fetch, sitemap_walk
from core.sources.site import SiteSource
from servers.site_server import (
    XML,
    Drop,
    Fault,
    GzipBomb,
    Redirect,
    SiteServer,
    Stall,
    Status,
    sitemap,
)

PAGE = "<main><h1>Set up</h1><p>Install it.</p></main>"


@pytest.fixture
async def site() -> AsyncIterator[SiteServer]:
    async with SiteServer() as server:
        yield server


@pytest.fixture
async def source(site: SiteServer) -> AsyncIterator[SiteSource]:
    made = SiteSource("docs", site.url)
    yield made
    await made.close()


async def paths_of(site: SiteServer, address: str = "") -> list[str]:
    """The paths of the pages that a source for this address lists."""
    source = SiteSource("docs", site.url + address)
    try:
        return ["/" + page.url.removeprefix(site.url) for page in await source.list()]
    finally:
        await source.close()


async def read(site: SiteServer, source: SiteSource, path: str, known: str | None = None) -> Page:
    url = site.url + path.lstrip("/")
    page = await source.read(Listed(url=url, location=url), known)
    assert page is not None
    return page


# --- finding pages --------------------------------------------------------------------------------


async def test_the_sitemap_at_the_root_is_found(site: SiteServer) -> None:
    site.put("/b", PAGE)
    site.put("/a", PAGE)
    assert await paths_of(site) == ["/b", "/a"]


async def test_sitemaps_that_robots_txt_names_come_first(site: SiteServer) -> None:
    site.put("/robots.txt", f"Sitemap: {site.url}one.xml\nSitemap: {site.url}two.xml", "text/plain")
    site.put_sitemap("/one.xml", "/a")
    site.put_sitemap("/two.xml", "/b", "/a")
    assert await paths_of(site) == ["/a", "/b"]
    assert not site.requests_for("/sitemap.xml")


async def test_a_sitemap_may_be_named_directly(site: SiteServer) -> None:
    site.put_sitemap("/maps/docs.xml", "/a")
    site.put(
        "/maps/docs.xml.gz", gzip.compress(sitemap(f"{site.url}b").encode()), "application/gzip"
    )
    assert await paths_of(site, "maps/docs.xml") == ["/a"]
    assert await paths_of(site, "maps/docs.xml.gz") == ["/b"]
    assert not site.requests_for("/robots.txt")


async def test_a_site_below_a_path_has_the_pages_below_it(site: SiteServer) -> None:
    for path in ("/docs", "/docs/", "/docs/a", "/docs-old/b", "/blog/c"):
        site.put(path, PAGE)
    assert await paths_of(site, "docs/") == ["/docs", "/docs/", "/docs/a"]


async def test_the_sitemap_below_the_path_is_looked_at_first(site: SiteServer) -> None:
    site.put_sitemap("/docs/sitemap.xml", "/docs/a")
    site.put_sitemap("/sitemap.xml", "/docs/b")
    assert await paths_of(site, "docs/") == ["/docs/a"]


async def test_an_index_of_sitemaps_is_followed(site: SiteServer) -> None:
    site.put_sitemap("/sitemap.xml", "/one.xml", "/more.xml", "/one.xml", index=True)
    site.put_sitemap("/more.xml", "/two.xml", "/sitemap.xml", index=True)
    site.put_sitemap("/one.xml", "/a")
    site.put_sitemap("/two.xml", "/b")
    assert await paths_of(site) == ["/a", "/b"]
    assert len(site.requests_for("/one.xml")) == len(site.requests_for("/sitemap.xml")) == 1


async def test_sitemaps_nested_deeper_than_three_are_refused(site: SiteServer) -> None:
    for number in range(4):
        site.put_sitemap(f"/{number}.xml", f"/{number + 1}.xml", index=True)
    with pytest.raises(SourceUnreachable, match="nested too deeply"):
        await paths_of(site, "0.xml")


async def test_each_page_is_listed_once_without_its_fragment(site: SiteServer) -> None:
    site.put_sitemap("/sitemap.xml", "/a", "/a#part", "/b", "/a")
    assert await paths_of(site) == ["/a", "/b"]


async def test_addresses_of_other_hosts_and_relative_ones_are_counted_and_passed_over(
    site: SiteServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    others = ["https://other.example/x", "b", "ftp://127.0.0.1/c", "http://[broken", ""]
    site.put_sitemap("/sitemap.xml", "/a", *others)
    assert await paths_of(site) == ["/a"]
    (record,) = [record for record in caplog.records if record.name == "core.sources.site"]
    assert record.__dict__["count"] == len(others)


async def test_a_sitemap_of_another_host_only_is_explained(site: SiteServer) -> None:
    site.put_sitemap("/sitemap.xml", "https://www.example.com/a")
    with pytest.raises(SourceUnreachable, match="none on this site"):
        await paths_of(site)


async def test_a_site_without_a_sitemap_is_explained(site: SiteServer) -> None:
    site.fault("/sitemap.xml", Status(code=404))
    with pytest.raises(SourceUnreachable, match="has no sitemap"):
        await paths_of(site)


async def test_a_sitemap_that_is_empty_lists_nothing(site: SiteServer) -> None:
    assert await paths_of(site) == []


@pytest.mark.parametrize("fault", [Status(code=500), Status(code=404), Drop()])
async def test_one_sitemap_that_fails_fails_the_whole_list(site: SiteServer, fault: Fault) -> None:
    site.put_sitemap("/sitemap.xml", "/one.xml", "/two.xml", index=True)
    site.put_sitemap("/one.xml", "/a")
    site.fault("/two.xml", fault)
    with pytest.raises(SourceUnreachable, match=r"two\.xml"):
        await paths_of(site)


async def test_an_error_at_robots_txt_does_not_mean_that_it_names_nothing(site: SiteServer) -> None:
    site.put("/a", PAGE)
    site.fault("/robots.txt", Status(code=503))
    with pytest.raises(SourceUnreachable, match=r"robots\.txt could not be read: HTTP 503"):
        await paths_of(site)


async def test_an_app_that_serves_its_start_page_everywhere_has_no_sitemap(
    site: SiteServer,
) -> None:
    site.put("/sitemap.xml", "<!doctype html><title>App</title>")
    with pytest.raises(SourceUnreachable, match="not a sitemap"):
        await paths_of(site)


async def test_a_site_with_too_many_pages_or_sitemaps_is_refused(
    site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemap_walk, "MAX_PAGES", 3)
    monkeypatch.setattr(sitemap_walk, "MAX_SITEMAPS", 3)
    site.put_sitemap("/sitemap.xml", "/a", "/b", "/c", "/d")
    with pytest.raises(SourceUnreachable, match="lists more than 3 pages"):
        await paths_of(site)
    site.put_sitemap("/sitemap.xml", *(f"/{number}.xml" for number in range(4)), index=True)
    for number in range(4):
        site.put_sitemap(f"/{number}.xml")
    with pytest.raises(SourceUnreachable, match="more than 3 sitemaps"):
        await paths_of(site)


# --- reading pages --------------------------------------------------------------------------------


async def test_docent_says_who_it_is(site: SiteServer, source: SiteSource) -> None:
    site.put("/a", PAGE)
    await read(site, source, "/a")
    agent = site.requests[-1].headers["User-Agent"]
    assert agent.startswith("Docent/")
    assert agent.endswith(" (+documentation bot)")


async def test_an_unchanged_page_is_asked_for_by_its_validators_and_not_sent(
    site: SiteServer, source: SiteSource
) -> None:
    site.put("/a", PAGE)
    page = await read(site, source, "/a")
    assert await source.read(Listed(url=page.url, location=page.url), page.stamp) is None
    request = site.requests_for("/a")[-1]
    assert request.status == 304
    assert request.headers["If-None-Match"] == site.pages["/a"].etag
    assert request.headers["If-Modified-Since"] == site.pages["/a"].last_modified


async def test_a_page_touched_but_not_changed_is_not_read_again(
    site: SiteServer, source: SiteSource
) -> None:
    site.validators = False
    site.put("/a", PAGE)
    page = await read(site, source, "/a")
    assert await source.read(Listed(url=page.url, location=page.url), page.stamp) is None
    assert site.requests_for("/a")[-1].status == 200


async def test_a_page_is_read_again_when_pages_come_out_differently_than_before(
    site: SiteServer, source: SiteSource
) -> None:
    site.put("/a", PAGE)
    page = await read(site, source, "/a")
    stamp = json.loads(page.stamp or "") | {"extraction": 0}
    assert (await read(site, source, "/a", json.dumps(stamp))).hash == page.hash
    assert "If-None-Match" not in site.requests_for("/a")[-1].headers


async def test_links_are_resolved_against_the_address_that_was_reached(
    site: SiteServer, source: SiteSource
) -> None:
    site.put("/guide/", '<main><a href="setup">x</a></main>')
    site.fault("/guide", Redirect(to="/guide/"))
    page = await read(site, source, "/guide")
    assert page.url == f"{site.url}guide"
    assert page.markdown == f"[x]({site.url}guide/setup)"


@pytest.mark.parametrize(
    ("path", "content_type", "body", "expected"),
    [
        ("/a", "text/html", "<p><b>x</b></p>", "**x**"),
        ("/a", "application/xhtml+xml", "<p><b>x</b></p>", "**x**"),
        ("/a", "text/markdown", "*x* [y](z)", "*x* [y]({url}z)"),
        ("/a.md", "text/plain", "*x* [y](z)", "*x* [y]({url}z)"),
        ("/a.rst", "text/plain", "``x``", "`x`"),
        ("/a.txt", "text/plain; charset=utf-8", "<b>*x*</b>", "<b>*x*</b>"),
        ("/a", "text/html; charset=koi8-r", "<p>слово".encode("koi8-r"), "слово"),
    ],
)
async def test_the_content_type_says_how_a_page_is_written(
    site: SiteServer,
    source: SiteSource,
    path: str,
    content_type: str,
    body: str | bytes,
    expected: str,
) -> None:
    site.put(path, body, content_type)
    assert (await read(site, source, path)).markdown == expected.format(url=site.url)


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", XML, "text/css", "x"])
async def test_other_content_types_are_unreadable(
    site: SiteServer, source: SiteSource, content_type: str
) -> None:
    site.put("/a", PAGE, content_type)
    with pytest.raises(PageUnreadable, match="not a format that can be read"):
        await read(site, source, "/a")


@pytest.mark.parametrize(
    ("path", "title"), [("/guide/set-up.html", "set-up"), ("/guide/", "guide"), ("/", "127.0.0.1")]
)
async def test_a_page_without_a_title_is_called_like_its_address(
    site: SiteServer, source: SiteSource, path: str, title: str
) -> None:
    site.put(path, "<main><p>Text.</p></main>")
    assert (await read(site, source, path)).title == title


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Status(code=404), "HTTP 404"),
        (Status(code=429), "HTTP 429"),
        (Status(code=503), "HTTP 503"),
        (Status(code=304), "HTTP 304"),
        (Status(code=204), "HTTP 204"),
        (Redirect(to="/a"), "more than 5 redirects"),
        (Redirect(to="https://login.example/"), "redirects to another site, login.example"),
        (Redirect(to="file:///etc/passwd"), "redirects to another site"),
        (Redirect(to="http://[broken"), "no usable reply"),
        (Drop(), "no usable reply"),
        (GzipBomb(size=50_000_000), "more than 10 MB"),
    ],
)
async def test_a_page_that_cannot_be_had_says_why(
    site: SiteServer, source: SiteSource, fault: Fault, reason: str
) -> None:
    site.fault("/a", fault)
    with pytest.raises(PageUnreadable, match=reason):
        await read(site, source, "/a")


async def test_a_page_that_is_too_large_is_not_read_to_its_end(
    site: SiteServer, source: SiteSource
) -> None:
    site.put("/a", b"x" * 10_000_001)
    with pytest.raises(PageUnreadable, match="more than 10 MB"):
        await read(site, source, "/a")


async def test_a_site_that_does_not_reply_is_given_up(
    site: SiteServer, source: SiteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.05)
    site.fault("/a", Stall())
    with pytest.raises(PageUnreadable, match="no reply in time"):
        await read(site, source, "/a")


async def test_a_read_that_is_cancelled_is_cancelled(site: SiteServer, source: SiteSource) -> None:
    site.fault("/a", Stall())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await read(site, source, "/a")


async def test_after_a_failure_other_pages_are_read(site: SiteServer, source: SiteSource) -> None:
    site.put("/a", PAGE)
    for fault in (Drop(), GzipBomb(size=50_000_000), Status(code=500)):
        site.fault("/b", fault)
        with pytest.raises(PageUnreadable):
            await read(site, source, "/b")
        assert (await read(site, source, "/a")).title == "Set up"


async def test_pages_are_read_at_the_same_time(site: SiteServer, source: SiteSource) -> None:
    paths = [f"/{number}" for number in range(20)]
    for path in paths:
        site.put(path, f"<main><h1>{path}</h1></main>")
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(read(site, source, path)) for path in paths]
    assert [task.result().title for task in reads] == paths
