"""A call that a model made up, as the person who is to confirm it sees it on each platform."""

import html
from collections.abc import Callable, Sequence

import pytest

from bots.discord_bot.render import render as render_discord
from bots.slack_bot.render import render as render_slack
from bots.terminal_bot.render import render as render_terminal
from core.domain import Reply
from core.tools import Toolbox
from servers.tool_rig import call

FORMATTED = (
    r"""{"a": "*.log,* _x_ ~y~ ||z|| :smile: <b> & \\ $x$ @everyone -# https://a.example/b_c"}"""
)
EVIL = (
    '{"a": "` @everyone <!channel> <@U123> <@&123> https://evil.example [x](https://evil.example)"}'
)


@pytest.mark.parametrize("place", ["text", "note"])
@pytest.mark.parametrize("render", [render_slack, render_discord])
def test_a_call_pings_nobody_and_stays_in_its_line(
    render: Callable[[Reply], Sequence[str]], place: str
) -> None:
    line = Toolbox().describe(call("re`\nstart\n# up", EVIL))
    reply = Reply(text=line) if place == "text" else Reply(text="Yes?", notes=(line,))
    shown = "\n".join(render(reply))
    if render is render_slack:
        assert "<!" not in shown
        assert "<@" not in shown
        assert "<http" not in shown
    elif place == "text":  # within code, which pings nobody
        assert shown.startswith("`")
        assert shown.endswith("`")
        assert shown.count("`") == 2
    else:
        assert "@everyone" not in shown
        assert "<@" not in shown.replace("\\<@", "")
    assert len(shown.splitlines()) <= 3


@pytest.mark.parametrize("render", [render_slack, render_discord, render_terminal])
def test_what_is_to_be_confirmed_is_shown_as_it_will_be_called(
    render: Callable[[Reply], Sequence[str]],
) -> None:
    line = Toolbox().describe(call("remove", FORMATTED)).strip("`")
    shown = "\n".join(render(Reply(text="May I?", waiting=(line,))))
    if render is render_slack:
        shown = html.unescape(shown)
    assert f"`{line}`" in shown.replace("\u200b", "")
    assert "Waits for your confirmation" in shown
