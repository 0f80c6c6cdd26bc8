"""What of Discord's messages is for Docent, and who is who: as core is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bots.discord_bot import missed
from core.domain import ThreadRef
from servers.discord_bench import Notebook, answer_to, connected
from servers.discord_http import Fault
from servers.discord_server import DiscordServer

SAID = "Not here."
HISTORY = "/channels/{channel}/messages"


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(content_intent=True) as server:
        yield server


@pytest.fixture
def bob(discord):
    return discord.world.user("Bob")


@pytest.fixture
async def thread(discord, help_channel, ann):
    """A thread of somebody else's, which is there from the beginning."""
    message = await discord.say(help_channel, ann, "Look at this")
    return discord.world.thread(help_channel, int(message["id"]), "Look", ann.id)


# --- remarks --------------------------------------------------------------------------------------


async def test_a_message_in_a_thread_without_a_mention_is_overheard(discord, help_channel, ann):
    async with connected(discord, message_content=True) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
        opened = discord.world.channels[int(mention.message)]
        message = await discord.say(opened, ann, "And on Windows?", attachments=["a.log"])
        remark = await bench.notebook.next_remark()
    said = remark.mention
    assert said.thread == mention.thread
    assert (said.message, said.author, said.text) == (message["id"], str(ann.id), "And on Windows?")
    assert [file.name for file in said.files] == ["a.log"]
    assert (said.channel, said.parent) == (str(opened.id), str(help_channel.id))
    assert (remark.to_others, remark.edited, remark.hidden) == (False, False, False)


async def heard(discord, notebook, thread, *said, faults=()):
    """Connect, and say something in a thread while the search for what was missed hangs.

    The next calls go wrong; with None, they hang as well. What core hears of, in that order, and
    how many calls were made for it.
    """
    until = asyncio.Event()
    person = discord.world.user("Ann")
    await discord.say(discord.world.channel("elsewhere"), person, "The newest is read first")
    hangs = Fault(until=until)
    discord.fail("GET", HISTORY, hangs, *(fault or hangs for fault in faults))
    async with connected(discord, message_content=True, notebook=notebook):
        await discord.wait_for(lambda: discord.calls("GET", HISTORY))
        for text in said:
            await discord.say(thread, person, text)
        texts = []
        while said[-1] not in texts:
            texts.append((await notebook.next_remark()).mention.text)
        calls = len(discord.calls("GET", HISTORY)) - 1
        until.set()
        return texts, calls


def ref_of(discord, channel, thread):
    key = f"{channel.id}/{thread.id}"
    return ThreadRef(platform="discord", tenant=str(discord.world.guild), key=key)


async def test_what_was_missed_in_a_thread_is_judged_before_what_is_said_there_now(
    discord, help_channel, ann, thread, monkeypatch
):
    monkeypatch.setattr(missed, "THREAD_SECONDS", 60.0)
    notebook = Notebook()
    notebook.was_away(ref_of(discord, help_channel, thread))
    await discord.say(thread, ann, "Missed")
    in_order = ["Missed", "Now", "Then"]
    assert await heard(discord, notebook, thread, *in_order[1:]) == (in_order, 1)


async def test_where_nobody_talked_with_the_bot_lately_it_is_not_looked_for_what_was_missed(
    discord, help_channel, ann, thread
):
    notebook = Notebook()
    notebook.was_away()
    await discord.say(thread, ann, "Missed")
    assert await heard(discord, notebook, thread, "Now") == (["Now"], 0)


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(body="{"), None])
async def test_where_it_cannot_be_had_what_is_said_is_judged_all_the_same(
    discord, help_channel, ann, thread, monkeypatch, fault
):
    monkeypatch.setattr(missed, "CALL_PAUSES", ())
    monkeypatch.setattr(missed, "THREAD_SECONDS", 0.2)
    notebook = Notebook()
    notebook.was_away(ref_of(discord, help_channel, thread))
    await discord.say(thread, ann, "Missed")
    assert await heard(discord, notebook, thread, "Now", faults=[fault]) == (["Now"], 1)


