"""What holds for every text on every platform: nothing is lost or breaks out, nobody is pinged."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bots.discord_bot.render import render as render_for_discord
from bots.slack_bot.render import render as render_for_slack
from bots.terminal_bot.render import render as render_for_terminal
from core.domain import Citation, Reply
from servers.markdown_samples import Sample, documents, jumbles, texts

PAGE = Citation(url="https://docs.example.com/page", title="The page")

thorough = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A platform: how it is rendered for, and what its people see as more than text."""

    render: Callable[[Reply], list[str]]
    limit: int
    understood: re.Pattern[str]  #: all markup that may act: code, links, escapes; the rest is text
    labelled: re.Pattern[str]  #: a link that hides its address; group 1 is the address
    dangerous: re.Pattern[str]  #: what must not be left in text


SLACK = Shown(
    render=render_for_slack,
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
    limit=1_900,
    understood=re.compile(
        r"```.*?```|(`+).*?[^`]\1(?!`)|\\[^\w\s]|<https?://[^\s<>]+>|\]\(<https?://[^\s<>()]+>\)",
        re.DOTALL,
    ),
    labelled=re.compile(r"(?<!\\)\]\(<([^<>]+)>\)"),
    dangerous=re.compile(r"[<`]|@everyone|@here"),
)
PLATFORMS = pytest.mark.parametrize("platform", [SLACK, DISCORD], ids=["slack", "discord"])


# --- promises ------------------------------------------------------------------------------------


def size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def assert_presentable(parts: list[str], platform: Shown) -> None:
    assert parts
    for part in parts:
        assert part.strip()
        assert size(part) <= platform.limit
        assert part.count("```") % 2 == 0
        left = platform.understood.sub(" ", part)
        assert not platform.dangerous.search(left), left


@PLATFORMS
@thorough
@given(text=texts)
def test_every_text_becomes_parts_in_which_nothing_is_open_and_nothing_acts(
    platform: Shown, text: str
) -> None:
    reply = Reply(text=text, links=(PAGE,), notes=("small print",))
    parts = platform.render(reply)
    assert_presentable(parts, platform)
    assert parts == platform.render(reply)


@PLATFORMS
@thorough
@given(text=texts)
def test_only_a_page_of_the_reply_is_linked_under_a_label(platform: Shown, text: str) -> None:
    parts = platform.render(Reply(text=text, links=(PAGE,)))
    targets = {url for part in parts for url in platform.labelled.findall(part)}
    assert {url.split("#")[0].rstrip("/") for url in targets} <= {PAGE.url}


@PLATFORMS
@thorough
@given(sample=documents)
def test_every_word_of_a_document_is_seen_in_its_order(platform: Shown, sample: Sample) -> None:
    parts = platform.render(Reply(text=sample.markdown))
    assert_presentable(parts, platform)
    seen = iter(re.findall("[a-j]+", "\n".join(parts)))
    missing = [word for word in sample.words if word not in seen]  # `in` moves the iterator on
    assert not missing


@PLATFORMS
@thorough
@given(
    title=st.one_of(st.text(max_size=80), jumbles), note=st.one_of(st.text(max_size=80), jumbles)
)
def test_titles_and_notes_act_as_little_as_text_does(
    platform: Shown, title: str, note: str
) -> None:
    links = (PAGE, Citation(url="https://docs.example.com/" + title, title=title))
    parts = platform.render(Reply(text="Text.", links=links, links_title=title, notes=(note,)))
    assert_presentable(parts, platform)


@thorough
@given(text=texts)
def test_a_terminal_gets_one_part_whatever_the_text(text: str) -> None:
    (part,) = render_for_terminal(Reply(text=text, links=(PAGE,)))
    assert part.replace("\\", "").endswith("1. The page\n   https://docs.example.com/page")
    assert "\x1b" not in part
