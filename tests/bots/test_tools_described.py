"""A call that a model made up, as the person who is to confirm it sees it on each platform."""

from collections.abc import Callable, Sequence

import pytest

from bots.discord_bot.render import render as render_discord
from bots.slack_bot.render import render as render_slack
from core.domain import Reply
from core.tools import Toolbox
from servers.tool_rig import call

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
