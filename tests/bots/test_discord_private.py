"""/ask on Discord with an answer that only its asker sees."""

import asyncio
import logging
import time
from dataclasses import replace

import pytest

from bots.discord_bot.hints import NOT_TAKEN
from core.domain import Button, Mention, MessageId, Post, ThreadRef
from core.errors import PlatformBusy, PlatformUnreachable, ThreadGone
from core.tokens import ReplyToken
from servers.discord_bench import Bench, KeptTokens, Notebook, connected
from servers.discord_http import Fault
from servers.discord_rest import Interaction
from servers.discord_server import DiscordServer
from servers.discord_world import Channel, User

RESPONSE = "/webhooks/{application}/{token}/messages/@original"
CALLBACK = "/interactions/{interaction}/{token}/callback"


async def ask(
    discord: DiscordServer, bench: Bench, user: User, channel: Channel
) -> tuple[Interaction, Mention]:
    """Ask, and wait until that is acknowledged."""
    asked = await discord.slash("ask", user, channel, {"question": "How do I start?"})
    mention = await bench.notebook.next()
    await discord.wait_for(lambda: asked.acknowledged is not None)
    return asked, mention


def reply_to(mention: Mention, text: str = "By starting.", **fields: object) -> Post:
    given = {"thread": mention.thread, "reply_to": mention.message, "marker": "0" * 24}
    return Post(**(given | {"text": text, "asker": mention.author} | fields))  # type: ignore[arg-type]


