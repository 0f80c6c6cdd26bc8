"""The calls to Slack's Web API that Docent makes, over one session, each made once.

Nothing is repeated behind the caller's back: the SDK's own retry after a broken connection posts a
message twice. What goes wrong is raised as PlatformBusy, PlatformUnreachable, PlatformRefused or
ThreadGone. When to call what is decided elsewhere.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient
from yarl import URL

from bots.slack_bot.errors import APP_TOKEN, translated
from bots.slack_bot.events import tenant
from core.errors import PlatformRefused, PlatformUnreachable
from core.settings import SlackSettings

CALL_SECONDS: Final = 15.0  #: longest wait for one call
LARGEST_PAGE: Final = 200  #: what is asked for at once; Slack recommends at most 200
FIND_PAGES: Final = 40
METADATA_TYPE: Final = "docent_reply"

_Json = Mapping[str, Any]
Blocks = Sequence[dict[str, Any]]


def sdk_log(name: str, level: int = logging.ERROR) -> logging.Logger:
    """Make a logger for the SDK that says little.

    Below ERROR it logs tokens of connections, whole requests and people's messages; and the
    level must stand on this very logger, because bolt copies it to loggers of its own.
    """
    log = logging.getLogger(name)
    log.setLevel(level)
    return log


@dataclass(frozen=True, kw_only=True, slots=True)
class Bot:
    """Who we are in the workspace that the app is installed in."""

    user: str
    bot_id: str | None
    team: str | None
    enterprise: str | None
    tenant: str  #: as `events.tenant` says it of the events that we get


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of a list, and where it goes on."""

    items: Sequence[_Json]
    cursor: str | None  #: None: this was the last page


class Look(IntEnum):
    """How buttons are shown; Slack's own kind of feedback buttons is the best."""

    NATIVE = 0
    PLAIN = 1


