"""Where a reply is cut: between blocks, after lines, sentences or words, never inside a sign."""

import re
from collections.abc import Callable
from math import isqrt

import pytest

from bots.discord_bot.render import render as render_for_discord
from bots.rendering.parts import Lines, chunks, pack
from bots.slack_bot.render import render as render_for_slack
from core.domain import Citation, Reply
from servers.growth import LINEAR, growth

WORDS = "Some words of a sentence that says little. "
SETUP = Citation(url="https://docs.example.com/setup", title="Setup")


def discord(text: str) -> list[str]:
    return render_for_discord(Reply(text=text))


def lines(*texts: str) -> Lines:
    return Lines(lines=texts)


def test_a_block_that_fits_into_a_part_is_not_cut() -> None:
    parts = pack(
        [("", lines("a" * 6)), ("\n\n", lines("b" * 6)), ("\n\n", lines("c" * 2))], limit=10
    )
    assert parts == ["aaaaaa", "bbbbbb\n\ncc"]
    assert pack([("", lines("aaa")), ("\n", lines("bbb", "bbb"))], limit=10) == ["aaa", "bbb\nbbb"]


def test_a_block_that_does_not_fit_begins_a_part_unless_the_last_one_is_nearly_empty() -> None:
    not_begun = pack([("", lines("aa")), ("\n", lines(*"bbbbbbbb"))], limit=10)
    assert not_begun == ["aa", "b\nb\nb\nb\nb", "b\nb\nb"]
    begun = pack([("", lines("a")), ("\n", lines(*"bbbbbbbb"))], limit=10)
    assert begun == ["a\nb\nb\nb\nb", "b\nb\nb\nb"]


def test_parts_that_were_begun_are_gone_on_with() -> None:
    pieces = [("", lines("aaaa")), ("\n", lines("bbb")), ("\n", lines("ccc"))]
    begun = pack(pieces[:2], limit=10)
    assert pack(pieces[2:], 10, begun) == pack(pieces, 10) == ["aaaa\nbbb", "ccc"]


def test_a_paragraph_is_cut_after_a_sentence() -> None:
    parts = discord(WORDS * 100)
    assert len(parts) > 2
    assert all(part.endswith("little.") for part in parts)
    assert " ".join(parts) == (WORDS * 100).strip()


def test_a_paragraph_without_sentences_is_cut_after_a_word() -> None:
    text = " ".join(f"word{number}" for number in range(800))
    parts = discord(text)
    assert " ".join(parts) == text
    assert all(len(part) > 1_800 for part in parts[:-1])


def test_a_short_first_sentence_does_not_end_a_part() -> None:
    parts = discord("Yes. " + "word " * 800)
    assert len(parts[0]) > 1_800


def test_chinese_is_cut_after_a_sentence() -> None:
    parts = discord("这是一个没有空格的句子。" * 300)
    assert all(part.endswith("。") for part in parts)
    assert "".join(parts) == "这是一个没有空格的句子。" * 300


def test_a_word_longer_than_a_part_is_cut_but_no_sign_in_it() -> None:
    family = "👨‍👩‍👧"
    for text, sign in [(family * 900, family), ("é" * 4_000, "é"), ("🇩🇪" * 900, "🇩🇪")]:
        parts = discord(text)
        assert "".join(parts) == text
        assert all(re.fullmatch(f"(?:{sign})+", part) for part in parts)


def test_an_entity_is_never_cut() -> None:
    parts = render_for_slack(Reply(text="<" * 3_000))
    assert "".join(parts) == "&lt;" * 3_000
    assert all(re.fullmatch("(?:&lt;)+", part) for part in parts)


def test_a_link_is_never_cut() -> None:
    link = "[setup](https://docs.example.com/setup)"
    *parts, last = render_for_slack(Reply(text=link * 300, links=(SETUP,)))
    assert len(parts) > 1
    assert all(re.fullmatch(r"(?:<https://docs\.example\.com/setup\|setup>)+", p) for p in parts)
    assert sum(part.count("|setup>") for part in (*parts, last)) == 300


def test_a_mark_is_closed_in_one_part_and_opened_again_in_the_next() -> None:
    parts = discord(f"**{(WORDS * 100).strip()}**")
    assert all(part.startswith("**") and part.endswith("**") for part in parts)


def test_a_long_fence_is_closed_and_opened_again_with_its_language() -> None:
    code = "\n".join(f"line {number}" for number in range(600))
    parts = discord(f"```py\n{code}\n```")
    assert all(part.startswith("```py\n") and part.endswith("\n```") for part in parts)
    bodies = [part.removeprefix("```py\n").removesuffix("\n```") for part in parts]
    assert "\n".join(bodies) == code


