"""A real documentation of hundreds of pages, from its sitemap to the answer that cites it.

The pages are what `pydoc` makes of Python's own library, in the frame of a site.
"""

import html
import importlib.util
import re
from collections.abc import AsyncIterator, Container, Mapping
from pathlib import Path

import pytest

from core.documents import Page, RefreshReport
from core.local_engine import LocalIndex, PageFinder
from core.refresh import Refresher
from core.refresh.refresher import unseen
from core.sources import make_source
from core.sources.extract import Format, extract
from core.store import Store
from servers.api_reference import api_reference
from servers.site_server import SiteServer

FRAME = {
    "<head>": '<head><link rel="canonical" href="{path}">',
    "<body>": (
        '<body><div class="cookie-banner">We use Zanzibar cookies.</div>'
        '<nav><a href="/json.html">Zanzibar navigation</a></nav>'
        "<header>Zanzibar site</header><main>"
    ),
    "</body>": "</main><aside>Zanzibar news</aside><footer>Zanzibar imprint</footer></body>",
}
QUESTIONS = {
    "how do I encode python objects as json": "json",
    "heap queue algorithm priority queue": "heapq",
    "decode base64 data": "base64",
    "what does csv.DictReader do with the first row": "csv",
    "read and write gzip files": "gzip",
    "asyncio.TaskGroup": "asyncio.taskgroups",
    "open a url in a web browser": "webbrowser",
    "bisection algorithms for sorted lists": "bisect",
    "get a password without echo": "getpass",
    "match file names against a shell pattern": "fnmatch",
    "hash message authentication codes": "hmac",
    "colorsys rgb to hsv": "colorsys",
    "iterate over a file in place, fileinput": "fileinput",
    "parse command line options": "getopt",
    "abstract base classes": "abc",
    "generate secure random numbers for passwords": "secrets",
    "garbage collector threshold": "gc",
    "calendar of a month as html": "calendar",
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return api_reference(tmp_path_factory.mktemp("reference"))


@pytest.fixture
async def site(reference: Mapping[str, str]) -> AsyncIterator[SiteServer]:
    async with SiteServer() as server:
        for module, page in reference.items():
            server.put(f"/{module}.html", framed(module, page))
        yield server


def framed(module: str, page: str) -> str:
    for mark, frame in FRAME.items():
        assert page.count(mark) == 1, module
        page = page.replace(mark, frame.format(path=f"/{module}.html"))
    return page


async def refresh(site: SiteServer, store: Store) -> RefreshReport:
    """Refresh as a process of its own does, that knows nothing but what is in the store."""
    site.requests.clear()
    source = make_source(site.url, allow_private=True)
    index = LocalIndex(store.passages)
    try:
        report = await Refresher(store=store, sources=[source], indexes=[index]).refresh(unseen)
    finally:
        await source.close()
    assert report.failed == ()
    assert report.skipped == ()
    return report


def sent(site: SiteServer) -> list[str]:
    """The pages that were sent in full."""
    return [one.path for one in site.requests if one.status == 200 and one.path.endswith(".html")]


async def pages_of(store: Store) -> dict[str, Page]:
    known = await store.documents.known()
    return {
        page.url.rpartition("/")[2].removesuffix(".html"): page
        for page in await store.documents.get_pages(list(known))
    }


def check_page(page: Page, source: str) -> None:
    """What is left of a page is what pydoc wrote of the module, and nothing of the frame."""
    assert re.fullmatch(r"Python: (module|package|built-in module) [\w.]+", page.title), page.title
    assert page.title.split()[-1] == page.url.rpartition("/")[2].removesuffix(".html")
    assert not re.search(r"Zanzibar|file:/", page.markdown)
    assert "index" not in page.markdown.partition("\n\n")[0]
    below_title = source.partition("</table>")[2]
    words = re.findall(r"[A-Za-z]{6,}", html.unescape(re.sub(r"<[^>]*>", " ", below_title)))
    lost = {word for word in words if word not in page.markdown}
    assert not lost, (page.url, sorted(lost)[:20])


async def check_search(site: SiteServer, store: Store, modules: Container[str]) -> None:
    """The page of a module is among the first three for a question about it."""
    finder = PageFinder(store.passages)
    asked = [(question, module) for question, module in QUESTIONS.items() if module in modules]
    assert len(asked) >= 12
    missed: list[str] = []
    for question, module in asked:
        cited = await finder.pages([question], 3)
        paths = ["/" + one.url.removeprefix(site.url).partition("#")[0] for one in cited]
        assert all(path in site.pages for path in paths), paths
        if f"/{module}.html" not in paths:
            missed.append(f"{question}: {paths}")
    assert len(missed) <= 3, missed  # the docstrings differ from one Python to the next


async def test_a_real_documentation_goes_the_whole_way(
    site: SiteServer, sqlite_store: Store, reference: Mapping[str, str]
) -> None:
    assert len(reference) >= 120
    assert {"bisect", "heapq"} <= set(reference)
    report = await refresh(site, sqlite_store)
    assert len(report.added) == len(reference)
    pages = await pages_of(sqlite_store)
    for module, source in reference.items():
        check_page(pages[module], source)
    await check_search(site, sqlite_store, reference)

    report = await refresh(site, sqlite_store)
    assert (report.unchanged, report.added, report.changed) == (len(reference), (), ())
    assert sent(site) == []
    assert len([one for one in site.requests if one.status == 304]) == len(reference)

    changed = reference["bisect"].replace("</body>", "<p>Featherweight.</p></body>")
    site.put("/bisect.html", framed("bisect", changed))
    site.remove("/heapq.html")
    report = await refresh(site, sqlite_store)
    assert report.changed == (f"{site.url}bisect.html",)
    assert report.removed == (f"{site.url}heapq.html",)
    assert (report.unchanged, sent(site)) == (len(reference) - 2, ["/bisect.html"])
    assert "Featherweight." in (await pages_of(sqlite_store))["bisect"].markdown


def test_a_page_of_sphinx_that_python_ships_is_cut_to_its_content() -> None:
    found = importlib.util.find_spec("idlelib")
    path = Path(found.origin or "").with_name("help.html") if found else Path("nowhere")
    if not path.is_file():
        pytest.skip("this Python comes without IDLE and its help")
    content = extract(path.read_text(), Format.HTML, name="help", resolve=lambda target: target)
    assert content.title == "IDLE"
    assert content.canonical == "https://docs.python.org/3/library/idle.html"
    headings = re.findall(r"^#+ .*", content.markdown, re.MULTILINE)
    assert {"# IDLE", "## Menus", "### Key bindings"} <= set(headings)
    for noise in ("Show Source", "Previous topic", "Report a Bug", "Copyright", "¶"):
        assert noise not in content.markdown
