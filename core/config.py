"""The settings: read from the environment and `.env`, checked, and handed on as values.

The only module that reads the environment. The names and the values are in `settings.py`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from core.admission_settings import read_admission
from core.env_file import likely_slips, read_env_file
from core.errors import ConfigError
from core.human_settings import read_channel, read_humans
from core.platform_ids import USER
from core.prompt_settings import read_prompts
from core.schedule import Cron, parse_cron
from core.setting_reader import Reader, parse_duration, reason, remedy
from core.settings import (
    LOG_LEVELS,
    Admission,
    Ask,
    CatchUp,
    DiscordSettings,
    Effort,
    EngineName,
    FollowUps,
    Limit,
    LogFormat,
    OpenAISettings,
    Settings,
    Shards,
    SlackSettings,
)
from core.tool_settings import read_domains, read_servers, without_effect

SHORTEST_SECRET = 16  # characters

MOST_SHARDS = 100_000  # far beyond what Discord has servers for


def load_settings(env_file: Path = Path(".env")) -> Settings:
    """Read the settings from the environment and, where that is silent, from `env_file`.

    Raises ConfigError, naming every problem and how to mend it.
    """
    written = read_env_file(env_file)
    values = {**written, **_environment()}
    slips = tuple(likely_slips(written, values))
    try:
        return replace(parse_settings(values), slips=slips)
    except ConfigError as error:
        raise ConfigError([*error.problems, *slips]) from None


def load_variable(name: str, env_file: Path = Path(".env")) -> str | None:
    """Read a variable that is no setting, as settings are read; None where it is not set.

    Raises ConfigError where `env_file` cannot be read.
    """
    return Reader({**read_env_file(env_file), **_environment()}).variable(name)


def _environment() -> dict[str, str]:
    environment = os.environ.items()  # noqa: TID251 (here, and only here)
    # Compose files and hosts pass on empty variables, which must not hide what the file says.
    return {name: text for name, text in environment if text.strip()}


def parse_settings(values: Mapping[str, str | None]) -> Settings:
    """Check settings by name. Raises ConfigError, naming every problem and how to mend it."""
    reader = Reader(values)
    port = int(reader.number("PORT", least=0, most=65535))
    admission = read_admission(reader)
    prompts = read_prompts(reader)
    ask: Ask = reader.choice("ASK", get_args(Ask))  # type: ignore[assignment]
    openai, slack = _openai(reader), _slack(reader, port, admission, prompts, ask)
    discord = _discord(reader, admission, ask)
    with_tokens = {"slack": slack is not None, "discord": discord is not None}
    settings = Settings(
        engine=(engine := _engine(reader, openai)),
        openai=openai,
        instructions=_instructions(reader),
        tools=tuple(reader.list("TOOLS")),
        database_url=_database_url(reader),
        docs_sources=tuple(reader.list("DOCS_SOURCES")),
        docs_allow_private=reader.flag("DOCS_ALLOW_PRIVATE"),
        refresh_every=_refresh_every(reader),
        docs_max_age=reader.duration("DOCS_MAX_AGE", off=True),
        docs_webhook_secret=_webhook_secret(reader),
        port=port,
        slack=slack,
        discord=discord,
        fallback_message=reader.text("FALLBACK_MESSAGE"),
        discord_invite_url=reader.url("DISCORD_INVITE_URL"),
        admins=_admins(reader),
        admission=admission,
        suggested_prompts=prompts,
        ask=ask,
        follow_ups=reader.choice("FOLLOW_UPS", get_args(FollowUps)),  # type: ignore[arg-type]
        follow_ups_for=reader.duration("FOLLOW_UPS_FOR", off=True),
        channels_file=reader.text("CHANNELS_FILE"),
        channels_required=reader.is_set("CHANNELS_FILE"),
        streaming=reader.flag("STREAMING"),
        run_deadline=reader.number("RUN_DEADLINE_SECONDS", least=5),
        user_limit=_limit(reader, "USER_LIMIT"),
        channel_limit=_limit(reader, "CHANNEL_LIMIT"),
        catch_up=_catch_up(reader),
        humans=read_humans(reader),
        team_channel=read_channel(reader, "TEAM_CHANNEL", with_tokens),
        digest_channel=read_channel(reader, "DIGEST_CHANNEL", with_tokens),
        digest_every=_digest_every(reader),
        ops_channel=read_channel(reader, "OPS_CHANNEL", with_tokens),
        retention_days=reader.whole("RETENTION_DAYS", least=1) or None,
        log_format=reader.choice("LOG_FORMAT", get_args(LogFormat)),  # type: ignore[arg-type]
        log_level=reader.choice("LOG_LEVEL", LOG_LEVELS),
        without_effect=without_effect(reader, engine),
    )
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def _refresh_every(reader: Reader) -> float | Cron | None:
    text = reader.text("REFRESH_EVERY")
    if not text.startswith("@") and len(text.split()) < 3:
        return reader.duration("REFRESH_EVERY")  # `6 h` has a blank, too
    try:
        return parse_cron(text)
    except ValueError as error:
        reader.problem(
            f"REFRESH_EVERY is {text!r}, and {error}: write 30m, 6h or 1d, or a cron expression "
            "such as 0 3 * * * for every night at three (UTC)."
        )
        return None


def _digest_every(reader: Reader) -> Cron:
    text = reader.text("DIGEST_EVERY")
    try:
        return parse_cron(text)
    except ValueError as error:
        reader.problem(
            f"DIGEST_EVERY is {text!r}, and {error}: write a cron expression such as 0 8 * * 1 for "
            "every Monday at eight (UTC)."
        )
        return parse_cron("@weekly")


def _webhook_secret(reader: Reader) -> str | None:
    secret = reader.optional("DOCS_WEBHOOK_SECRET")
    if secret is not None and len(secret) < SHORTEST_SECRET:
        reader.problem(
            f"DOCS_WEBHOOK_SECRET is too short to be safe: use {SHORTEST_SECRET} characters or "
            "more, such as `openssl rand -hex 32` prints."
        )
    return secret


def _openai(reader: Reader) -> OpenAISettings | None:
    base_url = reader.url("OPENAI_BASE_URL")
    effort = reader.choice("OPENAI_REASONING_EFFORT", get_args(Effort))
    servers, domains = read_servers(reader), read_domains(reader)
    key = reader.optional("OPENAI_API_KEY")
    if key is None:
        return None
    return OpenAISettings(
        api_key=key,
        base_url=base_url,
        model=reader.text("OPENAI_MODEL"),
        reasoning_effort=None if effort == "default" else effort,
        vector_store_id=reader.optional("OPENAI_VECTOR_STORE_ID"),
        remote_servers=servers,
        web_domains=domains,
    )


def _engine(reader: Reader, openai: OpenAISettings | None) -> EngineName:
    named = reader.text("ENGINE").lower()
    if named not in ("", *get_args(EngineName)):
        reader.problem(f"ENGINE is {named!r}: write openai or local, or leave it out.")
    if named == "openai" and openai is None:
        reader.problem("ENGINE is openai, but OPENAI_API_KEY is missing: set it.")
    if named != "local" and openai is None and reader.optional("OPENAI_BASE_URL"):
        reader.problem(
            "OPENAI_BASE_URL is set, but OPENAI_API_KEY is missing: set it too "
            "(any word, where that server needs no key)."
        )
    return "openai" if openai is not None and named != "local" else "local"


def _instructions(reader: Reader) -> str | None:
    inline, file = reader.optional("INSTRUCTIONS"), reader.optional("INSTRUCTIONS_FILE")
    if inline and file:
        reader.problem("INSTRUCTIONS and INSTRUCTIONS_FILE are both set: keep one of them.")
    if file is None:
        return inline
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: ~nobody
        reader.problem(
            f"INSTRUCTIONS_FILE {file!r} cannot be read ({reason(error)}): {remedy(error)}."
        )
        return None


def _database_url(reader: Reader) -> str:
    url = reader.text("DATABASE_URL")
    if re.match(r"sqlite(\+\w+)?://", url):
        if not re.match(r"[^:]+:///[^?]", url) or re.search(":memory:|mode=memory|%00", url):
            reader.problem(
                "DATABASE_URL names no file, so nothing would be remembered: "
                "write sqlite:///data/docent.db, or sqlite:////var/lib/docent.db from the root."
            )
    elif not re.match(r"postgres(ql)?(\+\w+)?://", url):
        reader.problem("DATABASE_URL: write sqlite:///data/docent.db or postgres://….")
    elif not _is_unambiguous(url):
        reader.problem(
            "DATABASE_URL cannot be read: write postgres://user:password@host:5432/name, with "
            "special characters in user and password percent-encoded (@ as %40, / as %2F)."
        )
    return url


def _is_unambiguous(url: str) -> bool:
    """Whether it is plain where the password ends: a part of it, taken for a host, would be shown.

    An @, / or ? of a password leaves a second @, an @ behind the host, or a port that is none.
    """
    try:
        parsed = urlsplit(url)
        (parsed.hostname or "").encode("idna")  # a name that cannot be looked up raises, too
        return parsed.port != 0 and url.count("@") == parsed.netloc.count("@") <= 1
    except ValueError:
        return False


def _limit(reader: Reader, name: str) -> Limit | None:
    text = reader.text(name)
    if text.lower() == "off":
        return None
    count, _, duration = text.partition("/")
    seconds = parse_duration(duration)
    if not re.fullmatch(r"0*[1-9]\d{0,8}", count.strip()) or seconds is None:
        reader.problem(f"{name} is {text!r}: write 20/10m for 20 questions in 10 minutes, or off.")
        return None
    return Limit(count=int(count), seconds=seconds)


def _catch_up(reader: Reader) -> CatchUp | None:
    answer = reader.duration("CATCH_UP", off=True)
    apology = reader.duration("CATCH_UP_APOLOGY", off=True)
    messages = reader.whole("CATCH_UP_MESSAGES", least=1)
    if answer is None:
        return None
    return CatchUp(answer_age=answer, apology_age=max(answer, apology or 0.0), messages=messages)


def _slack(
    reader: Reader, port: int, admission: Admission, prompts: tuple[str, ...], ask: Ask
) -> SlackSettings | None:
    bot, app = reader.optional("SLACK_BOT_TOKEN"), reader.optional("SLACK_APP_TOKEN")
    secret = reader.optional("SLACK_SIGNING_SECRET")
    api_url = reader.url("SLACK_API_URL")
    if bot is None:
        if app or secret:
            name = "SLACK_APP_TOKEN" if app else "SLACK_SIGNING_SECRET"
            reader.problem(
                f"{name} is set, but SLACK_BOT_TOKEN is missing: copy it from the app's "
                "page “OAuth & Permissions” (xoxb-…)."
            )
        return None
    if bot.startswith("xapp-") or (app or "").startswith("xoxb-"):
        reader.problem("SLACK_BOT_TOKEN (xoxb-…) and SLACK_APP_TOKEN (xapp-…) are exchanged.")
    if app is None and secret is None:
        reader.problem(
            "SLACK_BOT_TOKEN is set, but SLACK_APP_TOKEN is missing: make one under “Basic "
            "Information > App-Level Tokens” with connections:write, or set "
            "SLACK_SIGNING_SECRET to take events over HTTP."
        )
    return SlackSettings(
        bot_token=bot,
        app_token=app,
        signing_secret=secret,
        port=port,
        api_url=api_url,
        tell_externals=not admission.external,
        prompts=prompts if admission.direct_messages else (),
        private_asks=ask == "private",
    )


def _discord(reader: Reader, admission: Admission, ask: Ask) -> DiscordSettings | None:
    token = reader.optional("DISCORD_TOKEN")
    api_url = reader.url("DISCORD_API_URL")
    gateway_url = reader.url("DISCORD_GATEWAY_URL", schemes=("wss", "ws"))
    message_content = reader.flag("DISCORD_MESSAGE_CONTENT")
    if (api_url is None) != (gateway_url is None):
        present, missing = "DISCORD_API_URL", "DISCORD_GATEWAY_URL"
        if api_url is None:
            present, missing = missing, present
        reader.problem(f"{present} is set, but {missing} is missing: set both or neither.")
    shards = _shards(reader)
    if token is None:
        return None
    return DiscordSettings(
        token=token,
        api_url=api_url,
        gateway_url=gateway_url,
        message_content=message_content,
        shards=shards,
        tell_roles=bool(admission.roles),
        private_asks=ask == "private",
    )


def _shards(reader: Reader) -> Shards | None:
    text = reader.optional("DISCORD_SHARDS")
    if text is None:
        return None
    match = re.fullmatch(r"(?:(\d+)(?:-(\d+))?/)?(\d+)", text)
    count = int(match[3]) if match else 0
    first = int(match[1] or 0) if match else 0
    last = int(match[2] or first) if match and match[1] else count - 1
    if not 0 <= first <= last < count <= MOST_SHARDS:
        reader.problem(
            f"DISCORD_SHARDS is {text!r}: write 4 for four shards in this process, or 0-1/4 for "
            "the first two of four."
        )
        return None
    return Shards(ids=tuple(range(first, last + 1)), count=count)


def _admins(reader: Reader) -> frozenset[str]:
    admins = set()
    for entry in reader.list("ADMINS"):
        if re.fullmatch(USER, entry):
            admins.add(entry)
        elif entry.isdigit():
            admins.add(f"discord:{entry}")
        elif re.fullmatch(r"[UW][A-Z0-9]+", entry):
            admins.add(f"slack:{entry}")
        else:
            reader.problem(
                f"ADMINS has {entry!r}: write slack:U0123456 or discord:123456789 "
                "(a user's id, not the name)."
            )
    return frozenset(admins)
