"""Recorded payloads of Discord through the whole adapter, over its gateway.

They have the shapes that Discord publishes, with values of our own. What each of them is read as in
detail is tested beside the reader.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.domain import Button
from core.press import Pressed
from servers.discord_bench import Bench, connected
from servers.discord_gateway import GUILDS
from servers.discord_rest import Interaction
from servers.discord_server import DiscordServer
from servers.discord_world import Json

PAYLOADS = Path(__file__).parents[1] / "payloads" / "discord"
BOT, GUILD, HELP = "1201000000000000003", "1201000000000000001", "1201000000000000010"
THREAD = "1201000000000000500"

#: What core hears of each message; "" for one that asks nothing.
MESSAGES = {
    "direct": "took 'how do I install it?'",
    "direct_sticker": "",
    "everyone": "",
    "mention": "took 'how do I install it? @Big Ben and @suppo' with error.log, screen.png",
    "mention_in_thread": "took 'And on Windows, ?'",
    "mention_only": "took ''",
    "other_bot": "took 'how do I install it?' of a bot",
    "own": "",
    "pin": "",
    "plain": "",
    "reply_no_ping": "",
    "reply_ping": "took 'that does not work'",
    "reply_to_response": "",
    "role_mention": "took 'how do I install it?'",
    "thread_starter": "",
    "webhook": "took 'build failed' of a bot",
}
INTERACTIONS = (
    "interaction_ask",
    "interaction_component",
    "interaction_message_command",
    "interaction_modal",
)


def recorded(name: str, discord: DiscordServer) -> Json:
    """A payload as it comes to the bot of the server."""
    text = (PAYLOADS / f"{name}.json").read_text(encoding="utf-8")
    payload: Json = json.loads(text.replace(BOT, str(discord.world.bot.id)))
    return payload


@asynccontextmanager
async def in_the_guild(discord: DiscordServer) -> AsyncIterator[Bench]:
    """The adapter at work, with the recorded guild beside its own."""
    async with connected(discord) as bench:
        await discord.gateway.dispatch("GUILD_CREATE", recorded("guild_create", discord), GUILDS)
        yield bench


async def interact(discord: DiscordServer, name: str) -> Interaction:
    """Deliver an interaction, which the server takes responses to."""
    payload = recorded(name, discord)
    interaction = Interaction(
        id=int(payload["id"]),
        token=payload["token"],
        user=discord.world.user("Ann"),
        channel=discord.world.channel("help"),
        type=payload["type"],
    )
    discord.rest.interactions[interaction.id] = interaction
    await discord.gateway.dispatch("INTERACTION_CREATE", payload, 0)
    await discord.wait_for(lambda: interaction.acknowledged is not None)
    return interaction


async def heard_before(discord: DiscordServer, bench: Bench, name: str) -> str:
    """What core heard of a message, until it hears of a later one."""
    await discord.gateway.dispatch("MESSAGE_CREATE", recorded(name, discord), 0)
    await discord.dm(discord.world.user("Zoe"), "the end")
    heard = []
    while (one := await bench.notebook.next()).text != "the end":
        files = f" with {', '.join(file.name for file in one.files)}" if one.files else ""
        heard.append(f"took {one.text[:40]!r}{files}{' of a bot' if one.bot else ''}")
    return "; ".join(heard)


@pytest.mark.parametrize("name", sorted(MESSAGES))
async def test_a_recorded_message_comes_to_what_it_says(name: str, discord: DiscordServer) -> None:
    async with in_the_guild(discord) as bench:
        assert await heard_before(discord, bench, name) == MESSAGES[name]


def test_every_recorded_payload_is_sent_through_the_adapter() -> None:
    names = {path.stem for path in PAYLOADS.glob("*.json")}
    assert names == {*MESSAGES, *INTERACTIONS, "guild_create"}


async def test_a_recorded_press_of_a_button_is_handed_over_and_asks_why(
    discord: DiscordServer,
) -> None:
    async with in_the_guild(discord) as bench:
        bench.notebook.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
        interaction = await interact(discord, "interaction_component")
        (press,) = bench.notebook.presses
        assert (press.button, press.turn, press.reason) == (Button.UNHELPFUL, 12, "")
        assert (press.user, press.message) == ("1202000000000000001", "1205000000000000602")
        assert press.thread is not None
        assert (press.thread.tenant, press.thread.key) == (GUILD, f"{HELP}/{THREAD}")
        assert interaction.modal is not None


async def test_a_recorded_reason_is_handed_over_with_the_reply_that_it_is_about(
    discord: DiscordServer,
) -> None:
    async with in_the_guild(discord) as bench:
        interaction = await interact(discord, "interaction_modal")
        (press,) = bench.notebook.presses
        assert (press.button, press.turn) == (Button.UNHELPFUL, 12)
        assert press.reason == "It is about the old version."
        assert press.message == "1205000000000000602"
        assert interaction.ephemeral


async def test_a_recorded_choice_in_the_menu_of_a_message_is_asked_in_its_thread(
    discord: DiscordServer,
) -> None:
    async with in_the_guild(discord) as bench:
        interaction = await interact(discord, "interaction_message_command")
        mention = await bench.notebook.next()
        assert mention.text == "Does anybody know how to install it on Windows?"
        assert (mention.author, mention.message) == ("1202000000000000001", "1205000000000000603")
        assert mention.thread.key == f"{HELP}/{THREAD}"
        assert interaction.ephemeral


async def test_a_recorded_command_is_taken_as_the_question_of_who_used_it(
    discord: DiscordServer,
) -> None:
    async with in_the_guild(discord) as bench:
        await interact(discord, "interaction_ask")
        mention = await bench.notebook.next()
        assert (mention.text, mention.author) == ("how do I install it?", "1202000000000000001")
        assert mention.channel == HELP
