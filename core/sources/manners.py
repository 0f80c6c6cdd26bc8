"""A site's robots.txt, fetched: what we may read there, and the sitemaps that it names."""

from collections.abc import Sequence

from yarl import URL

from core.errors import PageUnreadable, SourceUnreachable
from core.sources.encoding import decode
from core.sources.fetch import Fetcher
from core.sources.robots import Robots, parse_robots

MAX_ROBOTS = 500_000  #: bytes

MISSING = (401, 403, 404, 410)  #: statuses by which sites say that there is no such file


async def fetch_robots(site: URL, fetcher: Fetcher) -> Robots:
    """Read the robots.txt of the site's host. Raises SourceUnreachable where that goes wrong.

    A site that has none allows everything; one whose robots.txt fails may forbid anything. From
    then on the fetcher asks it of each page and each redirect, and takes its time.
    """
    address = site.origin() / "robots.txt"
    try:
        fetched = await fetcher.get(str(address), max_bytes=MAX_ROBOTS, accept=(200, *MISSING))
    except PageUnreadable as problem:
        raise SourceUnreachable(f"{address} could not be read: {problem}.") from problem
    if fetched.status == 200:
        fetcher.robots = parse_robots(decode(fetched.body, "utf-8"))
    return fetcher.robots


async def check_file(address: URL, fetcher: Fetcher) -> None:
    """Raise SourceUnreachable where robots.txt does not allow us one address that was named."""
    if not (await fetch_robots(address, fetcher)).allow(address):
        raise SourceUnreachable(
            f"The robots.txt of {address.host} does not allow Docent to read {address}. "
            "Add a group for the user agent Docent there, or take it out of DOCS_SOURCES."
        )


def check_allowed(allowed: Sequence[URL], found: int, name: str) -> None:
    """Raise SourceUnreachable where robots.txt leaves nothing of what was found."""
    if found and not allowed:
        raise SourceUnreachable(
            f"The robots.txt of {name} allows Docent none of its {found} pages. "
            "Add a group for the user agent Docent there, or read the files from a folder."
        )
