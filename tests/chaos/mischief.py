"""What can be ordered from the servers, by name: faults of requests, and broken connections."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from servers import openai_faults, slack_faults
from servers.discord_http import Fault as DiscordFault
from servers.faults import Fault

if TYPE_CHECKING:
    from chaos.stage import Stage

_RESPONSES, _RUN, _CONVERSATIONS = "/responses", "/responses/resp_*", "/conversations"
_MESSAGES: Final = "/channels/{channel}/messages"
_MESSAGE: Final = f"{_MESSAGES}/{{message}}"
_GROWING: Final = {
    "stream begun": "chat.startStream",
    "stream continued": "chat.appendStream",
    "stream ended": "chat.stopStream",
    "message rewritten": "chat.update",
}


def _openai(method: str, path: str, make: Callable[[], Fault]) -> "Callable[[Stage], None]":
    return lambda stage: stage.openai.fault(method, path, make())


def _slack(method: str, make: Callable[[], Fault]) -> "Callable[[Stage], None]":
    return lambda stage: stage.slack.fail(method, make())


def _stream(**trouble: int) -> "Callable[[Stage], None]":
    return lambda stage: stage.openai.stream_troubles.append(trouble)


def _discord(method: str, route: str, fault: DiscordFault) -> "Callable[[Stage], None]":
    return lambda stage: stage.discord.fail(method, route, fault)


def _slack_drafts() -> "dict[str, Callable[[Stage], None]]":
    """Each of the calls that a draft consists of goes wrong in each of these ways."""
    ways: dict[str, Callable[[], Fault]] = {
        "refused with 429": lambda: slack_faults.rate_limited(1),
        "refused with 503": slack_faults.server_error,
        "reply reset": lambda: Fault(drop="after"),
        "connection reset": lambda: Fault(drop="before"),
    }
    return {
        f"slack: {what}, {how}": _slack(method, make)
        for what, method in _GROWING.items()
        for how, make in ways.items()
    } | {
        "slack: deletion, refused with 503": _slack("chat.delete", slack_faults.server_error),
        "slack: stream continued, had ended by itself": _slack(
            "chat.appendStream", lambda: slack_faults.api_error("message_not_in_streaming_state")
        ),
    }


ORDERS: "Final[dict[str, Callable[[Stage], None]]]" = {
    "openai: run refused with 429 and Retry-After": _openai(
        "POST", _RESPONSES, lambda: openai_faults.rate_limited(retry_after="1")
    ),
    "openai: run refused with 429": _openai("POST", _RESPONSES, openai_faults.rate_limited),
    "openai: run refused with 500": _openai("POST", _RESPONSES, openai_faults.server_error),
    "openai: run refused with 502": _openai(
        "POST", _RESPONSES, lambda: openai_faults.server_error(502)
    ),
    "openai: run created, reply reset": _openai("POST", _RESPONSES, lambda: Fault(drop="after")),
    "openai: run not created, connection reset": _openai(
        "POST", _RESPONSES, lambda: Fault(drop="before")
    ),
    "openai: garbage instead of a run": _openai("POST", _RESPONSES, openai_faults.broken_json),
    "openai: conversation refused with 500": _openai(
        "POST", _CONVERSATIONS, openai_faults.server_error
    ),
    "openai: conversation opened, reply reset": _openai(
        "POST", _CONVERSATIONS, lambda: Fault(drop="after")
    ),
    "openai: look refused with 429": _openai("GET", _RUN, openai_faults.rate_limited),
    "openai: look refused with 500": _openai("GET", _RUN, openai_faults.server_error),
    "openai: look refused with 502": _openai("GET", _RUN, lambda: openai_faults.server_error(502)),
    "openai: look without a reply": _openai("GET", _RUN, lambda: Fault(hang=True)),
    "openai: look reset": _openai("GET", _RUN, lambda: Fault(drop="before")),
    "openai: garbage instead of a look": _openai("GET", _RUN, openai_faults.broken_json),
    "openai: a page instead of a look": _openai("GET", _RUN, openai_faults.html_page),
    "openai: stream breaks at once": _stream(breaks_after=1),
    "openai: stream breaks": _stream(breaks_after=12),
    "openai: stream falls silent": _stream(silent_after=12),
    "slack: post refused with 429": _slack(
        "chat.postMessage", lambda: slack_faults.rate_limited(1)
    ),
    "slack: post refused with 503": _slack("chat.postMessage", slack_faults.server_error),
    "slack: posted, reply reset": _slack("chat.postMessage", lambda: Fault(drop="after")),
    "slack: not posted, connection reset": _slack("chat.postMessage", lambda: Fault(drop="before")),
    "slack: garbage instead of a post": _slack("chat.postMessage", slack_faults.broken_json),
    **_slack_drafts(),
    "slack: status refused with 429": _slack(
        "assistant.threads.setStatus", lambda: slack_faults.rate_limited(1)
    ),
    "slack: history refused with 503": _slack("conversations.replies", slack_faults.server_error),
    "slack: no socket with 503": _slack("apps.connections.open", slack_faults.server_error),
    "discord: post refused with 429": _discord("POST", _MESSAGES, DiscordFault(retry_after=0.5)),
    "discord: post refused with 502": _discord("POST", _MESSAGES, DiscordFault(status=502)),
    "discord: posted, reply reset": _discord("POST", _MESSAGES, DiscordFault(drop="after")),
    "discord: not posted, connection reset": _discord(
        "POST", _MESSAGES, DiscordFault(drop="before")
    ),
    "discord: edit refused with 429": _discord("PATCH", _MESSAGE, DiscordFault(retry_after=0.5)),
    "discord: edit refused with 502": _discord("PATCH", _MESSAGE, DiscordFault(status=502)),
    "discord: edited, reply reset": _discord("PATCH", _MESSAGE, DiscordFault(drop="after")),
    "discord: not edited, connection reset": _discord(
        "PATCH", _MESSAGE, DiscordFault(drop="before")
    ),
    "discord: deletion refused with 502": _discord("DELETE", _MESSAGE, DiscordFault(status=502)),
    "discord: history refused with 502": _discord("GET", _MESSAGES, DiscordFault(status=502)),
    "discord: thread refused with 429": _discord(
        "POST", f"{_MESSAGES}/{{message}}/threads", DiscordFault(retry_after=0.3)
    ),
    "discord: thread opened, reply reset": _discord(
        "POST", f"{_MESSAGES}/{{message}}/threads", DiscordFault(drop="after")
    ),
}


async def _slack_drop(stage: "Stage") -> None:
    stage.slack.drop_sockets()


async def _slack_disconnect(stage: "Stage") -> None:
    with contextlib.suppress(ConnectionError):  # of a process that was killed just now
        await stage.slack.disconnect()


async def _discord_drop(stage: "Stage") -> None:
    await stage.discord.gateway.close_sockets(4000)


async def _discord_lose(stage: "Stage") -> None:
    await stage.discord.gateway.close_sockets(4009, lose_sessions=True)


async def _discord_reconnect(stage: "Stage") -> None:
    await stage.discord.gateway.ask_to_reconnect()


DISTURBANCES: "Final[dict[str, Callable[[Stage], Awaitable[None]]]]" = {
    "slack: sockets dropped": _slack_drop,
    "slack: asked to connect anew": _slack_disconnect,
    "discord: gateway dropped": _discord_drop,
    "discord: session lost": _discord_lose,
    "discord: asked to reconnect": _discord_reconnect,
}


def spare_drafts(stage: "Stage") -> None:
    """Take back what was ordered before and is still to befall drafts.

    Where a process is to die of a draft there may be no more than two or three, and what is left of
    some waves is enough to keep each of them from growing.
    """
    stage.openai.stream_troubles.clear()
    for method in (*_GROWING.values(), "chat.postMessage"):
        stage.slack.heal(method)
    for method, route in (("POST", _MESSAGES), ("PATCH", _MESSAGE)):
        stage.discord.heal(method, route)
