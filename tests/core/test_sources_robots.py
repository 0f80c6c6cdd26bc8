"""What a robots.txt asks of us, by the rules of RFC 9309."""

import time

import pytest
from yarl import URL

from core.sources.robots import parse_robots

SITE = "https://e.com"


def allowed(text: str, *paths: str) -> list[str]:
    robots = parse_robots(text)
    return [path for path in paths if robots.allow(URL(SITE + path))]


@pytest.mark.parametrize(
    ("rules", "forbidden"),
    [
        ("User-agent: *\nDisallow: /a", {"/a", "/a/b", "/ab", "/a?x=1"}),
        ("User-agent: *\nDisallow: /a/", {"/a/b"}),
        ("User-agent: *\nDisallow: /", {"/", "/a", "/a/b", "/ab", "/a?x=1", "/b.pdf", "/é"}),
        ("User-agent: *\nDisallow:", set()),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", {"/a", "/ab", "/a?x=1"}),
        ("User-agent: *\nAllow: /a\nDisallow: /a", set()),
        ("User-agent: *\nDisallow: /*.pdf$", {"/b.pdf"}),
        ("User-agent: *\nDisallow: /a$", {"/a"}),
        ("User-agent: *\nDisallow: /*/b", {"/a/b"}),
        ("User-agent: *\nDisallow: /*?", {"/a?x=1"}),
        ("User-agent: *\nDisallow: /é", {"/é"}),
        ("User-agent: *\nDisallow: /%C3%A9", {"/é"}),
        ("User-agent: Docent\nDisallow: /a/b\n\nUser-agent: *\nDisallow: /", {"/a/b"}),
        ("User-agent: *\nDisallow: /\n\nUser-agent: DOCENT/2.0\nDisallow:", set()),
        ("User-agent: other\nUser-agent: docent\nDisallow: /a/b", {"/a/b"}),
        (
            "User-agent: docent\nDisallow: /ab\n\nUser-agent: docent\nDisallow: /a/b",
            {"/ab", "/a/b"},
        ),
        ("User-agent: Googlebot\nDisallow: /", set()),
        ("Disallow: /", set()),
        ("\ufeffuser-AGENT : * # all\r\n  DISALLOW: /a/b # this", {"/a/b"}),
        ("User-agent: *\nCrawl-delay: 5\nnonsense\n: :\nDisallow: /a/b", {"/a/b"}),
        ("", set()),
    ],
)
def test_the_longest_rule_of_our_group_counts(rules: str, forbidden: set[str]) -> None:
    paths = ["/", "/a", "/a/b", "/ab", "/a?x=1", "/b.pdf", "/é"]
    assert set(paths) - set(allowed(rules, *paths)) == forbidden


def test_sitemaps_are_named_in_any_case_and_outside_of_groups() -> None:
    text = "User-agent: *\nSitemap: https://e.com/a.xml\r\n  sitemap:https://e.com/b.xml # b\nx"
    assert parse_robots(text).sitemaps == ["https://e.com/a.xml", "https://e.com/b.xml"]


def test_a_hostile_robots_txt_is_not_slow() -> None:
    rules = "User-agent: *\n" + "Disallow: /" + "*a" * 400 + "$\n" * 1
    rules += "".join(f"Disallow: /{number}*x*y*z\n" for number in range(20_000))
    began = time.process_time()
    robots = parse_robots(rules)
    assert all(robots.allow(URL(f"{SITE}/{'a' * 2_000}b?{number}")) for number in range(20))
    assert time.process_time() - began < 5
