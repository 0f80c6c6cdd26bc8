"""The settings as values, and the list of their names.

`SETTINGS` is the list that README, the manual and `.env.example` are held to by a test. How the
values come out of the environment is in `config.py`.
"""

from dataclasses import dataclass, field
from typing import Literal

from core.replies import DEFAULT_FALLBACK
from core.schedule import Cron

EngineName = Literal["openai", "local"]
LogFormat = Literal["auto", "text", "json"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max", "default"]
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Setting:
    """One name that may stand in the environment or in `.env`: a row of SETTINGS."""

    name: str
    default: str  #: as it would be written; "" where there is none
    about: str


SETTINGS = (
    Setting("OPENAI_API_KEY", "", "Key of the OpenAI project that answers"),
    Setting("OPENAI_BASE_URL", "", "Another server that speaks OpenAI's API"),
    Setting("OPENAI_MODEL", "gpt-6-luna", "Model that writes the answers"),
    Setting(
        "OPENAI_REASONING_EFFORT",
        "low",
        "none … max, as the model allows; `default` leaves it to the model",
    ),
    Setting(
        "OPENAI_VECTOR_STORE_ID",
        "",
        "Vector store for the documents; without it, one is made at the first refresh",
    ),
    Setting(
        "ENGINE", "", "`openai` or `local`; without it, `openai` where a key is set, else `local`"
    ),
    Setting("INSTRUCTIONS", "", "Replaces the model's default instructions"),
    Setting("INSTRUCTIONS_FILE", "", "The same, from a file"),
    Setting("DATABASE_URL", "sqlite:///data/docent.db", "SQLite file, or `postgres://…`"),
    Setting(
        "DOCS_SOURCES",
        "",
        "Folders, sites and git repositories with the documentation, separated by commas or lines",
    ),
    Setting(
        "DOCS_ALLOW_PRIVATE",
        "false",
        "Whether sources may be on this machine or a private network",
    ),
    Setting(
        "REFRESH_EVERY", "", "Refresh by itself: every `30m`, `6h` or `1d`, or at `0 3 * * *` (UTC)"
    ),
    Setting(
        "DOCS_MAX_AGE",
        "30d",
        "Answers say how old the documentation is where it is older; `off`: they never do",
    ),
    Setting("DOCS_WEBHOOK_SECRET", "", "Lets a signed request over HTTP ask for a refresh"),
    Setting("SLACK_BOT_TOKEN", "", "`xoxb-…` of the Slack app"),
    Setting("SLACK_APP_TOKEN", "", "`xapp-…`: connect by Socket Mode"),
    Setting("SLACK_SIGNING_SECRET", "", "Take events over HTTP instead"),
    Setting("PORT", "3000", "Port for Slack's events over HTTP, and for deploy hooks"),
    Setting("SLACK_API_URL", "", "Another server that speaks Slack's Web API"),
    Setting("DISCORD_TOKEN", "", "Token of the Discord bot"),
    Setting("DISCORD_API_URL", "", "Another server that speaks Discord's API"),
    Setting("DISCORD_GATEWAY_URL", "", "The gateway of that server"),
    Setting(
        "DISCORD_MESSAGE_CONTENT",
        "false",
        "Whether the message-content intent is switched on for the bot",
    ),
    Setting(
        "DISCORD_SHARDS",
        "",
        "For bots in 1,000 servers and more: `4` shards here, or `0-1/4` of them",
    ),
    Setting("FALLBACK_MESSAGE", DEFAULT_FALLBACK, "What is said when there is no answer"),
    Setting("DISCORD_INVITE_URL", "", "Invite link that the fallback adds"),
    Setting("ADMINS", "", "Who may refresh: `slack:U…`, `discord:1234…`, separated by commas"),
    Setting(
        "RUN_DEADLINE_SECONDS", "120", "After this long without an answer, the fallback is posted"
    ),
    Setting("USER_LIMIT", "20/10m", "Questions that one person may ask in a time; `off` for any"),
    Setting("CHANNEL_LIMIT", "100/10m", "The same, for all in one channel together"),
    Setting(
        "CATCH_UP",
        "6h",
        "Questions that came while Docent was away are answered up to this age; `off` for none",
    ),
    Setting(
        "CATCH_UP_APOLOGY", "1d", "Older ones, up to this age, get an apology with the fallback"
    ),
    Setting("CATCH_UP_MESSAGES", "500", "Messages that are read, at most, to find them"),
    Setting("OPS_CHANNEL", "", "Where alerts are posted, too: `slack:C…` or `discord:1234…`"),
    Setting(
        "RETENTION_DAYS",
        "",
        "Delete the text of questions and answers after so many days; empty keeps it",
    ),
    Setting("LOG_FORMAT", "auto", "`text`, `json`, or `auto`: text on a terminal, else JSON"),
    Setting("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How much is allowed in how long."""

    count: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Shards:
    """The part of Discord's servers that one process hears from."""

    ids: tuple[int, ...]  #: from 0
    count: int  #: of all shards, in all processes together


@dataclass(frozen=True, kw_only=True, slots=True)
class SlackSettings:
    """How to reach Slack: by Socket Mode with `app_token`, else over HTTP."""

    bot_token: str = field(repr=False)
    app_token: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    port: int | None = None
    api_url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscordSettings:
    """How to reach Discord."""

    token: str = field(repr=False)
    api_url: str | None = None
    gateway_url: str | None = None
    message_content: bool = False  #: whether the privileged intent is switched on in the portal
    shards: Shards | None = None  #: None: one connection for all servers


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenAISettings:
    """How to reach OpenAI, or a server that speaks its protocol."""

    api_key: str = field(repr=False)
    base_url: str | None = None
    model: str = "gpt-6-luna"
    reasoning_effort: str | None = "low"  #: None: not sent
    vector_store_id: str | None = None  #: None: made at the first refresh and remembered


@dataclass(frozen=True, kw_only=True, slots=True)
class CatchUp:
    """What to do about questions that came while Docent was away."""

    answer_age: float  #: seconds; younger ones are answered
    apology_age: float  #: seconds; the others, up to this age, get an apology
    messages: int  #: most messages to read in search of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that an operator decides."""

    engine: EngineName = "local"
    openai: OpenAISettings | None = None
    instructions: str | None = None  #: None: the default ones
    database_url: str = field(default="sqlite:///data/docent.db", repr=False)
    docs_sources: tuple[str, ...] = field(default=(), repr=False)  #: may hold logins
    docs_allow_private: bool = False
    refresh_every: float | Cron | None = None  #: seconds, or times
    docs_max_age: float | None = 2_592_000.0  #: seconds
    docs_webhook_secret: str | None = field(default=None, repr=False)
    port: int = 3000  #: for what comes over HTTP: Slack's events without Socket Mode, deploy hooks
    slack: SlackSettings | None = None
    discord: DiscordSettings | None = None
    fallback_message: str = DEFAULT_FALLBACK
    discord_invite_url: str | None = None
    admins: frozenset[str] = frozenset()  #: written `platform:user`
    run_deadline: float = 120.0  #: seconds
    user_limit: Limit | None = Limit(count=20, seconds=600.0)
    channel_limit: Limit | None = Limit(count=100, seconds=600.0)
    #: None: what came while Docent was away is let be
    catch_up: CatchUp | None = CatchUp(answer_age=21_600.0, apology_age=86_400.0, messages=500)
    ops_channel: str | None = None  #: written `platform:channel`
    retention_days: int | None = None
    log_format: LogFormat = "auto"
    log_level: str = "INFO"
