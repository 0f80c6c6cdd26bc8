"""What samples of Markdown become on Slack, streamed too, and on Discord: the files in `golden`.

After a change that is meant, write the files anew and read the difference:

    .venv/bin/python tests/bots/test_rendering_golden.py
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from bots.discord_bot.render import render as render_for_discord
from bots.slack_bot.render import render as render_for_slack
from bots.slack_bot.render import render_stream
from core.domain import Citation, Reply

GOLDEN = Path(__file__).parent / "golden"
BETWEEN_PARTS = "\n═══════════════ next part ═══════════════\n"

RENDERERS: dict[str, Callable[[Reply], list[str]]] = {
    "slack": render_for_slack,
    "slack_stream": lambda reply: [render_stream(reply)],
    "discord": render_for_discord,
}
SETUP = Citation(url="https://docs.example.com/setup/", title="Setup")
WITH_LINKS = {
    "images": (SETUP,),
    "links": (SETUP,),
    "pings": (SETUP, Citation(url="https://docs.example.com/<!here>", title="<!here> @everyone")),
    "rtl": (SETUP,),
    "table_wide": (SETUP,),
    "tables_in_text": (SETUP,),
    "sources": (
        SETUP,
        Citation(
            url="https://docs.example.com/a_(b)?c=1&d=2", title="A [title] | with *signs*\n& <b>"
        ),
        Citation(url="docs/local page.md", title="A page without an address"),
        Citation(url="https://docs.example.com/" + "x" * 120, title="Long " * 40),
    ),
}
WITH_NOTES = {
    "sources": ("The answer may be cut short.", "Not read: <@123>_my_*file*.txt, @everyone.pdf"),
}


def sample_names() -> list[str]:
    return sorted(path.stem for path in GOLDEN.glob("*.md"))


def rendered(name: str, platform: str) -> str:
    reply = Reply(
        text=(GOLDEN / f"{name}.md").read_text(encoding="utf-8"),
        links=WITH_LINKS.get(name, ()),
        notes=WITH_NOTES.get(name, ()),
    )
    return BETWEEN_PARTS.join(RENDERERS[platform](reply)) + "\n"


@pytest.mark.parametrize("platform", RENDERERS)
@pytest.mark.parametrize("name", sample_names())
def test_sample_is_rendered_as_the_golden_file_says(name: str, platform: str) -> None:
    golden = (GOLDEN / f"{name}.{platform}.txt").read_text(encoding="utf-8")
    assert rendered(name, platform) == golden


def test_every_golden_file_has_its_sample() -> None:
    expected = {f"{name}.{platform}.txt" for name in sample_names() for platform in RENDERERS}
    assert {path.name for path in GOLDEN.glob("*.txt")} == expected


def write_golden_files() -> None:
    for name in sample_names():
        for platform in RENDERERS:
            (GOLDEN / f"{name}.{platform}.txt").write_text(rendered(name, platform), "utf-8")


if __name__ == "__main__":
    write_golden_files()
