"""Erasing what OpenAI keeps of a thread."""

import asyncio

import pytest

from core.domain import ConversationId, Exchange, Failed, RunId
from core.errors import EngineBusy, EngineError, EngineRefused, EngineUnreachable
from core.openai_engine.engine import OpenAIEngine
from servers.faults import Fault
from servers.openai_faults import broken_json, error, html_page, rate_limited, server_error
from servers.openai_rig import THREAD, question
from servers.openai_server import OpenAIServer

HISTORY = [Exchange(question=f"Q{n}", answer=f"A{n}") for n in range(70)]


@pytest.fixture
async def conversation(engine: OpenAIEngine) -> ConversationId:
    return await engine.open_conversation(THREAD, HISTORY)


async def test_every_item_goes_before_its_conversation(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    runs = [await engine.start(conversation, question(turn=n)) for n in (1, 2)]
    await engine.erase(conversation, runs)
    assert server.conversations.all == server.responses.all == {}
    assert server.conversations.deleted[conversation].items == []
    assert {run.is_deleted for run in server.runs()} == {True}
    assert await engine.check(runs[0]) == Failed(reason="run_lost", transient=True)


async def test_other_threads_keep_what_is_theirs(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    other = await engine.open_conversation(THREAD, HISTORY)
    await engine.erase(conversation, [])
    assert len(server.conversations.all[other].items) == 140


async def test_what_is_gone_is_no_error(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    run = await engine.start(conversation, question())
    for server.missing_status in (404, 400):
        await engine.erase(conversation, [run, RunId("resp_none")])
        await engine.erase(ConversationId("conv_none"), [])
    assert server.conversations.all == {}


async def test_an_item_that_somebody_else_deletes_is_no_error(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    server.fault("DELETE", "/conversations/*/items/*", Fault(status=404, body={"detail": "No"}))
    await engine.erase(conversation, [])
    assert server.conversations.all == {}


async def test_without_a_conversation_only_runs_are_erased(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    run = await engine.start(conversation, question())
    await engine.erase(None, [run])
    assert server.responses.all == {}
    assert conversation in server.conversations.all


@pytest.mark.parametrize(
    "path", ["/responses/*", "/conversations/*/items/*", "/conversations/conv_*"]
)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (rate_limited(retry_after="300"), EngineBusy),
        (server_error(502), EngineUnreachable),
        (html_page(), EngineUnreachable),
        (broken_json(), EngineUnreachable),
        (Fault(drop="before"), EngineUnreachable),
        (error(401, "No.", "invalid_api_key", "x"), EngineRefused),
    ],
    ids=["429", "502", "html", "broken", "dropped", "401"],
)
async def test_what_could_not_be_erased_is_an_error_and_can_be_repeated(
    server: OpenAIServer,
    engine: OpenAIEngine,
    conversation: ConversationId,
    path: str,
    fault: Fault,
    expected: type[EngineError],
) -> None:
    run = await engine.start(conversation, question())
    server.fault("DELETE", path, fault)
    with pytest.raises(expected):
        await engine.erase(conversation, [run])
    await engine.erase(conversation, [run])
    assert server.conversations.all == server.responses.all == {}
    assert server.conversations.deleted[conversation].items == []


async def test_an_unusable_list_of_items_is_not_taken_for_an_empty_conversation(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    for body in ({}, {"data": None}):
        server.fault("GET", "/conversations/*/items", Fault(status=200, body=body))
        with pytest.raises(EngineUnreachable):
            await engine.erase(conversation, [])
    assert conversation in server.conversations.all


async def test_a_list_that_does_not_go_on_ends_the_erasing(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    body = {"data": [{"id": "msg_x", "type": "message"}], "has_more": True, "last_id": "msg_x"}
    server.fault("GET", "/conversations/*/items", *[Fault(status=200, body=body)] * 3)
    await engine.erase(conversation, [])
    assert len(server.sent("GET", "/conversations/*/items")) == 2


async def test_no_more_than_a_few_requests_are_made_at_once(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    holds = [server.hold("DELETE", "/conversations/*/items/*") for _ in range(9)]
    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(engine.erase(conversation, []))
            for hold in holds[:8]:
                await hold.reached.wait()
            assert len(server.sent("DELETE", "/conversations/*/items/*")) == 8
            for hold in holds:
                hold.release()
    finally:
        for hold in holds:
            hold.release()
    assert server.conversations.all == {}
