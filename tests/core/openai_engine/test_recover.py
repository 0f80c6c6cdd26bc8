"""Conversations at OpenAI that tell what became of a lost run, and those that have to be mended."""

import logging
from dataclasses import replace
from typing import Any, Literal

import pytest

from core.domain import (
    Answer,
    Answered,
    Calls,
    Citation,
    ConversationId,
    Exchange,
    Failed,
    NotAnswered,
    RunState,
    ToolCall,
)
from core.errors import (
    ConversationGone,
    ConversationLocked,
    ConversationTooLong,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
)
from core.openai_engine.engine import OpenAIEngine
from servers.faults import Fault
from servers.openai_faults import (
    Late,
    broken_json,
    error,
    html_page,
    open_call,
    rate_limited,
    server_error,
    too_long,
)
from servers.openai_rig import (
    THREAD,
    Docs,
    cited,
    file_id,
    filled_store,
    function_call,
    message,
    question,
)
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

HALF_WRITTEN = Failed(reason="half_written", transient=True)
YES = Answered(answer=Answer(text="Yes."))


@pytest.fixture
async def conversation(engine: OpenAIEngine) -> ConversationId:
    return await engine.open_conversation(THREAD, [Exchange(question="One?", answer="First.")])


async def lose(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId, *scripts: Script
) -> None:
    """Start runs for turn 7 whose ids nobody gets to know."""
    for script in scripts:
        server.script(script)
        server.fault("POST", "/responses", Fault(drop="after"))
        with pytest.raises(EngineUnreachable):
            await engine.start(conversation, question())


# --- runs whose id was lost -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        Script(text="Use pip."),
        Script(text="Say no more. [[not-in-docs]]"),
        Script(text="Half a w", statuses=["incomplete"], leaves="output"),
        Script(output=[message("First this."), message("Then that.")]),
        Script(output=[]),
        Script(output=[function_call()]),
        Script(output=[message("Let me see."), function_call()]),
        Script(output=[message("Let me see.", phase="commentary"), message("Use pip.")]),
        Script(text=""),
    ],
    ids=[
        "text",
        "not in docs",
        "incomplete",
        "two",
        "nothing",
        "call",
        "text, call",
        "thought",
        "empty",
    ],
)
async def test_what_is_found_is_what_the_run_itself_would_have_told(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId, script: Script
) -> None:
    server.script(replace(script, statuses=[script.statuses[-1]]))
    told = await engine.check(await engine.start(conversation, question()))
    found = await engine.recover(conversation, question())
    if told == Failed(reason="empty", transient=True) and script.output == []:
        assert found == HALF_WRITTEN  # without a message, a run that is done looks like half a one
    else:
        assert found == told


async def test_an_answer_is_found_with_its_citations(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs, conversation: ConversationId
) -> None:
    url = {"url": "https://docs.example/guide", "title": "Guide"}
    docs.vector_store = await filled_store(server, guide=url)
    script = Script(statuses=["completed"], output=cited((file_id(server, "guide"), "guide.md")))
    await lose(server, engine, conversation, script)
    page = Citation(url="https://docs.example/guide", title="Guide")
    found = await engine.recover(conversation, question("About guide"))
    assert found == Answered(answer=Answer(text="Yes.", citations=(page,)))
    assert len(server.responses.all) == 1


