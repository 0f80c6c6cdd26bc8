"""A look at a response is made beside the SDK, and fails as the SDK does."""

import openai
import pytest
from openai import AsyncOpenAI

from core.domain import RunId
from core.errors import EngineUnreachable
from core.openai_engine.answers import read_items
from core.openai_engine.client import OpenAIClient
from core.openai_engine.errors import translate_errors
from core.openai_engine.looks import Looks
from servers.faults import Fault
from servers.openai_faults import broken_json, html_page, rate_limited
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer


async def run_of(server: OpenAIServer, client: AsyncOpenAI, *statuses: str) -> RunId:
    server.script(Script(statuses=statuses, text="Here it is."))
    response = await client.responses.create(model="gpt-6-luna", input="Where?", background=True)
    return RunId(response.id)


async def test_a_response_at_work_is_none_and_then_says_what_the_sdk_makes_of_it(
    server: OpenAIServer, client: OpenAIClient
) -> None:
    run = await run_of(server, client, "queued", "queued", "in_progress", "completed")
    looks = Looks(client)

    assert await looks.look(run) is None
    assert await looks.look(run) is None
    found = await looks.look(run)

    include = ["file_search_call.results"]
    theirs = await client.responses.retrieve(run, include=include)  # type: ignore[arg-type]
    assert found is not None
    assert found.status == theirs.status == "completed"
    assert read_items(found.output) == read_items(theirs.output)
    assert read_items(found.output).text == "Here it is."


async def test_it_asks_as_the_sdk_asks(server: OpenAIServer, client: OpenAIClient) -> None:
    run = await run_of(server, client, "queued", "queued")
    await Looks(client).look(run)
    await client.responses.retrieve(run, include=["file_search_call.results"])

    ours, theirs = server.requests[-2:]
    assert (ours.path, ours.query) == (theirs.path, theirs.query)
    for name in ("Authorization", "User-Agent"):
        assert ours.headers[name] == theirs.headers[name]


async def test_without_a_way_of_ours_the_sdk_is_asked(
    server: OpenAIServer, client: OpenAIClient
) -> None:
    run = await run_of(server, client, "queued", "queued", "completed")
    async with AsyncOpenAI(api_key=server.api_key, base_url=server.url) as plain:
        looks = Looks(plain)
        assert await looks.look(run) is None
        found = await looks.look(run)
    assert found is not None
    assert found.status == "completed"


@pytest.mark.parametrize(
    "fault",
    [rate_limited(retry_after="2"), Fault(status=404, body="nothing"), Fault(status=500, body="{")],
    ids=["busy", "missing", "broken"],
)
async def test_a_refusal_is_that_of_the_sdk(
    server: OpenAIServer, client: OpenAIClient, fault: Fault
) -> None:
    told = []
    for ask in (Looks(client).look, client.responses.retrieve):
        server.fault("GET", "/responses/*", fault)
        with pytest.raises(openai.APIStatusError) as caught:
            await ask(RunId("resp_1"))
        told.append(caught.value)

    ours, theirs = told
    for name in ("status_code", "code", "type", "param", "body"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.response.headers.get("Retry-After") == theirs.response.headers.get("Retry-After")


@pytest.mark.parametrize(
    "fault",
    [broken_json(), html_page(), Fault(status=200, body="[]"), Fault(status=200, body="{}"),
     Fault(drop="before"), Fault(drop="after"), Fault(status=200, body="[" * 100_000),
     Fault(status=503, body="[" * 100_000)],
    ids=["half", "page", "list", "nothing", "dropped", "dropped late", "deep", "deep refusal"],
)  # fmt: skip
async def test_what_is_no_usable_reply_is_unreachable(
    server: OpenAIServer, client: OpenAIClient, fault: Fault
) -> None:
    run = await run_of(server, client, "queued", "queued")
    server.fault("GET", "/responses/*", fault)
    with pytest.raises(EngineUnreachable), translate_errors():
        await Looks(client).look(run)


async def test_what_nests_too_deeply_is_unreachable_for_the_sdk_too(
    server: OpenAIServer, client: OpenAIClient
) -> None:
    deep = Fault(status=200, body="[" * 100_000, content_type="application/json")
    server.fault("GET", "/responses/*", deep)
    async with AsyncOpenAI(api_key=server.api_key, base_url=server.url) as plain:
        with pytest.raises(EngineUnreachable), translate_errors():
            await Looks(plain).look(RunId("resp_1"))


async def test_who_is_sent_elsewhere_goes_there(server: OpenAIServer, client: OpenAIClient) -> None:
    run = await run_of(server, client, "queued", "completed")
    elsewhere = {"Location": f"{server.url}/responses/{run}"}
    server.fault("GET", "/responses/*", *2 * [Fault(status=307, headers=elsewhere)])
    found = await Looks(client).look(run)
    assert found is not None
    assert read_items(found.output).text == "Here it is."
