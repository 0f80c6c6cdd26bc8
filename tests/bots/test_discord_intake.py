"""What people write on Discord reaches the desk, or they hear why not."""

import asyncio
import logging

from bots.discord_bot import intake
from servers.discord_bench import answer_to, connected
from servers.discord_server import DiscordServer
from servers.discord_world import FORUM, VOICE


async def test_a_mention_is_taken_with_its_place_and_author(discord, help_channel, ann):
    async with connected(discord) as bench:
        message = await discord.mention(help_channel, ann, "How do I start?", attachments=["a.log"])
        mention = await bench.notebook.next()
    assert mention.text == "How do I start?"
    assert mention.author == str(ann.id)
    assert [file.name for file in mention.files] == ["a.log"]
    assert mention.message == message["id"]
    assert mention.thread.tenant == str(discord.world.guild)
    assert mention.thread.key == f"{help_channel.id}/{message['id']}"


async def test_a_follow_up_in_the_opened_thread_has_the_same_thread(discord, help_channel, ann):
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
        await discord.mention(discord.thread_under(question), ann, "And then?")
        follow_up = await bench.notebook.next()
    assert follow_up.thread == mention.thread
    assert follow_up.channel == question["id"]


async def test_a_post_of_a_forum_is_a_thread_from_its_first_message(discord, ann):
    forum = discord.world.channel("questions", FORUM)
    async with connected(discord) as bench:
        post = await discord.open_thread(forum, ann, "Installing")
        await discord.mention(post, ann, "How?")
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
    assert mention.thread.key == f"{forum.id}/{post.id}"
    assert post.texts()[-1] == "By starting."
    assert discord.calls("POST", "/channels/{channel}/messages/{message}/threads") == []


async def test_a_thread_that_discord_py_does_not_know_is_looked_up(discord, help_channel, ann):
    async with connected(discord) as bench:
        thread = discord.world.thread(help_channel, discord.world.snowflake(), "Old", ann.id)
        await discord.mention(thread, ann, "Still there?")
        mention = await bench.notebook.next()
    assert mention.thread.key == f"{help_channel.id}/{thread.id}"


async def test_before_discord_told_about_the_server_questions_are_taken_already(
    discord, help_channel, ann
):
    discord.gateway.withhold_guild = True
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        await discord.slash("ask", ann, help_channel, {"question": "And then?"})
        await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
    assert mention.thread.key == f"{help_channel.id}/{question['id']}"
    assert mention.thread.tenant == str(discord.world.guild)
    assert discord.thread_under(question).texts() == ["By starting."]


