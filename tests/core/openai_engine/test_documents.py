"""A page as a file for OpenAI: its name, its text and its attributes."""

import pytest

from core.openai_engine.documents import (
    file_attributes,
    file_content,
    file_name,
    source_label,
)
from servers.openai_rig import page


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("https://docs.example/guide/install.html", "docs-example-guide-install-html-"),
        ("https://docs.example/", "docs-example-"),
        ("https://docs.example/%E5%AE%89%E8%A3%85", "docs-example-"),
        ("docs/Install Guide.md", "docs-install-guide-md-"),
        ("https://docs.example/" + "x" * 500, "docs-example-xxx"),
    ],
)
def test_a_file_is_named_after_its_address(url: str, start: str) -> None:
    name = file_name(page(url))
    assert name.startswith(start)
    assert name.endswith(".md")
    assert len(name) <= 100
    assert name == file_name(page(url))
    assert name != file_name(page(url + "?v=2"))


def test_an_address_without_letters_still_has_a_name() -> None:
    assert file_name(page("///"))[:-3].isalnum()


def test_a_file_has_a_heading_the_address_and_the_text() -> None:
    expected = b"# Installing\n\nSource: https://docs.example/guide/install\n\nRun pip.\n"
    assert file_content(page()) == expected
    assert file_content(page(markdown="# Installing\n\nRun pip.\n\n")) == expected


def test_a_heading_that_only_begins_like_the_title_stays() -> None:
    assert b"\n\n# Installing it\n" in file_content(page(markdown="# Installing it\n\nRun pip."))


def test_a_page_without_text_is_a_file_that_is_not_empty() -> None:
    expected = b"# Installing\n\nSource: https://docs.example/guide/install\n"
    assert file_content(page(markdown="")) == expected


def test_attributes_say_which_page_it_is() -> None:
    assert file_attributes(page()) == {
        "url": "https://docs.example/guide/install",
        "title": "Installing",
        "hash": page().hash,
        "source": source_label(page().source),
    }


def test_attributes_stay_within_the_limits() -> None:
    attributes = file_attributes(page("https://docs.example/" + "x" * 300, title="t" * 300))
    assert "url" not in attributes
    assert attributes["title"] == "t" * 256
    assert "title" not in file_attributes(page(title=""))
