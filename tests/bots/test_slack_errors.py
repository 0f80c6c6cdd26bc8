import inspect
from typing import Any

import aiohttp
import pytest
import slack_sdk.errors
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.slack_bot.errors import APP_TOKEN, FileGone, MissingScope, translated
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)


def refusal(data: Any, status: int = 200, **headers: str) -> SlackApiError:
    response = AsyncSlackResponse(
        client=None,
        http_verb="POST",
        api_url="https://slack.example/api/chat.postMessage",
        req_args={},
        data=data,
        headers=headers,
        status_code=status,
    )
    return SlackApiError("The request to the Slack API failed.", response)


def translate(error: Exception, **token: str) -> PlatformError:
    with pytest.raises(PlatformError) as raised, translated(**token):
        raise error
    return raised.value


def family(base: type[Exception]) -> set[type[Exception]]:
    return {base}.union(*(family(child) for child in base.__subclasses__()))


def test_every_exception_of_the_sdk_is_translated() -> None:
    named = {
        kind
        for _, kind in inspect.getmembers(slack_sdk.errors, inspect.isclass)
        if issubclass(kind, Exception)
    }
    kinds = named | family(SlackClientError)
    assert len(kinds) >= 8
    for kind in kinds - {SlackApiError}:
        assert isinstance(translate(kind.__new__(kind)), PlatformRefused), kind


def test_every_way_in_which_a_connection_fails_is_unreachable() -> None:
    for kind in family(aiohttp.ClientError) | {TimeoutError, ConnectionResetError, OSError}:
        assert isinstance(translate(kind.__new__(kind)), PlatformUnreachable), kind


@pytest.mark.parametrize(
    "error",
    [AttributeError("get"), KeyError("ts"), TypeError(), UnicodeDecodeError("u", b"", 0, 1, "")],
)
def test_a_reply_that_the_sdk_stumbles_over_is_unreachable(error: Exception) -> None:
    assert isinstance(translate(error), PlatformUnreachable)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("3600", 3600.0),
        ("-1", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        (None, None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(header: str | None, seconds: float | None) -> None:
    headers = {} if header is None else {"Retry-After": header}
    busy = translate(refusal({"ok": False, "error": "ratelimited"}, 429, **headers))
    assert isinstance(busy, PlatformBusy)
    assert busy.retry_after == seconds


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ratelimited", PlatformBusy),
        ("channel_not_found", ThreadGone),
        ("not_in_channel", ThreadGone),
        ("thread_not_found", ThreadGone),
        ("is_archived", ThreadGone),
        ("restricted_action_thread_locked", ThreadGone),
        ("restricted_action_read_only_channel", ThreadGone),
        ("rate_limited", PlatformBusy),
        ("message_limit_exceeded", PlatformBusy),
        ("no_permission", ThreadGone),
        ("cannot_reply_to_message", ThreadGone),
        ("invalid_auth", TokenRefused),
        ("not_authed", TokenRefused),
        ("token_revoked", TokenRefused),
        ("account_inactive", TokenRefused),
        ("missing_scope", MissingScope),
        ("file_not_found", FileGone),
        ("file_deleted", FileGone),
        ("msg_too_long", PlatformRefused),
        ("an_error_of_tomorrow", PlatformRefused),
        ("internal_error", PlatformUnreachable),
        ("fatal_error", PlatformUnreachable),
        ("service_unavailable", PlatformUnreachable),
    ],
)
def test_a_code_of_slack_becomes_what_the_caller_can_act_on(
    code: str, kind: type[PlatformError]
) -> None:
    assert type(translate(refusal({"ok": False, "error": code}))) is kind


@pytest.mark.parametrize(
    ("data", "status", "kind"),
    [
        ("upstream connect error", 503, PlatformUnreachable),
        ({}, 200, PlatformUnreachable),
        ({"ok": False}, 200, PlatformUnreachable),
        ([], 200, PlatformUnreachable),
        ("not found", 404, PlatformRefused),
    ],
)
def test_a_reply_without_a_code_is_judged_by_its_status(
    data: Any, status: int, kind: type[PlatformError]
) -> None:
    assert type(translate(refusal(data, status))) is kind


def test_a_refused_token_is_reported_by_the_name_of_its_setting() -> None:
    error = refusal({"ok": False, "error": "invalid_auth"})
    bot, app = translate(error), translate(error, token=APP_TOKEN)
    assert isinstance(bot, PlatformRefused)
    assert isinstance(app, PlatformRefused)
    assert "SLACK_BOT_TOKEN" in bot.hint
    assert "SLACK_APP_TOKEN" in app.hint


def test_a_missing_scope_is_named() -> None:
    error = translate(
        refusal({"ok": False, "error": "missing_scope", "needed": "channels:history"})
    )
    assert isinstance(error, PlatformRefused)
    assert "channels:history" in error.hint


def test_what_slack_replied_is_neither_told_nor_chained() -> None:
    error = translate(refusal({"ok": False, "error": "what <is> this", "secret": "xoxb-1"}, 400))
    assert "xoxb-1" not in str(error)
    assert "<is>" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__
