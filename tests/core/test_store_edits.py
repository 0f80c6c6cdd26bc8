"""Questions that are edited, deleted, or answered together, as the store has them."""

import pytest

from core.domain import Answer, Mention, MessageRef, RunId, Turn, TurnState
from core.store import Store
from core.store.gathering import TOGETHER, TOGETHER_LENGTH
from core.store.part_rows import Unposted
from servers.mentions import mention
from servers.steps import gathered, read, take


async def running(store: Store, asked: Mention, run: str = "resp_1") -> Turn:
    """A question whose run is at work."""
    turn = await take(store, asked)
    await store.progress.link(turn, "openai", None)
    assert await store.progress.began(turn, RunId(run))
    return await read(store, turn)


async def abandoned(store: Store) -> list[str]:
    return [run for run, _ in await store.progress.abandoned("openai")]


async def states(store: Store, *turns: Turn) -> list[TurnState]:
    return [(await read(store, turn)).state for turn in turns]


# --- edits ----------------------------------------------------------------------------------------


async def test_while_a_question_waits_its_new_text_counts(store: Store) -> None:
    turn = await take(store, mention("old", message="1"))
    edited = await store.turns.edit(mention("new", message="1"))
    assert edited is not None
    assert (edited.id, edited.question, edited.state) == (turn.id, "new", TurnState.QUEUED)
    assert (await read(store, turn)).question == "new"


async def test_an_edit_of_what_was_stopped_is_a_question_of_its_own(store: Store) -> None:
    turn = await running(store, mention("old", message="1"))
    assert await store.turns.stop(turn)
    edited = await store.turns.edit(mention("new", message="1"))
    assert edited is not None
    assert (edited.state, edited.outcome) == (TurnState.QUEUED, None)


async def test_an_edit_to_the_same_text_changes_nothing(store: Store) -> None:
    turn = await take(store, mention("same", message="1"))
    assert await store.turns.edit(mention("same", message="1")) is None
    assert await read(store, turn) == turn


async def test_an_edit_that_makes_a_message_a_question_takes_it(store: Store) -> None:
    turn = await store.turns.edit(mention("now asked", message="1"))
    assert turn is not None
    assert turn.state is TurnState.QUEUED
    assert await store.turns.take(mention("now asked", message="1")) is None


async def test_a_run_for_the_old_text_is_abandoned_with_its_conversation(store: Store) -> None:
    turn = await running(store, mention("old", message="1"))
    edited = await store.turns.edit(mention("new", message="1"))
    assert edited is not None
    assert (edited.state, edited.run, edited.conversation) == (TurnState.QUEUED, None, None)
    assert await abandoned(store) == ["resp_1"]
    assert not await store.progress.settle(turn, TurnState.ANSWERED, "answered", None, ["old"])
    assert await store.progress.unposted(turn) == []


async def test_a_run_that_is_recorded_after_an_edit_is_abandoned(store: Store) -> None:
    turn = await take(store, mention("old", message="1"))
    await store.progress.link(turn, "openai", None)
    turn = await read(store, turn)
    await store.turns.edit(mention("new", message="1"))
    assert not await store.progress.began(turn, RunId("resp_1"))
    assert await states(store, turn) == [TurnState.QUEUED]
    assert await abandoned(store) == ["resp_1"]


async def test_an_edit_after_the_answer_changes_nothing(store: Store) -> None:
    turn = await running(store, mention("old", message="1"))
    answer = Answer(text="a")
    assert await store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["a"])
    assert await store.turns.edit(mention("new", message="1")) is None
    assert (await read(store, turn)).question == "old"
    assert await abandoned(store) == []


# --- deletions ------------------------------------------------------------------------------------


async def test_a_deleted_question_waits_only_for_its_sign_to_be_cleared(store: Store) -> None:
    asked = mention("private")
    turn = await take(store, asked)
    gone = await store.turns.withdraw(asked.ref)
    assert gone is not None
    assert (gone.id, gone.state, gone.question) == (turn.id, TurnState.WITHDRAWN, "")
    assert [head.id for head in await store.turns.heads()] == [turn.id]
    await store.progress.close(gone, TurnState.CANCELLED, "deleted")
    assert await store.turns.heads() == []


async def test_the_run_of_a_deleted_question_is_abandoned(store: Store) -> None:
    asked = mention("q")
    turn = await running(store, asked)
    await store.turns.withdraw(asked.ref)
    assert await abandoned(store) == ["resp_1"]
    assert not await store.progress.settle(turn, TurnState.ANSWERED, "answered", None, ["a"])
    await store.progress.cancelled(RunId("resp_1"))
    assert await abandoned(store) == []


async def test_deleting_it_again_or_what_asked_nothing_changes_nothing(store: Store) -> None:
    asked = mention("q")
    await take(store, asked)
    assert await store.turns.withdraw(asked.ref) is not None
    assert await store.turns.withdraw(asked.ref) is None
    assert await store.turns.withdraw(mention("never asked").ref) is None
    elsewhere = MessageRef(
        platform=asked.ref.platform, tenant="other", channel="C1", message=asked.message
    )
    assert await store.turns.withdraw(elsewhere) is None


async def test_a_deleted_question_is_not_taken_again(store: Store) -> None:
    asked = mention("q")
    turn = await take(store, asked)
    await store.turns.withdraw(asked.ref)
    assert await store.turns.take(asked) is None
    await store.turns.edit(mention("edited", message=asked.message))
    assert (await read(store, turn)).state is TurnState.WITHDRAWN


