"""What people said in a thread on Discord, for a question in the middle of it."""

from collections.abc import AsyncIterator

import pytest

from bots.discord_bot.adapter import DiscordPlatform
from core.domain import MessageId, ThreadRef
from core.errors import PlatformError
from servers.discord_bench import answer_to, connected, platform_for
from servers.discord_server import DiscordServer
from servers.discord_world import FORUM, Channel, Json, User
from servers.mentions import mention

GET_MESSAGES = ("GET", "/channels/{channel}/messages")
GET_MESSAGE = ("GET", "/channels/{channel}/messages/{message}")


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(content_intent=True) as server:
        yield server
        assert server.rest.unknown_fields == []


@pytest.fixture
async def platform(discord: DiscordServer) -> AsyncIterator[DiscordPlatform]:
    ours = platform_for(discord, message_content=True)
    await ours.open()
    yield ours
    await ours.close()


@pytest.fixture
def ben(discord: DiscordServer) -> User:
    return discord.world.user("Ben")


def thread_from(discord: DiscordServer, root: Json) -> Channel:
    """The thread that somebody opened from a message."""
    parent = discord.world.channels[int(root["channel_id"])]
    return discord.world.thread(parent, int(root["id"]), "talk", int(root["author"]["id"]))


def ref(discord: DiscordServer, thread: Channel) -> ThreadRef:
    assert thread.parent is not None
    key = f"{thread.parent.id}/{thread.id}"
    return ThreadRef(platform="discord", tenant=str(discord.world.guild), key=key)


async def read(
    discord: DiscordServer,
    platform: DiscordPlatform,
    thread: Channel,
    before: Json,
    after: Json | None = None,
    limit: int = 30,
) -> list[tuple[str, str]]:
    since = MessageId(after["id"]) if after else None
    found = await platform.talk(ref(discord, thread), since, MessageId(before["id"]), limit)
    return [(said.speaker, said.text) for said in found]


async def test_the_message_that_a_thread_was_made_from_comes_first(
    discord: DiscordServer, platform: DiscordPlatform, ann: User, ben: User
) -> None:
    root = await discord.say(discord.world.channel("help"), ann, "It shows E42 since noon.")
    thread = thread_from(discord, root)
    await discord.say(thread, ben, f"<@{ann.id}> restart it")
    asked = await discord.mention(thread, ann, "how?")
    await discord.say(thread, ben, "later")
    assert await read(discord, platform, thread, asked) == [
        ("Ann", "It shows E42 since noon."),
        ("Ben", "@Ann restart it"),
    ]


async def test_of_a_forums_post_the_first_message_stands_in_it(
    discord: DiscordServer, platform: DiscordPlatform, ann: User, ben: User
) -> None:
    post = discord.world.thread(
        discord.world.channel("ideas", FORUM), discord.world.snowflake(), "A post", ann.id
    )
    first = discord.world.write(post, ann, "My idea")
    first["id"] = str(post.id)
    post.messages = {post.id: first}
    await discord.say(post, ben, "A good one")
    asked = await discord.mention(post, ann, "how?")
    assert await read(discord, platform, post, asked) == [("Ann", "My idea"), ("Ben", "A good one")]
    assert discord.calls(*GET_MESSAGE) == []
    assert await read(discord, platform, post, asked, limit=1) == [("Ann", "My idea")]


async def test_a_thread_that_was_made_from_no_message_has_no_root(
    discord: DiscordServer, platform: DiscordPlatform, ann: User
) -> None:
    thread = await discord.open_thread(discord.world.channel("help"), ann, "talk")
    await discord.say(thread, ann, "Hello")
    asked = await discord.mention(thread, ann, "how?")
    assert await read(discord, platform, thread, asked) == [("Ann", "Hello")]


async def test_only_what_came_since_the_last_question_is_read_and_not_what_we_replied(
    discord: DiscordServer, platform: DiscordPlatform, ann: User, ben: User
) -> None:
    root = await discord.say(discord.world.channel("help"), ann, "root")
    thread = thread_from(discord, root)
    first = await discord.mention(thread, ann, "how?")
    key = ref(discord, thread).key
    asked = mention("how?", platform="discord", thread=key, message=first["id"])
    await platform.post(answer_to(asked, text="An answer.", marker="a" * 24))
    await discord.say(thread, ben, "that did not help")
    second = await discord.mention(thread, ben, "what now?")
    assert await read(discord, platform, thread, second, first) == [("Ben", "that did not help")]
    assert len(discord.calls(*GET_MESSAGES)) == 1
    assert discord.calls(*GET_MESSAGE) == []


