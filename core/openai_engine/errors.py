"""What the OpenAI SDK raises, in the words of core.

The messages that leave here are our own: those of a server may quote a key or a question.
"""

import json
import logging
import math
import re
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import openai
from openai.pagination import AsyncConversationCursorPage, AsyncCursorPage

from core.errors import (
    ConversationGone,
    ConversationLocked,
    ConversationTooLong,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
    FilesRefused,
)
from core.openai_engine.file_troubles import may_be_about_files, trouble
from core.openai_engine.outage import NOT_USABLE, describe

log = logging.getLogger(__name__)

T = TypeVar("T")
PageT = TypeVar("PageT", AsyncCursorPage[Any], AsyncConversationCursorPage[Any])

REFUSES_THE_FILE = {400, 413, 415, 422}  # statuses that are about one file, not about all of them
OUT_OF_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")

# A conversation in which a run stopped half way refuses every question from then on: a call without
# its output, an output without its call, or a reasoning item without what it led to.
POISONED = re.compile(r"no tool (output|call) found for|without its required", re.IGNORECASE)
OPEN_CALL = re.compile(r"no tool output found for function call\W+([\w-]{1,100})", re.IGNORECASE)
TOO_LONG = re.compile(r"context window|(maximum|model'?s) context length", re.IGNORECASE)
LOCKED = re.compile(r"operating on this conversation", re.IGNORECASE)
BLOCKED_PERSON = re.compile(r"safety.identifier|identifier.(is.)?blocked", re.IGNORECASE)
NOT_THERE = re.compile(r"not found|does not exist|no such", re.IGNORECASE)


@contextmanager
def translate_errors(*, in_conversation: bool = False, files: Sequence[str] = ()) -> Iterator[None]:
    """Let nothing out but errors of core.

    Raises EngineBusy, EngineUnreachable, EngineRefused, ConversationLocked, ConversationGone or
    ConversationTooLong, with the SDK's error as the cause. `in_conversation` says that the request
    names a conversation: something missing is taken for that then, unless the server says what else
    it is. `files` are uploads that the request names: then FilesRefused is raised, too.
    """
    try:
        yield
    except openai.APIStatusError as error:
        raise _of_status(error, in_conversation, files) from error
    except openai.APIError as error:  # no connection, no reply in time, or not a usable one
        raise EngineUnreachable(describe(error)) from error
    # The SDK lets broken JSON through, and such as is nested too deeply.
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EngineUnreachable(NOT_USABLE) from error
    except (openai.OpenAIError, openai.InvalidWebhookSignatureError) as error:
        kind = type(error).__name__
        raise EngineRefused(f"The OpenAI SDK gave up: {kind}.", reason="sdk_error") from error


def refuses_streams(error: openai.APIStatusError) -> bool:
    """Whether a request was refused because it asks for a stream; it had no effect then."""
    return error.status_code in (400, 422, 501) and "stream" in str(error.body or error).lower()


def usable(expected: type[T], reply: object) -> T:
    """Return `reply` if it is what was asked for, else raise EngineUnreachable.

    The SDK checks little: a body that is not JSON (an error page of a proxy, with status 200) comes
    back as a `str`, and missing fields as None.
    """
    if isinstance(reply, expected) and getattr(reply, "id", True):
        return reply
    raise EngineUnreachable(NOT_USABLE)


async def page_of(request: Awaitable[PageT]) -> PageT:
    """Return a page of a list. The SDK takes any body for one, and stumbles over some."""
    try:
        return await request
    except (AttributeError, TypeError) as error:
        raise EngineUnreachable(NOT_USABLE) from error


def entries_of(page: PageT) -> Sequence[object]:
    """Return what is on a page if there is a list on it, else raise EngineUnreachable."""
    entries: object = getattr(page, "data", None)
    if not isinstance(entries, list):
        raise EngineUnreachable(NOT_USABLE)
    return entries


def is_missing(error: openai.APIStatusError) -> bool:
    """Return whether a server says that it does not have something: some do so with 400."""
    said_so = error.status_code == 400 and NOT_THERE.search(_message(error)) is not None
    return error.status_code == 404 or said_so


def is_poisoned(said: str) -> bool:
    """Return whether a server says that it can go on with a conversation no more."""
    return POISONED.search(said) is not None


def is_too_long(code: object, said: str) -> bool:
    """Return whether a server says that a conversation does not fit the model."""
    return code == "context_length_exceeded" or TOO_LONG.search(said) is not None


def open_call(error: openai.APIStatusError) -> str | None:
    """Return the call that a server waits for the output of; None where that is not the trouble."""
    named = OPEN_CALL.search(_message(error))
    return named and named[1]


