"""What every source of pages must promise: the suite over each kind of them."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from core.documents import Listed, Page
from core.errors import PageGone, PageUnreadable, SourceUnreachable
from core.ports import PageSource
from core.sources import make_source
from servers.git_repository import GitRepository, GitServer
from servers.site_server import SiteServer


class World(Protocol):
    """Documentation that a source reads: the same pages, wherever they are kept."""

    source: PageSource

    def write(self, name: str, title: str, text: str) -> None: ...
    def remove(self, name: str) -> None: ...
    async def vanish(self) -> None: ...


class FolderWorld:
    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir()
        self.source = make_source(f"{root}=https://docs.example.com/")

    def write(self, name: str, title: str, text: str) -> None:
        (self._root / f"{name}.md").write_text(f"# {title}\n\n{text}\n")

    def remove(self, name: str) -> None:
        (self._root / f"{name}.md").unlink()

    async def vanish(self) -> None:
        shutil.rmtree(self._root)


class SiteWorld:
    def __init__(self, server: SiteServer) -> None:
        self._server = server
        self.source = make_source(server.url, allow_private=True)

    def write(self, name: str, title: str, text: str) -> None:
        self._server.put(f"/{name}", f"<main><h1>{title}</h1><p>{text}</p></main>")

    def remove(self, name: str) -> None:
        self._server.remove(f"/{name}")

    async def vanish(self) -> None:
        await self._server.stop()


class QuietSiteWorld(SiteWorld):
    """A site that sends neither ETag nor Last-Modified."""

    def __init__(self, server: SiteServer) -> None:
        super().__init__(server)
        server.validators = False


class LlmsWorld(SiteWorld):
    """A site whose llms.txt lists its pages, as Markdown beside them."""

    def __init__(self, server: SiteServer) -> None:
        super().__init__(server)
        self.source = make_source(f"{server.url}llms.txt", allow_private=True)

    def write(self, name: str, title: str, text: str) -> None:
        super().write(name, title, text)
        self._server.put(f"/{name}.md", f"# {title}\n\n{text}\n", "text/markdown")
        self._list()

    def remove(self, name: str) -> None:
        super().remove(name)
        self._server.remove(f"/{name}.md")
        self._list()

    def _list(self) -> None:
        paths = [path for path in self._server.pages if path.endswith(".md")]
        self._server.put("/llms.txt", "".join(f"- [x]({path})\n" for path in paths), "text/plain")


class LlmsFullWorld(SiteWorld):
    """A site whose llms-full.txt holds its pages."""

    def __init__(self, server: SiteServer) -> None:
        super().__init__(server)
        self.source = make_source(f"{server.url}llms-full.txt", allow_private=True)
        self._texts: dict[str, str] = {}

    def write(self, name: str, title: str, text: str) -> None:
        self._texts[name] = f"# {title}\nURL: /{name}\n\n{text}\n\n"
        self._put()

    def remove(self, name: str) -> None:
        del self._texts[name]
        self._put()

    def _put(self) -> None:
        self._server.put("/llms-full.txt", "".join(self._texts.values()), "text/plain")


class GitWorld:
    """A repository on another host."""

    def __init__(self, repository: GitRepository, server: GitServer) -> None:
        self._repository = repository
        self._server = server
        self.source = make_source(
            f"git+{server.url}@main#docs=https://docs.example.com/", allow_private=True
        )

    def write(self, name: str, title: str, text: str) -> None:
        self._repository.commit({f"docs/{name}.md": f"# {title}\n\n{text}\n"})

    def remove(self, name: str) -> None:
        self._repository.commit({f"docs/{name}.md": None})

    async def vanish(self) -> None:
        await self._server.__aexit__(None, None, None)


class SelectedWorld(FolderWorld):
    """A folder of which only some pages count."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (root / "not.md").write_text("Not this.")
        self.source = make_source(f"{root}=https://docs.example.com/ exclude=/not.md")


SITES = {
    "site": SiteWorld,
    "site without validators": QuietSiteWorld,
    "llms.txt": LlmsWorld,
    "llms-full.txt": LlmsFullWorld,
}


