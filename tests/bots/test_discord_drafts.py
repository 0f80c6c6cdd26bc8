"""Answers on Discord as they are written: one message for each part, edited as it grows."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.domain import Button, Mention, MessageId, Post, TurnId
from core.errors import PlatformBusy
from servers.discord_bench import Bench, answer_to, connected
from servers.discord_server import DiscordServer
from servers.discord_world import Channel, Json

MESSAGE = "/channels/{channel}/messages/{message}"
MARKER = "0123456789abcdef01234567"


@pytest.fixture
async def bench(discord: DiscordServer) -> AsyncIterator[Bench]:
    discord.world.channel("help")
    async with connected(discord) as connected_bench:
        yield connected_bench


@pytest.fixture
async def asked(discord: DiscordServer, bench: Bench) -> tuple[Json, Mention]:
    (channel,) = [c for c in discord.world.channels.values() if c.name == "help"]
    question = await discord.mention(channel, discord.world.user("Ann"), "How do I start?")
    return question, await bench.notebook.next()


def draft_of(mention: Mention, text: str, *buttons: Button) -> Post:
    post = answer_to(mention, text, MARKER)
    return replace(post, turn=TurnId(7), buttons=buttons)


def thread_of(discord: DiscordServer, question: Json) -> Channel:
    thread = discord.thread_under(question)
    assert thread is not None
    return thread


def components(discord: DiscordServer, thread: Channel) -> list[str]:
    (message,) = discord.posted(thread)
    rows = message.get("components") or []
    return [button["custom_id"] for row in rows for button in row["components"]]


async def test_a_draft_is_edited_and_becomes_the_reply_with_other_buttons(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    message = await bench.platform.draft(draft_of(mention, "Run", Button.STOP), None)
    thread = thread_of(discord, question)
    assert thread.texts() == ["Run"]
    assert components(discord, thread) == ["docent:stop:7"]
    same = await bench.platform.draft(draft_of(mention, "Run it", Button.STOP), message)
    assert (same, thread.texts()) == (message, ["Run it"])
    await bench.platform.edit(draft_of(mention, "Run it now.", Button.HELPFUL), message)
    assert thread.texts() == ["Run it now."]
    assert components(discord, thread) == ["docent:helpful:7"]


async def test_a_draft_whose_first_attempt_got_through_is_not_posted_again(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    first = await bench.platform.draft(draft_of(mention, "Run"), None)
    again = await bench.platform.draft(draft_of(mention, "Run"), None)
    assert first == again
    assert thread_of(discord, question).texts() == ["Run"]


async def test_edits_ping_nobody(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    _, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    message = await bench.platform.draft(draft_of(mention, "Run"), None)
    await bench.platform.draft(draft_of(mention, "Run @everyone"), message)
    await bench.platform.edit(draft_of(mention, "Run <@1>"), message)
    edits = discord.calls("PATCH", MESSAGE)
    assert [call.body["allowed_mentions"]["parse"] for call in edits] == [[], []]


async def test_what_is_gone_is_no_error(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    message = await bench.platform.draft(draft_of(mention, "Run"), None)
    await bench.platform.delete(mention.thread, message)
    assert thread_of(discord, question).texts() == []
    await bench.platform.delete(mention.thread, message)
    await bench.platform.edit(draft_of(mention, "Run it."), message)
    assert await bench.platform.draft(draft_of(mention, "Run it."), message) == message


async def test_a_draft_does_not_wait_for_a_rate_limit(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    _, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    message = await bench.platform.draft(draft_of(mention, "Run"), None)
    discord.limit("PATCH", MESSAGE, calls=1, seconds=20.0)
    await bench.platform.draft(draft_of(mention, "Run it"), message)
    with pytest.raises(PlatformBusy) as busy:
        await bench.platform.draft(draft_of(mention, "Run it now"), message)
    assert busy.value.retry_after is not None


async def test_a_thread_that_another_process_opened_is_found(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    message = await bench.platform.draft(draft_of(mention, "Run"), None)
    async with connected(discord) as other:
        await other.platform.edit(draft_of(mention, "Run it."), MessageId(message))
    assert thread_of(discord, question).texts() == ["Run it."]


async def test_a_reply_takes_the_place_of_a_draft_that_nobody_knows_of(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    draft = await bench.platform.draft(draft_of(mention, "Run", Button.STOP), None)
    # Its process died: for the marker, Discord gives the draft in place of a message of ours.
    reply = await bench.platform.post(draft_of(mention, "Run it.", Button.HELPFUL))
    assert reply == draft
    thread = thread_of(discord, question)
    assert thread.texts() == ["Run it."]
    assert components(discord, thread) == ["docent:helpful:7"]


async def test_a_post_that_is_as_it_should_be_is_not_edited(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    _, mention = asked
    await bench.platform.post(draft_of(mention, " Run  it.\n", Button.HELPFUL))
    await bench.platform.draft(draft_of(mention, "Run it.", Button.STOP), None)
    assert len(discord.calls("PATCH", MESSAGE)) == 1  # the second one: a draft is not the reply


async def test_a_draft_is_found_by_its_button_whatever_it_says(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    _, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    draft = await bench.platform.draft(draft_of(mention, "Run", Button.STOP), None)
    assert await bench.platform.find(draft_of(mention, "Run it.")) == draft
    other = replace(draft_of(mention, "Run it."), turn=TurnId(70))
    assert await bench.platform.find(other) is None


async def test_a_message_without_the_field_for_buttons_has_none(
    discord: DiscordServer, bench: Bench, asked: tuple[Json, Mention]
) -> None:
    discord.rest.tells_of_no_components = False  # Discord calls the field optional
    question, mention = asked
    await bench.platform.show_working(mention.thread, mention.message)
    draft = await bench.platform.draft(draft_of(mention, "Run"), None)
    assert await bench.platform.find(draft_of(mention, "Run")) == draft
    assert await bench.platform.find(draft_of(mention, "Run it.")) is None
    assert await bench.platform.post(draft_of(mention, "Run it.")) == draft
    assert thread_of(discord, question).texts() == ["Run it."]
