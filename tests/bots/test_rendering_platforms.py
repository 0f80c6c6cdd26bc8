"""What a reply looks like on each platform, rule by rule; whole samples are in the golden files."""

import pytest

from bots.discord_bot.render import render as render_for_discord
from bots.slack_bot.render import render as render_for_slack
from core.domain import Citation, Reply

ZWSP = "\u200b"
SETUP = Citation(url="https://docs.example.com/setup", title="Setup")


def slack(text: str, *links: Citation) -> str:
    (part,) = render_for_slack(Reply(text=text, links=links))
    return part.split("\n\n*Sources*")[0]


def discord(text: str, *links: Citation) -> str:
    (part,) = render_for_discord(Reply(text=text, links=links))
    return part.split("\n\n-# **Sources**")[0]


# --- marks ---------------------------------------------------------------------------------------


def test_slack_needs_a_zero_width_space_only_where_a_mark_touches_a_word() -> None:
    assert slack("a **b** (**c**), **d**.") == "a *b* (*c*), *d*."
    assert slack("foo**bar**baz") == f"foo{ZWSP}*bar*{ZWSP}baz"
    assert slack("这是**粗体**。") == f"这是{ZWSP}*粗体*{ZWSP}。"


def test_discord_needs_a_zero_width_space_only_between_two_marks() -> None:
    assert discord("foo**bar**baz") == "foo**bar**baz"
    assert discord("**a**_b_") == f"**a**{ZWSP}*b*"


@pytest.mark.parametrize(
    ("markdown", "for_slack", "for_discord"),
    [
        ("***x***", "_*x*_", "***x***"),
        ("*a **b** c*", "_a *b* c_", "*a **b** c*"),
        ("~~gone~~", "~gone~", "~~gone~~"),
        ("**a  \nb**", "*a*\n*b*", "**a**\n**b**"),
        ("`a` `b`", "`a` `b`", "`a` `b`"),
    ],
)
def test_marks_are_written_in_the_platforms_own_signs(
    markdown: str, for_slack: str, for_discord: str
) -> None:
    assert (slack(markdown), discord(markdown)) == (for_slack, for_discord)


def test_a_heading_is_bold_on_slack_and_a_heading_down_to_the_third_level_on_discord() -> None:
    assert slack("# One **two**") == "*One two*"
    assert discord("### One **two**") == "### One **two**"
    assert discord("#### One **two**") == "**One two**"


@pytest.mark.parametrize("sign", ["*", "_", "~", "`", "|", "[", "<", "\\"])
def test_a_sign_that_was_escaped_stays_escaped_on_discord(sign: str) -> None:
    assert discord(f"\\{sign}x\\{sign}") == f"\\{sign}x\\{sign}"


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("\\# no heading", "\\# no heading"),
        ("\\> no quote", "\\> no quote"),
        ("\\- no item", "\\- no item"),
        ("1986\\. A year", "1986\\. A year"),
        ("-# not small", "\\-# not small"),
        ("Line  \n\\# two", "Line\n\\# two"),
    ],
)
def test_a_line_of_text_is_never_a_block_on_discord(markdown: str, shown: str) -> None:
    assert discord(markdown) == shown


def test_a_line_of_text_is_never_a_quote_on_slack() -> None:
    assert slack("\\> no quote") == f"{ZWSP}&gt; no quote"


# --- code ----------------------------------------------------------------------------------------


def test_code_on_discord_is_exact_and_on_slack_escaped() -> None:
    code = '```py\nif a < b & c: ping("@everyone", "<@123>")\n```'
    assert discord(code) == code
    assert slack(code) == (
        '```\nif a &lt; b &amp; c: ping("@everyone", "&lt;@123&gt;")\n```'  # no language
    )


def test_a_fence_inside_a_fence_cannot_end_it() -> None:
    inner = "````\n```\n<!here>\n````"
    assert slack(inner) == f"```\n`{ZWSP}``\n&lt;!here&gt;\n```"
    assert discord(inner) == f"```\n`{ZWSP}``\n<!here>\n```"


def test_a_backtick_inside_code_cannot_end_it() -> None:
    assert slack("`` a`b ``") == "`aˋb`"
    assert discord("`` a`b ``") == f"``a{ZWSP}`{ZWSP}b``"


