"""Limits: what counts, what is said, and that every process says the same."""

from dataclasses import replace

import pytest

from core.domain import Answer, Turn, TurnState
from core.limits import Limits, Refusal, reply
from core.settings import Limit
from core.store import Store
from servers.mentions import mention

NOON = 1_800_000_000.0
TWO = Limit(count=2, seconds=600.0)


async def ask(store: Store, at: float, **where: str) -> Turn:
    """Somebody asks, in a thread of its own; seconds after noon."""
    asked = mention("How?", thread=f"t{at}{sorted(where.items())}", **where)
    turn = await store.turns.take(replace(asked, at=NOON + at))
    assert turn is not None
    return turn


async def settle(store: Store, turn: Turn, outcome: str) -> None:
    answer = Answer(text="So.") if outcome == "answered" else None
    assert await store.progress.settle(turn, TurnState.ANSWERED, outcome, answer, ["So."])


BY_PERSON = Limits(user=TWO, channel=None)


async def refused(store: Store, limits: Limits, turn: Turn, now: float) -> Refusal | None:
    """What is said of a question, as whoever is to answer it finds out."""
    here = limits.on(turn.thread.platform)
    found = await store.progress.gather(turn, person=here.user, channel=here.channel)
    assert found is not None
    return here.refusal(found.filled, now)


async def test_a_person_who_has_asked_enough_hears_when_to_ask_again(store: Store) -> None:
    limits = BY_PERSON
    first, second, third = [await ask(store, at) for at in (0, 100, 200)]

    assert await refused(store, limits, first, NOON) is None
    assert await refused(store, limits, second, NOON + 100) is None
    refusal = await refused(store, limits, third, NOON + 210)
    assert refusal == Refusal(limit=TWO, of="person", wait=390.0)
    assert await refused(store, limits, third, NOON + 5_000) == replace(refusal, wait=0.0)


async def test_the_window_ends_with_the_question_and_its_oldest_moment_is_outside(
    store: Store,
) -> None:
    limits = BY_PERSON
    for at in (0, 1):
        await ask(store, at)
    at_the_edge, just_inside = await ask(store, 600), await ask(store, 600.5)

    assert await refused(store, limits, at_the_edge, NOON + 600) is None
    assert await refused(store, limits, just_inside, NOON + 600.5) is not None


async def test_neither_other_people_nor_other_workspaces_nor_later_questions_count(
    store: Store,
) -> None:
    await ask(store, 0, author="U2")
    await ask(store, 1, tenant="T2")
    await ask(store, 2, platform="discord")
    await ask(store, 3)
    mine = await ask(store, 4)
    await ask(store, 4)
    assert await refused(store, BY_PERSON, mine, NOON + 4) is None


@pytest.mark.parametrize("outcome", ["limited", "small_talk"])
async def test_what_was_refused_or_was_small_talk_does_not_count(
    store: Store, outcome: str
) -> None:
    first = await ask(store, 0)
    await ask(store, 1)
    third = await ask(store, 2)
    assert await refused(store, BY_PERSON, third, NOON + 2) is not None

    await settle(store, first, outcome)
    assert await refused(store, BY_PERSON, third, NOON + 2) is None


async def test_what_was_answered_counts(store: Store) -> None:
    await settle(store, await ask(store, 0), "answered")
    await settle(store, await ask(store, 1), "answered")
    assert await refused(store, BY_PERSON, await ask(store, 2), NOON + 2) is not None


async def test_a_deleted_question_does_not_count(store: Store) -> None:
    asked = replace(mention("How?", thread="gone"), at=NOON)
    assert await store.turns.take(asked)
    await ask(store, 1)
    third = await ask(store, 2)
    await store.turns.withdraw(asked.ref)
    assert await refused(store, BY_PERSON, third, NOON + 2) is None


async def test_messages_that_are_answered_together_count_as_one_question(store: Store) -> None:
    turns = []
    for at in range(3):
        asked = mention(f"part {at}", thread="together")
        turn = await store.turns.take(replace(asked, at=NOON + at))
        assert turn is not None
        turns.append(turn)
    await store.progress.gather(turns[0])
    assert await refused(store, BY_PERSON, await ask(store, 4), NOON + 4) is None


async def test_a_question_that_was_let_through_is_so_whenever_it_is_judged_again(
    store: Store,
) -> None:
    limits = BY_PERSON
    asked = [await ask(store, at) for at in range(6)]
    first = [await refused(store, limits, turn, NOON + 5) is not None for turn in asked]
    assert first == [False, False, True, True, True, True]
    for turn in reversed(asked[1:]):
        assert (await refused(store, limits, turn, NOON + 5) is not None) == (turn in asked[2:])
        await settle(store, turn, "limited" if turn in asked[2:] else "answered")
    assert await refused(store, limits, asked[0], NOON + 5) is None