class SlackApi:
    """Slack's Web API with our token. Make it while the event loop runs."""

    def __init__(self, settings: SlackSettings) -> None:
        self._bot_token = settings.bot_token
        #: The address of a server in Slack's place.
        self.own = URL(settings.api_url) if settings.api_url else None
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))
        self._base_url = (settings.api_url or AsyncWebClient.BASE_URL).rstrip("/") + "/"
        self._client = self.web_client(settings.bot_token)
        self.look = Look.NATIVE  #: of buttons, as far as the workspace is known to take them

    @property
    def client(self) -> AsyncWebClient:
        """The client with our token, for calls that only one module makes."""
        return self._client

    def web_client(self, token: str | None = None) -> AsyncWebClient:
        """Make a client of the SDK on the shared session."""
        client = AsyncWebClient(
            token=token,
            base_url=self._base_url,
            session=self.session,
            retry_handlers=[],
            logger=sdk_log("slack_sdk.web"),
        )
        client.proxy = self.proxy(client.proxy)
        return client

    def proxy(self, found: str | None) -> str | None:
        """Say which proxy to use of the one that the SDK found in the environment.

        The SDK knows HTTPS_PROXY but not NO_PROXY: a server of one's own is reached directly.
        """
        return None if self.own else found

    async def close(self) -> None:
        """Close the session. A second call does nothing."""
        await self.session.close()

    async def identify(self) -> Bot:
        """Ask who the bot token belongs to: the test whether Slack lets us in."""
        with translated():
            reply = await self._client.auth_test()
            return Bot(
                user=str(reply.data["user_id"]),  # type: ignore[call-overload]
                bot_id=reply.get("bot_id"),
                team=reply.get("team_id"),
                enterprise=reply.get("enterprise_id"),
                tenant=tenant(reply.data),  # type: ignore[arg-type]
            )

    async def scopes(self) -> frozenset[str] | None:
        """Ask what the app was installed with; None where Slack does not say."""
        with translated():
            reply = await self._client.auth_test()
            named = reply.headers.get("x-oauth-scopes")
        return None if named is None else frozenset(map(str.strip, named.split(",")))

    async def socket_url(self, app_token: str) -> str:
        """Ask for the address of a websocket for Socket Mode; it works once, and soon."""
        with translated(APP_TOKEN):
            reply = await self._client.apps_connections_open(app_token=app_token)
        return _text(reply.get("url"))

    async def post(
        self,
        channel: str,
        text: str,
        blocks: Blocks = (),
        *,
        root: str | None = None,
        marker: str | None = None,
    ) -> str:
        """Post mrkdwn as it is given, in a thread where `root` is given; its ts.

        With `blocks`, they are shown, and the text stands in the notification.

        Nothing in it is unfurled: a link in a preview is fetched before anybody clicks it.
        """
        with translated():
            reply = await self._client.chat_postMessage(
                channel=channel,
                thread_ts=root,
                text=text,
                blocks=list(blocks) or None,
                mrkdwn=True,
                unfurl_links=False,
                unfurl_media=False,
                unfurl_app_links=False,
                metadata=_marked(marker),
            )
        return _text(reply.get("ts"))

    async def write(self, place: str, text: str, blocks: Blocks = ()) -> tuple[str, str]:
        """Post a text of our own, to a person where it is their id; its channel and ts.

        With `blocks`, they are shown, and the text stands in the notification.
        """
        with translated():
            reply = await self._client.chat_postMessage(
                channel=place,
                text=text,
                blocks=list(blocks) or None,
                unfurl_links=False,
                unfurl_media=False,
                unfurl_app_links=False,
            )
        return _text(reply.get("channel")), _text(reply.get("ts"))

    async def rewrite(
        self, channel: str, ts: str, text: str, blocks: Blocks = (), *, marker: str | None = None
    ) -> None:
        """Let a message of ours say something else. Blocks that it had go."""
        with translated():
            await self._client.chat_update(
                channel=channel,
                ts=ts,
                text=text,
                blocks=list(blocks),
                metadata=_marked(marker),
            )

    async def rewrite_markdown(self, channel: str, ts: str, markdown: str) -> None:
        """Let a message of ours say something else, written in Markdown instead of mrkdwn."""
        with translated():
            await self._client.chat_update(channel=channel, ts=ts, markdown_text=markdown)

    async def delete(self, channel: str, ts: str) -> None:
        """Delete a message of ours."""
        with translated():
            await self._client.chat_delete(channel=channel, ts=ts)

    async def find(
        self, channel: str, root: str, *, since: str, marker: str, bot: Bot, streams: bool = True
    ) -> str | None:
        """Look in a thread, from the message `since` on, for our message with a marker; its ts.

        Without one, it is a message of ours that bears none: a stream whose process has died;
        unless it may be no such.

        Reads at most FIND_PAGES pages: a reply comes minutes after its question, not thousands
        of messages.
        """
        cursor, unmarked = None, None
        for _ in range(FIND_PAGES):
            page = await self.replies(
                channel, root, oldest=since, limit=LARGEST_PAGE, cursor=cursor
            )
            with translated():
                for message in page.items:
                    if not is_ours(message, bot):
                        continue
                    if marker_of(message) == marker:
                        return _text(message["ts"])
                    if streams and _is_unmarked(message, root, since):
                        unmarked = _text(message["ts"])
            cursor = page.cursor
            if not cursor:
                break
        return unmarked

    async def channel(self, channel: str) -> _Json:
        """Say what a conversation is. Raises ThreadGone where we cannot see it."""
        with translated():
            reply = await self._client.conversations_info(channel=channel)
            found: _Json = reply["channel"]
        return found

    async def channels(self, types: str, *, cursor: str | None) -> Page:
        """List the conversations of these types that we are in."""
        with translated():
            reply = await self._client.users_conversations(
                types=types, exclude_archived=True, limit=LARGEST_PAGE, cursor=cursor
            )
            return _page(reply.data, "channels")

    async def members(self, team: str | None, *, cursor: str | None) -> Page:
        """List the people and bots of a workspace."""
        with translated():
            reply = await self._client.users_list(team_id=team, limit=LARGEST_PAGE, cursor=cursor)
            return _page(reply.data, "members")

    async def history(
        self, channel: str, *, oldest: str, latest: str, limit: int, cursor: str | None = None
    ) -> Page:
        """Read what is in a channel, without what is only in its threads, the newest first.

        Both ends must be given: with `oldest` alone Slack begins at that end.
        """
        with translated():
            reply = await self._client.conversations_history(
                channel=channel, oldest=oldest, latest=latest, limit=limit, cursor=cursor
            )
            return _page(reply.data, "messages")

    async def replies(
        self,
        channel: str,
        root: str,
        *,
        oldest: str,
        limit: int,
        cursor: str | None = None,
    ) -> Page:
        """Read a thread from the message `oldest` on, the oldest first; its root in any case."""
        with translated():
            reply = await self._client.conversations_replies(
                channel=channel,
                ts=root,
                oldest=oldest,
                inclusive=True,
                include_all_metadata=True,
                limit=limit,
                cursor=cursor,
            )
            return _page(reply.data, "messages")

    async def set_status(self, channel: str, root: str, status: str) -> None:
        """Show a status under a thread; an empty one takes it away. Slack ends it after 2 min."""
        with translated():
            await self._client.assistant_threads_setStatus(
                channel_id=channel, thread_ts=root, status=status
            )

    async def whisper(self, channel: str, user: str, text: str, blocks: Blocks = ()) -> str:
        """Post a message that only one member of the channel sees, until the client restarts.

        Returns its ts, by which nothing can be found or changed.
        """
        with translated():
            reply = await self._client.chat_postEphemeral(
                channel=channel,
                user=user,
                text=text,
                blocks=list(blocks) or None,
            )
        return _text(reply.get("message_ts"))

    async def respond(
        self, response_url: str, text: str, blocks: Blocks = (), *, replace: bool
    ) -> None:
        """Answer a command or the press of a button, to that person alone.

        With `replace`, the answer to a press takes the place of the button's message; that to a
        command never does. Slack takes five of these in 30 minutes.
        """
        client = AsyncWebhookClient(
            url=response_url,
            session=self.session,
            retry_handlers=[],
            logger=sdk_log("slack_sdk.webhook"),
        )
        client.proxy = self.proxy(client.proxy)
        with translated():
            reply = await client.send(
                text=text,
                blocks=list(blocks) or None,
                response_type="ephemeral",
                replace_original=replace,
                unfurl_links=False,
            )
        if reply.status_code >= 500:
            raise PlatformUnreachable
        if reply.status_code != 200:
            raise PlatformRefused("Slack takes no more answers to this.")


