"""The gateway of the loopback Discord: sessions over websockets, v10, JSON, zlib-stream.

HELLO, IDENTIFY or RESUME, heartbeats, and events to those who asked for them. Strict: closes with
the documented codes. https://discord.com/developers/docs/events/gateway
"""

import itertools
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSMsgType, web

from servers.discord_world import Json, World

DISPATCH, HEARTBEAT, IDENTIFY, RESUME = 0, 1, 2, 6
RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 9, 10, 11

GUILDS, GUILD_MESSAGES, DM_MESSAGES, MESSAGE_CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15
_PRIVILEGED: Final = (1 << 1) | (1 << 8) | MESSAGE_CONTENT


class Session:
    """What a bot that identified will get, on this socket or the next."""

    def __init__(self, number: int, intents: int) -> None:
        self.id = f"session-{number}"
        self.intents = intents
        self.events: list[Json] = []
        self.socket: Socket | None = None

    async def send(self, event: str, data: Json) -> None:
        """Send an event now, or keep it until the session is resumed."""
        payload = {"op": DISPATCH, "t": event, "s": len(self.events) + 1, "d": data}
        self.events.append(payload)
        if self.socket:
            await self.socket.send(payload)


class Socket:
    """One websocket; compressed as a stream where the client asked for that."""

    def __init__(self, websocket: web.WebSocketResponse, compressed: bool) -> None:
        self.websocket = websocket
        self._stream = zlib.compressobj() if compressed else None

    async def send(self, payload: Json) -> None:
        """Send one payload. Nothing happens where the socket is closed already."""
        text = json.dumps(payload)
        with suppress(ConnectionError):
            if self._stream is None:
                await self.websocket.send_str(text)
                return
            data = self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)
            await self.websocket.send_bytes(data)


class Gateway:
    """All sessions of the bot."""

    def __init__(self, world: World, token: str, changed: Callable[[], None]) -> None:
        self._world = world
        self._token = token
        self._changed = changed
        self._numbers = itertools.count(1)
        self.resume_url = ""  #: what READY says
        self.sessions: dict[str, Session] = {}
        self.identifies: list[Json] = []
        self.resumes: list[Json] = []
        self.heartbeats = 0
        self.connections = 0
        self.close_codes: list[int | None] = []  #: of sockets that ended
        # Scripts: how the next sockets misbehave.
        self.silent = False  #: no HELLO
        self.close_at_once: list[int] = []  #: instead of HELLO, one code a socket
        self.close_on_identify: int | None = None
        self.withhold_guild = False  #: no GUILD_CREATE after READY

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket."""
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            raise web.HTTPBadRequest
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        socket = Socket(websocket, request.query.get("compress") == "zlib-stream")
        self.connections += 1
        self._changed()
        if self.close_at_once:
            await websocket.close(code=self.close_at_once.pop(0))
            return websocket
        if not self.silent:
            await socket.send({"op": HELLO, "d": {"heartbeat_interval": 41_250}, "s": None})
        await self._converse(socket)
        return websocket

    async def dispatch(self, event: str, data: Json, intent: int) -> None:
        """Send an event to every session that asked for its kind."""
        for session in list(self.sessions.values()):
            if session.intents & intent == intent:
                await session.send(event, data)

    async def tell(self, message: Json, event: str = "MESSAGE_CREATE") -> None:
        """Send a message's event, with its text where the session may read it."""
        world = self._world
        channel = world.channels[int(message["channel_id"])]
        direct = channel.recipient is not None
        author = world.users.get(int(message["author"]["id"]))
        for session in list(self.sessions.values()):
            if not session.intents & (DM_MESSAGES if direct else GUILD_MESSAGES):
                continue
            shown = world.shown(message, intent=bool(session.intents & MESSAGE_CONTENT))
            if not direct:
                shown = shown | {"guild_id": str(world.guild)}
                shown |= {"member": world.member(author)} if author else {}
            await session.send(event, shown)

    async def close_sockets(self, code: int, *, lose_sessions: bool = False) -> None:
        """Close all sockets; sessions can be resumed unless they are lost."""
        sockets = [session.socket for session in self.sessions.values() if session.socket]
        for session in self.sessions.values():
            session.socket = None  # so that its end is not taken for the client's wish
        if lose_sessions:
            self.sessions.clear()
        for socket in sockets:
            await socket.websocket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        """Ask every client for a new socket, as Discord does every few hours."""
        for session in list(self.sessions.values()):
            if session.socket:
                await session.socket.send({"op": RECONNECT, "d": None})

    async def _converse(self, socket: Socket) -> None:
        session: Session | None = None
        async for frame in socket.websocket:
            payload = _read(frame.data) if frame.type == WSMsgType.TEXT else None
            if payload is None:
                await socket.websocket.close(code=4002)
                break
            op, data = payload["op"], payload.get("d")
            if op == HEARTBEAT:
                self.heartbeats += 1
                await socket.send({"op": HEARTBEAT_ACK})
            elif op not in (IDENTIFY, RESUME):
                await socket.websocket.close(code=4001)
            elif session:
                await socket.websocket.close(code=4005)
            else:
                begin = self._identify if op == IDENTIFY else self._resume
                session = await begin(socket, data)
            self._changed()
        self._end(session, socket)

    async def _identify(self, socket: Socket, data: Any) -> Session | None:
        self.identifies.append(data)
        intents = data.get("intents") if isinstance(data, dict) else None
        code = self.close_on_identify
        if not isinstance(intents, int) or not isinstance(data.get("properties"), dict):
            code = 4013 if isinstance(data, dict) and "properties" in data else 4002
        elif data.get("token") != self._token:
            code = 4004
        elif intents & _PRIVILEGED & ~(MESSAGE_CONTENT if self._world.content_intent else 0):
            code = 4014
        if code is not None:
            await socket.websocket.close(code=code)
            return None
        session = Session(next(self._numbers), intents)
        self.sessions[session.id] = session
        session.socket = socket
        await session.send("READY", self._ready(session))
        if not self.withhold_guild:
            await session.send("GUILD_CREATE", self._world.guild_payload())
        return session

    def _ready(self, session: Session) -> Json:
        world = self._world
        return {
            "v": 10,
            "user": world.bot.payload(),
            "guilds": [{"id": str(world.guild), "unavailable": True}],
            "session_id": session.id,
            "resume_gateway_url": self.resume_url,
            "application": {"id": str(world.application), "flags": 0},
        }

    async def _resume(self, socket: Socket, data: Json) -> Session | None:
        self.resumes.append(data)
        if data.get("token") != self._token:
            await socket.websocket.close(code=4004)
            return None
        session = self.sessions.get(data.get("session_id", ""))
        if session is None:
            await socket.send({"op": INVALID_SESSION, "d": False})
            return None
        sequence = int(data["seq"])
        while sequence < len(session.events):  # it grows while this waits
            await socket.send(session.events[sequence])
            sequence += 1
        session.socket = socket
        await session.send("RESUMED", {})
        return session

    def _end(self, session: Session | None, socket: Socket) -> None:
        code = socket.websocket.close_code
        self.close_codes.append(code)
        if session and session.socket is socket:
            session.socket = None
            if code in (1000, 1001):
                self.sessions.pop(session.id, None)
        self._changed()


def _read(text: str) -> Json | None:
    try:
        payload = json.loads(text)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) and "op" in payload else None
