"""Folders of documentation: what is listed, under which address, and where links lead."""

import logging
import os
from pathlib import Path

import pytest

from core.documents import Page
from core.errors import PageUnreadable, SourceUnreachable
from core.sources.folder import MAX_FILE, FolderSource

BASE = "https://docs.example.com/"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def write(docs: Path, *paths: str, text: str = "Text.") -> None:
    for path in paths:
        file = docs / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


async def urls(docs: Path, base: str | None = BASE) -> list[str]:
    return [listed.url for listed in await FolderSource("docs", docs, base).list()]


async def read(docs: Path, path: str, base: str | None = BASE) -> Page:
    source = FolderSource("docs", docs, base)
    listed = {entry.location: entry for entry in await source.list()}
    page = await source.read(listed[path], None)
    assert page is not None
    return page


async def test_files_are_listed_in_the_order_of_their_paths(docs: Path) -> None:
    write(docs, "b.md", "a/z.md", "a/b/c.md", "a.md")
    source = FolderSource("docs", docs, None)
    assert [listed.location for listed in await source.list()] == [
        "a.md",
        "a/b/c.md",
        "a/z.md",
        "b.md",
    ]


async def test_only_files_in_known_formats_are_pages(docs: Path) -> None:
    pages = ["a.md", "b.markdown", "c.mdx", "d.rst", "e.html", "f.htm", "g.txt", "h.MD"]
    write(docs, *pages, "x.png", "y.py", "z", "md")
    assert len(await urls(docs)) == len(pages)


async def test_hidden_files_and_node_modules_are_passed_over(docs: Path) -> None:
    write(docs, "a.md", ".b.md", ".git/c.md", "node_modules/x/d.md", "e/.f/g.md")
    assert await urls(docs) == [f"{BASE}a"]


async def test_links_that_leave_the_folder_are_passed_over(docs: Path, tmp_path: Path) -> None:
    write(tmp_path, "secret.md", "other/secret.md")
    write(docs, "a.md")
    (docs / "inside.md").symlink_to("a.md")
    (docs / "outside.md").symlink_to(tmp_path / "secret.md")
    (docs / "folder").symlink_to(tmp_path / "other")
    (docs / "self").symlink_to(docs)
    (docs / "dead.md").symlink_to("nowhere.md")
    assert await urls(docs) == [f"{BASE}a", f"{BASE}inside"]


async def test_a_file_that_turned_into_a_link_out_of_the_folder_is_not_read(
    docs: Path, tmp_path: Path
) -> None:
    write(tmp_path, "secret.md")
    write(docs, "a/b.md")
    source = FolderSource("docs", docs, BASE)
    (listed,) = await source.list()
    (docs / "a").rename(tmp_path / "a")
    (docs / "a").symlink_to(tmp_path / "a")
    with pytest.raises(PageUnreadable):
        await source.read(listed, None)


async def test_a_pipe_is_not_waited_for(docs: Path) -> None:
    os.mkfifo(docs / "pipe.md")
    write(docs, "a.md")
    assert await urls(docs) == [f"{BASE}a"]


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("setup.md", "setup"),
        ("guide/setup.mdx", "guide/setup"),
        ("guide/v1.2.md", "guide/v1.2"),
        ("guide/setup.rst", "guide/setup.html"),
        ("guide/setup.html", "guide/setup.html"),
        ("notes.txt", "notes.txt"),
        ("index.md", ""),
        ("README.md", ""),
        ("guide/index.html", "guide/"),
        ("guide/Readme.md", "guide/"),
        ("a b/ü.md", "a%20b/%C3%BC"),
    ],
)
async def test_with_a_base_a_file_has_the_address_of_its_page(
    docs: Path, path: str, url: str
) -> None:
    write(docs, path)
    assert await urls(docs) == [BASE + url]


async def test_without_a_base_a_file_has_its_own_address(docs: Path) -> None:
    write(docs, "a b/index.md")
    assert await urls(docs, base=None) == [(docs / "a b" / "index.md").as_uri()]


async def test_a_folder_reached_through_a_link_keeps_its_addresses(
    docs: Path, tmp_path: Path
) -> None:
    write(docs, "a.md")
    (tmp_path / "current").symlink_to(docs)
    assert await urls(tmp_path / "current", base=None) == [(tmp_path / "current" / "a.md").as_uri()]


