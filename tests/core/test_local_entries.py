"""The words that a page's passages are found by."""

import pytest

from core.documents import Page
from core.local_engine.entries import entries_of


def titles(url: str, title: str = "How to leave") -> list[str]:
    page = Page(source="s", url=url, title=title, markdown="# T\n\nText.", stamp=None)
    [entry] = entries_of(page)
    return list(entry.title)


@pytest.mark.parametrize(
    "url",
    [
        "https://docs.example/billing/cancel-subscription",
        "https://docs.example/billing/cancel-subscription/",
        "https://docs.example/cancel_subscription.html",
        "https://docs.example/cancel-subscription/index.html",
        "https://docs.example/cancel-subscription/README.md#top",
        "file:///srv/cancel-subscription.md",
        "https://docs.example/cancel%20subscription?a=b",
    ],
)
def test_the_name_of_a_page_in_its_address_counts_as_its_title_does(url: str) -> None:
    assert titles(url) == ["leav", "cancel", "subscript"]


def test_what_the_title_says_already_is_not_said_twice() -> None:
    assert titles("https://d.example/leave-now", "How to leave now") == ["leav"]


@pytest.mark.parametrize("url", ["https://docs.example/", "https://docs.example", ""])
def test_an_address_without_a_name_adds_nothing(url: str) -> None:
    assert titles(url) == ["leav"]


def test_a_page_without_text_has_no_entries() -> None:
    assert entries_of(Page(source="s", url="u", title="T", markdown="# T", stamp=None)) == []
