"""When Docent speaks: who is answered, what is a follow-up, and when it is quiet."""

from dataclasses import replace

import pytest

from core.domain import Remark, ThreadRef, TurnState
from core.manners import Manners, Refusal, stops
from core.settings import Admission
from core.store import Store
from servers.attached_files import attached
from servers.loop_rig import manners
from servers.mentions import mention, remark

DAY = 86_400.0
THREAD = ThreadRef(platform="slack", tenant="T1", key="t1")


async def called(store: Store, **fields: object) -> Manners:
    """The manners of a process that was called in the thread at 100, by U1."""
    polite = manners(store)
    asked = {"message": "root", "at": 100.0, **fields}
    assert await polite.take(mention(**asked), claim=True)  # type: ignore[arg-type]
    return polite


# --- follow-ups -----------------------------------------------------------------------------------


async def test_who_asked_goes_on_without_a_mention(store: Store) -> None:
    polite = await called(store)
    turn = await polite.overhear(remark("And on Windows?", at=110.0), claim=True)
    assert turn is not None
    assert (turn.question, turn.author, turn.thread) == ("And on Windows?", "U1", THREAD)


async def test_a_follow_up_that_comes_twice_is_taken_once(store: Store) -> None:
    polite = await called(store)
    again = remark(at=110.0)
    assert await polite.overhear(again, claim=True)
    assert await polite.overhear(again, claim=True) is None


async def test_a_follow_up_that_was_deleted_before_it_came_is_not_taken(store: Store) -> None:
    polite = await called(store)
    said = remark(at=110.0)
    await store.turns.withdraw(said.mention.ref)
    assert await polite.overhear(said, claim=True) is None


async def test_in_threads_of_others_nothing_is_taken_and_nothing_written(store: Store) -> None:
    polite = await called(store)
    assert await polite.overhear(remark(thread="t2", at=110.0), claim=True) is None
    assert await store.standings.of(replace(THREAD, key="t2"), "U1") is None


async def test_with_the_policy_mention_nothing_is_a_follow_up(store: Store) -> None:
    await called(store)
    strict = manners(store, follow_ups="mention")
    assert await strict.overhear(remark(at=110.0), claim=True) is None
    assert await manners(store).overhear(remark(at=111.0), claim=True)


async def test_who_asked_nothing_takes_the_thread_over_until_the_next_call(store: Store) -> None:
    polite = await called(store)
    assert await polite.overhear(remark(author="U2", at=110.0), claim=True) is None
    assert await polite.overhear(remark(at=120.0), claim=True) is None
    assert await polite.take(mention(author="U2", at=130.0), claim=True)
    assert await polite.overhear(remark(at=140.0), claim=True)
    assert await polite.overhear(remark(author="U2", at=150.0), claim=True)


async def test_a_word_to_somebody_else_makes_the_thread_the_peoples(store: Store) -> None:
    polite = await called(store)
    assert await polite.overhear(remark(to_others=True, at=110.0), claim=True) is None
    assert await polite.overhear(remark(at=120.0), claim=True) is None
    assert await polite.take(mention(at=130.0), claim=True)
    assert await polite.overhear(remark(at=140.0), claim=True)


async def test_that_people_took_over_is_known_to_other_processes(
    store: Store, migrated_url: str
) -> None:
    polite = await called(store)
    await polite.overhear(remark(author="U2", at=110.0), claim=True)
    async with await Store.open(migrated_url) as other:
        assert await manners(other).overhear(remark(at=120.0), claim=True) is None


async def test_what_was_said_before_the_last_call_and_comes_again_changes_nothing(
    store: Store,
) -> None:
    polite = await called(store)
    before = remark(author="U2", at=90.0)
    assert await polite.overhear(before, claim=True) is None
    assert await polite.overhear(remark(at=120.0), claim=True)
    between, call = remark(author="U2", at=130.0), mention(at=140.0)
    await polite.overhear(between, claim=True)
    await polite.take(call, claim=True)
    # After an outage both are found in the history once more.
    await polite.overhear(between, claim=True)
    assert await polite.take(call, claim=True) is None
    assert await polite.overhear(remark(at=150.0), claim=True)