def said_by(error: openai.APIStatusError) -> str:
    """Return what a server says of an error, and its kind, to look for words in; never shown."""
    return f"{error.type} {_message(error)}"


def short_code(code: object, default: str) -> str:
    """Return a server's error code if it is fit for logs and reports, else `default`."""
    return code if isinstance(code, str) and re.fullmatch(r"[\w.-]{1,64}", code) else default


def _of_status(
    error: openai.APIStatusError, in_conversation: bool, files: Sequence[str]
) -> EngineError:
    # Busy conversations are 400 at OpenAI and 409 elsewhere: the code is what they share, and a
    # proxy may have lost even that.
    if error.code == "conversation_locked" or LOCKED.search(_message(error)):
        return ConversationLocked()
    if error.code in OUT_OF_QUOTA or error.type in OUT_OF_QUOTA:
        return EngineRefused(
            "The OpenAI account has no quota left: check its plan and billing.",
            reason="insufficient_quota",
        )
    match error.status_code:
        case 409 | 429:
            return EngineBusy(_retry_after(error.response.headers))
        case status if status == 408 or status >= 500:
            return EngineUnreachable(describe(error))
        case 401:
            return EngineRefused(
                "OpenAI does not accept the key: check OPENAI_API_KEY.", reason="unauthorized"
            )
        case 403:
            return _of_forbidden(error)
        case status if (of_files := _of_files(error, in_conversation, files)) is not None:
            return of_files
        case 404:
            missing = _of_missing(error)
            if missing is None and in_conversation:
                return ConversationGone()
            return missing or EngineRefused(
                "OpenAI does not have what was asked for.", reason="not_found"
            )
        case _:
            return _of_bad_request(error, files)


def _of_files(
    error: openai.APIStatusError, in_conversation: bool, files: Sequence[str]
) -> EngineError | None:
    """Return the error for files in the input; None where it is about something else."""
    said = _message(error)
    if error.status_code not in (*REFUSES_THE_FILE, 404) or is_too_long(error.code, said):
        return None
    if not (files or in_conversation) or is_poisoned(said):
        return None
    said = f"{error.param or ''} {said}"
    return trouble(error.code, said, files, in_conversation=in_conversation)


def _of_forbidden(error: openai.APIStatusError) -> EngineRefused:
    if BLOCKED_PERSON.search(f"{error.code} {error.param} {_message(error)}"):
        return EngineRefused(
            "OpenAI does not serve this person any more: its safety checks stopped them.",
            reason="identifier_blocked",
        )
    return EngineRefused(
        "OpenAI does not let this key do that: check the permissions of the key and of its "
        "project, and whether OpenAI serves your region.",
        reason="forbidden",
    )


def _of_missing(error: openai.APIStatusError) -> EngineError | None:
    """Return the error for what a server names as missing; None where it names nothing we know."""
    about = f"{error.code} {error.param} {_message(error)}".lower()
    if re.search(r"\bmodel", about):
        return EngineRefused(
            "OpenAI has no such model for this key: check OPENAI_MODEL.", reason="model_not_found"
        )
    if "vector store" in about or "vector_store" in about:
        return EngineRefused(
            "The vector store with the documentation is gone: check OPENAI_VECTOR_STORE_ID, "
            "then run `docent refresh`.",
            reason="vector_store_not_found",
        )
    return ConversationGone() if "conversation" in about else None


def _of_bad_request(error: openai.APIStatusError, files: Sequence[str]) -> EngineError:
    if is_too_long(error.code, _message(error)):
        return ConversationTooLong()
    if is_poisoned(_message(error)):
        return ConversationGone("The conversation holds half of something, and cannot go on.")
    names_it = error.code in ("model_not_found", "conversation_not_found") or is_missing(error)
    if names_it and (missing := _of_missing(error)):
        return missing
    reason = short_code(error.code, "bad_request")
    may_be = may_be_about_files(error.code, _message(error), error.param)
    if files and may_be and error.status_code in REFUSES_THE_FILE:
        log.info("Refused with files, in unknown words", extra={"reason": reason})
        return FilesRefused()
    param = short_code(error.param, "")
    hint = f" Check the setting behind `{param}`." if param else ""
    return EngineRefused(
        f"OpenAI refused the request ({error.status_code} {reason}).{hint}", reason=reason
    )


def _message(error: openai.APIStatusError) -> str:
    """Return what the server says, to look for words in; it is never shown."""
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail")
    return body if isinstance(body, str) else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, however long, or None where it names none."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[header]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        until = parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, until.timestamp() - time.time())
