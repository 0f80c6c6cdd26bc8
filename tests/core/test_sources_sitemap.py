"""Reading sitemaps: what they may hold, and what is refused as a whole."""

import gzip
from pathlib import Path

import pytest

from core.errors import PageUnreadable
from core.sources.sitemap import PageList, SitemapIndex, parse_sitemap
from servers.site_server import sitemap


def addresses(text: str) -> list[str]:
    parsed = parse_sitemap(text.encode())
    assert isinstance(parsed, PageList)
    return list(parsed.addresses)


def test_pages_come_in_their_order_without_white_space() -> None:
    assert addresses(sitemap("https://e.com/b", " https://e.com/a\n ")) == [
        "https://e.com/b",
        "https://e.com/a",
    ]


def test_an_index_lists_sitemaps() -> None:
    assert parse_sitemap(sitemap("https://e.com/1.xml", index=True).encode()) == SitemapIndex(
        addresses=["https://e.com/1.xml"]
    )


def test_addresses_are_unescaped() -> None:
    assert addresses(sitemap("https://e.com/?a=1&b=2")) == ["https://e.com/?a=1&b=2"]


@pytest.mark.parametrize(
    "root",
    [
        "<urlset>",
        '<urlset xmlns="http://www.google.com/schemas/sitemap/0.84">',
        '<urlset xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">',
    ],
)
def test_any_namespace_will_do(root: str) -> None:
    assert addresses(f"{root}<url><loc>https://e.com/a</loc></url></urlset>") == ["https://e.com/a"]


def test_addresses_of_images_and_translations_are_no_pages() -> None:
    text = (
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:i="urn:i">'
        "<url><loc>https://e.com/a</loc><i:image><i:loc>https://e.com/a.png</i:loc></i:image></url>"
        "</urlset>"
    )
    assert addresses(text) == ["https://e.com/a"]


def test_gzip_is_unpacked() -> None:
    packed = gzip.compress(sitemap("https://e.com/a").encode())
    assert parse_sitemap(packed) == PageList(addresses=["https://e.com/a"])


def test_the_largest_sitemap_that_the_protocol_allows_is_read() -> None:
    address = "https://docs.example.com/" + "long/" * 60
    text = sitemap(*(f"{address}{number}" for number in range(50_000)))
    assert len(addresses(text)) == 50_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not well-formed"),
        (b"<!doctype html><html><body>App</body></html>", "not a sitemap"),
        (b"<rss></rss>", "no urlset or sitemapindex"),
        (sitemap("https://e.com/a").encode()[:-3], "not well-formed"),
        (gzip.compress(sitemap("https://e.com/a").encode())[:-12], "cut off"),
        (b"\x1f\x8bno gzip", "damaged gzip"),
        (gzip.compress(bytes(60_000_000)), "more than 50 MB"),
    ],
)
def test_what_is_no_whole_sitemap_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(PageUnreadable, match=reason):
        parse_sitemap(data)


def with_entity(declared: str) -> bytes:
    return f"<!DOCTYPE x [{declared}]><urlset><url><loc>&a12;</loc></url></urlset>".encode()


def test_entities_that_would_expand_to_terabytes_are_refused_at_once() -> None:
    laughs = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
    with pytest.raises(PageUnreadable, match="not a sitemap"):
        parse_sitemap(with_entity(f'<!ENTITY a0 "ha">{laughs}'))


def test_a_file_that_an_entity_names_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("<not XML")  # loaded, it would make the whole not well-formed
    with pytest.raises(PageUnreadable, match="it declares a document type"):
        parse_sitemap(with_entity(f'<!ENTITY a12 SYSTEM "{file.as_uri()}">'))


def test_a_sitemap_that_is_nested_without_end_is_refused() -> None:
    with pytest.raises(PageUnreadable):
        parse_sitemap(b"<urlset>" + b"<url>" * 1_000_000)
