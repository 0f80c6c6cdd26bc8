"""The settings: read from the environment and `.env`, checked, and handed on as values.

The only module that reads the environment.
"""

from dataclasses import dataclass, field


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


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenAISettings:
    """How to reach OpenAI, or a server that speaks its protocol."""

    api_key: str = field(repr=False)
    base_url: str | None = None
    model: str = "gpt-6-luna"
    reasoning_effort: str | None = "low"  #: None: not sent
    vector_store_id: str | None = None  #: None: made at the first refresh and remembered
