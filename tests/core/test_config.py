import re
from pathlib import Path

import pytest

from core.config import load_settings, parse_settings
from core.errors import ConfigError
from core.schedule import Cron, parse_cron
from core.settings import SETTINGS, CatchUp, Settings, Shards

SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


def problems_of(values: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(values)
    return list(caught.value.problems)


def test_nothing_set_gives_the_defaults() -> None:
    assert parse_settings({}) == Settings()


def test_an_empty_value_counts_as_not_set() -> None:
    assert parse_settings({setting.name: "" for setting in SETTINGS}) == Settings()


def test_every_default_in_the_list_is_one_that_is_accepted() -> None:
    assert parse_settings({setting.name: setting.default for setting in SETTINGS}) == Settings()


def test_a_platform_runs_where_its_tokens_are_set() -> None:
    settings = parse_settings({**SLACK, "DISCORD_TOKEN": "t"})
    assert settings.slack is not None
    assert settings.slack.app_token == "xapp-1"
    assert settings.discord is not None
    assert settings.discord.message_content is False


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN is missing"),
        ({"SLACK_APP_TOKEN": "xapp-1"}, "SLACK_BOT_TOKEN is missing"),
        ({"SLACK_SIGNING_SECRET": "s"}, "SLACK_BOT_TOKEN is missing"),
        ({"ENGINE": "openai"}, "OPENAI_API_KEY is missing"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "OPENAI_API_KEY is missing"),
        (
            {"DISCORD_TOKEN": "t", "DISCORD_API_URL": "http://127.0.0.1:1/api"},
            "DISCORD_GATEWAY_URL is missing",
        ),
        (
            {"DISCORD_TOKEN": "t", "DISCORD_GATEWAY_URL": "ws://127.0.0.1:1"},
            "DISCORD_API_URL is missing",
        ),
    ],
)
def test_half_a_set_names_the_missing_half(values: dict[str, str], missing: str) -> None:
    (problem,) = problems_of(values)
    assert missing in problem


def test_tokens_that_were_exchanged_are_recognised() -> None:
    (problem,) = problems_of({"SLACK_BOT_TOKEN": "xapp-1", "SLACK_APP_TOKEN": "xoxb-1"})
    assert "exchanged" in problem


def test_all_problems_are_reported_at_once_each_with_its_name() -> None:
    wrong = {
        "SLACK_APP_TOKEN": "xapp-1",
        "ENGINE": "gpt",
        "PORT": "eighty",
        "LOG_LEVEL": "loud",
        "LOG_FORMAT": "xml",
        "RUN_DEADLINE_SECONDS": "0",
        "RETENTION_DAYS": "-1",
        "REFRESH_EVERY": "sometimes",
        "DISCORD_MESSAGE_CONTENT": "perhaps",
        "DISCORD_INVITE_URL": "discord.gg/x",
        "DATABASE_URL": "mysql://x",
        "ADMINS": "alice",
        "INSTRUCTIONS_FILE": "/no/such/file",
        "OPENAI_REASONING_EFFORT": "huge",
    }
    found = problems_of(wrong)
    for name in wrong:
        assert any(name in problem for problem in found), name
    assert len(found) == len(wrong)


def test_no_problem_shows_a_secret() -> None:
    secrets = {
        "SLACK_BOT_TOKEN": "xapp-secret",
        "SLACK_APP_TOKEN": "xoxb-secret",
        "DATABASE_URL": "mysql://user:secret@host/db",
    }
    assert not any("secret" in problem for problem in problems_of(secrets))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("RUN_DEADLINE_SECONDS", "nan", "5 or more"),
        ("RUN_DEADLINE_SECONDS", "inf", "5 or more"),
        ("PORT", "inf", "0 to 65535"),
        ("PORT", "-1", "0 to 65535"),
        ("PORT", "65536", "0 to 65535"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_the_range(
    name: str, text: str, said: str
) -> None:
    (problem,) = problems_of({name: text})
    assert problem == f"{name} is {text!r}: write a number, {said}."


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "CATCH_UP_MESSAGES"])
@pytest.mark.parametrize("text", ["1.9", "0", "nan", "-1", "many", "9" * 30])
def test_what_is_to_be_a_whole_number_is_refused_with_what_to_write(name: str, text: str) -> None:
    assert problems_of({name: text}) == [f"{name} is {text!r}: write a whole number, 1 or more."]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("USER_LIMIT", "99999999999999999999/1h"),
        ("USER_LIMIT", "0/1h"),
        ("CHANNEL_LIMIT", "5"),
        ("CHANNEL_LIMIT", "5/1y"),
        ("DISCORD_SHARDS", "0-999999999/1000000000"),
        ("DISCORD_SHARDS", "4/4"),
        ("DISCORD_SHARDS", "3-1/4"),
        ("CATCH_UP", "long"),
        ("OPS_CHANNEL", "#ops"),
        ("DIGEST_CHANNEL", "#docs"),
    ],
)
def test_an_unusable_limit_shard_or_channel_is_refused_by_name(name: str, text: str) -> None:
    (problem,) = problems_of({name: text})
    assert problem.startswith(f"{name} is {text!r}: write ")