def test_a_language_is_kept_only_as_a_name_on_discord() -> None:
    assert discord("~~~c++ title=x\ny\n~~~") == "```c++\ny\n```"
    assert discord("~~~`x`\ny\n~~~") == "```\ny\n```"


def test_a_fence_in_a_list_stands_at_the_left_so_that_its_code_is_exact() -> None:
    assert discord("1. a\n   ```\n   b\n   ```\n2. c") == "1. a\n```\nb\n```\n2. c"
    assert discord("- ```\n  b\n  ```") == "-\n```\nb\n```"


def test_a_fence_in_a_quote_stays_quoted_where_the_platform_can_show_it() -> None:
    assert discord("> a\n> ```\n> b\n> ```") == "> a\n> ```\n> b\n> ```"
    assert slack("> a\n> ```\n> b\n> ```") == "> a\n```\nb\n```"


# --- lists and tables ----------------------------------------------------------------------------


def test_blank_lines_between_blocks_stay_as_they_were_written() -> None:
    assert discord("# H\ntext\n\n- a\n- b\n\n\n\n- c") == "# H\ntext\n\n- a\n- b\n\n- c"


def test_a_task_is_shown_with_its_box() -> None:
    assert slack("- [ ] a\n- [x] b") == "• ☐ a\n• ☑ b"


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Cost $n_1 * 2$.", "Cost `n_1 * 2`."),
        ("\\(n\\) and $$\nx\n$$", "`n` and `x`"),
        ("$5 and $HOME/$PATH", "$5 and $HOME/$PATH"),
        ("\\[docs\\]", "[docs]"),
    ],
)
def test_mathematics_is_shown_as_its_source_in_code(markdown: str, shown: str) -> None:
    assert slack(markdown) == shown


def test_an_emoji_that_is_named_is_drawn_outside_of_code() -> None:
    assert slack("a :tada: b") == discord("a :tada: b") == "a 🎉 b"
    assert discord("`:tada:` 10:30:45 x:tada:") == "`:tada:` 10:30:45 x:tada:"
    assert slack(":no_such_emoji:") == ":no_such_emoji:"


def test_a_footnote_has_its_number_raised_and_a_line_of_its_own() -> None:
    assert slack("So[^1] it is[^2].\n\n[^1]: One\n[^2]: Two") == "So¹ it is².\n\n¹ One\n² Two"
    assert slack("`[^1]` [^note]") == "`[^1]` [^note]"


def test_a_line_break_in_html_is_one_and_a_space_within_columns() -> None:
    assert slack("a<br>b<BR />c") == "a\nb\nc"
    assert "\none two\n" in slack("| A |\n|---|\n| one<br>two |")


def test_a_table_begins_with_a_bar() -> None:
    assert slack("| a |\n|---|\n| b |").startswith("```")
    assert slack("a | b\n--|--") == "a | b --|--"


def test_what_stands_further_down_does_not_change_what_stands_above() -> None:
    assert slack("[a][1]\n\n[1]: https://x.example") == "[a][1]\n\n[1]: <https://x.example>"
    assert slack("Title\n---") == "Title\n──────────"


def test_columns_of_a_table_are_aligned_by_the_width_that_is_seen() -> None:
    table = "| 名前 | n |\n|---|--:|\n| é | 1 |\n| 田中太郎 | 22 |"
    assert discord(table) == (
        "```\n名前     |  n\n---------+---\né        |  1\n田中太郎 | 22\n```"
    )


def test_a_table_that_is_too_wide_becomes_records_with_links() -> None:
    table = f"| A | B |\n|---|---|\n| {'x' * 80} | [s](https://docs.example.com/setup) |"
    assert slack(table, SETUP) == (
        f"• *A:* {'x' * 80}\n    *B:* <https://docs.example.com/setup|s>"
    )


def test_a_table_whose_lines_are_narrow_but_long_becomes_records() -> None:
    letter = "a" + "\u0301" * 200
    assert discord(f"| A |\n|---|\n| {letter} |") == f"- **A:** {letter}"


def test_what_is_nested_deeply_leaves_room_for_words() -> None:
    lists = slack("\n".join("  " * depth + f"- level{depth}" for depth in range(20)))
    assert lists.endswith("\n" + " " * 28 + "▪ level19")
    assert discord("> " * 20 + "x") == "> > > > x"


