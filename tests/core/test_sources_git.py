"""Git repositories over `git http-backend` and from the disk: what is fetched, and what is not."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.config import load_settings
from core.documents import Page
from core.errors import ConfigError, PageGone, PageUnreadable, SourceUnreachable
from core.ports import PageSource
from core.sources import git, git_command, make_source
from core.sources.tree import MAX_FILE
from servers.git_repository import GitRepository, GitServer

BASE = "https://docs.example.com/"

#: A refresh that has fetched a repository, says where, and goes on until it is killed.
LISTS_AND_WAITS = """
import asyncio, sys
from core.sources import make_source

async def main():
    source = make_source(sys.argv[1])
    await source.list()
    print(source._folder.path, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "docs.git")


@pytest.fixture
async def server(repository: GitRepository) -> AsyncIterator[GitServer]:
    async with GitServer(repository) as running:
        yield running


@pytest.fixture
async def source(server: GitServer) -> AsyncIterator[PageSource]:
    made = make_source(f"git+{server.url}={BASE}", allow_private=True)
    yield made
    await made.close()


async def urls(entry: str) -> list[str]:
    made = make_source(entry, allow_private=True)
    try:
        return [listed.url for listed in await made.list()]
    finally:
        await made.close()


async def read(source: PageSource, path: str, known: str | None = None) -> Page | None:
    listed = {entry.location: entry for entry in await source.list()}
    return await source.read(listed[path], known)


async def failure(entry: str) -> str:
    with pytest.raises(SourceUnreachable) as refused:
        await urls(entry)
    return str(refused.value)


# --- what is listed -------------------------------------------------------------------------------


async def test_the_files_of_the_default_branch_are_its_pages(
    repository: GitRepository, server: GitServer
) -> None:
    repository.commit({"guide/setup.md": "# A", "README.md": "# B", "x.py": "", ".hidden/c.md": ""})
    assert await urls(f"git+{server.url}={BASE}") == [BASE, f"{BASE}guide/setup"]


async def test_a_branch_and_a_folder_may_be_named(
    repository: GitRepository, server: GitServer
) -> None:
    repository.commit({"docs/a.md": "# A", "other.md": "# O"})
    repository.commit({"docs/b.md": "# B"}, branch="release/1.x")
    assert await urls(f"git+{server.url}#docs={BASE}") == [f"{BASE}a"]
    branch = f"git+{server.url}@release/1.x#/docs/={BASE}"
    assert await urls(branch) == [f"{BASE}a", f"{BASE}b"]


async def test_without_an_address_for_its_pages_they_are_cited_where_the_host_shows_them(
    repository: GitRepository, server: GitServer
) -> None:
    repository.commit({"docs/a b.md": "[x](c.md) [y](../code.py)", "docs/c.md": "# C"})
    shown = f"{server.url.removesuffix('.git')}/blob/HEAD/docs/"
    entry = f"git+{server.url}#docs"
    assert await urls(entry) == [f"{shown}a%20b.md", f"{shown}c.md"]
    made = make_source(entry, allow_private=True)
    page = await read(made, "a b.md")
    await made.close()
    assert page is not None
    root = shown.removesuffix("docs/")
    assert page.markdown == f"[x]({shown}c.md) [y]({root}code.py)"


async def test_a_repository_on_this_disk_is_read_too(repository: GitRepository) -> None:
    repository.commit({"a.md": "# A"})
    assert await urls(f"git+{repository.url}={BASE}") == [f"{BASE}a"]


async def test_links_in_the_repository_are_passed_over(
    repository: GitRepository, server: GitServer, tmp_path: Path
) -> None:
    (tmp_path / "secret.md").write_text("secret")
    repository.commit({"a.md": "# A"})
    repository.link("out.md", "../secret.md")
    repository.link("folder", "..")
    assert await urls(f"git+{server.url}={BASE}") == [f"{BASE}a"]


# --- what is fetched ------------------------------------------------------------------------------


async def test_listing_fetches_no_contents_and_reading_those_of_the_files_that_are_pages(
    repository: GitRepository, server: GitServer, source: PageSource
) -> None:
    repository.commit({"a.md": "# A\n\n[b](b.md)", "b.md": "# B", "video.mp4": b"\0" * 100_000})
    await source.list()
    listing = len(server.wanted())
    assert listing == 1  # the commit
    page = await read(source, "a.md")
    assert page is not None
    assert (page.title, page.markdown) == ("A", f"# A\n\n[b]({BASE}b)")
    contents = server.wanted()[listing:]
    assert len(set(contents) - set(server.wanted()[:listing])) == 2  # both pages, not the video