async def test_what_was_left_to_people_is_not_taken_when_it_comes_again_after_a_call(
    store: Store,
) -> None:
    polite = await called(store)
    await polite.overhear(remark(author="U2", at=110.0), claim=True)
    between = remark("See you at lunch, Ben.", at=120.0)
    assert await polite.overhear(between, claim=True) is None
    await polite.take(mention(at=130.0), claim=True)
    assert await polite.overhear(between, claim=True) is None  # found in the history
    assert await polite.overhear(remark(at=140.0), claim=True)


async def test_a_follow_up_that_is_found_after_a_later_call_is_taken(store: Store) -> None:
    polite = await called(store)
    await polite.take(mention(at=130.0), claim=True)
    assert await polite.overhear(remark(at=120.0), claim=True)


async def test_what_is_found_of_somebody_who_asked_only_later_is_left_to_people(
    store: Store,
) -> None:
    polite = await called(store)
    await polite.take(mention(author="U2", at=130.0), claim=True)
    assert await polite.overhear(remark("I know this.", author="U2", at=110.0), claim=True) is None
    assert await polite.overhear(remark(at=120.0), claim=True) is None
    assert await polite.overhear(remark(author="U2", at=140.0), claim=True)


async def test_a_call_that_comes_after_what_followed_it_does_not_give_the_thread_back(
    store: Store,
) -> None:
    polite = await called(store)
    await polite.overhear(remark(author="U2", at=120.0), claim=True)
    await polite.take(mention(at=110.0), claim=True)
    assert await polite.overhear(remark(at=130.0), claim=True) is None


async def test_an_earlier_call_that_comes_late_does_not_undo_a_later_one(store: Store) -> None:
    polite = await called(store)
    await polite.take(mention(at=130.0), claim=True)
    await polite.overhear(remark(author="U2", at=120.0), claim=True)
    await polite.take(mention(at=110.0), claim=True)
    assert await polite.overhear(remark(at=140.0), claim=True)


async def test_an_idle_thread_is_left_alone(store: Store) -> None:
    polite = await called(store)
    too_late = remark(at=100.0 + DAY + 1)
    assert await polite.overhear(too_late, claim=True) is None
    assert await manners(store, idle_after=None).overhear(too_late, claim=True)


async def test_each_turn_keeps_the_thread_awake(store: Store) -> None:
    polite = await called(store)
    assert await polite.overhear(remark(at=100.0 + DAY - 1), claim=True)
    assert await polite.overhear(remark(at=100.0 + DAY + 1), claim=True)


@pytest.mark.parametrize("text", ["", "👍", "!!", "…"])
async def test_what_holds_no_word_is_no_follow_up(store: Store, text: str) -> None:
    polite = await called(store)
    assert await polite.overhear(remark(text, at=110.0), claim=True) is None
    with_file = remark(text, at=110.0, unread=("trace.log",))
    assert await polite.overhear(with_file, claim=True)
    with_file = remark(text, at=111.0, files=(attached("trace.log"),))
    assert await polite.overhear(with_file, claim=True)


def test_a_stop_with_a_file_is_a_question_about_the_file() -> None:
    assert stops(mention("stop"))
    assert not stops(mention("stop", files=(attached("trace.log"),)))
    assert not stops(mention("stop", unread=("trace.log",)))


async def test_a_bot_that_writes_in_a_thread_neither_asks_nor_takes_it_over(store: Store) -> None:
    polite = await called(store)
    chatter = remark(author="B1", bot=("B1",), at=110.0)
    assert await polite.overhear(chatter, claim=True) is None
    assert await polite.overhear(remark(at=120.0), claim=True)


async def test_somebody_who_is_not_answered_takes_a_thread_over_like_anybody(store: Store) -> None:
    polite = await called(store)
    assert await polite.overhear(remark(author="U2", external=True, at=110.0), claim=True) is None
    assert await polite.overhear(remark(at=120.0), claim=True) is None


