"""Sites over real sockets: how pages are found, read only when changed, and what limits hold."""

import asyncio
import gzip
import json
import logging
import tracemalloc
import zlib

import pytest

from core.documents import Listed, Page
from core.errors import PageGone, PageUnreadable, SourceUnreachable
from core.ports import PageSource
from core.sources import fetch, make_source, sitemap_walk
from servers.site_server import (
    XML,
    Drop,
    Encoded,
    Fault,
    GzipBomb,
    Redirect,
    SiteServer,
    Stall,
    Status,
    sitemap,
)

BROTLI = b"\x0b\x02\x80abc\x03"
PAGE = "<main><h1>Set up</h1><p>Install it.</p></main>"


async def paths_of(site: SiteServer, address: str = "") -> list[str]:
    """The paths of the pages that a source for this address lists."""
    source = make_source(site.url + address, allow_private=True)
    try:
        return ["/" + page.url.removeprefix(site.url) for page in await source.list()]
    finally:
        await source.close()


async def read(site: SiteServer, source: PageSource, path: str, known: str | None = None) -> Page:
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
    assert not site.requests_for("/sitemap.xml")


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


async def test_a_sitemap_that_is_empty_is_explained(site: SiteServer) -> None:
    with pytest.raises(SourceUnreachable, match="lists no page"):
        await paths_of(site)


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


async def test_robots_txt_is_obeyed_also_where_the_sitemap_is_named(
    site: SiteServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.put("/robots.txt", "User-agent: Docent\nDisallow: /private/", "text/plain")
    for path in ("/a", "/private/b"):
        site.put(path, PAGE)
    assert await paths_of(site) == ["/a"]
    assert await paths_of(site, "sitemap.xml") == ["/a"]
    record = [record for record in caplog.records if record.name == "core.sources.site"][-1]
    assert record.getMessage() == "Addresses that robots.txt does not allow are passed over"
    assert record.__dict__["count"] == 1


async def test_a_robots_txt_that_allows_nothing_is_explained(site: SiteServer) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /", "text/plain")
    site.put("/a", PAGE)
    with pytest.raises(SourceUnreachable, match="allows Docent none of its 1 pages"):
        await paths_of(site)


# --- reading pages --------------------------------------------------------------------------------


async def test_docent_says_who_it_is(site: SiteServer, source: PageSource) -> None:
    site.put("/a", PAGE)
    await read(site, source, "/a")
    agent = site.requests[-1].headers["User-Agent"]
    assert agent.startswith("Docent/")
    assert agent.endswith(" (+documentation bot)")


async def test_an_unchanged_page_is_asked_for_by_its_validators_and_not_sent(
    site: SiteServer, source: PageSource
) -> None:
    site.put("/a", PAGE)
    page = await read(site, source, "/a")
    assert await source.read(Listed(url=page.url, location=page.url), page.stamp) is None
    request = site.requests_for("/a")[-1]
    assert request.status == 304
    assert request.headers["If-None-Match"] == site.pages["/a"].etag
    assert request.headers["If-Modified-Since"] == site.pages["/a"].last_modified


async def test_a_page_touched_but_not_changed_is_not_read_again(
    site: SiteServer, source: PageSource
) -> None:
    site.validators = False
    site.put("/a", PAGE)
    page = await read(site, source, "/a")
    assert await source.read(Listed(url=page.url, location=page.url), page.stamp) is None
    assert site.requests_for("/a")[-1].status == 200


async def test_a_page_is_read_again_when_pages_come_out_differently_than_before(
    site: SiteServer, source: PageSource
) -> None:
    site.put("/a", PAGE)
    page = await read(site, source, "/a")
    stamp = json.loads(page.stamp or "") | {"extraction": 0}
    assert (await read(site, source, "/a", json.dumps(stamp))).hash == page.hash
    assert "If-None-Match" not in site.requests_for("/a")[-1].headers


async def test_links_are_resolved_against_the_address_that_was_reached(
    site: SiteServer, source: PageSource
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
    source: PageSource,
    path: str,
    content_type: str,
    body: str | bytes,
    expected: str,
) -> None:
    site.put(path, body, content_type)
    assert (await read(site, source, path)).markdown == expected.format(url=site.url)


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", XML, "text/css", "x"])
async def test_other_content_types_are_unreadable(
    site: SiteServer, source: PageSource, content_type: str
) -> None:
    site.put("/a", PAGE, content_type)
    with pytest.raises(PageUnreadable, match="not a format that can be read"):
        await read(site, source, "/a")


@pytest.mark.parametrize(
    ("path", "title"), [("/guide/set-up.html", "set-up"), ("/guide/", "guide"), ("/", "127.0.0.1")]
)
async def test_a_page_without_a_title_is_called_like_its_address(
    site: SiteServer, source: PageSource, path: str, title: str
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
        (Encoded(encoding="deflate", body=zlib.compress(bytes(50_000_000))), "more than 10 MB"),
        (Encoded(encoding="br", body=BROTLI), r"an encoding that was not asked for \(br\)"),
        (Encoded(encoding="zstd", body=b"x"), r"an encoding that was not asked for \(zstd\)"),
        (Encoded(encoding="gzip", body=b"not gzip"), r"no usable reply \(damaged gzip\)"),
        (Encoded(encoding="gzip", body=gzip.compress(b"x" * 99)[:-9]), r"\(cut off gzip\)"),
        (
            Encoded(encoding="gzip, gzip", body=gzip.compress(gzip.compress(bytes(50_000_000)))),
            r"an encoding that was not asked for \(several",
        ),
    ],
)
async def test_a_page_that_cannot_be_had_says_why(
    site: SiteServer, source: PageSource, fault: Fault, reason: str
) -> None:
    site.fault("/a", fault)
    with pytest.raises(PageUnreadable, match=reason):
        await read(site, source, "/a")