@pytest.mark.parametrize("text", ["7d", "0 8 * * Mondays", "0 8 31 2 *"])
def test_a_digest_at_no_time_that_comes_is_refused_with_an_example(text: str) -> None:
    (problem,) = problems_of({"DIGEST_EVERY": text})
    assert problem.startswith(f"DIGEST_EVERY is {text!r}, and ")
    assert "write a cron expression such as 0 8 * * 1" in problem


def test_a_digest_comes_every_monday_at_eight_unless_told_otherwise() -> None:
    monday = 1_763_366_400.0  # 17 November 2025, 08:00 UTC
    assert parse_settings({}).digest_every.after(monday - 1) == monday
    assert parse_settings({}).digest_every.after(monday) == monday + 7 * 86_400
    assert parse_settings({"DIGEST_EVERY": "@daily"}).digest_every.after(0.0) == 86_400.0


def test_limits_and_catching_up_can_be_switched_off() -> None:
    off = dict.fromkeys(("USER_LIMIT", "CHANNEL_LIMIT", "CATCH_UP"), "off")
    settings = parse_settings(off)
    assert (settings.user_limit, settings.channel_limit, settings.catch_up) == (None, None, None)
    apologies = parse_settings({"CATCH_UP": "2h", "CATCH_UP_APOLOGY": "off"}).catch_up
    assert apologies == CatchUp(answer_age=7200.0, apology_age=7200.0, messages=500)


def test_a_part_of_the_shards_is_read_as_it_is_written() -> None:
    for text, ids in (("4", (0, 1, 2, 3)), ("1/4", (1,)), ("0-1/4", (0, 1))):
        discord = parse_settings({"DISCORD_TOKEN": "t", "DISCORD_SHARDS": text}).discord
        assert discord is not None
        assert discord.shards == Shards(ids=ids, count=4)


@pytest.mark.parametrize("port", [0, 65535])
def test_the_first_and_the_last_port_are_taken(port: int) -> None:
    slack = parse_settings({**SLACK, "PORT": str(port)}).slack
    assert slack is not None
    assert slack.port == port


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite+aiosqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:docent?mode=memory&uri=true",
        "sqlite:///?timeout=1",
        "sqlite:///data/%00.db",
        "sqlite://data/docent.db",
    ],
)
def test_a_sqlite_that_would_remember_nothing_is_refused_with_a_file_to_write(url: str) -> None:
    (problem,) = problems_of({"DATABASE_URL": url})
    assert "write sqlite:///data/docent.db" in problem


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:a@b:geheim/x@h/db",
        "postgres://u:ge@heim@h/db",
        "postgres://u:ge/heim@h/db",
        "postgres://u:12/geheim@h/db",
        "postgres://u:ge?heim@h/db",
        "postgres://u:12#geheim@h/db",
        "postgres://u:ge[heim@h/db",
        "postgres://u:p@h:geheim/db",
        "postgres://u:p@h:99999/db",
        "postgres://u:p@h..geheim/db",
    ],
)
def test_a_postgres_url_with_two_readings_is_refused_and_not_shown(url: str) -> None:
    (problem,) = problems_of({"DATABASE_URL": url})
    assert "percent-encoded" in problem
    assert not any(part in problem for part in ("ge@", "heim", "12", "99999", "//u:", "@h/"))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/docent.db",
        "postgres://u:a%40b%3Ageheim%2Fx@h/db",
        "postgres://u:p:q@h:5432/db?sslmode=require",
        "postgresql://u@h/db",
        "postgresql+psycopg://[::1]:5432/db",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql://u:@/db?host=/var/run/postgresql",
    ],
)
def test_a_database_url_with_one_reading_is_taken_as_it_is(url: str) -> None:
    assert parse_settings({"DATABASE_URL": url}).database_url == url


def test_no_secret_is_in_the_repr_of_the_settings() -> None:
    settings = parse_settings(
        {
            "SLACK_BOT_TOKEN": "xoxb-secret",
            "SLACK_APP_TOKEN": "xapp-secret",
            "SLACK_SIGNING_SECRET": "secret",
            "DISCORD_TOKEN": "secret",
            "OPENAI_API_KEY": "secret",
            "DATABASE_URL": "postgres://user:secret@host/db",
        }
    )
    assert "secret" not in repr(settings).replace("signing_secret", "")


def test_the_engine_is_openai_where_a_key_is_set_and_can_be_switched_to_local() -> None:
    assert parse_settings({"OPENAI_API_KEY": "k"}).engine == "openai"
    assert parse_settings({"OPENAI_API_KEY": "k", "ENGINE": "local"}).engine == "local"
    assert parse_settings({}).engine == "local"


def test_the_effort_can_be_left_to_the_model() -> None:
    openai = parse_settings({"OPENAI_API_KEY": "k", "OPENAI_REASONING_EFFORT": "default"}).openai
    assert openai is not None
    assert openai.reasoning_effort is None


