"""What was asked on Discord while the bot heard nothing is found, and taken once."""

import asyncio
import logging
from dataclasses import replace

import pytest

from bots.discord_bot import connection, gateway, missed
from core.domain import ThreadRef
from servers.discord_bench import Bench, Notebook, answer_to, connected
from servers.discord_http import Fault
from servers.discord_server import DiscordServer
from servers.discord_world import FORUM, NEWS, VOICE

HISTORY = "/channels/{channel}/messages"
CHANNEL = "/channels/{channel}"


@pytest.fixture
def notebook() -> Notebook:
    """A reception that says that the bot was away for an hour."""
    notebook = Notebook()
    notebook.was_away()
    return notebook


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Pauses that do not keep a test waiting."""
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(gateway, "IDENTIFY_SECONDS", 0.0)
    monkeypatch.setattr(missed, "CALL_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(missed, "STORE_SECONDS", 0.0)


async def texts_found(discord: DiscordServer, notebook: Notebook) -> list[str]:
    """Connect, catch up, stop; what was taken, in that order."""
    async with connected(discord, notebook=notebook):
        await notebook.up_to_date()
    found = []
    while not notebook.nothing():
        found.append((await notebook.next()).text)
    return found


# --- where it is looked ---------------------------------------------------------------------------


async def test_a_mention_that_came_while_the_bot_was_away_is_taken(
    discord, help_channel, ann, notebook
):
    await discord.mention(help_channel, ann, "How do I start?")
    assert await texts_found(discord, notebook) == ["How do I start?"]
    assert notebook.asked_for == ["discord"]


@pytest.mark.parametrize("kind", [NEWS, VOICE])
async def test_every_kind_of_channel_that_has_messages_is_looked_at(discord, ann, notebook, kind):
    await discord.mention(discord.world.channel("other", kind), ann, "How?")
    assert await texts_found(discord, notebook) == ["How?"]


async def test_active_threads_and_posts_of_forums_are_looked_at(
    discord, help_channel, ann, notebook
):
    forum = discord.world.channel("questions", FORUM)
    for parent in (help_channel, forum):
        thread = await discord.open_thread(parent, ann, "Talk")
        await discord.mention(thread, ann, f"In {parent.name}?")
    assert await texts_found(discord, notebook) == ["In help?", "In questions?"]


async def test_a_direct_message_is_found_where_the_person_talked_with_the_bot_before(
    discord, ann, notebook
):
    direct = discord.world.direct(ann)
    notebook.was_away(ThreadRef(platform="discord", tenant="", key=f"@me/{direct.id}"))
    await discord.dm(ann, "How do I start?")
    assert await texts_found(discord, notebook) == ["How do I start?"]


async def test_an_archived_thread_of_ours_is_found(discord, help_channel, ann, notebook):
    thread = await discord.open_thread(help_channel, ann, "Talk")
    await discord.mention(thread, ann, "And then?")
    await discord.archive(thread)
    key = f"{help_channel.id}/{thread.id}"
    notebook.was_away(ThreadRef(platform="discord", tenant=str(discord.world.guild), key=key))
    assert await texts_found(discord, notebook) == ["And then?"]


async def test_where_a_reply_went_in_line_there_is_no_thread_and_one_line_says_so(
    discord, help_channel, ann, notebook, caplog
):
    caplog.set_level(logging.INFO, "bots")
    await discord.mention(help_channel, ann, "How?")
    key = f"{help_channel.id}/{discord.world.snowflake()}"
    notebook.was_away(ThreadRef(platform="discord", tenant=str(discord.world.guild), key=key))
    assert await texts_found(discord, notebook) == ["How?"]
    assert len([one for one in caplog.records if "is not looked at" in one.message]) == 1


async def test_several_guilds_are_looked_at(discord, help_channel, ann, notebook):
    other = discord.world.channel("other", guild=discord.world.add_guild())
    await discord.mention(help_channel, ann, "Here?")
    await discord.mention(other, ann, "There?")
    assert await texts_found(discord, notebook) == ["Here?", "There?"]


# --- what is taken --------------------------------------------------------------------------------


async def test_what_is_found_has_the_identity_of_what_is_heard(discord, help_channel, ann):
    heard, found = [], []
    forum = discord.world.channel("questions", FORUM)
    thread = discord.world.thread(help_channel, discord.world.snowflake(), "Talk", ann.id)
    post = discord.world.thread(forum, discord.world.snowflake(), "Post", ann.id)
    voice = discord.world.channel("Lounge", VOICE)
    async with connected(discord) as bench:
        for place in (help_channel, thread, post, voice, discord.world.direct(ann)):
            await discord.mention(place, ann, "How?", attachments=["a.log"])
            heard.append(await bench.notebook.next())
    notebook = Notebook()
    direct = ThreadRef(platform="discord", tenant="", key=f"@me/{discord.world.direct(ann).id}")
    notebook.was_away(direct)
    async with connected(discord, notebook=notebook):
        await notebook.up_to_date()
        while not notebook.nothing():
            found.append(await notebook.next())
    assert [one.ref for one in found] == [one.ref for one in heard]
    # Links to files are new each time.
    assert [replace(one, files=()) for one in found] == [replace(one, files=()) for one in heard]
    assert [[file.name for file in one.files] for one in found] == [["a.log"]] * 5
    assert len({mention.ref for mention in heard}) == 5


async def test_an_archived_thread_that_is_looked_up_gives_the_same_identity_too(
    discord, help_channel, ann
):
    thread = discord.world.thread(help_channel, discord.world.snowflake(), "Talk", ann.id)
    async with connected(discord) as bench:
        await discord.mention(thread, ann, "How?")
        heard = await bench.notebook.next()
    await discord.archive(thread)
    notebook = Notebook()
    notebook.was_away(heard.thread)
    async with connected(discord, notebook=notebook):
        assert await notebook.next() == heard


async def test_only_what_asks_the_bot_and_can_be_read_is_taken(
    discord, help_channel, ann, notebook
):
    await discord.say(help_channel, ann, "I had soup")
    response = discord.world.write(help_channel, discord.world.bot, "Ann asks", type=20)
    await discord.reply(response, ann, "And then?")  # Discord keeps its text back
    await discord.mention(help_channel, ann, "How?")
    assert await texts_found(discord, notebook) == ["How?"]
    assert discord.posted(help_channel) == [response]  # so long after no hint is given


async def test_a_deleted_question_is_not_found_and_an_edited_one_as_it_reads_now(
    discord, help_channel, ann, notebook
):
    await discord.delete(await discord.mention(help_channel, ann, "Never mind"))
    await discord.edit(await discord.mention(help_channel, ann, "Hwo?"), "<@1> nobody")
    message = await discord.say(help_channel, ann, "How?")
    await discord.edit(message, f"<@{discord.world.bot.id}> How then?")
    assert await texts_found(discord, notebook) == ["How then?"]


async def test_a_question_that_was_taken_and_then_edited_unheard_counts_as_it_reads_now(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        message = await discord.mention(help_channel, ann, "Hwo?")
        await discord.mention(help_channel, ann, "And then?")
        heard = await bench.notebook.next()
        await bench.notebook.next()
        notebook = bench.notebook
    await discord.edit(message, f"<@{discord.world.bot.id}> How?")
    notebook.was_away()
    notebook.heard_of = asyncio.Queue()
    async with connected(discord, notebook=notebook):
        await notebook.up_to_date()
        edited = await notebook.next_edit()
        assert (edited.text, edited.ref) == ("How?", heard.ref)
        assert [(await notebook.next()).text for _ in range(2)] == ["How?", "And then?"]
        assert notebook.nothing()


async def test_mentions_are_taken_oldest_first(discord, help_channel, ann, notebook):
    other = discord.world.channel("other")
    for number in range(30):
        await discord.mention((help_channel, other)[number % 2], ann, str(number))
    assert await texts_found(discord, notebook) == [str(number) for number in range(30)]


async def test_what_is_older_than_the_absence_is_not_read(discord, help_channel, ann):
    notebook = Notebook()
    notebook.was_away(seconds=600)
    discord.world.write(help_channel, ann, f"<@{discord.world.bot.id}> Long ago", age=1_000)
    assert await texts_found(discord, notebook) == []
    assert discord.calls("GET", HISTORY) == []  # its last message is older, as the gateway says
    await discord.mention(help_channel, ann, "Now")
    assert await texts_found(discord, notebook) == ["Now"]


async def test_from_the_moment_that_core_names_on_everything_is_read(discord, help_channel, ann):
    notebook = Notebook()
    notebook.was_away(seconds=100)
    for age in (90, 110, 50):
        discord.world.write(help_channel, ann, f"<@{discord.world.bot.id}> {age} s ago", age=age)
    assert await texts_found(discord, notebook) == ["90 s ago", "50 s ago"]


# --- within bounds --------------------------------------------------------------------------------


async def test_more_messages_than_a_page_are_read(discord, help_channel, ann, notebook):
    await discord.mention(help_channel, ann, "first")
    for _ in range(230):
        await discord.say(help_channel, ann, "chatter")
    await discord.mention(help_channel, ann, "last")
    assert await texts_found(discord, notebook) == ["first", "last"]


async def test_no_more_messages_are_read_than_core_allows_and_the_newest_first(
    discord, help_channel, ann, caplog
):
    notebook = Notebook()
    notebook.was_away(messages=60)
    quiet = discord.world.channel("quiet")
    await discord.mention(quiet, ann, "too old")
    for number in range(70):
        await discord.mention(help_channel, ann, str(number))
    assert await texts_found(discord, notebook) == [str(number) for number in range(10, 70)]
    assert "CATCH_UP_MESSAGES" in caplog.text


async def test_a_busy_channel_does_not_keep_a_newer_question_elsewhere_from_being_found(
    discord, help_channel, ann
):
    notebook = Notebook()
    notebook.was_away(messages=100)
    quiet = discord.world.channel("quiet")
    for _ in range(90):
        await discord.say(help_channel, ann, "chatter")
    await discord.mention(quiet, ann, "How?")
    for _ in range(60):
        await discord.say(help_channel, ann, "chatter")
    assert await texts_found(discord, notebook) == ["How?"]


async def test_a_channel_that_the_bot_may_not_read_is_not_asked_for(
    discord, help_channel, ann, notebook
):
    closed, secret = discord.world.channel("closed"), discord.world.channel("secret")
    await discord.mention(closed, ann, "In vain")
    await discord.mention(secret, ann, "In vain")
    await discord.deny(closed, "read_message_history")
    await discord.deny(secret, "view_channel")
    await discord.mention(help_channel, ann, "How?")
    assert await texts_found(discord, notebook) == ["How?"]
    assert len(discord.calls("GET", HISTORY)) == 1


@pytest.mark.parametrize("fault", [Fault(status=403, code=50001), Fault(status=404, code=10003)])
async def test_a_channel_that_is_refused_all_the_same_is_passed_over_with_one_line(
    discord, help_channel, ann, notebook, caplog, fault
):
    other = discord.world.channel("other")
    await discord.mention(help_channel, ann, "How?")
    await discord.mention(other, ann, "In vain")  # the newest: asked for first
    discord.fail("GET", HISTORY, fault)
    assert await texts_found(discord, notebook) == ["How?"]
    lines = [one for one in caplog.records if "cannot be read" in one.message]
    assert [one.channel_id for one in lines] == [other.id]


# --- in bad times ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(drop="before"), Fault(retry_after=40.0), Fault(body="{")]
)
async def test_a_discord_that_stumbles_is_asked_again(
    discord, help_channel, ann, notebook, monkeypatch, fault
):
    monkeypatch.setattr(missed, "_LONGEST_PAUSE", 0.01)
    await discord.mention(help_channel, ann, "How?")
    discord.fail("GET", HISTORY, fault, fault)
    assert await texts_found(discord, notebook) == ["How?"]


async def test_what_discord_does_not_give_out_now_is_read_later_and_the_rest_at_once(
    discord, help_channel, ann, monkeypatch
):
    monkeypatch.setattr(missed, "SEARCH_PAUSES", (0.0,))
    notebook, later = Notebook(), Fault(until=asyncio.Event())
    thread = await discord.open_thread(help_channel, ann, "Talk")
    direct = discord.world.direct(ann)
    tenant = str(discord.world.guild)
    notebook.was_away(
        ThreadRef(platform="discord", tenant="", key=f"@me/{direct.id}"),
        ThreadRef(platform="discord", tenant=tenant, key=f"{help_channel.id}/{thread.id}"),
    )
    await discord.archive(thread)
    discord.world.write(thread, ann, f"<@{discord.world.bot.id}> In the thread?")
    await discord.archive(thread)
    await discord.dm(ann, "And I?")
    await discord.mention(help_channel, ann, "How?")
    await discord.mention(discord.world.channel("other"), ann, "Why?")
    discord.fail("GET", CHANNEL, *[Fault(status=503)] * 3)  # of the direct channel
    newest, others = [Fault(status=503)] * 3, [Fault()] * 2
    discord.fail("GET", HISTORY, *newest, *others, later)
    async with connected(discord, notebook=notebook):
        assert [(await notebook.next()).text for _ in range(2)] == ["In the thread?", "How?"]
        assert notebook.heard_of.empty()
        later.until.set()
        assert [(await notebook.next()).text for _ in range(2)] == ["And I?", "Why?"]
        assert await notebook.up_to_date() == "discord"
    assert notebook.nothing()


async def test_what_discord_never_gives_out_does_not_keep_the_listener_away_for_ever(
    discord, help_channel, ann, notebook, monkeypatch
):
    monkeypatch.setattr(missed, "SEARCH_PAUSES", (0.0, 0.0))
    await discord.mention(help_channel, ann, "How?")
    discord.fail("GET", HISTORY, *[Fault(status=503)] * 100)
    async with connected(discord, notebook=notebook):
        assert await notebook.up_to_date() == "discord"
    assert len(discord.calls("GET", HISTORY)) == 9


async def test_an_odd_message_does_not_hide_the_others(
    discord, help_channel, ann, notebook, monkeypatch, caplog
):
    await discord.mention(help_channel, ann, "Odd?")
    await discord.mention(help_channel, ann, "How?")
    take = notebook.take

    async def take_some(mention):
        if mention.text == "Odd?":
            raise RuntimeError(mention.text)
        return await take(mention)

    monkeypatch.setattr(notebook, "take", take_some)
    assert await texts_found(discord, notebook) == ["How?"]
    assert "RuntimeError" in caplog.text
    assert "Odd?" not in caplog.text


async def test_a_database_that_is_away_is_waited_for_and_nothing_is_called_heard_meanwhile(
    discord, help_channel, ann, notebook
):
    await discord.mention(help_channel, ann, "How?")
    notebook.refuses = True
    async with connected(discord, notebook=notebook):
        for _ in range(4):
            await notebook.asked()
        assert notebook.heard_of.empty()
        notebook.refuses = False
        assert (await notebook.next()).text == "How?"
        assert await notebook.up_to_date() == "discord"


async def test_a_search_that_breaks_ends_neither_the_intake_nor_the_signs_of_life(
    discord, help_channel, ann, notebook, monkeypatch, caplog
):
    monkeypatch.setattr(missed.Search, "find", None)  # a mistake of ours
    async with connected(discord, notebook=notebook):
        await notebook.up_to_date()
        await discord.mention(help_channel, ann, "How?")
        assert (await notebook.next()).text == "How?"
    assert "could not be looked for" in caplog.text


async def test_a_guild_that_is_out_of_order_is_not_waited_for_for_ever(
    discord, help_channel, ann, notebook, monkeypatch
):
    monkeypatch.setattr(missed, "GUILDS_SECONDS", 0.01)
    discord.gateway.withhold_guild = True
    async with connected(discord, notebook=notebook):
        assert await notebook.up_to_date() == "discord"


async def test_guilds_that_the_gateway_describes_late_are_waited_for(
    discord, help_channel, ann, notebook
):
    discord.gateway.withhold_guild = True
    await discord.mention(help_channel, ann, "How?")
    guild = discord.world.guilds[discord.world.guild]
    async with connected(discord, notebook=notebook):
        await notebook.asked()
        await discord.gateway.dispatch("GUILD_CREATE", discord.world.guild_payload(guild), 0)
        assert (await notebook.next()).text == "How?"


async def test_live_events_are_taken_while_the_search_goes_on(discord, help_channel, ann, notebook):
    await discord.mention(help_channel, ann, "Asked before")
    fault = Fault(until=asyncio.Event())
    discord.fail("GET", HISTORY, fault)
    async with connected(discord, notebook=notebook):
        await discord.wait_for(lambda: discord.calls("GET", HISTORY))
        await discord.mention(help_channel, ann, "Asked now")
        assert (await notebook.next()).text == "Asked now"
        fault.until.set()
        assert (await notebook.next()).text == "Asked before"


async def test_stopping_in_the_middle_of_a_search_takes_no_time(
    discord, help_channel, ann, notebook
):
    await discord.mention(help_channel, ann, "How?")
    fault = Fault(until=asyncio.Event())
    discord.fail("GET", HISTORY, fault)
    async with connected(discord, notebook=notebook) as bench:
        await discord.wait_for(lambda: discord.calls("GET", HISTORY))
        bench.stop.set()
        async with asyncio.timeout(1):
            await bench.running
    fault.until.set()
    assert notebook.heard_of.empty()


# --- when it is looked ----------------------------------------------------------------------------


async def up(bench: Bench) -> None:
    assert await bench.notebook.up_to_date() == "discord"


async def test_where_nothing_was_missed_nothing_is_looked_for(discord, help_channel, ann):
    await discord.mention(help_channel, ann, "How?")
    async with connected(discord) as bench:
        await up(bench)
        assert bench.notebook.nothing()
    assert discord.calls("GET", HISTORY) == []


async def test_while_it_is_connected_the_listener_says_so_again_and_again(discord, monkeypatch):
    monkeypatch.setattr(missed, "HEARD_SECONDS", 0.0)
    async with connected(discord) as bench:
        for _ in range(5):
            await up(bench)
        await discord.gateway.close_sockets(4000)


async def test_without_a_socket_nothing_is_called_heard(discord, monkeypatch):
    monkeypatch.setattr(missed, "HEARD_SECONDS", 0.0)
    async with connected(discord) as bench:
        await up(bench)
        monkeypatch.setattr(gateway, "pause", lambda failures: 60.0)
        await discord.gateway.close_sockets(4000)
        await discord.wait_for(lambda: discord.gateway.close_codes)
        heard = bench.notebook.heard_of
        while not heard.empty():
            heard.get_nowait()
        await discord.mention(discord.world.channel("new"), discord.world.user("Ann"), "How?")
        assert heard.empty()


async def test_what_is_not_handed_over_yet_is_not_called_heard(
    discord, help_channel, ann, monkeypatch
):
    monkeypatch.setattr(missed, "HEARD_SECONDS", 0.0)
    async with connected(discord) as bench:
        await up(bench)
        notebook, taking = bench.notebook, asyncio.Event()
        take = notebook.take

        async def slow_take(mention):
            await taking.wait()
            return await take(mention)

        monkeypatch.setattr(notebook, "take", slow_take)
        await discord.mention(help_channel, ann, "How?")
        await discord.delete(await discord.say(help_channel, ann, "Soup"))
        await notebook.next_deletion()  # so the mention was heard, too
        while not notebook.heard_of.empty():
            notebook.heard_of.get_nowait()
        await discord.delete(await discord.say(help_channel, ann, "Salad"))
        await notebook.next_deletion()
        assert notebook.heard_of.empty()
        taking.set()
        await up(bench)


async def test_a_session_that_is_resumed_brings_what_was_missed_and_nothing_is_looked_for(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        await up(bench)
        await discord.gateway.close_sockets(4000)
        await discord.mention(help_channel, ann, "How?")
        assert (await bench.notebook.next()).text == "How?"
        await up(bench)
    assert bench.notebook.asked_for == ["discord"]
    assert bench.notebook.nothing()


async def test_what_was_asked_while_the_session_was_invalidated_is_taken_once(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        await up(bench)
        before = await discord.mention(help_channel, ann, "Before")
        assert (await bench.notebook.next()).text == "Before"
        bench.notebook.was_away(seconds=1)
        await discord.gateway.invalidate_sessions()
        await discord.mention(help_channel, ann, "Meanwhile")  # no session hears of it
        await up(bench)
        await discord.mention(help_channel, ann, "After")
        taken = [await bench.notebook.next() for _ in range(3)]
        assert [one.text for one in taken] == ["Before", "Meanwhile", "After"]
        assert taken[0].message == before["id"]
        assert len(bench.notebook.seen) == 3
        assert bench.notebook.nothing()
    assert bench.notebook.asked_for == ["discord", "discord"]


async def test_what_was_asked_while_the_process_was_down_is_taken_once(discord, help_channel, ann):
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "Before")
        notebook = bench.notebook
        await notebook.next()
    await discord.mention(help_channel, ann, "Meanwhile")
    notebook.was_away(seconds=10)
    for _ in range(2):
        async with connected(discord, notebook=notebook):
            await notebook.up_to_date()  # of the first connection, that is
            assert (await notebook.next()).text == "Before"
            assert (await notebook.next()).text == "Meanwhile"
    assert len(notebook.seen) == 2


async def test_a_session_that_cannot_be_resumed_any_more_is_looked_behind(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        await up(bench)
        bench.notebook.was_away(seconds=1)
        discord.gateway.resume_seconds = -1.0
        await discord.gateway.close_sockets(4000)
        await discord.mention(help_channel, ann, "Meanwhile")
        assert (await bench.notebook.next()).text == "Meanwhile"
    assert len(discord.gateway.resumes) == 1
    assert len(discord.gateway.identifies) == 2


async def test_a_search_that_the_socket_interrupts_is_begun_again_when_it_is_back(
    discord, help_channel, ann, notebook
):
    await discord.mention(help_channel, ann, "How?")
    fault = Fault(until=asyncio.Event())
    discord.fail("GET", HISTORY, fault)
    async with connected(discord, notebook=notebook):
        await discord.wait_for(lambda: discord.calls("GET", HISTORY))
        await discord.gateway.close_sockets(4000)
        assert (await notebook.next()).text == "How?"
        await notebook.up_to_date()
    fault.until.set()
    assert notebook.asked_for == ["discord", "discord"]
    assert len(discord.gateway.identifies) == 1


async def test_a_found_question_is_answered_in_its_thread(discord, help_channel, ann, notebook):
    question = await discord.mention(help_channel, ann, "How do I start?")
    async with connected(discord, notebook=notebook) as bench:
        mention = await notebook.next()
        await bench.platform.post(answer_to(mention))
    thread = discord.thread_under(question)
    assert (thread.name, thread.texts()) == ("How do I start?", ["By starting."])
    assert replace(mention, text="") != mention