async def test_nothing_is_read_of_a_file_that_has_not_changed_after_a_restart_either(
    repository: GitRepository, server: GitServer
) -> None:
    repository.commit({"a.md": "# A", "b.md": "# B"})
    entry = f"git+{server.url}={BASE}"
    first = make_source(entry, allow_private=True)
    before = {page.location: page.stamp for page in await first.list()}
    await first.close()
    repository.commit({"b.md": "# B2"})
    second = make_source(entry, allow_private=True)
    after = {page.location: page for page in await second.list()}
    asked = len(server.wanted())
    assert after["a.md"].stamp == before["a.md"]
    assert after["b.md"].stamp != before["b.md"]
    assert await second.read(after["a.md"], before["a.md"]) is None
    assert len(server.wanted()) == asked
    changed = await second.read(after["b.md"], before["b.md"])
    await second.close()
    assert changed is not None
    assert changed.markdown == "# B2"


async def test_the_next_listing_has_what_was_pushed_since(
    repository: GitRepository, source: PageSource
) -> None:
    repository.commit({"a.md": "# A", "old.md": "# Old"})
    old = {page.location: page for page in await source.list()}["old.md"]
    repository.commit({"a.md": "# A2", "old.md": None})
    page = await read(source, "a.md")
    assert page is not None
    assert page.markdown == "# A2"
    with pytest.raises(PageGone):
        await source.read(old, None)


async def test_a_host_that_cannot_leave_contents_out_is_read_all_the_same(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "plain.git", can_filter=False)
    repository.commit({"a.md": "# A", "b.md": "# B"})
    async with GitServer(repository) as server:
        made = make_source(f"git+{server.url}={BASE}", allow_private=True)
        page = await read(made, "b.md")
        await made.close()
    assert page is not None
    assert page.markdown == "# B"


async def test_many_files_are_fetched_in_a_few_requests(
    repository: GitRepository, server: GitServer, source: PageSource
) -> None:
    repository.commit({f"{number:03}.md": f"# Page {number}" for number in range(100)})
    listed = await source.list()
    before = len(server.requests)
    pages = [await source.read(entry, None) for entry in listed]
    assert [page.title for page in pages if page] == [f"Page {number}" for number in range(100)]
    assert len(server.requests) - before <= 3 * 3  # 16, 32 and the rest; some requests each


# --- what goes wrong ------------------------------------------------------------------------------


async def test_a_missing_repository_branch_or_folder_is_named(
    repository: GitRepository, server: GitServer
) -> None:
    repository.commit({"a.md": "# A"})
    assert "no such repository" in await failure(f"git+http://{server.host}/no.git")
    assert "no such branch" in await failure(f"git+{server.url}@no")
    assert "no folder docs" in await failure(f"git+{server.url}#docs")
    assert "there is no git repository" in await failure(f"git+file:///nowhere={BASE}")


async def test_a_repository_without_a_page_says_so(
    repository: GitRepository, server: GitServer
) -> None:
    repository.commit({"x.py": "", ".hidden/c.md": ""})
    assert "has no page: no .md, " in await failure(f"git+{server.url}={BASE}")


async def test_a_file_that_is_too_large_is_unreadable(
    repository: GitRepository, source: PageSource
) -> None:
    repository.commit({"big.md": "x" * (MAX_FILE + 1), "huge.md": "x" * (2 * MAX_FILE)})
    for name in ("big.md", "huge.md"):
        with pytest.raises(PageUnreadable, match="more than"):
            await read(source, name)


async def test_a_repository_with_too_many_files_is_refused(
    repository: GitRepository, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "MAX_FILES", 3)
    repository.commit({f"{number}.md": "x" for number in range(5)})
    assert "more than 3 files" in await failure(f"git+{server.url}")


async def test_a_repository_that_is_too_large_is_given_up(
    repository: GitRepository, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_command, "MAX_REPOSITORY", 1_000)
    repository.commit({"a.md": "x"})
    assert "it is larger than" in await failure(f"git+{server.url}")


async def test_a_host_that_does_not_answer_is_given_up(
    server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_command, "FETCH_SECONDS", 0.0)
    assert "took too long" in await failure(f"git+{server.url}")


async def test_redirects_are_not_followed(
    repository: GitRepository, server: GitServer, tmp_path: Path
) -> None:
    repository.commit({"a.md": "# A"})
    async with GitServer(repository, redirect=f"http://{server.host}") as moved:
        assert "has moved" in await failure(f"git+{moved.url}")
    assert not server.requests


async def test_a_private_host_is_refused_unless_that_is_allowed(
    repository: GitRepository, server: GitServer
) -> None:
    repository.commit({"a.md": "# A"})
    for host in (server.host, server.host.replace("127.0.0.1", "localhost")):
        made = make_source(f"git+http://{host}/docs.git")
        with pytest.raises(SourceUnreachable, match="DOCS_ALLOW_PRIVATE"):
            await made.list()
        await made.close()
    assert not server.requests


