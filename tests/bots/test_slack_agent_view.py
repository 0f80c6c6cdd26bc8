"""Slack's agent view: questions that are suggested, and titles of threads of direct messages."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bots.slack_bot import agent_view
from bots.slack_bot.agent_view import LONGEST_TITLE, SCOPE, suggestion, title_of
from core.errors import StoreError
from servers.faults import Fault
from servers.slack_deliveries import Delivery
from servers.slack_faults import api_error, rate_limited
from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import SlackServer

PROMPTS = ("How do I get started?", "Which plan " + "really " * 12 + "fits?")
SET_PROMPTS, SET_TITLE = agent_view.SET_PROMPTS, agent_view.SET_TITLE


@asynccontextmanager
async def agent(
    prompts: tuple[str, ...] = PROMPTS,
) -> AsyncIterator[tuple[SlackServer, FakeReception]]:
    """The adapter at work, for an app that is declared as an agent."""
    reception = FakeReception()
    async with SlackServer() as server:
        server.scopes.add(SCOPE)
        async with running(slack_settings(server, prompts=prompts), reception):
            yield server, reception
        assert server.unknown_args == []
        assert server.violations == []


async def acknowledged(delivery: Delivery) -> None:
    async with asyncio.timeout(60):
        await delivery.done.wait()


class Complaints(logging.Handler):
    """What the module logs, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.any = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.any.set()


@pytest.fixture
async def complaints() -> AsyncIterator[Complaints]:
    handler = Complaints()
    agent_view.log.addHandler(handler)
    agent_view.log.setLevel(logging.INFO)
    yield handler
    agent_view.log.removeHandler(handler)
    agent_view.log.setLevel(logging.NOTSET)


async def heard_of(server: SlackServer, reception: FakeReception, text: str) -> None:
    """Write a direct message, and wait until it was taken."""
    server.dm("U1", text)
    await server.wait_for(lambda: text.split() in [taken.split() for taken in reception.texts])


# --- questions to begin with ----------------------------------------------------------------------


async def test_opening_the_direct_messages_suggests_questions() -> None:
    async with agent() as (server, reception):
        await acknowledged(server.open_home("U1"))
        prompts = await server.wait_for(lambda: server.agent_view.prompts.get("D1"))
        assert [prompt["message"] for prompt in prompts] == list(PROMPTS)
        assert [prompt["title"] for prompt in prompts] == [
            "How do I get started?",
            "Which plan " + "really " * 8 + "really…",
        ]
        (call,) = server.calls_of(SET_PROMPTS)
        assert "thread_ts" not in call
        assert reception.offered == 0


@pytest.mark.parametrize("tab", ["home", "about"])
async def test_another_tab_of_the_app_is_let_be(tab: str) -> None:
    async with agent() as (server, reception):
        await acknowledged(server.open_home("U2", tab))
        await acknowledged(server.open_home("U1"))
        await server.wait_for(lambda: server.agent_view.prompts)
        assert list(server.agent_view.prompts) == ["D1"]
        assert reception.offered == 0


async def test_without_questions_to_suggest_slack_is_not_called() -> None:
    async with agent(prompts=()) as (server, reception):
        await acknowledged(server.open_home("U1"))
        await heard_of(server, reception, "how do I start?")
        await server.wait_for(lambda: server.calls_of(SET_TITLE))
        assert server.calls_of(SET_PROMPTS) == []


@pytest.mark.parametrize("code", ["missing_scope", "unknown_method", "not_allowed"])
async def test_a_workspace_that_refuses_to_show_questions_is_asked_once(
    code: str, complaints: Complaints
) -> None:
    async with agent() as (server, _):
        server.fail(SET_PROMPTS, api_error(code), api_error(code))
        await acknowledged(server.open_home("U1"))
        async with asyncio.timeout(60):
            await complaints.any.wait()
        await acknowledged(server.open_home("U2"))
        await acknowledged(server.open_home("U3"))
    assert server.faults_left(SET_PROMPTS) == 1
    assert [record.getMessage() for record in complaints.records] == ["done without from now on"]
    assert server.agent_view.prompts == {}


async def test_one_that_is_only_busy_is_asked_again_the_next_time() -> None:
    async with agent() as (server, _):
        for fault in (rate_limited(30), api_error("internal_error"), api_error("access_denied")):
            server.fail(SET_PROMPTS, fault)
            await acknowledged(server.open_home("U1"))
            await server.wait_for(lambda: not server.faults_left(SET_PROMPTS))
        await acknowledged(server.open_home("U1"))
        await server.wait_for(lambda: server.agent_view.prompts)


