"""Answers appear as they are written, on both platforms, and also when a process dies half way.

What the model has said is decided by the tests: that something is seen before it goes on is then a
matter of order, and of no clock. How long it takes is measured in `benchmarks`.
"""

import time
from pathlib import Path
from typing import Any

import pytest

from core.openai_engine import streams
from core.store import migrate_database
from servers.discord_http import Fault
from servers.discord_server import DiscordServer
from servers.docent_rig import DocentProcess, docent_running
from servers.openai_runs import Pace, Script
from servers.openai_server import OpenAIServer
from servers.people import SECONDS, Discord, Slack, buttons_of
from servers.slack_faults import rate_limited
from servers.slack_server import SlackServer

QUESTION = "When does an access token expire?"
WORDS = [f"word{number}" for number in range(40)]
TEXT = "An answer of many words: " + " ".join(WORDS) + ". That is all."
SOME = 15  #: words of it
STREAMS = ["queued", "completed"]  #: the statuses of a run of which words are heard

#: For tests that are not about the database, or with processes that die; how others take over on
#: Postgres, `test_store_leases` shows.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def common_values(common_values: dict[str, str]) -> dict[str, str]:
    return {**common_values, "STREAMING": "true"}


@pytest.fixture(params=["streamed in slack", "edited in slack", "edited in discord"])
def people(request: pytest.FixtureRequest, slack: SlackServer, discord: DiscordServer) -> Any:
    """People, for each way in which an answer is shown while it is written."""
    discord.world.content_intent = True
    slack.streams.refusal = "not_allowed_for_team" if request.param == "edited in slack" else None
    return Discord(discord) if request.param == "edited in discord" else Slack(slack)


def paced(openai: OpenAIServer, words: float = SOME) -> Pace:
    """The next answer is TEXT, of which so many words are said until the test says more."""
    pace = Pace(words)
    openai.script(Script(statuses=STREAMS, text=TEXT, pace=pace))
    return pace


async def begun(people: Any) -> None:
    """Wait until people read the first words, and see that they are not all."""
    (first,) = await people.replied(1)
    assert first.startswith("An answer of many words: word0")
    assert WORDS[SOME] not in first


async def is_complete(people: Any) -> None:
    """Wait for the reply with its buttons: one message, with all words once."""
    await people.dressed(1)
    (reply,) = people.replies()
    assert [reply.count(f"{word} ") for word in WORDS[:-1]] == [1] * (len(WORDS) - 1)
    assert reply.count("That is all.") == 1


async def test_an_answer_grows_in_one_message(
    people: Any, people_values: dict[str, str], openai: OpenAIServer, slack: SlackServer
) -> None:
    pace = paced(openai)
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await begun(people)
        if people.name == "discord" or slack.streams.refusal is None:  # else seconds later
            pace.words = 2 * SOME
            await people.server.wait_for(lambda: WORDS[SOME] in people.replies()[0], SECONDS)
            assert "That is all." not in people.replies()[0]
        pace.finish()
        await is_complete(people)
    assert slack.unknown_args == []
    assert slack.hanging == {}


@on_sqlite
async def test_people_see_that_an_answer_is_on_its_way_until_they_read_it(
    people: Any, people_values: dict[str, str], openai: OpenAIServer
) -> None:
    pace = paced(openai, 0)
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.server.wait_for(people.is_busy, SECONDS)
        assert people.replies() == []
        pace.words = SOME
        await begun(people)
        pace.finish()
        await is_complete(people)
        await people.server.wait_for(lambda: not people.is_busy(), SECONDS)


@on_sqlite
async def test_an_answer_of_many_words_takes_few_calls(
    people: Any, people_values: dict[str, str], openai: OpenAIServer, slack: SlackServer
) -> None:
    """As many as the time allows it takes, whatever that is: one in so many seconds."""
    text = TEXT + " More." * 150
    openai.script(Script(statuses=STREAMS, text=text, word_seconds=0.004))
    seconds = 0.5 if people.name == "slack" and slack.streams.refusal is None else 1.0
    async with docent_running(people_values):
        await people.ready()
        since = time.monotonic()
        await people.ask(people.alice, QUESTION)
        await people.dressed(1)
        # The first and the last one are beside that, and those that were refused.
        assert 2 <= people.writes() <= 4 + (time.monotonic() - since) / seconds


@on_sqlite
async def test_a_rate_limit_in_the_middle_of_an_answer_loses_and_repeats_nothing(
    people: Any,
    people_values: dict[str, str],
    openai: OpenAIServer,
    slack: SlackServer,
    discord: DiscordServer,
) -> None:
    pace = paced(openai)
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await begun(people)
        for method in ("chat.appendStream", "chat.update"):
            slack.fail(method, rate_limited(0.1))
        limited = Fault(status=429, retry_after=0.1)
        discord.fail("PATCH", "/channels/{channel}/messages/{message}", limited)
        pace.finish()
        await is_complete(people)
    assert slack.violations == []