async def test_without_git_there_is_a_clear_word(
    server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git is not installed here: install it" in await failure(f"git+{server.url}")


async def test_configuration_and_hooks_of_the_machine_do_nothing(
    repository: GitRepository,
    server: GitServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository.commit({"a.md": "# A"})
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-fetch"):
        hook = hooks / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    config = tmp_path / ".gitconfig"
    config.write_text(
        f'[core]\n\thooksPath = {hooks}\n[url "http://{server.host}/elsewhere/"]\n'
        f"\tinsteadOf = http://{server.host}/\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert await urls(f"git+{server.url}={BASE}") == [f"{BASE}a"]
    assert not (tmp_path / "ran").exists()


async def test_what_was_fetched_is_deleted_at_the_end(
    repository: GitRepository, source: PageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    repository.commit({"a.md": "# A"})
    await source.list()
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    await source.close()
    assert not list((tmp_path / "temporary").iterdir())


async def test_what_a_killed_refresh_left_is_deleted_by_the_next_one(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    (temporary / "docent-git-theirs").symlink_to(tmp_path)
    (temporary / "other").mkdir()
    repository.commit({"a.md": "# A"})
    entry = f"git+{repository.url}={BASE}"
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTS_AND_WAITS, entry,
        env={"TMPDIR": str(temporary), "PATH": os.defpath}, cwd=Path.cwd(),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert killed.stdout is not None
    async with asyncio.timeout(60):
        left = Path((await killed.stdout.readline()).decode().strip())
    assert (left / "objects").is_dir()
    alive = make_source(entry)
    await alive.list()  # nothing is taken from a process that is at work
    assert (left / "objects").is_dir()

    killed.kill()
    await killed.wait()
    async with asyncio.timeout(60):
        assert await urls(entry) == [f"{BASE}a"]
    assert left not in list(temporary.iterdir())
    assert len(await alive.list()) == 1  # nor from another source of this one
    await alive.close()
    assert {one.name for one in temporary.iterdir()} == {"docent-git-theirs", "other"}


async def test_without_a_place_for_temporary_files_there_is_a_clear_word(
    repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    assert "no temporary folder can be made" in await failure(f"git+{repository.url}={BASE}")


async def test_after_a_failure_nothing_is_left_and_the_next_refresh_begins_anew(
    repository: GitRepository,
    server: GitServer,
    source: PageSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    repository.commit({"a.md": "# A"})
    await source.list()
    server.redirect = "http://elsewhere.invalid"
    with pytest.raises(SourceUnreachable):
        await source.list()
    assert not list((tmp_path / "temporary").iterdir())
    server.redirect = None
    assert len(await source.list()) == 1


# --- logins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "sent"),
    [("s3cret", "x-access-token:s3cret"), ("bob:s3%40cret", "bob:s3@cret")],
)
async def test_a_login_is_sent_and_never_shown(
    repository: GitRepository, written: str, sent: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    repository.commit({"a.md": "# A"})
    async with GitServer(repository, login=sent) as server:
        entry = f"git+{server.url.replace('//', f'//{written}@')}@main={BASE}"
        made = make_source(entry, allow_private=True)
        page = await read(made, "a.md")
        await made.close()
        server.login = "other:login"
        refused = await failure(entry)
        without = await failure(f"git+{server.url}")
    assert page is not None
    assert made.name == page.source == f"git+{server.url}@main={BASE}"
    assert "asks for another login than it got" in refused
    assert "asks for another login than it got" in without
    for shown in (made.name, refused, caplog.text, repr(made)):
        assert "s3" not in shown


def test_an_entry_with_a_login_is_read_from_a_file_and_not_shown_with_the_settings(
    tmp_path: Path,
) -> None:
    entry = "git+https://s3cret@e.com/a.git@main#docs=https://e.com/ exclude=/old/**"
    (tmp_path / ".env").write_text(f"DOCS_SOURCES=./docs, {entry}\nDOCS_ALLOW_PRIVATE=yes\n")
    settings = load_settings(tmp_path / ".env")
    assert settings.docs_sources == ("./docs", entry)
    assert settings.docs_allow_private
    assert "s3cret" not in repr(settings)


# --- what may be written --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("git+ssh://git@host/repo.git", "only be read by https"),
        ("git+ftp://host/repo.git", "only be read by https"),
        ("git+https://host", "is incomplete"),
        ("git+https://s3cret@[host/repo.git", "is incomplete"),
        ("git+https://bob:s3cret/x@host/repo.git", "is incomplete"),
        ("git+https://host/repo.git@-x", "no name of a branch"),
        ("git+https://host/repo.git@a..b", "no name of a branch"),
        ("git+https://host/repo.git@", "no name of a branch"),
        ("git+https://host/repo.git#a/../..", "inside of the repository"),
        ("git+file:///srv/docs.git", "add =https://"),
        ("git+http://s3cret@host/repo.git", "in the open: write git+https://"),
        ("git+https://s3cret@host/repo.git x=y", "x= after git+https://host/repo.git is not known"),
        ("git+https://s3cret@host/repo.git as=page", "take as=page out"),
    ],
)
def test_an_address_that_is_not_usable_is_refused_with_its_mending(entry: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_source(entry)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)
