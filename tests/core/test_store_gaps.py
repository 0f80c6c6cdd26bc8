"""What the store says of questions that went unanswered, and of the use of pages."""

import time

import pytest

from core.documents import Page
from core.domain import Citation, MessageId, Turn, TurnState
from core.store import Store
from core.unanswered import Gap, GapKind
from servers.gaps import asked, settled
from servers.mentions import mention
from servers.steps import gathered

LONG_AGO, FOR_EVER = 0.0, 1e12
MANY = 1_000


async def found(store: Store, since: float = LONG_AGO, until: float = FOR_EVER) -> list[Gap]:
    gaps, total = await store.gaps.within(since, until, MANY)
    assert total == len(gaps)
    return gaps


async def kinds(store: Store) -> dict[str, tuple[GapKind, ...]]:
    return {gap.question: gap.kinds for gap in await found(store)}


async def answered(
    store: Store, text: str = "Answered?", *cited: str, thread: str | None = None
) -> Turn:
    turn = await store.turns.take(mention(text, thread=thread or text))
    assert turn is not None
    citations = tuple(Citation(url=url, title=f"Page {url[-1]}") for url in cited)
    return await settled(store, turn, "answered", citations)


async def test_a_fallback_is_a_gap_and_says_whether_the_documentation_or_the_engine_failed(
    store: Store,
) -> None:
    await asked(store, "Unknown?", "not_answered", thread="a")
    reasons = ("overdue", "busy", "too_long", "server_error", "internal")
    for outcome in reasons:
        await asked(store, outcome, outcome, thread=outcome)
    await answered(store)
    expected = dict.fromkeys(reasons, (GapKind.FAILED,))
    assert await kinds(store) == {"Unknown?": (GapKind.NOT_ANSWERED,), **expected}


@pytest.mark.parametrize("outcome", ["limited", "too_old", "small_talk", "stopped"])
async def test_what_was_not_to_be_answered_is_no_gap_and_no_question(
    store: Store, outcome: str
) -> None:
    await asked(store, "Hello", outcome)
    assert await found(store) == []
    assert (await store.gaps.usage(LONG_AGO, FOR_EVER)).questions == 0


async def test_who_confirms_a_call_asks_no_question(store: Store) -> None:
    asked_for = await asked(store, "Cancel my order", "answered")
    await asked(store, "Yes, please: cancel_order.", "server_error", confirms=asked_for.id)
    await asked(store, "Yes, please: cancel_order.", "not_answered", confirms=asked_for.id)
    assert await found(store) == []
    assert (await store.gaps.usage(LONG_AGO, FOR_EVER)).questions == 1


async def test_a_question_that_waits_or_was_deleted_is_no_gap(store: Store) -> None:
    await store.turns.take(mention("Waiting?", thread="a"))
    deleted = await store.turns.take(mention("Deleted?", thread="b"))
    assert deleted is not None
    await store.progress.close(deleted, TurnState.CANCELLED, "thread_gone")
    assert await found(store) == []


async def test_an_answer_that_did_not_help_is_a_gap_until_the_mind_is_changed(
    store: Store,
) -> None:
    turn = await answered(store, "Helped?")
    await store.feedback.judge(turn.id, "U2", "unhelpful", 10.0)
    await store.feedback.explain(turn.id, "U2", "It is about version 1.", 11.0)
    await store.feedback.judge(turn.id, "U3", "helpful", 12.0)
    (gap,) = await found(store)
    assert (gap.kinds, gap.reasons) == ((GapKind.UNHELPFUL,), ("It is about version 1.",))
    assert (gap.at, gap.outcome) == (11.0, "answered")
    await store.feedback.judge(turn.id, "U2", "helpful", 13.0)
    assert await found(store) == []


async def test_a_question_that_was_handed_to_people_is_a_gap(store: Store) -> None:
    turn = await answered(store, "Handed over?")
    await store.calls.add(turn, "U2", 10.0)
    assert await kinds(store) == {"Handed over?": (GapKind.HUMAN,)}


async def test_each_question_of_a_thread_that_is_handed_over_is_a_gap(store: Store) -> None:
    first = await answered(store, "First?", thread="a")
    second = await answered(store, "Second?", thread="a")
    assert await store.calls.add(first, "U2", 10.0)
    assert not await store.calls.add(second, "U2", 11.0)
    assert not await store.calls.add(first, "U3", 12.0)
    assert await kinds(store) == {"First?": (GapKind.HUMAN,), "Second?": (GapKind.HUMAN,)}
    assert sorted(gap.at for gap in await found(store)) == [10.0, 11.0]