async def test_only_encodings_that_can_be_undone_are_asked_for(
    site: SiteServer, source: PageSource
) -> None:
    site.put("/a", PAGE)
    await source.list()
    await read(site, source, "/a")
    assert {request.path for request in site.requests} >= {"/robots.txt", "/sitemap.xml", "/a"}
    assert {request.headers["Accept-Encoding"] for request in site.requests} == {"gzip, deflate"}


async def test_an_encoding_that_was_not_asked_for_is_the_trouble_of_that_page_only(
    site: SiteServer, source: PageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FAILURES_IN_A_ROW", 2)
    site.put("/a", PAGE)
    site.fault("/b", Encoded(encoding="br", body=BROTLI))
    for _ in range(3):
        with pytest.raises(PageUnreadable, match="not asked for"):
            await read(site, source, "/b")
    assert (await read(site, source, "/a")).title == "Set up"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(PAGE.encode())),
        ("GZIP", gzip.compress(PAGE.encode())),
        ("x-gzip", gzip.compress(PAGE[:9].encode()) + gzip.compress(PAGE[9:].encode())),
        ("gzip", gzip.compress(PAGE.encode()) + bytes(8)),
        ("deflate", zlib.compress(PAGE.encode())),
        ("deflate", zlib.compress(PAGE.encode(), wbits=-15)),
        ("identity", PAGE.encode()),
    ],
    # What is packed holds the time: as a name it would be another one in each test process.
    ids=["gzip", "capitals", "two-members", "padded", "zlib", "bare-deflate", "identity"],
)
async def test_a_compressed_page_is_unpacked(
    site: SiteServer, source: PageSource, encoding: str, body: bytes
) -> None:
    site.fault("/a", Encoded(encoding=encoding, body=body))
    assert (await read(site, source, "/a")).markdown == "# Set up\n\nInstall it."


async def test_a_page_that_is_too_large_is_not_read_to_its_end(
    site: SiteServer, source: PageSource
) -> None:
    site.put("/a", b"x" * 10_000_001)
    with pytest.raises(PageUnreadable, match="more than 10 MB"):
        await read(site, source, "/a")


async def test_a_compressed_bomb_is_not_unpacked_in_memory(
    site: SiteServer, source: PageSource
) -> None:
    body = gzip.compress(bytes(200_000_000))
    site.fault("/a", Encoded(encoding="gzip", body=body))
    tracemalloc.start()
    try:
        with pytest.raises(PageUnreadable, match="more than 10 MB"):
            await read(site, source, "/a")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000


@pytest.mark.parametrize("code", [404, 410])
async def test_a_page_that_the_site_says_is_not_there_is_gone(
    site: SiteServer, source: PageSource, code: int
) -> None:
    site.fault("/a", Status(code=code))
    with pytest.raises(PageGone, match=f"HTTP {code}"):
        await read(site, source, "/a")


@pytest.mark.parametrize("code", [429, 503])
async def test_a_site_that_asks_for_a_short_pause_gets_it(
    site: SiteServer, source: PageSource, code: int
) -> None:
    site.put("/a", PAGE)
    site.fault("/a", Status(code=code, retry_after="0"), times=1)
    assert (await read(site, source, "/a")).title == "Set up"
    assert [request.status for request in site.requests_for("/a")] == [code, 200]


@pytest.mark.parametrize("wait", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "x"])
async def test_a_site_that_asks_for_a_long_pause_is_left_alone(
    site: SiteServer, source: PageSource, wait: str
) -> None:
    site.fault("/a", Status(code=429, retry_after=wait))
    with pytest.raises(PageUnreadable, match="HTTP 429"):
        await read(site, source, "/a")
    assert len(site.requests_for("/a")) == 1


