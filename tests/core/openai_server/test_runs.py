"""The loopback OpenAI server: what runs do to conversations, and what a test can order and see."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response

from servers.faults import Fault
from servers.openai_faults import Late, html_page, server_error
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(script=Script(text="Yes.")) as running:
        yield running


async def ask(client: AsyncOpenAI, conversation: str, turn: str = "7", **more: Any) -> Response:
    given: Any = [
        {"type": "message", "role": "developer", "content": f"Question {turn}."},
        {"type": "message", "role": "user", "content": "Why?"},
    ]
    body: dict[str, Any] = {"input": given, "metadata": {"docent_turn": turn}} | more
    created: Response = await client.responses.create(
        model="gpt-6-luna", conversation=conversation, background=True, store=True, **body
    )
    return created


async def opened(client: AsyncOpenAI) -> str:
    return (await client.conversations.create()).id


async def kinds(client: AsyncOpenAI, conversation: str) -> list[str]:
    """Roles of messages, and types of other items, oldest first."""
    listed = await client.conversations.items.list(conversation, order="asc", limit=100)
    return [getattr(item, "role", item.type) for item in listed.data]


# --- conversations --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["queued", "in_progress"])
async def test_a_run_holds_its_conversation_and_adds_its_items_when_it_completes(
    server: OpenAIServer, client: AsyncOpenAI, status: str
) -> None:
    server.script(Script(statuses=[status], text="Yes."))
    conversation = await opened(client)
    run = await ask(client, conversation)
    assert await kinds(client, conversation) == []
    with pytest.raises(openai.BadRequestError) as refusal:
        await ask(client, conversation)
    assert refusal.value.code == "conversation_locked"
    server.responses.finish(run.id)
    assert await kinds(client, conversation) == ["developer", "user", "assistant"]
    assert (await ask(client, conversation)).status == "queued"


async def test_a_run_that_takes_time_ends_although_nobody_looks_at_it(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.script(Script(seconds=0.0, text="Yes."))
    conversation = await opened(client)
    await ask(client, conversation)
    assert await kinds(client, conversation) == ["developer", "user", "assistant"]


@pytest.mark.parametrize("status", ["failed", "cancelled", "incomplete"])
@pytest.mark.parametrize(
    ("leaves", "left"),
    [
        ("nothing", []),
        ("input", ["developer", "user"]),
        ("call", ["developer", "user", "function_call"]),
    ],
)
async def test_what_a_run_leaves_that_does_not_complete_can_be_ordered(
    server: OpenAIServer,
    client: AsyncOpenAI,
    status: str,
    leaves: Literal["nothing", "input", "call"],
    left: list[str],
) -> None:
    server.script(Script(statuses=["queued", status], leaves=leaves))
    conversation = await opened(client)
    run = await ask(client, conversation)
    await client.responses.retrieve(run.id)
    assert await kinds(client, conversation) == left


async def test_cancelling_a_run_may_leave_a_call_that_blocks_until_it_has_an_output(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.script(Script(statuses=["in_progress"], leaves="call"))
    conversation = await opened(client)
    run = await ask(client, conversation)
    await client.responses.cancel(run.id)
    with pytest.raises(openai.BadRequestError, match="No tool output found for function call"):
        await ask(client, conversation)
    call = server.conversations.all[conversation].open_calls()[0]
    output = {"type": "function_call_output", "call_id": call, "output": "None."}
    user = {"type": "message", "role": "user", "content": "Why?"}
    assert (await ask(client, conversation, input=[output, user])).status == "queued"


async def test_items_are_listed_page_by_page_in_either_order(client: AsyncOpenAI) -> None:
    items: Any = [{"type": "message", "role": "user", "content": f"{n}"} for n in range(5)]
    conversation = (await client.conversations.create(items=items)).id

    async def texts(order: Any) -> list[str]:
        listed = client.conversations.items.list(conversation, order=order, limit=2)
        return [item.content[0].text async for item in listed]  # type: ignore[union-attr]

    assert await texts("asc") == ["0", "1", "2", "3", "4"]
    assert await texts("desc") == ["4", "3", "2", "1", "0"]
    for limit in (0, 101):
        with pytest.raises(openai.BadRequestError):
            await client.conversations.items.list(conversation, limit=limit)


async def test_a_conversation_that_is_deleted_keeps_the_items_that_were_not(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    items: Any = [{"type": "message", "role": "user", "content": "Hello"}] * 2
    conversation = (await client.conversations.create(items=items)).id
    listed = await client.conversations.items.list(conversation)
    await client.conversations.items.delete(str(listed.data[0].id), conversation_id=conversation)
    assert (await client.conversations.delete(conversation)).deleted
    assert len(server.conversations.deleted[conversation].items) == 1


async def test_a_response_can_be_deleted_once(server: OpenAIServer, client: AsyncOpenAI) -> None:
    conversation = await opened(client)
    run = await ask(client, conversation)
    await client.responses.delete(run.id)
    for call in (client.responses.delete, client.responses.retrieve):
        with pytest.raises(openai.NotFoundError):
            await call(run.id)  # type: ignore[operator]
    (seen,) = server.runs()
    assert (seen.is_deleted, seen.is_at_work) == (True, False)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("gone", "not found"),
        ("too_long", "exceeds the context window"),
        ("open_call", "No tool output found"),
    ],
)
async def test_a_conversation_can_be_spoilt(
    server: OpenAIServer, client: AsyncOpenAI, how: Any, said: str
) -> None:
    conversation, other = await opened(client), await opened(client)
    server.spoil(conversation, how)
    with pytest.raises(openai.APIStatusError, match=said):
        await ask(client, conversation)
    assert (await ask(client, other)).status == "queued"


# --- what a test sees -----------------------------------------------------------------------------


async def test_all_runs_are_known_with_their_turns_and_ends(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.script(Script(seconds=0.0), Script(statuses=["queued"]), Script(statuses=["completed"]))
    first, second = await opened(client), await opened(client)
    await ask(client, first, "1")
    waiting = await ask(client, second, "2")
    await ask(client, first, "3")
    runs = server.runs()
    assert [(run.turn, run.conversation, run.status, run.is_read) for run in runs] == [
        ("1", first, "completed", False),
        ("2", second, "queued", False),
        ("3", first, "completed", True),  # the reply to its creation told it
    ]
    assert [run.id for run in server.orphans()] == [waiting.id]
    await client.responses.cancel(waiting.id)
    assert server.orphans() == []


async def test_a_run_counts_as_read_when_its_end_was_told_or_its_answer_was_listed(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    looked_at, listed = await opened(client), await opened(client)
    run = await ask(client, looked_at)
    await client.responses.retrieve(run.id)
    await ask(client, listed)
    assert [(seen.looks, seen.is_read) for seen in server.runs()] == [(1, False), (0, False)]
    await client.responses.retrieve(run.id)
    server.responses.finish(server.runs()[1].id)
    assert [(seen.looks, seen.is_read) for seen in server.runs()] == [(2, True), (0, False)]
    await client.conversations.items.list(listed)
    assert [seen.is_read for seen in server.runs()] == [True, True]


# --- what a test orders ---------------------------------------------------------------------------


async def test_a_request_can_be_held_after_its_effect(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    conversation = await opened(client)
    hold = server.hold("POST", "/responses")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        asked = group.create_task(ask(client, conversation))
        await hold.reached.wait()
        assert [run.turn for run in server.orphans()] == ["7"]
        assert not asked.done()
        hold.release()
    assert asked.result().id == server.runs()[0].id


async def test_a_request_can_be_held_before_its_effect(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    conversation = await opened(client)
    hold = server.hold("POST", "/responses", effect=False)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(ask(client, conversation))
        await hold.reached.wait()
        assert server.runs() == []
        hold.release()
    assert len(server.runs()) == 1


@pytest.mark.parametrize(
    "then", [html_page(), server_error(), Fault(drop="before"), Fault(drop="after")], ids=repr
)
async def test_a_reply_can_be_lost_after_the_effect_in_any_way(
    server: OpenAIServer, client: AsyncOpenAI, then: Fault
) -> None:
    conversation = await opened(client)
    server.fault("POST", "/responses", Late(then=then))
    with pytest.raises(openai.APIError):
        await ask(client, conversation)
    assert len(server.runs()) == 1


async def test_a_reply_that_never_comes_has_its_effect_once() -> None:
    async with (
        OpenAIServer() as server,
        AsyncOpenAI(
            api_key=server.api_key, base_url=server.url, max_retries=0, timeout=5.0
        ) as client,
    ):
        conversation = await opened(client)
        server.fault("POST", "/responses", Late(then=Fault(hang=True)))
        with pytest.raises(openai.APITimeoutError):
            await ask(client, conversation, timeout=0.05)
    assert len(server.runs()) == 1


async def test_an_outage_lasts_until_it_is_mended(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    conversation = await opened(client)
    server.break_down(server_error(503), "POST")
    for _ in range(3):
        with pytest.raises(openai.InternalServerError):
            await ask(client, conversation)
    assert await kinds(client, conversation) == []
    server.mend()
    assert (await ask(client, conversation)).status == "queued"
