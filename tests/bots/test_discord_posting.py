"""Replies on Discord: in the thread, which is opened for them, once, and without a ping."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bots.discord_bot.adapter import DiscordPlatform
from core.domain import Citation, Mention, MessageId, Post, Reply, ThreadRef
from core.errors import PlatformBusy, PlatformRefused, PlatformUnreachable, ThreadGone
from servers.discord_bench import Bench, answer_to, connected
from servers.discord_http import Fault
from servers.discord_server import DiscordServer
from servers.discord_world import FORUM, HAS_THREAD, VOICE, Json

MESSAGES = "/channels/{channel}/messages"
THREADS = "/channels/{channel}/messages/{message}/threads"
TYPING = "/channels/{channel}/typing"


@pytest.fixture
async def bench(discord, help_channel) -> AsyncIterator[Bench]:
    async with connected(discord) as connected_bench:
        yield connected_bench


@pytest.fixture
async def asked(discord, help_channel, ann, bench) -> tuple[Json, Mention]:
    question = await discord.mention(help_channel, ann, "How do I start?")
    return question, await bench.notebook.next()


async def ask(discord: DiscordServer, bench: Bench, *where) -> tuple[Json, Mention]:
    question = await discord.mention(*where, "How do I start?")
    return question, await bench.notebook.next()


async def answer(bench: Bench, mention: Mention, marker: str) -> None:
    """Show work and post, as core does, without a wait that anybody would notice."""
    async with asyncio.timeout(60):
        await bench.platform.show_working(mention.thread, mention.message)
        await bench.platform.post(answer_to(mention, marker=marker * 24))


async def restarted(discord: DiscordServer, mention: Mention, post: Post) -> MessageId:
    """Post with an adapter that never heard of the question."""
    async with connected(discord) as bench:
        return await bench.platform.post(post)


async def test_the_reply_goes_into_a_thread_that_is_made_from_the_question(discord, bench, asked):
    question, mention = asked
    message = await bench.platform.post(answer_to(mention))
    thread = discord.thread_under(question)
    assert (thread.name, thread.parent.name) == ("How do I start?", "help")
    assert thread.messages[int(message)]["content"] == "By starting."
    assert len(discord.calls("POST", MESSAGES)) == 1  # no try that was bound to fail


async def test_further_parts_and_replies_go_into_the_same_thread(discord, bench, asked):
    question, mention = asked
    for number in range(3):
        await bench.platform.post(answer_to(mention, f"part {number}", f"{number}" * 24))
    assert discord.thread_under(question).texts() == ["part 0", "part 1", "part 2"]
    assert len(discord.calls("POST", THREADS)) == 1


async def test_nobody_is_pinged_and_nothing_is_unfolded(discord, bench, ann, asked):
    _, mention = asked
    await bench.platform.post(answer_to(mention, f"<@{ann.id}> @everyone https://example.org"))
    (call,) = discord.calls("POST", MESSAGES)
    assert call.body["allowed_mentions"]["parse"] == []
    assert call.body["flags"] == 4  # SUPPRESS_EMBEDS


async def test_the_thread_is_open_as_soon_as_the_bot_works(discord, bench, asked):
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    thread = discord.thread_under(question)
    assert len(thread.typing) == 1
    await bench.platform.show_working(mention.thread, mention.message)
    assert len(thread.typing) == 2
    await bench.platform.clear_working(mention.thread, mention.message)
    await bench.platform.post(answer_to(mention))
    assert len(discord.calls("POST", THREADS)) == 1


@pytest.mark.parametrize(
    "fault", [Fault(status=403, code=50013), Fault(drop="before"), Fault(status=503)], ids=repr
)
async def test_showing_work_never_raises(discord, bench, asked, fault):
    _, mention = asked
    discord.fail("POST", TYPING, fault)
    await bench.platform.show_working(mention.thread, mention.message)
    await bench.platform.post(answer_to(mention))


async def test_after_a_restart_an_open_thread_is_used(discord, help_channel, ann):
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        await bench.platform.show_working(mention.thread, mention.message)
    await restarted(discord, mention, answer_to(mention))
    assert discord.thread_under(question).texts() == ["By starting."]
    assert len(discord.calls("POST", THREADS)) == 1


async def test_after_a_restart_a_missing_thread_is_opened_with_the_name_of_the_question(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
    await restarted(discord, mention, answer_to(mention))
    thread = discord.thread_under(question)
    assert (thread.name, thread.texts()) == ("How do I start?", ["By starting."])


async def test_a_thread_that_somebody_else_opened_is_used(discord, bench, asked):
    question, mention = asked
    number = int(question["id"])
    channel = discord.world.channels[int(question["channel_id"])]
    thread = discord.world.thread(channel, number, "Ann's", 1)
    question["flags"] |= HAS_THREAD
    await bench.platform.post(answer_to(mention))
    assert thread.texts() == ["By starting."]


async def test_without_the_permission_to_open_threads_the_reply_is_in_line(
    discord, help_channel, ann, bench
):
    await discord.deny(help_channel, "create_public_threads")
    question = await discord.mention(help_channel, ann, "How do I start?")
    mention = await bench.notebook.next()
    await bench.platform.show_working(mention.thread, mention.message)
    await bench.platform.post(answer_to(mention))
    (reply,) = discord.posted(help_channel)
    assert reply["message_reference"]["message_id"] == question["id"]
    assert reply["mentions"] == []
    assert len(help_channel.typing) == 1
    await discord.mention(help_channel, ann, "And then?")
    await bench.platform.post(answer_to(await bench.notebook.next(), marker="1" * 24))
    assert len(discord.posted(help_channel)) == 2
    assert len(discord.calls("POST", THREADS)) == 1  # refusals are counted


async def test_a_permission_that_is_given_later_is_used(discord, help_channel, ann, bench):
    await discord.deny(help_channel, "create_public_threads")
    await discord.mention(help_channel, ann, "How do I start?")
    await bench.platform.post(answer_to(await bench.notebook.next()))
    await discord.allow(help_channel)
    question = await discord.mention(help_channel, ann, "And then?")
    await bench.platform.post(answer_to(await bench.notebook.next(), marker="1" * 24))
    assert discord.thread_under(question).texts() == ["By starting."]


async def test_a_thread_that_discord_refuses_to_open_brings_the_reply_in_line(
    discord, help_channel, ann, bench, caplog
):
    await discord.deny(help_channel, "create_public_threads", told=False)
    await discord.mention(help_channel, ann, "How do I start?")
    mention = await bench.notebook.next()
    await bench.platform.post(answer_to(mention))
    await bench.platform.post(answer_to(mention, "More.", "1" * 24))
    assert [one["content"] for one in discord.posted(help_channel)] == ["By starting.", "More."]
    assert len(discord.calls("POST", THREADS)) == 1
    assert [one.code for one in caplog.records if hasattr(one, "code")] == [50013]


async def test_in_line_without_the_history_the_reply_names_no_question(
    discord, help_channel, ann, bench
):
    await discord.deny(help_channel, "create_public_threads", "read_message_history")
    await discord.mention(help_channel, ann, "How do I start?")
    await bench.platform.post(answer_to(await bench.notebook.next()))
    (reply,) = discord.posted(help_channel)
    assert "message_reference" not in reply


async def test_a_channel_without_threads_gets_the_reply_in_line(discord, ann):
    voice = discord.world.channel("Lounge", VOICE)
    async with connected(discord) as bench:
        await discord.mention(voice, ann, "How do I start?")
        await bench.platform.post(answer_to(await bench.notebook.next()))
    assert [one["content"] for one in discord.posted(voice)] == ["By starting."]


async def test_posting_again_with_the_same_marker_posts_nothing_new(discord, bench, asked):
    question, mention = asked
    first = await bench.platform.post(answer_to(mention))
    assert await bench.platform.post(answer_to(mention)) == first
    assert len(discord.posted(discord.thread_under(question))) == 1


async def test_a_reply_that_was_lost_on_the_way_back_is_not_posted_twice(discord, bench, asked):
    question, mention = asked
    discord.fail("POST", MESSAGES, Fault(drop="after"))
    with pytest.raises(PlatformUnreachable):
        await bench.platform.post(answer_to(mention))
    await bench.platform.post(answer_to(mention))
    assert len(discord.posted(discord.thread_under(question))) == 1


@pytest.mark.parametrize("with_nonces", [True, False])
async def test_a_post_is_found_by_its_marker_or_its_text(discord, bench, asked, with_nonces):
    _, mention = asked
    discord.rest.history_has_nonces = with_nonces
    post = answer_to(mention, "By starting.\n")
    assert await bench.platform.find(post) is None
    message = await bench.platform.post(post)
    assert await bench.platform.find(post) == message
    assert await bench.platform.find(answer_to(mention, "Another part.", "1" * 24)) is None


async def test_with_markers_a_post_of_the_same_text_is_not_taken_for_another(discord, bench, asked):
    _, mention = asked
    discord.rest.history_has_nonces = True
    await bench.platform.post(answer_to(mention))
    assert await bench.platform.find(answer_to(mention, marker="1" * 24)) is None


@pytest.mark.parametrize("with_nonces", [True, False])
@pytest.mark.parametrize(("before", "after"), [(5, 150), (150, 5), (150, 150), (950, 20)])
async def test_a_post_is_found_among_many_messages_of_others(
    discord, bench, ann, asked, with_nonces, before, after
):
    question, mention = asked
    discord.rest.history_has_nonces = with_nonces
    await bench.platform.show_working(mention.thread, mention.message)
    thread = discord.thread_under(question)
    for _ in range(before):
        discord.world.write(thread, ann, "By starting.")
    message = await bench.platform.post(answer_to(mention))
    for _ in range(after):
        discord.world.write(thread, ann, "By starting.")
    assert await bench.platform.find(answer_to(mention)) == message


async def test_replies_of_the_same_text_to_different_questions_are_told_apart(
    discord, bench, ann, asked
):
    question, first = asked
    await bench.platform.show_working(first.thread, first.message)
    thread = discord.thread_under(question)
    others = [(await ask(discord, bench, thread, ann))[1] for _ in range(2)]
    posts = [answer_to(one, marker=str(n) * 24) for n, one in enumerate((first, *others))]
    posted = []
    for post in posts:  # each after all three questions were asked
        assert await bench.platform.find(post) is None
        posted.append(await bench.platform.post(post))
    assert [await bench.platform.find(post) for post in posts] == posted
    assert len(thread.texts()) == 5


async def test_a_follow_up_is_answered_by_a_reply_that_pings_nobody(discord, bench, ann, asked):
    question, first = asked
    await bench.platform.post(answer_to(first))
    thread = discord.thread_under(question)
    follow_up, mention = await ask(discord, bench, thread, ann)
    await bench.platform.post(answer_to(mention, marker="1" * 24))
    one, other = discord.posted(thread)
    assert "message_reference" not in one  # its question stands in the channel
    assert other["message_reference"]["message_id"] == follow_up["id"]
    assert other["mentions"] == []


async def test_an_older_post_without_its_nonce_is_found_where_newer_ones_have_theirs(
    discord, bench, asked
):
    question, mention = asked
    discord.rest.history_has_nonces = True
    message = await bench.platform.post(answer_to(mention))
    newer = await bench.platform.post(answer_to(mention, "By starting.", "1" * 24))
    thread = discord.thread_under(question)
    del thread.messages[int(message)]["nonce"]
    assert await bench.platform.find(answer_to(mention)) == message
    assert await bench.platform.find(answer_to(mention, "By starting.", "1" * 24)) == newer


async def test_the_search_for_a_post_ends(discord, bench, ann, asked):
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    for _ in range(1_300):
        discord.world.write(discord.thread_under(question), ann, "chatter")
    assert await bench.platform.find(answer_to(mention)) is None
    assert len(discord.calls("GET", MESSAGES)) <= 12


async def test_somebody_elses_message_is_not_taken_for_ours(discord, bench, ann):
    await discord.dm(ann, "How do I start?")
    mention = await bench.notebook.next()
    await discord.dm(ann, "By starting.")
    assert await bench.platform.find(answer_to(mention)) is None


async def test_after_a_restart_a_reply_in_line_is_found(discord, help_channel, ann):
    await discord.deny(help_channel, "create_public_threads")
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        other = await discord.mention(help_channel, ann, "And how do I stop?")
        await bench.notebook.next()
        message = await bench.platform.post(answer_to(mention))
    async with connected(discord) as bench:
        assert await bench.platform.find(answer_to(mention)) == message
        same_text = Post(
            thread=ThreadRef(
                platform="discord",
                tenant=mention.thread.tenant,
                key=f"{help_channel.id}/{other['id']}",
            ),
            reply_to=MessageId(other["id"]),
            marker="1" * 24,
            text="By starting.",
        )
        assert await bench.platform.find(same_text) is None


async def test_after_a_restart_what_is_asked_again_in_line_is_found(discord, help_channel, ann):
    await discord.deny(help_channel, "create_public_threads")
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        first = await bench.platform.post(answer_to(mention))
        again = Post(thread=mention.thread, reply_to=first, marker="1" * 24, text="By trying.")
    async with connected(discord) as bench:
        assert await bench.platform.find(again) is None
        message = await bench.platform.post(again)
    async with connected(discord) as bench:
        assert await bench.platform.find(again) == message


async def test_looking_for_a_post_opens_no_thread(discord, help_channel, ann):
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
    async with connected(discord) as bench:
        assert await bench.platform.find(answer_to(mention)) is None
    assert discord.thread_under(question) is None


async def test_a_rate_limit_is_slept_out(discord, bench, asked):
    question, mention = asked
    discord.fail("POST", MESSAGES, Fault(retry_after=0.01))
    await bench.platform.post(answer_to(mention))
    assert len(discord.posted(discord.thread_under(question))) == 1


@pytest.mark.parametrize("seconds", [90.0, 7_200.0])
@pytest.mark.parametrize("for_all", [True, False])
async def test_a_long_rate_limit_is_handed_on_with_its_seconds(
    discord, bench, asked, seconds, for_all
):
    _, mention = asked
    discord.fail("POST", MESSAGES, Fault(retry_after=seconds, for_all=for_all))
    with pytest.raises(PlatformBusy) as caught:
        await bench.platform.post(answer_to(mention))
    assert caught.value.retry_after == seconds
    await bench.platform.post(answer_to(mention))  # core waits, nothing here does


async def test_a_message_that_is_too_long_is_refused_once_and_for_all(discord, bench, asked):
    _, mention = asked
    with pytest.raises(PlatformRefused, match="50035"):
        await bench.platform.post(answer_to(mention, "a" * 2_001))
    assert len(discord.calls("POST", MESSAGES)) == 1


async def test_a_nonce_counts_for_some_minutes_only(discord, bench, asked):
    question, mention = asked
    discord.rest.nonce_seconds = 0.0
    for _ in range(2):
        await bench.platform.post(answer_to(mention))
    assert len(discord.posted(discord.thread_under(question))) == 2


async def test_a_reply_that_somebody_deleted_is_not_posted_again(discord, bench, asked):
    question, mention = asked
    await bench.platform.post(answer_to(mention))
    (reply,) = discord.posted(discord.thread_under(question))
    await discord.delete(reply)
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention))


# Threads have a window of five minutes. A call that is refused for it would be slept out, or be
# handed on; neither must happen while Discord takes more.


async def test_the_next_questions_in_a_channel_get_their_threads_at_once(
    discord, help_channel, ann, bench
):
    for number in "123":
        question, mention = await ask(discord, bench, help_channel, ann)
        await answer(bench, mention, number)
        assert discord.thread_under(question).texts() == ["By starting."]


@pytest.mark.parametrize("seconds", [20.0, 300.0])
async def test_when_no_more_threads_may_be_opened_the_reply_is_in_line_at_once(
    discord, help_channel, ann, bench, seconds
):
    discord.limit("POST", THREADS, calls=2, seconds=seconds)
    for number in "12":
        question, mention = await ask(discord, bench, help_channel, ann)
        await answer(bench, mention, number)
        assert discord.thread_under(question).texts() == ["By starting."]
    for number in "34":
        question, mention = await ask(discord, bench, help_channel, ann)
        await answer(bench, mention, number)
        reply = discord.posted(help_channel)[-1]
        assert reply["message_reference"]["message_id"] == question["id"]
    assert len(discord.posted(help_channel)) == 2
    assert len(discord.calls("POST", THREADS)) == 2  # refusals are counted


async def test_when_discord_refuses_to_open_more_threads_the_reply_is_in_line_at_once(
    discord, help_channel, ann, bench
):
    discord.fail("POST", THREADS, Fault(retry_after=300.0))
    question, mention = await ask(discord, bench, help_channel, ann)
    await answer(bench, mention, "1")
    await bench.platform.post(answer_to(mention, "More.", "2" * 24))
    assert [one["content"] for one in discord.posted(help_channel)] == ["By starting.", "More."]
    assert discord.thread_under(question) is None


async def test_a_thread_that_may_be_opened_in_a_moment_is_waited_for(
    discord, help_channel, ann, bench
):
    discord.limit("POST", THREADS, calls=1, seconds=0.5)
    for number in "12":
        question, mention = await ask(discord, bench, help_channel, ann)
        await answer(bench, mention, number)
        assert discord.thread_under(question).texts() == ["By starting."]
    assert discord.too_many("POST", THREADS) == 0


async def test_talk_in_an_open_thread_goes_on_when_no_more_threads_may_be_opened(
    discord, help_channel, ann, bench
):
    discord.limit("POST", THREADS, calls=1, seconds=300.0)
    question, mention = await ask(discord, bench, help_channel, ann)
    await answer(bench, mention, "1")
    thread = discord.thread_under(question)
    _, follow_up = await ask(discord, bench, thread, ann)
    await answer(bench, follow_up, "2")
    assert follow_up.thread == mention.thread
    assert len(discord.posted(thread)) == 2
    assert discord.posted(help_channel) == []


async def test_the_last_post_of_a_window_is_not_held_back_until_the_next_window(
    discord, bench, asked
):
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    discord.limit("POST", MESSAGES, calls=1, seconds=3_600.0)
    async with asyncio.timeout(60):
        await bench.platform.post(answer_to(mention, "1", "1" * 24))
    assert discord.thread_under(question).texts() == ["1"]


async def test_with_no_message_left_in_the_window_a_post_waits_and_is_made_once(
    discord, bench, asked
):
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    discord.limit("POST", MESSAGES, calls=1, seconds=0.5)
    await bench.platform.post(answer_to(mention, "1", "1" * 24))
    await bench.platform.post(answer_to(mention, "2", "2" * 24))
    assert discord.thread_under(question).texts() == ["1", "2"]
    assert discord.too_many("POST", MESSAGES) == 0


async def test_posts_at_the_same_time_are_all_made_within_the_limit(discord, bench, asked):
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    discord.limit("POST", MESSAGES, calls=3, seconds=0.2)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for number in "12345678":
            tasks.create_task(bench.platform.post(answer_to(mention, number, number * 24)))
    assert sorted(discord.thread_under(question).texts()) == list("12345678")
    assert discord.too_many("POST", MESSAGES) == 0


async def test_a_post_that_is_given_up_while_it_waits_holds_no_other_back(discord, bench, asked):
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    discord.limit("POST", MESSAGES, calls=1, seconds=0.3)
    await bench.platform.post(answer_to(mention, "1", "1" * 24))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bench.platform.post(answer_to(mention, "2", "2" * 24))
    async with asyncio.timeout(60):
        await bench.platform.post(answer_to(mention, "3", "3" * 24))
    assert discord.thread_under(question).texts() == ["1", "3"]


async def test_giving_up_in_a_global_rate_limit_does_not_hold_later_calls_back(
    discord, bench, asked, monkeypatch
):
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    discord.fail("POST", TYPING, Fault(retry_after=29.0, for_all=True))
    monkeypatch.setattr(DiscordPlatform, "working_seconds", 0.05)
    await bench.platform.show_working(mention.thread, mention.message)
    async with asyncio.timeout(60):
        await bench.platform.post(answer_to(mention))
    assert discord.thread_under(question).texts() == ["By starting."]


@pytest.mark.parametrize(
    "fault",
    [Fault(drop="before"), Fault(status=503), Fault(body="<html>"), Fault(body="{", status=200)],
    ids=repr,
)
async def test_no_usable_reply_leaves_the_fate_of_the_post_open(discord, bench, asked, fault):
    _, mention = asked
    discord.fail("POST", MESSAGES, fault)
    with pytest.raises(PlatformUnreachable):
        await bench.platform.post(answer_to(mention))


async def test_a_locked_thread_is_gone(discord, bench, asked):
    question, mention = asked
    await bench.platform.post(answer_to(mention))
    discord.thread_under(question).locked = True
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention, "More.", "1" * 24))


async def test_a_thread_that_was_deleted_is_gone_and_not_opened_again(discord, bench, asked):
    question, mention = asked
    await bench.platform.post(answer_to(mention))
    del discord.world.channels[int(question["id"])]
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention, "More.", "1" * 24))
    assert len(discord.calls("POST", THREADS)) == 1


async def test_a_post_of_a_forum_that_was_deleted_is_gone(discord, ann):
    forum = discord.world.channel("questions", FORUM)
    async with connected(discord) as bench:
        post = await discord.open_thread(forum, ann, "Installing")
        await discord.mention(post, ann, "How?")
        mention = await bench.notebook.next()
    del discord.world.channels[post.id]
    with pytest.raises(ThreadGone):
        await restarted(discord, mention, answer_to(mention))


async def test_without_its_question_there_is_no_thread(discord, help_channel, bench, asked):
    question, mention = asked
    del help_channel.messages[int(question["id"])]
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention))
    assert discord.posted(help_channel) == []


async def test_a_channel_that_was_closed_to_the_bot_is_gone(discord, help_channel, bench, asked):
    _, mention = asked
    await bench.platform.post(answer_to(mention))
    await discord.deny(help_channel, "view_channel")
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention, "More.", "1" * 24))


async def test_a_permission_that_is_missing_is_named_with_a_hint_to_the_asker_too(
    discord, help_channel, bench, ann, asked
):
    _, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    await discord.deny(help_channel, "send_messages_in_threads")
    with pytest.raises(PlatformRefused, match="docent manifest discord"):
        await bench.platform.post(answer_to(mention))
    (told,) = discord.world.direct(ann).texts()  # who would have waited in vain
    assert f"<#{help_channel.id}>" in told


async def test_a_person_who_takes_no_messages_is_gone(discord, ann, bench):
    await discord.dm(ann, "How do I start?")
    mention = await bench.notebook.next()
    ann.takes_messages = False
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention))


async def test_once_closed_nothing_can_be_posted(bench, asked):
    _, mention = asked
    await bench.platform.close()
    await bench.platform.close()
    with pytest.raises(PlatformUnreachable):
        await bench.platform.post(answer_to(mention))


async def test_what_is_rendered_can_be_posted(discord, bench, asked):
    question, mention = asked
    code = "\n".join(f"line {number}" for number in range(600))
    reply = Reply(
        text=f"Like this:\n\n```python\n{code}\n```\n",
        links=(Citation(url="https://docs.example.org/start", title="Start"),),
    )
    parts = bench.platform.render(reply)
    assert len(parts) > 1
    for number, part in enumerate(parts):
        await bench.platform.post(answer_to(mention, part, str(number) * 24))
    assert len(discord.thread_under(question).texts()) == len(parts)
