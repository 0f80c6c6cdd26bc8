"""From payloads of messages to mentions, with discord.py's own reading of them and no socket."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import discord
import pytest

from bots.discord_bot.events import (
    edit_of,
    is_addressed,
    is_hidden,
    mention_of,
    place_of,
    ref_of,
    thread_name,
)
from core.domain import Mention, ThreadRef

PAYLOADS = Path(__file__).parents[1] / "payloads" / "discord"
GUILD, BOT, ANN = "1201000000000000001", 1201000000000000003, "1202000000000000001"
HELP, THREAD, DIRECT = "1201000000000000010", "1201000000000000500", "1203000000000000001"


class Discord:
    """discord.py with one server in its cache."""

    def __init__(self) -> None:
        self.state = discord.Client(intents=discord.Intents.none())._connection
        bot = {"id": str(BOT), "username": "docent", "discriminator": "0", "avatar": None}
        self.me = discord.ClientUser(state=self.state, data=bot)
        self.state.user = self.me
        self.state._add_guild_from_data(payload("guild_create"))

    def message(self, name: str) -> discord.Message:
        """A message of the payloads."""
        data = payload(name)
        channel, _ = self.state._get_guild_channel(data)
        return discord.Message(state=self.state, channel=channel, data=data)

    def mention(self, name: str) -> Mention | None:
        """What the message asks."""
        return mention_of(self.message(name), self.me)


def payload(name: str) -> dict:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


@pytest.fixture
def parsed() -> Discord:
    return Discord()


def test_a_mention_in_a_channel_is_read_whole(parsed):
    mention = parsed.mention("mention")
    assert [file.name for file in mention.files] == ["error.log", "screen.png"]
    assert replace(mention, files=()) == Mention(
        thread=ThreadRef(platform="discord", tenant=GUILD, key=f"{HELP}/1205000000000000001"),
        channel=HELP,
        message="1205000000000000001",
        author=ANN,
        text="how do I install it? @Big Ben and @support said to ask in #help :party:",
        at=discord.utils.snowflake_time(1205000000000000001).timestamp(),
    )


def test_the_time_is_in_seconds_since_the_epoch(parsed):
    at = datetime.fromtimestamp(parsed.mention("mention").at, UTC)
    assert at == discord.utils.snowflake_time(1205000000000000001)


def test_a_mention_and_nothing_more_is_a_mention_without_text(parsed):
    assert parsed.mention("mention_only").text == ""


def test_a_mention_in_a_thread_belongs_to_it_and_to_the_channel_it_hangs_in(parsed):
    mention = parsed.mention("mention_in_thread")
    assert mention.thread.key == f"{HELP}/{THREAD}"
    assert mention.channel == THREAD
    assert mention.text == "And on Windows, ?"


def test_a_question_and_a_follow_up_in_the_thread_made_from_it_have_one_thread(parsed):
    data = payload("mention") | {"id": THREAD}
    channel, _ = parsed.state._get_guild_channel(data)
    question = discord.Message(state=parsed.state, channel=channel, data=data)
    follow_up = parsed.mention("mention_in_thread")
    assert mention_of(question, parsed.me).thread == follow_up.thread


def test_a_mention_of_the_role_of_the_bot_asks_it(parsed):
    assert parsed.mention("role_mention").text == "how do I install it?"


def test_a_reply_that_pings_the_bot_asks_it(parsed):
    mention = parsed.mention("reply_ping")
    assert (mention.text, mention.thread.key) == ("that does not work", f"{HELP}/{THREAD}")


def test_a_direct_message_asks_without_a_mention(parsed):
    mention = parsed.mention("direct")
    assert mention.thread == ThreadRef(platform="discord", tenant="", key=f"@me/{DIRECT}")
    assert mention.text == "how do I install it?"


@pytest.mark.parametrize(
    "name",
    [
        "everyone",
        "plain",
        "reply_no_ping",
        "own",
        "thread_starter",
        "pin",
        "direct_sticker",
    ],
)
def test_what_does_not_ask_the_bot_is_no_mention(parsed, name):
    assert parsed.mention(name) is None


@pytest.mark.parametrize("name", ["other_bot", "webhook"])
def test_another_bot_that_mentions_ours_is_told_from_people(parsed, name):
    mention = parsed.mention(name)
    assert mention.bot == (mention.author,)


def test_a_reply_to_a_response_is_seen_to_be_hidden(parsed):
    message = parsed.message("reply_to_response")
    assert is_addressed(message, parsed.me)
    assert is_hidden(message)


@pytest.mark.parametrize("name", ["mention", "mention_only", "reply_ping", "direct_sticker"])
def test_what_can_be_read_is_not_hidden(parsed, name):
    assert not is_hidden(parsed.message(name))


def test_a_message_in_a_server_that_is_not_known_yet_is_not_taken_for_a_direct_one(parsed):
    data = payload("mention") | {"guild_id": "1201000000000000099", "channel_id": "77"}
    channel, _ = parsed.state._get_guild_channel(data)
    message = discord.Message(state=parsed.state, channel=channel, data=data)
    thread = mention_of(message, parsed.me).thread
    assert (thread.tenant, thread.key) == ("1201000000000000099", "77/1205000000000000001")


def test_the_name_of_a_thread_can_be_read_back():
    assert place_of(ThreadRef(platform="discord", tenant="1", key="10/20")) == (10, 20)
    assert place_of(ThreadRef(platform="discord", tenant="", key="@me/30")) == (None, 30)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How do I start?", "How do I start?"),
        ("How\n\ndo  I start?", "How do I start?"),
        ("", "Question from Ann"),
        (" \n ", "Question from Ann"),
        ("x" * 200, "x" * 79 + "…"),
    ],
)
def test_a_thread_is_called_by_its_question(question, name):
    assert thread_name(question, "Ann") == name


def test_a_message_that_nobody_edited_is_no_edit(parsed):
    assert edit_of(parsed.message("mention"), parsed.me) is None


def test_an_edited_message_is_its_mention_at_the_time_of_the_edit(parsed):
    data = payload("mention") | {"edited_timestamp": "2026-11-22T12:34:56.500000+00:00"}
    channel, _ = parsed.state._get_guild_channel(data)
    message = discord.Message(state=parsed.state, channel=channel, data=data)
    edited, mention = edit_of(message, parsed.me), parsed.mention("mention")
    assert edited.at == datetime(2026, 11, 22, 12, 34, 56, 500_000, tzinfo=UTC).timestamp()
    assert (edited.ref, edited.text, edited.thread) == (mention.ref, mention.text, mention.thread)


@pytest.mark.parametrize("name", ["plain", "other_bot", "own", "webhook", "pin"])
def test_what_does_not_ask_the_bot_is_no_edit_either(parsed, name):
    data = payload(name) | {"edited_timestamp": "2026-11-22T12:34:56.500000+00:00"}
    channel, _ = parsed.state._get_guild_channel(data)
    message = discord.Message(state=parsed.state, channel=channel, data=data)
    assert edit_of(message, parsed.me) is None


@pytest.mark.parametrize("name", ["mention", "mention_in_thread", "direct"])
def test_a_message_is_named_by_its_ids_as_its_mention_is(parsed, name):
    data, mention = payload(name), parsed.mention(name)
    guild = int(data["guild_id"]) if "guild_id" in data else None
    assert ref_of(guild, int(data["channel_id"]), int(data["id"])) == mention.ref
