"""An answer that is being written: what is shown of it never has to be taken back."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bots.discord_bot.render import growing as growing_for_discord
from bots.discord_bot.render import render as render_for_discord
from bots.discord_bot.render import render_so_far as discord_so_far
from bots.rendering.growing import Growing
from bots.slack_bot.render import growing as growing_for_slack
from bots.slack_bot.render import growing_stream, render_stream, stream_text
from bots.slack_bot.render import render as render_for_slack
from bots.slack_bot.render import render_so_far as slack_so_far
from core.domain import Citation, Reply
from servers.markdown_samples import documents, jumbles, long_jumbles

PAGE = Citation(url="https://docs.example.com/page", title="The page")

thorough = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
texts = st.one_of(
    st.text(max_size=400), jumbles, long_jumbles, documents.map(lambda sample: sample.markdown)
)
cuts = st.lists(st.floats(0, 1), max_size=8).map(sorted)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A platform: how a reply is rendered for it when it is whole, and before."""

    render: Callable[[Reply], list[str]]
    so_far: Callable[[Reply], list[str]]
    growing: Callable[[Sequence[Citation]], Growing]
    limit: int
    understood: re.Pattern[str]  #: all markup that may act: code, links, escapes; the rest is text
    labelled: re.Pattern[str]  #: a link that hides its address; group 1 is the address
    dangerous: re.Pattern[str]  #: what must not be left in text


SLACK = Shown(
    render=render_for_slack,
    so_far=slack_so_far,
    growing=growing_for_slack,
    limit=3_900,
    understood=re.compile(
        r"```\n.*?\n```|`[^`\n]+`|<(?:https?://|mailto:)[^\s<>|]+(?:\|[^<>|\n]+)?>"
        r"|^> |&(?:amp|lt|gt);",
        re.DOTALL | re.MULTILINE,
    ),
    labelled=re.compile(r"<([^<>|]+)\|"),
    dangerous=re.compile(r"[<>&`]"),
)
DISCORD = Shown(
    render=render_for_discord,
    so_far=discord_so_far,
    growing=growing_for_discord,
    limit=1_900,
    understood=re.compile(
        r"```.*?```|(`+).*?[^`]\1(?!`)|\\[^\w\s]|<https?://[^\s<>]+>|\]\(<https?://[^\s<>()]+>\)",
        re.DOTALL,
    ),
    labelled=re.compile(r"(?<!\\)\]\(<([^<>]+)>\)"),
    dangerous=re.compile(r"[<`]|@everyone|@here"),
)
PLATFORMS = pytest.mark.parametrize("platform", [SLACK, DISCORD], ids=["slack", "discord"])

# In a stream an open fence is closed by what is appended later.
STREAM_CODE = re.compile(r"^```[^\n`]*\n.*?(?:\n```$|\Z)|`[^`\n]+`", re.DOTALL | re.MULTILINE)
STREAM_TOKEN = re.compile(r"<(?:[@#!]\w|\w+:[^<>\s]*\|)", re.IGNORECASE)
STREAM_MARKUP = re.compile(
    r"<(?:https?://|mailto:)[^\s<>|]+>|\\[^\w\s]|(?<!\\)\]\(https?://[^\s<>()]+\)"
    r"|^> |&(?:amp|lt|gt);",
    re.MULTILINE,
)
STREAM_LABELLED = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")


def size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def beginnings(text: str, at: list[float]) -> list[str]:
    return [text[: round(len(text) * share)] for share in at]


def pages(urls: list[str]) -> set[str]:
    return {url.split("#")[0].rstrip("/") for url in urls}


# --- for any text, cut anywhere ------------------------------------------------------------------


@PLATFORMS
@thorough
@given(text=texts, at=cuts)
def test_all_parts_but_the_last_are_final_however_the_text_is_cut(
    platform: Shown, text: str, at: list[float]
) -> None:
    states = [platform.so_far(Reply(text=begun)) for begun in beginnings(text, at)]
    states.append(platform.render(Reply(text=text)))
    for state, later in pairwise(states):
        assert later[: len(state[:-1])] == state[:-1]


