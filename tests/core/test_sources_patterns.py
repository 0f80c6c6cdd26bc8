"""`include=` and `exclude=`: what they let through, and what is said about those not usable."""

from pathlib import Path

import pytest

from core.errors import ConfigError, SourceUnreachable
from core.sources import make_source
from core.sources.patterns import Pattern
from servers.site_server import SiteServer


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        (
            "/guide/**",
            ["/guide", "/guide/", "/guide/a", "/guide/a/b.md"],
            ["/guides", "/x/guide/a"],
        ),
        ("/guide/*", ["/guide/a", "/guide/a.md", "/guide/"], ["/guide", "/guide/a/b"]),
        ("**/archive/**", ["/archive", "/archive/a", "/x/y/archive/a"], ["/archived/a", "/x"]),
        ("**/old.md", ["/old.md", "/a/old.md"], ["/bold.md"]),
        ("/a/**/z", ["/a/z", "/a/b/z", "/a/b/c/z"], ["/az", "/a/bz"]),
        ("/v?/x", ["/v1/x"], ["/v10/x", "/v/x", "/v//x"]),
        ("/v*/x", ["/v/x", "/v10/x"], ["/v1/2/x"]),
        ("/a.b+c", ["/a.b+c"], ["/aXb+c", "/a.bbc"]),
        ("/", ["/"], ["/a", ""]),
        ("**", ["/", "/a/b"], []),
    ],
)
def test_a_pattern_is_held_against_the_whole_path(
    pattern: str, fits: list[str], not_fits: list[str]
) -> None:
    made = Pattern(pattern)
    assert [path for path in [*fits, *not_fits] if made.fits(path)] == fits


async def paths(entry: str) -> list[str]:
    source = make_source(entry, allow_private=True)
    try:
        return [listed.location.rpartition("#")[2] for listed in await source.list()]
    finally:
        await source.close()


async def test_files_are_chosen_by_their_path_in_the_folder(tmp_path: Path) -> None:
    for name in ("a.md", "guide/b.md", "guide/old/c.md", "guide/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    base = f"{tmp_path}=https://e.com/docs/"
    assert await paths(f"{base} include=/guide/**") == [
        "guide/b.md",
        "guide/d.txt",
        "guide/old/c.md",
    ]
    assert await paths(f"{base}  include=/a.md include=**/*.txt") == ["a.md", "guide/d.txt"]
    both = f"{base} exclude=**/old/** include=/guide/** exclude=**.txt"
    assert await paths(both) == ["guide/b.md"]


async def test_pages_of_a_site_are_chosen_by_the_path_of_their_address() -> None:
    async with SiteServer() as site:
        for path in ("/guide/a", "/guide/käse", "/blog/b", "/guide/archive/c"):
            site.put(path, "<p>x")
        entry = f"{site.url} include=/guide/** exclude=**/archive/** exclude=/guide/käse"
        assert await paths(entry) == [f"{site.url}guide/a"]


def test_the_name_of_a_source_is_without_its_patterns(tmp_path: Path) -> None:
    source = make_source(f"  {tmp_path} include=/a/** exclude=/b")
    assert source.name == str(tmp_path)


async def test_a_folder_whose_name_holds_spaces_may_have_patterns(tmp_path: Path) -> None:
    folder = tmp_path / "my docs"
    folder.mkdir()
    (folder / "a.md").write_text("x")
    assert await paths(f"{folder} include=/a.md") == ["a.md"]


async def test_patterns_that_leave_nothing_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    with pytest.raises(SourceUnreachable, match=r"leave none of the 1 pages of .*such as /a\.md"):
        await paths(f"{tmp_path} include=/guide/**")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("include=guide/**", "begins in the middle of a path: write /guide/**"),
        ("include=", "begins in the middle"),
        ("exclude=https://e.com/a", "is a whole address: write its path only"),
        ("exclude=/a/***", "holds ***"),
        (f"exclude=/{'a' * 200}", "is longer than 200 characters"),
        ("exlude=/a", "exlude= after ./docs is not known: write include=, exclude= or as="),
        ("as=page", "as= is for addresses that begin with https://: take as=page out"),
        ("as=book", "as=book is not known: write site, sitemap, page, llms, llms-full"),
    ],
)
def test_words_that_are_not_usable_are_refused_with_their_mending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    with pytest.raises(ConfigError) as refused:
        make_source(f"./docs {words}")
    assert said in str(refused.value)
    assert len(refused.value.problems) == 1
