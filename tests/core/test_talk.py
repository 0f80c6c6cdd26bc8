"""What was said in a thread beside the questions: when it is read, how much, and what if not."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from core import talk as talk_module
from core.domain import (
    Button,
    Exchange,
    Failed,
    Question,
    Said,
    TurnId,
)
from core.errors import EngineBusy, PlatformUnreachable
from core.feedback import AT_IT
from core.store import Store
from core.talk import CALLED, CHARACTERS, MESSAGES, OF_ONE, bounded, talk_before
from servers.loop_rig import Bench, Running, runner
from servers.mentions import press
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")


def said(text: str, speaker: str = "Ben") -> Said:
    return Said(speaker=speaker, text=text, at=1.0)


@pytest.fixture
def running(store: Store, engine: ScriptedEngine, platform: RecordingPlatform) -> Running:
    return runner(store, engine, platform, reads_talk=True)


# --- when it is read ------------------------------------------------------------------------------


async def test_the_first_question_comes_with_all_that_was_said_before(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.said = [said("It is broken."), said("Restart it.")]
    async with running() as bench:
        (asked,) = await bench.ask("a")
        await bench.idle()
    assert platform.asked_for_talk == [(None, asked.message)]
    assert engine.started[0][1].talk == tuple(platform.said)


async def test_the_next_question_comes_with_what_was_said_since(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        (first,) = await bench.ask("a")
        await bench.idle()
        platform.said = [said("It did not help.")]
        (second,) = await bench.ask("b")
        await bench.idle()
    assert platform.asked_for_talk[1] == (first.message, second.message)
    assert engine.started[1][1].talk == (said("It did not help."),)


async def test_a_conversation_that_is_built_anew_gets_the_talk_anew_without_its_questions(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.said = [said("It is broken.")]
    async with running() as bench:
        (first,) = await bench.ask("a")
        await bench.idle()
        engine.script("b", Failed(reason="server_error", transient=True))
        platform.said = [said("It is broken."), said("a"), said("Still.")]
        (second,) = await bench.ask("b")
        await bench.idle()
    assert platform.asked_for_talk[1:] == [
        (first.message, second.message),
        (None, second.message),  # the one in the new conversation
    ]
    assert engine.started[-1][1].talk == (said("It is broken."), said("Still."))


async def test_a_new_conversation_gets_all_of_the_talk_also_at_the_second_try(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.said = [said("It is broken.")]
    async with running() as bench:
        await bench.ask("a")
        await bench.idle()
        engine.script("b", Failed(reason="server_error", transient=True))
        engine.start_hook = _busy_at_the_second(engine)
        await bench.ask("b")
        await bench.idle()
    assert len(engine.opened) == 2
    assert [after for after, _ in platform.asked_for_talk[-2:]] == [None, None]
    assert engine.started[-1][1].talk == (said("It is broken."),)


def _busy_at_the_second(engine: ScriptedEngine) -> Callable[[Question], None]:
    """Refuse the second start from now on, once."""
    starts: list[Question] = []

    def hook(question: Question) -> None:
        starts.append(question)
        if len(starts) == 2:
            engine.start_errors.append(EngineBusy(0.001))

    return hook


async def test_a_greeting_costs_no_look_at_what_was_said(
    running: Running, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("hello")
        await bench.idle()
    assert platform.asked_for_talk == []


async def test_a_mention_alone_asks_what_the_talk_before_it_asks(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    platform.said = [said("How do I renew a token?")]
    async with running() as bench:
        await bench.ask("")
        await bench.idle()
    assert engine.started[0][1].text == CALLED
    assert engine.started[0][1].talk == (said("How do I renew a token?"),)
    assert platform.threads["t1"] == [f"answer to {CALLED}"]


async def test_the_reply_to_a_mention_alone_can_be_judged_and_asked_for_again(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform, store: Store
) -> None:
    platform.said = [said("How do I renew a token?")]
    async with running() as bench:
        (asked,) = await bench.ask("", author="U1")
        await bench.idle()
        wrong = press(Button.UNHELPFUL, to=asked, reason="It is about keys.")
        await bench.desk.press(wrong)
        assert (await bench.desk.press(press(Button.AGAIN, to=asked))).said == AT_IT
        await bench.idle()
        engine.script("b", Failed(reason="server_error", transient=True))
        await bench.ask("b")  # whose second run is in a conversation that is built anew
        await bench.idle()
        assert [told.question for told in engine.opened[-1][1]] == [CALLED, CALLED]
        assert await store.feedback.of(TurnId(1)) == {"U1": ("unhelpful", "It is about keys.")}
        await store.people.forget("slack", "U1")
        await bench.desk.press(wrong)
        assert (await bench.desk.press(press(Button.AGAIN, to=asked))).said != AT_IT
    assert [question.text for _, question in engine.started] == [CALLED, CALLED, "b", "b"]
    assert await store.feedback.of(TurnId(1)) == {}


async def test_a_mention_alone_without_any_talk_is_greeted(
    running: Running, engine: ScriptedEngine, platform: RecordingPlatform
) -> None:
    async with running() as bench:
        await bench.ask("")
        await bench.idle()
    assert engine.started == []
    assert platform.threads["t1"][0].startswith("Hello!")


# --- what if not ----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [PlatformUnreachable(), IndexError("secret words")])
async def test_a_platform_that_does_not_tell_is_no_hindrance(
    running: Running,
    engine: ScriptedEngine,
    platform: RecordingPlatform,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    platform.talk_errors = [error]
    with caplog.at_level(logging.INFO):
        async with running() as bench:
            await bench.ask("a")
            await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]
    assert engine.started[0][1].talk == ()
    told = [record for record in caplog.records if "without the talk" in record.getMessage()]
    assert len(told) == 1
    assert "secret words" not in caplog.text


async def test_a_platform_that_hangs_is_not_waited_for(
    store: Store, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(RecordingPlatform):
        async def talk(self, *_: object) -> list[Said]:
            await asyncio.Event().wait()
            return []

    monkeypatch.setattr(talk_module, "PATIENCE", 0.05)
    platform = Hanging()
    bench = Bench(store, engine, platform, reads_talk=True)
    async with bench.running():
        await bench.ask("a")
        await bench.idle()
    assert platform.threads["t1"] == ["answer to a"]


async def test_what_was_said_is_in_no_log_and_not_in_the_database(
    running: Running,
    platform: RecordingPlatform,
    store: Store,
    caplog: pytest.LogCaptureFixture,
) -> None:
    platform.said = [said("the password is swordfish")]
    with caplog.at_level(logging.DEBUG):
        async with running() as bench:
            await bench.ask("a")
            await bench.idle()
            turn = await bench.turn()
    assert "swordfish" not in caplog.text
    history = await store.turns.history(turn, 10)
    assert "swordfish" not in f"{turn}{history}"


# --- how much -------------------------------------------------------------------------------------


def test_the_newest_of_a_long_talk_is_kept_and_what_it_began_with() -> None:
    talk = [said(f"{number}") for number in range(100)]
    kept = bounded(talk, keeps_first=True)
    assert [one.text for one in kept] == ["0", *map(str, range(71, 100))]
    assert len(kept) == MESSAGES
    assert [one.text for one in bounded(talk, keeps_first=False)] == list(map(str, range(70, 100)))


def test_many_words_are_cut_to_what_is_passed_on() -> None:
    talk = [said(f"{number}" * 10_000) for number in range(9)]
    for keeps_first in (True, False):
        kept = bounded(talk, keeps_first=keeps_first)
        assert sum(len(one.text) for one in kept) <= CHARACTERS
        assert all(len(one.text) <= OF_ONE and one.text.endswith("…") for one in kept)
        assert kept[-1].text.startswith("8")
        assert kept[0].text.startswith("0") == keeps_first


def test_messages_without_words_are_nothing() -> None:
    assert bounded([said(" \n ")], keeps_first=True) == ()
    assert bounded([], keeps_first=True) == ()


async def test_an_exchange_that_was_put_together_from_several_questions_is_known_by_each(
    store: Store, platform: RecordingPlatform
) -> None:
    platform.said = [said("one"), said("two"), said("three")]
    history = [Exchange(question="one\n\ntwo", answer="…")]
    bench = Bench(store, ScriptedEngine(), platform)
    async with bench.running():
        await bench.ask("a")
        await bench.idle()
        turn = await bench.turn()
    found = await talk_before(platform, turn, None, history)
    assert found == (said("three"),)
