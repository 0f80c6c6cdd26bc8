"""`llms.txt`, `llms-full.txt` and single pages: what they list or hold, and its addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.documents import Page
from core.errors import PageGone, PageUnreadable, SourceUnreachable
from core.ports import PageSource
from core.sources import make_source
from core.sources.llms_text import links_in, split_pages
from servers.growth import LINEAR, growth
from servers.site_server import SiteServer, Status

TEXT = "text/plain; charset=utf-8"
MARKDOWN = "text/markdown"


async def listed(site: SiteServer, path: str = "llms.txt", words: str = "") -> dict[str, str]:
    """The addresses that are cited, and from where they are read; paths of the site."""
    source = make_source(f"{site.url}{path}{words}", allow_private=True)
    try:
        found = await source.list()
        return {
            page.url.removeprefix(site.url): page.location.removeprefix(site.url) for page in found
        }
    finally:
        await source.close()


async def failure(site: SiteServer, path: str = "llms.txt") -> str:
    with pytest.raises(SourceUnreachable) as refused:
        await listed(site, path)
    return str(refused.value)


# --- llms.txt -------------------------------------------------------------------------------------


async def test_the_pages_that_it_links_to_are_listed_once_in_their_order(site: SiteServer) -> None:
    site.put(
        "/docs/llms.txt",
        "# Acme\n\n> All. See [the guide](/guide#top).\n\n## Docs\n\n"
        f'- [Set up]({site.url}docs/setup): first\n- [API](<api> "title") and [guide](../guide)\n'
        "- [Logo](logo.png) [Spec](openapi.json) [Paper](x.pdf) ![image](shot)\n"
        "- [Elsewhere](https://other.example/a) [Mail](mailto:a@b.c) [Broken](http://[x)\n"
        "```\n[not](code)\n```\n",
        TEXT,
    )
    assert list(await listed(site, "docs/llms.txt")) == ["guide", "docs/setup", "docs/api"]


async def test_the_markdown_is_read_and_the_page_beside_it_cited(site: SiteServer) -> None:
    site.put("/llms.txt", "[a](/a.md) [b](/b.html.md) [c](/c/index.html.md) [d](/d)", TEXT)
    site.put("/a", "<h1>A</h1>")
    site.put("/a.md", "# A\n\n[b](b.md)", MARKDOWN)
    assert await listed(site) == {
        "a": "a.md",
        "b.html": "b.html.md",
        "c/": "c/index.html.md",
        "d": "d",
    }
    source = make_source(f"{site.url}llms.txt", allow_private=True)
    first = (await source.list())[0]
    page = await source.read(first, None)
    assert page is not None
    assert (page.url, page.markdown) == (f"{site.url}a", f"# A\n\n[b]({site.url}b.md)")
    assert await source.read(first, page.stamp) is None
    await source.close()


async def test_the_markdown_is_cited_where_the_site_has_no_page_beside_it(site: SiteServer) -> None:
    site.put("/llms.txt", "[a](/a.md) [b](/b.md)", TEXT)
    assert await listed(site) == {"a.md": "a.md", "b.md": "b.md"}


async def test_a_site_that_fails_does_not_change_the_addresses_of_its_pages(
    site: SiteServer,
) -> None:
    site.put("/llms.txt", "[a](/a.md)", TEXT)
    site.fault("/a", Status(code=503))
    assert "a could not be read: HTTP 503" in await failure(site)


async def test_lists_that_it_links_to_are_read_too_and_the_whole_texts_are_not(
    site: SiteServer,
) -> None:
    site.put("/llms.txt", "[a](/a) [more](/x/llms.txt) [all](/llms-full.txt)", TEXT)
    site.put("/x/llms.txt", "[b](b) [back](/llms.txt) [small](/llms-small.txt)", TEXT)
    assert list(await listed(site)) == ["a", "x/b"]
    assert len(site.requests_for("/llms.txt")) == 1


async def test_robots_txt_is_obeyed(site: SiteServer) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/", TEXT)
    site.put("/llms.txt", "[a](/a) [b](/private/b)", TEXT)
    assert list(await listed(site)) == ["a"]


async def test_what_is_no_list_of_pages_is_explained(site: SiteServer) -> None:
    assert "HTTP 404" in await failure(site)
    site.put("/llms.txt", "# Acme\n\nNo links.", TEXT)
    assert "links to no page of its own host" in await failure(site)
    site.put("/llms.txt", "<h1>Our app</h1>")
    assert "is a web page, and no llms.txt" in await failure(site)


# --- llms-full.txt --------------------------------------------------------------------------------


def parts(text: str) -> list[tuple[str | None, str]]:
    return [(part.address, part.text) for part in split_pages(text)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "# A\nSource: https://e.com/a\n\nOne.\n\n# B\nSource: https://e.com/b\n\nTwo."
        ),
        pytest.param("# A\n\nURL: https://e.com/a\n\nOne.\n\n# B\n\nURL: https://e.com/b\n\nTwo."),
        pytest.param(
            "# A\n\n> **Source:** <https://e.com/a>\n\nOne.\n\n"
            "# B\n\n> **Source:** <https://e.com/b>\n\nTwo."
        ),
        pytest.param(
            "# A\nURL: https://e.com/a\nSource: https://raw.example/a.mdx\n\nOne.\n\n"
            "# B\nURL: https://e.com/b\nSource: https://raw.example/b.mdx\n\nTwo."
        ),
        pytest.param("# A (https://e.com/a)\n\nOne.\n\n# B (https://e.com/b)\n\nTwo."),
    ],
    ids=["source", "url", "bold quote", "url before source", "in the heading"],
)
def test_a_page_begins_at_a_heading_that_names_its_address(text: str) -> None:
    found = [
        (address, [line for line in body.split("\n") if line]) for address, body in parts(text)
    ]
    assert found == [
        ("https://e.com/a", ["# A", "One."]),
        ("https://e.com/b", ["# B", "Two."]),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('---\ntitle: A\nurl: "/a"\n---\nOne.\n\n---\ntitle: B\nurl: /b\n---\nTwo.'),
        pytest.param(
            "--------\ntitle: A\nsource: '/a'\n--------\nOne.\n\n"
            "--------\ntitle: B\nsource: '/b'\n--------\nTwo."
        ),
        pytest.param(
            "<page>\n---\ntitle: A\nsource_url:\n  html: /a\n  md: /a.md\n---\nOne.\n</page>\n\n"
            "<page>\n---\ntitle: B\nsource_url:\n  html: /b\n  md: /b.md\n---\nTwo.\n</page>"
        ),
    ],
    ids=["front matter", "long rules", "tags"],
)
def test_a_page_begins_at_front_matter_that_names_its_address(text: str) -> None:
    found = parts(text)
    assert [address for address, _ in found] == ["/a", "/b"]
    for (_, body), title, words in zip(found, ("A", "B"), ("One.", "Two."), strict=True):
        assert body.startswith(f"---\ntitle: {title}\n")
        assert body.endswith(f"\n---\n{words}")


def test_a_page_begins_at_a_tag_that_names_its_address() -> None:
    text = '<doc title="A" url="/a">\nOne.\n</doc>\n<doc title="B" url="/b">\nTwo.\n</doc>'
    assert parts(text) == [("/a", "One."), ("/b", "Two.")]


def test_headings_in_a_page_and_in_code_begin_none() -> None:
    body = "# More\n\n```\n# B\nSource: https://e.com/b\n```\n\n---\n\nSee: it\n\n---"
    assert parts(f"# A\nSource: https://e.com/a\n\n{body}") == [
        ("https://e.com/a", f"# A\n\n{body}")
    ]


def test_without_any_address_a_page_begins_at_each_top_heading() -> None:
    assert parts("Acme\n\n# A\n\nOne.\n\n## Sub\n\n# B\n\nTwo.") == [
        (None, "Acme\n"),
        (None, "# A\n\nOne.\n\n## Sub"),
        (None, "# B\n\nTwo."),
    ]


_LINES = st.sampled_from(
    [
        *(
            "",
            "text",
            "# A",
            "# B (/b)",
            "## Sub",
            "---",
            "------",
            "url: /c",
            "Source: https://e.com/d",
        ),
        *("```", "~~~", '<doc url="/e">', "<page>", "</page>", "title: T", "> URL: /f"),
    ]
)


@given(st.lists(_LINES, max_size=30))
def test_no_words_of_any_text_are_lost(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = "\n".join(body for _, body in parts(text))
    assert found.count("text") == text.count("text")
    assert found.count("## Sub") == text.count("## Sub")


@pytest.mark.parametrize(
    "unit", ["# A\n", "---\n", "---\na\n", "# A\n\n\n", "[a](b ", "```\n", "<doc>\n"]
)
def test_a_hostile_text_is_cut_in_linear_time(unit: str) -> None:
    def cut(size: int) -> object:
        text = unit * (size // len(unit))
        return split_pages(text), links_in(text)

    assert growth(cut, 40_000) < LINEAR


FULL = "# A\nSource: {url}a\n\nOne, [see b](b).\n\n# B\nSource: {url}b\n\nTwo."


async def pages(source: PageSource) -> dict[str, Page]:
    found = {}
    for entry in await source.list():
        page = await source.read(entry, None)
        assert page is not None
        assert page.stamp == entry.stamp
        found[entry.url] = page
    return found


async def test_each_page_has_its_own_address_title_and_text(site: SiteServer) -> None:
    site.put("/llms-full.txt", FULL.format(url=site.url), TEXT)
    source = make_source(f"{site.url}llms-full.txt", allow_private=True)
    found = await pages(source)
    assert {url.removeprefix(site.url): page.title for url, page in found.items()} == {
        "a": "A",
        "b": "B",
    }
    assert found[f"{site.url}a"].markdown == f"# A\n\nOne, [see b]({site.url}b)."
    await source.close()


async def test_only_the_pages_that_changed_have_another_stamp_and_the_file_is_fetched_once(
    site: SiteServer,
) -> None:
    text = FULL.format(url=site.url)
    site.put("/llms-full.txt", text, TEXT)
    source = make_source(f"{site.url}llms-full.txt", allow_private=True)
    before = await pages(source)
    assert len(site.requests_for("/llms-full.txt")) == 1
    await source.list()
    assert site.requests_for("/llms-full.txt")[-1].status == 304
    site.put("/llms-full.txt", text.replace("Two.", "Three."), TEXT)
    after = {entry.url: entry for entry in await source.list()}
    assert after[f"{site.url}a"].stamp == before[f"{site.url}a"].stamp
    assert after[f"{site.url}b"].stamp != before[f"{site.url}b"].stamp
    unchanged = before[f"{site.url}a"]
    assert await source.read(after[f"{site.url}a"], unchanged.stamp) is None
    await source.close()


async def test_pages_without_an_address_are_parts_of_the_file(site: SiteServer) -> None:
    site.put("/llms-full.txt", "# Set up!\n\nOne.\n\n# FAQ\n\nTwo.\n\n# FAQ\n\nThree.", TEXT)
    source = make_source(f"{site.url}llms-full.txt", allow_private=True)
    found = await pages(source)
    full = f"{site.url}llms-full.txt"
    assert {url: page.title for url, page in found.items()} == {
        f"{full}#set-up": "Set up!",
        f"{full}#faq": "FAQ",
    }
    assert found[f"{full}#faq"].markdown.endswith("Three.")
    await source.close()


async def test_a_page_that_left_the_file_is_gone(site: SiteServer) -> None:
    site.put("/llms-full.txt", FULL.format(url=site.url), TEXT)
    source = make_source(f"{site.url}llms-full.txt", allow_private=True)
    b = (await source.list())[1]
    site.put("/llms-full.txt", f"# A\nSource: {site.url}a\n\nOne.", TEXT)
    assert len(await source.list()) == 1
    with pytest.raises(PageGone):
        await source.read(b, None)
    await source.close()


async def test_the_file_has_to_be_there_and_allowed(site: SiteServer) -> None:
    assert "HTTP 404" in await failure(site, "llms-full.txt")
    site.put("/llms-full.txt", "", TEXT)
    assert "holds no page" in await failure(site, "llms-full.txt")
    site.put("/llms-full.txt", "<h1>App</h1>")
    assert "is a web page" in await failure(site, "llms-full.txt")
    site.put("/robots.txt", "User-agent: docent\nDisallow: /llms-full.txt", TEXT)
    assert "does not allow Docent" in await failure(site, "llms-full.txt")


# --- a single page --------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["guide/setup.html", "guide/setup as=page"])
async def test_a_page_is_named_by_an_address_that_ends_like_one_or_by_a_word(
    site: SiteServer, entry: str
) -> None:
    path = "/" + entry.partition(" ")[0]
    site.put(path, "<h1>Set up</h1><a href='other'>x</a>")
    source = make_source(f"{site.url}{entry}", allow_private=True)
    found = await source.list()
    assert [entry.url for entry in found] == [f"{site.url}{path[1:]}"]
    page = await source.read(found[0], None)
    assert page is not None
    assert page.title == "Set up"
    assert await source.read(found[0], page.stamp) is None
    await source.close()


async def test_a_page_that_is_gone_or_not_allowed_says_so(site: SiteServer) -> None:
    source = make_source(f"{site.url}a.html", allow_private=True)
    (entry,) = await source.list()
    with pytest.raises(PageGone, match="HTTP 404"):
        await source.read(entry, None)
    site.put("/a.html", "<p> ")
    with pytest.raises(PageUnreadable, match="no content"):
        await source.read(entry, None)
    site.put("/robots.txt", "User-agent: *\nDisallow: /a", TEXT)
    with pytest.raises(SourceUnreachable, match="does not allow Docent to read"):
        await source.list()
    await source.close()
