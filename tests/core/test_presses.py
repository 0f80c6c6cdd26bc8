"""What people can do about a reply: judge it, ask again, stop it, call people."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from core import feedback
from core.buttons import buttons_for
from core.domain import (
    Answer,
    Answered,
    Button,
    Failed,
    Mention,
    NotAnswered,
    Post,
    TurnId,
    TurnState,
    Working,
)
from core.errors import PlatformRefused, PlatformUnreachable, ThreadGone
from core.humans import NOBODY, Humans, everywhere
from core.press import Press, Pressed
from core.replies import QUIET
from core.store import Store
from servers import mentions
from servers.attached_files import attached
from servers.loop_rig import Bench
from servers.mentions import mention, remark
from servers.scripted import RecordingPlatform, ScriptedEngine

pytestmark = pytest.mark.usefixtures("short_waits")

ASKER, OTHER, ADMIN = "U1", "U2", "U9"
PEOPLE = everywhere(["slack:S1", "slack:U7", "discord:&5"], "slack:C0TEAM")
JUDGED = (Button.HELPFUL, Button.UNHELPFUL, Button.AGAIN)


@asynccontextmanager
async def bench(
    store: Store, *, humans: Humans = PEOPLE, engine: ScriptedEngine | None = None
) -> AsyncIterator[tuple[Bench, RecordingPlatform, ScriptedEngine]]:
    """One process at work, with the task that calls people."""
    engine, platform = engine or ScriptedEngine(), RecordingPlatform()
    made = Bench(store, engine, platform, humans=humans, admins=[f"slack:{ADMIN}"])
    async with made.running(), asyncio.TaskGroup() as tasks:
        calls = tasks.create_task(made.calling.run())
        try:
            yield made, platform, engine
        finally:
            calls.cancel()


async def asked(made: Bench, question: str = "How do I start?") -> Mention:
    """Ask, and wait for the reply."""
    (mention,) = await made.ask(question, author=ASKER)
    await made.idle()
    return mention


def press(mention: Mention, button: Button, *, user: str = OTHER, **changes: Any) -> Press:
    """A press below the reply to a mention."""
    return mentions.press(button, to=mention, user=user, **changes)


def last(platform: RecordingPlatform) -> Post:
    return platform.posts[-1]


# --- which buttons there are ----------------------------------------------------------------------


async def test_every_reply_has_its_buttons_on_the_last_part_only(store: Store) -> None:
    engine, platform = ScriptedEngine(), RecordingPlatform(parts=3)
    made = Bench(store, engine, platform, humans=PEOPLE)
    async with made.running():
        await asked(made)
    *earlier, last_part = platform.posts
    assert [post.buttons for post in earlier] == [(), ()]
    assert last_part.buttons == (*JUDGED, Button.HUMAN)
    assert last_part.turn == 1


async def test_without_people_to_call_there_is_no_button_for_it(store: Store) -> None:
    async with bench(store, humans=everywhere(["discord:&5"], None)) as (made, platform, _):
        await asked(made)
        assert last(platform).buttons == JUDGED


async def test_nobody_is_called_into_direct_messages(store: Store) -> None:
    async with bench(store) as (made, platform, _):
        await made.ask("How do I start?", author=ASKER, thread="D1")
        await made.idle()
        assert last(platform).buttons == JUDGED


@pytest.mark.parametrize("state", [NotAnswered(), Failed(reason="broken", transient=False)])
async def test_a_fallback_can_be_judged_and_asked_again(
    store: Store, state: NotAnswered | Failed
) -> None:
    engine = ScriptedEngine()
    engine.script("How do I start?", state)
    async with bench(store, engine=engine) as (made, platform, _):
        await asked(made)
        assert last(platform).buttons == (*JUDGED, Button.HUMAN)


@pytest.mark.parametrize("outcome", ["small_talk", "limited"])
async def test_where_nothing_was_answered_there_is_nothing_to_judge(
    store: Store, outcome: str
) -> None:
    async with bench(store) as (made, _, _):
        await asked(made, "hello")
        turn = await made.turn()
    assert turn.outcome == "small_talk"
    assert buttons_for(replace(turn, outcome=outcome), humans=True) == ()


# --- verdicts -------------------------------------------------------------------------------------


async def test_a_verdict_is_kept_and_one_may_change_ones_mind(store: Store) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        first = await made.desk.press(press(mention, Button.HELPFUL))
        assert first == Pressed(said=feedback.THANKS)
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("helpful", "")}

        second = await made.desk.press(press(mention, Button.UNHELPFUL))
        assert second.asks_why
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("unhelpful", "")}

        await made.desk.press(press(mention, Button.UNHELPFUL, user=ASKER))
        assert set(await store.feedback.of(TurnId(1))) == {OTHER, ASKER}


async def test_a_reason_is_kept_with_its_verdict_and_goes_when_that_changes(store: Store) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.UNHELPFUL))
        told = await made.desk.press(press(mention, Button.UNHELPFUL, reason="Too short. "))
        assert not told.asks_why
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("unhelpful", "Too short.")}
        await made.desk.press(press(mention, Button.UNHELPFUL))
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("unhelpful", "Too short.")}
        await made.desk.press(press(mention, Button.HELPFUL))
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("helpful", "")}


async def test_a_reason_is_cut_where_it_is_endless(store: Store) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.UNHELPFUL, reason="x" * 100_000))
        ((_, reason),) = (await store.feedback.of(TurnId(1))).values()
        assert len(reason) == feedback.LONGEST_REASON


@pytest.mark.parametrize(
    "changes",
    [
        {"turn": 7},
        {"tenant": "T2"},
        {"platform": "discord"},
        {"channel": "C2", "thread": None},
    ],
)
async def test_a_button_that_names_what_is_not_there_does_nothing(
    store: Store, changes: dict[str, object]
) -> None:
    async with bench(store) as (made, platform, _):
        mention = await asked(made)
        posted = len(platform.posts)
        for button in Button:
            pressed = await made.desk.press(press(mention, button, **changes))  # type: ignore[arg-type]
            assert pressed == Pressed(said=feedback.UNKNOWN)
        assert await store.feedback.of(TurnId(1)) == {}
        assert len(platform.posts) == posted


async def test_a_button_in_another_thread_does_nothing(store: Store) -> None:
    async with bench(store) as (made, _, _):
        await asked(made)
        (elsewhere,) = await made.ask("And then?", thread="t2", author=ASKER)
        await made.idle()
        pressed = await made.desk.press(press(elsewhere, Button.HELPFUL, turn=1))
        assert pressed.said == feedback.UNKNOWN


async def test_where_the_thread_is_not_told_the_channel_decides(store: Store) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.HELPFUL, thread=None))
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("helpful", "")}


# --- once more ------------------------------------------------------------------------------------


async def test_again_asks_the_same_anew_once_for_each_reply(store: Store) -> None:
    async with bench(store) as (made, platform, engine):
        mention = await asked(made)
        again = press(mention, Button.AGAIN, user=ASKER)
        assert (await made.desk.press(again)).said == feedback.AT_IT
        assert (await made.desk.press(again)).said == feedback.ASKED_BEFORE
        await made.idle()
        turn = await made.turn(2)
        assert (turn.question, turn.state) == ("How do I start?", TurnState.DELIVERED)
        assert turn.thread == mention.thread
        assert len(engine.started) == 2
        # In the same conversation, which knows the earlier answer.
        assert engine.started[0][0] == engine.started[1][0]
        assert platform.threads["t1"] == ["answer to How do I start?"] * 2
        assert last(platform).turn == 2


async def test_a_reply_that_is_just_being_posted_can_be_asked_again(store: Store) -> None:
    made = Bench(store, ScriptedEngine(), RecordingPlatform())
    await made.lease.join()
    (mention,) = await made.ask("How do I start?", author=ASKER)
    again = press(mention, Button.AGAIN, user=ASKER)
    await made.desk.press(again)  # before there is anything
    assert await store.turns.get(TurnId(2)) is None
    answer = Answer(text="Thus.")
    turn = await made.turn()
    assert await store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["Thus."])
    await made.desk.press(again)
    assert (await made.turn(2)).state is TurnState.QUEUED


async def test_again_is_for_the_asker_alone(store: Store) -> None:
    async with bench(store) as (made, _, engine):
        mention = await asked(made)
        for somebody in (OTHER, ADMIN):
            pressed = await made.desk.press(press(mention, Button.AGAIN, user=somebody))
            assert pressed.said == feedback.NOT_YOURS
        assert len(engine.started) == 1


async def test_what_was_asked_in_several_messages_is_asked_again_as_a_whole(store: Store) -> None:
    engine, platform = ScriptedEngine(), RecordingPlatform()
    made = Bench(store, engine, platform)
    (mention, _) = await made.ask("One?", "Two?", author=ASKER)
    async with made.running():
        made.loop.scan_soon()
        await platform.posted(1)
        await made.idle()
        await made.desk.press(press(mention, Button.AGAIN, user=ASKER))
        await made.idle()
        assert (await made.turn(3)).question == "One?\n\nTwo?"


async def test_a_question_is_asked_again_with_its_files(store: Store) -> None:
    async with bench(store) as (made, _, _):
        question = replace(mention("What is this?", author=ASKER), files=(attached("a.log"),))
        await made.desk.take(question)
        await made.idle()
        await made.desk.press(press(question, Button.AGAIN, user=ASKER))
        await made.idle()
        (kept,) = await store.attachments.of(await made.turn(2))
        assert kept.file == attached("a.log")


async def test_a_question_that_was_forgotten_cannot_be_asked_again(store: Store) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        await store.people.forget_texts(time.time() + 1)
        pressed = await made.desk.press(press(mention, Button.AGAIN, user=ASKER))
        assert pressed.said == feedback.FORGOTTEN


# --- stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [ASKER, ADMIN])
async def test_stop_cancels_the_run_and_leaves_what_is_written(store: Store, user: str) -> None:
    engine = ScriptedEngine()
    engine.script("How do I start?", Working())
    async with bench(store, engine=engine) as (made, platform, _):
        (mention,) = await made.ask("How do I start?", author=ASKER)
        await engine.looked_at(1)
        pressed = await made.desk.press(press(mention, Button.STOP, user=user))
        assert pressed.said == ""
        await made.idle()
        turn = await made.turn()
        assert (turn.state, turn.outcome) == (TurnState.DELIVERED, "stopped")
        assert platform.threads["t1"] == ["Stopped."]
        async with asyncio.timeout(20):
            await engine.cancelled_one.wait()
        assert engine.cancelled == ["run_1"]


async def test_only_the_asker_and_admins_can_stop(store: Store) -> None:
    engine = ScriptedEngine()
    engine.script("How do I start?", Working())
    async with bench(store, engine=engine) as (made, _, _):
        (mention,) = await made.ask("How do I start?", author=ASKER)
        await engine.looked_at(1)
        pressed = await made.desk.press(press(mention, Button.STOP, user=OTHER))
        assert pressed.said == feedback.NOT_YOURS
        engine.finish("run_1", Answered(answer=Answer(text="Thus.")))
        await made.idle()
        assert (await made.turn()).outcome == "answered"
        late = await made.desk.press(press(mention, Button.STOP, user=ASKER))
        assert late.said == feedback.TOO_LATE
        assert (await made.turn()).outcome == "answered"


@pytest.mark.parametrize("thread", ["t1", "D1"])
async def test_below_a_stopped_answer_anybody_may_silence_the_thread_where_others_talk(
    store: Store, thread: str
) -> None:
    engine = ScriptedEngine()
    engine.script("How do I start?", Working())
    async with bench(store, engine=engine, humans=NOBODY) as (made, platform, _):
        (mention,) = await made.ask("How do I start?", author=ASKER, thread=thread)
        await engine.looked_at(1)
        await made.desk.press(press(mention, Button.STOP, user=ASKER))
        await made.idle()
        assert (Button.QUIET in last(platform).buttons) is (thread == "t1")
        pressed = await made.desk.press(press(mention, Button.QUIET, user=OTHER))
        assert pressed.said == QUIET
        standing = await store.standings.of(mention.thread, ASKER)
        assert standing is not None
        assert standing.quiet


async def test_the_question_after_one_that_was_stopped_is_answered(store: Store) -> None:
    engine = ScriptedEngine()
    engine.script("One?", Working())
    async with bench(store, engine=engine) as (made, platform, _):
        (mention,) = await made.ask("One?", author=ASKER)
        await made.ask("Two?", author=OTHER)
        await engine.looked_at(1)
        await made.desk.press(press(mention, Button.STOP, user=ASKER))
        await made.idle()
        assert platform.threads["t1"] == ["Stopped.", "answer to Two?"]


# --- people ---------------------------------------------------------------------------------------


async def test_people_are_tagged_once_in_a_thread_and_told_in_the_teams_channel(
    store: Store,
) -> None:
    async with bench(store) as (made, platform, _):
        mention = await asked(made)
        for user in (OTHER, OTHER, ASKER):
            await made.desk.press(press(mention, Button.HUMAN, user=user))
        await platform.told(1)
        (channel, text) = platform.announced[0]
        assert channel == "C0TEAM"
        assert f"https://chat.example.com/t1/{mention.message}" in text
        assert text.endswith("\n> How do I start?")
        tags = [post for post in platform.posts if post.people]
        assert [(post.people, post.thread) for post in tags] == [(("S1", "U7"), mention.thread)]
        assert all(not post.buttons for post in tags)
        again = await made.desk.press(press(mention, Button.HUMAN))
        assert again.said == feedback.CALLED_BEFORE
        assert len(platform.announced) == 1


async def test_docent_is_quiet_after_a_call_until_it_is_mentioned(store: Store) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.HUMAN))
        standing = await store.standings.of(mention.thread, ASKER)
        assert standing is not None
        assert standing.quiet
        await made.ask("And now?", author=ASKER)
        standing = await store.standings.of(mention.thread, ASKER)
        assert standing is not None
        assert not standing.quiet


async def test_what_is_asked_again_gives_no_thread_back_that_people_were_called_to(
    store: Store,
) -> None:
    async with bench(store) as (made, _, engine):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.HUMAN, at=mention.at + 1))
        await made.desk.press(press(mention, Button.AGAIN, user=ASKER, at=mention.at + 2))
        await made.idle()
        assert len(engine.started) == 2
        later = remark("Can you look at it, please?", author=ASKER, at=mention.at + 3)
        assert not await made.desk.overhear(later)


async def test_without_people_the_team_alone_hears_of_it(store: Store) -> None:
    async with bench(store, humans=everywhere([], "slack:C0TEAM")) as (made, platform, _):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.HUMAN))
        await platform.told(1)
        assert not [post for post in platform.posts if post.people]


async def test_where_nobody_can_be_called_a_press_says_so(store: Store) -> None:
    async with bench(store, humans=everywhere([], None)) as (made, _, _):
        mention = await asked(made)
        pressed = await made.desk.press(press(mention, Button.HUMAN))
        assert pressed.said == feedback.NOBODY
        assert await store.calls.claim(["slack"], time.time(), 0) == []


async def test_a_call_that_no_process_got_round_to_is_made_by_the_next(store: Store) -> None:
    engine, platform = ScriptedEngine(), RecordingPlatform()
    made = Bench(store, engine, platform, humans=PEOPLE)
    async with made.running():  # and nobody calls
        mention = await asked(made)
        await made.desk.press(press(mention, Button.HUMAN))
    async with bench(store) as (_, another, _):
        await another.told(1)
        assert [post.people for post in another.posts] == [("S1", "U7")]


async def test_a_call_that_was_begun_is_finished_without_a_second_tag(store: Store) -> None:
    engine, platform = ScriptedEngine(), RecordingPlatform()
    made = Bench(store, engine, platform, humans=PEOPLE)
    async with made.running():
        mention = await asked(made)
        await made.desk.press(press(mention, Button.HUMAN))
        # The tag is posted, and its reply lost; then what tells the team fails, too.
        platform.errors_after.append(PlatformUnreachable())
        platform.announce_errors.append(PlatformUnreachable())
        for _ in range(4):
            await made.calling.flush()
        assert len([post for post in platform.posts if post.people]) == 1
        assert platform.finds == 1  # once it is on record, nobody looks for it any more
        assert len(platform.announced) == 1
        assert await store.calls.claim(["slack"], time.time() + 1e6, 0) == []


@pytest.mark.parametrize("error", [ThreadGone(), PlatformRefused("No.")])
async def test_the_team_is_told_where_nobody_can_be_tagged(store: Store, error: Exception) -> None:
    async with bench(store) as (made, platform, _):
        mention = await asked(made)
        platform.errors.append(error)
        await made.desk.press(press(mention, Button.HUMAN))
        await platform.told(1)
        assert not [post for post in platform.posts if post.people]


# --- forgetting -----------------------------------------------------------------------------------


async def test_retention_takes_the_reasons_and_leaves_the_verdicts(store: Store) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.UNHELPFUL, reason="My key is 123."))
        await store.people.forget_texts(time.time() + 1)
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("unhelpful", "")}
        # A form that was still open then brings nothing back.
        await made.desk.press(press(mention, Button.UNHELPFUL, reason="My key is 123."))
        assert await store.feedback.of(TurnId(1)) == {OTHER: ("unhelpful", "")}


async def test_a_person_who_is_erased_leaves_no_verdict_and_no_name_on_a_call(
    store: Store,
) -> None:
    async with bench(store) as (made, _, _):
        mention = await asked(made)
        await made.desk.press(press(mention, Button.HELPFUL, user=OTHER))
        await made.desk.press(press(mention, Button.HELPFUL, user=ADMIN))
        await made.desk.press(press(mention, Button.HUMAN, user=OTHER))
        traces = await store.people.traces("slack", OTHER)
        assert traces.verdicts == 1
        await store.people.forget("slack", OTHER)
        assert set(await store.feedback.of(TurnId(1))) == {ADMIN}
        assert (await store.people.traces("slack", OTHER)).verdicts == 0
        assert await store.calls.callers("slack") == [""]
