"""The one place where exceptions of Slack's SDK become ours. No call is made here."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from core.errors import (
    DraftStopped,
    MessageGone,
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)

BOT_TOKEN: Final = "SLACK_BOT_TOKEN"  # noqa: S105 - names of settings, not secrets
APP_TOKEN: Final = "SLACK_APP_TOKEN"  # noqa: S105

_TOKEN_HINTS: Final = {
    BOT_TOKEN: "Check SLACK_BOT_TOKEN: it begins with xoxb- and stands under OAuth & Permissions "
    "of the Slack app, once the app is installed.",
    APP_TOKEN: "Check SLACK_APP_TOKEN: it begins with xapp-, has the scope connections:write and "
    "stands under Basic Information, App-Level Tokens; Socket Mode must be on.",
}
_BAD_TOKEN: Final = frozenset(
    {
        "account_inactive",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
_BUSY: Final = frozenset({"message_limit_exceeded", "rate_limited", "ratelimited"})
_GONE: Final = frozenset(
    {
        "access_denied",
        "cannot_reply_to_message",
        "channel_is_archived",
        "channel_not_found",
        "invalid_thread_ts",
        "is_archived",
        "is_inactive",
        "messages_tab_disabled",
        "no_permission",  # "make sure that your app is a member of the conversation"
        "not_in_channel",
        "thread_not_found",
        "user_disabled",
        "user_not_found",
    }
)
#: Slack's own trouble, reported with status 200.
_TROUBLE: Final = frozenset(
    {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
)
_CODE: Final = re.compile(r"[a-z0-9_:.,-]{1,100}")


class BlocksRefused(PlatformRefused):
    """The blocks are not taken in this workspace; the same text without them may be."""


class StillStreaming(PlatformRefused):
    """The message is being streamed, and cannot be changed otherwise."""


class NotStreaming(PlatformRefused):
    """The message is not being streamed, or no longer."""


class MissingScope(PlatformRefused):
    """The app was installed without the scope that the call needs."""


class FileGone(PlatformRefused):
    """The file is gone."""


_REFUSALS: Final[Mapping[str, type[PlatformRefused]]] = {
    "streaming_state_conflict": StillStreaming,
    "message_not_in_streaming_state": NotStreaming,
    "stopped_by_user": DraftStopped,  # Slack itself offers that while an answer is streamed
    "file_deleted": FileGone,
    "file_not_found": FileGone,
    "invalid_blocks": BlocksRefused,
    "invalid_blocks_format": BlocksRefused,
    "msg_blocks_too_long": BlocksRefused,
}


@contextmanager
def translated(token: str = BOT_TOKEN) -> Iterator[None]:
    """Raise what the SDK raises as PlatformBusy, -Unreachable, -Refused (where it is the token:
    TokenRefused) or ThreadGone.

    `token` is the setting whose secret the call carries; a refused token is reported by its name.
    """
    try:
        yield
    except SlackApiError as error:
        # Not chained: the text of the SDK's error is the whole reply.
        raise _from_reply(error, token) from None
    except SlackClientError as error:
        raise PlatformRefused("Slack's SDK refused the request.") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = type(error).__name__
        raise PlatformUnreachable(f"Slack cannot be reached ({reason}).") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # The SDK trusts a reply to be a JSON object; one that is not ends in any of these.
        raise PlatformUnreachable("Slack's reply cannot be read.") from error


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raise PlatformUnreachable where the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise PlatformUnreachable("Slack took too long to reply.") from None


def _from_reply(error: SlackApiError, token: str) -> PlatformError:
    status, body, headers = _reply(error)
    code = body.get("error")
    if status == 429 or code in _BUSY:
        return PlatformBusy(_seconds(headers.get("Retry-After")))
    if status >= 500 or code in _TROUBLE:
        return PlatformUnreachable()
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return (
            PlatformUnreachable("Slack's reply cannot be read.") if status == 200 else _odd(status)
        )
    if code == "message_not_found":
        return MessageGone()
    if code in _REFUSALS:
        return _REFUSALS[code](f"Slack refused the request ({code}).")
    if code in _GONE or code.startswith("restricted_action"):
        return ThreadGone(f"Slack does not let the bot in there ({code}).")
    if code in _BAD_TOKEN:
        return TokenRefused(f"Slack refused the token ({code}).", _TOKEN_HINTS[token])
    if code == "missing_scope":
        return MissingScope("Slack misses a scope.", _scope_hint(body.get("needed")))
    return PlatformRefused(f"Slack refused the request ({code}).")


def _reply(error: SlackApiError) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
    """Status, body and headers; for a body that is no JSON the SDK hands over aiohttp's reply."""
    response = error.response
    if isinstance(response, AsyncSlackResponse):
        body = response.data if isinstance(response.data, dict) else {}
        return response.status_code, body, response.headers
    return getattr(response, "status", 200), {}, getattr(response, "headers", {})


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header) if header is not None else math.nan
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _odd(status: int) -> PlatformError:
    return PlatformRefused(f"Slack refused the request (HTTP {status}).")


def _scope_hint(needed: object) -> str:
    scope = needed if isinstance(needed, str) and _CODE.fullmatch(needed) else "that is missing"
    return (
        f"Give the Slack app the scope {scope} and install it again; "
        "`docent manifest slack` prints all that it needs."
    )