async def test_who_asked_and_is_no_longer_answered_is_not_followed(store: Store) -> None:
    polite = await called(store)
    assert await polite.overhear(remark(external=True, at=110.0), claim=True) is None
    closed = manners(store, admission=LISTS)
    assert await closed.overhear(remark(channel="C2", at=120.0), claim=True) is None


# --- edits of follow-ups --------------------------------------------------------------------------


async def test_an_edit_of_a_follow_up_counts(store: Store) -> None:
    polite = await called(store)
    await polite.overhear(remark("And Windos?", message="m2", at=110.0), claim=True)
    edited = remark("And Windows?", message="m2", at=115.0, edited=True)
    turn = await polite.overhear(edited, claim=True)
    assert turn is not None
    assert (turn.question, turn.revision) == ("And Windows?", 1)


async def test_an_edit_of_what_was_not_taken_is_not_taken(store: Store) -> None:
    polite = await called(store)
    await polite.overhear(remark("Bob?", message="m2", to_others=True, at=110.0), claim=True)
    edited = remark("And Windows?", message="m2", at=115.0, edited=True)
    assert await polite.overhear(edited, claim=True) is None
    assert await store.turns.heads() == [await store.turns.get((await store.turns.heads())[0].id)]


# --- stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["stop", "Be quiet!", "shut up", "pst", "Sei still.", "やめて"])
async def test_a_stop_silences_the_thread_and_ends_what_waits_in_it(
    store: Store, word: str
) -> None:
    polite = await called(store)
    await polite.overhear(remark(at=110.0), claim=True)
    stop = await polite.take(mention(word, at=120.0), claim=True)
    assert stop is not None
    states = [turn.state for number in (1, 2) if (turn := await store.turns.get(number))]  # type: ignore[arg-type]
    assert states == [TurnState.WITHDRAWN, TurnState.WITHDRAWN]
    assert stop.state is TurnState.QUEUED  # it is answered with a short word
    assert await polite.overhear(remark(at=130.0), claim=True) is None


async def test_a_run_is_cancelled_by_a_stop(store: Store) -> None:
    polite = await called(store)
    (head,) = await store.turns.heads()
    await store.progress.link(head, "openai", "conv_1")  # type: ignore[arg-type]
    assert await store.progress.began(head, "resp_1")  # type: ignore[arg-type]
    await polite.take(mention("stop", at=120.0), claim=True)
    assert [run for run, _ in await store.progress.abandoned("openai")] == ["resp_1"]


async def test_messages_that_were_answered_together_are_stopped_together(store: Store) -> None:
    polite = await called(store)
    await polite.overhear(remark(at=110.0), claim=True)
    (head,) = await store.turns.heads()
    await store.progress.gather(head)
    await polite.take(mention("stop", at=120.0), claim=True)
    states = [turn.state for number in (1, 2) if (turn := await store.turns.get(number))]  # type: ignore[arg-type]
    assert states == [TurnState.WITHDRAWN, TurnState.CANCELLED]


async def test_a_stop_that_comes_again_leaves_alone_what_was_asked_since(store: Store) -> None:
    polite = await called(store)
    stop = mention("stop", at=120.0)
    await polite.take(stop, claim=True)
    later = await polite.take(mention("How do I stop it?", at=130.0), claim=True)
    assert await polite.take(stop, claim=True) is None
    assert later is not None
    again = await store.turns.get(later.id)
    assert again is not None
    assert again.state is TurnState.QUEUED
    assert await polite.overhear(remark(at=140.0), claim=True)


async def test_who_asked_may_stop_it_without_a_mention(store: Store) -> None:
    polite = await called(store)
    assert await polite.overhear(remark("stop", at=110.0), claim=True)
    assert await polite.overhear(remark(at=120.0), claim=True) is None


async def test_an_edit_that_makes_a_message_a_stop_silences_the_thread(store: Store) -> None:
    polite = await called(store)
    turn = await polite.edit(mention("stop", at=110.0), claim=True)
    assert turn is not None
    assert turn.question == "stop"
    assert await polite.overhear(remark(at=120.0), claim=True) is None


