"""The vector store of the documents: whose it is, and what happens when it is gone."""

import pytest
from openai import AsyncOpenAI

from core.errors import EngineError, EngineRefused, EngineUnreachable
from servers.faults import Fault
from servers.openai_faults import error, server_error
from servers.openai_rig import Remembered, make_vector_store
from servers.openai_server import OpenAIServer


async def test_there_is_no_vector_store_until_one_is_needed(
    server: OpenAIServer, client: AsyncOpenAI, remembered: Remembered
) -> None:
    store = make_vector_store(client, remembered)
    assert await store.id() is None
    assert server.requests == []
    made = await store.ensure()
    assert server.vector_stores.all[made].name == "docent"
    assert await store.id() == await store.ensure() == made
    assert remembered.saved == [made]


@pytest.mark.parametrize("missing_status", [400, 404])
async def test_a_vector_store_of_the_settings_is_used_and_never_replaced(
    server: OpenAIServer, client: AsyncOpenAI, remembered: Remembered, missing_status: int
) -> None:
    server.missing_status = missing_status
    theirs = (await client.vector_stores.create(name="theirs")).id
    remembered.id = "vs_ours"
    store = make_vector_store(client, remembered, configured=theirs)
    assert await store.id() == await store.ensure() == theirs
    for gone in ("expired", "deleted"):
        if gone == "expired":
            server.vector_stores.all[theirs].is_expired = True
        else:
            await client.vector_stores.delete(theirs)
        with pytest.raises(EngineRefused, match="OPENAI_VECTOR_STORE_ID"):
            await store.ensure()
    assert remembered.saved == []


@pytest.mark.parametrize("missing_status", [400, 404])
@pytest.mark.parametrize("gone", ["expired", "deleted"])
async def test_a_vector_store_of_ours_that_is_gone_is_made_anew(
    server: OpenAIServer,
    client: AsyncOpenAI,
    remembered: Remembered,
    gone: str,
    missing_status: int,
) -> None:
    server.missing_status = missing_status
    store = make_vector_store(client, remembered)
    first = await store.ensure()
    if gone == "expired":
        server.vector_stores.all[first].is_expired = True
    else:
        await client.vector_stores.delete(first)
    second = await store.ensure()
    assert second != first
    assert remembered.saved == [first, second]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (server_error(), EngineUnreachable),
        (error(400, "This parameter is not known.", "bad", "x"), EngineRefused),
        (error(403, "Not found in this region.", None, "x"), EngineRefused),
    ],
    ids=["500", "400", "403"],
)
async def test_a_vector_store_that_cannot_be_looked_at_is_not_taken_for_gone(
    server: OpenAIServer,
    client: AsyncOpenAI,
    remembered: Remembered,
    fault: Fault,
    expected: type[EngineError],
) -> None:
    store = make_vector_store(client, remembered)
    made = await store.ensure()
    server.fault("GET", "/vector_stores/*", *[fault] * 3)
    with pytest.raises(expected):
        await store.ensure()
    assert remembered.saved == [made]
