"""Cutting pages into passages."""

from hypothesis import given
from hypothesis import strategies as st

from core.documents import Page
from core.local_engine.passages import LONGEST, LONGEST_CODE, cut

LONG_TEXT = "A sentence that fills the section. " * 5


def page(markdown: str, *, title: str = "Guide", url: str = "https://docs/guide") -> Page:
    return Page(source="docs", url=url, title=title, markdown=markdown, stamp=None)


def outline(markdown: str) -> list[tuple[str, tuple[str, ...]]]:
    """Anchor and headings of each passage."""
    passages = cut(page(markdown))
    return [(passage.url.partition("#")[2], passage.headings) for passage in passages]


def test_each_section_is_a_passage_with_its_path_and_anchor() -> None:
    markdown = f"# Guide\n\n{LONG_TEXT}\n## Set up\n\n{LONG_TEXT}\n### On Linux\n\n{LONG_TEXT}\n"
    assert outline(f"{markdown}## Use\n\n{LONG_TEXT}") == [
        ("", ("Guide",)),
        ("set-up", ("Guide", "Set up")),
        ("on-linux", ("Guide", "Set up", "On Linux")),
        ("use", ("Guide", "Use")),
    ]


def test_a_passage_has_the_title_of_its_page_and_no_heading_in_its_text() -> None:
    [passage] = cut(page("# Set up\n\nDo this.\n", title="Guide"))
    assert (passage.title, passage.headings, passage.text) == ("Guide", ("Set up",), "Do this.")


def test_a_page_without_a_top_heading_starts_at_its_own_address() -> None:
    assert outline(f"Hello.\n\n## More\n\n{LONG_TEXT}") == [("", ()), ("more", ("More",))]


def test_a_page_that_starts_at_the_second_level_has_an_anchor_there() -> None:
    assert outline(f"## Set up\n\n{LONG_TEXT}") == [("set-up", ("Set up",))]


def test_underlined_headings_are_headings() -> None:
    assert outline(f"Guide\n=====\n\nHi.\n\nUse\n---\n\n{LONG_TEXT}") == [
        ("", ("Guide",)),
        ("use", ("Guide", "Use")),
    ]


def test_headings_lose_their_markup_and_anchors_follow_github() -> None:
    markdown = f"# T\n## The `--dry-run` *flag*, [explained](x.md)!\n\n{LONG_TEXT}"
    assert outline(markdown) == [
        ("the---dry-run-flag-explained", ("T", "The --dry-run flag, explained!"))
    ]


def test_headings_of_the_same_name_have_anchors_of_their_own() -> None:
    markdown = f"# T\n## Linux\n### Use\n{LONG_TEXT}\n## Windows\n### Use\n{LONG_TEXT}"
    assert [anchor for anchor, _ in outline(markdown)] == ["use", "use-1"]


def test_a_heading_may_name_its_anchor() -> None:
    assert outline(f"# T\n## Getting help {{#help}}\n\n{LONG_TEXT}") == [
        ("help", ("T", "Getting help"))
    ]


def test_an_address_that_has_an_anchor_already_keeps_it() -> None:
    passages = cut(page(f"# T\n## Use\n{LONG_TEXT}", url="https://docs/all#guide"))
    assert [passage.url for passage in passages] == ["https://docs/all#guide"]


def test_what_looks_like_a_heading_in_a_code_block_is_none() -> None:
    [passage] = cut(page("# T\n\n```bash\n# not a heading\n## nor this\nrun\n```\n"))
    assert passage.text == "```bash\n# not a heading\n## nor this\nrun\n```"


def test_a_section_without_text_is_only_a_step_in_the_path() -> None:
    assert outline(f"# T\n\n## Set up\n\n### On Linux\n\n{LONG_TEXT}") == [
        ("on-linux", ("T", "Set up", "On Linux"))
    ]


def test_tiny_sections_go_with_the_section_they_belong_to() -> None:
    markdown = f"# T\n## Codes\nThey mean:\n### 0\nFine.\n### 2\nDown.\n## Other\n{LONG_TEXT}"
    codes, other = cut(page(markdown))
    assert codes.text == "They mean:\n\n**0**\n\nFine.\n\n**2**\n\nDown."
    assert codes.headings == ("T", "Codes")
    assert other.headings == ("T", "Other")


def test_a_tiny_section_does_not_go_with_its_neighbour() -> None:
    markdown = f"# T\n## Install\n{LONG_TEXT}\n## Uninstall\nRun `rm`.\n"
    assert [headings[-1] for _, headings in outline(markdown)] == ["Install", "Uninstall"]


def test_comments_are_not_text() -> None:
    assert cut(page("# T\n\n<!-- nobody reads this -->\n")) == []


def test_a_page_without_text_has_no_passages() -> None:
    assert cut(page("")) == []
    assert cut(page("# Only a title\n")) == []


def test_long_sections_are_cut_between_paragraphs() -> None:
    paragraphs = [f"Paragraph {n}. " + "word " * 80 for n in range(10)]
    passages = cut(page("# T\n\n" + "\n\n".join(paragraphs)))
    assert len(passages) > 2
    assert all(len(passage.text) <= LONGEST for passage in passages)
    assert all(passage.text.startswith("Paragraph ") for passage in passages)
    assert {passage.url for passage in passages} == {"https://docs/guide"}


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    passages = cut(page("# T\n\n" + "This is a sentence of some words. " * 100))
    assert all(passage.text.endswith(".") for passage in passages)
    assert all(len(passage.text) <= LONGEST for passage in passages)


def test_a_code_block_stays_whole_even_where_it_is_rather_long() -> None:
    code = "```python\n" + "print('a line')\n" * 130 + "```"
    assert LONGEST < len(code) < LONGEST_CODE
    assert code in [passage.text for passage in cut(page(f"# T\n\nSee:\n\n{code}\n\nDone."))]


def test_each_piece_of_a_very_long_code_block_is_a_code_block() -> None:
    lines = [f"print({n})" for n in range(500)]
    passages = cut(page("# T\n\n````python\n" + "\n".join(lines) + "\n````\n"))
    assert len(passages) > 1
    assert all(p.text.startswith("````python\n") and p.text.endswith("\n````") for p in passages)
    inside = [line for p in passages for line in p.text.split("\n")[1:-1]]
    assert inside == lines


def test_a_code_block_that_is_never_closed_loses_nothing() -> None:
    lines = [f"print({n})" for n in range(500)]
    passages = cut(page("# T\n\n```\n" + "\n".join(lines)))
    assert [line for p in passages for line in p.text.split("\n")[1:-1]] == lines


def test_each_piece_of_a_long_table_has_the_head_of_the_table() -> None:
    rows = [f"| name {n} | some meaning |" for n in range(200)]
    passages = cut(page("# T\n\n| Name | Meaning |\n|---|---|\n" + "\n".join(rows)))
    assert len(passages) > 1
    assert all(p.text.startswith("| Name | Meaning |\n|---|---|\n| name ") for p in passages)


def test_even_one_endless_line_is_cut() -> None:
    for start in ("", "- ", "```\n", "| a |\n|---|\n| ", "> "):
        passages = cut(page(f"# T\n\n{start}{'x' * 10_000}"))
        assert all(len(p.text) <= LONGEST for p in passages), start
        assert sum(p.text.count("x") for p in passages) == 10_000, start


@given(st.text(alphabet="ab #`~|-=>*[](){}<!\r\n\t\f\u2028\0é.", max_size=200))
def test_any_text_can_be_cut(markdown: str) -> None:
    for passage in cut(page(markdown)):
        assert passage.text.strip()
        assert len(passage.text) <= LONGEST_CODE