@pytest.mark.parametrize("follows", [True, False])
async def test_a_question_that_becomes_a_stop_ends_what_waits_before_it(
    store: Store, follows: bool
) -> None:
    polite = await called(store)
    said = mention("And on Windows?", at=110.0)
    await polite.take(said, claim=True)
    (head,) = await store.turns.heads()
    await store.progress.gather(head)  # the two are to be answered together
    later = await polite.take(mention("And on a Mac?", author="U2", at=115.0), claim=True)
    now = replace(said, text="stop", at=120.0)
    edited = Remark(mention=now, edited=True) if follows else None
    turn = await (polite.overhear(edited, claim=True) if edited else polite.edit(now, claim=True))
    assert turn is not None
    assert (turn.question, turn.state) == ("stop", TurnState.QUEUED)
    withdrawn = await store.turns.get(head.id)
    assert withdrawn is not None
    assert withdrawn.state is TurnState.WITHDRAWN
    assert later is not None
    waiting = await store.turns.get(later.id)
    assert waiting is not None
    assert waiting.state is TurnState.QUEUED
    assert await polite.overhear(remark(at=130.0), claim=True) is None


async def test_a_mention_wakes_it(store: Store) -> None:
    polite = await called(store)
    await polite.take(mention("stop", at=110.0), claim=True)
    assert await polite.take(mention("Back again?", at=120.0), claim=True)
    assert await polite.overhear(remark(at=130.0), claim=True)


async def test_a_thread_can_be_silenced_without_a_word(store: Store) -> None:
    polite = await called(store)
    ended = await polite.silence(THREAD, "human", at=110.0)
    assert ended is not None
    assert ended.state is TurnState.WITHDRAWN
    assert await polite.silence(THREAD, "human", at=110.0) is None
    assert await polite.overhear(remark(at=120.0), claim=True) is None
    assert await polite.silence(replace(THREAD, key="nobody's"), "human") is None


async def test_what_waits_may_be_left_to_go_on(store: Store) -> None:
    polite = await called(store)
    assert await polite.silence(THREAD, "human", at=110.0, end=False) is None
    (head,) = await store.turns.heads()
    assert head.state is TurnState.QUEUED
    assert await polite.overhear(remark(at=120.0), claim=True) is None


# --- hints ----------------------------------------------------------------------------------------


async def test_of_text_that_is_kept_back_a_thread_is_told_once(store: Store) -> None:
    polite = await called(store)
    assert await polite.wants_hint(remark("", hidden=True, at=110.0))
    assert not await polite.wants_hint(remark("", hidden=True, at=120.0))
    assert not await polite.wants_hint(remark("", hidden=True, thread="t2", at=130.0))


async def test_people_who_talk_with_each_other_get_no_hint(store: Store) -> None:
    polite = await called(store)
    assert not await polite.wants_hint(remark("", hidden=True, author="U2", at=110.0))
    assert not await polite.wants_hint(remark("", hidden=True, at=120.0))


# --- bots -----------------------------------------------------------------------------------------


async def test_two_bots_cannot_go_on_for_ever(store: Store) -> None:
    polite = manners(store)
    taken = [
        await polite.take(mention(author="B1", bot=("B1",), at=100.0 + n), claim=True)
        for n in range(5)
    ]
    assert [turn is not None for turn in taken] == [True, True, True, False, False]
    assert await polite.take(mention(at=110.0), claim=True)  # a person between them
    assert await polite.take(mention(author="B1", bot=("B1",), at=111.0), claim=True)


async def test_a_follow_up_of_a_person_comes_between_bots_too(store: Store) -> None:
    polite = await called(store)
    for n in range(3):
        assert await polite.take(mention(author="B1", bot=("B1",), at=110.0 + n), claim=True)
    assert await polite.overhear(remark(at=120.0), claim=True)
    assert await polite.take(mention(author="B1", bot=("B1",), at=130.0), claim=True)