async def test_what_is_said_outside_of_threads_or_by_bots_is_not_overheard(
    discord, help_channel, ann, thread
):
    helper = discord.world.user("Helper", bot=True)
    async with connected(discord, message_content=True) as bench:
        await discord.say(help_channel, ann, "Lunch?")
        await discord.say(thread, helper, "Build failed")
        await discord.say(thread, discord.world.bot, "An answer")
        await discord.say(thread, ann, "And then?")
        assert (await bench.notebook.next_remark()).mention.text == "And then?"
        assert bench.notebook.nothing()


async def test_whether_a_message_speaks_to_somebody_else(discord, ann, bob, thread):
    async with connected(discord, message_content=True) as bench:
        of_bob = await discord.say(thread, bob, "I know that")
        of_bot = discord.world.write(thread, discord.world.bot, "An answer")
        await bench.notebook.next_remark()
        own = await discord.say(thread, ann, "It is about this")
        await bench.notebook.next_remark()
        role = discord.world.role("team")
        said = [
            await discord.say(thread, ann, f"<@{bob.id}> do you know?"),
            await discord.say(thread, ann, f"<@&{role}> help"),
            await discord.say(thread, ann, "@everyone help"),
            await discord.reply(of_bob, ann, "Really?"),
            await discord.reply(of_bob, ann, "Really?", ping=False),
            await discord.say(thread, ann, f"I, <@{ann.id}>, ask"),
            await discord.reply(own, ann, "And this"),
            await discord.reply(of_bot, ann, "Really?", ping=False),
        ]
        remarks = [await bench.notebook.next_remark() for _ in said]
    by_message = {one.mention.message: one.to_others for one in remarks}
    others = [by_message[message["id"]] for message in said]
    assert others == [True, True, True, True, True, False, False, False]


async def test_an_edit_of_such_a_message_is_told_and_an_embed_is_not(discord, ann, thread):
    async with connected(discord, message_content=True) as bench:
        message = await discord.say(thread, ann, "And on Windos?")
        await bench.notebook.next_remark()
        await discord.update(message, embeds=[{"type": "link", "title": "Example"}])
        await discord.edit(message, "And on Windows?")
        edited = await bench.notebook.next_remark()
    assert edited.edited
    assert edited.mention.text == "And on Windows?"


async def test_follow_ups_that_were_missed_are_found(discord, ann, thread):
    notebook = Notebook()
    notebook.was_away()
    await discord.say(thread, ann, "And then?")
    await discord.mention(thread, ann, "And after that?")
    async with connected(discord, message_content=True, notebook=notebook):
        await notebook.up_to_date()
        assert (await notebook.next_remark()).mention.text == "And then?"
        assert (await notebook.next()).text == "And after that?"


async def test_where_the_bot_may_not_write_nothing_is_overheard(discord, help_channel, ann, thread):
    async with connected(discord, message_content=True) as bench:
        await discord.deny(help_channel, "send_messages", "send_messages_in_threads")
        await discord.say(thread, ann, "And then?")
        await discord.dm(ann, "That is all")
        assert (await bench.notebook.next()).text == "That is all"
        assert bench.notebook.nothing()
    assert discord.posted(discord.world.direct(ann)) == []


async def test_a_message_that_cannot_be_judged_is_tried_again_and_nobody_is_told(
    discord, ann, thread, monkeypatch
):
    monkeypatch.setattr("bots.discord_bot.intake.TAKE_PAUSES", (0.0, 0.0))
    async with connected(discord, message_content=True) as bench:
        bench.notebook.refuses = True
        await discord.say(thread, ann, "And then?")
        for _ in range(3):
            await bench.notebook.next_remark()
        bench.stop.set()
        await bench.running
    assert discord.posted(discord.world.direct(ann)) == []


# --- without the intent ---------------------------------------------------------------------------


@pytest.fixture
async def blind() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


async def test_without_the_intent_a_follow_up_brings_the_hint_that_core_wants(blind):
    world = blind.world
    help_channel, ann = world.channel("help"), world.user("Ann")
    async with connected(blind) as bench:
        thread = await blind.open_thread(help_channel, ann, "Look")
        await blind.say(thread, ann, "And then?")
        remark = await bench.notebook.next_remark()
        assert (remark.hidden, remark.mention.text) == (True, "")
        (hint,) = await blind.wait_for(lambda: blind.posted(thread))
        bench.notebook.wants_hints = False
        await blind.say(thread, ann, "Hello?")
        await bench.notebook.next_remark()
        bench.stop.set()
        await bench.running
    assert f"<@{world.bot.id}>" in hint["content"]
    assert hint["mentions"] == []
    assert blind.posted(thread) == [hint]