async def test_a_page_is_asked_for_only_twice(site: SiteServer, source: PageSource) -> None:
    site.fault("/a", Status(code=429, retry_after="0"))
    with pytest.raises(PageUnreadable, match="HTTP 429"):
        await read(site, source, "/a")
    assert len(site.requests_for("/a")) == 2


async def test_a_site_that_went_down_is_not_waited_for_page_by_page(
    site: SiteServer, source: PageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FAILURES_IN_A_ROW", 3)
    site.put("/a", PAGE)
    site.fault("/b", Drop())
    for _ in range(3):
        with pytest.raises(PageUnreadable, match="no usable reply"):
            await read(site, source, "/b")
    with pytest.raises(PageUnreadable, match="does not reply any more: not tried"):
        await read(site, source, "/a")
    assert not site.requests_for("/a")
    await source.list()  # the next refresh begins anew
    assert (await read(site, source, "/a")).title == "Set up"


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("SOURCE_SECONDS", "more than 0 minutes already"), ("SOURCE_BYTES", "more than 0 GB already")],
)
async def test_a_refresh_has_its_share_of_a_site_and_no_more(
    site: SiteServer, monkeypatch: pytest.MonkeyPatch, limit: str, reason: str
) -> None:
    monkeypatch.setattr(fetch, limit, 0)
    site.put("/a", PAGE)
    source = make_source(site.url, allow_private=True)
    with pytest.raises(SourceUnreachable, match=reason):
        await source.list()
    with pytest.raises(PageUnreadable, match=reason):
        await read(site, source, "/a")
    await source.close()


async def test_what_a_site_has_sent_in_a_refresh_counts(
    site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SOURCE_BYTES", 2_000)
    site.put("/a", f"<main><h1>Set up</h1>{'x' * 2_000}</main>")
    source = make_source(site.url, allow_private=True)
    await source.list()
    assert (await read(site, source, "/a")).title == "Set up"
    with pytest.raises(PageUnreadable, match="has sent more than"):
        await read(site, source, "/a")
    await source.list()  # the next refresh begins anew
    assert (await read(site, source, "/a")).title == "Set up"
    await source.close()


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/html; charset=utf-16", "<p>käse".encode(), "k"),
        ("text/html; charset=no-such", "<p>käse".encode(), "käse"),
        ("text/html; charset=idna", "<p>käse".encode(), "käse"),
        ("text/html; charset=utf-8", "<p>käse".encode("latin-1"), "k\ufffdse"),
        ("text/html", b"\xff\xfe" + "<p>käse".encode("utf-16-le"), "käse"),
    ],
)
async def test_a_page_with_a_wrong_charset_is_read_or_refused(
    site: SiteServer, source: PageSource, content_type: str, body: bytes, expected: str
) -> None:
    site.put("/a", body, content_type)
    try:
        page = await read(site, source, "/a")
    except PageUnreadable:
        assert "utf-16" in content_type  # of which not a letter is left
    else:
        assert page.markdown == expected or "utf-16" in content_type


@pytest.mark.parametrize(
    "body", ["<html><head><title>A</title></head></html>", "", "<body></body>"]
)
async def test_a_page_without_a_body_has_no_content(
    site: SiteServer, source: PageSource, body: str
) -> None:
    site.put("/a", body)
    with pytest.raises(PageUnreadable, match="no content"):
        await read(site, source, "/a")


async def test_a_site_that_does_not_reply_is_given_up(
    site: SiteServer, source: PageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.05)
    site.fault("/a", Stall())
    with pytest.raises(PageUnreadable, match="no reply in time"):
        await read(site, source, "/a")


async def test_a_read_that_is_cancelled_is_cancelled(site: SiteServer, source: PageSource) -> None:
    site.fault("/a", Stall())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await read(site, source, "/a")


async def test_after_a_failure_other_pages_are_read(site: SiteServer, source: PageSource) -> None:
    site.put("/a", PAGE)
    for fault in (Drop(), GzipBomb(size=50_000_000), Status(code=500)):
        site.fault("/b", fault)
        with pytest.raises(PageUnreadable):
            await read(site, source, "/b")
        assert (await read(site, source, "/a")).title == "Set up"


async def test_pages_are_read_at_the_same_time(site: SiteServer, source: PageSource) -> None:
    paths = [f"/{number}" for number in range(20)]
    for path in paths:
        site.put(path, f"<main><h1>{path}</h1></main>")
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(read(site, source, path)) for path in paths]
    assert [task.result().title for task in reads] == paths