@pytest.fixture(params=["folder", "selected", "git", *SITES])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made: World
    async with AsyncExitStack() as stack:
        match request.param:
            case "folder":
                made = FolderWorld(tmp_path / "docs")
            case "selected":
                made = SelectedWorld(tmp_path / "docs")
            case "git":
                repository = GitRepository(tmp_path / "docs.git")
                server = await stack.enter_async_context(GitServer(repository))
                made = GitWorld(repository, server)
            case kind:
                made = SITES[kind](await stack.enter_async_context(SiteServer()))
        stack.push_async_callback(made.source.close)
        yield made


async def listed(world: World) -> dict[str, Listed]:
    """The pages by the last part of their address."""
    return {page.url.rpartition("/")[2]: page for page in await world.source.list()}


async def read(world: World, name: str, known: str | None = None) -> Page | None:
    return await world.source.read((await listed(world))[name], known)


async def test_each_page_is_listed_once_by_an_address_of_the_web(world: World) -> None:
    for name in ("setup", "limits", "faq"):
        world.write(name, name.title(), "Text.")
    pages = await world.source.list()
    assert sorted(page.url.rpartition("/")[2] for page in pages) == ["faq", "limits", "setup"]
    assert all(page.url.startswith("http") for page in pages)


async def test_listing_twice_gives_the_same_list(world: World) -> None:
    for name in ("b", "a", "c"):
        world.write(name, name, "Text.")
    assert await world.source.list() == await world.source.list()


async def test_a_page_is_read_with_its_title_and_content_as_markdown(world: World) -> None:
    world.write("setup", "Set up", "Install it first.")
    page = await read(world, "setup")
    assert page is not None
    assert page.title == "Set up"
    assert page.markdown == "# Set up\n\nInstall it first."
    assert page.source == world.source.name
    assert page.url == (await listed(world))["setup"].url


async def test_an_unchanged_page_is_not_read_again(world: World) -> None:
    world.write("setup", "Set up", "Install it first.")
    page = await read(world, "setup")
    assert page is not None
    assert page.stamp is not None
    assert await read(world, "setup", page.stamp) is None


async def test_where_listing_tells_a_stamp_it_is_the_stamp_of_the_page(world: World) -> None:
    world.write("setup", "Set up", "Install it first.")
    page = await read(world, "setup")
    assert page is not None
    assert (await listed(world))["setup"].stamp in {None, page.stamp}


async def test_a_changed_page_is_read_again_and_has_another_hash(world: World) -> None:
    world.write("setup", "Set up", "Install it first.")
    before = await read(world, "setup")
    assert before is not None
    world.write("setup", "Set up", "Install it first, then restart.")
    after = await read(world, "setup", before.stamp)
    assert after is not None
    assert after.hash != before.hash
    assert after.stamp != before.stamp
    assert "then restart" in after.markdown


async def test_a_stamp_of_another_making_means_that_the_page_is_read(world: World) -> None:
    world.write("setup", "Set up", "Install it first.")
    for strange in ("", "x", "null", "[]", '{"etag": 1}', "0-1-2"):
        assert await read(world, "setup", strange) is not None


async def test_a_removed_page_is_no_longer_listed(world: World) -> None:
    world.write("setup", "Set up", "Text.")
    world.write("old", "Old", "Text.")
    world.remove("old")
    assert set(await listed(world)) == {"setup"}


async def test_a_page_that_left_is_gone_at_the_latest_after_the_next_listing(world: World) -> None:
    world.write("setup", "Set up", "Text.")
    world.write("old", "Old", "Text.")
    old = (await listed(world))["old"]
    world.remove("old")
    await world.source.list()
    with pytest.raises(PageGone):
        await world.source.read(old, None)


async def test_a_page_without_content_is_unreadable(world: World) -> None:
    world.write("empty", "", "")
    with pytest.raises(PageUnreadable, match="no content"):
        await read(world, "empty")


async def test_a_source_that_vanished_is_unreachable_and_not_empty(world: World) -> None:
    world.write("setup", "Set up", "Text.")
    await world.source.list()
    await world.vanish()
    with pytest.raises(SourceUnreachable):
        await world.source.list()


async def test_closing_twice_does_nothing(world: World) -> None:
    world.write("setup", "Set up", "Text.")
    await read(world, "setup")
    await world.source.close()
    await world.source.close()
