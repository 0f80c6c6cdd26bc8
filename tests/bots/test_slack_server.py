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
from servers.slack_workspace import Json


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


BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Go"}}


def row(*elements: Json) -> list[Json]:
    return [{"type": "actions", "elements": list(elements)}]


@pytest.mark.parametrize(
    "blocks",
    [
        row(),
        row(BUTTON, BUTTON),
        row(BUTTON | {"text": {"type": "mrkdwn", "text": "Go"}}),
        row(BUTTON | {"text": {"type": "plain_text", "text": "x" * 76}}),
        row(BUTTON | {"action_id": "x" * 256}),
        row(BUTTON | {"value": "x" * 2_001}),
        row(BUTTON | {"style": "red"}),
        row(BUTTON | {"custom_id": "a"}),
    ],
)
async def test_buttons_that_slack_would_not_show_are_refused(
    server: SlackServer, client: AsyncWebClient, blocks: list[Json]
) -> None:
    post = {"channel": "C0GENERAL", "text": "x"}
    assert await refused(client, "chat.postMessage", **post, blocks=blocks) == "invalid_blocks"
    ts = (await client.chat_postMessage(**post, blocks=row(BUTTON)))["ts"]
    change = {**post, "ts": ts, "blocks": blocks}
    assert await refused(client, "chat.update", **change) == "invalid_blocks"


async def test_an_update_keeps_the_buttons_unless_it_says_otherwise(
    server: SlackServer, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel="C0GENERAL", text="x", blocks=row(BUTTON)))["ts"]
    await client.chat_update(channel="C0GENERAL", ts=ts, text="y")
    assert server.thread("C0GENERAL", ts)[0]["blocks"] == row(BUTTON)
    await client.chat_update(channel="C0GENERAL", ts=ts, text="y", blocks=[])
    assert server.thread("C0GENERAL", ts)[0]["blocks"] == []


async def test_only_the_answer_to_a_button_replaces_its_message(server: SlackServer) -> None:
    shown: Json = {"text": "x", "blocks": row(BUTTON)}
    pressed = server.press("C0GENERAL", shown, "Go", user="U1")
    command = server.slash("/ask", "x", channel="C0GENERAL", user="U1")
    answer = {"text": "y", "replace_original": True}
    async with aiohttp.ClientSession() as session:
        for delivery in (pressed, command):
            async with session.post(delivery.payload["response_url"], json=answer) as reply:
                assert reply.status == 200
    assert (shown["text"], shown["blocks"]) == ("y", [])
    assert len(server.violations) == 1


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


async def test_the_history_of_a_channel_comes_in_pages_between_two_times(
    server: SlackServer, client: AsyncWebClient
) -> None:
    ts = [server.say("C0GENERAL", "U1", str(number)) for number in range(5)]
    server.say("C0GENERAL", "U1", "only in the thread", thread_ts=ts[0])

    async def texts(**args: Any) -> list[list[str]]:
        pages = []
        async for page in await client.conversations_history(channel="C0GENERAL", **args):
            pages.append([message["text"] for message in page["messages"]])
        return pages

    assert await texts(limit=2) == [["4", "3"], ["2", "1"], ["0"]]
    assert await texts(oldest=ts[0], latest=ts[4]) == [["3", "2", "1"]]
    assert await texts(oldest=ts[3], latest=ts[4], inclusive=True) == [["4", "3"]]
    assert await texts(latest=ts[2]) == [["1", "0"]]
    # The trap: with `oldest` alone the pages begin at that end.
    assert await texts(oldest=ts[1], limit=2) == [["3", "2"], ["4"]]
    for name in ("oldest", "latest"):
        args = {"channel": "C0GENERAL", name: "yesterday"}
        assert await refused(client, "conversations.history", **args) == f"invalid_ts_{name}"
    for limit in (-1, 1001):
        args = {"channel": "C0GENERAL", "limit": limit}
        assert await refused(client, "conversations.history", **args) == "invalid_limit"


