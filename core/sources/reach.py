"""Which machines Docent connects to for a page: by default only those of the public internet.

Otherwise a redirect or a name in a sitemap could have it read what only the machine that it runs on
can reach: a cloud's metadata, a database, a router.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from core.errors import PageUnreadable

_WRAPPING = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")


def check_literal(url: URL) -> None:
    """Look at an address whose host is a number, which is connected to without being looked up.

    Raises PageUnreadable where it is not public.
    """
    try:
        numbers = ip_address((url.host or "").partition("%")[0])
    except ValueError:
        return
    if not is_public(numbers):
        raise _private(url.host or "")


async def public_addresses(host: str, port: int) -> Sequence[str]:
    """Look a name up for a program that is to connect to nothing else. Raises PageUnreadable."""
    resolver = PublicResolver()
    try:
        found = await resolver.resolve(host, port, socket.AF_UNSPEC)
    except OSError as problem:
        raise PageUnreadable(f"the name {host} is not known") from problem
    return [one["host"] for one in found]


class PublicResolver(AbstractResolver):
    """Looks names up, and gives their addresses only if every one of them is public.

    The connection is made to the addresses that were looked at: a name that leads elsewhere the
    next time it is looked up gains nothing. Raises PageUnreadable.
    """

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look up one name."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(ip_address(one["host"].partition("%")[0])) for one in found):
            raise _private(host)
        return found

    async def close(self) -> None:
        """Do nothing: nothing stays open."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the internet, and of one machine."""
    if isinstance(address, IPv6Address):
        # Addresses in which one of the other kind is wrapped lead to that one.
        wrapped = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            wrapped = address.teredo[1]
        elif any(address in network for network in _WRAPPING):
            wrapped = IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
        if address in _LOCAL_NAT64:
            return False
    return address.is_global and not address.is_multicast


def _private(host: str) -> PageUnreadable:
    return PageUnreadable(
        f"{host} is not on the public internet (set DOCS_ALLOW_PRIVATE=true if that is meant)"
    )
