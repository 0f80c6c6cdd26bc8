"""The gateway of the loopback Discord: sessions over websockets, v10, JSON, zlib-stream.

HELLO, IDENTIFY or RESUME, heartbeats, and events to those who asked for them. A guild's events come
to the sessions of its shard, direct messages to those of the first. What happens while no session
is there is told to nobody, later either. Strict: closes with the documented codes.
https://discord.com/developers/docs/events/gateway
"""

import itertools
import json
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSMsgType, web

from servers.discord_world import Channel, Guild, Json, World, shard_of

DISPATCH, HEARTBEAT, IDENTIFY, RESUME = 0, 1, 2, 6
RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 9, 10, 11

GUILDS, GUILD_MESSAGES, DM_MESSAGES, MESSAGE_CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15
_PRIVILEGED: Final = (1 << 1) | (1 << 8) | MESSAGE_CONTENT


class Session:
    """What a bot that identified will get, on this socket or the next."""

    def __init__(self, number: int, intents: int, shard: int, count: int) -> None:
        self.id = f"session-{number}"
        self.intents = intents
        self.shard, self.count = shard, count
        self.events: list[Json] = []
        self.socket: Socket | None = None
        self.dropped_at = 0.0  #: by the monotonic clock; when its socket ended

    def hears(self, guild: int) -> bool:
        """Whether the guild's events are for it; 0: those of direct channels."""
        return shard_of(guild, self.count) == self.shard

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
        # What /gateway/bot says, and what it is held to.
        self.shards = 1  #: recommended
        self.max_concurrency = 1
        self.starts_left = 999
        self.reset_after = 0.0  #: seconds until there are more
        self.identify_seconds = 0.0  #: between two IDENTIFYs of one bucket; Discord wants 5
        self.sharding_required = False
        self.resume_seconds = 60.0  #: for which a session without a socket is kept
        self.deliver_twice = False  #: every MESSAGE_CREATE
        self._identified: dict[int, float] = {}  # by bucket
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
        """Send an event to every session that asked for its kind, on the shard of its guild."""
        guild = int(data.get("guild_id", 0))
        for session in self._listening(guild):
            if session.intents & intent == intent:
                await session.send(event, data)

    async def tell(self, message: Json, event: str = "MESSAGE_CREATE") -> None:
        """Send a message's event, with its text where the session may read it."""
        world = self._world
        channel = world.channels[int(message["channel_id"])]
        author = world.users.get(int(message["author"]["id"]))
        for session in self._listening(channel.guild):
            if not session.intents & intent_of(channel):
                continue
            shown = world.shown(message, intent=bool(session.intents & MESSAGE_CONTENT))
            shown |= channel.where()
            if channel.guild and author:
                shown |= {"member": world.member(author, channel.guild)}
            for _ in range(2 if self.deliver_twice and event == "MESSAGE_CREATE" else 1):
                await session.send(event, shown)

    def _listening(self, guild: int) -> list[Session]:
        """The sessions that a guild's events are sent to, or kept for until they are resumed."""
        self._forget_dropped()
        if guild in self._world.guilds and not self._world.guilds[guild].present:
            return []
        return [session for session in self.sessions.values() if session.hears(guild)]

    def _forget_dropped(self) -> None:
        oldest = time.monotonic() - self.resume_seconds
        for session in list(self.sessions.values()):
            if session.socket is None and session.dropped_at < oldest:
                del self.sessions[session.id]

    async def invalidate_sessions(self, *, shard: int | None = None) -> None:
        """Say that sessions (of one shard) are lost, with INVALID_SESSION."""
        for session in self._of_shard(shard):
            del self.sessions[session.id]
            if session.socket:
                await session.socket.send({"op": INVALID_SESSION, "d": False})

    def _of_shard(self, shard: int | None) -> list[Session]:
        return [one for one in self.sessions.values() if shard in (None, one.shard)]

    async def close_sockets(
        self, code: int, *, lose_sessions: bool = False, shard: int | None = None
    ) -> None:
        """Close all sockets (of one shard); sessions can be resumed unless they are lost."""
        sessions = self._of_shard(shard)
        sockets = [session.socket for session in sessions if session.socket]
        for session in sessions:
            if session.socket:
                session.dropped_at = time.monotonic()
            session.socket = None  # so that its end is not taken for the client's wish
            if lose_sessions:
                del self.sessions[session.id]
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
        code = self.close_on_identify or self._objection(data)
        if code is not None:
            await socket.websocket.close(code=code)
            return None
        shard, count = data.get("shard", (0, 1))
        if self._too_early(shard):
            await socket.send({"op": INVALID_SESSION, "d": False})
            return None
        session = Session(next(self._numbers), data["intents"], shard, count)
        self.sessions[session.id] = session
        session.socket = socket
        guilds = [one for one in self._world.guilds.values() if one.present]
        guilds = [one for one in guilds if session.hears(one.id)]
        await session.send("READY", self._ready(session, guilds))
        if not self.withhold_guild:
            for guild in guilds:
                await session.send("GUILD_CREATE", self._world.guild_payload(guild))
        return session

    def _objection(self, data: Any) -> int | None:
        """The code with which an IDENTIFY is refused, if it is."""
        intents = data.get("intents") if isinstance(data, dict) else None
        if not isinstance(intents, int) or not isinstance(data.get("properties"), dict):
            return 4013 if isinstance(data, dict) and "properties" in data else 4002
        if data.get("token") != self._token:
            return 4004
        if intents & _PRIVILEGED & ~(MESSAGE_CONTENT if self._world.content_intent else 0):
            return 4014
        match data.get("shard", [0, 1]):
            case [int(shard), int(count)] if 0 <= shard < count:
                return 4011 if self.sharding_required and count < self.shards else None
        return 4010

    def _too_early(self, shard: int) -> bool:
        """Count an IDENTIFY, and say whether the last one of its bucket was a moment ago."""
        bucket, now = shard % self.max_concurrency, time.monotonic()
        last = self._identified.get(bucket)
        self._identified[bucket] = now
        self.starts_left -= 1
        return last is not None and now - last < self.identify_seconds

    def limits(self) -> Json:
        """What /gateway/bot says of sessions."""
        return {
            "total": 1000,
            "remaining": max(0, self.starts_left),
            "reset_after": int(self.reset_after * 1000),
            "max_concurrency": self.max_concurrency,
        }

    def _ready(self, session: Session, guilds: list[Guild]) -> Json:
        world = self._world
        return {
            "v": 10,
            "user": world.bot.payload(),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.resume_url,
            "shard": [session.shard, session.count],
            "application": {"id": str(world.application), "flags": 0},
        }

    async def _resume(self, socket: Socket, data: Json) -> Session | None:
        self.resumes.append(data)
        if data.get("token") != self._token:
            await socket.websocket.close(code=4004)
            return None
        self._forget_dropped()
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
            session.socket, session.dropped_at = None, time.monotonic()
            if code in (1000, 1001):
                self.sessions.pop(session.id, None)
        self._changed()


def intent_of(channel: Channel) -> int:
    """The intent with which the events of a channel's messages come."""
    return GUILD_MESSAGES if channel.guild else DM_MESSAGES


def _read(text: str) -> Json | None:
    try:
        payload = json.loads(text)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) and "op" in payload else None
