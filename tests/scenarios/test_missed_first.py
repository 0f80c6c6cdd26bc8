"""What is said right after a restart is judged by what was said before it, while nobody was there.

The search for that is held up in each test: it may take minutes where there are many channels.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from bots.app import Docent
from bots.discord_bot import missed
from bots.slack_bot import presence
from core.domain import TurnId
from core.store.schema import turns
from servers import discord_http, faults
from servers.docent_rig import docent_running
from servers.openai_runs import Pace, Script
from servers.openai_server import OpenAIServer
from servers.people import SECONDS, Slack

QUESTION = "When does an access token expire?"
FOLLOW_UP = "And how do I renew an access token?"
HISTORY = "/channels/{channel}/messages"


@pytest.fixture
def values(people_values: dict[str, str]) -> dict[str, str]:
    """Settings with which people are answered by the local engine."""
    return {**people_values, "ENGINE": "local"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread is waited for as long as a loaded machine may take."""
    for module in (missed, presence):
        monkeypatch.setattr(module, "THREAD_SECONDS", SECONDS)


@asynccontextmanager
async def searching(
    people: Any, values: dict[str, str], until: asyncio.Event | None = None
) -> AsyncIterator[Docent]:
    """A Docent that is back, and does not get on with its search while the block lasts.

    Or, where it is given, `until` that is set.
    """
    server = people.server
    until = until or asyncio.Event()
    if isinstance(people, Slack):
        server.fail("conversations.history", faults.Fault(until=until))
        async with docent_running(values) as docent:
            await server.wait_for(lambda: not server.faults_left("conversations.history"), SECONDS)
            yield docent
            until.set()
        return
    elsewhere = server.world.channel("elsewhere")  # discord.py reads one channel page by page
    await server.say(elsewhere, people.bob, "The newest message is what is looked at first")
    asked = len(server.calls("GET", HISTORY))
    server.fail("GET", HISTORY, discord_http.Fault(until=until))
    async with docent_running(values) as docent:
        await server.wait_for(lambda: len(server.calls("GET", HISTORY)) > asked, SECONDS)
        yield docent
        until.set()


async def go_on(people: Any, text: str) -> None:
    """Say something as who asked, and wait until it is judged."""
    if not isinstance(people, Slack):
        await people.say(people.alice, text)
        await people.heard_all()
        return
    await people.say(people.alice, text)
    said = people.server.thread(people.channel, people.root)[-1]["ts"]

    def is_taken() -> bool:
        deliveries = people.server.deliveries
        return any(one.acked_at and one.event.get("ts") == said for one in deliveries)

    await people.server.wait_for(is_taken, SECONDS)


async def test_who_goes_on_in_a_thread_that_was_taken_over_meanwhile_gets_no_answer(
    people: Any, values: dict[str, str]
) -> None:
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
    await people.say(people.bob, "I know this", to=people.alice)
    async with searching(people, values):
        await go_on(people, QUESTION)
        await people.ask(people.alice, "thanks")
        assert (await people.replied(2))[1] == "You're welcome!"


async def test_what_was_asked_in_the_thread_meanwhile_is_answered_before_what_is_asked_now(
    people: Any, values: dict[str, str]
) -> None:
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
    await people.ask(people.bob, FOLLOW_UP)
    async with searching(people, values) as docent:
        await people.say(people.alice, QUESTION)
        replies = await people.replied(3)
        first, second = [await docent.store.turns.get(TurnId(number)) for number in (2, 3)]
    assert first is not None
    assert second is not None
    assert (first.question, second.question) == (FOLLOW_UP, QUESTION)
    assert "Account" in replies[1]
    assert "ninety days" in replies[2]


async def test_what_was_missed_is_answered_before_a_mention_that_waits_for_its_turn(
    people: Any, people_values: dict[str, str], openai: OpenAIServer
) -> None:
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
    await people.ask(people.bob, FOLLOW_UP)
    pace, found = Pace(), asyncio.Event()
    openai.script(Script(text="It is on its way.", pace=pace))
    async with searching(people, people_values, found) as docent:
        await people.ask(people.alice, "Where is my invoice?")
        await openai.wait_for("POST", "/responses", 2, within=SECONDS)
        await people.ask(people.alice, QUESTION)
        await taken(docent, 3)
        found.set()
        await taken(docent, 4)
        pace.finish()
        await people.replied(4)
    asked = [sent.json["input"][-1]["content"] for sent in openai.sent("POST", "/responses")]
    assert asked == [QUESTION, "Where is my invoice?", FOLLOW_UP, QUESTION]


async def taken(docent: Docent, count: int) -> None:
    """Wait until so many questions are written down."""

    async def written() -> int:
        async with docent.store._database.read() as connection:
            return (await connection.execute(select(func.count(turns.c.id)))).scalar_one()

    async with asyncio.timeout(SECONDS):
        while await written() < count:  # noqa: ASYNC110 (the store has no event)
            await asyncio.sleep(0.01)