@on_sqlite
@pytest.mark.parametrize("people", ["streamed in slack"], indirect=True)
async def test_a_stream_of_slack_that_dies_in_the_middle_loses_and_repeats_nothing(
    people: Any, people_values: dict[str, str], openai: OpenAIServer, slack: SlackServer
) -> None:
    pace = paced(openai)
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await begun(people)
        slack.streams.seconds = 0.0  # as after five minutes
        pace.words = 2 * SOME
        await slack.wait_for(lambda: slack.calls_of("chat.appendStream"), SECONDS)
        pace.finish()
        await is_complete(people)


@pytest.mark.parametrize("people", ["streamed in slack", "edited in discord"], indirect=True)
async def test_with_streaming_switched_off_it_comes_in_one_piece(
    people: Any, people_values: dict[str, str], openai: OpenAIServer
) -> None:
    openai.script(Script(statuses=["queued", "completed"], text=TEXT))
    async with docent_running({**people_values, "STREAMING": "false"}):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await is_complete(people)
    assert people.writes() == 1
    assert not any(request.json.get("stream") for request in openai.sent("POST", "/responses"))


@on_sqlite
@pytest.mark.parametrize("people", ["streamed in slack", "edited in discord"], indirect=True)
@pytest.mark.parametrize("trouble", ["breaks", "falls silent", "never starts"])
async def test_a_stream_of_openai_that_fails_is_no_loss(
    people: Any,
    people_values: dict[str, str],
    openai: OpenAIServer,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "SILENCE", 0.3)
    openai.responses.streams = trouble != "never starts"
    how = {"breaks": {"breaks_after": 30}, "falls silent": {"silent_after": 30}}.get(trouble, {})
    pace = Pace(40)
    openai.script(Script(statuses=STREAMS, text=TEXT, pace=pace, **how))  # type: ignore[arg-type]

    def resumed() -> list[int]:
        looks = [one.query for one in openai.sent("GET", "/responses/*")]
        return [int(look.get("starting_after", -1)) for look in looks if look.get("stream")]

    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        if trouble != "never starts":  # it goes on where it was
            position = (await people.server.wait_for(resumed, SECONDS))[0]
            # What was on its way when it broke may be lost, and is told again.
            assert position == 29 or (trouble == "breaks" and position < 29)
        pace.finish()
        await is_complete(people)
    asked = [bool(request.json.get("stream")) for request in openai.sent("POST", "/responses")]
    assert asked == ([True, False] if trouble == "never starts" else [True])


@on_sqlite
async def test_after_a_kill_in_the_middle_the_next_process_ends_the_same_message(
    people: Any, people_values: dict[str, str], openai: OpenAIServer, tmp_path: Path
) -> None:
    await migrate_database(people_values["DATABASE_URL"])
    pace = paced(openai)
    process = await DocentProcess.start(tmp_path, people_values, "run")
    await people.ready()
    await people.ask(people.alice, QUESTION)
    await begun(people)
    process.kill()
    await process.end()

    process = await DocentProcess.start(tmp_path, people_values, "run")
    await openai.wait_for("GET", "/responses/*")
    pace.finish()
    await is_complete(people)
    process.terminate()
    assert (await process.end())[0] == 0
    assert len(openai.sent("POST", "/responses")) == 1


LONG = "\n\n".join(
    [f"Paragraph {n}: " + " ".join(f"w{n}x{m}" for m in range(70)) + "." for n in range(8)]
    + ["```python\n" + "\n".join(f"print({n})  # a line of code" for n in range(120)) + "\n```"]
    + ["| a | b |\n|---|---|\n" + "\n".join(f"| cell {n} | value {n} |" for n in range(60))]
    + ["That is all."]
)


@on_sqlite
async def test_a_long_answer_comes_in_parts_with_the_buttons_on_the_last(
    people: Any, people_values: dict[str, str], openai: OpenAIServer
) -> None:
    pace = Pace(500)
    openai.script(Script(statuses=STREAMS, text=LONG, pace=pace))
    async with docent_running(people_values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        await people.replied(1)
        pace.finish()
        await people.dressed(1)
        parts = people.replies()
    longest = 2_000 if people.name == "discord" else 4_000
    assert [len(part) <= longest for part in parts] == [True] * len(parts)
    assert [part.count("```") % 2 for part in parts] == [0] * len(parts)
    dressed = ["Helpful" in buttons_of(message) for message in people.posted()]
    assert dressed == [False] * (len(parts) - 1) + [True]
    whole = "\n".join(parts)
    for word in ["w0x0", "w7x69", "print(0)", "print(119)", "cell 0", "value 59"]:
        assert word in whole
