"""Files that people attach on Discord: as core hears of them, and as they are read."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from bots import download
from bots.discord_bot.about import ASK_ABOUT
from bots.discord_bot.adapter import DiscordPlatform
from core.domain import Attached, Mention
from core.errors import FileUnreadable, PlatformBusy, PlatformUnreachable, TokenRefused
from servers.discord_bench import Bench, connected, platform_for
from servers.discord_http import Fault as ApiFault
from servers.discord_server import DiscordServer
from servers.discord_world import Channel, Json, User
from servers.faults import Fault

GET_MESSAGE = "/channels/{channel}/messages/{message}"
LIMIT = 1_000_000
TRACE = b"Traceback (most recent call last):\n" * 3_000  # more than one piece of a reply


@pytest.fixture
async def bench(discord: DiscordServer, help_channel: Channel, ann: User) -> AsyncIterator[Bench]:
    async with connected(discord) as bench:
        await discord.wait_for(lambda: discord.world.commands)
        yield bench


async def asked(
    bench: Bench, discord: DiscordServer, place: Channel, user: User, *files: str | Json
) -> Mention:
    """Ask about files; what core hears of it."""
    await discord.mention(place, user, "What is this?", attachments=files)
    return await bench.notebook.next()


async def read(platform: DiscordPlatform, mention: Mention, limit: int = LIMIT) -> bytes:
    """Read the one file of a question."""
    (file,) = mention.files
    return await platform.read_file(mention.thread, file, limit)


def names_of(mention: Mention) -> tuple[str, ...]:
    return tuple(file.name for file in mention.files)


# --- what core hears of ---------------------------------------------------------------------------


async def test_a_file_is_told_of_with_what_it_takes_to_read_it(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    log = discord.world.files.attach("trace.log", b"1234", media_type="text/plain")
    mention = await asked(bench, discord, help_channel, ann, log)
    assert mention.unread == ()
    assert mention.files == (
        Attached(
            name="trace.log",
            size=4,
            media_type="text/plain",
            ref=json.dumps({"id": int(log["id"]), "url": log["url"]}),
            channel=mention.channel,
            message=mention.message,
        ),
    )


async def test_a_direct_question_may_be_nothing_but_a_file(
    bench: Bench, discord: DiscordServer, ann: User
) -> None:
    await discord.dm(ann, "", attachments=["trace.log"])
    mention = await bench.notebook.next()
    assert (mention.text, names_of(mention)) == ("", ("trace.log",))
    assert await read(bench.platform, mention) == b"0123456789"


async def test_a_forwarded_message_is_asked_about_with_its_text_and_files(
    bench: Bench, discord: DiscordServer, ann: User
) -> None:
    files = discord.world.files
    forwarded = {
        "type": 0,
        "content": "It says exit 1.",
        "embeds": [],
        "attachments": [files.attach("trace.log", b"exit 1")],
        "mentions": [],
        "mention_roles": [],
        "timestamp": "2026-11-22T12:00:00.000000+00:00",
        "edited_timestamp": None,
        "flags": 0,
        "components": [],
    }
    reference = {"type": 1, "message_id": "1", "channel_id": "2"}
    await discord.dm(
        ann, "", message_snapshots=[{"message": forwarded}], message_reference=reference
    )
    mention = await bench.notebook.next()
    assert (mention.text, names_of(mention)) == ("It says exit 1.", ("trace.log",))
    files.expire_links()
    assert await read(bench.platform, mention) == b"exit 1"


async def test_files_come_with_remarks_and_edits(
    discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    discord.world.content_intent = True
    async with connected(discord, message_content=True) as bench:
        message = await discord.mention(help_channel, ann, "Hwo?", attachments=["a.log"])
        mention = await bench.notebook.next()
        await discord.edit(message, f"<@{discord.world.bot.id}> How?")
        assert names_of(await bench.notebook.next_edit()) == ("a.log",)

        thread = await discord.open_thread(help_channel, ann, "Talk")
        await discord.say(thread, ann, "", attachments=["b.log"])
        remark = await bench.notebook.next_remark()
        assert (names_of(mention), names_of(remark.mention)) == (("a.log",), ("b.log",))
        assert remark.mention.files[0].channel == str(thread.id)


async def test_a_message_with_nothing_but_a_file_may_be_asked_about(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    message = await discord.say(help_channel, ann, "", attachments=["trace.log"])
    await discord.message_menu(ASK_ABOUT, message, discord.world.user("Bob"))
    mention = await bench.notebook.next()
    assert (mention.message, names_of(mention)) == (message["id"], ("trace.log",))
    assert await read(bench.platform, mention) == b"0123456789"


async def test_a_file_goes_with_the_command_and_is_named_where_the_question_is_shown(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    log = discord.world.files.attach("trace_1.log", b"exit 1")
    command = await discord.slash(
        "ask", ann, help_channel, {"question": "What is this?"}, files={"file": log}
    )
    mention = await bench.notebook.next()
    assert command.texts == ["**Ann** asks: What is this? (trace\\_1.log)"]
    assert names_of(mention) == ("trace_1.log",)
    assert mention.files[0].message == mention.message
    assert await read(bench.platform, mention) == b"exit 1"
    discord.world.files.expire_links()
    with pytest.raises(FileUnreadable, match="no longer there"):
        await read(bench.platform, mention)  # no message has it


async def test_a_file_goes_with_a_private_question_too(
    discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    async with connected(discord, private_asks=True) as bench:
        await discord.wait_for(lambda: discord.world.commands)
        log = discord.world.files.attach("trace.log", b"exit 1")
        await discord.slash("ask", ann, help_channel, {"question": "?"}, files={"file": log})
        mention = await bench.notebook.next()
        assert bench.platform.can_share(mention.thread)
        assert await read(bench.platform, mention) == b"exit 1"


# --- reading --------------------------------------------------------------------------------------


async def test_a_file_is_read_whole_and_without_the_token(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    log = discord.world.files.attach("trace.log", TRACE)
    mention = await asked(bench, discord, help_channel, ann, log)
    assert await read(bench.platform, mention) == TRACE
    (request,) = discord.world.files.requests
    assert request.token == ""
    assert {"ex", "is", "hm"} <= {pair.partition("=")[0] for pair in request.query.split("&")}


async def test_a_link_that_has_expired_is_asked_for_anew(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    log = discord.world.files.attach("trace.log", b"exit 1")
    mention = await asked(bench, discord, help_channel, ann, "other.log", log)
    discord.world.files.expire_links()
    wanted = replace(mention, files=mention.files[1:])
    assert await read(bench.platform, wanted) == b"exit 1"
    assert len(discord.calls("GET", GET_MESSAGE)) == 1
    assert len(discord.world.files.requests) == 2


async def test_a_process_that_only_works_asks_for_new_links_too(
    discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    async with connected(discord) as bench:
        mention = await asked(bench, discord, help_channel, ann, "trace.log")
    discord.world.files.expire_links()
    worker = platform_for(discord)
    try:
        await worker.open()
        assert await read(worker, mention) == b"0123456789"
    finally:
        await worker.close()


async def test_a_file_whose_message_is_deleted_is_gone(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    message = await discord.mention(help_channel, ann, "How?", attachments=["trace.log"])
    mention = await bench.notebook.next()
    await discord.delete(message)
    discord.world.files.expire_links()
    with pytest.raises(FileUnreadable, match="no longer there"):
        await read(bench.platform, mention)


async def test_a_file_that_was_taken_out_of_its_message_is_gone(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    message = await discord.mention(help_channel, ann, "How?", attachments=["trace.log"])
    mention = await bench.notebook.next()
    message["attachments"] = []
    discord.world.files.expire_links()
    with pytest.raises(FileUnreadable, match="no longer there"):
        await read(bench.platform, mention)


async def test_a_link_that_is_not_good_either_is_not_asked_for_again_and_again(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    mention = await asked(bench, discord, help_channel, ann, "trace.log")
    discord.world.files.faults = [Fault(status=403)] * 2
    with pytest.raises(FileUnreadable, match="no longer there"):
        await read(bench.platform, mention)
    assert len(discord.world.files.requests) == 2


async def test_where_the_bot_may_not_read_the_message_the_thread_is_not_gone(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    mention = await asked(bench, discord, help_channel, ann, "trace.log")
    discord.world.files.expire_links()
    for permission in ("read_message_history", "view_channel"):
        await discord.deny(help_channel, permission)
        with pytest.raises(FileUnreadable, match="does not let me"):
            await read(bench.platform, mention)


async def test_a_token_that_is_refused_and_an_api_that_is_away_are_told_apart(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    mention = await asked(bench, discord, help_channel, ann, "trace.log")
    discord.world.files.expire_links()
    discord.fail("GET", GET_MESSAGE, ApiFault(status=401), ApiFault(status=503))
    with pytest.raises(TokenRefused):
        await read(bench.platform, mention)
    with pytest.raises(PlatformUnreachable):
        await read(bench.platform, mention)
    assert await read(bench.platform, mention) == b"0123456789"


# --- hosts, sizes, and broken connections ---------------------------------------------------------


async def test_a_file_is_read_from_no_other_host(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    async with DiscordServer() as other:
        elsewhere = other.world.files.attach("trace.log")
        mention = await asked(bench, discord, help_channel, ann, elsewhere)
        with pytest.raises(FileUnreadable, match="kept elsewhere"):
            await read(bench.platform, mention)

        log = discord.world.files.attach("trace.log")
        discord.world.files.uploads[log["id"]].redirects = [elsewhere["url"]]
        mention = await asked(bench, discord, help_channel, ann, log)
        with pytest.raises(FileUnreadable, match="kept elsewhere"):
            await read(bench.platform, mention)
        assert other.world.files.requests == []


async def test_a_file_that_is_said_to_be_too_large_is_not_asked_for(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    log = discord.world.files.attach("big.log", said=LIMIT + 1)
    mention = await asked(bench, discord, help_channel, ann, log)
    with pytest.raises(FileUnreadable, match="larger than 1 MB"):
        await read(bench.platform, mention)
    assert discord.world.files.requests == []


@pytest.mark.parametrize("tells_length", [True, False])
async def test_a_file_that_is_larger_than_said_is_read_no_further_than_the_limit(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User, tells_length: bool
) -> None:
    log = discord.world.files.attach("big.log", b"x" * 20 * LIMIT, said=10)
    upload = discord.world.files.uploads[log["id"]]
    upload.tells_length = tells_length
    mention = await asked(bench, discord, help_channel, ann, log)
    with pytest.raises(FileUnreadable, match="larger than 1 MB"):
        await read(bench.platform, mention)
    assert upload.sent < 20 * LIMIT  # what was under way, and not the rest


async def test_a_body_that_is_cut_off_may_be_read_again(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    log = discord.world.files.attach("trace.log", TRACE)
    upload = discord.world.files.uploads[log["id"]]
    upload.cut_at = 50_000
    mention = await asked(bench, discord, help_channel, ann, log)
    with pytest.raises(PlatformUnreachable):
        await read(bench.platform, mention)
    upload.cut_at = None
    assert await read(bench.platform, mention) == TRACE


async def test_failures_and_pauses_of_the_host_are_told_as_such(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    mention = await asked(bench, discord, help_channel, ann, "trace.log")
    busy = Fault(status=429, headers={"Retry-After": "3"})
    discord.world.files.faults = [Fault(status=503), busy]
    with pytest.raises(PlatformUnreachable):
        await read(bench.platform, mention)
    with pytest.raises(PlatformBusy) as paused:
        await read(bench.platform, mention)
    assert paused.value.retry_after == 3.0
    assert await read(bench.platform, mention) == b"0123456789"


async def test_a_host_that_never_replies_is_not_waited_for(
    bench: Bench,
    discord: DiscordServer,
    help_channel: Channel,
    ann: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=0.2))
    mention = await asked(bench, discord, help_channel, ann, "trace.log")
    discord.world.files.faults = [Fault(hang=True)]
    with pytest.raises(PlatformUnreachable):
        await read(bench.platform, mention)


async def test_files_of_one_question_may_be_read_at_the_same_time(
    bench: Bench, discord: DiscordServer, help_channel: Channel, ann: User
) -> None:
    attach = discord.world.files.attach
    logs = [attach(f"{number}.log", str(number).encode()) for number in range(10)]
    mention = await asked(bench, discord, help_channel, ann, *logs)
    platform = bench.platform
    contents = await asyncio.gather(
        *(platform.read_file(mention.thread, file, LIMIT) for file in mention.files)
    )
    assert contents == [str(number).encode() for number in range(10)]