async def test_of_two_files_with_one_address_the_index_and_markdown_win(
    docs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    write(docs, "README.md", "index.md", "a.mdx", "a.md")
    source = FolderSource("docs", docs, BASE)
    assert [listed.location for listed in await source.list()] == ["a.md", "index.md"]
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("other.md", f"{BASE}guide/other"),
        ("./other.md#part", f"{BASE}guide/other#part"),
        ("other", f"{BASE}guide/other"),
        ("../top.md", f"{BASE}top"),
        ("/top.md", f"{BASE}top"),
        ("..", f"{BASE}"),
        ("../", f"{BASE}"),
        ("../deep/", f"{BASE}deep/"),
        ("a%20b.md", f"{BASE}guide/a%20b"),
        ("#part", f"{BASE}guide/page#part"),
        ("image.png", f"{BASE}guide/image.png"),
        ("https://e.com/x.md", "https://e.com/x.md"),
        ("//e.com/x.md", "https://e.com/x.md"),
        ("mailto:a@e.com", "mailto:a@e.com"),
        ("javascript:x", None),
        ("../../outside.md", f"{BASE}outside.md"),
        ("x" * 300 + ".md", f"{BASE}guide/{'x' * 300}.md"),
    ],
)
async def test_links_lead_to_the_pages_of_the_files_they_name(
    docs: Path, target: str, leads_to: str | None
) -> None:
    write(docs, "index.md", "top.md", "deep/README.md", "guide/other.md", "guide/a b.md")
    write(docs.parent, "outside.md")
    write(docs, "guide/page.md", text=f"See [x]({target}).")
    page = await read(docs, "guide/page.md")
    assert page.markdown == (f"See [x]({leads_to})." if leads_to else "See x.")


@pytest.mark.parametrize(
    ("target", "linked"), [("other.md#a", "guide/other.md"), ("../", "index.md")]
)
async def test_without_a_base_links_lead_to_the_files(docs: Path, target: str, linked: str) -> None:
    write(docs, "index.md", "guide/other.md")
    write(docs, "guide/page.md", text=f"See [x]({target}).")
    fragment = target.partition("#")[2]
    address = (docs / linked).as_uri() + (f"#{fragment}" if fragment else "")
    assert (await read(docs, "guide/page.md", None)).markdown == f"See [x]({address})."


async def test_without_a_base_a_link_to_no_page_is_only_its_text(docs: Path) -> None:
    write(docs, "page.md", text="See [x](image.zip) and [y](/etc/passwd).")
    assert (await read(docs, "page.md", None)).markdown == "See x and y."


async def test_html_and_restructuredtext_files_link_to_pages_too(docs: Path) -> None:
    write(docs, "other.md")
    write(docs, "a.html", text='<main><a href="other.md">x</a></main>')
    write(docs, "b.rst", text="See :doc:`other`.")
    assert (await read(docs, "a.html")).markdown == f"[x]({BASE}other)"
    assert (await read(docs, "b.rst")).markdown == f"See [other]({BASE}other)."


@pytest.mark.parametrize(
    ("path", "title"), [("set-up.md", "set-up"), ("guide/index.md", "guide"), ("index.md", "index")]
)
async def test_a_page_without_a_title_is_called_like_its_file(
    docs: Path, path: str, title: str
) -> None:
    write(docs, path)
    assert (await read(docs, path)).title == title


async def test_a_stamp_changes_with_the_content_even_when_the_size_does_not(docs: Path) -> None:
    write(docs, "a.md", text="One.")
    os.utime(docs / "a.md", ns=(1, 1))
    first = await read(docs, "a.md")
    write(docs, "a.md", text="Two.")
    source = FolderSource("docs", docs, BASE)
    (listed,) = await source.list()
    assert listed.stamp != first.stamp
    second = await source.read(listed, first.stamp)
    assert second is not None
    assert second.markdown == "Two."


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"gr\xfcn", "not in UTF-8"),
        (b"x" * (MAX_FILE + 1), "more than 5 MB"),
        (b"\n \n", "no content"),
    ],
)
async def test_a_file_that_cannot_be_read_says_why(docs: Path, data: bytes, reason: str) -> None:
    (docs / "a.md").write_bytes(data)
    with pytest.raises(PageUnreadable, match=reason):
        await read(docs, "a.md")


async def test_a_folder_without_a_page_says_so_and_which_files_would_be_one(docs: Path) -> None:
    (docs / "x.pdf").write_bytes(b"%PDF")
    with pytest.raises(SourceUnreachable, match=r"no page: no \.md, .*\.htm or \.txt is in it"):
        await urls(docs)


async def test_a_folder_that_is_gone_says_so_without_its_path_on_the_machine(docs: Path) -> None:
    with pytest.raises(SourceUnreachable) as problem:
        await urls(docs / "gone")
    assert "docs cannot be read (No such file or directory)" in str(problem.value)
    assert str(docs) not in str(problem.value)
