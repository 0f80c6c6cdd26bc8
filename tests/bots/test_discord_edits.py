"""Edits and deletions on Discord reach the desk, under the identity that the mention had."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import pytest

from bots.discord_bot import intake
from core.errors import ThreadGone
from servers.discord_bench import Bench, answer_to, connected
from servers.discord_server import EDITED, DiscordServer
from servers.discord_world import FORUM


@pytest.fixture
async def bench(discord, help_channel) -> AsyncIterator[Bench]:
    async with connected(discord) as connected_bench:
        yield connected_bench


@pytest.fixture
def me(discord) -> str:
    return f"<@{discord.world.bot.id}>"


async def is_all(discord: DiscordServer, bench: Bench, ann) -> bool:
    """Whether the notebook has heard of nothing but the direct message that is sent now."""
    await discord.dm(ann, "That is all")
    return (await bench.notebook.next()).text == "That is all" and bench.notebook.nothing()


# --- edits ----------------------------------------------------------------------------------------


async def test_an_edit_is_the_mention_with_the_new_text_and_the_time_of_the_edit(
    discord, help_channel, ann, bench, me
):
    message = await discord.mention(help_channel, ann, "Hwo?", attachments=["a.log"])
    mention = await bench.notebook.next()
    await discord.edit(message, f"{me} How?")
    edited = await bench.notebook.next_edit()
    assert edited == replace(mention, text="How?", at=datetime.fromisoformat(EDITED).timestamp())


async def test_a_message_that_is_edited_to_mention_the_bot_is_told_of_whole(
    discord, help_channel, ann, bench, me
):
    message = await discord.say(help_channel, ann, "How do I start?")
    await discord.edit(message, f"{me} How do I start?")
    edited = await bench.notebook.next_edit()
    assert (edited.text, edited.message) == ("How do I start?", message["id"])
    await bench.platform.post(answer_to(edited))
    assert discord.thread_under(message).name == "How do I start?"


async def test_an_edit_in_a_thread_and_a_direct_one_have_the_identity_of_the_mention(
    discord, help_channel, ann, bench, me
):
    unknown = discord.world.thread(help_channel, discord.world.snowflake(), "Old", ann.id)
    known = await discord.open_thread(help_channel, ann, "Talk")
    for place in (unknown, known, discord.world.direct(ann)):
        message = await discord.mention(place, ann, "Hwo?")
        mention = await bench.notebook.next()
        await discord.edit(message, f"{me} How?")
        edited = await bench.notebook.next_edit()
        assert (edited.ref, edited.thread) == (mention.ref, mention.thread)


async def test_what_discord_changes_by_itself_is_no_edit(discord, help_channel, ann, bench):
    message = await discord.mention(help_channel, ann, "See https://example.org")
    mention = await bench.notebook.next()
    await discord.update(message, embeds=[{"type": "link", "title": "Example"}])
    await discord.update(message, pinned=True)
    await bench.platform.post(answer_to(mention))  # opens a thread, which changes the message
    assert await is_all(discord, bench, ann)


async def test_what_discord_changes_by_itself_brings_no_second_explanation(
    discord, help_channel, ann, bench
):
    await discord.deny(help_channel, "send_messages", "send_messages_in_threads")
    message = await discord.mention(help_channel, ann, "See https://example.org")
    direct = discord.world.direct(ann)
    await discord.wait_for(direct.texts)
    await discord.update(message, embeds=[{"type": "link", "title": "Example"}])
    assert await is_all(discord, bench, ann)
    bench.stop.set()
    await bench.running  # when all that has begun is done
    assert len(discord.posted(direct)) == 1


async def test_what_asks_the_bot_no_more_is_not_told_of(discord, help_channel, ann, bench):
    message = await discord.mention(help_channel, ann, "How?")
    await bench.notebook.next()
    await discord.edit(message, "Never mind")
    assert await is_all(discord, bench, ann)


async def test_edits_of_bots_and_own_messages_are_not_told_of(
    discord, help_channel, ann, bench, me
):
    helper = discord.world.user("Helper", bot=True)
    message = await discord.mention(help_channel, helper, "beep")
    assert (await bench.notebook.next()).bot  # the question itself; core decides
    await discord.edit(message, f"{me} beep beep")
    own = discord.world.write(help_channel, discord.world.bot, f"{me} By starting.")
    await discord.edit(own, f"{me} By stopping.")
    assert await is_all(discord, bench, ann)


async def test_an_edited_reply_that_pings_is_read_without_the_intent(
    discord, help_channel, ann, bench
):
    own = discord.world.write(help_channel, discord.world.bot, "By starting.")
    message = await discord.reply(own, ann, "Adn then?")
    await bench.notebook.next()
    await discord.edit(message, "And then?")
    assert (await bench.notebook.next_edit()).text == "And then?"


async def test_an_edit_that_cannot_be_written_down_is_tried_again(
    discord, help_channel, ann, bench, me, monkeypatch
):
    monkeypatch.setattr(intake, "TAKE_PAUSES", (0.0,) * 100)
    message = await discord.mention(help_channel, ann, "Hwo?")
    await bench.notebook.next()
    bench.notebook.refuses = True
    await discord.edit(message, f"{me} How?")
    await bench.notebook.next_edit()
    bench.notebook.refuses = False
    assert (await bench.notebook.next_edit()).text == "How?"


# --- deletions ------------------------------------------------------------------------------------


async def test_a_deleted_message_is_withdrawn_by_the_identity_of_its_mention(
    discord, help_channel, ann, bench
):
    forum = discord.world.channel("questions", FORUM)
    thread = await discord.open_thread(help_channel, ann, "Talk")
    post = await discord.open_thread(forum, ann, "Post")
    unknown = discord.world.thread(help_channel, discord.world.snowflake(), "Old", ann.id)
    for place in (help_channel, thread, post, unknown, discord.world.direct(ann)):
        message = await discord.mention(place, ann, "How?")
        mention = await bench.notebook.next()
        await discord.delete(message)
        assert await bench.notebook.next_deletion() == mention.ref


async def test_only_of_a_direct_message_it_is_sure_that_it_asked_the_bot(
    discord, help_channel, ann, bench
):
    for place in (help_channel, discord.world.direct(ann)):
        await discord.delete(await discord.mention(place, ann, "How?"))
        await bench.notebook.next_deletion()
    assert bench.notebook.withdrawn_asked == [None, True]


async def test_a_deleted_response_to_a_command_is_withdrawn_by_the_identity_of_its_mention(
    discord, help_channel, ann, bench
):
    interaction = await discord.slash("ask", ann, help_channel, {"question": "How?"})
    mention = await bench.notebook.next()
    await discord.delete(interaction.message)
    assert await bench.notebook.next_deletion() == mention.ref


async def test_messages_that_are_deleted_at_once_are_all_withdrawn(
    discord, help_channel, ann, bench
):
    messages = [await discord.mention(help_channel, ann, str(number)) for number in range(5)]
    mentions = [await bench.notebook.next() for _ in messages]
    await discord.purge(help_channel, *messages)
    withdrawn = {await bench.notebook.next_deletion() for _ in messages}
    assert withdrawn == {mention.ref for mention in mentions}


async def test_a_deletion_that_cannot_be_handed_over_is_tried_again(
    discord, help_channel, ann, bench, monkeypatch
):
    monkeypatch.setattr(intake, "TAKE_PAUSES", (0.0,) * 100)
    message = await discord.mention(help_channel, ann, "How?")
    mention = await bench.notebook.next()
    bench.notebook.refuses = True
    await discord.delete(message)
    await bench.notebook.next_deletion()
    bench.notebook.refuses = False
    assert await bench.notebook.next_deletion() == mention.ref


async def test_a_deletion_that_is_given_up_stands_in_the_log(
    discord, help_channel, ann, bench, monkeypatch, caplog
):
    monkeypatch.setattr(intake, "TAKE_PAUSES", (0.0,))
    bench.notebook.refuses = True
    message = await discord.say(help_channel, ann, "my secret question")
    await discord.delete(message)
    for _ in range(2):
        await bench.notebook.next_deletion()
    bench.notebook.refuses = False
    assert await is_all(discord, bench, ann)
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.message_id == message["id"]
    assert "my secret question" not in caplog.text


async def test_a_question_that_is_deleted_while_it_waits_for_the_database_is_withdrawn_after_it(
    discord, help_channel, ann, bench, monkeypatch
):
    monkeypatch.setattr(intake, "TAKE_PAUSES", (0.01,) * 100)
    order, notebook = [], bench.notebook
    take, withdraw = notebook.take, notebook.withdraw

    async def noting_take(mention):
        new = await take(mention)
        order.append("taken")
        return new

    async def noting_withdraw(ref, *, asked):
        await withdraw(ref, asked=asked)
        order.append("withdrawn")

    monkeypatch.setattr(notebook, "take", noting_take)
    monkeypatch.setattr(notebook, "withdraw", noting_withdraw)
    notebook.refuses = True
    message = await discord.mention(help_channel, ann, "How?")
    await notebook.next()
    await discord.delete(message)
    await notebook.next()  # one more try, with the deletion known
    notebook.refuses = False
    await notebook.next_deletion()
    assert order == ["taken", "withdrawn"]


# --- places that go -------------------------------------------------------------------------------


async def test_in_a_thread_that_somebody_deleted_nothing_is_posted(
    discord, help_channel, ann, bench
):
    question = await discord.mention(help_channel, ann, "How?")
    mention = await bench.notebook.next()
    await bench.platform.post(answer_to(mention))
    await discord.remove(discord.thread_under(question))
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention, "More.", "1" * 24))


async def test_in_a_thread_that_was_deleted_while_the_bot_was_away_nothing_is_posted(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How?")
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
    await discord.remove(discord.thread_under(question))
    async with connected(discord) as bench:
        with pytest.raises(ThreadGone):
            await bench.platform.post(answer_to(mention, "More.", "1" * 24))


async def test_in_a_channel_that_was_deleted_nothing_is_posted(discord, help_channel, ann, bench):
    for number in range(2):  # with a thread, and before there is one
        await discord.mention(help_channel, ann, "How?")
        mention = await bench.notebook.next()
        if number == 0:
            first = mention
            await bench.platform.post(answer_to(mention))
    await discord.remove(help_channel)
    for gone in (first, mention):
        post = answer_to(gone, "More.", "1" * 24)
        with pytest.raises(ThreadGone):
            await bench.platform.post(post)
        with pytest.raises(ThreadGone):
            await bench.platform.find(post)


async def test_in_a_guild_that_threw_the_bot_out_nothing_is_posted(
    discord, help_channel, ann, bench
):
    await discord.mention(help_channel, ann, "How?")
    mention = await bench.notebook.next()
    await bench.platform.post(answer_to(mention))
    await discord.expel(discord.world.guild)
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention, "More.", "1" * 24))


async def test_an_archived_thread_takes_a_post_and_a_locked_one_does_not(
    discord, help_channel, ann, bench
):
    question = await discord.mention(help_channel, ann, "How?")
    mention = await bench.notebook.next()
    await bench.platform.post(answer_to(mention))
    thread = discord.thread_under(question)
    await discord.archive(thread)
    await bench.platform.post(answer_to(mention, "More.", "1" * 24))
    assert not thread.archived
    await discord.archive(thread, locked=True)
    with pytest.raises(ThreadGone):
        await bench.platform.post(answer_to(mention, "And more.", "2" * 24))
