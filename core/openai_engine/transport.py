"""How the OpenAI SDK's requests reach the network: over aiohttp, which takes a third of the time.

The SDK's own way costs more than all else about a look at a run. Errors leave here as those of the
SDK's HTTP library, which it expects, with their causes.
"""

import asyncio
import io
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import aiohttp
import httpx2
import openai
from yarl import URL

CONNECTIONS = 1_000  # at once, as the SDK has it
IDLE_SECONDS = 5.0  # a connection that was idle for longer is not used again: it may be closed
GATHERED_BYTES = 2_000  # that are worth a wake-up, of a body that is gathered: some eight words
GATHERED_SECONDS = 0.5  # after which fewer are, too
LAST_SECONDS = 0.2  # for the rest of a body that nobody waits for


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests over one aiohttp session, each once."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        """`tls` is for addresses that begin with https."""
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None  # made while the event loop runs
        self._late = _Late()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; its response is read by whoever takes it. Raises as httpx2 does."""
        session = self._session = self._session or self._open()
        body = await request.aread()
        with _translated():
            response = await session.request(
                request.method,
                # A name and password in it are in a header by now.
                URL(str(request.url), encoded=True).with_user(None),
                headers=request.headers.multi_items(),
                data=io.BytesIO(body) if body else None,  # in pieces, where it is large
                allow_redirects=False,
                timeout=_timeout(request),
            )
        stream = _Body(response, self._late)
        return httpx2.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=stream,
            request=request,
            extensions={
                "http_version": b"HTTP/1.1",
                "gather": stream.gather,
                "finish": stream.finish,
            },
        )

    async def aclose(self) -> None:
        """Close the session."""
        self._late.close()
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        tls = True if self._tls is None else self._tls
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=tls, limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS
            ),
            # Both are the SDK's: it unpacks what it asked to be packed, and keeps no cookies.
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        # Else it sends what it takes for harmless a second time by itself.
        session._retry_connection = False
        return session


@contextmanager
def as_sdk_errors(request: httpx2.Request) -> Iterator[None]:
    """Let errors on the way out as those of the SDK, for requests that do not go through it."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise openai.APITimeoutError(request=request) from error
    except httpx2.HTTPError as error:
        raise openai.APIConnectionError(request=request) from error


def gather(response: httpx2.Response, *, wanted: bool) -> None:
    """Say whether the next piece of a body is to be a large one, where the system can do that.

    A wake-up for each word costs more than the word. It holds until it is said otherwise; a piece
    that is large already is read at once all the same.
    """
    gather = response.extensions.get("gather")  # none where another transport is at work
    if gather is not None:
        gather(wanted)


def finish(response: httpx2.Response) -> bool:
    """Read no more of a body that is at its end but for its last bytes, where that can be done.

    Iterating over it ends. Where its end comes within LAST_SECONDS, its connection is used again;
    else it is closed then. False where another transport is at work: nothing has changed then.
    """
    finish = response.extensions.get("finish")
    if finish is not None:
        finish()
    return finish is not None


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, late: "_Late") -> None:
        self._response = response
        self._late = late
        self._gathering: _Gathering | None = None
        self._is_finished = False

    def gather(self, wanted: bool) -> None:
        connection = self._response.connection
        if self._gathering is not None:
            self._gathering.set(wanted)
        elif wanted and connection is not None and connection.transport is not None:
            self._gathering = _Gathering(connection.transport)
            self._gathering.set(wanted)

    def finish(self) -> None:
        self._is_finished = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for chunk in self._response.content.iter_any():
                yield chunk
                if self._is_finished:
                    return

    async def aclose(self) -> None:
        # The next reply on the connection may be a short one. It may have begun already, but Linux
        # looks again when this is set.
        self.gather(False)
        if self._is_finished and not self._response.content.is_eof():
            self._late.add(self._response)
        else:
            self._response.close()  # one that was read to its end has given its connection back


class _Late:
    """Responses whose last bytes are still to come, for which nobody waits.

    The session takes them in, and gives the connection back at the end.
    """

    def __init__(self) -> None:
        self._timers: dict[aiohttp.ClientResponse, asyncio.TimerHandle] = {}

    def add(self, response: aiohttp.ClientResponse) -> None:
        loop = asyncio.get_running_loop()
        self._timers[response] = loop.call_later(LAST_SECONDS, self._close, response)
        response.content.on_eof(partial(self._end, response))

    def close(self) -> None:
        for response in list(self._timers):
            self._close(response)

    def _close(self, response: aiohttp.ClientResponse) -> None:
        self._end(response)
        response.close()

    def _end(self, response: aiohttp.ClientResponse) -> None:
        timer = self._timers.pop(response, None)
        if timer is not None:
            timer.cancel()


class _Gathering:
    """Lets bytes wait in the system until there are enough, or for long enough."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._socket = transport.get_extra_info("socket")
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._least = 1

    def set(self, wanted: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wait_for(GATHERED_BYTES if wanted else 1)
        if wanted:
            self._timer = self._loop.call_later(GATHERED_SECONDS, self._wait_for, 1)

    def _wait_for(self, least: int) -> None:
        if least != self._least and sys.platform == "linux":  # elsewhere nobody looks again
            self._least = least
            with suppress(OSError):  # it is closed
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)


def _timeout(request: httpx2.Request) -> aiohttp.ClientTimeout:
    limits = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(
        total=None,
        connect=limits.get("pool"),
        sock_connect=limits.get("connect"),
        sock_read=limits.get("read"),
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Let out only errors of httpx2, with the cause that tells most."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout("no connection in time") from error
    except TimeoutError as error:
        raise httpx2.ReadTimeout("no reply in time") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise httpx2.ConnectError("no connection") from error.certificate_error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError("no connection") from error.os_error
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: of an odd reply
        raise httpx2.ReadError("the connection broke") from error
