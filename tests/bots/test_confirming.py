"""Buttons that ask for a confirmation: they go when it is settled, and stay when it is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bots.press_order import TRY_AGAIN
from core.domain import Button, Mention, MessageId, Post, TurnId
from core.errors import StoreError
from core.press import Pressed
from servers.discord_bench import Bench, KeptTokens, answer_to, connected
from servers.discord_server import DiscordServer
from servers.discord_world import EPHEMERAL, User
from servers.slack_faults import api_error
from servers.slack_rig import FakeReception, running, slack_settings
from servers.slack_server import SlackServer
from servers.slack_workspace import Json

CHANNEL = "C0GENERAL"
BOTH = (Button.CONFIRM, Button.DENY)
SETTLED = Pressed(said="I am at it.", settled=True, follows=True)
MARKER = "0" * 24
NOT_YOURS = Pressed(said="Only the person who asked can do that.")


def proposal(mention: Mention) -> Post:
    return replace(answer_to(mention, "May I?", MARKER), turn=TurnId(12), buttons=BOTH)


# --- Slack ----------------------------------------------------------------------------------------


@asynccontextmanager
async def proposed() -> AsyncIterator[tuple[SlackServer, FakeReception, Json]]:
    """The adapter at work, and a proposal in the thread of a question."""
    reception = FakeReception()
    async with SlackServer() as server:
        async with running(slack_settings(server), reception) as platform:
            server.workspace.channels[CHANNEL].members.add("U2")
            server.mention(CHANNEL, "U1", "restart the build")
            await server.wait_for(lambda: reception.taken)
            ts = await platform.post(proposal(reception.taken[0]))
            yield server, reception, server.workspace.channels[CHANNEL].get(ts)
        assert server.unknown_args == []
        assert server.violations == []


def said_to(server: SlackServer, user: str) -> list[str]:
    return [whisper["text"] for whisper in server.whispers if whisper["user"] == user]


@pytest.mark.parametrize(("label", "button"), [("Confirm", BOTH[0]), ("Cancel", BOTH[1])])
async def test_in_slack_a_press_is_handed_over_and_the_buttons_go(
    label: str, button: Button
) -> None:
    async with proposed() as (server, reception, shown):
        before = dict(shown)
        reception.pressed[button] = SETTLED
        server.press(CHANNEL, before, label, user="U1")
        await server.wait_for(lambda: said_to(server, "U1"))
        (press,) = reception.presses
        assert (press.button, press.turn, press.user, press.message) == (
            button,
            12,
            "U1",
            shown["ts"],
        )
        assert shown["text"] == "May I?"
        assert [block["type"] for block in shown["blocks"]] == ["section"]
        (update,) = server.calls_of("chat.update")
        assert MARKER in str(update["metadata"])  # by which it is found
        assert MARKER in str(shown["metadata"])
        assert said_to(server, "U1") == ["I am at it."]


async def test_in_slack_the_buttons_stay_where_nothing_is_settled() -> None:
    async with proposed() as (server, reception, shown):
        reception.pressed[Button.CONFIRM] = NOT_YOURS
        server.press(CHANNEL, shown, "Confirm", user="U2")
        await server.wait_for(lambda: said_to(server, "U2"))
        reception.failures.append(StoreError())
        server.press(CHANNEL, shown, "Confirm", user="U1")
        await server.wait_for(lambda: said_to(server, "U1"))
        assert said_to(server, "U1") == [TRY_AGAIN]
        assert server.calls_of("chat.update") == []


async def test_in_slack_a_message_that_cannot_be_changed_keeps_its_buttons() -> None:
    async with proposed() as (server, reception, shown):
        reception.pressed[Button.CONFIRM] = SETTLED
        server.fail("chat.update", api_error("edit_window_closed"))
        server.press(CHANNEL, shown, "Confirm", user="U1")
        await server.wait_for(lambda: said_to(server, "U1"))
        assert said_to(server, "U1") == ["I am at it."]


# --- Discord --------------------------------------------------------------------------------------


@asynccontextmanager
async def proposed_by(
    discord: DiscordServer, ann: User
) -> AsyncIterator[tuple[Bench, Mention, Json]]:
    """The adapter at work, and a proposal in the thread of a question."""
    help_channel = discord.world.channel("help")
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "Restart the build")
        mention = await bench.notebook.next()
        number = await bench.platform.post(proposal(mention))
        places = discord.world.channels.values()
        (message,) = [m for place in places for m in discord.posted(place) if m["id"] == number]
        yield bench, mention, message


@pytest.mark.parametrize(("label", "button"), [("Confirm", BOTH[0]), ("Cancel", BOTH[1])])
async def test_on_discord_a_press_is_handed_over_and_the_buttons_go(
    discord: DiscordServer, label: str, button: Button
) -> None:
    ann = discord.world.user("Ann")
    async with proposed_by(discord, ann) as (bench, mention, message):
        bench.notebook.pressed[button] = SETTLED
        interaction = await discord.press(message, label, ann)
        (told,) = await discord.wait_for(lambda: interaction.follow_ups)
        assert (told["content"], told["flags"] & EPHEMERAL) == ("I am at it.", EPHEMERAL)
        assert (message["content"], message["components"]) == ("May I?", [])
        assert interaction.acknowledged is not None
        (press,) = bench.notebook.presses
        assert (press.button, press.turn, press.thread) == (button, 12, mention.thread)


async def test_on_discord_the_buttons_stay_where_nothing_is_settled(
    discord: DiscordServer,
) -> None:
    ann, bob = discord.world.user("Ann"), discord.world.user("Bob")
    async with proposed_by(discord, ann) as (bench, _, message):
        bench.notebook.pressed[Button.CONFIRM] = NOT_YOURS
        interaction = await discord.press(message, "Confirm", bob)
        await discord.wait_for(lambda: interaction.texts)
        assert (interaction.texts, interaction.ephemeral) == ([NOT_YOURS.said], True)
        assert len(message["components"][0]["components"]) == 2


async def test_on_discord_what_was_confirmed_in_private_is_answered_in_private(
    discord: DiscordServer,
) -> None:
    ann, help_channel = discord.world.user("Ann"), discord.world.channel("help")
    tokens = KeptTokens()
    async with connected(discord, private_asks=True, tokens=tokens) as bench:
        await discord.wait_for(lambda: discord.world.commands)
        command = await discord.slash("ask", ann, help_channel, {"question": "Restart it"})
        mention = await bench.notebook.next()
        await discord.wait_for(lambda: command.acknowledged is not None)
        await bench.platform.post(proposal(mention))
        shown: Any = command.message
        bench.notebook.pressed[Button.CONFIRM] = SETTLED
        press = await discord.press(shown, "Confirm", ann)
        await discord.wait_for(lambda: press.texts)
        reply = replace(answer_to(mention, "It is restarted."), reply_to=MessageId(shown["id"]))
        await bench.platform.post(reply)
        assert press.ephemeral
        assert press.texts[-1] == "It is restarted."
        assert discord.posted(help_channel) == []
