"""Exceptions of discord.py and what is under it become ours, each of them."""

from collections.abc import Iterator

import aiohttp
import discord
import discord.app_commands
import pytest
from multidict import CIMultiDict
from yarl import URL

from bots.discord_bot.errors import translated
from core.errors import (
    MessageGone,
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)


class Response:
    """As much of aiohttp's response as discord.py looks at."""

    method = "PATCH"
    url = URL("https://discord.com/api/v10/channels/1/messages/2?limit=3")

    def __init__(self, status: int, **headers: str) -> None:
        self.status = status
        self.reason = "because"
        self.headers = CIMultiDict(headers)


def reply(status: int, code: int = 0, **headers: str) -> discord.HTTPException:
    body = {"code": code, "message": "the text of Discord"}
    return discord.HTTPException(Response(status, **headers), body)


def translate(error: BaseException) -> PlatformError:
    with pytest.raises(PlatformError) as caught, translated():
        raise error
    return caught.value


def every_exception_of_discord_py() -> Iterator[type[discord.DiscordException]]:
    found = [discord.DiscordException]
    while found:
        kind = found.pop()
        yield kind
        found += kind.__subclasses__()


@pytest.mark.parametrize("kind", sorted(set(every_exception_of_discord_py()), key=repr))
def test_every_exception_of_discord_py_is_translated(kind):
    error = kind.__new__(kind)
    # What the constructors set, which differ too much to be called alike.
    error.status, error.code, error.retry_after, error.response = 400, 0, 40.0, Response(400)
    assert isinstance(translate(error), PlatformError)


def test_there_are_exceptions_to_enumerate():
    assert len(set(every_exception_of_discord_py())) > 30


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        discord.GatewayNotFound(),
        TypeError("string indices must be integers"),
        KeyError("id"),
        ValueError("no JSON"),
        reply(500),
        reply(503),
    ],
    ids=repr,
)
def test_no_usable_reply_leaves_open_whether_it_worked(error):
    assert type(translate(error)) is PlatformUnreachable


def test_a_rate_limit_says_how_long_to_wait():
    assert translate(discord.RateLimited(42.5)).retry_after == 42.5
    assert translate(reply(429, **{"Retry-After": "7"})).retry_after == 7.0
    assert translate(reply(429)).retry_after is None
    assert translate(reply(429, **{"Retry-After": "soon"})).retry_after is None
    assert type(translate(reply(429))) is PlatformBusy


@pytest.mark.parametrize("code", [10003, 10004, 50001, 50007, 50083, 160005])
def test_a_thread_that_is_gone_or_closed_to_the_bot_is_gone(code):
    assert type(translate(reply(404, code))) is ThreadGone


def test_a_message_that_is_gone_is_told_apart_from_its_thread():
    assert type(translate(reply(404, 10008))) is MessageGone


def test_a_refusal_says_what_to_do():
    assert "docent manifest discord" in translate(reply(403, 50013)).hint
    assert "DISCORD_TOKEN" in translate(reply(401)).hint
    assert "DISCORD_TOKEN" in translate(discord.LoginFailure()).hint
    intents = translate(discord.PrivilegedIntentsRequired(None))
    assert "DISCORD_MESSAGE_CONTENT=false" in intents.hint
    assert "Privileged Gateway Intents" in intents.hint


def test_an_expired_interaction_is_not_taken_for_a_bad_token():
    assert "DISCORD_TOKEN" not in str(translate(reply(401, 50027)))


def test_what_discord_wrote_is_not_repeated():
    for status in (400, 401, 403, 404):
        error = translate(reply(status))
        assert type(error) is (TokenRefused if status == 401 else PlatformRefused)
        assert "the text of Discord" not in str(error)


def test_a_refusal_names_the_call():
    said = str(translate(reply(404)))
    assert said == (
        "Discord refused the request (PATCH /api/v10/channels/1/messages/2: HTTP 404, code 0)."
    )
    assert "PATCH /api/v10/channels/1/messages/2: HTTP 503" in str(translate(reply(503)))


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("webhooks/1/sec-ret_1", "webhooks/1/…"),
        ("webhooks/1/sec-ret_1/messages/@original", "webhooks/1/…/messages/@original"),
        ("interactions/2/sec-ret_1/callback", "interactions/2/…/callback"),
        ("channels/3/messages", "channels/3/messages"),
    ],
)
def test_a_call_is_named_without_its_token(path, named):
    error = reply(400)
    error.response.url = URL(f"http://127.0.0.1:8080/api/v10/{path}")
    said = str(translate(error))
    assert f"PATCH /api/v10/{named}: HTTP" in said
    assert "sec-ret_1" not in said


def test_a_reply_that_cannot_be_read_says_where_but_not_what_was_in_it():
    error = translate(KeyError("words of a person"))
    assert "KeyError in test_discord_errors.py, line " in str(error)
    assert "words" not in str(error)


def test_our_own_errors_pass():
    with pytest.raises(ThreadGone), translated():
        raise ThreadGone
