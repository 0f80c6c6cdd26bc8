"""Slack's agent view, as the server keeps it: prompts that are suggested, and titles of threads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servers.slack_workspace import Channel, Json, SlackError

SCOPE = "assistant:write"  #: an app that is declared as an agent has it
MOST_PROMPTS = 4
LONGEST_TITLE = 200


@dataclass(kw_only=True)
class AgentView:
    """What people see of it."""

    prompts: dict[str, list[Json]] = field(default_factory=dict)  #: by channel
    titles: dict[tuple[str, str], str] = field(default_factory=dict)  #: by channel and thread


def checked_thread(scopes: set[str], channel: Channel, ts: Any) -> Channel:
    """Direct messages with the app, where it may say such things; `ts` is a root in them or None.

    Slack shows the rest of a channel no agent view.
    """
    if SCOPE not in scopes:
        raise SlackError("missing_scope", needed=SCOPE)
    if channel.kind != "im":
        raise SlackError("channel_not_found")
    if ts is not None:
        root = channel.find(str(ts))
        if root is None or root.get("thread_ts", root["ts"]) != root["ts"]:
            raise SlackError("invalid_thread_ts")
    return channel


def checked_prompts(prompts: Any) -> list[Json]:
    """Prompts as Slack takes them."""
    if not isinstance(prompts, list) or not 0 < len(prompts) <= MOST_PROMPTS:
        raise SlackError("invalid_arguments", "[ERROR] must have 1 to 4 items [prompts]")
    for prompt in prompts:
        if not isinstance(prompt, dict) or set(prompt) != {"title", "message"}:
            raise SlackError("invalid_arguments", "[ERROR] title and message [prompts]")
        _text(prompt["title"])
        _text(prompt["message"])
    return prompts


def checked_title(args: Mapping[str, Any]) -> str:
    """A title as Slack takes it."""
    title = _text(args["title"])
    if len(title) > LONGEST_TITLE:
        raise SlackError("invalid_arguments", "[ERROR] must be less than 201 characters [title]")
    return title


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SlackError("invalid_arguments", "[ERROR] must be a string that says something")
    return value
