"""How the Slack server delivers requests: Socket Mode or HTTP, acknowledged or sent again."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from servers.slack_workspace import APP, Json

ATTEMPTS = 4  #: the first one and three more, as Slack does
MOST_SOCKETS = 10  #: that are open at a time
ANSWER_SECONDS = 3.0  #: for a slash command, which is never sent again


@dataclass(kw_only=True)
class Delivery:
    """One attempt to hand a request to the bot."""

    kind: str  #: "events_api", "slash_commands" or "interactive"
    payload: Json
    attempt: int = 0
    envelope: str = field(default_factory=lambda: str(uuid.uuid4()))
    sent_at: float | None = None
    acked_at: float | None = None
    status: int | None = None  #: over HTTP, what the bot replied
    reply: Any = None  #: what came with the acknowledgement
    socket: web.WebSocketResponse | None = None  #: that it was sent over
    done: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)  #: done, or its socket is gone

    @property
    def event(self) -> Json:
        """The event in it; empty for a command."""
        event: Json = self.payload.get("event", {})
        return event

    @property
    def takes_reply(self) -> bool:
        """Whether the acknowledgement may say something: to a command, or in a modal."""
        is_view = self.payload.get("type") == "view_submission"
        return is_view or self.kind == "slash_commands"

    @property
    def latency(self) -> float:
        """Seconds from sending to the acknowledgement."""
        assert self.sent_at is not None
        assert self.acked_at is not None
        return self.acked_at - self.sent_at


class Deliveries:
    """Sends requests to the bot and watches for acknowledgements."""

    def __init__(self, tasks: asyncio.TaskGroup, changed: Callable[[], None], secret: str) -> None:
        self.all: list[Delivery] = []
        self.lost: list[Delivery] = []
        self.violations: list[str] = []
        self.redeliver_after: float | None = 3.0
        self.request_url: str | None = None
        self.sockets: list[web.WebSocketResponse] = []
        self._by_envelope: dict[str, Delivery] = {}
        self._transports: dict[web.WebSocketResponse, asyncio.Transport] = {}
        self._tasks = tasks
        self._at_work: set[asyncio.Task[None]] = set()
        self._changed = changed
        self._secret = secret
        self._turn = itertools.count()
        self._connected = asyncio.Event()
        self._http = aiohttp.ClientSession()

    async def close(self) -> None:
        """End what is still to be delivered."""
        for task in self._at_work:
            task.cancel()
        await self._http.close()

    def send(
        self, kind: str, payload: Json, attempt: int = 0, *, repeated: bool = False
    ) -> Delivery:
        """Hand a request over, again and again until it is acknowledged; the first attempt.

        One that comes while no socket is open is lost, unless it was handed over before. What is
        repeated is sent once more, and never again.
        """
        delivery = Delivery(kind=kind, payload=payload, attempt=attempt)
        is_lost = self.request_url is None and not self.sockets and attempt == 0
        if is_lost:
            self.lost.append(delivery)
            return delivery
        send = self._send_once if repeated else self._deliver
        task = self._tasks.create_task(send(delivery))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return delivery

    async def _deliver(self, delivery: Delivery) -> None:
        for attempt in range(delivery.attempt, ATTEMPTS):
            if attempt > delivery.attempt:
                delivery = Delivery(kind=delivery.kind, payload=delivery.payload, attempt=attempt)
            await self._send_once(delivery)
            if delivery.kind != "events_api" or self.redeliver_after is None:
                return
            try:
                async with asyncio.timeout(self.redeliver_after):
                    await delivery.over.wait()
            except TimeoutError:
                continue
            if delivery.done.is_set():
                return

    async def _send_once(self, delivery: Delivery) -> None:
        over = self._over_http if self.request_url else self._over_socket
        await over(delivery)
        self._changed()

    async def _over_socket(self, delivery: Delivery) -> None:
        while not self.sockets:
            self._connected.clear()
            await self._connected.wait()
        socket = self.sockets[next(self._turn) % len(self.sockets)]
        delivery.socket = socket
        envelope = {
            "envelope_id": delivery.envelope,
            "type": delivery.kind,
            "accepts_response_payload": delivery.takes_reply,
            "payload": delivery.payload,
        }
        if delivery.kind == "events_api":
            envelope["retry_attempt"] = delivery.attempt
            envelope["retry_reason"] = "timeout" if delivery.attempt else ""
        self._sent(delivery)
        try:
            await socket.send_json(envelope)
        except ConnectionError:
            self._forget(socket)

    async def _over_http(self, delivery: Delivery) -> None:
        is_event = delivery.kind == "events_api"
        body = json.dumps(delivery.payload)
        if delivery.kind == "interactive":
            body = urlencode({"payload": body})
        elif delivery.kind == "slash_commands":
            body = urlencode(delivery.payload)
        headers = self.signed(body)
        headers["Content-Type"] = (
            "application/json" if is_event else "application/x-www-form-urlencoded"
        )
        if delivery.attempt:
            headers["X-Slack-Retry-Num"] = str(delivery.attempt)
            headers["X-Slack-Retry-Reason"] = "http_error"
        self._sent(delivery)
        try:
            delivery.status, text = await self.post(body, headers)
        except (aiohttp.ClientError, TimeoutError):
            return
        if delivery.status == 200:
            self._acknowledge(delivery, _decoded(text))

    async def post(self, body: str, headers: dict[str, str]) -> tuple[int, str]:
        """Post a body to the bot as it stands; status and body of the reply."""
        assert self.request_url is not None
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with self._http.post(
            self.request_url, data=body.encode(), headers=headers, timeout=timeout
        ) as reply:
            return reply.status, await reply.text()

    def signed(self, body: str, at: float | None = None) -> dict[str, str]:
        """The headers that prove a body to be from Slack."""
        timestamp = str(int(time.time() if at is None else at))
        base = f"v0:{timestamp}:{body}".encode()
        digest = hmac.new(self._secret.encode(), base, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}"}

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one websocket of a client."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self.sockets) >= MOST_SOCKETS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        assert isinstance(request.transport, asyncio.Transport)
        self._transports[socket] = request.transport
        self.sockets.append(socket)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self.sockets),
                "connection_info": {"app_id": APP},
                "debug_info": {"host": "applink-1", "approximate_connection_time": 18060},
            }
        )
        self._connected.set()
        self._changed()
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._receive(message.data)
        finally:
            self._forget(socket)
        return socket

    def drop_sockets(self) -> None:
        """Break every websocket."""
        for socket in self.sockets:
            self._transports[socket].abort()

    def mute_sockets(self) -> None:
        """Read nothing more from any websocket, as when the network is gone."""
        for socket in self.sockets:
            self._transports[socket].pause_reading()
        self.sockets = []

    def _forget(self, socket: web.WebSocketResponse) -> None:
        self.sockets = [other for other in self.sockets if other is not socket]
        self._transports.pop(socket, None)
        for delivery in self.all:
            if delivery.socket is socket:
                delivery.over.set()  # unless it is done, another socket gets it
        self._changed()

    def _receive(self, text: str) -> None:
        try:
            envelope = json.loads(text)["envelope_id"]
        except (ValueError, LookupError, TypeError):
            self.violations.append("a message that is no acknowledgement")
            return
        delivery = self._by_envelope.get(envelope)
        reply = json.loads(text).get("payload")
        if delivery is None:
            self.violations.append("an acknowledgement of an unknown envelope")
        elif delivery.acked_at is not None:
            self.violations.append("a second acknowledgement of an envelope")
        elif reply is not None and not delivery.takes_reply:
            self.violations.append("an acknowledgement with a payload that is not accepted")
        else:
            self._acknowledge(delivery, reply)

    def _sent(self, delivery: Delivery) -> None:
        delivery.sent_at = time.perf_counter()
        self.all.append(delivery)
        self._by_envelope[delivery.envelope] = delivery

    def _acknowledge(self, delivery: Delivery, reply: Any) -> None:
        delivery.acked_at = time.perf_counter()
        delivery.reply = reply
        delivery.done.set()
        delivery.over.set()
        self._changed()


def _decoded(text: str) -> Any:
    """What came with an acknowledgement over HTTP: JSON, a text for the person, or nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text} if text else None
