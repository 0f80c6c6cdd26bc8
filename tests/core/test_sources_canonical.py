"""`<link rel="canonical">`: the address under which a page is recorded, and what follows."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.documents import Listed, Page, RefreshReport
from core.ports import PageSource
from core.refresh import Refresher
from core.refresh.refresher import unseen
from core.sources import make_source, make_sources
from core.store import Store
from servers.scripted_docs import ScriptedIndex, ScriptedSource
from servers.site_server import Redirect, SiteServer, Status


def html(text: str, canonical: str | None = None, *, head: str = "") -> str:
    link = "" if canonical is None else f'<link rel="canonical" href="{canonical}">'
    main = f"<main><h1>{text}</h1><p>{text}.</p></main>"
    return f"<!doctype html><html><head>{link}{head}</head><body>{main}</body></html>"


async def read(site: SiteServer, source: PageSource, path: str, known: str | None = None) -> Page:
    url = site.url + path.lstrip("/")
    page = await source.read(Listed(url=url, location=url), known)
    assert page is not None
    return page


async def path_of(site: SiteServer, source: PageSource, path: str) -> str:
    return "/" + (await read(site, source, path)).url.removeprefix(site.url)


# --- which address counts -------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["{url}guide/", "/guide/", "{url}guide/#top", "//{host}/guide/"])
async def test_a_page_has_the_address_that_it_names_where_the_same_text_is(
    site: SiteServer, source: PageSource, named: str
) -> None:
    host = site.url.removeprefix("http://").rstrip("/")
    body = html("Guide", named.format(url=site.url, host=host))
    for path in ("/guide", "/guide/"):
        site.put(path, body)
    assert await path_of(site, source, "/guide") == "/guide/"
    assert await path_of(site, source, "/guide/") == "/guide/"


async def test_a_page_at_the_named_address_need_not_name_one_itself(
    site: SiteServer, source: PageSource
) -> None:
    site.put("/a?print", "")
    site.put("/print/a", html("A", "/a"))
    site.put("/a", html("A"))
    assert await path_of(site, source, "/print/a") == "/a"


async def test_after_a_redirect_the_address_that_was_reached_may_be_named(
    site: SiteServer, source: PageSource
) -> None:
    site.put("/new", html("A", "/new"))
    site.fault("/old", Redirect(to="/new"))
    assert await path_of(site, source, "/old") == "/new"
    assert len(site.requests_for("/new")) == 1  # it is there already: no second look


@pytest.mark.parametrize(
    "named",
    [
        *("https://other.example/a", "//other.example/a", "ftp://127.0.0.1/a", "http://[broken"),
        *("", "b", "./b", "../b", "#b", "?b", "javascript:b", "{{ page.url }}", "/" + "b" * 3_000),
        *("http://user:password@{host}/docs/b", "/docs/missing", "/b", "/docs/private/b"),
    ],
)
async def test_what_leads_elsewhere_or_nowhere_is_ignored(site: SiteServer, named: str) -> None:
    host = site.url.removeprefix("http://").rstrip("/")
    site.put("/robots.txt", "User-agent: *\nDisallow: /docs/private/", "text/plain")
    body = html("A", named.format(host=host) if "{host}" in named else named)
    for path in ("/docs/a", "/b", "/docs/b", "/docs/private/b"):
        site.put(path, body)
    source = make_source(f"{site.url}docs/", allow_private=True)
    await source.list()
    assert await path_of(site, source, "/docs/a") == "/docs/a"
    await source.close()
    assert not site.requests_for("/docs/private/b")


@pytest.mark.parametrize(
    "body",
    [
        html("A", head='<link rel="canonical" href="/b"><link rel="canonical" href="/c">'),
        "<main><h1>A</h1><p>A.</p><link rel='canonical' href='/b'></main>",
        html("A", head='<link rel="alternate" href="/b"><link rel="canonical">'),
    ],
)
async def test_two_addresses_or_one_in_the_body_are_no_address(
    site: SiteServer, source: PageSource, body: str
) -> None:
    for path in ("/a", "/b", "/c"):
        site.put(path, body)
    assert await path_of(site, source, "/a") == "/a"


async def test_pages_that_name_each_other_stay_where_they_are(
    site: SiteServer, source: PageSource
) -> None:
    site.put("/a", html("A", "/b"))
    site.put("/b", html("A", "/c"))
    site.put("/c", html("A", "/a"))
    assert [await path_of(site, source, path) for path in ("/a", "/b", "/c")] == ["/a", "/b", "/c"]


async def test_an_address_that_leads_back_is_ignored(site: SiteServer, source: PageSource) -> None:
    site.put("/a", html("A", "/b"))
    site.fault("/b", Redirect(to="/a"))
    assert await path_of(site, source, "/a") == "/a"


async def test_pages_that_all_name_the_start_page_stay_apart_and_ask_for_it_once(
    site: SiteServer, source: PageSource
) -> None:
    paths = [f"/{number}" for number in range(5)]
    site.put("/", html("Start", "/"))
    for path in paths:
        site.put(path, html(f"Page {path}", site.url))
    await source.list()
    assert [await path_of(site, source, path) for path in paths] == paths
    assert len(site.requests_for("/")) == 1
    await source.list()
    await read(site, source, "/1")
    assert len(site.requests_for("/")) == 2  # another refresh looks again


async def test_where_it_cannot_be_told_the_page_is_read_again_the_next_time(
    site: SiteServer, source: PageSource
) -> None:
    for path in ("/a", "/b"):
        site.put(path, html("A", "/b"))
    site.fault("/b", Status(code=500))
    page = await read(site, source, "/a")
    assert (page.url, page.stamp) == (f"{site.url}a", None)
    site.fault("/b", None)
    await source.list()
    assert await path_of(site, source, "/a") == "/b"


@pytest.mark.parametrize("entry", ["a as=page", "llms.txt"])
async def test_single_pages_and_lists_for_programs_have_canonical_addresses_too(
    site: SiteServer, entry: str
) -> None:
    site.put("/llms.txt", "- [A](/a)", "text/plain")
    for path in ("/a", "/b"):
        site.put(path, html("A", "/b"))
    made = make_source(site.url + entry, allow_private=True)
    (listed,) = await made.list()
    page = await made.read(listed, None)
    await made.close()
    assert page is not None
    assert page.url == f"{site.url}b"


async def test_an_address_that_the_patterns_leave_out_does_not_count(site: SiteServer) -> None:
    for path in ("/a", "/old/a"):
        site.put(path, html("A", "/old/a"))
    made = make_source(f"{site.url} exclude=/old/**", allow_private=True)
    (listed,) = await made.list()
    page = await made.read(listed, None)
    assert page is not None
    assert page.url == f"{site.url}a"
    assert await made.read(listed, page.stamp) is None
    await made.close()


# --- in a refresh ---------------------------------------------------------------------------------


class Docs:
    """A site, and what a refresh makes of it; each refresh in a process of its own."""

    def __init__(self, site: SiteServer, store: Store) -> None:
        self.site = site
        self.store = store
        self.index = ScriptedIndex(batch_size=10)
        self.entries = [site.url]

    async def refresh(self, *only: str) -> RefreshReport:
        self.site.requests.clear()
        sources = make_sources(self.entries, allow_private=True)
        refresher = Refresher(store=self.store, sources=sources, indexes=[self.index])
        try:
            report = await refresher.refresh(unseen, only=only)
        finally:
            for source in sources:
                await source.close()
        assert set(self.index.content) == set(await self.store.documents.known())
        return report

    def paths(self, urls: Sequence[str]) -> list[str]:
        return sorted("/" + url.removeprefix(self.site.url) for url in urls)

    @property
    def pages(self) -> list[str]:
        return self.paths(list(self.index.content))

    @property
    def sent(self) -> list[str]:
        """The pages that were sent in full."""
        full = [one.path for one in self.site.requests if one.status == 200]
        return [path for path in full if path not in ("/sitemap.xml", "/robots.txt")]


@pytest.fixture
def docs(site: SiteServer, sqlite_store: Store) -> Docs:
    return Docs(site, sqlite_store)


@pytest.mark.parametrize("listed", [("/a", "/b", "/c"), ("/c", "/a", "/b"), ("/a", "/b")])
async def test_a_page_with_several_addresses_is_recorded_once_and_asked_for_only_if_it_changed(
    docs: Docs, listed: Sequence[str]
) -> None:
    for path in ("/a", "/b", "/c"):
        docs.site.put(path, html("A", "/c"))
    docs.site.put("/other", html("Other", "/other"))
    docs.site.put_sitemap("/sitemap.xml", *listed, "/other")
    report = await docs.refresh()
    assert docs.paths(report.added) == docs.pages == ["/c", "/other"]
    stamp = (await docs.store.documents.known())[f"{docs.site.url}c"].stamp
    assert (stamp is not None) == ("/c" in listed)  # never that of another address

    report = await docs.refresh()
    assert (report.unchanged, report.added, report.removed) == (2, (), ())
    assert docs.sent == []
    assert len([one for one in docs.site.requests if one.status == 304]) == len(listed) + 1

    for path in ("/a", "/b", "/c"):
        docs.site.put(path, html("A2", "/c"))
    report = await docs.refresh()
    assert docs.paths(report.changed) == ["/c"]
    assert (report.unchanged, docs.pages) == (1, ["/c", "/other"])
    assert (await docs.refresh()).unchanged == 2


async def test_a_page_stays_while_one_of_its_addresses_is_listed_and_goes_with_the_last(
    docs: Docs,
) -> None:
    for path in ("/a", "/b", "/c"):
        docs.site.put(path, html("A", "/c"))
    docs.site.put("/other", html("Other"))
    for listed in (("/a", "/b"), ("/b",), ("/b", "/c"), ("/c",), ("/a",)):
        docs.site.put_sitemap("/sitemap.xml", *listed, "/other")
        report = await docs.refresh()
        assert docs.pages == ["/c", "/other"]
        assert report.removed == ()
    docs.site.put_sitemap("/sitemap.xml", "/other")
    assert docs.paths((await docs.refresh()).removed) == ["/c"]
    assert docs.pages == ["/other"]
    assert await docs.store.documents.aliases() == {}


@pytest.mark.parametrize("code", [404, 500])
async def test_an_address_that_fails_keeps_the_page_and_one_that_is_gone_does_not(
    docs: Docs, code: int
) -> None:
    for path in ("/a", "/c"):
        docs.site.put(path, html("A", "/c"))
    docs.site.put("/other", html("Other"))
    docs.site.put_sitemap("/sitemap.xml", "/a", "/other")
    await docs.refresh()
    docs.site.fault("/a", Status(code=code))
    await docs.refresh()
    assert docs.pages == (["/other"] if code == 404 else ["/c", "/other"])


async def test_pages_that_begin_to_name_another_address_move_without_asking(docs: Docs) -> None:
    paths = [f"/{number}" for number in range(10)]
    for path in paths:
        docs.site.put(path, html(path))
    docs.site.put_sitemap("/sitemap.xml", *paths)
    await docs.refresh()
    for path in paths:
        for one in (path, f"{path}/"):
            docs.site.put(one, html(path, f"{path}/"))
    report = await docs.refresh()
    assert docs.paths(report.added) == docs.pages == [f"{path}/" for path in paths]
    assert (docs.paths(report.removed), report.withheld) == (paths, ())
    assert all(
        {one.rstrip("/") for one in had} == {docs.site.url + path[1:] for path in paths}
        for had in docs.index.urls_at_removal
    )  # at no moment was a page missing


async def test_a_page_whose_other_address_is_gone_or_says_something_else_is_itself_again(
    docs: Docs,
) -> None:
    docs.site.put("/a", html("A", "/c"))
    docs.site.put("/c", html("A", "/c"))
    docs.site.put_sitemap("/sitemap.xml", "/a", "/c")
    await docs.refresh()
    assert docs.pages == ["/c"]
    docs.site.put("/c", html("C", "/c"))
    report = await docs.refresh()
    assert docs.pages == ["/a", "/c"]
    assert (docs.paths(report.added), docs.paths(report.changed)) == (["/a"], ["/c"])
    docs.site.put("/c", html("A", "/c"))
    docs.site.put("/a", html("A", "/c", head="<!-- changed -->"))
    await docs.refresh()
    assert docs.pages == ["/c"]
    docs.site.fault("/c", Status(code=404))
    await docs.refresh()
    assert docs.pages == ["/a"]


async def test_of_two_sources_with_the_same_page_the_first_has_it(docs: Docs) -> None:
    for path in ("/x/a", "/y/a"):
        docs.site.put(path, html("A", "/c"))
    docs.site.put("/c", html("A", "/c"))
    docs.site.put_sitemap("/x/map.xml", "/x/a")
    docs.site.put_sitemap("/y/map.xml", "/y/a")
    docs.entries = [f"{docs.site.url}x/map.xml", f"{docs.site.url}y/map.xml"]
    assert len((await docs.refresh()).added) == 1
    for only in ((), (docs.entries[1],), (docs.entries[0],), ()):
        report = await docs.refresh(*only)
        assert (report.added, report.changed, report.removed) == ((), (), ())
        (page,) = (await docs.store.documents.known()).values()
        assert page.source == docs.entries[0]
    for path in ("/x/a", "/y/a", "/c"):
        docs.site.put(path, html("A2", "/c"))
    await docs.refresh(docs.entries[1])
    (page,) = (await docs.store.documents.known()).values()
    assert page.source == docs.entries[0]
    assert len((await docs.refresh()).changed) == 1
    docs.entries = docs.entries[1:]
    assert (await docs.refresh()).removed == ()
    assert docs.pages == ["/c"]
    (page,) = (await docs.store.documents.known()).values()
    assert page.source == docs.entries[0]
    assert len(await docs.store.documents.aliases()) == 1


class Renamed(ScriptedSource):
    """Says of its first page that it is the one of another address, which cannot be read."""

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        page = await super().read(listed, known)
        return page and replace(page, url="https://d/c") if listed.url == "https://d/a" else page


async def test_a_page_stays_where_it_was_while_its_new_address_cannot_be_read(
    sqlite_store: Store,
) -> None:
    before = ScriptedSource({"https://d/a": "A"})
    after = Renamed({"https://d/a": "A2", "https://d/c": "A2"})
    after.stamps = False
    after.unreadable = {"https://d/c"}
    index = ScriptedIndex(batch_size=10)
    for source in (before, after):
        await Refresher(store=sqlite_store, sources=[source], indexes=[index]).refresh(unseen)
    assert set(index.content) == {"https://d/a"}


async def test_a_dry_run_changes_no_alias_and_says_the_same(docs: Docs) -> None:
    for path in ("/a", "/c"):
        docs.site.put(path, html("A", "/c"))
    docs.site.put_sitemap("/sitemap.xml", "/a")
    sources = make_sources(docs.entries, allow_private=True)
    refresher = Refresher(store=docs.store, sources=sources, indexes=[])
    plan = await refresher.dry_run(unseen)
    await sources[0].close()
    assert docs.paths(plan.added) == ["/c"]
    assert await docs.store.documents.aliases() == {}
    assert (await docs.refresh()).added == plan.added


async def test_a_site_that_names_itself_properly_leaves_nothing_on_record(docs: Docs) -> None:
    for path in ("/a", "/b"):
        docs.site.put(path, html(path, path))
    await docs.refresh()
    assert sorted(docs.sent) == ["/a", "/b"]
    assert await docs.store.values.get("aliases") is None
    stamps = [page.stamp for page in (await docs.store.documents.known()).values()]
    assert all(json.loads(stamp or "")["etag"] for stamp in stamps)
