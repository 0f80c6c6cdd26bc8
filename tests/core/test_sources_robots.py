"""What a robots.txt asks of us, by the rules of RFC 9309."""

import pytest
from yarl import URL

from core.sources.robots import parse_robots
from servers.growth import LINEAR, growth

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


@pytest.mark.parametrize(
    ("rules", "seconds"),
    [
        ("User-agent: *\nCrawl-delay: 5", 5.0),
        ("User-agent: *\nDisallow:\ncrawl-DELAY : 0.5 # please", 0.5),
        ("User-agent: *\nCrawl-delay: 86400", 10.0),
        ("User-agent: *\nCrawl-delay: 5\n\nUser-agent: Docent\nDisallow: /a", 0.0),
        ("User-agent: *\nDisallow:\n\nUser-agent: Docent\nCrawl-delay: 2", 2.0),
        ("User-agent: other\nCrawl-delay: 5", 0.0),
        ("Crawl-delay: 5", 0.0),
        *(
            (f"User-agent: *\nCrawl-delay: {odd}", 0.0)
            for odd in ("", "-1", "nan", "1e9", "x", "٣")
        ),
    ],
)
def test_the_delay_of_our_group_counts_and_is_bounded(rules: str, seconds: float) -> None:
    assert parse_robots(rules).crawl_delay == seconds


def test_a_delay_is_a_rule_after_which_another_group_begins() -> None:
    rules = "User-agent: *\nCrawl-delay: 1\nUser-agent: BadBot\nDisallow: /"
    assert allowed(rules, "/a") == ["/a"]


def test_stars_in_a_rule_make_no_address_slow() -> None:
    robots = parse_robots("User-agent: *\nDisallow: /*a*a*a$")

    def allowed_of(size: int) -> None:
        assert robots.allow(URL(f"{SITE}/{'a' * size}b"))

    assert growth(allowed_of, 100) < LINEAR


def test_a_hostile_robots_txt_is_not_slow() -> None:
    def allowed_by(size: int) -> None:
        rules = "User-agent: *\n" + "Disallow: /" + "*a" * 400 + "$\n"
        rules += "".join(f"Disallow: /{number}*x*y*z\n" for number in range(size))
        robots = parse_robots(rules)
        assert all(robots.allow(URL(f"{SITE}/{'a' * 2_000}b?{number}")) for number in range(20))

    assert growth(allowed_by, 2_500) < LINEAR
