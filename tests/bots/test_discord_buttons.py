"""Buttons under replies on Discord: how they are posted, and what comes of a press.

The exact calls stand in `payloads/calls`. After a change that is meant, write them anew and read
the difference: `PYTHONPATH=tests .venv/bin/python tests/bots/test_discord_buttons.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bots import press_order
from bots.discord_bot import about
from bots.discord_bot.about import ASK_ABOUT
from core.domain import Button, Mention, Post, ThreadRef, TurnId
from core.press import Press, Pressed
from servers.discord_bench import Bench, Memory, answer_to, connected, platform_for
from servers.discord_http import Fault
from servers.discord_rest import Interaction
from servers.discord_server import DiscordServer
from servers.discord_world import Json

CALLS = Path(__file__).parents[1] / "payloads" / "calls"
MESSAGES = "/channels/{channel}/messages"
CALLBACK = "/interactions/{interaction}/{token}/callback"
EVERY = (Button.HELPFUL, Button.UNHELPFUL, Button.AGAIN, Button.HUMAN)


def with_buttons(mention: Mention, **changes: Any) -> Post:
    return replace(answer_to(mention), turn=TurnId(12), buttons=EVERY, **changes)


@asynccontextmanager
async def replied(discord, channel, asker) -> AsyncIterator[tuple[Bench, Mention, Json]]:
    """The adapter at work, and a reply with its buttons to a question."""
    async with connected(discord) as bench:
        await discord.mention(channel, asker, "How do I start?")
        mention = await bench.notebook.next()
        number = await bench.platform.post(with_buttons(mention))
        places = discord.world.channels.values()
        (message,) = [m for place in places for m in discord.posted(place) if m["id"] == number]
        yield bench, mention, message


async def responded(discord, interaction: Interaction) -> str:
    """What the response says, which is there soon, and for one person."""
    await discord.wait_for(lambda: interaction.texts, 60)
    assert interaction.acknowledged is not None
    assert interaction.ephemeral
    return interaction.texts[-1]


# --- the exact calls ------------------------------------------------------------------------------


async def sent() -> dict[str, Any]:
    """What is sent to Discord, as the files have it: ids that differ each time are left out."""
    async with DiscordServer() as discord:
        channel, asker = discord.world.channel("help"), discord.world.user("Ann")
        async with replied(discord, channel, asker) as (bench, mention, message):
            bench.notebook.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
            pressed = await discord.press(message, "Not helpful", asker)
            await discord.wait_for(lambda: pressed.modal, 60)
            draft = with_buttons(mention, marker="d" * 24)
            await bench.platform.post(replace(draft, text="By …", buttons=(Button.STOP,)))
            call = with_buttons(mention, marker="c" * 24, people=("&55", "77"))
            await bench.platform.post(replace(call, text="@everyone help?", buttons=()))
            reply, shown, tag = [call.body for call in discord.calls("POST", MESSAGES)]
            modal = json.loads(json.dumps(pressed.modal).replace(message["id"], "MESSAGE"))
            return {
                "discord_reply": reply,
                "discord_draft": shown,
                "discord_tag": tag,
                "discord_reason": modal,
            }


async def test_what_is_sent_is_what_the_files_say() -> None:
    for name, payload in (await sent()).items():
        recorded = (CALLS / f"{name}.json").read_text(encoding="utf-8")
        assert payload == json.loads(recorded), name


# --- posting --------------------------------------------------------------------------------------


async def test_a_reply_with_buttons_is_found_by_another_process(discord, help_channel, ann):
    async with replied(discord, help_channel, ann) as (_, mention, message):
        another = platform_for(discord)
        await another.open()
        assert await another.find(with_buttons(mention)) == message["id"]
        discord.rest.history_has_nonces = True
        assert await another.find(with_buttons(mention)) == message["id"]
        await another.close()


async def test_a_draft_becomes_the_reply_with_its_buttons(discord, help_channel, ann):
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        draft = with_buttons(mention, text="By …")
        number = await bench.platform.post(replace(draft, buttons=(Button.STOP,)))
        await bench.platform.edit(with_buttons(mention), number)
        (message,) = discord.posted(discord.world.find_channel(_thread(mention)))
        labels = [one["label"] for row in message["components"] for one in row["components"]]
        assert labels == ["Helpful", "Not helpful", "Try again", "Ask a human"]
        await bench.platform.edit(replace(with_buttons(mention), buttons=()), number)
        assert message["components"] == []


def _thread(mention: Mention) -> str:
    return mention.thread.key.partition("/")[2]


async def test_a_call_pings_exactly_those_whom_it_tags(discord, help_channel, ann):
    bob, eve = discord.world.user("Bob"), discord.world.user("Eve")
    async with connected(discord) as bench:
        await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        text = f"help? <@{eve.id}> @everyone"
        call = replace(answer_to(mention, text), people=(str(bob.id), "&55"))
        await bench.platform.post(call)
        (message,) = discord.posted(discord.world.find_channel(_thread(mention)))
        assert message["content"] == f"<@{bob.id}> <@&55> {text}"
        assert [user["id"] for user in message["mentions"]] == [str(bob.id)]
        (body,) = [call.body for call in discord.calls("POST", MESSAGES)]
        assert body["allowed_mentions"]["roles"] == [55]
        assert await bench.platform.find(call) == message["id"]


async def test_a_question_is_quoted_in_the_teams_channel_once(discord, help_channel, ann):
    team = discord.world.channel("team")
    async with connected(discord) as bench:
        question = await discord.mention(help_channel, ann, "How do I start?")
        mention = await bench.notebook.next()
        link = await bench.platform.link(mention.thread, mention.message)
        guild = discord.world.guild
        assert link == f"https://discord.com/channels/{guild}/{help_channel.id}/{question['id']}"
        said = {"quote": f"# How?\n[x](https://e.example) <@{ann.id}>", "marker": "a" * 24}
        discord.rest.nonce_seconds = 0.0  # so long after, the nonce is of no use
        for doubtful in (False, True):
            await bench.platform.announce(str(team.id), f"Help: {link}", **said, doubtful=doubtful)
        (message,) = discord.posted(team)
        first, *rest = message["content"].splitlines()
        assert first == f"Help: {link}"
        assert rest[0] == r"> \# How?"
        assert rest[1].startswith(r"> \[x\](https://e.example) \<")
        assert message["mentions"] == []


async def test_the_link_to_a_question_in_a_thread_leads_there(discord):
    thread = ThreadRef(platform="discord", tenant="1", key="22/33")
    platform = platform_for(discord)
    assert (await platform.link(thread, "44")).endswith("/1/33/44")
    direct = ThreadRef(platform="discord", tenant="", key="@me/33")
    assert (await platform.link(direct, "44")).endswith("/@me/33/44")


# --- presses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "button"),
    [("Helpful", Button.HELPFUL), ("Try again", Button.AGAIN), ("Ask a human", Button.HUMAN)],
)
async def test_a_press_is_handed_over_and_answered_to_one_person(
    discord, help_channel, ann, label, button
):
    async with replied(discord, help_channel, ann) as (bench, mention, message):
        interaction = await discord.press(message, label, ann)
        assert await responded(discord, interaction) == f"{button} it is."
        (press,) = bench.notebook.presses
    assert press == Press(
        platform="discord",
        tenant=mention.thread.tenant,
        channel=message["channel_id"],
        thread=mention.thread,
        message=message["id"],
        user=str(ann.id),
        turn=TurnId(12),
        button=button,
        at=press.at,
    )


async def test_a_button_of_before_a_restart_works(discord, help_channel, ann):
    async with replied(discord, help_channel, ann) as (_, mention, message):
        pass
    async with connected(discord, memory=Memory()) as bench:
        interaction = await discord.press(message, "Try again", ann)
        await responded(discord, interaction)
        (press,) = bench.notebook.presses
        assert (press.turn, press.thread) == (12, mention.thread)


async def test_a_press_in_direct_messages_names_their_thread(discord, ann):
    async with connected(discord) as bench:
        await discord.dm(ann, "How do I start?")
        mention = await bench.notebook.next()
        await bench.platform.post(with_buttons(mention))
        (message,) = discord.posted(discord.world.direct(ann))
        await responded(discord, await discord.press(message, "Helpful", ann))
        (press,) = bench.notebook.presses
        assert (press.tenant, press.thread) == ("", mention.thread)


async def test_a_press_in_line_names_its_channel(discord, help_channel, ann):
    await discord.deny(help_channel, "create_public_threads", told=False)
    async with replied(discord, help_channel, ann) as (bench, mention, message):
        await responded(discord, await discord.press(message, "Helpful", ann))
        (press,) = bench.notebook.presses
        assert press.thread is None
        assert press.channel == mention.channel


async def test_not_helpful_asks_why_and_the_reason_is_handed_over(discord, help_channel, ann):
    async with replied(discord, help_channel, ann) as (bench, _, message):
        bench.notebook.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
        asked = await discord.press(message, "Not helpful", ann)
        await discord.wait_for(lambda: asked.modal, 60)
        assert asked.acknowledged is not None
        bench.notebook.pressed[Button.UNHELPFUL] = Pressed(said="Noted.")
        answered = await discord.submit(asked, "It is too short.", ann)
        assert await responded(discord, answered) == "Noted."
        verdict, reason = bench.notebook.presses
        assert verdict.reason == ""
        assert replace(reason, at=verdict.at, reason="") == verdict
        assert reason.reason == "It is too short."


async def test_a_form_of_before_a_restart_is_taken(discord, help_channel, ann):
    async with replied(discord, help_channel, ann) as (bench, _, message):
        bench.notebook.pressed[Button.UNHELPFUL] = Pressed(said="Thanks.", asks_why=True)
        asked = await discord.press(message, "Not helpful", ann)
        await discord.wait_for(lambda: asked.modal, 60)
    async with connected(discord) as bench:
        await responded(discord, await discord.submit(asked, "Too short.", ann))
        (press,) = bench.notebook.presses
        assert (press.turn, press.reason) == (12, "Too short.")


async def test_a_press_that_could_not_be_written_down_is_said_so(discord, help_channel, ann):
    async with replied(discord, help_channel, ann) as (bench, _, message):
        bench.notebook.refuses = True
        interaction = await discord.press(message, "Helpful", ann)
        assert await responded(discord, interaction) == press_order.TRY_AGAIN


async def test_a_database_that_hangs_holds_no_response_up(discord, help_channel, ann, monkeypatch):
    monkeypatch.setattr(press_order, "STORE_SECONDS", 0.05)
    async with replied(discord, help_channel, ann) as (bench, _, message):
        bench.notebook.hangs = True
        interaction = await discord.press(message, "Not helpful", ann)
        assert await responded(discord, interaction) == press_order.TRY_AGAIN


async def test_a_press_that_says_nothing_is_acknowledged(discord, help_channel, ann):
    async with replied(discord, help_channel, ann) as (bench, _, message):
        bench.notebook.pressed[Button.AGAIN] = Pressed(said="")
        interaction = await discord.press(message, "Try again", ann)
        await discord.wait_for(lambda: interaction.acknowledged is not None, 60)
        (call,) = discord.calls("POST", CALLBACK)
        assert call.body["type"] == 6


@pytest.mark.parametrize("custom_id", ["docent:burn:12", "docent:again:x", "docent:again:12:3"])
async def test_an_odd_button_is_let_be(discord, help_channel, ann, custom_id):
    async with replied(discord, help_channel, ann) as (bench, _, message):
        message["components"][0]["components"][2]["custom_id"] = custom_id
        await discord.press(message, "Try again", ann)
        await responded(discord, await discord.press(message, "Helpful", ann))
        assert [press.button for press in bench.notebook.presses] == [Button.HELPFUL]


async def test_a_response_that_fails_ends_nothing(discord, help_channel, ann):
    async with replied(discord, help_channel, ann) as (bench, _, message):
        discord.fail("POST", CALLBACK, Fault(status=404, code=10062))
        await discord.press(message, "Helpful", ann)
        await responded(discord, await discord.press(message, "Try again", ann))
        assert len(bench.notebook.presses) == 2


# --- the menu of a message ------------------------------------------------------------------------


async def test_ask_docent_about_this_takes_a_message_as_the_question_of_who_chose_it(
    discord, help_channel, ann
):
    bob = discord.world.user("Bob")
    async with connected(discord) as bench:
        await discord.wait_for(lambda: discord.world.commands, 60)
        (menu,) = [one for one in discord.world.commands if one.get("type") == 3]
        assert menu["name"] == ASK_ABOUT
        message = await discord.say(help_channel, bob, "How do I renew a token?")
        interaction = await discord.message_menu(ASK_ABOUT, message, ann)
        mention = await bench.notebook.next()
        await discord.wait_for(lambda: interaction.texts, 60)
        assert interaction.texts == [about.TAKEN]
        assert interaction.ephemeral
        assert mention.text == "How do I renew a token?"
        assert (mention.author, mention.message) == (str(ann.id), message["id"])
        assert mention.thread.key == f"{help_channel.id}/{message['id']}"
        await bench.platform.post(answer_to(mention))
        thread = discord.thread_under(message)
        assert thread is not None
        assert [m["content"] for m in discord.posted(thread)] == ["By starting."]

        again = await discord.message_menu(ASK_ABOUT, message, ann)
        await discord.wait_for(lambda: again.texts, 60)
        assert again.texts == [about.TAKEN_BEFORE]


async def test_it_works_inside_threads(discord, help_channel, ann):
    thread = await discord.open_thread(help_channel, ann, "Tokens")
    async with connected(discord) as bench:
        await discord.wait_for(lambda: discord.world.commands, 60)
        message = await discord.say(thread, ann, "How do I renew a token?")
        interaction = await discord.message_menu(ASK_ABOUT, message, ann)
        mention = await bench.notebook.next()
        assert mention.thread.key == f"{help_channel.id}/{thread.id}"
        await discord.wait_for(lambda: interaction.texts, 60)


async def test_who_is_turned_away_and_where_the_bot_cannot_answer_is_told(
    discord, help_channel, ann
):
    async with connected(discord) as bench:
        await discord.wait_for(lambda: discord.world.commands, 60)
        message = await discord.say(help_channel, ann, "How do I renew a token?")
        bench.notebook.turns_away[str(ann.id)] = "I answer members only."
        refused = await discord.message_menu(ASK_ABOUT, message, ann)
        await discord.wait_for(lambda: refused.texts, 60)
        assert refused.texts == ["I answer members only."]

        bench.notebook.turns_away.clear()
        bench.notebook.refuses = True
        failed = await discord.message_menu(ASK_ABOUT, message, ann)
        await discord.wait_for(lambda: failed.texts, 60)
        assert failed.texts == [about.NOT_TAKEN]

        bench.notebook.refuses = False
        empty = await discord.say(help_channel, ann, "", files=[])
        nothing = await discord.message_menu(ASK_ABOUT, empty, ann)
        await discord.wait_for(lambda: nothing.texts, 60)
        assert nothing.texts == [about.NO_TEXT]


if __name__ == "__main__":
    for file, payload in asyncio.run(sent()).items():
        text = json.dumps(payload, indent=2, ensure_ascii=False) + "\n"
        (CALLS / f"{file}.json").write_text(text, encoding="utf-8")