async def test_odd_events_of_opening_are_acknowledged_and_no_more() -> None:
    async with agent() as (server, reception):
        for odd in ({"channel": None}, {"tab": ["messages"]}, {"tab": None}):
            event = {"type": "app_home_opened", "user": "U1", "tab": "messages", "channel": "D1"}
            await acknowledged(server.event(event | odd))
        assert server.calls_of(SET_PROMPTS) == []
        assert reception.offered == 0


# --- titles ---------------------------------------------------------------------------------------


async def test_the_first_question_of_a_thread_of_direct_messages_is_its_title() -> None:
    async with agent() as (server, reception):
        await heard_of(server, reception, "how do I\n start?")
        titles = await server.wait_for(lambda: server.agent_view.titles)
        ((_, root),) = titles
        assert list(titles.values()) == ["how do I start?"]
        server.dm("U1", "and then?", thread_ts=root)
        await heard_of(server, reception, "what does it cost?")
        await server.wait_for(lambda: len(server.agent_view.titles) == 2)
        assert list(server.agent_view.titles.values()) == ["how do I start?", "what does it cost?"]


async def test_questions_in_channels_and_those_without_text_give_no_title() -> None:
    async with agent() as (server, reception):
        server.mention("C0GENERAL", "U1", "how do I start?")
        server.dm("U1", "", files=["trace.txt"])
        await server.wait_for(lambda: len(reception.taken) == 2)
        await heard_of(server, reception, "what is that?")
        await server.wait_for(lambda: server.agent_view.titles)
        assert [call["title"] for call in server.calls_of(SET_TITLE)] == ["what is that?"]


async def test_who_is_turned_away_gives_no_title() -> None:
    async with agent() as (server, reception):
        reception.turns_away["U2"] = "Not you."
        server.dm("U2", "how do I start?")
        await server.wait_for(lambda: server.workspace.channels["D2"].messages[1:])
        await heard_of(server, reception, "what does it cost?")
        await server.wait_for(lambda: server.agent_view.titles)
        assert [channel for channel, _ in server.agent_view.titles] == ["D1"]


async def test_a_redelivered_question_is_titled_once() -> None:
    async with agent() as (server, reception):
        server.deliver_each(3)
        await heard_of(server, reception, "how do I start?")
        await server.wait_for(lambda: server.agent_view.titles)
        server.deliver_each(1)
        await heard_of(server, reception, "and then?")
        await server.wait_for(lambda: len(server.agent_view.titles) == 2)
        assert len(server.calls_of(SET_TITLE)) == 2


async def test_a_question_that_is_not_written_down_is_titled_when_it_is() -> None:
    async with agent() as (server, reception):
        server.redeliver_after(0.05)
        reception.failures.append(StoreError("The database is full."))
        server.dm("U1", "how do I start?")
        await server.wait_for(lambda: server.agent_view.titles)
        assert len(reception.taken) == 1


async def test_a_title_that_slack_takes_long_over_delays_no_question() -> None:
    async with agent() as (server, reception):
        server.fail(SET_TITLE, Fault(hang=True))
        await heard_of(server, reception, "how do I start?")
        await heard_of(server, reception, "what does it cost?")
        await server.wait_for(lambda: server.agent_view.titles)
        assert list(server.agent_view.titles.values()) == ["what does it cost?"]


async def test_an_app_that_is_no_agent_does_without_titles_after_one_try(
    complaints: Complaints,
) -> None:
    async with agent() as (server, reception):
        server.scopes.remove(SCOPE)
        await heard_of(server, reception, "how do I start?")
        async with asyncio.timeout(60):
            await complaints.any.wait()
        await heard_of(server, reception, "what does it cost?")
    assert [call["title"] for call in server.calls_of(SET_TITLE)] == ["how do I start?"]
    (record,) = complaints.records
    assert "how do I start" not in str(record.__dict__)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("How do I start?", "How do I start?"),
        ("How\n\ndo  I start?", "How do I start?"),
        (" \n ", ""),
        ("a" * 80, "a" * 80),
        ("a" * 81, "a" * 79 + "…"),
        ("word " * 40, "word " * 15 + "word…"),
        ("x " + "a" * 200, "x " + "a" * 77 + "…"),
    ],
)
def test_a_title_is_one_short_line(question: str, title: str) -> None:
    assert title_of(question) == title
    assert len(title) <= LONGEST_TITLE


def test_a_suggestion_asks_the_whole_question_and_shows_a_short_one() -> None:
    long = "why " * 40 + "?"
    assert suggestion(long)["message"] == long
    assert len(suggestion(long)["title"]) <= 75
