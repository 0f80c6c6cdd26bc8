"""What a robots.txt asks for while pages are read: at redirects, and between two requests."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.documents import Listed, Page
from core.errors import PageGone, PageUnreadable
from core.ports import PageSource
from core.sources import fetch, make_source
from core.sources.fetch import Fetcher
from core.sources.robots import Robots
from core.sources.site import SiteSource
from servers.site_server import Drop, Redirect, SiteServer, Stall, Status

PAGE = "<main><h1>Set up</h1><p>Install it.</p></main>"


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def slow_source(site: SiteServer, clock: Clock) -> AsyncIterator[PageSource]:
    """A source whose waits take no time."""
    fetcher = Fetcher(allow_private=True, clock=clock, sleep=clock.sleep)
    made = SiteSource(site.url, site.url, fetcher, is_sitemap=False)
    yield made
    await made.close()


def robots(site: SiteServer, *rules: str) -> None:
    site.put("/robots.txt", "\n".join(("User-agent: *", *rules)), "text/plain")


async def read(site: SiteServer, source: PageSource, path: str) -> Page:
    url = site.url + path.lstrip("/")
    page = await source.read(Listed(url=url, location=url), None)
    assert page is not None
    return page


# --- redirects ------------------------------------------------------------------------------------


async def test_a_redirect_to_where_robots_txt_does_not_allow_us_is_not_followed(
    site: SiteServer, source: PageSource
) -> None:
    robots(site, "Disallow: /private/")
    site.put("/private/a", PAGE)
    site.put("/public/a", PAGE)
    site.fault("/a", Redirect(to="/b"))
    site.fault("/b", Redirect(to="/private/a"))
    site.fault("/c", Redirect(to="/public/a"))
    await source.list()
    with pytest.raises(PageGone, match=r"robots\.txt does not allow"):
        await read(site, source, "/a")
    assert not site.requests_for("/private/a")
    assert (await read(site, source, "/c")).title == "Set up"


async def test_what_robots_txt_allows_is_asked_anew_in_each_refresh(
    site: SiteServer, source: PageSource
) -> None:
    robots(site, "Disallow: /new")
    site.put("/new", PAGE)
    site.put("/other", PAGE)
    site.fault("/old", Redirect(to="/new"))
    await source.list()
    with pytest.raises(PageGone):
        await read(site, source, "/old")
    site.remove("/robots.txt")
    await source.list()
    assert (await read(site, source, "/old")).title == "Set up"


async def test_a_single_page_and_an_llms_txt_obey_at_redirects_too(site: SiteServer) -> None:
    robots(site, "Disallow: /private/")
    site.put("/private/a", PAGE)
    site.fault("/a", Redirect(to="/private/a"))
    site.put("/llms.txt", "- [A](/a)", "text/plain")
    for entry in (f"{site.url}a as=page", f"{site.url}llms.txt"):
        made = make_source(entry, allow_private=True)
        (listed,) = await made.list()
        with pytest.raises(PageGone, match=r"robots\.txt does not allow"):
            await made.read(listed, None)
        await made.close()
    assert not site.requests_for("/private/a")


async def test_a_page_beside_its_markdown_is_not_looked_at_where_that_is_not_allowed(
    site: SiteServer,
) -> None:
    robots(site, "Disallow: /a", "Allow: /a.md")
    site.put("/a", PAGE)
    site.put("/a.md", "# A", "text/markdown")
    site.put("/llms.txt", "- [A](/a.md)", "text/plain")
    made = make_source(f"{site.url}llms.txt", allow_private=True)
    assert [page.url for page in await made.list()] == [f"{site.url}a.md"]
    await made.close()
    assert not site.requests_for("/a")


async def test_a_sitemap_may_lie_where_pages_may_not(site: SiteServer, source: PageSource) -> None:
    robots(site, "Disallow: /files/", f"Sitemap: {site.url}map.xml")
    site.fault("/map.xml", Redirect(to="/files/map.xml"))
    site.put_sitemap("/files/map.xml", "/a", "/files/b")
    assert [page.url for page in await source.list()] == [f"{site.url}a"]


# --- the time between two requests ----------------------------------------------------------------


async def test_the_delay_that_robots_txt_asks_for_passes_between_two_requests(
    site: SiteServer, slow_source: PageSource, clock: Clock
) -> None:
    robots(site, "Crawl-delay: 7")
    for path in ("/a", "/b", "/c"):
        site.put(path, PAGE)
    listed = await slow_source.list()
    assert clock.slept == []  # the sitemap is the first that has to keep to it
    for entry in listed:
        await slow_source.read(entry, None)
    assert clock.slept == [7.0, 7.0, 7.0]


async def test_pages_that_are_read_at_the_same_time_take_turns(
    site: SiteServer, slow_source: PageSource, clock: Clock
) -> None:
    robots(site, "Crawl-delay: 2")
    site.put("/a", PAGE)
    await slow_source.list()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(read(site, slow_source, "/a"))
    assert clock.slept == [2.0] * 8


async def test_redirects_and_repetitions_take_their_time_too(
    site: SiteServer, slow_source: PageSource, clock: Clock
) -> None:
    robots(site, "Crawl-delay: 3")
    site.put("/b", PAGE)
    site.fault("/a", Redirect(to="/b"))
    await slow_source.list()
    await read(site, slow_source, "/a")
    assert clock.slept == [3.0, 3.0]
    site.fault("/b", Status(code=503, retry_after="1"), times=1)
    await read(site, slow_source, "/b")
    assert clock.slept[2:] == [3.0, 1.0, 2.0]


async def test_time_that_has_passed_anyway_is_not_waited_for_again(
    site: SiteServer, slow_source: PageSource, clock: Clock
) -> None:
    robots(site, "Crawl-delay: 7")
    site.put("/a", PAGE)
    await slow_source.list()
    clock.now += 60
    await read(site, slow_source, "/a")
    assert clock.slept == []


async def test_without_a_delay_nobody_waits(
    site: SiteServer, slow_source: PageSource, clock: Clock
) -> None:
    site.put("/a", PAGE)
    await slow_source.list()
    await read(site, slow_source, "/a")
    robots(site, "Crawl-delay: 7")
    await slow_source.list()
    site.remove("/robots.txt")
    await slow_source.list()
    await read(site, slow_source, "/a")
    assert clock.slept == []


async def test_the_delay_counts_neither_for_a_page_nor_for_the_refresh(
    site: SiteServer, slow_source: PageSource, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SOURCE_SECONDS", 15.0)
    robots(site, "Crawl-delay: 10")
    site.put("/a", PAGE)
    await slow_source.list()
    for _ in range(5):
        assert (await read(site, slow_source, "/a")).title == "Set up"
    assert sum(clock.slept) == 50
    clock.now += 16
    with pytest.raises(PageUnreadable, match="has taken more than"):
        await read(site, slow_source, "/a")


async def test_the_time_for_a_page_stands_still_while_it_waits_for_its_turn() -> None:
    seen: list[float | None] = []

    async def sleep(seconds: float) -> None:
        seen.append(limit.when())

    fetcher = Fetcher(clock=lambda: 0.0, sleep=sleep)
    fetcher.robots = Robots(crawl_delay=10.0)
    async with asyncio.timeout(30) as limit:
        until = limit.when()
        await fetcher._await_turn(limit)
        await fetcher._await_turn(limit)
        assert seen == [None]
        assert limit.when() == pytest.approx(until, abs=15)


async def test_a_page_that_had_to_wait_is_given_up_in_time_all_the_same(
    site: SiteServer, slow_source: PageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    robots(site, "Crawl-delay: 10")
    site.put("/a", PAGE)
    await slow_source.list()
    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.05)
    site.fault("/a", Stall())
    with pytest.raises(PageUnreadable, match="no reply in time"):
        await read(site, slow_source, "/a")


async def test_a_request_that_failed_gives_its_turn_on(
    site: SiteServer, slow_source: PageSource, clock: Clock
) -> None:
    robots(site, "Crawl-delay: 4")
    site.put("/a", PAGE)
    site.fault("/b", Drop())
    await slow_source.list()
    with pytest.raises(PageUnreadable):
        await read(site, slow_source, "/b")
    assert (await read(site, slow_source, "/a")).title == "Set up"
    assert clock.slept == [4.0, 4.0]
