"""The engine at OpenAI: conversations and runs. What runs say is in test_openai_answers.py."""

import hashlib
from typing import Any

import pytest

from core.domain import (
    Answer,
    Answered,
    Calls,
    ConversationId,
    Exchange,
    Failed,
    RunId,
    ThreadRef,
    Working,
)
from core.errors import (
    ConversationGone,
    ConversationLocked,
    EngineBusy,
    EngineRefused,
    EngineUnreachable,
)
from core.openai_engine.engine import OpenAIEngine
from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS
from servers.faults import Fault
from servers.openai_faults import error, html_page, rate_limited, server_error
from servers.openai_rig import (
    THREAD,
    Docs,
    filled_store,
    function_call,
    make_engine,
    message,
    question,
    run_of,
    state_of,
)
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

# --- conversations --------------------------------------------------------------------------------


async def test_a_conversation_begins_with_what_was_said_before(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    history = [
        Exchange(question="One?", answer="First."),
        Exchange(question="Two?", answer="Second."),
    ]
    opened = await engine.open_conversation(THREAD, history)
    kept = server.conversations.all[opened]
    said = [(item["role"], item["content"][0]["text"]) for item in kept.items]
    assert said == [
        ("user", "One?"),
        ("assistant", "First."),
        ("user", "Two?"),
        ("assistant", "Second."),
    ]
    assert kept.metadata == {"docent_platform": "slack", "docent_thread": THREAD.key}


async def test_a_long_history_is_added_twenty_items_at_a_time_and_in_order(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    history = [Exchange(question=f"Q{n}", answer=f"A{n}") for n in range(23)]
    opened = await engine.open_conversation(THREAD, history)
    said = [item["content"][0]["text"] for item in server.conversations.all[opened].items]
    assert said == [text for n in range(23) for text in (f"Q{n}", f"A{n}")]
    assert len(server.sent("POST", "/conversations")) == 1
    assert len(server.sent("POST", "/conversations/*/items")) == 2


async def test_exchanges_without_words_are_left_out(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    history = [Exchange(question="One?", answer=""), Exchange(question="", answer="Second.")]
    opened = await engine.open_conversation(THREAD, history)
    assert server.conversations.all[opened].items == []


async def test_a_very_long_thread_key_fits_the_metadata(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    await engine.open_conversation(ThreadRef(platform="x", tenant="", key="k" * 600), [])
    assert len(server.conversations.all) == 1


# --- starting a run -------------------------------------------------------------------------------


async def test_a_run_is_a_stored_background_response_in_the_conversation(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = await filled_store(server)
    conversation = await engine.open_conversation(THREAD, [])
    run = await engine.start(conversation, question())
    assert run in server.responses.all
    (sent,) = server.sent("POST", "/responses")
    person = "slack\nT1\nU1"
    assert sent.json == {
        "model": "gpt-6-luna",
        "conversation": conversation,
        "background": True,
        "store": True,
        "input": [
            {
                "type": "message",
                "role": "developer",
                "content": "Question 7, asked on 2026-11-22.",
            },
            {"type": "message", "role": "user", "content": "How do I install it?"},
        ],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [
            {
                "type": "file_search",
                "vector_store_ids": [docs.vector_store],
                "max_num_results": 8,
            }
        ],
        "include": ["file_search_call.results"],
        "text": {"verbosity": "low"},
        "reasoning": {"effort": "low"},
        "truncation": "auto",
        "metadata": {"docent_turn": "7"},
        "safety_identifier": hashlib.sha256(person.encode()).hexdigest(),
    }


async def test_instructions_and_tools_are_sent_with_every_question(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = await filled_store(server)
    conversation = await engine.open_conversation(THREAD, [])
    for _ in range(2):
        await engine.check(await engine.start(conversation, question()))
    first, second = server.sent("POST", "/responses")
    assert second.json["instructions"] == first.json["instructions"] == DEFAULT_INSTRUCTIONS
    assert second.json["tools"] == first.json["tools"] != []


async def test_without_a_vector_store_there_is_no_search(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    await run_of(engine)
    assert server.sent("POST", "/responses")[0].json["tools"] == []


async def test_no_reasoning_effort_is_sent_where_none_is_set(
    server: OpenAIServer, docs: Docs
) -> None:
    engine = make_engine(server, docs, reasoning_effort=None)
    await run_of(engine)
    await engine.close()
    assert "reasoning" not in server.sent("POST", "/responses")[0].json


async def test_people_are_told_apart_without_being_named(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    for author in ("alice", "bob", "alice"):
        await run_of(engine, question(author=author))
    alice, bob, again = (
        sent.json["safety_identifier"] for sent in server.sent("POST", "/responses")
    )
    assert alice == again != bob
    assert "alice" not in alice
    assert len(alice) <= 64


async def test_a_run_is_never_created_twice(server: OpenAIServer, engine: OpenAIEngine) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    server.fault("POST", "/responses", Fault(drop="after"))
    with pytest.raises(EngineUnreachable):
        await engine.start(conversation, question())
    assert len(server.responses.all) == 1


async def test_a_second_run_in_a_conversation_finds_it_locked(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["queued", "completed"], text="Yes."))
    conversation = await engine.open_conversation(THREAD, [])
    first = await engine.start(conversation, question())
    with pytest.raises(ConversationLocked):
        await engine.start(conversation, question())
    assert isinstance(await engine.check(first), Answered)
    await engine.start(conversation, question())


async def test_a_lock_that_is_told_with_another_status_is_a_lock(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    server.fault("POST", "/responses", error(409, "Busy.", "conversation_locked", "conflict"))
    with pytest.raises(ConversationLocked):
        await engine.start(conversation, question())


async def test_a_conversation_that_openai_does_not_have_is_gone(engine: OpenAIEngine) -> None:
    with pytest.raises(ConversationGone):
        await engine.start(ConversationId("conv_none"), question())


async def test_a_bare_404_for_a_question_means_its_conversation(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    server.fault("POST", "/responses", Fault(status=404, body={"detail": "Not Found"}))
    with pytest.raises(ConversationGone):
        await engine.start(conversation, question())


async def test_a_vector_store_that_is_gone_is_not_taken_for_the_conversation(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = "vs_none"
    with pytest.raises(EngineRefused) as refused:
        await run_of(engine)
    assert refused.value.reason == "vector_store_not_found"


async def test_a_reply_without_an_id_is_no_run(server: OpenAIServer, engine: OpenAIEngine) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    for fault in (html_page(), Fault(status=200, body={"object": "response"})):
        server.fault("POST", "/responses", fault)
        with pytest.raises(EngineUnreachable):
            await engine.start(conversation, question())


# --- looking at a run -----------------------------------------------------------------------------


async def test_a_run_works_until_it_is_answered(server: OpenAIServer, engine: OpenAIEngine) -> None:
    server.script(Script(text="Use pip."))
    run = await run_of(engine)
    assert await engine.check(run) == Working()
    assert await engine.check(run) == Answered(answer=Answer(text="Use pip."))


async def test_a_run_may_be_over_when_it_is_created(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["completed"], text="Use pip."))
    assert await engine.check(await run_of(engine)) == Answered(answer=Answer(text="Use pip."))


async def test_an_incomplete_run_is_answered_with_what_there_is(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    state = await state_of(server, engine, Script(statuses=["incomplete"], text="Use p"))
    assert state == Answered(answer=Answer(text="Use p", incomplete=True))


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
async def test_an_incomplete_run_without_text_failed(
    server: OpenAIServer, engine: OpenAIEngine, reason: str
) -> None:
    script = Script(statuses=["incomplete"], output=[], reason=reason)
    assert await state_of(server, engine, script) == Failed(reason=reason, transient=False)


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        ("server_error", True),
        ("rate_limit_exceeded", True),
        ("vector_store_timeout", True),
        ("internal_error", True),
        ("engine_overloaded", True),
        ("misalignment_policy_violation", False),
        ("bio_policy", False),
        ("data_residency_mismatch", False),
    ],
)
async def test_a_failure_of_openais_own_is_transient_and_others_are_not(
    server: OpenAIServer, engine: OpenAIEngine, code: str, transient: bool
) -> None:
    script = Script(statuses=["failed"], error_code=code)
    assert await state_of(server, engine, script) == Failed(reason=code, transient=transient)


async def test_a_failure_for_want_of_the_conversation_says_so(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    message = "Conversation conv_1 not found"
    script = Script(statuses=["failed"], error_code="processing_error", error_message=message)
    state = await state_of(server, engine, script)
    assert state == Failed(reason="conversation_gone", transient=True)


async def test_a_cancelled_run_failed_for_good(server: OpenAIServer, engine: OpenAIEngine) -> None:
    state = await state_of(server, engine, Script(statuses=["cancelled"]))
    assert state == Failed(reason="cancelled", transient=False)


async def test_an_unknown_status_is_a_failure_that_is_logged(
    server: OpenAIServer, engine: OpenAIEngine, caplog: pytest.LogCaptureFixture
) -> None:
    state = await state_of(server, engine, Script(statuses=["expired"]))
    assert state == Failed(reason="unknown_status", transient=False)
    assert [vars(record)["status"] for record in caplog.records if "status" in vars(record)] == [
        "expired"
    ]


@pytest.mark.parametrize("missing_status", [400, 404])
async def test_a_run_that_openai_does_not_have_was_lost(
    server: OpenAIServer, engine: OpenAIEngine, missing_status: int
) -> None:
    server.missing_status = missing_status
    assert await engine.check(RunId("resp_none")) == Failed(reason="run_lost", transient=True)


async def test_a_function_call_is_what_the_run_wants_whatever_it_says(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    script = Script(statuses=["completed"], output=[message("Let me see."), function_call()])
    state = await state_of(server, engine, script)
    assert isinstance(state, Calls)
    assert [(call.name, call.arguments) for call in state.calls] == [("look_up", "{}")]


@pytest.mark.parametrize("output", [[], [{"type": "reasoning", "id": "rs_1", "summary": []}]])
async def test_a_run_that_says_nothing_failed(
    server: OpenAIServer, engine: OpenAIEngine, output: list[Any]
) -> None:
    state = await state_of(server, engine, Script(statuses=["completed"], output=output))
    assert state == Failed(reason="empty", transient=True)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (rate_limited(retry_after="3"), EngineBusy),
        (server_error(), EngineUnreachable),
        (html_page(), EngineUnreachable),
        (Fault(drop="before"), EngineUnreachable),
        (error(401, "No.", "invalid_api_key", "x"), EngineRefused),
    ],
    ids=["busy", "500", "html", "dropped", "401"],
)
async def test_a_look_that_fails_does_not_end_the_run(
    server: OpenAIServer, engine: OpenAIEngine, fault: Fault, expected: type[Exception]
) -> None:
    run = await run_of(engine)
    server.fault("GET", "/responses/*", fault)
    with pytest.raises(expected):
        await engine.check(run)
    assert isinstance(await engine.check(run), Answered)


async def test_output_that_makes_no_sense_is_an_empty_answer(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    outputs: list[Any] = [
        None,
        3,
        {"type": "message"},
        ["text", None, 3],
        [{"type": "message"}],
        [{"type": "message", "content": 3}],
        [{"type": "message", "content": [None, {}, {"type": "output_text", "text": 3}]}],
        [{"type": "file_search_call", "results": [None, 3]}],
    ]
    for output in outputs:
        body = {"id": "resp_1", "status": "completed", "output": output}
        server.fault("GET", "/responses/*", Fault(status=200, body=body))
        assert await engine.check(RunId("resp_1")) == Failed(reason="empty", transient=True)


async def test_details_that_make_no_sense_are_no_reason_to_stumble(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    failed = Failed(reason="server_error", transient=True)
    incomplete = Failed(reason="incomplete", transient=False)
    odd: list[Any] = [None, "text", 3, {}, {"reason": 3, "code": 3, "message": 3}]
    for details in odd:
        for status, expected in (("failed", failed), ("incomplete", incomplete)):
            body = {"status": status, "error": details, "incomplete_details": details}
            server.fault("GET", "/responses/*", Fault(status=200, body={"id": "resp_1", **body}))
            assert await engine.check(RunId("resp_1")) == expected


async def test_a_text_without_annotations_is_an_answer(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    part = {"type": "output_text", "text": "Yes."}
    output = [{"type": "message", "role": "assistant", "content": [part]}]
    body = {"id": "resp_1", "status": "completed", "output": output}
    server.fault("GET", "/responses/*", Fault(status=200, body=body))
    assert await engine.check(RunId("resp_1")) == Answered(answer=Answer(text="Yes."))


# --- cancelling -----------------------------------------------------------------------------------


async def test_a_run_at_work_is_cancelled(server: OpenAIServer, engine: OpenAIEngine) -> None:
    server.script(Script(statuses=["in_progress"]))
    run = await run_of(engine)
    await engine.cancel(run)
    assert await engine.check(run) == Failed(reason="cancelled", transient=False)
    await engine.cancel(run)


async def test_cancelling_a_run_that_is_over_or_unknown_changes_nothing(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    run = await run_of(engine)
    assert isinstance(await engine.check(run), Answered)
    await engine.cancel(run)
    await engine.cancel(RunId("resp_none"))
    server.fault("POST", "/responses/*/cancel", Fault(status=409, body={"detail": "It is over."}))
    await engine.cancel(run)
    assert isinstance(await engine.check(run), Answered)


async def test_closing_twice_is_no_error(server: OpenAIServer, docs: Docs) -> None:
    engine = make_engine(server, docs)
    await run_of(engine)
    await engine.close()
    await engine.close()
