"""The commands on Discord, and /ask as people see it."""

import asyncio

from servers.discord_bench import Memory, answer_to, connected
from servers.discord_http import Fault
from servers.discord_server import DiscordServer

COMMANDS = "/applications/{application}/commands"
CALLBACK = "/interactions/{interaction}/{token}/callback"
RESPONSE = "/webhooks/{application}/{token}/messages/@original"


async def ask(discord, user, channel, question="How do I start?"):
    return await discord.slash("ask", user, channel, {"question": question})


# --- what Discord is told -------------------------------------------------------------------------


async def test_the_commands_are_made_known_once(discord):
    memory = Memory()
    for _ in range(2):
        async with connected(discord, memory=memory):
            async with asyncio.timeout(60):
                await memory.kept.wait()
    assert len(discord.calls("PUT", COMMANDS)) == 1
    ask_command, gaps_command, refresh_command = (
        next(one for one in discord.world.commands if one["name"] == name)
        for name in ("ask", "docs-gaps", "refresh-docs")
    )
    (since,) = gaps_command["options"]
    assert (since["name"], since["required"]) == ("since", False)
    (source,) = refresh_command["options"]
    assert (source["name"], source["required"], source["autocomplete"]) == ("source", False, True)
    asked = [(one["name"], one["type"], one["required"]) for one in ask_command["options"]]
    assert asked == [("question", 3, True), ("file", 11, False)]
    for command in (ask_command, gaps_command, refresh_command):
        assert command["contexts"] == [0, 1]  # servers, and direct messages with the bot
        assert command["integration_types"] == [0]  # not carried into other servers by a person


async def test_the_commands_are_made_known_to_another_application_too(discord):
    memory = Memory()
    async with connected(discord, memory=memory):
        async with asyncio.timeout(60):
            await memory.kept.wait()
    async with DiscordServer() as other, connected(other, memory=memory):
        await other.wait_for(lambda: other.calls("PUT", COMMANDS))


async def test_commands_that_discord_does_not_take_stop_nothing(discord, help_channel, ann):
    memory = Memory()
    discord.fail("PUT", COMMANDS, Fault(status=400, code=50035))
    async with connected(discord, memory=memory) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        await bench.notebook.next()
    assert memory.text is None  # told again at the next start


async def test_a_database_that_cannot_be_used_stops_nothing(discord, help_channel, ann):
    async with connected(discord, memory=Memory(broken=True)) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        await bench.notebook.next()


# --- /ask -----------------------------------------------------------------------------------------


async def test_a_question_is_shown_and_answered_in_a_thread_under_it(discord, help_channel, ann):
    async with connected(discord) as bench:
        interaction = await ask(discord, ann, help_channel)
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
        await discord.mention(discord.thread_under(interaction.message), ann, "And then?")
        follow_up = await bench.notebook.next()
    assert interaction.texts == ["**Ann** asks: How do I start?"]
    assert not interaction.ephemeral
    assert (mention.text, mention.author) == ("How do I start?", str(ann.id))
    assert mention.message == interaction.message["id"]
    thread = discord.thread_under(interaction.message)
    assert thread.name == "How do I start?"
    assert thread.texts()[0] == "By starting."
    assert follow_up.thread == mention.thread


async def test_in_a_thread_the_question_belongs_to_it(discord, help_channel, ann):
    async with connected(discord) as bench:
        thread = await discord.open_thread(help_channel, ann, "Installing")
        await ask(discord, ann, thread)
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
    assert mention.thread.key == f"{help_channel.id}/{thread.id}"
    assert thread.texts()[-1] == "By starting."


async def test_in_private_the_question_belongs_to_the_direct_channel(discord, ann):
    async with connected(discord) as bench:
        direct = discord.world.direct(ann)
        await ask(discord, ann, direct)
        mention = await bench.notebook.next()
        await bench.platform.post(answer_to(mention))
    assert (mention.thread.key, mention.thread.tenant) == (f"@me/{direct.id}", "")
    assert direct.texts()[-1] == "By starting."


async def test_what_is_asked_is_shown_without_markup_and_pings(discord, help_channel, ann):
    ann.name = "*Ann*"
    async with connected(discord) as bench:
        interaction = await ask(discord, ann, help_channel, "**bold** @everyone?")
        assert (await bench.notebook.next()).text == "**bold** @everyone?"
    (call,) = discord.calls("PATCH", RESPONSE)
    assert interaction.texts == [r"**\*Ann\*** asks: \*\*bold\*\* @everyone?"]
    assert call.body["allowed_mentions"]["parse"] == []


async def test_the_longest_question_fits_into_the_message_that_shows_it(discord, help_channel, ann):
    async with connected(discord) as bench:
        interaction = await ask(discord, ann, help_channel, "*" * 1_500)
        assert (await bench.notebook.next()).text == "*" * 1_500
    assert len(interaction.texts[-1]) == 2_000


async def test_a_question_that_cannot_be_written_down_brings_an_apology(discord, help_channel, ann):
    async with connected(discord) as bench:
        bench.notebook.refuses = True
        interaction = await ask(discord, ann, help_channel)
        await discord.wait_for(lambda: len(interaction.texts) == 2)
    assert "ask again" in interaction.texts[-1]


async def test_where_the_bot_cannot_answer_only_the_person_is_told(discord, help_channel, ann):
    async with connected(discord) as bench:
        await discord.deny(help_channel, "send_messages", "create_public_threads")
        interaction = await ask(discord, ann, help_channel)
        await discord.wait_for(lambda: interaction.texts)
        assert bench.notebook.nothing()
    assert interaction.ephemeral
    assert "Send Messages" in interaction.texts[0]


async def test_a_lost_acknowledgement_does_not_lose_the_question(discord, help_channel, ann):
    discord.fail("POST", CALLBACK, Fault(drop="after"))
    async with connected(discord) as bench:
        await ask(discord, ann, help_channel)
        assert (await bench.notebook.next()).text == "How do I start?"


async def test_a_lost_reply_to_showing_it_does_not_lose_the_question(discord, help_channel, ann):
    discord.fail("PATCH", RESPONSE, Fault(drop="after"), Fault(drop="before"))
    async with connected(discord) as bench:
        interaction = await ask(discord, ann, help_channel)
        assert (await bench.notebook.next()).message == interaction.message["id"]


async def test_a_command_that_is_not_known_any_more_brings_a_plain_sentence(
    discord, help_channel, ann
):
    async with connected(discord):
        interaction = await discord.slash("retired", ann, help_channel)
        await discord.wait_for(lambda: interaction.texts)
    assert interaction.ephemeral
    assert interaction.texts == ["Something went wrong on my side. Please try again in a moment."]
