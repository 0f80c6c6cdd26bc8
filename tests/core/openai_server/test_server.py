"""The loopback OpenAI server: it speaks the SDK's protocol and refuses what OpenAI refuses."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response

from servers.faults import Fault
from servers.openai_faults import rate_limited
from servers.openai_runs import Asked, Said, Script
from servers.openai_server import OpenAIServer

GUIDE = b"# Guide\n\nSource: https://docs.example/guide\n\nThe portcullis opens with a lever."


async def ask(client: AsyncOpenAI, question: str = "Why?", **more: Any) -> Response:
    created: Response = await client.responses.create(
        model="gpt-6-luna", input=question, background=True, store=True, **more
    )
    return created


async def end(client: AsyncOpenAI, response: Response, **more: Any) -> Response:
    """Look at a response until it is over."""
    while response.status in ("queued", "in_progress"):
        response = await client.responses.retrieve(response.id, **more)
    return response


async def store_of(client: AsyncOpenAI, **files: bytes) -> str:
    """A vector store with these Markdown files."""
    store = await client.vector_stores.create(name="docs")
    for name, content in files.items():
        file = await client.files.create(file=(f"{name}.md", content), purpose="assistants")
        await client.vector_stores.files.create(
            store.id, file_id=file.id, attributes={"name": name}
        )
        await client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)
    return store.id


# --- the SDK can read everything ------------------------------------------------------------------


async def test_a_conversation_and_its_items_are_read_by_the_sdk(client: AsyncOpenAI) -> None:
    conversation = await client.conversations.create(
        items=[{"type": "message", "role": "user", "content": "Hello"}], metadata={"a": "b"}
    )
    await client.conversations.items.create(
        conversation.id, items=[{"type": "message", "role": "assistant", "content": "Hi"}]
    )
    items = await client.conversations.items.list(conversation.id, order="asc")
    assert [item.role for item in items.data if item.type == "message"] == ["user", "assistant"]
    first = str(items.data[0].id)
    await client.conversations.items.retrieve(first, conversation_id=conversation.id)
    await client.conversations.items.delete(first, conversation_id=conversation.id)
    assert len((await client.conversations.items.list(conversation.id)).data) == 1
    assert (await client.conversations.retrieve(conversation.id)).metadata == {"a": "b"}
    assert (await client.conversations.delete(conversation.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(conversation.id)


async def test_a_background_response_goes_through_its_statuses(client: AsyncOpenAI) -> None:
    response = await ask(client)
    seen = [response.status]
    while response.status != "completed":
        response = await client.responses.retrieve(response.id)
        seen.append(response.status)
    assert seen == ["queued", "in_progress", "completed"]
    assert response.output_text


async def test_a_response_that_is_not_in_the_background_is_done_at_once(
    client: AsyncOpenAI,
) -> None:
    response = await client.responses.create(model="gpt-6-luna", input="Why?")
    assert response.status == "completed"


async def test_an_answer_rests_on_the_page_that_fits_and_cites_it(client: AsyncOpenAI) -> None:
    store = await store_of(client, guide=GUIDE, other=b"# Other\n\nNothing to see.")
    tools: Any = [{"type": "file_search", "vector_store_ids": [store]}]
    response = await ask(client, "How does the portcullis open?", tools=tools)
    response = await end(client, response, include=["file_search_call.results"])
    search, message = response.output
    assert search.type == "file_search_call"
    assert search.results is not None
    assert [result.filename for result in search.results] == ["guide.md"]
    assert message.type == "message"
    (part,) = message.content
    assert part.type == "output_text"
    assert part.text == "The portcullis opens with a lever."
    (citation,) = part.annotations
    assert citation.type == "file_citation"
    assert citation.filename == "guide.md"


async def test_search_results_are_shown_only_to_who_includes_them(client: AsyncOpenAI) -> None:
    store = await store_of(client, guide=GUIDE)
    tools: Any = [{"type": "file_search", "vector_store_ids": [store]}]
    response = await end(client, await ask(client, "The portcullis?", tools=tools))
    search = response.output[0]
    assert search.type == "file_search_call"
    assert search.results is None


async def test_what_no_page_answers_ends_with_the_mark_of_the_instructions(
    client: AsyncOpenAI,
) -> None:
    response = await end(client, await ask(client, instructions="Else say [[nothing-there]]."))
    assert response.output_text.endswith("\n[[nothing-there]]")


async def test_files_and_vector_stores_are_read_by_the_sdk(client: AsyncOpenAI) -> None:
    file = await client.files.create(file=("a.md", b"# A"), purpose="user_data")
    assert (await client.files.retrieve(file.id)).filename == "a.md"
    assert (await client.files.content(file.id)).content == b"# A"
    assert [listed.id for listed in (await client.files.list()).data] == [file.id]
    store = await client.vector_stores.create(name="docs", metadata={"a": "b"})
    batch = await client.vector_stores.file_batches.create(
        store.id, files=[{"file_id": file.id, "attributes": {"url": "https://docs.example/a"}}]
    )
    assert batch.status == "in_progress"
    batch = await client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id)
    assert (batch.status, batch.file_counts.completed) == ("completed", 1)
    files = await client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)
    assert files.data[0].attributes == {"url": "https://docs.example/a"}
    assert (await client.vector_stores.retrieve(store.id)).file_counts.completed == 1
    assert (await client.vector_stores.files.delete(file.id, vector_store_id=store.id)).deleted
    assert (await client.files.delete(file.id)).deleted
    assert (await client.vector_stores.delete(store.id)).deleted


async def test_a_vector_store_is_searched_by_words(client: AsyncOpenAI) -> None:
    store = await store_of(client, guide=GUIDE)
    found = await client.vector_stores.search(store, query="portcullis lever")
    assert [hit.filename for hit in found.data] == ["guide.md"]
    assert not (await client.vector_stores.search(store, query="unicorns")).data


async def test_models_have_an_end_only_where_one_is_known(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.models["old"] = "2026-12-11"
    assert (await client.models.retrieve("old")).shutdown_date == "2026-12-11"
    assert (await client.models.retrieve("gpt-6-luna")).shutdown_date is None
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("none")


# --- it refuses what OpenAI refuses ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"nonsense": 1}, "unknown_parameter"),
        ({"truncation": "sometimes"}, "invalid_value"),
        ({"metadata": {"key": "x" * 513}}, "string_above_max_length"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "object_above_max_properties"),
        ({"include": ["everything"]}, "invalid_value"),
        ({"safety_identifier": "x" * 65}, "string_above_max_length"),
        ({"reasoning": {"effort": "heroic"}}, "invalid_value"),
        ({"text": {"verbosity": "chatty"}}, "invalid_value"),
        ({"conversation": "thread_1"}, "invalid_value"),
        (
            {"conversation": "conv_1", "previous_response_id": "resp_1"},
            "mutually_exclusive_parameters",
        ),
        ({"tools": [{"type": "file_search"}]}, "missing_required_parameter"),
        ({"model": "gpt-1"}, "model_not_found"),
        ({"input": [{"role": "user", "content": ""}]}, "empty_string"),
        ({"store": False}, None),
    ],
)
async def test_a_wrong_request_for_a_response_is_refused(
    client: AsyncOpenAI, wrong: dict[str, Any], code: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await ask(client, extra_body=wrong)
    assert refusal.value.code == code


async def test_more_than_twenty_items_at_once_are_refused(client: AsyncOpenAI) -> None:
    items: Any = [{"type": "message", "role": "user", "content": "x"}] * 21
    with pytest.raises(openai.BadRequestError, match="array too long"):
        await client.conversations.create(items=items)
    conversation = await client.conversations.create()
    with pytest.raises(openai.BadRequestError, match="array too long"):
        await client.conversations.items.create(conversation.id, items=items)


async def test_an_unknown_conversation_response_or_store_is_not_found(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Conversation with id 'conv_none' not found"):
        await ask(client, conversation="conv_none")
    with pytest.raises(openai.NotFoundError, match="Response with id 'resp_none' not found"):
        await client.responses.retrieve("resp_none")
    tools: Any = [{"type": "file_search", "vector_store_ids": ["vs_none"]}]
    with pytest.raises(openai.NotFoundError, match="Vector store with id 'vs_none' not found"):
        await ask(client, tools=tools)


async def test_a_conversation_is_locked_while_a_run_is_at_work_on_it(client: AsyncOpenAI) -> None:
    conversation = await client.conversations.create()
    first = await ask(client, conversation=conversation.id)
    with pytest.raises(openai.BadRequestError) as refusal:
        await ask(client, conversation=conversation.id)
    assert refusal.value.code == "conversation_locked"
    await end(client, first)
    assert (await ask(client, conversation=conversation.id)).status == "queued"


async def test_cancelling_frees_the_conversation_and_may_be_repeated(client: AsyncOpenAI) -> None:
    conversation = await client.conversations.create()
    first = await ask(client, conversation=conversation.id)
    assert (await client.responses.cancel(first.id)).status == "cancelled"
    assert (await client.responses.cancel(first.id)).status == "cancelled"
    second = await end(client, await ask(client, conversation=conversation.id))
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a completed response"):
        await client.responses.cancel(second.id)


@pytest.mark.parametrize(("status", "items"), [("completed", 2), ("failed", 0), ("incomplete", 0)])
async def test_only_a_completed_run_is_added_to_its_conversation(
    server: OpenAIServer, client: AsyncOpenAI, status: str, items: int
) -> None:
    server.script(Script(statuses=["queued", status]))
    conversation = await client.conversations.create()
    await end(client, await ask(client, conversation=conversation.id))
    assert len((await client.conversations.items.list(conversation.id)).data) == items


async def test_a_function_call_without_output_blocks_its_conversation(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "now", "arguments": "{}"}
    server.script(
        Script(statuses=["completed"], output=[{"id": "fc_1", "status": "completed", **call}])
    )
    conversation = await client.conversations.create()
    await ask(client, conversation=conversation.id)
    with pytest.raises(
        openai.BadRequestError, match="No tool output found for function call call_1"
    ):
        await ask(client, conversation=conversation.id)
    output: Any = [{"type": "function_call_output", "call_id": "call_1", "output": "noon"}]
    await ask(client, conversation=conversation.id, extra_body={"input": output})


@pytest.mark.parametrize("name", ["table.csv", "page.rst"])
async def test_a_file_with_an_ending_that_openai_does_not_read_fails_to_be_indexed(
    client: AsyncOpenAI, name: str
) -> None:
    store = await client.vector_stores.create()
    file = await client.files.create(file=(name, b"text"), purpose="assistants")
    await client.vector_stores.files.create(store.id, file_id=file.id)
    held = await client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)
    assert held.status == "failed"
    assert held.last_error is not None
    assert held.last_error.code == "unsupported_file"


async def test_attributes_are_limited(client: AsyncOpenAI) -> None:
    store = await client.vector_stores.create()
    file = await client.files.create(file=("a.md", b"# A"), purpose="assistants")
    for wrong in ({"url": "x" * 513}, {str(n): 1 for n in range(17)}, {"k" * 65: "x"}):
        with pytest.raises(openai.BadRequestError):
            await client.vector_stores.file_batches.create(
                store.id, files=[{"file_id": file.id, "attributes": dict(wrong)}]
            )


async def test_files_for_assistants_cannot_be_downloaded(client: AsyncOpenAI) -> None:
    file = await client.files.create(file=("a.md", b"# A"), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="Not allowed to download"):
        await client.files.content(file.id)


async def test_a_missing_or_wrong_key_is_refused(server: OpenAIServer, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as refusal:
        await client.with_options(api_key="sk-wrong").models.list()
    assert refusal.value.code == "invalid_api_key"


async def test_an_endpoint_that_does_not_exist_is_refused_in_openais_shape(
    client: AsyncOpenAI,
) -> None:
    with pytest.raises(openai.NotFoundError, match=r"Invalid URL \(GET /v1/nonsense\)"):
        await client.get("/nonsense", cast_to=object)


# --- scripts, faults, records ---------------------------------------------------------------------


async def test_a_run_can_take_time_instead_of_looks(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.script(Script(seconds=3600), Script(seconds=0))
    slow, quick = await ask(client), await ask(client)
    for _ in range(3):
        assert (await client.responses.retrieve(slow.id)).status == "queued"
    assert (await client.responses.retrieve(quick.id)).status == "completed"


async def test_a_run_can_be_ended_by_hand(server: OpenAIServer, client: AsyncOpenAI) -> None:
    server.script(Script(statuses=["in_progress"], text="There."))
    response = await ask(client)
    assert (await client.responses.retrieve(response.id)).status == "in_progress"
    server.responses.finish(response.id)
    assert (await client.responses.retrieve(response.id)).output_text == "There."


async def test_an_answerer_sees_the_question_and_what_was_said_before(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Said:
        seen.append(asked)
        return Said(text=f"Answer {len(seen)}")

    server.responses.answerer = answer
    conversation = await client.conversations.create()
    for question in ("One?", "Two?"):
        await end(client, await ask(client, question, conversation=conversation.id))
    assert [asked.question for asked in seen] == ["One?", "Two?"]
    assert seen[1].history == [("user", "One?"), ("assistant", "Answer 1")]


async def test_faults_come_in_order_and_then_all_is_well(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.fault("GET", "/models", rate_limited(retry_after="7"), Fault(status=503, body="busy"))
    with pytest.raises(openai.RateLimitError) as refusal:
        await client.models.list()
    assert refusal.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError):
        await client.models.list()
    assert (await client.models.list()).data


@pytest.mark.parametrize(("drop", "conversations"), [("before", 0), ("after", 1)])
async def test_a_connection_breaks_before_or_after_the_effect(
    server: OpenAIServer, client: AsyncOpenAI, drop: Any, conversations: int
) -> None:
    server.fault("POST", "/conversations", Fault(drop=drop))
    with pytest.raises(openai.APIConnectionError):
        await client.conversations.create()
    assert len(server.conversations.all) == conversations


async def test_a_request_that_hangs_never_gets_a_reply(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.fault("GET", "/models", Fault(hang=True))
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).models.list()


async def test_requests_are_recorded_with_what_they_carried(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    response = await ask(client, "Why?")
    await client.responses.retrieve(response.id)
    await server.wait_for("GET", "/responses/*")
    (created,) = server.sent("POST", "/responses")
    assert created.json["input"] == "Why?"
    assert created.headers["authorization"] == f"Bearer {server.api_key}"