async def test_a_question_is_taken_for_its_asker_alone(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    tokens = KeptTokens()
    async with connected(discord, private_asks=True, tokens=tokens) as bench:
        asked, mention = await ask(discord, bench, ann, help_channel)
        assert asked.ephemeral
        assert (mention.author, mention.text) == (str(ann.id), "How do I start?")
        assert mention.channel == str(help_channel.id)
        assert not mention.direct
        platform = bench.platform
        assert platform.is_direct(mention.thread)
        assert platform.can_share(mention.thread)
        assert platform.channel_of(mention.thread) == str(help_channel.id)
        token = tokens.kept[mention.ref]
        assert token.token == asked.token
        assert 0 < token.expires_at - time.time() <= 900
        assert discord.posted(help_channel) == []


async def test_in_direct_messages_a_question_is_asked_as_ever(
    discord: DiscordServer, ann: User
) -> None:
    async with connected(discord, private_asks=True) as bench:
        asked, mention = await ask(discord, bench, ann, discord.world.direct(ann))
        assert not asked.ephemeral
        assert not bench.platform.can_share(mention.thread)


async def test_a_bot_that_may_not_write_in_a_channel_answers_there_in_private(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    async with connected(discord, private_asks=True) as bench:
        await discord.deny(help_channel, "send_messages", "send_messages_in_threads")
        asked, mention = await ask(discord, bench, ann, help_channel)
        await bench.platform.post(reply_to(mention))
        assert asked.texts == ["By starting."]


async def test_who_is_turned_away_is_told_so_and_nothing_is_taken(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    notebook, tokens = Notebook(), KeptTokens()
    notebook.turns_away[str(ann.id)] = "I do not answer in this channel."
    async with connected(discord, private_asks=True, notebook=notebook, tokens=tokens):
        asked = await discord.slash("ask", ann, help_channel, {"question": "How?"})
        await discord.wait_for(lambda: asked.texts)
        assert asked.texts == ["I do not answer in this channel."]
        assert asked.ephemeral
    assert notebook.nothing()
    assert tokens.kept == {}


async def test_a_question_that_cannot_be_written_down_is_not_acknowledged_as_read(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    tokens = KeptTokens()
    tokens.broken = True
    async with connected(discord, private_asks=True, tokens=tokens):
        asked = await discord.slash("ask", ann, help_channel, {"question": "How?"})
        await discord.wait_for(lambda: asked.texts)
        assert asked.texts == [NOT_TAKEN]
        assert asked.ephemeral


async def test_a_reply_takes_the_place_of_the_response_and_its_other_parts_follow(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    async with connected(discord, private_asks=True) as bench:
        asked, mention = await ask(discord, bench, ann, help_channel)
        buttons = (Button.HELPFUL, Button.SHARE)
        for _ in range(2):  # as after a crash
            await bench.platform.post(reply_to(mention, "One."))
        await bench.platform.post(reply_to(mention, "Two.", number=1, buttons=buttons))
        assert asked.texts == ["One.", "One."]
        (second,) = asked.follow_ups
        assert second["content"] == "Two."
        assert second["flags"] & 1 << 6
        labels = [one["label"] for one in second["components"][0]["components"]]
        assert labels == ["Helpful", "Share in channel"]
        assert await bench.platform.find(reply_to(mention)) is None
    assert discord.posted(help_channel) == []


async def test_what_is_written_pings_nobody(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    async with connected(discord, private_asks=True) as bench:
        _, mention = await ask(discord, bench, ann, help_channel)
        await bench.platform.post(reply_to(mention, "@everyone"))
        (call,) = discord.calls("PATCH", RESPONSE)
        assert call.body["allowed_mentions"] == {"parse": []}


async def test_a_reply_waits_until_discord_has_heard_of_the_response(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    late = asyncio.Event()
    discord.fail("POST", CALLBACK, Fault(until=late))
    async with connected(discord, private_asks=True) as bench:
        asked = await discord.slash("ask", ann, help_channel, {"question": "How?"})
        mention = await bench.notebook.next()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.platform.post(reply_to(mention)))
            # A call that is made later comes to its end before.
            await bench.platform.announce(str(help_channel.id), "Hello.")
            assert discord.calls("PATCH", RESPONSE) == []
            late.set()
        assert asked.texts == ["By starting."]
        assert len(discord.calls("PATCH", RESPONSE)) == 1


async def test_another_process_tries_again_while_the_response_may_be_on_its_way(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    """And gives the response up in the end: the process that was to make it has died."""
    tokens = KeptTokens()
    async with connected(discord, private_asks=True, tokens=tokens) as bench:
        _, mention = await ask(discord, bench, ann, help_channel)
        other = replace(mention, message=MessageId("42"))
        kept = tokens.kept[mention.ref]
        tokens.kept[other.ref] = replace(kept, token="unknown")
        with pytest.raises(PlatformBusy):
            await bench.platform.post(reply_to(other))
        tokens.kept[other.ref] = ReplyToken(token="unknown", expires_at=kept.expires_at - 60)
        await bench.platform.post(reply_to(other))
        (reply,) = discord.posted(discord.world.direct(ann))
        assert reply["content"] == f"-# You asked in <#{help_channel.id}>\nBy starting."


@pytest.mark.parametrize("kept", [True, False])
async def test_a_reply_that_is_too_late_goes_to_the_asker_directly_without_buttons(
    discord: DiscordServer, ann: User, help_channel: Channel, kept: bool
) -> None:
    tokens = KeptTokens()
    async with connected(discord, private_asks=True, tokens=tokens) as bench:
        asked, mention = await ask(discord, bench, ann, help_channel)
        asked.expired = True
        if not kept:
            tokens.kept.clear()
        for _ in range(2):
            await bench.platform.post(reply_to(mention, buttons=(Button.HELPFUL,)))
        (reply,) = discord.posted(discord.world.direct(ann))
        assert reply["content"].endswith("\nBy starting.")
        assert reply["components"] == []


async def test_who_takes_no_direct_messages_gets_no_reply_that_is_too_late(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    ann.takes_messages = False
    async with connected(discord, private_asks=True) as bench:
        asked, mention = await ask(discord, bench, ann, help_channel)
        asked.expired = True
        with pytest.raises(ThreadGone):
            await bench.platform.post(reply_to(mention))


async def test_a_token_is_in_no_log_and_in_no_error(
    discord: DiscordServer,
    ann: User,
    help_channel: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with connected(discord, private_asks=True) as bench:
        asked, mention = await ask(discord, bench, ann, help_channel)
        discord.fail("PATCH", RESPONSE, Fault(drop="before"))
        with pytest.raises(PlatformUnreachable) as unreachable:
            await bench.platform.post(reply_to(mention))
        asked.expired, ann.takes_messages = True, False
        with pytest.raises(ThreadGone) as gone:
            await bench.platform.post(reply_to(mention))
    said = f"{caplog.text} {unreachable.value!r} {gone.value!r}"
    assert asked.token not in said


async def test_a_press_below_a_private_reply_in_a_thread_is_not_one_of_the_thread(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    async with connected(discord, private_asks=True) as bench:
        thread = await discord.open_thread(help_channel, ann, "Starting")
        asked, mention = await ask(discord, bench, ann, thread)
        assert bench.platform.channel_of(mention.thread) == str(help_channel.id)
        await bench.platform.post(reply_to(mention, buttons=(Button.HELPFUL,)))
        assert asked.message is not None
        await discord.press(asked.message, "Helpful", ann)
        await discord.wait_for(lambda: bench.notebook.presses)
        (press,) = bench.notebook.presses
        assert press.thread is None
        assert press.channel == mention.channel == str(thread.id)


async def test_nothing_is_asked_of_discord_about_a_thread_that_it_does_not_know(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    notebook = Notebook()
    key = f"{help_channel.id}/42/private/1"
    private = ThreadRef(platform="discord", tenant=str(discord.world.guild), key=key)
    notebook.was_away(private)
    async with connected(discord, notebook=notebook) as bench:
        await notebook.up_to_date()
        assert discord.calls("GET", "/channels/{channel}") == []
        before, question = len(discord.all_calls()), MessageId("1")
        await bench.platform.show_working(private, question)
        assert await bench.platform.talk(private, None, question, 10) == ()
        assert await bench.platform.link(private, question) == ""
        assert bench.platform.draft_renderer(private)("Some words.\n\nMore.") == ()
        assert len(discord.all_calls()) == before


async def test_a_question_that_is_shared_pings_nobody_and_is_found_again(
    discord: DiscordServer, ann: User, help_channel: Channel
) -> None:
    discord.rest.nonce_seconds = 0.0
    async with connected(discord, private_asks=True) as bench:
        _, mention = await ask(discord, bench, ann, help_channel)
        roots = [
            await bench.platform.share_question(
                mention.thread, mention.author, "*How?*", marker="a" * 24, doubtful=doubtful
            )
            for doubtful in (False, True)
        ]
        (shown,) = discord.posted(help_channel)
        assert shown["content"] == rf"<@{ann.id}> asks: \*How?\*"
        assert shown["mentions"] == []
        assert {root.message for root in roots} == {shown["id"]}
        assert roots[0].thread.key == f"{help_channel.id}/{shown['id']}"
        answer = replace(
            reply_to(mention), thread=roots[0].thread, reply_to=roots[0].message, marker="b" * 24
        )
        await bench.platform.post(answer)
        thread = discord.thread_under(shown)
        assert thread is not None
        assert thread.texts() == ["By starting."]
        assert thread.name == "*How?*"