async def test_of_a_question_that_begins_its_thread_what_it_replies_to_is_read(
    discord: DiscordServer, platform: DiscordPlatform, ann: User, ben: User
) -> None:
    channel = discord.world.channel("help")
    told = await discord.say(channel, ben, "It shows E42 since noon.")
    asked = await discord.mention(channel, ann, "why?", reply_to=told)
    thread = thread_from(discord, asked)
    assert await read(discord, platform, thread, asked) == [("Ben", "It shows E42 since noon.")]
    await discord.delete(asked)
    assert await read(discord, platform, thread, asked) == []


@pytest.mark.parametrize("to", ["nothing", "us", "what is gone"])
async def test_of_a_question_that_replies_to_nobody_else_nothing_is_read(
    discord: DiscordServer, platform: DiscordPlatform, ann: User, to: str
) -> None:
    channel = discord.world.channel("help")
    told = None
    if to != "nothing":
        told = discord.world.write(channel, discord.world.bot if to == "us" else ann, "Read this.")
    asked = await discord.mention(channel, ann, "why?", reply_to=told)
    if to == "what is gone":
        asked["referenced_message"] = None
    assert await read(discord, platform, thread_from(discord, asked), asked) == []


async def test_a_question_that_was_heard_to_reply_to_nothing_costs_no_request(
    discord: DiscordServer, ann: User
) -> None:
    channel = discord.world.channel("help")
    told = await discord.say(channel, ann, "It shows E42 since noon.")
    async with connected(discord, message_content=True) as bench:
        for replied, looks in ((None, 0), (told, 1)):
            await discord.mention(channel, ann, "why?", reply_to=replied)
            asked = await bench.notebook.next()
            said = await bench.platform.talk(asked.thread, None, asked.message, 30)
            assert len(said) == looks
            assert len(discord.calls(*GET_MESSAGE)) == looks


async def test_a_direct_message_costs_no_request(
    discord: DiscordServer, platform: DiscordPlatform, ann: User
) -> None:
    direct = ThreadRef(platform="discord", tenant="", key=f"@me/{discord.world.direct(ann).id}")
    asked = await discord.dm(ann, "and this?")
    assert list(await platform.talk(direct, None, MessageId(asked["id"]), 30)) == []
    assert discord.calls(*GET_MESSAGES) == []
    assert discord.calls(*GET_MESSAGE) == []


async def test_messages_whose_text_discord_keeps_back_are_passed_over() -> None:
    async with DiscordServer() as discord:
        ann = discord.world.user("Ann")
        platform = platform_for(discord)
        await platform.open()
        root = await discord.say(discord.world.channel("help"), ann, "hidden")
        thread = thread_from(discord, root)
        await discord.mention(thread, ann, "shown")
        asked = await discord.mention(thread, ann, "how?")
        assert await read(discord, platform, thread, asked) == [("Ann", "shown")]
        await platform.close()


async def test_joins_and_other_signs_are_no_words(
    discord: DiscordServer, platform: DiscordPlatform, ann: User
) -> None:
    root = await discord.say(discord.world.channel("help"), ann, "root")
    thread = thread_from(discord, root)
    await discord.say(thread, ann, "a new name", type=4)
    asked = await discord.mention(thread, ann, "how?")
    assert await read(discord, platform, thread, asked) == [("Ann", "root")]


async def test_of_a_long_thread_the_root_and_the_newest_are_read(
    discord: DiscordServer, platform: DiscordPlatform, ann: User
) -> None:
    root = await discord.say(discord.world.channel("help"), ann, "root")
    thread = thread_from(discord, root)
    for number in range(9):
        await discord.say(thread, ann, f"reply {number}")
    asked = await discord.mention(thread, ann, "how?")
    found = await read(discord, platform, thread, asked, limit=3)
    assert [text for _, text in found] == ["root", "reply 7", "reply 8"]


async def test_a_thread_that_is_gone_is_a_platform_error(
    discord: DiscordServer, platform: DiscordPlatform, ann: User
) -> None:
    root = await discord.say(discord.world.channel("help"), ann, "root")
    thread = thread_from(discord, root)
    asked = await discord.mention(thread, ann, "how?")
    del discord.world.channels[thread.id]
    with pytest.raises(PlatformError):
        await read(discord, platform, thread, asked)


def test_a_thread_counts_as_the_channel_that_it_hangs_in(discord: DiscordServer) -> None:
    platform = platform_for(discord)
    threads = {"12/345": "12", "@me/77": "77"}
    for key, channel in threads.items():
        ref = ThreadRef(platform="discord", tenant="1", key=key)
        assert platform.channel_of(ref) == channel