def _marked(marker: str | None) -> dict[str, Any] | None:
    """What is kept with a message, so that `find` finds it."""
    if marker is None:
        return None
    return {"event_type": METADATA_TYPE, "event_payload": {"marker": marker}}


def _page(data: Any, items: str) -> Page:
    cursor = (data.get("response_metadata") or {}).get("next_cursor")
    return Page(items=[item for item in data[items] if isinstance(item, Mapping)], cursor=cursor)


def is_ours(message: _Json, bot: Bot) -> bool:
    """Whether the bot itself wrote a message."""
    return message.get("user") == bot.user or (
        bot.bot_id is not None and message.get("bot_id") == bot.bot_id
    )


def _is_unmarked(message: _Json, root: str, since: str) -> bool:
    """Whether it was written in the thread, after the message `since`, and bears nothing of ours.

    Only a stream does so, until it has ended: all else that we write in threads is marked.
    """
    ts = message.get("ts")
    in_thread = message.get("thread_ts") == root and isinstance(ts, str) and ts > max(root, since)
    return in_thread and not message.get("metadata") and not message.get("subtype")


def marker_of(message: _Json) -> object:
    """What is kept with a message of ours; see `SlackApi.find`."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
    return payload.get("marker") if isinstance(payload, Mapping) else None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise PlatformUnreachable("Slack's reply cannot be read.")
    return value