def test_a_line_of_code_longer_than_a_part_gets_no_line_break_inside_a_part() -> None:
    line = "x" * 5_000
    parts = discord(f"```\nshort\n{line}\nlast\n```")
    assert "".join(part.removeprefix("```\n").removesuffix("\n```") for part in parts) == (
        f"short{line}\nlast"
    )


def test_a_long_table_repeats_its_header() -> None:
    rows = "\n".join(f"| row {number} | value |" for number in range(300))
    parts = discord(f"| Name | Worth |\n|---|---|\n{rows}")
    assert len(parts) > 2
    assert all(part.startswith("```\nName    | Worth\n--------+------\nrow ") for part in parts)
    assert re.findall(r"row \d+", "".join(parts)) == [f"row {number}" for number in range(300)]


def test_a_long_list_goes_on_counting() -> None:
    parts = discord("\n".join(f"{number}. {WORDS}" for number in range(1, 101)))
    numbers = [int(number) for part in parts for number in re.findall(r"^(\d+)\. ", part, re.M)]
    assert numbers == list(range(1, 101))


def test_every_part_of_a_long_quote_is_a_quote() -> None:
    parts = discord(f"> {WORDS * 100}\n>\n> {WORDS * 20}")
    assert all(line.startswith("> ") for part in parts for line in part.split("\n"))


def test_a_heading_goes_with_what_it_heads() -> None:
    parts = discord(f"{WORDS * 42}\n\n# Heading\n\n{WORDS * 10}")
    assert len(parts) == 2
    assert parts[1].startswith("# Heading\n\nSome words")


def test_a_footer_that_does_not_fit_is_a_part_of_its_own() -> None:
    links = tuple(Citation(url=f"https://docs.example.com/{n}", title="A page") for n in range(9))
    text = (WORDS * 42).strip()
    *parts, footer = render_for_discord(Reply(text=text, links=links, notes=("small",)))
    assert parts == [text]
    assert footer.startswith("-# **Sources**\n-# 1. [A page]")
    assert footer.endswith("\n-# small")


def test_chunks_keep_what_belongs_together() -> None:
    assert list(chunks("a&amp;b", 3)) == ["a", "&amp;", "b"]
    assert list(chunks(r"a\*b", 2)) == ["a", r"\*", "b"]
    assert list(chunks("a\u200d&lt;b", 2)) == ["a\u200d&lt;", "b"]


def test_from_where_a_text_is_too_long_for_markdown_it_is_shown_as_it_is() -> None:
    parts = discord("**a** b\n\n" * 8_000)
    assert parts[0].startswith("**a** b\n\n**a** b")
    assert parts[-1].startswith("\\*\\*a\\*\\* b\n\n\\*\\*a")


def test_from_where_a_text_nests_too_deeply_it_is_shown_as_it_is() -> None:
    (part,) = discord("**a**\n\n" + "> " * 60 + "**b**\n\n**c**")
    assert part.startswith("**a**\n\n> >") is False
    assert part.startswith("**a**\n\n\\> >")
    assert part.endswith("\n\n\\*\\*c\\*\\*")


# --- hostile texts -------------------------------------------------------------------------------

# Each with the size to begin with, in characters. Of a long text only the first 40,000 characters
# are read as Markdown, and the rest is cut only: the larger two sizes are for that.
HOSTILE: dict[str, tuple[int, Callable[[int], str]]] = {
    "quotes": (1_250, lambda size: "> " * (size // 2) + "x"),
    "brackets": (1_250, lambda size: "[" * size + "x"),
    "lists": (
        10_000,
        lambda size: "\n".join("  " * depth + "- x" for depth in range(isqrt(size))),
    ),
    "stars": (1_250, lambda size: "**a" * (size // 3)),
    "columns": (1_250, lambda size: "\n".join(cell * (size // 6) for cell in ("|a", "|-", "|x"))),
    "headers only": (1_250, lambda size: "|a|b|\n|-|-|\n\n" * (size // 13)),
    "empty items": (1_250, lambda size: "1. \n" * (size // 4)),
    "accents": (4_000, lambda size: "a" + "\u0301" * size),
    "an address": (4_000, lambda size: "https://docs.example.com/" + ")" * size),
    "many words": (16_000, lambda size: WORDS * (size // len(WORDS))),
    "many letters without a space": (16_000, lambda size: "x" * size),
}


@pytest.mark.parametrize("render", [render_for_slack, render_for_discord])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_rendered_in_linear_time_and_whole(
    name: str, render: Callable[[Reply], list[str]]
) -> None:
    size, text_of = HOSTILE[name]

    def rendered(size: int) -> None:
        text = text_of(size)
        parts = render(Reply(text=text))
        assert max(map(len, parts)) <= 3_900
        assert sum(part.count("x") for part in parts) >= text.count("x")

    assert growth(rendered, size) < LINEAR
