"""What every platform promises, whichever it is."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from bots.discord_bot.adapter import DiscordPlatform
from bots.slack_bot.adapter import SlackPlatform
from bots.terminal_bot.adapter import TerminalPlatform
from core.domain import Citation, Mention, Post, Reply, ThreadRef
from core.errors import PlatformError, PlatformRefused
from core.ports import Platform
from core.reception import Reception
from core.settings import DiscordSettings, SlackSettings
from servers.discord_bench import KeptTokens, Memory, Notebook, platform_for
from servers.discord_server import DiscordServer
from servers.slack_rig import slack_settings
from servers.slack_server import SlackServer

CHANNEL = "C0GENERAL"


@dataclass(kw_only=True)
class Place:
    """A platform, and what people see there."""

    platform: Platform
    wrong: Platform | None  #: the same platform with a token that it refuses
    ask: Callable[[], Any]  #: somebody asks the bot
    shown: Callable[[], list[str]]  #: what the bot has written


@asynccontextmanager
async def slack_place() -> AsyncIterator[Place]:
    async with SlackServer() as server:

        def shown() -> list[str]:
            messages = server.workspace.channels[CHANNEL].messages
            return [message["text"] for message in messages if "bot_id" in message]

        async def ask() -> None:
            server.mention(CHANNEL, "U0ALICE", "How?")

        yield Place(
            platform=SlackPlatform(slack_settings(server)),
            wrong=SlackPlatform(slack_settings(server, bot_token="xoxb-wrong")),
            ask=ask,
            shown=shown,
        )


@asynccontextmanager
async def discord_place() -> AsyncIterator[Place]:
    async with DiscordServer() as server:
        channel, asker = server.world.channel("help"), server.world.user("alice")

        def shown() -> list[str]:
            everywhere = server.world.channels.values()
            return [m["content"] for place in everywhere for m in server.posted(place)]

        yield Place(
            platform=platform_for(server),
            wrong=platform_for(server, token="wrong"),
            ask=lambda: server.mention(channel, asker, "How?"),
            shown=shown,
        )


@asynccontextmanager
async def terminal_place() -> AsyncIterator[Place]:
    screen = io.StringIO()
    platform = TerminalPlatform(Console(file=screen, width=100), interactive=False)

    async def ask() -> None:
        """A line waits at the input already."""

    def shown() -> list[str]:
        return [line.strip() for line in screen.getvalue().splitlines() if "answer" in line]

    yield Place(platform=platform, wrong=None, ask=ask, shown=shown)


MESSENGERS: list[Platform] = [
    SlackPlatform(SlackSettings(bot_token="xoxb-1", app_token="xapp-1")),
    DiscordPlatform(
        DiscordSettings(token="t"),
        remembered=Memory().get,
        remember=Memory().put,
        tokens=KeptTokens(),
    ),
]
PLACES = {"slack": slack_place, "discord": discord_place, "terminal": terminal_place}


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[Place]:
    async with PLACES[name]() as place:
        yield place
        for platform in (place.platform, place.wrong):
            if platform:
                await platform.close()


@pytest.fixture(params=["slack", "discord", "terminal"])
async def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    lines = iter(["How?"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    async with opened(request.param) as place:
        yield place


@pytest.fixture(params=["slack", "discord"])
async def messenger(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A platform with a memory and a token; a terminal has neither."""
    async with opened(request.param) as place:
        yield place


@asynccontextmanager
async def running(place: Place) -> AsyncIterator[Mention]:
    """Run the platform until the block ends; what somebody asked meanwhile."""
    notebook, stop, ready = Notebook(), asyncio.Event(), asyncio.Event()
    reception: Reception = notebook
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(place.platform.run(reception, stop, ready))
        await ready.wait()
        await place.ask()
        yield await notebook.next()
        stop.set()


def part(mention: Mention, marker: str = "0" * 24, text: str = "An answer.") -> Post:
    return Post(thread=mention.thread, reply_to=mention.message, marker=marker, text=text)