@pytest.mark.parametrize("separator", [",", "\n", " , \n"])
def test_sources_are_separated_by_commas_or_lines(separator: str) -> None:
    settings = parse_settings({"DOCS_SOURCES": separator.join(["./docs", "https://x/"])})
    assert settings.docs_sources == ("./docs", "https://x/")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("1D", 86400)]
)
def test_an_interval_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_settings({"REFRESH_EVERY": text}).refresh_every == seconds


def test_admins_may_be_written_with_or_without_their_platform() -> None:
    settings = parse_settings({"ADMINS": "slack:U01AB, discord:42, U02CD, 43"})
    assert settings.admins == {"slack:U01AB", "discord:42", "slack:U02CD", "discord:43"}


def test_instructions_come_from_a_file_too_but_not_from_both(tmp_path: Path) -> None:
    file = tmp_path / "instructions.md"
    file.write_text("Be kind.\n", encoding="utf-8")
    assert parse_settings({"INSTRUCTIONS_FILE": str(file)}).instructions == "Be kind.\n"
    (problem,) = problems_of({"INSTRUCTIONS_FILE": str(file), "INSTRUCTIONS": "x"})
    assert "both" in problem


def test_instructions_in_the_home_of_nobody_are_a_problem_like_any_other() -> None:
    (problem,) = problems_of({"INSTRUCTIONS_FILE": "~nobody-has-this-name/instructions.md"})
    assert "cannot be read" in problem


def test_the_environment_wins_over_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("LOG_LEVEL=DEBUG\nFALLBACK_MESSAGE='From the file'\n", encoding="utf-8")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    settings = load_settings(env_file)
    assert (settings.log_level, settings.fallback_message) == ("ERROR", "From the file")


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_environment_variable_does_not_hide_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("FALLBACK_MESSAGE='From the file'\n", encoding="utf-8")
    monkeypatch.setenv("FALLBACK_MESSAGE", empty)
    assert load_settings(env_file).fallback_message == "From the file"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_an_env_file_that_is_not_utf8_is_refused_by_its_name(tmp_path: Path, encoding: str) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("FALLBACK_MESSAGE='Désolé'\n", encoding=encoding)
    with pytest.raises(ConfigError, match=r"\.env cannot be read .*UTF-8"):
        load_settings(env_file)


@pytest.mark.parametrize("text", ["0 3 * * *", "@daily", "*/15 9-17 * * mon-fri"])
def test_a_refresh_may_come_at_the_times_of_a_cron_expression(text: str) -> None:
    every = parse_settings({"REFRESH_EVERY": text}).refresh_every
    assert isinstance(every, Cron)
    assert every == parse_cron(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("often", "write 30m, 6h or 1d"),
        ("0 25 * * *", "its hour '25' is not within 0 to 23"),
        ("0 3 * *", "it has 4 fields and needs five"),
        ("@sometimes", "it has 1 field and needs five"),
        ("0 0 30 2 *", "names no time that ever comes"),
    ],
)
def test_an_interval_or_times_that_make_no_sense_are_a_problem(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)) as problem:
        parse_settings({"REFRESH_EVERY": text})
    assert text in str(problem.value)


def test_a_webhook_secret_that_is_short_is_a_problem_and_is_not_shown() -> None:
    with pytest.raises(ConfigError, match="DOCS_WEBHOOK_SECRET is too short") as problem:
        parse_settings({"DOCS_WEBHOOK_SECRET": "hunter2"})
    assert "hunter2" not in str(problem.value)
    settings = parse_settings({"DOCS_WEBHOOK_SECRET": "0123456789abcdef"})
    assert settings.docs_webhook_secret == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(settings)


def test_a_file_of_channels_must_be_there_only_where_it_is_named() -> None:
    unnamed, named = parse_settings({}), parse_settings({"CHANNELS_FILE": "other.toml"})
    assert (unnamed.channels_file, unnamed.channels_required) == ("docent.toml", False)
    assert (named.channels_file, named.channels_required) == ("other.toml", True)


# --- people to call -------------------------------------------------------------------------------


def test_people_to_call_are_groups_people_and_roles_each_once() -> None:
    people = "slack:S1, S2, U3\ndiscord:&4, &5, 6, slack:S1"
    settings = parse_settings({"HUMANS": people})
    assert settings.humans == (
        "slack:S1",
        "slack:S2",
        "slack:U3",
        "discord:&4",
        "discord:&5",
        "discord:6",
    )


@pytest.mark.parametrize("entry", ["@docs-team", "slack:C0123", "discord:@4", "everyone"])
def test_somebody_who_cannot_be_called_is_named_with_how_to_write_it(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"HUMANS has .*discord:&123456789 \(a role\)"):
        parse_settings({"HUMANS": entry})


@pytest.mark.parametrize(
    ("channel", "problem"),
    [("#docs", "TEAM_CHANNEL is '#docs'"), ("discord:1", "TEAM_CHANNEL is on discord, but")],
)
def test_a_team_channel_must_be_one_that_can_be_posted_in(channel: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_settings({**SLACK, "TEAM_CHANNEL": channel})
