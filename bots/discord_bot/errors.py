"""The one place where exceptions of discord.py become ours. No call is made here."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Final

import aiohttp
import discord

from core.errors import (
    MessageGone,
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)

# Codes of Discord's JSON errors that are dealt with one by one.
UNKNOWN_CHANNEL: Final = 10003
MISSING_PERMISSIONS: Final = 50013
NOT_FOR_MESSAGES: Final = (50008, 50024)  # of a forum, say
NO_REPLY_WITHOUT_HISTORY: Final = 160002
THREAD_EXISTS: Final = 160004

_GONE: Final = {
    UNKNOWN_CHANNEL: "its channel does not exist",
    10004: "its server does not exist",
    50001: "the bot may not see its channel",
    50007: "the person takes no messages from the bot",
    50083: "it is archived",
    160005: "it is locked",
}
_UNKNOWN_MESSAGE: Final = 10008
_OVERLOADED: Final = 130000
#: With the status 401; another code there is of an interaction, whose token is another one.
_UNAUTHORIZED: Final = (0, 40001, 50014)
#: Close codes of the gateway after which connecting again does not help.
_TOKEN_REFUSED: Final = 4004
_WRONG_SHARD: Final = 4010
_SHARDS_NEEDED: Final = 4011
_INTENT_REFUSED: Final = 4014

_TOKEN_HINT: Final = (
    "Check DISCORD_TOKEN: it stands in the Discord developer portal under Bot, Reset Token."  # noqa: S105 - no secret
)
_INTENT_HINT: Final = (
    "Switch it on in the Discord developer portal under Bot, Privileged Gateway Intents, Message "
    "Content Intent, or set DISCORD_MESSAGE_CONTENT=false."
)
_SHARD_HINTS: Final = {
    _WRONG_SHARD: "Check DISCORD_SHARDS: of `0-1/4`, 4 is the number of all shards, in all "
    "processes together, and the others count from 0.",
    _SHARDS_NEEDED: "The bot is in too many servers for so few connections: set "
    "DISCORD_SHARDS to a greater number.",
}
_PERMISSION_HINT: Final = (
    "Give the bot's role the permissions that `docent manifest discord` lists, in that channel too."
)

# The address of a response to a command holds a token, with which anybody can write there.
_TOKEN: Final = re.compile(r"(?<=/)((?:webhooks|interactions)/[^/]+)/[^/]+")


@contextmanager
def translated() -> Iterator[None]:
    """Raise what discord.py raises as PlatformBusy, -Unreachable, -Refused or ThreadGone."""
    try:
        yield
    except discord.RateLimited as error:
        raise PlatformBusy(error.retry_after) from error
    except discord.HTTPException as error:
        raise _from_reply(error) from error
    except discord.LoginFailure as error:
        raise _token_refused() from error
    except discord.PrivilegedIntentsRequired as error:
        raise closed_for_good(_INTENT_REFUSED) from error
    except discord.ConnectionClosed as error:
        raise closed_for_good(error.code) from error
    except discord.GatewayNotFound as error:
        raise PlatformUnreachable(_no_way(error)) from error
    except discord.DiscordException as error:
        raise PlatformRefused(f"discord.py refused the call ({type(error).__name__}).") from error
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        raise PlatformUnreachable(_no_way(error)) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # discord.py trusts a reply to be what Discord sends; one that is not ends in any of these.
        raise PlatformUnreachable(f"Discord's reply cannot be read ({_origin(error)}).") from error


def closed_for_good(code: int) -> PlatformRefused:
    """Say why the gateway closed the socket with a code that will come again."""
    if code == _TOKEN_REFUSED:
        return _token_refused()
    if code == _INTENT_REFUSED:
        return PlatformRefused("The message content intent is not switched on.", _INTENT_HINT)
    hint = _SHARD_HINTS.get(code, "")
    return PlatformRefused(f"Discord's gateway refused the bot (close code {code}).", hint)


def _token_refused() -> TokenRefused:
    return TokenRefused("Discord refused the token.", _TOKEN_HINT)


def _from_reply(error: discord.HTTPException) -> PlatformError:
    if error.status == 429:  # not slept out by discord.py: Cloudflare's, or a webhook's
        return PlatformBusy(_seconds(error.response.headers.get("Retry-After")))
    if error.status >= 500 or error.code == _OVERLOADED:
        return PlatformUnreachable(f"Discord is out of order ({_call(error)}).")
    if error.status == 401 and error.code in _UNAUTHORIZED:
        return _token_refused()
    if error.code == _UNKNOWN_MESSAGE:
        return MessageGone()
    if error.code in _GONE:
        return ThreadGone(f"The thread cannot be reached: {_GONE[error.code]}.")
    if error.code == MISSING_PERMISSIONS:
        return PlatformRefused("The bot lacks a permission on Discord.", _PERMISSION_HINT)
    return PlatformRefused(f"Discord refused the request ({_call(error)}, code {error.code}).")


def _no_way(error: Exception) -> str:
    return f"Discord cannot be reached ({type(error).__name__})."


def _origin(error: Exception) -> str:
    """Say where a reply lacked something; the error's own text may be somebody's words."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {PurePath(frame.filename).name}, line {frame.lineno}"


def _call(error: discord.HTTPException) -> str:
    """Name the call that Discord did not do, and its status, without tokens."""
    request = error.response
    path = _TOKEN.sub(r"\1/…", request.url.path)
    return f"{request.method} {path}: HTTP {error.status}"


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header is not None else None
    except ValueError:
        return None