async def test_all_in_a_channel_share_its_limit(store: Store) -> None:
    limits = Limits(user=None, channel=TWO)
    await ask(store, 0, author="U1")
    await ask(store, 60, author="U2")
    elsewhere = await ask(store, 120, author="U3", channel="C2")
    here = await ask(store, 120, author="U3")

    assert await refused(store, limits, elsewhere, NOON + 120) is None
    assert await refused(store, limits, here, NOON + 120) == Refusal(
        limit=TWO, of="channel", wait=480.0
    )


async def test_a_flood_of_one_person_does_not_fill_the_channel_for_the_others(
    store: Store,
) -> None:
    limits = Limits(user=Limit(count=2, seconds=600.0), channel=Limit(count=4, seconds=1_200.0))
    for at in range(30):
        await ask(store, at, author="UFLOOD")
    one, other = await ask(store, 40, author="U1"), await ask(store, 41, author="U2")
    # Two windows of the person fit into the channel's: of a flood, four may get through in it.
    assert await refused(store, limits, one, NOON + 40) is not None
    roomy = replace(limits, channel=Limit(count=6, seconds=1_200.0))
    assert await refused(store, roomy, one, NOON + 40) is None
    assert await refused(store, roomy, other, NOON + 41) is None


async def test_of_two_limits_the_one_that_lasts_longer_is_named(store: Store) -> None:
    limits = Limits(user=Limit(count=1, seconds=60.0), channel=Limit(count=1, seconds=600.0))
    await ask(store, 0)
    refusal = await refused(store, limits, await ask(store, 1), NOON + 1)
    assert refusal is not None
    assert (refusal.of, refusal.wait) == ("channel", 599.0)


async def test_without_limits_and_at_a_terminal_nobody_is_refused(store: Store) -> None:
    for at in range(3):
        await ask(store, at, platform="terminal")
        await ask(store, at)
    everywhere = Limits(user=None, channel=None)
    assert await refused(store, everywhere, await ask(store, 4), NOON + 4) is None
    here = Limits(user=TWO, channel=TWO)
    assert await refused(store, here, await ask(store, 4, platform="terminal"), NOON + 4) is None


@pytest.mark.parametrize(
    ("limit", "wait", "said"),
    [
        (
            Limit(count=20, seconds=600.0),
            200.0,
            "You have asked 20 questions in the last 10 minutes, which is the limit here. "
            "Please ask again in about 4 minutes.",
        ),
        (
            Limit(count=1, seconds=60.0),
            0.5,
            "You have asked 1 question in the last minute, which is the limit here. "
            "Please ask again in about 10 seconds.",
        ),
        (
            Limit(count=2, seconds=3_600.0),
            51.0,
            "You have asked 2 questions in the last hour, which is the limit here. "
            "Please ask again in about 1 minute.",
        ),
        (
            Limit(count=2, seconds=172_800.0),
            3_541.0,
            "You have asked 2 questions in the last 2 days, which is the limit here. "
            "Please ask again in about 1 hour.",
        ),
        (
            Limit(count=2, seconds=90.0),
            0.0,
            "You have asked 2 questions in the last 90 seconds, which is the limit here. "
            "Please ask again now.",
        ),
        (
            Limit(count=2, seconds=86_400.0),
            80_000.0,
            "You have asked 2 questions in the last day, which is the limit here. "
            "Please ask again in about 23 hours.",
        ),
        (
            Limit(count=2, seconds=604_800.0),
            86_300.0,
            "You have asked 2 questions in the last 7 days, which is the limit here. "
            "Please ask again in about 1 day.",
        ),
    ],
)
def test_the_reply_names_the_limit_and_a_time_that_is_not_too_early(
    limit: Limit, wait: float, said: str
) -> None:
    assert reply(Refusal(limit=limit, of="person", wait=wait)).text == said


def test_in_a_channel_nobody_is_told_to_have_asked_it_all() -> None:
    many, one = Limit(count=100, seconds=600.0), Limit(count=1, seconds=600.0)
    assert reply(Refusal(limit=many, of="channel", wait=61.0)).text == (
        "100 questions were asked in this channel in the last 10 minutes, which is its limit. "
        "Please ask again in about 2 minutes."
    )
    said = reply(Refusal(limit=one, of="channel", wait=61.0)).text
    assert said.startswith("1 question was asked in this channel")