async def test_a_question_with_an_answer_keeps_it_when_it_is_deleted(store: Store) -> None:
    asked = mention("q")
    turn = await running(store, asked)
    await store.progress.settle(turn, TurnState.ANSWERED, "answered", Answer(text="a"), ["a"])
    assert await store.turns.withdraw(asked.ref) is None
    assert await store.progress.unposted(turn) == [Unposted(0, "a", None)]


# --- answered together ----------------------------------------------------------------------------


async def test_waiting_messages_of_one_author_that_follow_each_other_are_joined(
    store: Store,
) -> None:
    first = await take(store, mention("a", author="U1", unread=("a.txt",)))
    second = await take(store, mention("b", author="U1", unread=("b.txt",)))
    other = await take(store, mention("c", author="U2"))
    later = await take(store, mention("d", author="U1"))

    together = await gathered(store, first)
    assert (together.question, together.unread) == ("a\n\nb", ("a.txt", "b.txt"))
    assert await gathered(store, first) == together  # a second try finds the same

    await store.progress.settle(together, TurnState.ANSWERED, "answered", Answer(text="x"), ["x"])
    await store.progress.posted(together, 0, first.message, last=True)
    delivered, queued = TurnState.DELIVERED, TurnState.QUEUED
    assert await states(store, first, second, other, later) == [
        delivered,
        delivered,
        queued,
        queued,
    ]
    (head,) = await store.turns.heads()
    assert head.id == other.id
    history = await store.turns.history(head, limit=5)
    assert [(each.question, each.answer) for each in history] == [("a\n\nb", "x")]
    assert await store.turns.questions(first.id) == ["a", "b"]


async def test_a_question_alone_is_gathered_as_it_is(store: Store) -> None:
    turn = await take(store, mention("a"))
    assert await gathered(store, turn) == turn


async def test_no_more_are_joined_than_a_run_takes(store: Store) -> None:
    turns = [await take(store, mention(str(number))) for number in range(TOGETHER + 2)]
    together = await gathered(store, turns[0])
    assert together.question.split("\n\n") == [str(number) for number in range(TOGETHER)]

    long = [await take(store, mention("x" * TOGETHER_LENGTH, thread="t2")) for _ in range(2)]
    assert (await gathered(store, long[0])).question == "x" * TOGETHER_LENGTH


async def test_an_edit_of_a_joined_message_begins_their_run_anew(store: Store) -> None:
    first = await take(store, mention("a"))
    second = mention("b")
    await take(store, second)
    together = await gathered(store, first)
    await store.progress.link(together, "openai", None)
    together = await gathered(store, await read(store, first))
    assert await store.progress.began(together, RunId("resp_1"))

    anew = await store.turns.edit(mention("B", message=second.message))
    assert anew is not None
    assert (anew.id, anew.state) == (first.id, TurnState.QUEUED)
    assert (await gathered(store, anew)).question == "a\n\nB"
    assert await abandoned(store) == ["resp_1"]


async def test_a_deletion_of_a_joined_message_leaves_the_others(store: Store) -> None:
    first = await take(store, mention("a"))
    second = mention("b")
    follower = await take(store, second)
    await gathered(store, first)

    anew = await store.turns.withdraw(second.ref)
    assert anew is not None
    assert anew.id == first.id
    assert (await gathered(store, anew)).question == "a"
    assert await states(store, follower) == [TurnState.CANCELLED]


async def test_a_message_that_was_deleted_before_its_run_takes_no_others_with_it(
    store: Store,
) -> None:
    leading = mention("a")
    first = await take(store, leading)
    others = [await take(store, mention(text)) for text in "bc"]
    await store.turns.withdraw(leading.ref)
    assert await store.progress.gather(first) is None
    await store.progress.close(first, TurnState.CANCELLED, "deleted")
    assert await states(store, *others) == [TurnState.QUEUED] * 2


async def test_what_was_asked_before_in_a_thread_is_known_with_what_waits(store: Store) -> None:
    first = await take(store, mention("a"))
    await take(store, mention("elsewhere", thread="t2"))
    second = await take(store, mention("b", author="U2"))
    found = [await store.progress.gather(turn) for turn in (first, second)]
    assert [one.follows for one in found if one] == [None, first.message]


async def test_when_the_leading_message_is_deleted_the_others_are_asked_anew(
    store: Store,
) -> None:
    leading = mention("a")
    first = await take(store, leading)
    second = await take(store, mention("b"))
    await gathered(store, first)
    gone = await store.turns.withdraw(leading.ref)
    assert gone is not None
    await store.progress.close(gone, TurnState.CANCELLED, "deleted")
    (head,) = await store.turns.heads()
    assert (head.id, head.question) == (second.id, "b")


async def test_recent_threads_are_looked_for_among_the_newest_turns(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.turns.LOOKED_THROUGH", 2)
    for thread in ("t1", "t2", "t3"):
        await take(store, mention("q", thread=thread))
    assert [thread.key for thread in await store.turns.recent_threads("slack")] == ["t3", "t2"]


@pytest.mark.parametrize("heard", ["discord", "slack"])
async def test_recent_threads_are_those_of_the_platform_the_latest_first(
    store: Store, heard: str
) -> None:
    for thread in ("t1", "t2", "t1", "t3"):
        await take(store, mention("q", thread=thread, platform="slack"))
    await take(store, mention("q", thread="d1", platform="discord"))
    expected = {"slack": ["t3", "t1", "t2"], "discord": ["d1"]}
    assert [thread.key for thread in await store.turns.recent_threads(heard)] == expected[heard]