@PLATFORMS
@thorough
@given(text=texts, at=cuts)
def test_nothing_is_open_and_nothing_acts_in_any_state(
    platform: Shown, text: str, at: list[float]
) -> None:
    for begun in beginnings(text, at):
        for part in platform.so_far(Reply(text=begun, links=(PAGE,))):
            assert part.strip()
            assert size(part) <= platform.limit
            assert part.count("```") % 2 == 0
            assert not platform.dangerous.search(platform.understood.sub(" ", part))
            assert pages(platform.labelled.findall(part)) <= {PAGE.url}


@PLATFORMS
@thorough
@given(text=texts, at=cuts)
def test_what_was_remembered_of_a_text_changes_nothing(
    platform: Shown, text: str, at: list[float]
) -> None:
    growing = platform.growing((PAGE,))
    for begun in (*beginnings(text, at), "another text", text):
        assert growing.parts(begun) == platform.so_far(Reply(text=begun, links=(PAGE,)))


@thorough
@given(text=texts, at=cuts)
def test_what_is_streamed_is_only_ever_added_to(text: str, at: list[float]) -> None:
    growing = growing_stream((PAGE,))
    states = [growing.settled(begun) for begun in beginnings(text, at)]
    assert states == [stream_text(Reply(text=b, links=(PAGE,))) for b in beginnings(text, at)]
    for state, later in pairwise([*states, render_stream(Reply(text=text, links=(PAGE,)))]):
        assert later.startswith(state)


@thorough
@given(text=jumbles)
def test_no_character_takes_back_what_was_streamed_before_it(text: str) -> None:
    growing = growing_stream()
    states = [growing.settled(text[:count]) for count in range(len(text) + 1)]
    for state, later in pairwise([*states, render_stream(Reply(text=text))]):
        assert later.startswith(state)


@thorough
@given(text=texts, at=cuts)
def test_nothing_that_is_streamed_acts(text: str, at: list[float]) -> None:
    reply = Reply(text=text, links=(PAGE,), notes=(text[:50],))
    for shown in (
        *map(growing_stream((PAGE,)).settled, beginnings(text, at)),
        render_stream(reply),
    ):
        assert not STREAM_TOKEN.search(shown)
        left = STREAM_MARKUP.sub(" ", STREAM_CODE.sub(" ", shown))
        assert not re.search(r"[<>&`]", left), left
        assert pages(STREAM_LABELLED.findall(STREAM_CODE.sub(" ", shown))) <= {PAGE.url}


@PLATFORMS
@thorough
@given(sample=documents, share=st.floats(0, 1))
def test_the_words_of_a_beginning_are_seen_in_their_order(
    platform: Shown, sample: object, share: float
) -> None:
    markdown = sample.markdown  # type: ignore[attr-defined]
    begun = markdown[: round(len(markdown) * share)]
    whole = "\n".join(platform.render(Reply(text=markdown)))
    words = iter(re.findall("[a-j]{5,}", whole))
    seen = re.findall("[a-j]{5,}", "\n".join(platform.so_far(Reply(text=begun))))
    complete = seen[:-1] if seen and begun.endswith(seen[-1]) else seen
    assert all(word in words for word in complete)  # `in` moves the iterator on


# --- what is half written ------------------------------------------------------------------------


def discord(text: str) -> str:
    (part,) = discord_so_far(Reply(text=text, links=(PAGE,))) or [""]
    return part