async def test_a_mention_is_handed_over_with_the_platforms_name(place: Place) -> None:
    async with running(place) as mention:
        assert mention.text == "How?"
        assert mention.thread.platform == place.platform.name


async def test_a_part_is_posted_as_it_was_rendered(place: Place) -> None:
    async with running(place) as mention:
        (text,) = place.platform.render(Reply(text="An answer."))
        assert await place.platform.post(part(mention, text=text))
    assert place.shown() == ["An answer."]


async def test_a_part_is_found_by_its_marker_and_another_one_is_not(messenger: Place) -> None:
    platform = messenger.platform
    async with running(messenger) as mention:
        posted = await platform.post(part(mention))
        assert await platform.find(part(mention)) == posted
        assert await platform.find(part(mention, marker="f" * 24, text="Other.")) is None


async def test_replies_can_still_be_posted_after_the_stop_and_before_the_close(
    place: Place,
) -> None:
    async with running(place) as mention:
        pass
    assert await place.platform.post(part(mention))
    assert place.shown() == ["An answer."]


async def test_signs_of_work_never_raise_wherever_they_are_shown(place: Place) -> None:
    async with running(place) as mention:
        nowhere = ThreadRef(
            platform=place.platform.name, tenant="", key=mention.thread.key.replace("1", "7")
        )
        for thread in (mention.thread, nowhere):
            await place.platform.show_working(thread, mention.message)
            await place.platform.clear_working(thread, mention.message)


@pytest.mark.parametrize("text", ["", " ", "x", "word " * 5000, "```\n" + "code\n" * 3000])
def test_a_reply_has_a_part_at_least_and_none_is_empty(text: str) -> None:
    for platform in (*MESSENGERS, TerminalPlatform(Console(), interactive=False)):
        parts = platform.render(Reply(text=text))
        assert parts
        assert all(part.strip() for part in parts)


def test_the_sources_are_on_the_last_part_only() -> None:
    link = Citation(url="https://docs.example.com/a", title="Page A")
    reply = Reply(text="word " * 5000, links=(link,))
    for platform in MESSENGERS:
        parts = platform.render(reply)
        assert [link.url in part for part in parts] == [False] * (len(parts) - 1) + [True]


async def test_a_wrong_token_is_refused_and_never_waited_for(messenger: Place) -> None:
    assert messenger.wrong is not None
    reception: Reception = Notebook()
    with pytest.raises(PlatformRefused, match="TOKEN"):
        async with asyncio.timeout(60):
            await messenger.wrong.run(reception, asyncio.Event(), asyncio.Event())


async def test_a_closed_platform_raises_a_platform_error_and_closes_again(
    messenger: Place,
) -> None:
    async with running(messenger) as mention:
        pass
    await messenger.platform.close()
    await messenger.platform.close()
    with pytest.raises(PlatformError):
        await messenger.platform.post(part(mention))


async def test_before_a_question_that_begins_its_thread_nothing_was_said(place: Place) -> None:
    async with running(place) as mention:
        talk = await place.platform.talk(mention.thread, None, mention.message, 30)
        assert list(talk) == []


async def test_a_part_is_published_outside_any_thread_and_the_same_one_once(
    messenger: Place,
) -> None:
    platform = messenger.platform
    async with running(messenger) as mention:
        channel = platform.channel_of(mention.thread)
        (part_of_ours,) = platform.render(Reply(text="A **digest** & more."))
        await platform.publish(channel, part_of_ours, marker="1" * 24)
        await platform.publish(channel, part_of_ours, marker="1" * 24, doubtful=True)
        assert messenger.shown() == [part_of_ours]


async def test_a_question_in_a_channel_can_be_linked_to_and_is_not_direct(
    messenger: Place,
) -> None:
    async with running(messenger) as mention:
        assert not messenger.platform.is_direct(mention.thread)
        link = await messenger.platform.link(mention.thread, mention.message)
        assert link.startswith("https://")


async def test_a_thread_hangs_in_the_channel_that_it_was_asked_in(messenger: Place) -> None:
    async with running(messenger) as mention:
        assert messenger.platform.channel_of(mention.thread) == mention.channel