async def test_what_the_event_itself_disproves_is_not_held_against_a_mention(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        await discord.deny(help_channel, "view_channel", "send_messages")
        help_channel.denied = 0  # the permissions that were told are out of date
        await discord.mention(help_channel, ann, "How do I start?")
        await bench.platform.post(answer_to(await bench.notebook.next()))


async def test_a_direct_message_is_taken(discord, ann):
    async with connected(discord) as bench:
        await discord.dm(ann, "How do I start?")
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
    direct = discord.world.direct(ann)
    assert mention.thread.key == f"@me/{direct.id}"
    assert direct.texts() == ["How do I start?", "By starting."]


async def test_a_message_that_comes_twice_has_one_identity(discord, help_channel, ann):
    async with connected(discord) as bench:
        message = await discord.mention(help_channel, ann, "How do I start?")
        first = await bench.notebook.next()
        await discord.redeliver(message)
        assert await bench.notebook.next() == first
        assert len(bench.notebook.seen) == 1


async def test_questions_are_taken_in_the_order_in_which_they_came(discord, help_channel, ann):
    async with connected(discord) as bench:
        for number in range(30):
            await discord.mention(help_channel, ann, str(number))
        taken = [(await bench.notebook.next()).text for _ in range(30)]
    assert taken == [str(number) for number in range(30)]


async def test_what_does_not_ask_the_bot_is_not_taken(discord, help_channel, ann):
    async with connected(discord) as bench:
        await discord.say(help_channel, ann, "@everyone lunch")
        await discord.say(help_channel, ann, "I had soup")
        await discord.mention(help_channel, ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"
        assert bench.notebook.nothing()


async def test_a_reply_that_pings_is_read_without_the_intent(discord, help_channel, ann):
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
        (answer,) = discord.posted(discord.world.channels[int(mention.message)])
        await discord.reply(answer, ann, "And then?")
        assert (await bench.notebook.next()).text == "And then?"


async def test_a_reply_whose_text_is_kept_back_brings_one_hint(discord, help_channel, ann):
    async with connected(discord) as bench:
        response = discord.world.write(help_channel, discord.world.bot, "Ann asks", type=20)
        await discord.reply(response, ann, "And then?")
        hint = (await discord.wait_for(lambda: discord.posted(help_channel)[1:]))[0]
        await discord.reply(response, ann, "Hello?")
        await discord.mention(help_channel, ann, "Now?")
        assert (await bench.notebook.next()).text == "Now?"
    assert f"<@{discord.world.bot.id}>" in hint["content"]
    assert hint["mentions"] == []
    assert hint["message_reference"]["channel_id"] == str(help_channel.id)
    assert len(discord.posted(help_channel)) == 2


async def test_with_the_intent_such_a_reply_is_read():
    async with DiscordServer(content_intent=True) as discord:
        ann, channel = discord.world.user("Ann"), discord.world.channel("help")
        async with connected(discord, message_content=True) as bench:
            response = discord.world.write(channel, discord.world.bot, "Ann asks", type=20)
            await discord.reply(response, ann, "And then?")
            assert (await bench.notebook.next()).text == "And then?"
            await discord.reply(response, ann, "")  # a poll, say
            assert (await bench.notebook.next()).text == ""


async def test_a_database_that_is_away_for_a_moment_loses_no_mention(
    discord, help_channel, ann, monkeypatch
):
    monkeypatch.setattr(intake, "TAKE_PAUSES", (0.01,) * 100)
    async with connected(discord) as bench:
        bench.notebook.refuses = True
        await discord.mention(help_channel, ann, "How do I start?")
        await bench.notebook.next()
        bench.notebook.refuses = False
        async with asyncio.timeout(60):
            while not bench.notebook.seen:  # each further try is one more
                await bench.notebook.next()
        assert len(bench.notebook.seen) == 1


async def test_a_mention_that_cannot_be_written_down_is_told_to_its_author_and_in_the_log(
    discord, help_channel, ann, caplog, monkeypatch
):
    monkeypatch.setattr(intake, "TAKE_PAUSES", (0.0,))
    async with connected(discord) as bench:
        bench.notebook.refuses = True
        message = await discord.mention(help_channel, ann, "my secret question")
        await discord.wait_for(lambda: discord.posted(discord.world.direct(ann)))
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.message_id == int(message["id"])
    assert "my secret question" not in caplog.text


async def test_where_the_bot_may_not_write_the_author_hears_it_in_private(
    discord, help_channel, ann, caplog
):
    async with connected(discord) as bench:
        await discord.deny(help_channel, "send_messages", "create_public_threads")
        await discord.mention(help_channel, ann, "How do I start?")
        direct = discord.world.direct(ann)
        await discord.wait_for(lambda: len(direct.texts()) == 1)
        await discord.mention(help_channel, ann, "Hello?")
        await discord.wait_for(lambda: len(direct.texts()) == 2)
        assert bench.notebook.nothing()
    assert "Send Messages" in direct.texts()[0]
    assert f"<#{help_channel.id}>" in direct.texts()[0]
    warnings = [one for one in caplog.records if getattr(one, "missing", None)]
    assert [one.missing for one in warnings] == ["Send Messages"]
    assert discord.calls("POST", "/channels/{channel}/messages/{message}/threads") == []


async def test_who_takes_no_messages_does_not_stop_the_bot(discord, help_channel, ann):
    ann.takes_messages = False
    async with connected(discord) as bench:
        await discord.deny(help_channel, "send_messages", "send_messages_in_threads")
        await discord.mention(help_channel, ann, "How do I start?")
        await discord.wait_for(lambda: discord.calls("POST", "/channels/{channel}/messages"))
        await discord.dm(ann, "How do I start?")
        assert (await bench.notebook.next()).text == "How do I start?"


async def test_a_channel_that_has_no_threads_is_taken_where_the_bot_may_write(discord, ann):
    voice = discord.world.channel("Lounge", VOICE)
    async with connected(discord) as bench:
        await discord.mention(voice, ann, "How do I start?")
        assert (await bench.notebook.next()).thread.key.startswith(f"{voice.id}/")


async def test_after_stop_nothing_is_taken_but_replies_still_go_out(discord, help_channel, ann):
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        bench.stop.set()
        async with asyncio.timeout(1):
            await bench.running
        await discord.wait_for(lambda: discord.gateway.close_codes == [1000])
        await discord.mention(help_channel, ann, "Too late")
        await bench.platform.post(answer_to(mention))
        assert bench.notebook.nothing()
    assert discord.thread_under(question).texts() == ["By starting."]