async def test_a_question_that_went_unanswered_in_several_ways_is_one_gap(store: Store) -> None:
    turn = await asked(store, "Thrice?")
    await store.feedback.judge(turn.id, "U2", "unhelpful", 10.0)
    await store.feedback.judge(turn.id, "U3", "unhelpful", 20.0)
    await store.calls.add(turn, "U2", 30.0)
    (gap,) = await found(store)
    assert gap.kinds == (GapKind.NOT_ANSWERED, GapKind.UNHELPFUL, GapKind.HUMAN)
    assert gap.at == pytest.approx(time.time(), abs=600)


async def test_what_counts_is_when_it_went_unanswered_and_times_that_meet_tell_it_once(
    store: Store,
) -> None:
    turn = await answered(store)
    await store.feedback.judge(turn.id, "U2", "unhelpful", 100.0)
    counts = [len(await found(store, *time)) for time in ((0, 100), (100, 200), (200, 300))]
    assert counts == [0, 1, 0]


async def test_the_latest_come_first_and_the_others_are_only_counted(store: Store) -> None:
    for number in range(3):
        turn = await answered(store, f"Question {number}?")
        await store.feedback.judge(turn.id, "U2", "unhelpful", float(number))
    gaps, total = await store.gaps.within(LONG_AGO, FOR_EVER, 2)
    assert [gap.question for gap in gaps] == ["Question 2?", "Question 1?"]
    assert total == 3


async def test_messages_that_were_answered_together_are_one_question(store: Store) -> None:
    first = await store.turns.take(mention("How do I export?", message="m1"))
    await store.turns.take(mention("As CSV, I mean.", message="m2"))
    assert first is not None
    await settled(store, await gathered(store, first), "not_answered")
    (gap,) = await found(store)
    assert gap.question == "How do I export?\n\nAs CSV, I mean."
    assert gap.message.message == MessageId("m1")


async def test_a_gap_knows_what_was_asked_before_it_in_its_thread(store: Store) -> None:
    await asked(store, "How do I install it?", "answered", thread="a")
    await asked(store, "Something else?", "answered", thread="b")
    await asked(store, "And on Windows?", thread="a")
    (gap,) = await found(store)
    assert gap.before == "How do I install it?"


async def test_what_was_forgotten_is_counted_without_its_text(store: Store) -> None:
    await asked(store, "A secret?", author="U7")
    await store.people.forget("slack", "U7")
    (gap,) = await found(store)
    assert (gap.question, gap.author, gap.forgotten) == ("", "", True)


async def test_a_mention_alone_has_no_text_and_is_not_forgotten(store: Store) -> None:
    await asked(store, "")
    (gap,) = await found(store)
    assert (gap.question, gap.forgotten) == ("", False)


@pytest.mark.parametrize("outcome", ["not_answered", "overdue"])
async def test_a_fallback_that_was_not_delivered_is_a_gap_and_no_question_with_a_reply(
    store: Store, outcome: str
) -> None:
    turn = await store.turns.take(mention("Unheard?"))
    assert turn is not None
    assert await store.progress.settle(turn, TurnState.FAILED, outcome, None, ["rendered"])
    await store.progress.close(turn, TurnState.CANCELLED, outcome)
    (gap,) = await found(store)
    assert gap.question == "Unheard?"
    assert (await store.gaps.usage(LONG_AGO, FOR_EVER)).questions == 0


# --- pages ----------------------------------------------------------------------------------------


def page(url: str) -> Page:
    return Page(source="docs", url=url, title=f"Page {url[-1]}", markdown="Text", stamp=None)


async def test_pages_are_counted_once_for_each_answer_whichever_section_it_cites(
    store: Store,
) -> None:
    for url in "abc":
        await store.documents.put_pages([page(f"https://d.example/{url}")])
    await answered(store, "1?", "https://d.example/a#one", "https://d.example/a#two")
    await answered(store, "2?", "https://d.example/a", "https://d.example/b")
    await answered(store, "3?", "https://d.example/gone")
    await answered(store, "4?")
    usage = await store.gaps.usage(LONG_AGO, FOR_EVER)
    assert usage.questions == 4
    assert [(use.url[-4:], use.times) for use in usage.cited] == [
        ("le/a", 2),
        ("le/b", 1),
        ("gone", 1),
    ]
    assert [(use.title, use.times) for use in usage.uncited] == [("Page c", 0)]
    assert usage.pages == 3


async def test_answers_of_another_time_do_not_count(store: Store) -> None:
    await store.documents.put_pages([page("https://d.example/a")])
    await answered(store, "1?", "https://d.example/a")
    usage = await store.gaps.usage(LONG_AGO, 100.0)
    assert (usage.questions, usage.cited, len(usage.uncited)) == (0, (), 1)


async def test_an_answer_whose_text_was_deleted_cites_nothing(store: Store) -> None:
    await answered(store, "1?", "https://d.example/a")
    await store.people.forget_texts(FOR_EVER)
    usage = await store.gaps.usage(LONG_AGO, FOR_EVER)
    assert (usage.questions, usage.cited) == (1, ())
