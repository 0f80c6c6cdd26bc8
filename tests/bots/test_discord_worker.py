"""A process that only works: it posts on Discord, and hears nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bots.discord_bot import account
from bots.discord_bot.adapter import DiscordPlatform
from core.domain import Mention
from core.errors import (
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)
from servers.discord_bench import Bench, Notebook, answer_to, connected, platform_for
from servers.discord_http import Fault
from servers.discord_world import FORUM, VOICE

ME = "/users/@me"
MESSAGES = "/channels/{channel}/messages"
THREADS = "/channels/{channel}/messages/{message}/threads"


@pytest.fixture
async def bench(discord, help_channel) -> AsyncIterator[Bench]:
    """The process that hears."""
    async with connected(discord) as connected_bench:
        yield connected_bench


@pytest.fixture
async def worker(discord) -> AsyncIterator[DiscordPlatform]:
    """The process that works."""
    platform = platform_for(discord)
    await platform.open()
    yield platform
    await platform.close()
    assert discord.rest.unknown_fields == []


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(account, "RETRY_SECONDS", 0.0)


async def asked(discord, bench, channel, ann) -> Mention:
    await discord.mention(channel, ann, "How do I start?")
    return await bench.notebook.next()


async def test_no_gateway_is_opened(discord, worker):
    assert discord.gateway.connections == 0
    assert len(discord.calls("GET", ME)) == 1
    await worker.open()
    assert len(discord.calls("GET", ME)) == 1


async def test_the_thread_is_opened_with_the_name_of_the_question(
    discord, help_channel, ann, bench, worker
):
    mention = await asked(discord, bench, help_channel, ann)
    await worker.show_working(mention.thread, mention.message)
    post = answer_to(mention)
    assert await worker.find(post) is None
    message = await worker.post(post)
    assert await worker.find(post) == message
    thread = discord.world.channels[int(mention.message)]
    assert (thread.name, thread.texts()) == ("How do I start?", ["By starting."])
    assert len(thread.typing) == 1


async def test_threads_posts_of_forums_and_direct_messages_are_answered_in_place(
    discord, help_channel, ann, bench, worker
):
    forum = discord.world.channel("questions", FORUM)
    places = [
        await discord.open_thread(help_channel, ann, "Talk"),
        await discord.open_thread(forum, ann, "Post"),
        discord.world.direct(ann),
    ]
    for number, place in enumerate(places):
        mention = await asked(discord, bench, place, ann)
        post = answer_to(mention, marker=str(number) * 24)
        assert await worker.find(post) is None
        await worker.post(post)
        assert place.texts()[-1] == "By starting."
    assert discord.calls("POST", THREADS) == []


@pytest.mark.parametrize("kind", ["voice", "denied"])
async def test_where_no_thread_can_be_opened_the_reply_is_in_line_and_refusals_are_few(
    discord, help_channel, ann, bench, worker, kind
):
    channel = discord.world.channel("Lounge", VOICE) if kind == "voice" else help_channel
    if kind == "denied":
        await discord.deny(channel, "create_public_threads")
    for number in range(3):
        mention = await asked(discord, bench, channel, ann)
        post = answer_to(mention, marker=str(number) * 24)
        message = await worker.post(post)
        assert await worker.find(post) == message
    assert len(discord.posted(channel)) == 3
    assert len(discord.calls("POST", THREADS)) == 1


@pytest.mark.parametrize("first", [True, False])
async def test_a_deleted_post_of_a_forum_is_gone(discord, ann, bench, worker, first):
    post = await discord.open_thread(discord.world.channel("questions", FORUM), ann, "Post")
    more = {"id": str(post.id)} if first else {}  # the first message has the id of the thread
    await discord.mention(post, ann, "How?", **more)
    mention = await bench.notebook.next()
    await discord.remove(discord.world.channels[int(mention.channel)])
    with pytest.raises(ThreadGone):
        await worker.post(answer_to(mention))
    with pytest.raises(ThreadGone):
        await worker.find(answer_to(mention))


async def test_what_one_process_posted_another_finds_wherever_it_went(
    discord, help_channel, ann, bench, worker
):
    mention = await asked(discord, bench, help_channel, ann)
    discord.fail("POST", THREADS, Fault(retry_after=300.0))
    message = await bench.platform.post(answer_to(mention))  # in line
    await discord.open_thread(help_channel, ann, "Talk")
    discord.world.thread(help_channel, int(mention.message), "Ann's", ann.id)
    assert await worker.find(answer_to(mention)) == message


# --- announcing -----------------------------------------------------------------------------------


async def test_an_announcement_is_a_plain_message_that_pings_nobody(
    discord, help_channel, ann, worker
):
    await worker.announce(str(help_channel.id), f"<@{ann.id}> @everyone https://example.org")
    (call,) = discord.calls("POST", MESSAGES)
    assert call.body["allowed_mentions"]["parse"] == []
    assert call.body["flags"] == 4  # SUPPRESS_EMBEDS
    assert len(discord.posted(help_channel)) == 1


async def test_an_announcement_may_be_made_twice_and_is_cut_where_it_is_too_long(
    discord, help_channel, worker
):
    for _ in range(2):
        await worker.announce(str(help_channel.id), "a" * 3_000)
    assert [len(text) for text in help_channel.texts()] == [2_000, 2_000]


async def test_an_announcement_in_a_channel_that_is_not_there_fails_as_a_post_does(discord, worker):
    with pytest.raises(ThreadGone):
        await worker.announce(str(discord.world.snowflake()), "Hello")
    with pytest.raises(PlatformRefused):
        await worker.announce("C0GENERAL", "Hello")


# --- a Discord that is away -----------------------------------------------------------------------


async def test_a_discord_that_is_away_at_first_is_tried_again_by_the_next_post(
    discord, help_channel, ann, bench, hasty
):
    mention = await asked(discord, bench, help_channel, ann)
    worker = platform_for(discord)
    discord.fail("GET", ME, Fault(status=503), Fault(status=503), Fault(retry_after=99.0))
    await worker.open()
    with pytest.raises(PlatformUnreachable):
        await worker.post(answer_to(mention))
    with pytest.raises(PlatformBusy) as caught:
        await worker.post(answer_to(mention))
    assert caught.value.retry_after == 99.0
    await worker.post(answer_to(mention))
    await worker.close()
    assert discord.world.channels[int(mention.message)].texts() == ["By starting."]


async def test_while_discord_is_away_many_posts_do_not_all_try_to_log_in(
    discord, help_channel, ann, bench
):
    mention = await asked(discord, bench, help_channel, ann)
    before = len(discord.calls("GET", ME))
    worker = platform_for(discord)
    discord.fail("GET", ME, *[Fault(status=503)] * 50)
    await worker.open()
    posts = [worker.post(answer_to(mention)) for _ in range(20)]
    outcomes = await asyncio.gather(*posts, return_exceptions=True)
    await worker.show_working(mention.thread, mention.message)
    await worker.close()
    assert {type(outcome) for outcome in outcomes} == {PlatformUnreachable}
    assert len(discord.calls("GET", ME)) == before + 1


async def test_a_token_that_discord_refuses_is_said_when_it_is_opened(discord):
    worker = platform_for(discord, token="other-token")
    with pytest.raises(TokenRefused, match="DISCORD_TOKEN"):
        await worker.open()
    await worker.close()


async def test_a_token_that_discord_refuses_later_is_said_by_post(
    discord, help_channel, ann, bench, worker
):
    mention = await asked(discord, bench, help_channel, ann)
    discord.fail("POST", MESSAGES, Fault(status=401))
    with pytest.raises(TokenRefused, match="DISCORD_TOKEN"):
        await worker.post(answer_to(mention))


async def test_before_it_is_opened_and_after_it_is_closed_nothing_is_posted(
    discord, help_channel, ann, bench
):
    mention = await asked(discord, bench, help_channel, ann)
    worker = platform_for(discord)
    with pytest.raises(PlatformUnreachable):
        await worker.post(answer_to(mention))
    await worker.open()
    await worker.close()
    with pytest.raises(PlatformUnreachable):
        await worker.announce(str(help_channel.id), "Hello")
    assert help_channel.texts() == [f"<@{discord.world.bot.id}> How do I start?"]


async def test_a_platform_that_is_open_can_be_run(discord, help_channel, ann):
    platform, notebook = platform_for(discord), Notebook()
    stop, ready = asyncio.Event(), asyncio.Event()
    await platform.open()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(platform.run(notebook, stop, ready))
        await ready.wait()
        await discord.mention(help_channel, ann, "How?")
        assert (await notebook.next()).text == "How?"
        stop.set()
    await platform.close()
    assert len(discord.calls("GET", ME)) == 1
