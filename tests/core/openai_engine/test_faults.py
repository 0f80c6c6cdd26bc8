"""What goes wrong at the API, call by call: what comes out, and what it leads to at OpenAI.

A request to create a run is made once, whatever happens: its fate may be unknown, and then the
conversation tells it. All others may be made again.
"""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from core.breaker import Breaker
from core.domain import Answer, Answered, ConversationId, Failed, RunId, Working
from core.errors import (
    ConversationLocked,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
)
from core.openai_engine.client import make_client
from core.openai_engine.engine import OpenAIEngine
from core.settings import OpenAISettings
from servers.faults import Fault
from servers.openai_faults import (
    Late,
    broken_json,
    error,
    html_page,
    out_of_quota,
    rate_limited,
    server_error,
)
from servers.openai_rig import THREAD, Docs, question, run_of
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

YES = Answered(answer=Answer(text="Yes."))


@pytest.fixture
async def hasty(server: OpenAIServer) -> AsyncIterator[OpenAIEngine]:
    """An engine that gives a request up after a moment."""
    client = make_client(OpenAISettings(api_key=server.api_key, base_url=server.url))
    impatient = client.with_options(timeout=openai.Timeout(5.0, read=0.05))
    ours = OpenAIEngine(
        impatient,
        model="gpt-6-luna",
        reasoning_effort=None,
        instructions="Answer.",
        vector_store=Docs().find_store,
        resolve=Docs().resolve,
        locate=Docs().locate,
    )
    yield ours
    await ours.close()
    await client.close()


WITHOUT_EFFECT = [
    pytest.param(rate_limited(), EngineBusy, id="429"),
    pytest.param(rate_limited(retry_after="2"), EngineBusy, id="429, 2 s"),
    pytest.param(rate_limited(retry_after="600"), EngineBusy, id="429, 600 s"),
    pytest.param(rate_limited(retry_after_ms="250"), EngineBusy, id="429, 250 ms"),
    pytest.param(out_of_quota(), EngineRefused, id="quota"),
    pytest.param(error(401, "No.", "invalid_api_key", "x"), EngineRefused, id="401"),
    pytest.param(error(403, "No.", "unsupported_country", "x"), EngineRefused, id="403"),
    pytest.param(server_error(500), EngineUnreachable, id="500"),
    pytest.param(server_error(502), EngineUnreachable, id="502"),
    pytest.param(server_error(503), EngineUnreachable, id="503"),
    pytest.param(Fault(status=504, body="upstream timed out"), EngineUnreachable, id="504"),
    pytest.param(Fault(drop="before"), EngineUnreachable, id="reset"),
]
REPLY_LOST = [
    pytest.param(html_page(), id="HTML"),
    pytest.param(broken_json(), id="broken JSON"),
    pytest.param(Fault(status=200, body="", content_type="application/json"), id="no body"),
    pytest.param(Fault(status=200, body="[]", content_type="application/json"), id="a list"),
    pytest.param(Fault(status=200, body={}), id="no id"),
    pytest.param(Fault(drop="after"), id="reset"),
    pytest.param(server_error(502), id="502"),
    pytest.param(Fault(status=504, body="upstream timed out"), id="504"),
]


