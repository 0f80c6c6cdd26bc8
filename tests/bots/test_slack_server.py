"""The Slack server refuses what Slack refuses: shown with the real SDK, without the adapter."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from servers.slack_faults import rate_limited
from servers.slack_server import APP_TOKEN, BOT_TOKEN, BOT_USER, SlackServer


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as running:
        running.redeliver_after(None)
        yield running


@pytest.fixture
def client(server: SlackServer) -> AsyncWebClient:
    return AsyncWebClient(token=BOT_TOKEN, base_url=server.api_url, retry_handlers=[])


async def refused(client: AsyncWebClient, method: str, /, **args: Any) -> str:
    with pytest.raises(SlackApiError) as raised:
        await client.api_call(method, json=args)
    return str(raised.value.response["error"])


@pytest.mark.parametrize(
    ("token", "method", "error"),
    [
        (None, "auth.test", "not_authed"),
        ("xoxb-wrong", "auth.test", "invalid_auth"),
        (BOT_TOKEN, "apps.connections.open", "not_allowed_token_type"),
        (APP_TOKEN, "chat.postMessage", "not_allowed_token_type"),
        (BOT_TOKEN, "chat.postMassage", "unknown_method"),
    ],
)
async def test_a_wrong_token_or_method_is_refused(
    server: SlackServer, token: str | None, method: str, error: str
) -> None:
    client = AsyncWebClient(token=token, base_url=server.api_url, retry_handlers=[])
    assert await refused(client, method) == error


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"text": "x"}, "invalid_arguments"),
        ({"channel": "C0GENERAL"}, "no_text"),
        ({"channel": "C0GENERAL", "text": ""}, "no_text"),
        ({"channel": "C0GENERAL", "text": 7}, "invalid_arguments"),
        ({"channel": "C0GENERAL", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"channel": "C0OUT", "text": "x"}, "not_in_channel"),
        ({"channel": "G0SECRET", "text": "x"}, "channel_not_found"),
        ({"channel": "C0OLD", "text": "x"}, "is_archived"),
        ({"channel": "C0GENERAL", "text": "x", "thread_ts": "1.000000"}, "thread_not_found"),
        ({"channel": "C0GENERAL", "text": "x", "blocks": "x"}, "invalid_arguments"),
        ({"channel": "C0GENERAL", "text": "x", "blocks": {}}, "invalid_blocks_format"),
        ({"channel": "C0GENERAL", "text": "x", "blocks": [{}]}, "invalid_blocks"),
        (
            {"channel": "C0GENERAL", "text": "x", "blocks": [{"type": "divider"}] * 51},
            "invalid_blocks",
        ),
        (
            {"channel": "C0GENERAL", "text": "x", "metadata": {"event_type": "a b"}},
            "invalid_metadata_format",
        ),
        (
            {
                "channel": "C0GENERAL",
                "text": "x",
                "metadata": {"event_type": "a", "event_payload": {"x": "y" * 9_000}},
            },
            "metadata_too_large",
        ),
    ],
)
async def test_a_bad_post_is_refused(
    server: SlackServer, client: AsyncWebClient, args: dict[str, Any], error: str
) -> None:
    server.workspace.add_channel("C0OUT", bot=False)
    server.workspace.add_channel("G0SECRET", "group", bot=False)
    server.workspace.add_channel("C0OLD", archived=True)
    assert await refused(client, "chat.postMessage", **args) == error


async def test_a_reply_is_no_place_for_a_thread(
    server: SlackServer, client: AsyncWebClient
) -> None:
    root = server.say("C0GENERAL", "U1", "root")
    reply = server.say("C0GENERAL", "U1", "reply", thread_ts=root)
    post = {"channel": "C0GENERAL", "text": "x", "thread_ts": reply}
    assert await refused(client, "chat.postMessage", **post) == "invalid_thread_ts"


async def test_an_argument_that_slack_does_not_know_is_noted(
    server: SlackServer, client: AsyncWebClient
) -> None:
    await client.chat_postMessage(channel="C0GENERAL", text="x", unfurl_everything=True)
    assert server.unknown_args == [("chat.postMessage", "unfurl_everything")]


async def test_own_messages_can_be_changed_and_those_of_others_cannot(
    server: SlackServer, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel="C0GENERAL", text="x"))["ts"]
    await client.chat_update(channel="C0GENERAL", ts=ts, text="y")
    assert server.thread("C0GENERAL", ts)[0]["text"] == "y"
    too_long = {"channel": "C0GENERAL", "ts": ts, "text": "y" * 4_001}
    assert await refused(client, "chat.update", **too_long) == "msg_too_long"
    await client.chat_delete(channel="C0GENERAL", ts=ts)
    gone = {"channel": "C0GENERAL", "ts": ts, "text": "z"}
    assert await refused(client, "chat.update", **gone) == "message_not_found"

    theirs = {"channel": "C0GENERAL", "ts": server.say("C0GENERAL", "U1", "mine"), "text": "z"}
    assert await refused(client, "chat.update", **theirs) == "cant_update_message"
    assert await refused(client, "chat.delete", **theirs) == "cant_delete_message"


async def test_the_replies_of_a_thread_come_in_pages_with_metadata_only_when_asked_for(
    server: SlackServer, client: AsyncWebClient
) -> None:
    root = server.say("C0GENERAL", "U1", "root")
    for number in range(4):
        await client.chat_postMessage(
            channel="C0GENERAL",
            thread_ts=root,
            text=str(number),
            metadata={"event_type": "a", "event_payload": {"n": number}},
        )
    texts = []
    async for page in await client.conversations_replies(channel="C0GENERAL", ts=root, limit=2):
        texts += [message["text"] for message in page["messages"]]
        assert not any("metadata" in message for message in page["messages"])
    assert texts == ["root", "0", "1", "2", "3"]

    full = await client.conversations_replies(
        channel="C0GENERAL", ts=root, include_all_metadata=True
    )
    assert full["messages"][1]["metadata"]["event_payload"] == {"n": 0}
    missing = {"channel": "C0GENERAL", "ts": "1.000000"}
    assert await refused(client, "conversations.replies", **missing) == "thread_not_found"


async def test_a_status_ends_with_the_next_post(
    server: SlackServer, client: AsyncWebClient
) -> None:
    root = server.say("C0GENERAL", "U1", "root")
    await client.assistant_threads_setStatus(
        channel_id="C0GENERAL", thread_ts=root, status="is thinking"
    )
    assert server.status("C0GENERAL", root) == "is thinking"
    await client.chat_postMessage(channel="C0GENERAL", thread_ts=root, text="x")
    assert server.status("C0GENERAL", root) == ""
    assert server.statuses == [("C0GENERAL", root, "is thinking")]


async def test_the_other_methods_answer_as_slack_does(
    server: SlackServer, client: AsyncWebClient
) -> None:
    ts = server.say("C0GENERAL", "U1", "hello")
    await client.reactions_add(channel="C0GENERAL", name="eyes", timestamp=ts)
    again = {"channel": "C0GENERAL", "name": "eyes", "timestamp": ts}
    assert await refused(client, "reactions.add", **again) == "already_reacted"
    assert (await client.users_info(user="U1"))["user"]["id"] == "U1"
    assert await refused(client, "users.info", user="U404") == "user_not_found"
    assert (await client.conversations_info(channel="C0GENERAL"))["channel"]["is_member"]
    assert (await client.conversations_history(channel="C0GENERAL"))["messages"][0]["ts"] == ts
    opened = await client.conversations_open(users="U1")
    await client.chat_postMessage(channel="U1", text="psst")
    assert server.workspace.channels[opened["channel"]["id"]].messages[0]["text"] == "psst"
    await client.chat_postEphemeral(channel="C0GENERAL", user="U1", text="psst")
    assert server.whispers == [{"channel": "C0GENERAL", "user": "U1", "text": "psst"}]
    stranger = {"channel": "C0GENERAL", "user": "U404", "text": "psst"}
    assert await refused(client, "chat.postEphemeral", **stranger) == "user_not_in_channel"


async def test_a_fault_holds_for_one_call(server: SlackServer, client: AsyncWebClient) -> None:
    server.fail("auth.test", rate_limited(2))
    assert await refused(client, "auth.test") == "ratelimited"
    assert (await client.auth_test())["user_id"] == BOT_USER


async def test_the_address_of_a_websocket_works_once_and_acknowledgements_are_checked(
    server: SlackServer,
) -> None:
    app = AsyncWebClient(token=APP_TOKEN, base_url=server.api_url)
    url = (await app.apps_connections_open(app_token=APP_TOKEN))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as socket:
            assert (await socket.receive_json())["type"] == "hello"
            delivery = server.event({"type": "reaction_added"})
            envelope = await socket.receive_json()
            assert envelope["payload"]["event"] == {"type": "reaction_added"}
            for ack in (
                {"envelope_id": "unknown"},
                {"envelope_id": envelope["envelope_id"], "payload": {"text": "x"}},
                {"envelope_id": envelope["envelope_id"]},
                {"envelope_id": envelope["envelope_id"]},
                ["?"],
            ):
                await socket.send_json(ack)
            await server.wait_for(lambda: len(server.violations) == 4 or delivery.acked_at)
            await server.wait_for(lambda: server.connections == 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
    assert delivery.acked_at is not None
    assert len(server.violations) == 4


async def test_a_response_url_takes_five_answers_in_its_time(server: SlackServer) -> None:
    command = server.slash("/ask", "x", channel="C0GENERAL", user="U1")
    url = command.payload["response_url"]
    async with aiohttp.ClientSession() as session:
        for expected in (200, 200, 200, 200, 200, 404):
            async with session.post(url, json={"text": "x"}) as reply:
                assert reply.status == expected
        late = server.slash("/ask", "x", channel="C0GENERAL", user="U1")
        server.expire_response_urls()
        async with session.post(late.payload["response_url"], json={"text": "x"}) as reply:
            assert json.loads(await reply.text())["error"] == "expired_url"
    assert len(server.answers(command)) == 5
