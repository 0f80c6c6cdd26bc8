"""Discord in shards: each guild heard once, by one of them, and none in the way of the others."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bots.discord_bot import connection, gateway
from core.domain import ThreadRef
from core.errors import PlatformRefused
from core.settings import Shards
from servers.discord_bench import Memory, Notebook, answer_to, connected, platform_for
from servers.discord_http import Fault
from servers.discord_server import DiscordServer
from servers.discord_world import Channel

COMMANDS = "/applications/{application}/commands"
HISTORY = "/channels/{channel}/messages"
ALL = Shards(ids=(0, 1, 2, 3), count=4)
LOW, HIGH = Shards(ids=(0, 1), count=4), Shards(ids=(2, 3), count=4)


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    """A Discord that needs four shards, and takes them all at once."""
    async with DiscordServer() as server:
        server.gateway.shards, server.gateway.max_concurrency = 4, 4
        server.gateway.sharding_required = True
        yield server


@pytest.fixture
def channels(discord) -> list[Channel]:
    """A channel on each shard."""
    world = discord.world
    return [
        world.channel(f"help {shard}", guild=world.add_guild(shard=shard, of=4))
        for shard in range(4)
    ]


@pytest.fixture
def hasty(monkeypatch):
    """Pauses that do not keep a test waiting."""
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(gateway, "IDENTIFY_SECONDS", 0.0)


def shards_of(discord: DiscordServer) -> list[list[int]]:
    return [identify["shard"] for identify in discord.gateway.identifies]


async def ask_everywhere(discord, channels, ann) -> None:
    for channel in channels:
        await discord.mention(channel, ann, channel.name)


async def taken(notebook: Notebook, count: int) -> list[str]:
    return sorted([(await notebook.next()).text for _ in range(count)])


# --- hearing --------------------------------------------------------------------------------------


async def test_each_shard_says_which_one_it_is(discord):
    async with connected(discord, shards=ALL):
        assert sorted(shards_of(discord)) == [[0, 4], [1, 4], [2, 4], [3, 4]]


async def test_without_the_setting_there_is_one_connection_and_no_shard(discord):
    discord.gateway.sharding_required = False
    async with connected(discord):
        (identify,) = discord.gateway.identifies
    assert "shard" not in identify


async def test_all_shards_in_one_process_hear_every_guild_once(discord, channels, ann):
    async with connected(discord, shards=ALL) as bench:
        await ask_everywhere(discord, channels, ann)
        assert await taken(bench.notebook, 4) == ["help 0", "help 1", "help 2", "help 3"]
        await discord.dm(ann, "And I?")
        assert (await bench.notebook.next()).text == "And I?"
        assert bench.notebook.nothing()


async def test_two_processes_hear_one_half_each_and_the_first_the_direct_messages(
    discord, channels, ann
):
    async with connected(discord, shards=LOW) as low, connected(discord, shards=HIGH) as high:
        await ask_everywhere(discord, channels, ann)
        await discord.dm(ann, "And I?")
        assert await taken(low.notebook, 3) == ["And I?", "help 0", "help 1"]
        assert await taken(high.notebook, 2) == ["help 2", "help 3"]
        assert low.notebook.nothing()
        assert high.notebook.nothing()


async def test_a_reply_reaches_a_guild_of_another_process(discord, channels, ann):
    async with connected(discord, shards=LOW) as low, connected(discord, shards=HIGH) as high:
        question = await discord.mention(channels[3], ann, "How?")
        await low.platform.post(answer_to(await high.notebook.next()))
    assert discord.thread_under(question).texts() == ["By starting."]


async def test_the_bot_is_ready_when_every_shard_is(discord, monkeypatch):
    monkeypatch.setattr(connection, "FIRST_PAUSE", 60.0)
    discord.gateway.close_at_once = [4000]  # one of the four
    platform, ready, stop = platform_for(discord, shards=ALL), asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(platform.run(Notebook(), stop, ready))
        await discord.wait_for(lambda: len(discord.gateway.sessions) == 3)
        stop.set()
    await platform.close()
    assert not ready.is_set()


async def test_only_the_process_with_the_first_shard_tells_discord_of_the_commands(discord):
    memory = Memory()
    async with (
        connected(discord, shards=HIGH, memory=Memory()),
        connected(discord, shards=LOW, memory=memory),
    ):
        async with asyncio.timeout(60):
            await memory.kept.wait()
    assert len(discord.calls("PUT", COMMANDS)) == 1


async def test_a_command_comes_on_the_shard_of_its_guild(discord, channels, ann):
    async with connected(discord, shards=LOW) as low, connected(discord, shards=HIGH) as high:
        await discord.slash("ask", ann, channels[2], {"question": "How?"})
        mention = await high.notebook.next()
        assert mention.thread.tenant == str(channels[2].guild)
        assert low.notebook.nothing()


# --- one falling over -----------------------------------------------------------------------------


async def test_a_shard_that_drops_is_resumed_while_the_others_go_on(discord, channels, ann, hasty):
    async with connected(discord, shards=ALL) as bench:
        await discord.gateway.close_sockets(4000, shard=2)
        await ask_everywhere(discord, channels, ann)
        assert await taken(bench.notebook, 4) == ["help 0", "help 1", "help 2", "help 3"]
        await discord.wait_for(lambda: discord.gateway.resumes)
    assert len(discord.gateway.resumes) == 1
    assert len(discord.gateway.identifies) == 4


async def test_a_shard_that_stays_away_keeps_no_other_from_hearing(
    discord, channels, ann, monkeypatch
):
    async with connected(discord, shards=ALL) as bench:
        monkeypatch.setattr(gateway, "pause", lambda failures: 60.0)
        await discord.gateway.close_sockets(4000, lose_sessions=True, shard=1)
        await ask_everywhere(discord, channels, ann)
        assert await taken(bench.notebook, 3) == ["help 0", "help 2", "help 3"]


async def test_a_new_session_of_one_shard_forgets_nothing_of_the_others(
    discord, channels, ann, hasty
):
    async with connected(discord, shards=ALL) as bench:
        await discord.gateway.invalidate_sessions(shard=1)
        await discord.wait_for(lambda: len(discord.gateway.sessions) == 4)
        await discord.deny(channels[3], "send_messages", "send_messages_in_threads")
        await discord.mention(channels[3], ann, "In vain")
        direct = discord.world.direct(ann)
        await discord.wait_for(direct.texts)  # the permissions there are known
        await ask_everywhere(discord, channels[:3], ann)
        assert await taken(bench.notebook, 3) == ["help 0", "help 1", "help 2"]
    assert shards_of(discord)[4:] == [[1, 4]]


async def test_stopping_closes_every_shards_session(discord):
    async with connected(discord, shards=ALL) as bench:
        bench.stop.set()
        await bench.running
        await discord.wait_for(lambda: len(discord.gateway.close_codes) == 4)
    assert discord.gateway.close_codes == [1000] * 4


# --- beginning slowly -----------------------------------------------------------------------------


async def test_shards_of_one_bucket_begin_one_after_the_other(discord, monkeypatch):
    monkeypatch.setattr(gateway, "IDENTIFY_SECONDS", 0.1)
    discord.gateway.max_concurrency, discord.gateway.identify_seconds = 1, 0.05
    async with connected(discord, shards=ALL):
        assert len(discord.gateway.sessions) == 4
    assert len(discord.gateway.identifies) == 4  # none was sent away for being too early


async def test_shards_of_different_buckets_begin_together(discord):
    async with asyncio.timeout(4), connected(discord, shards=ALL):
        assert len(discord.gateway.sessions) == 4


async def test_a_shard_that_begins_too_early_is_sent_away_and_comes_again(
    discord, channels, ann, hasty
):
    discord.gateway.identify_seconds = 0.05
    discord.gateway.max_concurrency = 1
    discord.fail("GET", "/gateway/bot", Fault(status=403, code=0))  # so nobody knows
    async with connected(discord, shards=ALL) as bench:
        await ask_everywhere(discord, channels, ann)
        assert await taken(bench.notebook, 4) == ["help 0", "help 1", "help 2", "help 3"]
    assert len(discord.gateway.identifies) > 4


async def test_when_hardly_any_session_may_be_begun_the_bot_waits_and_says_so(discord, caplog):
    discord.gateway.starts_left, discord.gateway.reset_after = 0, 3_600.0
    platform, stop = platform_for(discord, shards=ALL), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(platform.run(Notebook(), stop, asyncio.Event()))
        await discord.wait_for(lambda: discord.calls("PUT", COMMANDS))
        stop.set()
    await platform.close()
    assert discord.gateway.identifies == []
    assert [one.again_in for one in caplog.records if hasattr(one, "left")] == [3_600.0]


# --- what was missed ------------------------------------------------------------------------------


async def test_each_shard_looks_for_what_was_missed_in_its_own_guilds(discord, channels, ann):
    await ask_everywhere(discord, channels, ann)
    await discord.dm(ann, "And I?")
    direct = ThreadRef(platform="discord", tenant="", key=f"@me/{discord.world.direct(ann).id}")
    notebook = Notebook()
    for shard in (0, 2, 3):
        notebook.was_away(direct, listener=f"discord/{shard}")
    async with connected(discord, shards=ALL, notebook=notebook):
        assert await taken(notebook, 4) == ["And I?", "help 0", "help 2", "help 3"]
        heard = {await notebook.up_to_date() for _ in range(4)}
        assert notebook.nothing()
    assert heard == set(notebook.asked_for) == {f"discord/{shard}" for shard in range(4)}
    assert len(discord.calls("GET", HISTORY)) == 4


# --- what Discord refuses -------------------------------------------------------------------------


async def refusal(platform) -> PlatformRefused:
    try:
        with pytest.raises(PlatformRefused) as caught:
            async with asyncio.timeout(60):
                await platform.run(Notebook(), asyncio.Event(), asyncio.Event())
    finally:
        await platform.close()
    return caught.value


async def test_too_few_shards_are_reported_by_the_name_of_the_setting(discord):
    error = await refusal(platform_for(discord))
    assert "4011" in str(error)
    assert "DISCORD_SHARDS" in error.hint


async def test_a_shard_that_there_is_not_is_reported_by_the_name_of_the_setting(discord):
    error = await refusal(platform_for(discord, shards=Shards(ids=(4,), count=4)))
    assert "4010" in str(error)
    assert "DISCORD_SHARDS" in error.hint