# --- creating a run -------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "expected"), WITHOUT_EFFECT)
async def test_a_run_that_could_not_be_created_is_told_and_not_repeated(
    server: OpenAIServer, engine: OpenAIEngine, fault: Fault, expected: type[EngineError]
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    server.fault("POST", "/responses", fault)
    with pytest.raises(expected):
        await engine.start(conversation, question())
    assert len(server.sent("POST", "/responses")) == 1
    assert server.runs() == []
    assert await engine.recover(conversation, question()) is None
    assert await engine.check(await engine.start(conversation, question())) == YES


@pytest.mark.parametrize("then", REPLY_LOST)
async def test_a_run_whose_reply_was_lost_is_found_in_its_conversation(
    server: OpenAIServer, engine: OpenAIEngine, then: Fault
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    server.fault("POST", "/responses", Late(then=then))
    with pytest.raises(EngineUnreachable):
        await engine.start(conversation, question())
    assert len(server.sent("POST", "/responses")) == 1
    assert await engine.recover(conversation, question()) == YES
    (run,) = server.runs()
    assert (run.turn, run.status) == ("7", "completed")


async def test_a_run_whose_reply_does_not_come_is_found_when_it_is_done(
    server: OpenAIServer, hasty: OpenAIEngine
) -> None:
    conversation = await hasty.open_conversation(THREAD, [])
    server.script(Script(statuses=["in_progress"], text="Yes."))
    hold = server.hold("POST", "/responses")
    with pytest.raises(EngineUnreachable):
        await hasty.start(conversation, question())
    hold.release()
    assert await hasty.recover(conversation, question()) is None
    with pytest.raises(ConversationLocked):
        await hasty.start(conversation, question())
    (run,) = server.orphans()
    server.responses.finish(run.id)
    assert await hasty.recover(conversation, question()) == YES
    assert len(server.runs()) == 1


async def test_a_server_that_hangs_before_the_effect_leaves_nothing(
    server: OpenAIServer, hasty: OpenAIEngine
) -> None:
    conversation = await hasty.open_conversation(THREAD, [])
    server.fault("POST", "/responses", Fault(hang=True))
    with pytest.raises(EngineUnreachable):
        await hasty.start(conversation, question())
    assert server.runs() == []
    assert await hasty.recover(conversation, question()) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "120"}, 120.0),
        ({"retry_after": "121"}, 121.0),
        ({"retry_after": "86400"}, 86_400.0),
        ({"retry_after_ms": "1500"}, 1.5),
        ({}, None),
    ],
    ids=repr,
)
async def test_how_long_to_wait_reaches_the_caller_unshortened(
    server: OpenAIServer, engine: OpenAIEngine, headers: dict[str, str], seconds: float | None
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    run = await engine.start(conversation, question())
    server.break_down(rate_limited(**headers))
    for call in (
        engine.open_conversation(THREAD, []),
        engine.start(conversation, question()),
        engine.recover(conversation, question()),
        engine.check(run),
        engine.cancel(run),
        engine.erase(conversation, [run]),
    ):
        with pytest.raises(EngineBusy) as busy:
            await call
        assert busy.value.retry_after == seconds


# --- looking at a run -----------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "expected"), WITHOUT_EFFECT)
async def test_a_look_that_goes_wrong_is_told_and_can_be_repeated(
    server: OpenAIServer, engine: OpenAIEngine, fault: Fault, expected: type[EngineError]
) -> None:
    run = await run_of(engine)
    server.fault("GET", "/responses/*", fault)
    with pytest.raises(expected):
        await engine.check(run)
    assert await engine.check(run) == YES


@pytest.mark.parametrize("fault", REPLY_LOST)
async def test_a_look_whose_reply_is_of_no_use_ends_nothing(
    server: OpenAIServer, engine: OpenAIEngine, fault: Fault
) -> None:
    run = await run_of(engine)
    server.fault("GET", "/responses/*", fault)
    with pytest.raises(EngineUnreachable):
        await engine.check(run)
    assert await engine.check(run) == YES


async def test_a_run_that_stays_queued_is_at_work_until_somebody_cancels_it(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["queued"]))
    run = await run_of(engine)
    assert [await engine.check(run) for _ in range(20)] == [Working()] * 20
    assert [orphan.id for orphan in server.orphans()] == [run]
    await engine.cancel(run)
    assert server.orphans() == []
    assert await engine.check(run) == Failed(reason="cancelled", transient=False)


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
async def test_after_a_run_that_failed_for_a_passing_reason_another_one_may_do(
    server: OpenAIServer, engine: OpenAIEngine, code: str
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    server.script(Script(statuses=["queued", "failed"], error_code=code))
    run = await engine.start(conversation, question())
    assert await engine.check(run) == Failed(reason=code, transient=True)
    assert await engine.check(await engine.start(conversation, question())) == YES


async def test_a_key_that_is_revoked_in_the_middle_is_told_by_every_call(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    run = await engine.start(conversation, question())
    server.api_key = "sk-another"
    for call in (
        engine.open_conversation(THREAD, []),
        engine.start(conversation, question()),
        engine.recover(conversation, question()),
        engine.check(run),
        engine.cancel(run),
        engine.erase(conversation, [run]),
    ):
        with pytest.raises(EngineRefused) as refused:
            await call
        assert refused.value.reason == "unauthorized"


async def test_a_person_whom_openai_stopped_is_told_from_a_key_without_rights(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    conversation = await engine.open_conversation(THREAD, [])
    said = "This safety_identifier has been blocked."
    server.fault("POST", "/responses", error(403, said, "identifier_blocked", "x"))
    with pytest.raises(EngineRefused) as refused:
        await engine.start(conversation, question())
    assert refused.value.reason == "identifier_blocked"


# --- with the breaker in front --------------------------------------------------------------------


async def test_two_hundred_looks_at_a_dead_api_make_a_handful_of_requests(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    now = 0.0
    told: list[tuple[str, str | None]] = []
    breaker = Breaker(
        engine, clock=lambda: now, on_trouble=lambda key, said: told.append((key, said))
    )
    run = await run_of(engine)
    server.break_down(server_error(503), "GET", "/responses/*")

    async def look() -> str:
        try:
            return type(await breaker.check(run)).__name__
        except EngineError as failure:
            return type(failure).__name__

    for _ in range(5):
        assert await look() == "EngineUnreachable"
    assert [await look() for _ in range(200)] == ["EngineBusy"] * 200
    now = 2.0
    said = await asyncio.gather(*[look() for _ in range(200)])
    assert sorted(said) == ["EngineBusy"] * 199 + ["EngineUnreachable"]
    assert len(server.sent("GET", "/responses/*")) == 6

    server.mend()
    now = 6.0
    said = await asyncio.gather(*[look() for _ in range(200)])
    assert sorted(said) == ["Answered"] + ["EngineBusy"] * 199
    assert [await look() for _ in range(10)] == ["Answered"] * 10
    assert [key for key, _ in told] == ["engine", "engine"]
    assert "answered HTTP 503" in str(told[0][1])
    assert told[1][1] is None


async def test_without_quota_one_question_asks_and_the_others_are_refused_at_once(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    breaker = Breaker(engine)
    conversation = await breaker.open_conversation(THREAD, [])
    server.script(Script(statuses=["queued", "completed"], text="Yes."))
    under_way = await breaker.start(conversation, question())
    server.break_down(out_of_quota(), "POST", "/responses")
    other = ConversationId(str(await engine.open_conversation(THREAD, [])))
    for _ in range(30):
        with pytest.raises(EngineRefused) as refused:
            await breaker.start(other, question())
        assert refused.value.reason == "insufficient_quota"
    assert len(server.sent("POST", "/responses")) == 2
    assert await breaker.check(under_way) == YES
    assert await breaker.check(RunId("resp_none")) == Failed(reason="run_lost", transient=True)