def test_a_table_without_rows_shows_its_header() -> None:
    assert discord("| A | B |\n|---|---|") == "```\nA | B\n--+--\n```"
    assert discord("| |\n|-|") == "```\n\n-\n```"


# --- nobody is pinged ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ping", ["<!here>", "<!channel>", "<@U012AB3CD>", "<#C012AB3CD|x>", "<!subteam^S012AB3CD>"]
)
@pytest.mark.parametrize("around", ["{}", "**{}**", "`{}`", "> {}", "```\n{}\n```", "|{}|\n|-|"])
def test_slack_reads_no_mention_out_of_text(ping: str, around: str) -> None:
    part = slack(around.format(ping))
    assert ping not in part
    assert ping.replace("<", "&lt;").replace(">", "&gt;") in part.replace("\\|", "|")


@pytest.mark.parametrize(
    ("ping", "shown"),
    [
        ("@everyone", f"@{ZWSP}everyone"),
        ("@here", f"@{ZWSP}here"),
        ("<@123>", f"\\<@{ZWSP}123>"),
        ("<@!123>", f"\\<@{ZWSP}!123>"),
        ("<@&123>", f"\\<@{ZWSP}&123>"),
        ("<#123>", "\\<#123>"),
        ("</ask:123>", "\\</ask:123>"),
        ("<t:123:R>", "\\<t:123:R>"),
        ("<a:wave:123>", "\\<a:wave:123>"),
        ("<id:guide>", "\\<id:guide>"),
    ],
)
def test_discord_reads_no_mention_out_of_text(ping: str, shown: str) -> None:
    assert discord(f"a {ping} b") == f"a {shown} b"


def test_a_ping_put_together_from_a_links_label_is_none() -> None:
    assert discord("@every[one](https://evil.example)") == (
        f"@{ZWSP}everyone (<https://evil.example>)"
    )


# --- footer --------------------------------------------------------------------------------------


def test_sources_and_notes_end_the_last_part() -> None:
    reply = Reply(text="Text.", links=(SETUP,), links_title="See", notes=("Not read: a_b.txt",))
    assert render_for_slack(reply) == [
        "Text.\n\n*See*\n1. <https://docs.example.com/setup|Setup>\n_Not read: a_b.txt_"
    ]
    assert render_for_discord(reply) == [
        "Text.\n\n-# **See**\n-# 1. [Setup](<https://docs.example.com/setup>)\n"
        "-# Not read: a\\_b.txt"
    ]


def test_a_title_cannot_break_out_of_its_link() -> None:
    page = Citation(
        url="https://docs.example.com/a_(b)|c", title="x](https://evil.example) | <!here>\ny"
    )
    (for_slack,) = render_for_slack(Reply(text="", links=(page,)))
    (for_discord,) = render_for_discord(Reply(text="", links=(page,)))
    # The title holds an address, so that the page's own is shown in its stead.
    assert for_slack.endswith("\n1. <https://docs.example.com/a_(b)%7Cc>")
    assert for_discord.endswith("\n-# 1. <https://docs.example.com/a_(b)%7Cc>")


def test_brackets_and_bars_of_a_title_are_replaced() -> None:
    page = Citation(url="https://docs.example.com/a_(b)", title="[x] | y")
    (for_slack,) = render_for_slack(Reply(text="", links=(page,)))
    (for_discord,) = render_for_discord(Reply(text="", links=(page,)))
    assert for_slack.endswith("\n1. <https://docs.example.com/a_(b)|[x] ¦ y>")
    assert for_discord.endswith("\n-# 1. [(x) \\| y](<https://docs.example.com/a_%28b%29>)")


def test_a_page_without_a_web_address_is_listed_as_text() -> None:
    page = Citation(url="docs/set up.md", title="Setup")
    (part,) = render_for_slack(Reply(text="", links=(page,)))
    assert part.endswith("\n1. Setup (docs/set up.md)")


@pytest.mark.parametrize("text", ["", " \n", "&#8203;", "```\n```", "#", ">"])
def test_a_reply_with_nothing_to_see_is_still_one_message(text: str) -> None:
    assert render_for_slack(Reply(text=text)) == ["…"]
    assert render_for_discord(Reply(text=text)) == ["…"]
