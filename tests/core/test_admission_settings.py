"""The settings that say when Docent speaks."""

import pytest

from core.config import parse_settings
from core.errors import ConfigError
from core.settings import Admission

SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


def problems_of(values: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(values)
    return list(caught.value.problems)


def test_lists_name_ids_with_their_platform_or_by_their_form() -> None:
    settings = parse_settings(
        {
            "ALLOW_CHANNELS": "slack:C01, G02, discord:42, 43",
            "ALLOW_GUILDS": "44, slack:T01, E02",
            "ALLOW_ROLES": "45\ndiscord:46",
            "ALLOW_BOTS": "B01, slack:U02, discord:47",
            "ALLOW_EXTERNAL": "true",
            "DIRECT_MESSAGES": "false",
        }
    )
    assert settings.admission == Admission(
        channels=frozenset({"slack:C01", "slack:G02", "discord:42", "discord:43"}),
        guilds=frozenset({"discord:44", "slack:T01", "slack:E02"}),
        roles=frozenset({"discord:45", "discord:46"}),
        bots=frozenset({"slack:B01", "slack:U02", "discord:47"}),
        external=True,
        direct_messages=False,
    )


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("ALLOW_CHANNELS", "general", "slack:C0123456"),
        ("ALLOW_CHANNELS", "slack:D01", "slack:C0123456"),
        ("ALLOW_GUILDS", "slack:C01", "slack:T0123"),
        ("ALLOW_ROLES", "slack:S01", "roles of Discord"),
        ("ALLOW_ROLES", "@team", "roles of Discord"),
        ("ALLOW_BOTS", "github", "slack:B0123456"),
    ],
)
def test_what_is_no_id_is_named_with_how_to_write_it(name: str, text: str, hint: str) -> None:
    (problem,) = problems_of({name: text})
    assert name in problem
    assert repr(text) in problem
    assert hint in problem


def test_how_follow_ups_are_taken() -> None:
    assert (parse_settings({}).follow_ups, parse_settings({}).follow_ups_for) == ("thread", 86_400)
    settings = parse_settings({"FOLLOW_UPS": "Mention", "FOLLOW_UPS_FOR": "12h"})
    assert (settings.follow_ups, settings.follow_ups_for) == ("mention", 43_200)
    assert parse_settings({"FOLLOW_UPS_FOR": "off"}).follow_ups_for is None


@pytest.mark.parametrize("name", ["FOLLOW_UPS", "FOLLOW_UPS_FOR", "ALLOW_EXTERNAL"])
def test_an_odd_word_is_complained_of_once(name: str) -> None:
    (problem,) = problems_of({**SLACK, name: "perhaps"})
    assert problem.startswith(name)


def test_people_are_looked_up_only_where_it_matters() -> None:
    closed = parse_settings({**SLACK, "DISCORD_TOKEN": "t", "ALLOW_ROLES": "45"})
    open_house = parse_settings({**SLACK, "DISCORD_TOKEN": "t", "ALLOW_EXTERNAL": "true"})
    assert closed.slack is not None
    assert closed.discord is not None
    assert open_house.slack is not None
    assert open_house.discord is not None
    assert (closed.slack.tell_externals, closed.discord.tell_roles) == (True, True)
    assert (open_house.slack.tell_externals, open_house.discord.tell_roles) == (False, False)
