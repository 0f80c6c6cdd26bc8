"""SUGGESTED_PROMPTS: what Slack's agent view suggests."""

import pytest

from core.config import parse_settings
from core.errors import ConfigError
from core.settings import DEFAULT_PROMPTS

SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


def prompts_of(values: dict[str, str]) -> tuple[str, ...]:
    """What the Slack adapter is to suggest."""
    settings = parse_settings({**SLACK, **values})
    assert settings.slack is not None
    return settings.slack.prompts


def test_without_the_setting_some_general_questions_are_suggested() -> None:
    assert prompts_of({}) == DEFAULT_PROMPTS
    assert 0 < len(DEFAULT_PROMPTS) <= 4


def test_each_line_is_one_question() -> None:
    text = "\n  How do I  install it?\n\nWhat does it cost, and why?\nHow do I install it?\n"
    assert prompts_of({"SUGGESTED_PROMPTS": text}) == (
        "How do I install it?",
        "What does it cost, and why?",
    )


def test_off_suggests_none() -> None:
    assert prompts_of({"SUGGESTED_PROMPTS": "Off"}) == ()


def test_none_are_suggested_where_direct_messages_are_not_answered() -> None:
    assert prompts_of({"DIRECT_MESSAGES": "false"}) == ()
    assert parse_settings({"DIRECT_MESSAGES": "false"}).suggested_prompts == DEFAULT_PROMPTS


@pytest.mark.parametrize(
    ("text", "hint"),
    [("a\nb\nc\nd\ne", "keep those that matter most"), ("why " * 60, "shorten it")],
)
def test_what_slack_would_not_take_is_complained_of_once(text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({**SLACK, "SUGGESTED_PROMPTS": text})
    (problem,) = caught.value.problems
    assert problem.startswith("SUGGESTED_PROMPTS")
    assert hint in problem
