"""The REST API of the loopback Discord, v10: what a bot that answers questions calls.

Strict about fields, lengths, permissions and what exists; errors have Discord's codes.
https://discord.com/developers/docs/reference
"""

import time
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from servers.discord_components import (
    are_buttons,
    change,
    checked_choices,
    checked_modal,
    is_command,
)
from servers.discord_gateway import GUILDS, Gateway, intent_of
from servers.discord_http import Answer, Front, Handler
from servers.discord_world import (
    COMMAND_RESPONSE,
    EPHEMERAL,
    FORUM,
    HAS_THREAD,
    LOADING,
    NEWS,
    TEXT,
    Channel,
    Json,
    Refusal,
    User,
    World,
)

CONTENT_LENGTH: Final = 2_000
NONCE_LENGTH: Final = 25
ACKNOWLEDGE_SECONDS: Final = 3.0
COMMAND, COMPONENT, AUTOCOMPLETE, SUBMIT = 2, 3, 4, 5  #: kinds of interactions
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9  #: of callbacks
_CALLBACKS: Final = {
    COMMAND: (MESSAGE, DEFERRED),
    COMPONENT: (MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, MODAL),
    SUBMIT: (MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE),
    AUTOCOMPLETE: (CHOICES,),
}

_EDIT_FIELDS: Final = frozenset(
    ("content", "tts", "embeds", "flags", "allowed_mentions", "components", "attachments")
)
_MESSAGE_FIELDS: Final = _EDIT_FIELDS | {
    *("nonce", "enforce_nonce", "message_reference", "sticker_ids", "poll")
}
_THREAD_FIELDS: Final = frozenset(("name", "auto_archive_duration", "rate_limit_per_user"))


@dataclass(kw_only=True)
class Interaction:
    """A command that somebody ran, a button that somebody pressed, or a choice to complete."""

    id: int
    token: str
    user: User
    channel: Channel
    began: float = field(default_factory=time.monotonic)
    acknowledged: float | None = None  #: seconds until the first response
    expired: bool = False  #: the token is taken no more
    message: Json | None = None
    texts: list[str] = field(default_factory=list)  #: what the response said, over time
    follow_ups: list[Json] = field(default_factory=list)  #: messages after the response
    type: int = COMMAND
    pressed: Json | None = None  #: the message of the button
    choices: list[Json] | None = None  #: what was offered to complete with
    modal: Json | None = None  #: what was opened to be filled in

    @property
    def ephemeral(self) -> bool:
        """Whether only the person sees the response."""
        return bool(self.message and self.message["flags"] & EPHEMERAL)


