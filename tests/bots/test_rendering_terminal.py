"""What a reply looks like on a terminal."""

import io

import pytest
from rich.console import Console

from bots.terminal_bot.render import render, show
from core.domain import Citation, Reply

PAGE = Citation(url="https://docs.example.com/page", title="A [page] *of* <ours>")


def drawn(reply: Reply, width: int = 90, *, is_terminal: bool = False) -> str:
    (part,) = render(reply)
    console = Console(
        file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None
    )
    show(console, part)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_sources_are_numbered_and_their_titles_are_text() -> None:
    shown = drawn(Reply(text="Text.", links=(PAGE,), links_title="See", notes=("a *note*",)))
    assert "See" in shown
    assert "1 A [page] *of* <ours>" in shown
    assert "https://docs.example.com/page" in shown
    assert "a *note*" in shown


def test_an_open_fence_does_not_swallow_the_sources() -> None:
    (part,) = render(Reply(text="```\ncode", links=(PAGE,)))
    assert "code\n```\n\n**Sources**" in part


def test_a_link_shows_its_address() -> None:
    assert "here (https://evil.example/x)" in drawn(Reply(text="[here](https://evil.example/x)"))


def test_what_looks_like_html_is_shown() -> None:
    assert "run docent <name>" in drawn(Reply(text="run docent <name>"))


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert render(Reply(text="a\x1b[31mb\x07\u202e")) == ["a[31mb"]


LONG = "https://docs.example.com/" + "a-long-way/" * 12 + "page#anchor"
WORDS = " ".join(["word"] * 60)
ALL_KINDS = f"""# A title

{WORDS} [here]({LONG}).

- {WORDS}
  1. {LONG}

> {WORDS}

---

| Setting | Address |
|---|---|
| `A_SETTING` | {LONG} |

```
{WORDS}
```
"""


def test_in_a_pipe_no_line_is_wrapped_or_padded() -> None:
    lines = drawn(Reply(text=ALL_KINDS, links=(Citation(url=LONG, title="A page"),))).splitlines()
    assert lines[0] == "A title"
    assert [line for line in lines if line != line.rstrip()] == []
    assert sum(WORDS in line for line in lines) == 4
    assert sum(LONG in line for line in lines) == 4
    assert max(map(len, lines)) < 2 * len(WORDS)  # of which none is a line across


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_narrow_terminal_loses_nothing_of_a_table(width: int) -> None:
    head = "| Name of the setting | Meaning | Default |"
    row = "| SLACK_BOT_TOKEN_OF_ALL | xoxb-0123456789 | none |"
    shown = drawn(Reply(text=f"{head}\n|---|---|---|\n{row}"), width, is_terminal=True)
    assert max(map(len, shown.splitlines())) <= width
    told = sorted(shown.replace("─", "").replace(" ", "").replace("\n", ""))
    assert told == sorted((head + row).replace("|", "").replace(" ", ""))
