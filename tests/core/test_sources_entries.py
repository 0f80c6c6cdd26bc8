"""What an entry of DOCS_SOURCES may be, and what is said about one that is not usable."""

from pathlib import Path

import pytest

from core.errors import ConfigError
from core.ports import PageSource
from core.sources import make_source, make_sources
from core.sources.folder import FolderSource
from core.sources.git import GitSource
from core.sources.llms import LlmsSource
from core.sources.llms_full import LlmsFullSource
from core.sources.one_page import OnePageSource
from core.sources.patterns import SelectedSource
from core.sources.site import SiteSource


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# A")
    return folder


async def first_url(source: PageSource) -> str:
    return (await source.list())[0].url


@pytest.mark.parametrize("entry", ["./docs", "docs", "docs/", "~/docs", " ./docs "])
async def test_a_folder_is_named_by_its_path(docs: Path, entry: str) -> None:
    source = make_source(entry)
    assert isinstance(source, FolderSource)
    assert source.name == entry.strip()
    assert await first_url(source) == (docs / "a.md").as_uri()


@pytest.mark.parametrize("base", ["https://e.com/docs", "https://e.com/docs/"])
async def test_a_folder_may_have_an_address_for_its_links(docs: Path, base: str) -> None:
    source = make_source(f"./docs={base}")
    assert isinstance(source, FolderSource)
    assert await first_url(source) == "https://e.com/docs/a"


@pytest.mark.parametrize(
    "entry",
    [
        "https://docs.example.com",
        "http://localhost:8000/docs/",
        "https://docs.example.com/sitemap.xml",
        "HTTPS://docs.example.com/a?b=https://c",
    ],
)
def test_an_address_is_a_site(entry: str) -> None:
    source = make_source(entry)
    assert isinstance(source, SiteSource)
    assert source.name == entry


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("https://e.com", SiteSource),
        ("https://e.com/docs/", SiteSource),
        ("https://e.com/docs/v1.2", SiteSource),
        ("https://e.com/docs.html/", SiteSource),
        ("https://e.com/docs/index.html as=site", SiteSource),
        ("https://e.com/sitemap.xml.gz", SiteSource),
        ("https://e.com/map as=sitemap", SiteSource),
        ("https://e.com/a.html", OnePageSource),
        ("https://e.com/README.MD?raw=1", OnePageSource),
        ("https://e.com/notes.txt", OnePageSource),
        ("https://e.com/a as=page", OnePageSource),
        ("https://e.com/docs/llms.txt", LlmsSource),
        ("https://e.com/index.txt as=llms", LlmsSource),
        ("https://e.com/llms-full.txt", LlmsFullSource),
        ("https://e.com/LLMS-small.txt", LlmsFullSource),
        ("https://e.com/all as=llms-full include=/a/**", SelectedSource),
        ("git+https://e.com/a.git@main#docs=https://e.com/", GitSource),
        ("GIT+https://e.com/a.git include=/a/**", SelectedSource),
    ],
)
def test_the_end_of_an_address_or_a_word_behind_it_tells_its_kind(
    entry: str, kind: type[PageSource]
) -> None:
    source = make_source(entry)
    assert isinstance(source, kind)
    assert source.name == entry.partition(" ")[0]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("./nowhere", "./nowhere is not a folder here. Name a folder"),
        ("./docs/a.md", "is not a folder here"),
        ("~nobody-of-that-name/docs", "is not a folder here"),
        ("./nowhere=https://e.com/", "./nowhere is not a folder here"),
        ("./docs=ftp://e.com/", "is not a folder here"),
        ("./docs=https://", "https:// is not an address"),
        ("", "empty entry: take it out"),
        ("ftp://e.com/docs", "Write a site as https://"),
        ("https://", "is not an address"),
        ("https://[broken/", "is not an address"),
        ("https://e.com/ docs", "is not an address"),
        ("git+https://e.com", "is incomplete"),
    ],
)
def test_an_entry_that_is_not_usable_is_refused_with_its_mending(
    docs: Path, entry: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        make_source(entry)
    assert len(refused.value.problems) == 1
    assert said in refused.value.problems[0]


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigError) as refused:
        make_source("https://ada:hunter2@docs.example.com/")
    assert "hunter2" not in str(refused.value)
    assert "docs.example.com" in str(refused.value)


def test_all_problems_are_told_at_once(docs: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        make_sources(["./nowhere", "./docs", "ftp://x/", "./docs"])
    assert len(refused.value.problems) == 3
    assert "./docs twice" in refused.value.problems[2]


def test_one_source_is_named_once_whatever_its_patterns(docs: Path) -> None:
    with pytest.raises(ConfigError, match="Several include= and exclude= may stand behind one"):
        make_sources(["./docs include=/a/**", "./docs include=/b/**"])


def test_sources_come_in_the_order_of_their_entries(docs: Path) -> None:
    entries = ["https://docs.example.com/", "./docs"]
    assert [source.name for source in make_sources(entries)] == entries
    assert make_sources([]) == ()