class Rest:
    """The handlers."""

    def __init__(self, world: World, gateway: Gateway, front: Front) -> None:
        self._world = world
        self._gateway = gateway
        self._front = front
        self._nonces: dict[str, tuple[float, Json]] = {}
        self.unknown_fields: list[str] = []
        self.interactions: dict[int, Interaction] = {}
        self.history_has_nonces = False
        self.tells_of_no_components = True  #: else a message without any comes without the field
        self.nonce_seconds = 180.0  #: for which a nonce brings the message that has it

    def routes(self) -> list[web.RouteDef]:
        """All routes, for an aiohttp application."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/users/@me", self._get_me),
            ("GET", "/users/@me/guilds", self._get_guilds),
            ("GET", "/users/{user}", self._get_user),
            ("GET", "/guilds/{guild}/roles", self._get_roles),
            ("POST", "/users/@me/channels", self._open_direct),
            ("GET", "/oauth2/applications/@me", self._get_application),
            ("GET", "/gateway/bot", self._get_gateway),
            ("GET", "/applications/{application}/commands", self._get_commands),
            ("PUT", "/applications/{application}/commands", self._put_commands),
            ("GET", "/guilds/{guild}/threads/active", self._get_threads),
            ("GET", "/guilds/{guild}/members/{user}", self._get_member),
            ("GET", "/channels/{channel}", self._get_channel),
            ("POST", "/channels/{channel}/typing", self._type),
            ("GET", "/channels/{channel}/messages", self._get_messages),
            ("POST", "/channels/{channel}/messages", self._post_message),
            ("GET", "/channels/{channel}/messages/{message}", self._get_message),
            ("PATCH", "/channels/{channel}/messages/{message}", self._patch_message),
            ("DELETE", "/channels/{channel}/messages/{message}", self._delete_message),
            ("POST", "/channels/{channel}/messages/{message}/threads", self._open_thread),
            ("POST", "/interactions/{interaction}/{token}/callback", self._respond),
            ("GET", "/webhooks/{application}/{token}/messages/@original", self._get_response),
            ("PATCH", "/webhooks/{application}/{token}/messages/@original", self._edit_response),
            ("POST", "/webhooks/{application}/{token}", self._follow_up),
        ]
        return [self._front.route(*row) for row in table]

    def _check(self, route: str, body: Json, known: frozenset[str]) -> None:
        self.unknown_fields += [f"{route}: {name}" for name in body if name not in known]
        content = body.get("content")
        if content is not None and not 0 < len(str(content).strip()) <= CONTENT_LENGTH:
            raise Refusal(400, 50035, "Invalid Form Body")
        if not are_buttons(body.get("components") or []):
            raise Refusal(400, 50035, "Invalid Form Body")

    # --- the bot itself --------------------------------------------------------------------------

    async def _get_me(self, request: web.Request, body: Json) -> Answer:
        return Answer(body=self._world.bot.payload())

    async def _get_guilds(self, request: web.Request, body: Json) -> Answer:
        permissions = str(self._world.permissions)
        guilds = [guild for guild in self._world.guilds.values() if guild.present]
        named = [{"id": str(guild.id), "name": "A server"} for guild in guilds]
        return Answer(body=[guild | {"permissions": permissions} for guild in named])

    async def _get_roles(self, request: web.Request, body: Json) -> Answer:
        guild = self._world.guilds.get(int(request.match_info["guild"]))
        if guild is None or not guild.present:
            raise Refusal(404, 10004, "Unknown Guild")
        return Answer(body=self._world.guild_payload(guild)["roles"])

    async def _get_user(self, request: web.Request, body: Json) -> Answer:
        user = self._world.users.get(int(request.match_info["user"]))
        if user is None:
            raise Refusal(404, 10013, "Unknown User")
        return Answer(body=user.payload())

    async def _get_application(self, request: web.Request, body: Json) -> Answer:
        flags = 1 << 19 if self._world.content_intent else 0
        application = {
            "id": str(self._world.application),
            "name": "Docent",
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": flags,
            "owner": self._world.bot.payload(),
            "team": None,
        }
        return Answer(body=application)

    async def _get_gateway(self, request: web.Request, body: Json) -> Answer:
        gateway = self._gateway
        about = {"shards": gateway.shards, "session_start_limit": gateway.limits()}
        return Answer(body={"url": gateway.resume_url} | about)

    async def _get_commands(self, request: web.Request, body: Json) -> Answer:
        return Answer(body=self._world.commands)

    async def _put_commands(self, request: web.Request, body: Json) -> Answer:
        for command in body["commands"]:
            if not is_command(command):
                raise Refusal(400, 50035, "Invalid Form Body")
        application = str(self._world.application)
        made = {"application_id": application, "version": "1", "default_member_permissions": None}
        made |= {"description": ""}
        self._world.commands = [
            made | command | {"id": str(self._world.snowflake())} for command in body["commands"]
        ]
        return Answer(body=self._world.commands)

    async def _open_direct(self, request: web.Request, body: Json) -> Answer:
        user = self._world.users[int(body["recipient_id"])]
        return Answer(body=self._world.channel_payload(self._world.direct(user)))

    # --- channels and messages -------------------------------------------------------------------

    def _channel(self, request: web.Request, permission: str = "view_channel") -> Channel:
        channel = self._world.find_channel(request.match_info["channel"])
        if channel.is_thread and permission == "send_messages":
            permission = "send_messages_in_threads"
        self._world.need(channel, permission)
        return channel

    async def _get_channel(self, request: web.Request, body: Json) -> Answer:
        return Answer(body=self._world.channel_payload(self._channel(request)))

    async def _get_member(self, request: web.Request, body: Json) -> Answer:
        user = self._world.users.get(int(request.match_info["user"]))
        if user is None:
            raise Refusal(404, 10013, "Unknown User")
        guild = int(request.match_info["guild"])
        return Answer(body=self._world.member(user, guild) | {"user": user.payload()})

    async def _get_threads(self, request: web.Request, body: Json) -> Answer:
        guild = self._world.guilds.get(int(request.match_info["guild"]))
        if guild is None:
            raise Refusal(404, 10004, "Unknown Guild")
        if not guild.present:
            raise Refusal(403, 50001, "Missing Access")
        threads = [self._world.channel_payload(one) for one in self._world.threads(guild.id)]
        return Answer(body={"threads": threads, "members": []})

    async def _type(self, request: web.Request, body: Json) -> Answer:
        self._channel(request, "send_messages").typing.append(time.monotonic())
        return Answer(status=204)

    async def _get_messages(self, request: web.Request, body: Json) -> Answer:
        channel = self._channel(request)
        world, limit = self._world, int(request.query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise Refusal(400, 50035, "Invalid Form Body")
        if channel.type == FORUM:
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        if not world.granted(channel) & 1 << 16:
            return Answer(body=[])
        after, before = (
            int(request.query.get("after", 0)),
            int(request.query.get("before", 1 << 63)),
        )
        chosen = sorted(number for number in channel.messages if after < number < before)
        chosen = chosen[:limit] if "after" in request.query else chosen[-limit:]
        return Answer(body=[self._as_history(channel.messages[one]) for one in reversed(chosen)])

    async def _get_message(self, request: web.Request, body: Json) -> Answer:
        channel = self._channel(request, "read_message_history")
        message = self._world.find_message(channel, request.match_info["message"])
        return Answer(body=self._as_history(message))

    def _as_history(self, message: Json) -> Json:
        shown = self._world.shown(message, intent=self._world.content_intent)
        hidden = () if self.history_has_nonces else ("nonce",)
        renewed = self._world.files.signed_anew(shown)
        return self._told({name: value for name, value in renewed.items() if name not in hidden})

    def _told(self, message: Json) -> Json:
        leaves_out = not (self.tells_of_no_components or message["components"])
        hidden = ("components",) if leaves_out else ()
        return {name: value for name, value in message.items() if name not in hidden}

    async def _post_message(self, request: web.Request, body: Json) -> Answer:
        channel = self._channel(request, "send_messages")
        self._check("POST message", body, _MESSAGE_FIELDS)
        nonce = body.get("nonce")
        if nonce is not None and len(str(nonce)) > NONCE_LENGTH:
            raise Refusal(400, 50035, "Invalid Form Body")
        if not body.get("content"):
            raise Refusal(400, 50006, "Cannot send an empty message")
        if channel.type == FORUM:
            raise Refusal(400, 50008, "Cannot send messages in a non-text channel")
        if body.get("enforce_nonce") and (earlier := self._of_nonce(nonce)):
            return Answer(body=self._told(earlier))
        if channel.locked:
            raise Refusal(403, 160005, "Thread is locked")
        if channel.recipient and not channel.recipient.takes_messages:
            raise Refusal(403, 50007, "Cannot send messages to this user")
        replied = self._replied(channel, body.get("message_reference"))
        message = self._world.write(
            channel,
            self._world.bot,
            str(body["content"]).strip(),
            reply_to=replied,
            components=body.get("components") or [],
            **({"nonce": nonce} if nonce is not None else {}),
        )
        message["mentions"] = _pinged(message, replied, body.get("allowed_mentions"))
        message["flags"] = body.get("flags", 0)
        if nonce is not None:
            self._nonces[nonce] = time.monotonic(), message
        await self._gateway.tell(message)
        return Answer(body=self._told(message))

    def _of_nonce(self, nonce: object) -> Json | None:
        """The message that was posted with a nonce, within some minutes."""
        at, message = self._nonces.get(str(nonce), (0.0, None))
        if message is None or time.monotonic() - at > self.nonce_seconds:
            return None
        channel = self._world.find_channel(message["channel_id"])
        return self._world.find_message(channel, message["id"])

    def _replied(self, channel: Channel, reference: Json | None) -> Json | None:
        if reference is None:
            return None
        if not self._world.granted(channel) & 1 << 16:
            raise Refusal(400, 160002, "Cannot reply without permission to read message history")
        found = channel.messages.get(int(reference["message_id"]))
        if found is None and reference.get("fail_if_not_exists", True):
            raise Refusal(400, 50035, "Invalid Form Body")
        return found

    async def _patch_message(self, request: web.Request, body: Json) -> Answer:
        message = self._world.find_message(self._channel(request), request.match_info["message"])
        self._check("PATCH message", body, _EDIT_FIELDS)
        if message["author"]["id"] != str(self._world.bot.id):
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        change(message, body)
        await self._gateway.tell(message, "MESSAGE_UPDATE")
        return Answer(body=message)

    async def _delete_message(self, request: web.Request, _: Json) -> Answer:
        channel = self._channel(request)
        message = self._world.find_message(channel, request.match_info["message"])
        if message["author"]["id"] != str(self._world.bot.id):
            self._world.need(channel, "manage_messages")
        del channel.messages[int(message["id"])]
        gone = {"id": message["id"], "channel_id": message["channel_id"]} | channel.where()
        await self._gateway.dispatch("MESSAGE_DELETE", gone, intent_of(channel))
        return Answer(status=204)

    async def _open_thread(self, request: web.Request, body: Json) -> Answer:
        world = self._world
        channel = self._channel(request)
        if channel.type not in (TEXT, NEWS):
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        message = world.find_message(channel, request.match_info["message"])
        world.need(channel, "create_public_threads")
        if message["flags"] & HAS_THREAD:
            raise Refusal(400, 160004, "A thread has already been created for this message")
        self._check("POST thread", body, _THREAD_FIELDS)
        archived_after = body.get("auto_archive_duration", 1440)
        if not 1 <= len(body["name"]) <= 100 or archived_after not in (60, 1440, 4320, 10080):
            raise Refusal(400, 50035, "Invalid Form Body")
        thread = world.thread(channel, int(message["id"]), body["name"], world.bot.id)
        message["flags"] |= HAS_THREAD
        payload = world.channel_payload(thread)
        await self._gateway.dispatch("THREAD_CREATE", payload | {"newly_created": True}, GUILDS)
        await self._gateway.tell(message | {"thread": payload}, "MESSAGE_UPDATE")
        return Answer(status=201, body=payload)

    # --- interactions ----------------------------------------------------------------------------

    async def _respond(self, request: web.Request, body: Json) -> Answer:
        interaction = self.interactions.get(int(request.match_info["interaction"]))
        if interaction is None or interaction.token != request.match_info["token"]:
            raise Refusal(404, 10062, "Unknown interaction")
        if interaction.acknowledged is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged")
        interaction.acknowledged = time.monotonic() - interaction.began
        if interaction.acknowledged > ACKNOWLEDGE_SECONDS:
            raise Refusal(404, 10062, "Unknown interaction")
        data, thinking = body.get("data") or {}, body["type"] == DEFERRED
        if body["type"] not in _CALLBACKS[interaction.type]:
            raise Refusal(400, 50035, "Invalid Form Body")
        if body["type"] == CHOICES:
            interaction.choices = checked_choices(data["choices"])
            return Answer(status=204)
        if body["type"] == MODAL:
            interaction.modal = checked_modal(data)
            about = {"id": str(interaction.id), "type": interaction.type}
            return Answer(body={"interaction": about, "resource": {"type": MODAL}})
        self._check("POST callback", data, _EDIT_FIELDS)
        if body["type"] in (UPDATE, DEFERRED_UPDATE):
            message = self._update(interaction, data)
        else:
            message = self._response(interaction, data)
        message["flags"] |= LOADING if thinking else 0
        if request.query.get("with_response") not in ("1", "true"):
            return Answer(status=204)
        about = {
            "id": str(interaction.id),
            "type": interaction.type,
            "response_message_id": message["id"],
            "response_message_loading": thinking,
            "response_message_ephemeral": interaction.ephemeral,
        }
        resource = {"type": body["type"], "message": message}
        return Answer(body={"interaction": about, "resource": resource})

    def _update(self, interaction: Interaction, data: Json) -> Json:
        """Let the button's message be the response, and change it."""
        message = interaction.message = interaction.pressed
        assert message is not None
        change(message, data)
        if "content" in data:
            interaction.texts.append(message["content"])
        return message

    def _response(self, interaction: Interaction, data: Json) -> Json:
        content, flags = data.get("content", ""), data.get("flags", 0)
        world, channel = self._world, interaction.channel
        webhook = {"webhook_id": str(world.application), "application_id": str(world.application)}
        message = world.write(channel, world.bot, content, type=COMMAND_RESPONSE, **webhook)
        message["flags"] = flags
        message["components"] = data.get("components") or []
        if flags & EPHEMERAL:
            del channel.messages[int(message["id"])]
        interaction.message = message
        if content:
            interaction.texts.append(content)
        return message

    def _responded(self, request: web.Request) -> tuple[Interaction, Json]:
        for interaction in self.interactions.values():
            if interaction.token == request.match_info["token"] and interaction.message:
                if interaction.expired:
                    raise Refusal(401, 50027, "Invalid Webhook Token")
                return interaction, interaction.message
        raise Refusal(404, 10015, "Unknown Webhook")

    async def _get_response(self, request: web.Request, body: Json) -> Answer:
        return Answer(body=self._responded(request)[1])

    async def _edit_response(self, request: web.Request, body: Json) -> Answer:
        interaction, message = self._responded(request)
        self._check("PATCH response", body, _EDIT_FIELDS)
        change(message, body)
        message["flags"] &= ~LOADING
        interaction.texts.append(message["content"])
        if not interaction.ephemeral:
            await self._gateway.tell(message, "MESSAGE_UPDATE")
        return Answer(body=message)

    async def _follow_up(self, request: web.Request, body: Json) -> Answer:
        interaction, _ = self._responded(request)
        self._check("POST follow-up", body, _EDIT_FIELDS)
        if not body.get("content"):
            raise Refusal(400, 50006, "Cannot send an empty message")
        world, channel = self._world, interaction.channel
        components = body.get("components") or []
        message = world.write(channel, world.bot, body["content"], components=components)
        message["flags"] = body.get("flags", 0)
        if message["flags"] & EPHEMERAL:
            del channel.messages[int(message["id"])]
        else:
            await self._gateway.tell(message, "MESSAGE_CREATE")
        interaction.follow_ups.append(message)
        return Answer(body=message)


def _pinged(message: Json, replied: Json | None, allowed: Json | None) -> list[Json]:
    """Whom a message of the bot pings. Without allowed_mentions that is everybody it names."""
    if allowed is None:
        return list(message["mentions"])
    asker = replied["author"]["id"] if replied and allowed.get("replied_user") else None
    everybody, some = "users" in allowed.get("parse", ()), {*map(str, allowed.get("users", ()))}
    return [
        user
        for user in message["mentions"]
        if everybody or user["id"] in some or user["id"] == asker
    ]