# --- bots, roles, places --------------------------------------------------------------------------


async def test_a_bot_that_mentions_ours_is_told_from_people_and_never_written_to(
    discord, help_channel
):
    helper = discord.world.user("Helper", bot=True)
    async with connected(discord) as bench:
        bench.notebook.turns_away[str(helper.id)] = ""
        await discord.deny(help_channel, "send_messages", "send_messages_in_threads")
        await discord.mention(help_channel, helper, "Beep")
        mention = await bench.notebook.next()
        bench.stop.set()
        await bench.running
    assert mention.bot == (str(helper.id),)
    assert discord.calls("POST", "/users/@me/channels") == []


async def test_roles_come_with_an_event_and_with_a_command(discord, help_channel, ann):
    ann.roles = (discord.world.role("team"), discord.world.role("staff"))
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        asked = await bench.notebook.next()
        await discord.slash("ask", ann, help_channel, {"question": "And then?"})
        commanded = await bench.notebook.next()
    wanted = {str(role) for role in ann.roles}
    assert set(asked.roles) == set(commanded.roles) == wanted


async def test_roles_are_looked_up_where_the_history_does_not_tell_them(discord, help_channel, ann):
    ann.roles = (discord.world.role("team"),)
    notebook = Notebook()
    notebook.was_away()
    await discord.mention(help_channel, ann, "How do I start?")
    async with connected(discord, notebook=notebook, tell_roles=True):
        await notebook.up_to_date()
        assert (await notebook.next()).roles == (str(ann.roles[0]),)


async def test_without_a_list_of_roles_nobody_is_looked_up(discord, help_channel, ann):
    notebook = Notebook()
    notebook.was_away()
    await discord.mention(help_channel, ann, "How do I start?")
    async with connected(discord, notebook=notebook):
        await notebook.up_to_date()
        await notebook.next()
    assert discord.calls("GET", "/guilds/{guild}/members/{user}") == []


async def test_direct_messages_and_the_channel_of_a_thread_are_named(discord, ann, thread):
    async with connected(discord) as bench:
        await discord.dm(ann, "How do I start?")
        direct = await bench.notebook.next()
        await discord.mention(thread, ann, "And here?")
        inside = await bench.notebook.next()
    assert (direct.direct, direct.parent) == (True, "")
    assert (inside.direct, inside.parent) == (False, str(thread.parent.id))


# --- who is turned away ---------------------------------------------------------------------------


async def test_who_is_turned_away_hears_it_in_private(discord, help_channel, ann):
    async with connected(discord) as bench:
        bench.notebook.turns_away[str(ann.id)] = SAID
        await discord.mention(help_channel, ann, "How do I start?")
        direct = discord.world.direct(ann)
        await discord.wait_for(lambda: discord.posted(direct))
    assert direct.texts() == [SAID]
    assert discord.posted(help_channel) == []


async def test_a_command_of_somebody_who_is_turned_away_is_answered_in_private(
    discord, help_channel, ann, bob
):
    async with connected(discord) as bench:
        bench.notebook.turns_away |= {str(ann.id): SAID, str(bob.id): ""}
        refused = await discord.slash("ask", ann, help_channel, {"question": "How?"})
        await discord.wait_for(lambda: refused.texts)
        silent = await discord.slash("ask", bob, help_channel, {"question": "How?"})
        await discord.wait_for(lambda: silent.texts)
    assert refused.texts == [SAID]
    assert silent.texts == ["I do not answer here."]
    assert discord.posted(help_channel) == []
    assert bench.notebook.nothing()


async def test_nobody_is_told_of_missing_permissions_where_they_are_not_answered_anyway(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        bench.notebook.turns_away[str(ann.id)] = ""
        await discord.deny(help_channel, "send_messages", "send_messages_in_threads")
        await discord.mention(help_channel, ann, "How do I start?")
        await discord.dm(ann, "That is all")
        await bench.notebook.next()
        bench.stop.set()
        await bench.running
    assert discord.posted(discord.world.direct(ann)) == []