async def test_new_messages_shift_no_page(server: SlackServer, client: AsyncWebClient) -> None:
    for number in range(4):
        server.say("C0GENERAL", "U1", str(number))
    first = await client.conversations_history(channel="C0GENERAL", limit=2)
    server.say("C0GENERAL", "U1", "4")
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel="C0GENERAL", limit=2, cursor=cursor)
    assert [message["text"] for message in second["messages"]] == ["1", "0"]


async def test_a_root_counts_its_replies_when_it_is_read_out(
    server: SlackServer, client: AsyncWebClient
) -> None:
    alone = server.say("C0GENERAL", "U1", "alone")
    root = server.say("C0GENERAL", "U1", "root")
    reply = server.say("C0GENERAL", "U2", "reply", thread_ts=root)
    shown = {
        message["ts"]: message
        for message in (await client.conversations_history(channel="C0GENERAL"))["messages"]
    }
    assert "thread_ts" not in shown[alone]
    assert (shown[root]["thread_ts"], shown[root]["latest_reply"]) == (root, reply)
    assert "channel" not in shown[root]  # as every event has it


async def test_the_conversations_of_the_bot_are_listed_by_type_and_in_pages(
    server: SlackServer, client: AsyncWebClient
) -> None:
    space = server.workspace
    space.add_channel("C0OUT", bot=False)
    space.add_channel("C0OLD", archived=True)
    space.add_channel("G0PRIVATE", "group")
    space.direct("U1")
    space.direct("U2")

    async def listed(**args: Any) -> list[str]:
        ids = []
        async for page in await client.users_conversations(**args):
            ids += [channel["id"] for channel in page["channels"]]
        return ids

    assert await listed() == ["C0GENERAL", "C0OLD"]
    assert await listed(exclude_archived=True) == ["C0GENERAL"]
    assert await listed(types="im,private_channel", limit=1) == ["G0PRIVATE", "D1", "D2"]
    assert await refused(client, "users.conversations", types="dm") == "invalid_types"


async def test_reading_without_a_scope_is_refused_and_the_scope_named(
    server: SlackServer, client: AsyncWebClient
) -> None:
    server.scopes.difference_update({"im:read", "channels:history"})
    for method, args, needed in (
        ("users.conversations", {"types": "public_channel,im"}, "im:read"),
        ("conversations.history", {"channel": "C0GENERAL"}, "channels:history"),
        ("conversations.replies", {"channel": "C0GENERAL", "ts": "1.0"}, "channels:history"),
    ):
        with pytest.raises(SlackApiError) as raised:
            await client.api_call(method, params=args)
        assert raised.value.response["error"] == "missing_scope"
        assert raised.value.response["needed"] == needed


async def test_what_comes_while_no_websocket_is_open_is_lost(server: SlackServer) -> None:
    server.mention("C0GENERAL", "U1", "hello?")
    server.slash("/ask", "hello?", channel="C0GENERAL", user="U1")
    assert len(server.lost) == 3
    assert server.redeliver(server.lost[0]) is server.lost[0]
    assert server.deliveries == []
    assert len(server.workspace.channels["C0GENERAL"].messages) == 1


async def test_a_status_hangs_until_a_post_an_empty_one_or_the_end_of_its_thread(
    server: SlackServer, client: AsyncWebClient
) -> None:
    roots = [server.say("C0GENERAL", "U1", "root") for _ in range(3)]
    for root in roots:
        await client.assistant_threads_setStatus(
            channel_id="C0GENERAL", thread_ts=root, status="is thinking"
        )
    assert set(server.hanging) == {("C0GENERAL", root) for root in roots}
    await client.chat_postMessage(channel="C0GENERAL", thread_ts=roots[0], text="x")
    await client.assistant_threads_setStatus(channel_id="C0GENERAL", thread_ts=roots[1], status="")
    server.delete("C0GENERAL", roots[2])
    assert server.hanging == {}
