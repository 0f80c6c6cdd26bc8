"""The settings as values, and the list of their names.

`SETTINGS` is the list that README, the manual and `.env.example` are held to by a test. How the
values come out of the environment is in `config.py`.
"""

from dataclasses import dataclass, field
from typing import Literal

from core.replies import DEFAULT_FALLBACK
from core.schedule import Cron, parse_cron

EngineName = Literal["openai", "local"]
LogFormat = Literal["auto", "text", "json"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max", "default"]
FollowUps = Literal["thread", "mention"]  # which messages of a thread are questions
Ask = Literal["thread", "private"]  # who sees what is asked by /ask, and its answer
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DEFAULT_PROMPTS = (
    "What is this documentation about?",
    "How do I get started?",
    "What should I look at when something does not work?",
)


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
    Setting("TOOLS", "", "Python files and packages with functions that the model may call"),
    Setting("MCP_SERVERS", "", "TOML file with remote MCP servers whose tools the model may call"),
    Setting(
        "WEB_SEARCH_DOMAINS",
        "",
        "Hosts that answers may come from, by OpenAI's web search; without any, it is off",
    ),
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
    Setting(
        "SUGGESTED_PROMPTS",
        "",
        "Questions that Slack's agent view suggests, one a line, four at most; `off`: none",
    ),
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
    Setting(
        "CHANNELS_FILE", "docent.toml", "What holds in single channels, where there is such a file"
    ),
    Setting(
        "FOLLOW_UPS",
        "thread",
        "`thread`: later messages in a thread need no mention; `mention`: they do",
    ),
    Setting(
        "FOLLOW_UPS_FOR",
        "1d",
        "For how long after the last question and answer of a thread; `off`: for ever",
    ),
    Setting(
        "ASK",
        "thread",
        "`thread`: everybody sees what `/ask` is asked, and the answer; `private`: the asker does",
    ),
    Setting("DIRECT_MESSAGES", "true", "Whether direct messages are answered"),
    Setting(
        "ALLOW_CHANNELS",
        "",
        "Answer in these channels only: `slack:C…`, `discord:1234…`; without it, in all",
    ),
    Setting(
        "ALLOW_GUILDS",
        "",
        "Answer in these Discord servers and Slack workspaces only: `discord:1234…`, `slack:T…`",
    ),
    Setting("ALLOW_ROLES", "", "Answer people with one of these Discord roles only: `1234…`"),
    Setting(
        "ALLOW_EXTERNAL",
        "false",
        "Whether Slack guests, and people of other organisations, are answered",
    ),
    Setting("ALLOW_BOTS", "", "Bots that are answered: `slack:B…`, `slack:U…`, `discord:1234…`"),
    Setting("ADMINS", "", "Who may refresh: `slack:U…`, `discord:1234…`, separated by commas"),
    Setting(
        "HUMANS",
        "",
        "Who is tagged by “Ask a human”: `slack:S…`, `slack:U…`, `discord:&1234…`, `discord:1234…`",
    ),
    Setting("TEAM_CHANNEL", "", "Where the question is posted then: `slack:C…` or `discord:1234…`"),
    Setting("STREAMING", "true", "Whether answers appear as they are written"),
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
    Setting(
        "DIGEST_CHANNEL",
        "",
        "Where what went unanswered is posted at set times: `slack:C…` or `discord:1234…`",
    ),
    Setting("DIGEST_EVERY", "0 8 * * 1", "When: a cron expression, or `@weekly`, `@daily` … (UTC)"),
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
    tell_externals: bool = True  #: whether it matters who is a guest or of another organisation
    prompts: tuple[str, ...] = ()  #: suggested in the agent view; (): none are
    private_asks: bool = False  #: whether /ask is answered to its asker alone


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscordSettings:
    """How to reach Discord."""

    token: str = field(repr=False)
    api_url: str | None = None
    gateway_url: str | None = None
    message_content: bool = False  #: whether the privileged intent is switched on in the portal
    shards: Shards | None = None  #: None: one connection for all servers
    tell_roles: bool = False  #: whether it matters which roles people have
    private_asks: bool = False  #: whether /ask is answered to its asker alone


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteServer:
    """A remote MCP server, which OpenAI calls."""

    label: str
    url: str = field(repr=False)  #: may hold a key
    allowed_tools: tuple[str, ...]
    needs_approval: bool = True  #: whether the asker has to agree to each call
    token: str | None = field(default=None, repr=False)
    description: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenAISettings:
    """How to reach OpenAI, or a server that speaks its protocol."""

    api_key: str = field(repr=False)
    base_url: str | None = None
    model: str = "gpt-6-luna"
    reasoning_effort: str | None = "low"  #: None: not sent
    vector_store_id: str | None = None  #: None: made at the first refresh and remembered
    remote_servers: tuple[RemoteServer, ...] = ()
    web_domains: tuple[str, ...] = ()  #: hosts that the web search is limited to; (): there is none


@dataclass(frozen=True, kw_only=True, slots=True)
class CatchUp:
    """What to do about questions that came while Docent was away."""

    answer_age: float  #: seconds; younger ones are answered
    apology_age: float  #: seconds; the others, up to this age, get an apology
    messages: int  #: most messages to read in search of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """Who is answered, and where. Ids are written `platform:id`.

    A list restricts the platforms that it names something of; the others are open.
    """

    channels: frozenset[str] = frozenset()
    guilds: frozenset[str] = frozenset()  #: Discord's servers, Slack's workspaces
    roles: frozenset[str] = frozenset()
    bots: frozenset[str] = frozenset()  #: none but these are answered
    external: bool = False  #: whether guests, and people of other organisations, are
    direct_messages: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that an operator decides."""

    engine: EngineName = "local"
    openai: OpenAISettings | None = None
    instructions: str | None = None  #: None: the default ones
    tools: tuple[str, ...] = ()  #: paths of files and packages with functions to call
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
    admission: Admission = field(default_factory=Admission)
    suggested_prompts: tuple[str, ...] = DEFAULT_PROMPTS  #: in Slack's agent view
    ask: Ask = "thread"
    follow_ups: FollowUps = "thread"
    follow_ups_for: float | None = 86_400.0  #: seconds after the last turn; None: for ever
    channels_file: str = "docent.toml"  #: "": none
    channels_required: bool = False  #: whether that file must be there
    streaming: bool = True  #: whether answers appear as they are written
    run_deadline: float = 120.0  #: seconds
    user_limit: Limit | None = Limit(count=20, seconds=600.0)
    channel_limit: Limit | None = Limit(count=100, seconds=600.0)
    #: None: what came while Docent was away is let be
    catch_up: CatchUp | None = CatchUp(answer_age=21_600.0, apology_age=86_400.0, messages=500)
    humans: tuple[str, ...] = ()  #: who is called: written `platform:id`
    team_channel: str | None = None  #: where that is told: written `platform:channel`
    digest_channel: str | None = None  #: written `platform:channel`
    digest_every: Cron = field(default_factory=lambda: parse_cron("0 8 * * 1"))
    ops_channel: str | None = None  #: written `platform:channel`
    retention_days: int | None = None
    log_format: LogFormat = "auto"
    log_level: str = "INFO"
    without_effect: tuple[str, ...] = ()  #: settings that the engine does nothing with
    slips: tuple[str, ...] = ()  #: what is likely a slip in `.env`, in sentences
