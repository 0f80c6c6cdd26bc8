"""What to say of a server that gave no usable reply: which one it is, and what happened.

Only its address and the kind of failure are named: what a server says may quote a key or somebody's
question.
"""

import os
import socket
import ssl
from collections.abc import Iterator

import openai

NOT_USABLE = (
    "The server's reply is not one of OpenAI's API. If that stays so, check OPENAI_BASE_URL."
)

# The SDK hides the HTTP library that it uses, which may be another one some day: its exceptions are
# told apart by name. Whatever else ends a wait ends the wait for the reply.
_PHASES = {"ConnectTimeout": "connect", "WriteTimeout": "write", "PoolTimeout": "pool"}
_NO_CONNECTION = "ConnectError"


def describe(error: openai.APIError) -> str:
    """Say what happened, in one sentence."""
    address = _address(error)
    cause = type(error.__cause__).__name__
    match error:
        case openai.APIStatusError():
            return f"{address} answered HTTP {error.status_code}."
        case openai.APITimeoutError():
            limits = error.request.extensions.get("timeout", {})
            seconds = limits.get(_PHASES.get(cause, "read"))
            return f"{address} did not answer in {f'{seconds:g} s' if seconds else 'time'}."
        case openai.APIConnectionError() if cause == _NO_CONNECTION:
            reasons = (_reason(below) for below in _chain(error))
            reason = next(filter(None, reasons), "no connection")
            return f"{address} cannot be reached ({reason})."
        case openai.APIConnectionError():
            return f"{address} broke the connection off."
        case _:
            return NOT_USABLE


def _address(error: openai.APIError) -> str:
    """Return host and port, without the name and password that an address may hold."""
    url = error.request.url
    host = url.netloc.decode()
    return host if url.port else f"{host}:{80 if url.scheme == 'http' else 443}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Walk down to what an error came from; a name with two addresses fails twice."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return "its certificate is not trusted"
        case ssl.SSLError():
            return "no TLS connection"
        case socket.gaierror():
            return "its name is not known"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return None
