"""Sitemaps (sitemaps.org): reading, no fetching."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree  # type: ignore[import-untyped]

from core.errors import PageUnreadable

MAX_SITEMAP = 50_000_000  #: bytes, uncompressed: what the protocol allows

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, kw_only=True, slots=True)
class PageList:
    """A sitemap that lists pages."""

    addresses: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SitemapIndex:
    """A sitemap that lists further sitemaps."""

    addresses: Sequence[str]


def parse_sitemap(data: bytes) -> PageList | SitemapIndex:
    """Read a sitemap, gzipped or not, in any namespace. Addresses are as written.

    CPU work: some seconds for the largest. Raises PageUnreadable, also for a damaged sitemap: its
    first half would be a part of the list as if it were the whole.
    """
    if data.startswith(_GZIP):
        data = _unzip(data)
    # Entities stay unexpanded and nothing is loaded: a sitemap needs none of what XML can do.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as problem:
        raise PageUnreadable("not a sitemap: not well-formed XML") from problem
    if root.getroottree().docinfo.doctype:
        raise PageUnreadable("not a sitemap: it declares a document type")
    match etree.QName(root).localname:
        case "urlset":
            return PageList(addresses=_locations(root, "url"))
        case "sitemapindex":
            return SitemapIndex(addresses=_locations(root, "sitemap"))
        case _:
            raise PageUnreadable("not a sitemap: no urlset or sitemapindex")


def _locations(root: etree._Element, kind: str) -> Sequence[str]:
    # By local names and level by level: extensions have `loc` elements of their own, for images.
    return [
        (location.text or "").strip()
        for entry in root.iterchildren(f"{{*}}{kind}")
        for location in entry.iterchildren("{*}loc")
    ]


def _unzip(data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(data, MAX_SITEMAP)
    except zlib.error as problem:
        raise PageUnreadable("not a sitemap: damaged gzip") from problem
    if stream.unconsumed_tail:
        raise PageUnreadable(f"more than {MAX_SITEMAP // 1_000_000} MB")
    if not stream.eof:
        raise PageUnreadable("not a whole sitemap: cut off")
    return text
