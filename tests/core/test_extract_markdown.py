"""Markdown and MDX pages: titles, links, tags, and code that stays as it is."""

import pytest

from core.errors import PageUnreadable
from core.sources.content import Content
from core.sources.extract import Format, extract
from servers.growth import LINEAR, growth


def resolve(target: str) -> str | None:
    return None if target.startswith("nowhere") else f"/abs/{target}"


def read(text: str, form: Format = Format.MARKDOWN) -> Content:
    return extract(text, form, name="page", resolve=resolve)


def markdown(text: str) -> str:
    return read(text).markdown


def mdx(text: str) -> str:
    return read(text, Format.MDX).markdown


@pytest.mark.parametrize("form", [Format.MARKDOWN, Format.MDX])
@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: In front\n---\n# Heading", "In front"),
        ('---\ntags: [a]\ntitle: "It\'s: here"\n---\nText', "It's: here"),
        ("---\ntitle: 'It\\'s'\n---\nText", "It's"),
        ('+++\ntitle = "TOML"\n+++\nText', "TOML"),
        ("---\n---\n# Heading", "Heading"),
        ("Text\n\n# The `first` [one](x) *of* two {#id}\n\n# Second", "The first one of two"),
        ("Set up\n======\n\nText", "Set up"),
        ("```sh\n# no heading\n```", "page"),
        ("> # quoted", "page"),
        ("## Not the top", "page"),
        ("---\n\n# After a rule", "After a rule"),
    ],
)
def test_the_title_is_the_front_matter_s_else_the_first_top_heading(
    text: str, title: str, form: Format
) -> None:
    assert read(text, form).title == title


def test_front_matter_is_no_content() -> None:
    assert markdown("---\ntitle: A\nsecret: b\n---\n\nText") == "Text"
    assert markdown("\ufeff---\r\ntitle: A\r\n---\r\nText") == "Text"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](b.md)", "[a](/abs/b.md)"),
        ('[a](b.md "tip")', "[a](/abs/b.md)"),
        ("[a](<b.md>)", "[a](/abs/b.md)"),
        ("[a](b_(c).md)", "[a](/abs/b_(c).md)"),
        ("[a [b]](c)", "[a [b]](/abs/c)"),
        ("[`a`](b)", "[`a`](/abs/b)"),
        ("[a](nowhere.md)", "a"),
        ("![a](b.png)", "a"),
        ("[![a](b.png)](c)", "[a](/abs/c)"),
        ("![a][b]", "a"),
        ("[a]: b.md", "[a]: /abs/b.md"),
        ("`[a](b)`", "`[a](b)`"),
        ("``[a](b) ` ``", "``[a](b) ` ``"),
        ("\\[a](b)", "\\[a](b)"),
        ("`a [b](c)", "`a [b](/abs/c)"),
        ("a <!-- b --> c", "a  c"),
        ("a<br>b", "a\nb"),
        ("a <kbd>b</kbd> c", "a b c"),
        ("a <token> b", "a <token> b"),
        ("<https://example.com>", "<https://example.com>"),
        ("a < b and c > d", "a < b and c > d"),
    ],
)
def test_running_text_is_rewritten(text: str, expected: str) -> None:
    assert markdown(f"x {text}" if not text.startswith("[a]:") else f"x\n\n{text}").endswith(
        expected
    )


@pytest.mark.parametrize(
    "code",
    [
        "```html\n<b>[a](b)</b>\n```",
        "~~~\n<!-- a -->\n~~~",
        "    <b>[a](b)</b>",
        "- item\n\n  ```\n  <b>[a](b)</b>\n  ```",
        "> ```\n> <b>[a](b)</b>\n> ```",
    ],
)
def test_code_stays_as_it_is(code: str) -> None:
    assert markdown(f"Text\n\n{code}") == f"Text\n\n{code}"


def test_a_backtick_that_is_not_closed_hides_only_its_own_paragraph() -> None:
    assert markdown("a ` b\n\n[c](d)\n\ne ` f") == "a ` b\n\n[c](/abs/d)\n\ne ` f"


def test_html_blocks_become_markdown() -> None:
    text = "Text\n\n<table><tr><th>a</th></tr><tr><td><b>1</b></td></tr></table>\n\nMore"
    assert markdown(text) == "Text\n\n| a |\n| --- |\n| **1** |\n\nMore"


def test_a_page_of_too_many_pieces_of_html_is_refused() -> None:
    with pytest.raises(PageUnreadable, match="pieces of HTML"):
        read("<div>\n\n" * 5_001)


def test_details_keep_their_markdown() -> None:
    assert (
        markdown("<details>\n<summary>More</summary>\n\n*text*\n\n</details>") == "More\n\n*text*"
    )


def test_a_comment_over_several_paragraphs_is_no_content() -> None:
    assert markdown("a\n\n<!-- b\n\nc -->\n\nd") == "a\n\nd"


def test_boxes_keep_their_title_and_text() -> None:
    assert markdown(":::warning\n\nText\n\n:::") == "**Warning**\n\nText"
    assert markdown(":::tip Do *this*\nText\n:::") == "**Do *this***\n\nText"


def test_the_anchors_of_headings_stay_behind_them_and_are_no_part_of_the_title() -> None:
    assert markdown("## Set up {#install}\n\nText") == "## Set up {#install}\n\nText"
    assert markdown("## Set up [#install]\n\nText") == "## Set up {#install}\n\nText"
    assert read("# Set up {#install}\n\nText").title == "Set up"


def test_mdx_imports_and_exports_are_no_content() -> None:
    text = (
        "import A from './a'\nimport './b.css'\n\nexport const x = {\n  a: 1,\n}\n\n"
        "import data first, then export it.\n\n```js\nimport A from './a'\n```"
    )
    assert mdx(text) == "import data first, then export it.\n\n```js\nimport A from './a'\n```"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <Badge>b</Badge> c", "a b c"),
        ("a <Icon name='x' /> c", "a  c"),
        ("a <A.B on={() => f({x: '>'})} {...props}>b</A.B>", "a b"),
        ("a <>b</> c", "a b c"),
        ("a {/* b */} c", "a  c"),
        ("`<Badge>`", "`<Badge>`"),
        ('a <img alt="b" src="c" />', "a b"),
    ],
)
def test_mdx_tags_go_and_their_text_stays(text: str, expected: str) -> None:
    assert mdx(text) == expected


def test_what_is_indented_inside_of_a_component_moves_to_the_margin() -> None:
    code = "      ```js\n      if (a) {\n        b\n      }\n      ```"
    text = f"<Tabs>\n  <Tab>\n\n{code}\n\n  </Tab>\n</Tabs>"
    assert mdx(text) == "```js\nif (a) {\n  b\n}\n```"


@pytest.mark.parametrize("form", [Format.MARKDOWN, Format.MDX])
@pytest.mark.parametrize(
    "unit",
    [
        *("[", "[]", "[](", "![", "<a ", '<a "', "<a '\"", "<a {", "`", "` ``", "<!--", ">", "- "),
        *("\\", "[a]: ", "(", "*_", "{/*", "<A b={{", "a\n\n", "# a\n", "1. a\n", "<b>\n"),
    ],
)
def test_a_hostile_page_is_read_in_linear_time(unit: str, form: Format) -> None:
    def hostile(size: int) -> Content:
        return read("text " + unit * (size // len(unit)), form)

    assert growth(hostile, 2_500) < LINEAR