@pytest.mark.parametrize(
    ("begun", "shown"),
    [
        ("", ""),
        ("Install", ""),
        ("Install it wi", "Install it"),
        ("Install it\n", "Install it"),
        ("Install **it now and", "Install"),
        ("Install **it now** and", "Install **it now**"),
        ("Install `it and", "Install"),
        ("See the page [the pa", "See the page"),
        ("See the page [the page](https://docs.exam", "See the page"),
        (f"See the page [it]({PAGE.url}) or", f"See the page [it](<{PAGE.url}>)"),
        ("See the page https://docs.example.com/pa", "See the page"),
        ("Cheers, @every", "Cheers,"),
        ("Costs about $x + y", "Costs about"),
        ("Costs about $x + y$ a", "Costs about `x + y`"),
        ("Costs about $5 and m", "Costs about $5 and"),
        ("Index a[0] is the", "Index a\\[0\\] is"),
        ("Take 2 * 3 and ~5 of", "Take 2 \\* 3 and \\~5"),
        ("A text\n-", "A text"),
        ("A text\n\n- items on", "A text\n\n- items"),
        ("A text\n\n- [x] task o", "A text\n\n- ☑ task"),
        ("A text\n\n## Head", "A text"),
        ("A text\n\n## Head\n", "A text\n\n## Head"),
        ("A text\n\n``", "A text"),
        ("A text\n\n```py", "A text"),
        ("A text\n\n```py\nx = ", "A text\n\n```py\nx = \n```"),
        ("A text\n\n```py\nx = 1\n``", "A text\n\n```py\nx = 1\n```"),
        ("A text\n\n| A | B", "A text"),
        ("A text\n\n| A |\n|--", "A text"),
        ("A text\n\n| A |\n|---|\n| lo", "A text\n\n```\nA\n-\n```"),
        ("A text\n\n| A |\n|---|\n| b |\n", "A text\n\n```\nA\n-\nb\n```"),
        ("文字は空白なしで続く", "文字は空白なしで続く"),
    ],
)
def test_what_may_still_become_something_else_is_held_back(begun: str, shown: str) -> None:
    assert discord(begun) == shown


def test_what_was_held_back_for_long_is_shown_as_it_is() -> None:
    assert discord("It is **not " + "closed " * 10).endswith("It is")
    assert discord("It is **not " + "closed " * 40).startswith("It is \\*\\*not closed closed")


def test_a_paragraph_that_ends_settles_what_it_left_open() -> None:
    assert discord("It is **not closed\n\nNext") == "It is \\*\\*not closed"


def test_a_table_that_outgrows_its_part_is_shown_up_to_there_and_moves_when_it_is_whole() -> None:
    table = "| Name | Worth |\n|---|---|\n" + "| a name | a value |\n" * 60
    text = "Words of an answer. " * 60 + "\n\n" + table
    (part,) = discord_so_far(Reply(text=text))
    assert 1_800 < len(part) <= 1_900
    assert part.endswith("\na name | a value\n```")
    first, second = discord_so_far(Reply(text=text + "\nThe end."))
    assert first == ("Words of an answer. " * 60).strip()
    assert second.startswith("```\nName   | Worth\n")


def test_a_fence_that_goes_on_in_a_second_part_leaves_the_first_as_it_is() -> None:
    lines = [f"line {number}" for number in range(600)]
    states = [
        discord_so_far(Reply(text="```py\n" + "\n".join(lines[:count])))
        for count in (100, 400, 600)
    ]
    assert [len(state) for state in states] == [1, 2, 3]
    assert states[2][0] == states[1][0]
    assert all(part.startswith("```py\nline") for part in states[2])


def test_a_stream_gets_an_open_fence_line_by_line_and_its_end_once() -> None:
    growing = growing_stream()
    states = [growing.settled(text) for text in ("```py\na", "```py\na\nb", "```py\na\nb\n```\n")]
    assert states == ["", "```py\na", "```py\na\nb\n```"]


def test_what_slack_reads_in_code_is_kept_from_it_in_a_stream() -> None:
    shown = render_stream(
        Reply(text="`<!here>` <@U1> `<b>`\n\n```\n<https://a.example|b> <i>\n```")
    )
    assert shown == (
        "`<\u200b!here>` &lt;@U1&gt; `<b>`\n\n```\n<\u200bhttps://a.example|b> <i>\n```"
    )


def test_a_stream_ends_with_sources_and_small_print_in_paragraphs_of_their_own() -> None:
    reply = Reply(text="Words.", links=(PAGE,), notes=("Small *print*.", "More."))
    assert render_stream(reply) == (
        "Words.\n\n**Sources**\n1. [The page](https://docs.example.com/page)"
        "\n\n*Small \\*print\\*.*\n\n*More.*"
    )
    assert render_stream(Reply(text=" ")) == "…"
