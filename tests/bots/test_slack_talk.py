"""What people said in a thread on Slack, for a question in the middle of it."""

from collections.abc import AsyncIterator

import pytest

from bots.slack_bot import talk
from bots.slack_bot.adapter import SlackPlatform
from bots.slack_bot.talk import label
from core.domain import MessageId, Said
from core.errors import PlatformBusy, PlatformRefused
from servers.slack_faults import rate_limited
from servers.slack_rig import slack_settings, thread_on
from servers.slack_server import BOT_USER, SlackServer

CHANNEL = "C0GENERAL"
ALICE, BOB = "U0ALICE", "U0BOB"


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as running:
        yield running
        assert running.violations == []


@pytest.fixture
async def platform(server: SlackServer) -> AsyncIterator[SlackPlatform]:
    ours = SlackPlatform(slack_settings(server))
    yield ours
    await ours.close()


def lines(said: object) -> list[tuple[str, str]]:
    assert isinstance(said, list)
    return [(each.speaker, each.text) for each in said if isinstance(each, Said)]


async def read(
    platform: SlackPlatform, root: str, before: str, after: str | None = None, limit: int = 30
) -> list[tuple[str, str]]:
    given = None if after is None else MessageId(after)
    return lines(await platform.talk(thread_on(CHANNEL, root), given, MessageId(before), limit))


async def test_the_root_and_what_followed_are_read_up_to_the_question(
    server: SlackServer, platform: SlackPlatform
) -> None:
    root = server.say(CHANNEL, ALICE, "It shows &lt;E42&gt; since noon.")
    server.say(CHANNEL, BOB, f"<@{ALICE}> restart it", thread_ts=root)
    asked = server.mention(CHANNEL, ALICE, "how?", thread_ts=root)
    server.say(CHANNEL, BOB, "later", thread_ts=root)
    server.say(CHANNEL, BOB, "elsewhere")
    assert await read(platform, root, asked) == [
        (label(ALICE), "It shows <E42> since noon."),
        (label(BOB), f"@{label(ALICE)} restart it"),
    ]


async def test_only_what_came_since_the_last_question_is_read(
    server: SlackServer, platform: SlackPlatform
) -> None:
    root = server.say(CHANNEL, ALICE, "first")
    first = server.mention(CHANNEL, ALICE, "how?", thread_ts=root)
    await platform._api().post(CHANNEL, "An answer.", root=root, marker="m")
    server.say(CHANNEL, BOB, "that did not help", thread_ts=root)
    second = server.mention(CHANNEL, BOB, "what now?", thread_ts=root)
    assert await read(platform, root, second, first) == [(label(BOB), "that did not help")]


async def test_a_question_that_begins_its_thread_costs_no_request(
    server: SlackServer, platform: SlackPlatform
) -> None:
    root = server.mention(CHANNEL, ALICE, "how?")
    assert await platform.talk(thread_on(CHANNEL, root), None, MessageId(root), 30) == ()
    assert platform.channel_of(thread_on(CHANNEL, root)) == CHANNEL
    assert server.calls_of("conversations.replies") == []


async def test_other_questions_lose_the_mention_and_joins_and_empty_messages_are_left_out(
    server: SlackServer, platform: SlackPlatform
) -> None:
    root = server.say(CHANNEL, ALICE, "", files=["a.png"])
    server.say(CHANNEL, BOB, f"<@{BOT_USER}> help us", thread_ts=root)
    server.say(CHANNEL, BOB, "joined", thread_ts=root, subtype="channel_join")
    asked = server.mention(CHANNEL, ALICE, "how?", thread_ts=root)
    assert await read(platform, root, asked) == [(label(BOB), "help us")]


async def test_apps_have_the_name_that_they_give_themselves(
    server: SlackServer, platform: SlackPlatform
) -> None:
    alarm = {"subtype": "bot_message", "bot_id": "B9", "username": "Alarm"}
    root = server.say(CHANNEL, "U9", "Disk is full", **alarm)
    asked = server.mention(CHANNEL, ALICE, "how?", thread_ts=root)
    assert await read(platform, root, asked) == [("Alarm", "Disk is full")]


async def test_of_a_long_thread_the_root_and_the_newest_are_read(
    server: SlackServer, platform: SlackPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "LARGEST_PAGE", 4)
    root = server.say(CHANNEL, ALICE, "root")
    for number in range(9):
        server.say(CHANNEL, BOB, f"reply {number}", thread_ts=root)
    asked = server.mention(CHANNEL, ALICE, "how?", thread_ts=root)
    found = await read(platform, root, asked, limit=3)
    assert [text for _, text in found] == ["root", "reply 7", "reply 8"]
    monkeypatch.setattr(talk, "MOST_PAGES", 2)
    assert len(await read(platform, root, asked)) < 10
    assert len(server.calls_of("conversations.replies")) == 3 + 2


async def test_what_goes_wrong_is_raised_as_for_a_post(
    server: SlackServer, platform: SlackPlatform
) -> None:
    root = server.say(CHANNEL, ALICE, "root")
    asked = server.mention(CHANNEL, ALICE, "how?", thread_ts=root)
    server.fail("conversations.replies", rate_limited(30))
    with pytest.raises(PlatformBusy):
        await read(platform, root, asked)
    server.scopes.discard("channels:history")
    with pytest.raises(PlatformRefused):
        await read(platform, root, asked)


def test_a_person_is_called_the_same_always_and_differently_from_others() -> None:
    assert label(ALICE) == label(ALICE)
    assert label(ALICE) != label(BOB)
    assert "ALICE" not in label(ALICE)
