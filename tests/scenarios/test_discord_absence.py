"""A Docent that was away from Discord: what was asked meanwhile is answered, each question once."""

from servers.discord_server import DiscordServer
from servers.discord_world import Channel, Json
from servers.docent_rig import docent_running

QUESTION = "When does an access token expire?"


async def answered(discord: DiscordServer, question: Json) -> Channel:
    """Wait for the answer to a question in a channel; its thread."""
    thread = await discord.wait_for(lambda: discord.thread_under(question))
    await discord.wait_for(lambda: discord.posted(thread))
    return thread


async def test_what_was_asked_while_nobody_was_there_is_answered_once(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    world, asker = discord.world, discord.world.user("alice")
    channel, direct = world.channel("help"), world.direct(asker)
    async with docent_running(discord_values):
        await discord.wait_for(lambda: discord.gateway.sessions)
        before = await discord.mention(channel, asker, QUESTION)
        thread = await answered(discord, before)
        await discord.dm(asker, QUESTION)
        await discord.wait_for(lambda: discord.posted(direct))

    in_channel = await discord.mention(channel, asker, QUESTION)
    await discord.mention(thread, asker, QUESTION)
    await discord.dm(asker, QUESTION)
    await discord.delete(await discord.mention(channel, asker, "Never mind"))

    for _ in range(2):
        async with docent_running(discord_values):
            await answered(discord, in_channel)
            for place in (thread, direct):
                await discord.wait_for(lambda at=place: len(discord.posted(at)) >= 2)

    assert [len(discord.posted(place)) for place in (thread, direct)] == [2, 2]
    assert len(discord.posted(await answered(discord, in_channel))) == 1
    assert discord.posted(channel) == []


async def test_what_was_asked_while_the_session_was_invalid_is_answered_once(
    discord_values: dict[str, str], discord: DiscordServer
) -> None:
    asker, channel = discord.world.user("alice"), discord.world.channel("help")
    discord.gateway.deliver_twice = True
    async with docent_running(discord_values):
        await discord.wait_for(lambda: discord.gateway.sessions)
        await answered(discord, await discord.mention(channel, asker, QUESTION))
        await discord.gateway.invalidate_sessions()
        unheard = await discord.mention(channel, asker, QUESTION)
        await answered(discord, unheard)
        heard = await discord.mention(channel, asker, QUESTION)
        await answered(discord, heard)
    for question in (unheard, heard):
        thread = discord.thread_under(question)
        assert thread is not None
        assert len(discord.posted(thread)) == 1
