"""Which turn of a thread comes first, as both databases say it."""

from dataclasses import replace

import pytest

from core.domain import ConversationId, MessageId, MessageRef, RunId, ToolCall, Turn, TurnState
from core.store import Store
from servers.mentions import mention

PLATFORMS = ["slack"]
NOON = 1_800_000_000.0  # seconds


async def taken(store: Store, text: str, at: float, author: str = "") -> Turn:
    turn = await store.turns.take(mention(text, at=NOON + at, author=author or f"U{text}"))
    assert turn is not None
    return turn


async def began(store: Store, turn: Turn) -> Turn:
    await store.progress.link(turn, "openai", ConversationId("c"))
    as_begun = replace(turn, started_at=NOON + 11)  # as whoever begins it has it
    assert await store.progress.began(as_begun, RunId(f"r{turn.id}"))
    running = await store.turns.get(turn.id)
    assert running is not None
    return running


async def heads(store: Store) -> list[str]:
    """The head, however it is looked for."""
    (claimed,) = await store.leases.claim(PLATFORMS)
    (head,) = await store.turns.heads()
    following = await store.leases.next_or_release(head.thread_id)
    assert following is not None
    return [claimed.question, head.question, following.question]


async def test_what_was_asked_first_comes_first_though_it_was_found_last(store: Store) -> None:
    for text, at in (("now", 9), ("later", 10), ("missed", 5), ("missed, too", 5)):
        await taken(store, text, at)
    order = []
    for _ in range(4):
        first, *others = await heads(store)
        assert others == [first] * 2
        order.append(first)
        (head,) = await store.turns.heads()
        await store.progress.close(head, TurnState.DELIVERED, "answered")
    assert order == ["missed", "missed, too", "now", "later"]
    assert await store.leases.claim(PLATFORMS) == []


async def test_what_has_a_run_comes_first(store: Store) -> None:
    running = await began(store, await taken(store, "now", 9))
    await taken(store, "missed", 5)
    assert await heads(store) == ["now"] * 3
    assert await store.progress.requeue(running)
    assert await heads(store) == ["now"] * 3


async def test_what_waits_for_calls_of_its_run_comes_first(store: Store) -> None:
    running = await began(store, await taken(store, "now", 9))
    wanted = [ToolCall(id="call_1", name="status", arguments="{}")]
    assert await store.tool_calls.asked(running, wanted)
    await taken(store, "missed", 5)
    assert await heads(store) == ["now"] * 3


@pytest.mark.parametrize("state", [TurnState.ANSWERED, TurnState.FAILED])
async def test_what_has_a_reply_that_is_to_be_posted_comes_first(
    store: Store, state: TurnState
) -> None:
    turn = await taken(store, "now", 9)
    assert await store.progress.settle(turn, state, "small_talk", None, ["Hi", "again"])
    await store.progress.posted(turn, 0, MessageId("m"), last=False)
    await taken(store, "missed", 5)
    assert await heads(store) == ["now"] * 3


async def test_what_is_answered_together_with_another_one_is_no_head(store: Store) -> None:
    first = await taken(store, "now", 9, author="U1")
    await taken(store, "more", 10, author="U1")
    await store.progress.gather(first)
    await taken(store, "missed", 5)
    assert await heads(store) == ["missed"] * 3
    (missed,) = await store.turns.heads()
    await store.progress.close(missed, TurnState.DELIVERED, "answered")
    assert await heads(store) == ["now"] * 3
    await store.progress.close(first, TurnState.DELIVERED, "answered")
    assert await store.turns.heads() == []


async def test_what_another_one_asked_between_is_not_passed_over(store: Store) -> None:
    await taken(store, "of another one", 10, author="U2")
    first = await taken(store, "missed", 9, author="U1")
    later = await taken(store, "right after that", 11, author="U1")
    assert (await heads(store))[0] == "missed"
    alone = await store.progress.gather(first)
    assert alone is not None
    assert alone.turn.question == "missed"

    await store.progress.close(first, TurnState.DELIVERED, "answered")
    following = await store.leases.next_or_release(later.thread_id)
    assert following is not None
    assert following.question == "of another one"


async def test_what_one_person_asked_is_answered_together_in_the_order_of_asking(
    store: Store,
) -> None:
    await taken(store, "second", 10, author="U1")
    first = await taken(store, "first, found late", 9, author="U1")
    together = await store.progress.gather(first)
    assert together is not None
    assert together.turn.question == "first, found late\n\nsecond"


async def test_a_deleted_question_does_not_go_before_the_one_that_has_a_run(store: Store) -> None:
    await began(store, await taken(store, "now", 9))
    missed = await taken(store, "missed", 5)
    assert await store.turns.withdraw(mention_of(missed)) is not None
    assert (await heads(store))[0] == "now"


def mention_of(turn: Turn) -> MessageRef:
    return MessageRef(
        platform=turn.thread.platform,
        tenant=turn.thread.tenant,
        channel=turn.channel,
        message=turn.message,
    )
