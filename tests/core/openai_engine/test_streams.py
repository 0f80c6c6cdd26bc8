"""The OpenAI engine hears an answer while it is written, and does without where that fails."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.domain import Answered, ConversationId, Failed, NotAnswered, RunId
from core.errors import EngineUnreachable
from core.openai_engine import events, streams
from core.openai_engine.engine import OpenAIEngine
from servers.faults import Fault
from servers.growth import LINEAR, growth
from servers.openai_rig import Docs, make_engine, question
from servers.openai_runs import Pace, Script
from servers.openai_server import OpenAIServer

TEXT = "Run **pip install docent** in a shell, then start it with docent run."


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FIRST_PAUSE", 0.001)


@pytest.fixture
async def engine(server: OpenAIServer) -> AsyncIterator[OpenAIEngine]:
    engine = make_engine(server, Docs(), streams=True)
    yield engine
    await engine.close()


async def begin(engine: OpenAIEngine) -> RunId:
    conversation = await engine.open_conversation(question().thread, [])
    return await engine.start(conversation, question())


async def hear(engine: OpenAIEngine, run: RunId) -> list[str]:
    async with asyncio.timeout(60):
        return [written() async for written in engine.listen(run)]


def looks(server: OpenAIServer) -> list[str]:
    """The requests for the response, without those for its stream."""
    return [
        request.path
        for request in server.requests
        if request.method == "GET" and "stream" not in request.query
    ]


async def test_an_answer_is_heard_as_it_grows_and_its_end_needs_no_look(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["queued", "completed"], text=TEXT, word_seconds=0.002))
    run = await begin(engine)
    heard = await hear(engine, run)
    assert heard[0] == "Run"
    assert heard[-1] == TEXT
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(heard))
    state = await engine.check(run)
    assert isinstance(state, Answered)
    assert state.answer.text == TEXT
    assert looks(server) == []


async def test_the_first_words_are_read_as_they_come_and_the_others_in_larger_pieces(
    server: OpenAIServer, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered, begun = list[bool](), asyncio.Event()

    def gather(_: object, *, wanted: bool) -> None:
        gathered.append(wanted)
        if wanted:
            begun.set()

    monkeypatch.setattr(streams, "FIRST_PIECES", 4)
    monkeypatch.setattr(events, "gather", gather)
    pace = Pace(words=4)
    server.script(Script(statuses=["completed"], text=TEXT, pace=pace))
    listening = engine.listen(await begin(engine))

    async def rest() -> list[str]:
        return [written() async for written in listening]

    async with asyncio.timeout(60):
        for _ in range(4):
            await anext(listening)
            assert not begun.is_set()
        async with asyncio.TaskGroup() as tasks:
            others = tasks.create_task(rest())
            await begun.wait()
            pace.finish()
    assert others.result()[-1] == TEXT
    assert gathered[-1] is False, "the end waits for more"


async def test_the_end_is_told_once_and_looked_up_after_that(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["completed"], text=TEXT))
    run = await begin(engine)
    await hear(engine, run)
    assert await engine.check(run) == await engine.check(run)
    assert len(looks(server)) == 1


async def test_a_stream_that_breaks_goes_on_where_it_was(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["completed"], text=TEXT, breaks_after=9))
    run = await begin(engine)
    heard = await hear(engine, run)
    assert heard[-1] == TEXT
    (resumed,) = [request for request in server.requests if request.method == "GET"]
    assert int(resumed.query["starting_after"]) <= 8


async def test_a_stream_that_falls_silent_is_taken_up_again(
    server: OpenAIServer, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SILENCE", 1.0)
    server.script(Script(statuses=["completed"], text=TEXT, silent_after=7))
    run = await begin(engine)
    assert (await hear(engine, run))[-1] == TEXT


async def test_another_process_hears_the_answer_from_its_beginning(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["completed"], text=TEXT, word_seconds=0.002))
    run = await begin(engine)
    other = make_engine(server, Docs(), streams=True)
    heard = await hear(other, run)
    assert heard[-1] == TEXT
    assert isinstance(await other.check(run), Answered)
    await other.close()


async def test_a_stream_that_cannot_be_taken_up_leaves_the_run_to_be_looked_at(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["completed"], text=TEXT, breaks_after=5))
    run = await begin(engine)
    for _ in range(2 * streams.TROUBLES):
        server.fault("GET", "/responses/*", Fault(status=500, body={"error": {"message": "no"}}))
    await hear(engine, run)
    asked = [request for request in server.requests if request.method == "GET"]
    assert len(asked) == streams.TROUBLES


async def test_a_run_that_has_no_stream_ends_the_listening_at_once(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    plain = make_engine(server, Docs())
    server.script(Script(statuses=["completed"], text=TEXT))
    run = await begin(plain)
    assert await hear(plain, run) == []
    assert await hear(engine, run) == []
    assert isinstance(await engine.check(run), Answered)
    await plain.close()


async def test_a_server_without_streams_is_asked_for_one_once(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.responses.streams = False
    server.script(Script(statuses=["completed"], text=TEXT), Script(statuses=["completed"]))
    first = await begin(engine)
    assert await hear(engine, first) == []
    assert isinstance(await engine.check(first), Answered)
    await begin(engine)
    created = [
        bool(request.json.get("stream"))
        for request in server.requests
        if request.method == "POST" and request.path == "/responses"
    ]
    assert created == [True, False, False]


@pytest.mark.parametrize("status", ["failed", "incomplete"])
async def test_a_run_that_ends_otherwise_is_known_by_its_stream(
    server: OpenAIServer, engine: OpenAIEngine, status: str
) -> None:
    server.script(Script(statuses=[status], text=TEXT))
    run = await begin(engine)
    await hear(engine, run)
    state = await engine.check(run)
    match status:
        case "failed":
            assert isinstance(state, Failed)
        case _:
            assert isinstance(state, Answered)
            assert state.answer.incomplete
    assert looks(server) == []


async def test_what_is_not_in_the_documentation_is_not_shown_word_by_word(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(
        Script(statuses=["completed"], text="[[not-in-docs]] The documentation is silent.")
    )
    run = await begin(engine)
    assert set(await hear(engine, run)) == {""}
    assert isinstance(await engine.check(run), NotAnswered)


@pytest.mark.parametrize(
    "half",
    [
        "Yes \ue200filecite\ue202turn0fi",
        "Yes 【4:0†guide.m",
        "Yes [[not-in",
        "Yes **[[not",
        "Yes filecite",
    ],
)
async def test_half_a_mark_is_not_shown(
    server: OpenAIServer, engine: OpenAIEngine, half: str
) -> None:
    server.script(Script(statuses=["completed"], text=half))
    run = await begin(engine)
    assert set(await hear(engine, run)) == {"Yes"}


@pytest.mark.parametrize(
    ("run", "after"),
    [
        ("_", " x."),
        ("*", " x."),
        ("`", " x."),
        ("[", " x."),
        ("\ue200x", "\ue201 x."),
        ("【x", "】 x."),
        ("cite", " x."),
    ],
    ids=["underlines", "stars", "backticks", "brackets", "marks", "others' marks", "words"],
)
def test_what_is_shown_of_long_runs_of_signs_is_found_in_linear_time(run: str, after: str) -> None:
    def shown(size: int) -> None:
        heard, text = streams._Heard(), run * size + after
        where = {"output_index": 0, "content_index": 0}
        heard.hear({"type": "response.output_text.delta", "delta": text, **where})
        assert heard.written().endswith("x.")

    assert growth(shown, 4_000) < LINEAR


async def test_what_the_model_says_to_itself_is_not_shown(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    def said(text: str, **more: Any) -> dict[str, Any]:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {
            "id": f"msg_{text[:3]}",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
            **more,
        }

    output = [said("Let me look.", phase="commentary"), said("It is blue.")]
    server.script(Script(statuses=["completed"], output=output))
    run = await begin(engine)
    assert (await hear(engine, run))[-1] == "It is blue."


async def test_a_run_that_is_cancelled_before_anybody_listens_closes_its_stream(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["in_progress"], text=TEXT))
    run = await begin(engine)
    assert engine._streams._begun
    await engine.cancel(run)
    assert not engine._streams._begun


async def test_no_more_than_so_many_streams_are_opened(
    server: OpenAIServer, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    server.script(*[Script(statuses=["in_progress"]) for _ in range(2)])
    for _ in range(2):
        await begin(engine)
    created = [
        bool(request.json.get("stream"))
        for request in server.requests
        if request.method == "POST" and request.path == "/responses"
    ]
    assert created == [True, False]


async def test_no_more_streams_are_opened_by_many_who_ask_at_once(
    server: OpenAIServer, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 3)
    asked, go = 3 * streams.MOST, asyncio.Event()
    server.script(*[Script(statuses=["in_progress"])] * asked)
    server.fault("POST", "/responses", *[Fault(until=go)] * asked)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for _ in range(asked):
            tasks.create_task(begin(engine))
        await server.wait_for("POST", "/responses", asked)
        go.set()
    created = [bool(request.json.get("stream")) for request in server.sent("POST", "/responses")]
    assert created.count(True) == streams.MOST


@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(drop="before"), Fault(status=200, body="<html>")],
    ids=["refused", "dropped", "page"],
)
async def test_a_stream_that_was_not_created_takes_no_place(
    server: OpenAIServer, engine: OpenAIEngine, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    server.fault("POST", "/responses", fault)
    with pytest.raises(EngineUnreachable):
        await begin(engine)
    await begin(engine)
    created = [request.json.get("stream") for request in server.sent("POST", "/responses")]
    assert created == [True, True]


async def test_a_server_that_answers_without_a_stream_has_created_the_run(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    plain = {"id": "resp_plain", "object": "response", "status": "queued"}
    server.fault("POST", "/responses", Fault(status=200, body=plain))
    assert await begin(engine) == "resp_plain"
    assert await hear(engine, RunId("resp_plain")) == []
    await begin(engine)
    created = [bool(request.json.get("stream")) for request in server.sent("POST", "/responses")]
    assert created == [True, False]


@pytest.mark.parametrize("body", [{}, {"id": 1}, [], None])
async def test_json_that_names_no_run_is_unreachable(
    server: OpenAIServer, engine: OpenAIEngine, body: Any
) -> None:
    odd = Fault(status=200, body=body, content_type="application/json; charset=utf-8")
    server.fault("POST", "/responses", odd)
    with pytest.raises(EngineUnreachable):
        await begin(engine)
    await begin(engine)
    assert all(request.json.get("stream") for request in server.sent("POST", "/responses"))


async def test_who_stops_listening_gives_the_connection_back(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    server.script(Script(statuses=["queued", "completed"], text=TEXT, word_seconds=0.2))
    run = await begin(engine)
    async with asyncio.timeout(60):
        listening = engine.listen(run)
        await anext(listening)
        assert engine._streams._listened == 1
        await listening.aclose()  # type: ignore[attr-defined]
    assert engine._streams._listened == 0


async def test_a_request_whose_reply_is_lost_is_not_repeated(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    conversation = await engine.open_conversation(question().thread, [])
    server.fault("POST", "/responses", Fault(drop="before"))
    with pytest.raises(EngineUnreachable):
        await engine.start(ConversationId(conversation), question())
    created = [request for request in server.requests if request.path == "/responses"]
    assert len(created) == 1


async def test_no_more_streams_are_taken_up_than_there_may_be(
    server: OpenAIServer, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script(Script(statuses=["completed"], text=TEXT))
    run = await begin(engine)
    monkeypatch.setattr(streams, "MOST", 0)
    restarted = make_engine(server, Docs(), streams=True)
    assert await hear(restarted, run) == []
    assert [request for request in server.requests if request.method == "GET"] == []
    assert (await hear(engine, run))[-1] == TEXT  # of one that is open there is no doubt
    await restarted.close()


async def test_a_stream_that_nobody_comes_to_listen_to_takes_the_place_of_no_other(
    server: OpenAIServer, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    monkeypatch.setattr(streams, "LEFT", 0.0)
    server.script(*[Script(statuses=["completed"], text=TEXT)] * 2)
    left, _ = await begin(engine), await begin(engine)
    created = [request.json.get("stream") for request in server.sent("POST", "/responses")]
    assert created == [True, True]
    assert left not in engine._streams._begun
