"""Which machines are connected to: by number, by name, and at each redirect."""

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from core.documents import Listed
from core.errors import PageUnreadable, SourceUnreachable
from core.sources import make_source, reach
from core.sources.fetch import Fetcher
from core.sources.reach import PublicResolver, is_public
from servers.git_repository import GitRepository, GitServer
from servers.site_server import Redirect, SiteServer


@pytest.fixture
async def site() -> AsyncIterator[SiteServer]:
    async with SiteServer() as server:
        server.put("/a", "<main><h1>A</h1></main>")
        yield server


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    made = Fetcher()
    yield made
    await made.close()


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name lead to these addresses; the names that were looked up."""
    asked: list[str] = []

    async def resolve(
        self: ThreadedResolver, host: str, port: int = 0, family: int = 0
    ) -> list[ResolveResult]:
        asked.append(host)
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in addresses
        ]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    return asked


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1"),
        *("fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "::127.0.0.1", "64:ff9b:1::a00:1"),
    ],
)
def test_an_address_that_is_not_of_the_internet_is_private(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1"]
)
async def test_a_private_host_is_refused_before_it_is_connected_to(
    site: SiteServer, fetcher: Fetcher, host: str
) -> None:
    address = site.url.replace("127.0.0.1", host)
    with pytest.raises(PageUnreadable):
        await fetcher.get(f"{address}a", max_bytes=100)
    assert not site.requests


async def test_the_reason_names_the_setting(site: SiteServer, fetcher: Fetcher) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(PageUnreadable, match="DOCS_ALLOW_PRIVATE=true"):
            await fetcher.get(site.url.replace("127.0.0.1", host), max_bytes=100)


async def test_a_name_is_refused_when_only_one_of_its_addresses_is_private(
    site: SiteServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, "8.8.8.8", "127.0.0.1")
    address = site.url.replace("127.0.0.1", "docs.example.com")
    with pytest.raises(PageUnreadable, match=r"docs\.example\.com is not on the public internet"):
        await fetcher.get(f"{address}a", max_bytes=100)
    assert not site.requests


async def test_the_connection_goes_to_the_addresses_that_were_looked_at(
    site: SiteServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(reach, "is_public", lambda address: True)
    address = site.url.replace("127.0.0.1", "docs.example.com")
    await fetcher.get(f"{address}a", max_bytes=100)
    assert asked == ["docs.example.com"]  # once: there is no second look that could differ


async def test_each_redirect_is_checked(
    site: SiteServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fault("/b", Redirect(to="http://169.254.169.254/latest/"))
    site.fault("/c", Redirect(to="/a"))
    monkeypatch.setattr(reach, "is_public", lambda address: str(address) == "127.0.0.1")
    with pytest.raises(PageUnreadable, match=r"another site, 169\.254\.169\.254"):
        await fetcher.get(f"{site.url}b", max_bytes=100)
    assert (await fetcher.get(f"{site.url}c", max_bytes=100)).url == f"{site.url}a"


async def test_a_source_on_a_private_machine_is_refused_or_allowed_as_a_whole(
    site: SiteServer,
) -> None:
    for entry in (site.url, f"{site.url}a as=page", f"{site.url}llms.txt", f"{site.url}x.xml"):
        source = make_source(entry)
        with pytest.raises(SourceUnreachable, match="DOCS_ALLOW_PRIVATE"):
            await source.list()
        await source.close()
    assert not site.requests
    allowed = make_source(site.url, allow_private=True)
    url = f"{site.url}a"
    assert await allowed.read(Listed(url=url, location=url), None) is not None
    await allowed.close()


async def test_a_name_that_nobody_knows_is_unreadable() -> None:
    with pytest.raises(PageUnreadable, match="is not known"):
        await reach.public_addresses("nobody.invalid", 443)


async def test_git_connects_to_the_addresses_that_were_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = GitRepository(tmp_path / "docs.git")
    repository.commit({"a.md": "# A"})
    asked = names(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(reach, "is_public", lambda address: True)
    async with GitServer(repository) as server:
        # A name that leads nowhere: only what we hand over can bring git there.
        host = server.host.replace("127.0.0.1", "git.invalid")
        source = make_source(f"git+http://{host}/docs.git=https://e.com/")
        assert [page.url for page in await source.list()] == ["https://e.com/a"]
        await source.close()
    assert asked == ["git.invalid"]


async def test_closing_the_resolver_does_nothing() -> None:
    resolver = PublicResolver()
    await resolver.close()
    await resolver.close()
