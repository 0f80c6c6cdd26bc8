"""Questions that are edited, deleted, or answered together, as the store has them."""

import pytest

from core.domain import Answer, Mention, MessageRef, RunId, Turn, TurnState
from core.store import Store
from core.store.progress import TOGETHER, TOGETHER_LENGTH, Unposted
from servers.mentions import mention


async def taken(store: Store, asked: Mention) -> Turn:
    turn = await store.turns.take(asked)
    assert turn is not None
    return turn


async def read(store: Store, turn: Turn) -> Turn:
    again = await store.turns.get(turn.id)
    assert again is not None
    return again


async def running(store: Store, asked: Mention, run: str = "resp_1") -> Turn:
    """A question whose run is at work."""
    turn = await taken(store, asked)
    await store.progress.link(turn, "openai", None)
    assert await store.progress.began(turn, RunId(run))
    return await read(store, turn)


async def abandoned(store: Store) -> list[str]:
    return [run for run, _ in await store.progress.abandoned("openai")]


async def states(store: Store, *turns: Turn) -> list[TurnState]:
    return [(await read(store, turn)).state for turn in turns]


# --- edits ----------------------------------------------------------------------------------------


async def test_while_a_question_waits_its_new_text_counts(store: Store) -> None:
    turn = await taken(store, mention("old", message="1"))
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
    turn = await taken(store, mention("same", message="1"))
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
    turn = await taken(store, mention("old", message="1"))
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
    turn = await taken(store, asked)
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
    await taken(store, asked)
    assert await store.turns.withdraw(asked.ref) is not None
    assert await store.turns.withdraw(asked.ref) is None
    assert await store.turns.withdraw(mention("never asked").ref) is None
    elsewhere = MessageRef(
        platform=asked.ref.platform, tenant="other", channel="C1", message=asked.message
    )
    assert await store.turns.withdraw(elsewhere) is None


async def test_a_deleted_question_is_not_taken_again(store: Store) -> None:
    asked = mention("q")
    turn = await taken(store, asked)
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
    first = await taken(store, mention("a", author="U1", unread=("a.txt",)))
    second = await taken(store, mention("b", author="U1", unread=("b.txt",)))
    other = await taken(store, mention("c", author="U2"))
    later = await taken(store, mention("d", author="U1"))

    gathered = await store.progress.gather(first)
    assert (gathered.question, gathered.unread) == ("a\n\nb", ("a.txt", "b.txt"))
    assert await store.progress.gather(first) == gathered  # a second try finds the same

    await store.progress.settle(gathered, TurnState.ANSWERED, "answered", Answer(text="x"), ["x"])
    await store.progress.posted(gathered, 0, first.message, last=True)
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


async def test_a_question_alone_is_gathered_without_a_write(store: Store) -> None:
    turn = await taken(store, mention("a"))
    assert await store.progress.gather(turn) == turn


async def test_no_more_are_joined_than_a_run_takes(store: Store) -> None:
    turns = [await taken(store, mention(str(number))) for number in range(TOGETHER + 2)]
    gathered = await store.progress.gather(turns[0])
    assert gathered.question.split("\n\n") == [str(number) for number in range(TOGETHER)]

    long = [await taken(store, mention("x" * TOGETHER_LENGTH, thread="t2")) for _ in range(2)]
    assert (await store.progress.gather(long[0])).question == "x" * TOGETHER_LENGTH


async def test_an_edit_of_a_joined_message_begins_their_run_anew(store: Store) -> None:
    first = await taken(store, mention("a"))
    second = mention("b")
    await taken(store, second)
    gathered = await store.progress.gather(first)
    await store.progress.link(gathered, "openai", None)
    gathered = await store.progress.gather(await read(store, first))
    assert await store.progress.began(gathered, RunId("resp_1"))

    anew = await store.turns.edit(mention("B", message=second.message))
    assert anew is not None
    assert (anew.id, anew.state) == (first.id, TurnState.QUEUED)
    assert (await store.progress.gather(anew)).question == "a\n\nB"
    assert await abandoned(store) == ["resp_1"]


async def test_a_deletion_of_a_joined_message_leaves_the_others(store: Store) -> None:
    first = await taken(store, mention("a"))
    second = mention("b")
    follower = await taken(store, second)
    await store.progress.gather(first)

    anew = await store.turns.withdraw(second.ref)
    assert anew is not None
    assert anew.id == first.id
    assert (await store.progress.gather(anew)).question == "a"
    assert await states(store, follower) == [TurnState.CANCELLED]


async def test_when_the_leading_message_is_deleted_the_others_are_asked_anew(
    store: Store,
) -> None:
    leading = mention("a")
    first = await taken(store, leading)
    second = await taken(store, mention("b"))
    await store.progress.gather(first)
    gone = await store.turns.withdraw(leading.ref)
    assert gone is not None
    await store.progress.close(gone, TurnState.CANCELLED, "deleted")
    (head,) = await store.turns.heads()
    assert (head.id, head.question) == (second.id, "b")


@pytest.mark.parametrize("heard", ["discord", "slack"])
async def test_recent_threads_are_those_of_the_platform_the_latest_first(
    store: Store, heard: str
) -> None:
    for thread in ("t1", "t2", "t1", "t3"):
        await taken(store, mention("q", thread=thread, platform="slack"))
    await taken(store, mention("q", thread="d1", platform="discord"))
    expected = {"slack": ["t3", "t1", "t2"], "discord": ["d1"]}
    assert [thread.key for thread in await store.turns.recent_threads(heard)] == expected[heard]
