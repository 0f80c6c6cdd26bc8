"""A link shows where it leads, unless it leads to a page that the reply names."""

import pytest

from bots.rendering.blocks import Span
from bots.rendering.links import bare_addresses, same_page, show

PAGE = "https://docs.example.com/setup"
ALLOWED = frozenset({same_page(PAGE)})


def shown(label: str, url: str) -> str:
    """Write a link as "<address>", "label -> address", or text."""
    return "".join(
        span.text
        if span.url is None
        else f"{span.text} -> {span.url}"
        if span.text
        else f"<{span.url}>"
        for span in show(Span(text=label, url=url), ALLOWED)
    )


@pytest.mark.parametrize(
    "url", [PAGE, PAGE + "/", PAGE + "#ports", "HTTPS://DOCS.example.com/setup"]
)
def test_a_page_of_the_reply_is_linked_under_its_label(url: str) -> None:
    assert shown("the setup", url).startswith("the setup -> ")


@pytest.mark.parametrize(
    "url",
    [
        "https://docs.example.com/setup2",
        "https://docs.example.com/setup?next=evil",
        "https://docs.example.com@evil.example/setup",
        "https://docs.example.com.evil.example/setup",
        "http://docs.example.com/setup",
    ],
)
def test_any_other_link_shows_its_address_in_full(url: str) -> None:
    assert shown("the setup", url) == f"the setup (<{url}>)"


@pytest.mark.parametrize(
    "label",
    [
        "",
        "google.com",
        "google.com/setup?x",
        "https://google.com/",
        "www.google.com now",
        "ｇｏｏｇｌｅ．com",
        "goo\u200dgle.com",
        "\u202emoc.elgoog",
    ],
)
def test_a_label_that_reads_as_an_address_gives_way_to_the_real_one(label: str) -> None:
    assert shown(label, PAGE) == f"<{PAGE}>"


@pytest.mark.parametrize("label", ["README.md", "docker-compose.yml", "Version 1.2.3", "e.g. this"])
def test_a_label_that_only_has_a_dot_stays(label: str) -> None:
    assert shown(label, PAGE) == f"{label} -> {PAGE}"


@pytest.mark.parametrize(
    ("label", "url"),
    [
        ("https://evil.example/x", "https://evil.example/x"),
        ("evil.example/x", "https://evil.example/x/"),
        ("help@example.com", "mailto:help@example.com"),
    ],
)
def test_an_address_is_not_said_twice(label: str, url: str) -> None:
    assert shown(label, url) == f"<{url}>"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "slack://x", "a.md#b", "file:///x"]
)
def test_only_web_and_mail_addresses_are_links(url: str) -> None:
    assert shown("label", url) == f"label ({url})"


def test_an_address_in_a_foreign_script_shows_its_real_name() -> None:
    assert shown("x", "https://еvil.example/") == "x (<https://xn--vil-qdd.example/>)"


def test_invisible_characters_are_taken_out_of_labels_and_addresses() -> None:
    assert shown("a\u202eb\u2066c", "https://evil.example/\u202ex\u200b") == (
        "abc (<https://evil.example/x>)"
    )


def test_a_label_too_long_for_one_message_does_not_stand_in_for_its_address() -> None:
    assert shown("long " * 30, PAGE) == f"{('long ' * 30).strip()} (<{PAGE}>)"


def test_an_address_too_long_for_one_message_is_text() -> None:
    url = "https://evil.example/" + "x" * 2_000
    assert shown("label", url) == f"label ({url})"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("See https://a.example/b.", "https://a.example/b"),
        ("(https://a.example/b)", "https://a.example/b"),
        ("https://a.example/b_(c), d", "https://a.example/b_(c)"),
        ("**https://a.example/**", "https://a.example/"),
        ("参照https://a.example/b。", "https://a.example/b"),
        ("<https://a.example/?b=1&c>", "https://a.example/?b=1&c"),
    ],
)
def test_an_address_in_text_ends_where_its_sentence_goes_on(text: str, address: str) -> None:
    spans = list(bare_addresses(Span(text=text)))
    assert [span.url for span in spans if span.url] == [address]
    assert "".join(span.url or span.text for span in spans) == text


@pytest.mark.parametrize("text", ["https://", "https://...", "http:// x", "ftp://a.example"])
def test_what_is_no_address_stays_text(text: str) -> None:
    assert [span.url for span in bare_addresses(Span(text=text))] == [None]