async def test_a_bot_wakes_nobody(store: Store) -> None:
    polite = await called(store)
    await polite.take(mention("stop", at=110.0), claim=True)
    await polite.take(mention(author="B1", bot=("B1",), at=120.0), claim=True)
    assert await polite.overhear(remark(at=130.0), claim=True) is None


# --- who is answered ------------------------------------------------------------------------------

LISTS = Admission(
    channels=frozenset({"slack:C1", "discord:77"}),
    guilds=frozenset({"discord:5"}),
    roles=frozenset({"discord:9"}),
    bots=frozenset({"slack:B1", "discord:42"}),
)
MEMBER = {"platform": "discord", "tenant": "5", "roles": ("8", "9")}


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, None),
        ({"channel": "C2"}, Refusal.CHANNEL),
        ({"channel": "D1", "direct": True}, None),
        ({"external": True}, Refusal.EXTERNAL),
        ({"channel": "D1", "direct": True, "external": True}, Refusal.EXTERNAL),
        ({"bot": ("U7", "B1")}, None),
        ({"bot": ("U7", "B2")}, Refusal.BOT),
        ({**MEMBER, "channel": "77"}, None),
        ({**MEMBER, "channel": "1234", "parent": "77"}, None),
        ({**MEMBER, "channel": "1234", "parent": "78"}, Refusal.CHANNEL),
        ({**MEMBER, "channel": "77", "tenant": "6"}, Refusal.GUILD),
        ({**MEMBER, "channel": "77", "roles": ("8",)}, Refusal.ROLE),
        ({**MEMBER, "channel": "77", "roles": (), "bot": ("42",)}, None),
        ({"platform": "discord", "tenant": "", "channel": "1", "direct": True}, Refusal.DIRECT),
        ({"platform": "terminal", "channel": "x", "external": True}, None),
    ],
)
async def test_who_is_answered_where(
    sqlite_store: Store, fields: dict[str, object], refusal: Refusal | None
) -> None:
    polite = manners(sqlite_store, admission=LISTS)
    assert polite.refusal(mention(**fields)) == refusal  # type: ignore[arg-type]


async def test_without_lists_all_are_answered_but_bots_and_outsiders(sqlite_store: Store) -> None:
    polite = manners(sqlite_store)
    assert polite.refusal(mention()) is None
    assert polite.refusal(mention(direct=True)) is None
    assert polite.refusal(mention(bot=("B1",))) is Refusal.BOT
    assert polite.refusal(mention(external=True)) is Refusal.EXTERNAL
    open_house = manners(sqlite_store, admission=Admission(external=True, direct_messages=False))
    assert open_house.refusal(mention(external=True)) is None
    assert open_house.refusal(mention(direct=True)) is Refusal.DIRECT


async def test_somebody_who_is_turned_away_hears_it_once_in_a_while(store: Store) -> None:
    polite = manners(store, admission=LISTS)
    said = await polite.turned_away(mention(channel="C2"))
    assert said == "I do not answer in this channel."
    assert await polite.turned_away(mention(channel="C2")) == ""
    assert await polite.turned_away(mention(channel="C3")) == said  # about another channel
    assert await polite.turned_away(mention(channel="C2", author="U2")) == said
    assert await polite.turned_away(mention(channel="C2"), again=True) == said
    assert await polite.turned_away(mention()) is None


async def test_bots_and_other_servers_hear_nothing(store: Store) -> None:
    polite = manners(store, admission=LISTS)
    assert await polite.turned_away(mention(bot=("B2",)), again=True) == ""
    elsewhere = mention(platform="discord", tenant="6")
    assert await polite.turned_away(elsewhere, again=True) == ""


async def test_that_somebody_was_told_names_nobody(sqlite_store: Store) -> None:
    polite = manners(sqlite_store, admission=LISTS)
    await polite.turned_away(mention(channel="C2", author="U_PRIVATE"))
    async with sqlite_store._database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT name FROM kept_values")
        assert not [name for (name,) in rows if "U_PRIVATE" in name]
