"""/docs-gaps on Discord, and the digest, as people see them."""

import asyncio

import pytest

from bots.gaps_order import BROKEN, CUT, PARTS, UNREADABLE
from core.domain import Reply, ThreadRef
from core.errors import PlatformRefused, StoreError
from servers.discord_bench import connected, platform_for

WEEK = 7 * 86_400.0
LINK = "https://discord.com/channels/1/2/3"
MARKER = "a" * 24


async def told(discord, interaction, follow_ups=0):
    """What the person who asked, and nobody else, is told."""
    await discord.wait_for(
        lambda: interaction.texts and len(interaction.follow_ups) == follow_ups, seconds=60
    )
    assert interaction.ephemeral
    assert all(message["flags"] & 64 for message in interaction.follow_ups)
    return [interaction.texts[-1], *(message["content"] for message in interaction.follow_ups)]


async def test_an_admin_alone_sees_the_report_with_links_behind_their_labels(
    discord, help_channel, ann
):
    async def report():
        return Reply(text=f"**Export** [1](<{LINK}>) @everyone", labelled=(LINK,))

    async with connected(discord) as bench:
        bench.notebook.report_gaps = report
        interaction = await discord.slash("docs-gaps", ann, help_channel)
        (text,) = await told(discord, interaction)
    assert text == f"**Export** [1](<{LINK}>) @\u200beveryone"
    assert bench.notebook.asked_for_gaps == [WEEK]
    assert help_channel.texts() == []


async def test_who_is_no_admin_is_refused_and_told_what_to_do(discord, help_channel, ann):
    async with connected(discord) as bench:
        bench.notebook.not_admins.add(str(ann.id))
        interaction = await discord.slash("docs-gaps", ann, help_channel)
        (text,) = await told(discord, interaction)
    for word in ("Only admins", f"discord:{ann.id}", "ADMINS"):
        assert word in text
    assert bench.notebook.asked_for_gaps == []


async def test_a_time_may_be_given_and_one_that_cannot_be_read_is_told(discord, help_channel, ann):
    async with connected(discord) as bench:
        await told(discord, await discord.slash("docs-gaps", ann, help_channel, {"since": "24h"}))
        odd = await discord.slash("docs-gaps", ann, help_channel, {"since": "monday"})
        assert await told(discord, odd) == [UNREADABLE]
    assert bench.notebook.asked_for_gaps == [86_400.0]


async def test_it_is_acknowledged_before_the_report_is_made(discord, help_channel, ann):
    may_report = asyncio.Event()

    async def report():
        await may_report.wait()
        return Reply(text="At last.")

    async with connected(discord) as bench:
        bench.notebook.report_gaps = report
        interaction = await discord.slash("docs-gaps", ann, help_channel)
        await discord.wait_for(lambda: interaction.message is not None, seconds=60)
        assert interaction.texts == []
        may_report.set()
        assert await told(discord, interaction) == ["At last."]


async def test_a_long_report_comes_in_messages_and_is_cut(discord, help_channel, ann):
    async def report():
        return Reply(text="word " * 5_000)

    async with connected(discord) as bench:
        bench.notebook.report_gaps = report
        interaction = await discord.slash("docs-gaps", ann, help_channel)
        texts = await told(discord, interaction, PARTS)
    assert texts[-1] == CUT
    assert all(len(text) <= 2_000 for text in texts)


async def test_a_report_that_fails_is_told_without_its_reason(discord, help_channel, ann):
    async def report():
        raise StoreError("secret")

    async with connected(discord) as bench:
        bench.notebook.report_gaps = report
        interaction = await discord.slash("docs-gaps", ann, help_channel)
        assert await told(discord, interaction) == [BROKEN]


# --- the digest's channel, and links --------------------------------------------------------------


async def test_a_part_is_published_once_whatever_the_attempts(discord, help_channel):
    platform = platform_for(discord)
    await platform.open()
    for doubtful in (False, False, True):
        await platform.publish(
            str(help_channel.id), f"**Export** [1](<{LINK}>)", marker=MARKER, doubtful=doubtful
        )
    await platform.close()
    assert help_channel.texts() == [f"**Export** [1](<{LINK}>)"]


async def test_a_channel_that_is_no_id_is_refused(discord):
    platform = platform_for(discord)
    await platform.open()
    with pytest.raises(PlatformRefused, match="no id"):
        await platform.publish("help", "Export", marker=MARKER)
    await platform.close()


@pytest.mark.parametrize(("key", "direct"), [("@me/1", True), ("1/2", False)])
async def test_direct_messages_are_told_from_channels(discord, key, direct):
    platform = platform_for(discord)
    assert platform.is_direct(ThreadRef(platform="discord", tenant="", key=key)) is direct
    await platform.close()
