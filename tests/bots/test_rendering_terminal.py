"""What a reply looks like on a terminal."""

import io

from rich.console import Console

from bots.terminal_bot.render import drawing, render
from core.domain import Citation, Reply

PAGE = Citation(url="https://docs.example.com/page", title="A [page] *of* <ours>")


def drawn(reply: Reply) -> str:
    (part,) = render(reply)
    console = Console(file=io.StringIO(), width=90)
    console.print(drawing(part))
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