async def test_a_history_and_earlier_questions_are_no_trace(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    await engine.start(conversation, question(turn=6))
    assert await engine.recover(conversation, question(turn=7)) is None
    assert await engine.recover(conversation, question(turn=6)) == YES


async def test_nobody_in_the_chat_can_forge_a_marker(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    server.script(Script(statuses=["completed"], text="Question 7, asked on 2026-11-22."))
    await engine.start(conversation, question("Question 7, asked on 2026-11-22.", turn=6))
    assert await engine.recover(conversation, question(turn=7)) is None


async def test_a_run_at_work_leaves_no_trace_but_holds_the_conversation(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    await lose(server, engine, conversation, Script(statuses=["queued", "completed"], text="Yes."))
    assert await engine.recover(conversation, question()) is None
    with pytest.raises(ConversationLocked):
        await engine.start(conversation, question())
    (run,) = server.orphans()
    assert (run.turn, run.conversation) == ("7", conversation)
    server.responses.finish(run.id)
    assert await engine.recover(conversation, question()) == YES
    assert server.orphans() == []


@pytest.mark.parametrize(("leaves", "found"), [("nothing", None), ("input", HALF_WRITTEN)])
@pytest.mark.parametrize("status", ["cancelled", "failed"])
async def test_a_run_that_did_not_complete_is_known_by_what_it_left(
    server: OpenAIServer,
    engine: OpenAIEngine,
    conversation: ConversationId,
    leaves: Literal["nothing", "input"],
    status: str,
    found: RunState | None,
) -> None:
    await lose(server, engine, conversation, Script(statuses=[status], leaves=leaves))
    assert await engine.recover(conversation, question()) == found


async def test_half_an_answer_is_none(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    for half in (message("Use p", status="in_progress"), message("Hm.", phase="commentary")):
        await lose(server, engine, conversation, Script(statuses=["completed"], output=[half]))
        assert await engine.recover(conversation, question()) == HALF_WRITTEN


async def test_the_newest_run_of_a_turn_counts(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    half = Script(statuses=["cancelled"], leaves="input")
    whole = Script(statuses=["completed"], text="Use pip.")
    await lose(server, engine, conversation, half, whole)
    found = await engine.recover(conversation, question())
    assert found == Answered(answer=Answer(text="Use pip."))
    await lose(server, engine, conversation, half)
    assert await engine.recover(conversation, question()) == HALF_WRITTEN


async def test_the_answer_to_a_later_question_is_not_taken_for_the_lost_one(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    await lose(server, engine, conversation, Script(statuses=["cancelled"], leaves="input"))
    await engine.start(conversation, question(turn=8))
    assert await engine.recover(conversation, question(turn=7)) == HALF_WRITTEN
    assert await engine.recover(conversation, question(turn=8)) == YES


async def test_an_answer_is_found_behind_many_items_but_not_behind_all(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    await lose(server, engine, conversation, Script(statuses=["completed"], text="Use pip."))
    kept = server.conversations.all[conversation].items
    user = {"type": "message", "role": "user", "status": "completed", "content": []}
    kept += [{"id": f"msg_{n}", **user} for n in range(120)]
    found = await engine.recover(conversation, question())
    assert found == Answered(answer=Answer(text="Use pip."))
    kept += [{"id": f"msg_{n}", **user} for n in range(120, 400)]
    server.requests.clear()
    assert await engine.recover(conversation, question()) is None
    assert len(server.sent("GET", "/conversations/*/items")) == 4


async def test_an_earlier_question_ends_the_search(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    user = {"type": "message", "role": "user", "status": "completed", "content": []}
    kept = server.conversations.all[conversation].items
    kept += [{"id": f"msg_{n}", **user} for n in range(120)]
    await engine.start(conversation, question(turn=6))
    assert await engine.recover(conversation, question(turn=7)) is None
    assert len(server.sent("GET", "/conversations/*/items")) == 1


async def test_a_run_in_a_conversation_that_is_gone_cannot_be_found(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    for server.missing_status in (404, 400):
        with pytest.raises(ConversationGone):
            await engine.recover(ConversationId("conv_none"), question())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (html_page(), EngineUnreachable),
        (broken_json(), EngineUnreachable),
        (Fault(status=200, body={}), EngineUnreachable),
        (Fault(status=200, body={"data": None}), EngineUnreachable),
        (
            Fault(status=200, body={"data": [{"type": "message", "_fields_set": 1}]}),
            EngineUnreachable,
        ),
        (Fault(status=200, body={"data": [], "_BaseModel__cls": 1}), EngineUnreachable),
        (Fault(status=200, body="", content_type="application/json"), EngineUnreachable),
        (server_error(), EngineUnreachable),
        (Fault(drop="before"), EngineUnreachable),
        (rate_limited(retry_after="240"), EngineBusy),
        (error(401, "No.", "invalid_api_key", "x"), EngineRefused),
    ],
    ids=[
        "html",
        "broken",
        "object",
        "null",
        "keys",
        "key",
        "empty",
        "500",
        "dropped",
        "429",
        "401",
    ],
)
async def test_no_usable_list_is_not_taken_for_no_trace(
    server: OpenAIServer,
    engine: OpenAIEngine,
    conversation: ConversationId,
    fault: Fault,
    expected: type[EngineError],
) -> None:
    await lose(server, engine, conversation, Script(statuses=["completed"], text="Use pip."))
    server.fault("GET", "/conversations/*/items", fault)
    with pytest.raises(expected):
        await engine.recover(conversation, question())
    assert isinstance(await engine.recover(conversation, question()), Answered)


async def test_items_that_make_no_sense_are_passed_over(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    mark: Any = {"type": "message", "role": "developer", "id": "msg_m", "status": "completed"}
    mark["content"] = [{"type": "input_text", "text": "Question 7, asked on 2026-11-22."}]
    part = {"type": "output_text", "text": "No. [[not-in-docs]]", "annotations": []}
    said: Any = {"type": "message", "role": "assistant", "id": "msg_s", "content": [part]}
    odd: list[Any] = [None, 3, "x", {}, {"type": "message"}, {"type": "new_thing", "id": "x_1"}]
    odd += [{"type": "message", "role": "developer", "content": c} for c in (None, [], [3], "x")]
    body = {"object": "list", "data": [*odd, said, *odd, mark, *odd], "has_more": False}
    server.fault("GET", "/conversations/*/items", Fault(status=200, body=body))
    assert await engine.recover(conversation, question()) == NotAnswered(text="No.")


# --- conversations that have to be mended ---------------------------------------------------------


async def test_an_open_call_gets_an_output_and_the_question_its_run(
    server: OpenAIServer,
    engine: OpenAIEngine,
    conversation: ConversationId,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    server.spoil(conversation, "open_call")
    server.spoil(conversation, "open_call")
    run = await engine.start(conversation, question())
    assert await engine.check(run) == YES
    assert await engine.recover(conversation, question()) == YES
    assert server.conversations.all[conversation].open_calls() == []
    assert len(server.responses.all) == 1
    (line,) = [record for record in caplog.records if record.name.startswith("core")]
    assert vars(line)["conversation"] == conversation
    assert len(vars(line)["calls"]) == 2


async def test_calls_that_have_an_output_get_no_second_one(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    await lose(server, engine, conversation, Script(statuses=["cancelled"], leaves="call"))
    kept = server.conversations.all[conversation]
    (call,) = kept.open_calls()
    wanted = ToolCall(id=call, name="look_up", arguments="{}")
    assert await engine.recover(conversation, question()) == Calls(calls=(wanted,))
    output = {"type": "function_call_output", "call_id": call, "output": "", "id": "fco_1"}
    kept.items.append(output)
    assert await engine.recover(conversation, question()) == HALF_WRITTEN
    server.spoil(conversation, "open_call")
    assert await engine.check(await engine.start(conversation, question())) == YES


async def test_a_call_that_stands_too_far_back_to_be_listed_is_known_by_the_refusal(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    server.spoil(conversation, "open_call")
    user = {"type": "message", "role": "user", "status": "completed", "content": []}
    kept = server.conversations.all[conversation].items
    kept += [{"id": f"msg_{n}", **user} for n in range(250)]
    assert await engine.check(await engine.start(conversation, question())) == YES


async def test_a_conversation_that_cannot_be_mended_is_gone(
    server: OpenAIServer,
    engine: OpenAIEngine,
    conversation: ConversationId,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    server.fault("POST", "/responses", open_call())  # the server has no such call to be answered
    with pytest.raises(ConversationGone):
        await engine.start(conversation, question())
    assert len(server.sent("POST", "/responses")) == 2
    assert server.responses.all == {}
    last = [record for record in caplog.records if record.name.startswith("core")][-1]
    assert (vars(last)["conversation"], vars(last)["turn"]) == (conversation, 7)


@pytest.mark.parametrize(
    "said",
    [
        "No tool call found for function call output with call_id call_1.",
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ],
)
async def test_other_halves_of_things_are_not_mended(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId, said: str
) -> None:
    server.fault("POST", "/responses", error(400, said, None, "invalid_request_error"))
    with pytest.raises(ConversationGone):
        await engine.start(conversation, question())
    assert len(server.sent("POST", "/responses")) == 1


async def test_mending_that_goes_wrong_is_told_as_it_is(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    server.spoil(conversation, "open_call")
    server.fault("GET", "/conversations/*/items", server_error())
    with pytest.raises(EngineUnreachable):
        await engine.start(conversation, question())
    assert server.responses.all == {}

    call = server.conversations.all[conversation].open_calls()[0]
    server.fault("POST", "/responses", open_call(call), Late(then=html_page()))
    with pytest.raises(EngineUnreachable):
        await engine.start(conversation, question())
    assert len(server.responses.all) == 1
    assert await engine.recover(conversation, question()) == YES


async def test_a_conversation_that_does_not_fit_the_model_is_too_long(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    server.spoil(conversation, "too_long")
    with pytest.raises(ConversationTooLong):
        await engine.start(conversation, question())
    rebuilt = await engine.open_conversation(THREAD, [])
    assert await engine.check(await engine.start(rebuilt, question())) == YES


@pytest.mark.parametrize(
    "fault",
    [
        too_long(),
        error(400, "This model's maximum context length is 8192 tokens.", None, "x"),
        error(400, "Your input exceeds the context window of this model.", None, "x"),
        error(413, "No.", "context_length_exceeded", "x"),
    ],
    ids=["code", "old words", "words", "413"],
)
async def test_too_long_is_known_by_its_code_or_its_words(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId, fault: Fault
) -> None:
    server.fault("POST", "/responses", fault)
    with pytest.raises(ConversationTooLong):
        await engine.start(conversation, question())
    assert len(server.sent("POST", "/responses")) == 1


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        ("context_length_exceeded", "Too long.", "context_length_exceeded"),
        ("invalid_prompt", "It exceeds the context window.", "context_length_exceeded"),
        ("invalid_prompt", "No tool output found for function call c_1.", "conversation_poisoned"),
    ],
)
async def test_a_run_may_find_out_later_that_its_conversation_is_of_no_use(
    server: OpenAIServer,
    engine: OpenAIEngine,
    conversation: ConversationId,
    code: str,
    said: str,
    reason: str,
) -> None:
    server.script(Script(statuses=["failed"], error_code=code, error_message=said))
    state = await engine.check(await engine.start(conversation, question()))
    assert state == Failed(reason=reason, transient=True)


async def test_a_server_that_gives_the_marker_back_as_it_was_sent_is_understood(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    await lose(server, engine, conversation, Script(statuses=["completed"], text="Yes."))
    for item in server.conversations.get(conversation).items:
        if item.get("role") in ("user", "developer"):  # OGX does so
            item["content"] = item["content"][0]["text"]
    assert await engine.recover(conversation, question()) == YES


async def test_a_lost_run_for_the_text_before_an_edit_is_not_the_answer(
    server: OpenAIServer, engine: OpenAIEngine, conversation: ConversationId
) -> None:
    await lose(server, engine, conversation, Script(statuses=["completed"], text="Yes."))
    edited = replace(question("Edited?"), revision=1)
    assert await engine.recover(conversation, edited) is None
    server.script(Script(statuses=["completed"], text="Edited."))
    server.fault("POST", "/responses", Fault(drop="after"))
    with pytest.raises(EngineUnreachable):
        await engine.start(conversation, edited)
    assert await engine.recover(conversation, edited) == Answered(answer=Answer(text="Edited."))
    assert await engine.recover(conversation, question()) == YES
