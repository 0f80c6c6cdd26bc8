"""The main job in Discord: discord.py over sockets, from a mention to the answer in its thread."""

from pathlib import Path

from servers.discord_server import DiscordServer
from servers.discord_world import Channel
from servers.docent_rig import OLD_PAGES, docent_running, remove_docs, write_docs
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer


async def replies(discord: DiscordServer, thread: Channel, count: int) -> list[str]:
    """What the bot wrote in a thread, once there is so much."""
    await discord.wait_for(lambda: len(discord.posted(thread)) >= count)
    return [str(message["content"]) for message in discord.posted(thread)]


async def test_the_main_job(
    discord_values: dict[str, str],
    discord: DiscordServer,
    openai: OpenAIServer,
    documentation: Path,
) -> None:
    world = discord.world
    help_channel, asker, admin = world.channel("help"), world.user("alice"), world.user("root")
    values = {**discord_values, "ADMINS": f"discord:{admin.id}"}
    async with docent_running(values):
        await discord.wait_for(lambda: world.commands)

        # An admin refreshes the documentation; somebody else is told how to become one.
        refused = await discord.slash("refresh-docs", asker, help_channel)
        await discord.wait_for(lambda: f"discord:{asker.id}" in str(refused.texts))
        write_docs(documentation, {"limits.md": "# Limits\n\nA project holds forty members.\n"})
        command = await discord.slash("refresh-docs", admin, help_channel)
        await discord.wait_for(lambda: "1 added, 0 changed" in str(command.texts))

        # A mention opens a thread, and is answered there with a link to the page.
        message = await discord.mention(help_channel, asker, "When does an access token expire?")
        thread = await discord.wait_for(lambda: discord.thread_under(message))
        (answer,) = await replies(discord, thread, 1)
        assert "ninety days" in answer
        assert "[Access tokens](<https://docs.example.com/tokens>)" in answer
        assert discord.posted(help_channel) == []

        # Asked again in the thread, it is the same conversation.
        await discord.mention(thread, asker, "How many members does a project hold?")
        answer = (await replies(discord, thread, 2))[1]
        assert "forty members" in answer
        created = openai.sent("POST", "/responses")
        assert created[0].json["conversation"] == created[1].json["conversation"]

        # A run that fails brings the fallback, with the pages that may help.
        openai.script(Script(statuses=["failed"], error_code="invalid_prompt"))
        await discord.mention(thread, asker, "How do I renew an access token?")
        fallback = (await replies(discord, thread, 3))[2]
        assert fallback.startswith("I cannot reply at this time. Reach out to the team on Discord")
        assert discord_values["DISCORD_INVITE_URL"] in fallback
        assert "https://docs.example.com/tokens" in fallback


async def test_direct_messages_are_answered_without_a_mention_as_one_conversation(
    discord_values: dict[str, str], discord: DiscordServer, openai: OpenAIServer
) -> None:
    asker = discord.world.user("alice")
    direct = discord.world.direct(asker)
    async with docent_running(discord_values):
        await discord.wait_for(lambda: discord.world.commands)
        await discord.dm(asker, "When does an access token expire?")
        assert "ninety days" in (await replies(discord, direct, 1))[0]
        await discord.dm(asker, "How do I install Acme?")
        assert "pip install acme" in (await replies(discord, direct, 2))[1]
    first, second = openai.sent("POST", "/responses")
    assert first.json["conversation"] == second.json["conversation"]


async def test_ask_shows_the_question_and_answers_in_a_thread_under_it(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world = discord.world
    help_channel, asker = world.channel("help"), world.user("alice")
    async with docent_running({**discord_values, "ENGINE": "local"}):
        await discord.wait_for(lambda: world.commands)
        question = {"question": "When does an access token expire?"}
        await discord.slash("ask", asker, help_channel, question)
        (shown,) = await discord.wait_for(
            lambda: [m for m in discord.posted(help_channel) if m["content"]], 15
        )
        assert "When does an access token expire?" in shown["content"]
        thread = await discord.wait_for(lambda: discord.thread_under(shown))
        assert "ninety days" in (await replies(discord, thread, 1))[0]


async def test_pages_that_are_gone_stay_until_an_admin_presses_the_button(
    discord_values: dict[str, str], discord: DiscordServer, documentation: Path
) -> None:
    world = discord.world
    help_channel, admin = world.channel("help"), world.user("root")
    values = {**discord_values, "ENGINE": "local", "ADMINS": f"discord:{admin.id}"}
    write_docs(documentation, OLD_PAGES)
    async with docent_running(values) as docent:
        await discord.wait_for(lambda: world.commands)
        remove_docs(documentation, OLD_PAGES)
        command = await discord.slash("refresh-docs", admin, help_channel)
        await discord.wait_for(lambda: "7 of 9 pages" in str(command.texts))
        pages = docent.store.documents
        assert await pages.count() == 9

        assert command.message is not None
        pressed = await discord.press(command.message, "Remove 7 pages", admin)
        await discord.wait_for(lambda: "7 removed" in str(pressed.texts))
        assert await pages.count() == 2
        assert command.message["components"] == []


async def test_a_mention_that_replies_to_a_message_of_the_channel_comes_with_it(
    discord_values: dict[str, str], openai: OpenAIServer
) -> None:
    async with DiscordServer(content_intent=True) as discord:
        values = {
            **discord_values,
            "DISCORD_TOKEN": discord.token,
            "DISCORD_API_URL": discord.api_url,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
            "DISCORD_MESSAGE_CONTENT": "true",
        }
        world = discord.world
        channel, alice, bob = world.channel("help"), world.user("Alice"), world.user("Bob")
        async with docent_running(values):
            await discord.wait_for(lambda: world.commands, 60)
            told = await discord.say(channel, alice, "When does an access token expire?")
            message = await discord.mention(channel, bob, "", reply_to=told)
            thread = await discord.wait_for(lambda: discord.thread_under(message), 60)
            await replies(discord, thread, 1)
    (request,) = openai.sent("POST", "/responses")
    (quote,) = [one["content"] for one in request.json["input"] if "QUOTE" in str(one["content"])]
    assert "\n[Alice] When does an access token expire?\n" in quote
