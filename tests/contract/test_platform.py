"""What every platform promises, whichever it is."""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from rich.console import Console

from bots.discord_bot.adapter import DiscordPlatform
from bots.slack_bot.adapter import SlackPlatform
from bots.terminal_bot.adapter import TerminalPlatform
from core.domain import Citation, Mention, Post, Reply, ThreadRef
from core.errors import FileUnreadable, PlatformError, PlatformRefused
from core.ports import Platform
from core.reception import Reception
from core.settings import DiscordSettings, SlackSettings
from servers.discord_bench import KeptTokens, Memory, Notebook, platform_for
from servers.discord_server import DiscordServer
from servers.slack_rig import slack_settings
from servers.slack_server import SlackServer

CHANNEL = "C0GENERAL"
Lines = SimpleQueue[str]  # what is typed, where it is a terminal


@dataclass(kw_only=True)
class Place:
    """A platform, and what people see there."""

    platform: Platform
    wrong: Platform | None  #: the same platform with a token that it refuses
    ask: Callable[[], Any]  #: somebody asks the bot
    shown: Callable[[], list[str]]  #: what the bot has written
    ask_about: Callable[[bytes, int], Any]  #: somebody attaches a file, which has so many bytes
    lose_files: Callable[[], None]  #: what was attached is gone


@asynccontextmanager
async def slack_place() -> AsyncIterator[Place]:
    async with SlackServer() as server:

        def shown() -> list[str]:
            messages = server.workspace.channels[CHANNEL].messages
            return [message["text"] for message in messages if "bot_id" in message]

        async def ask() -> None:
            server.mention(CHANNEL, "U0ALICE", "How?")

        async def ask_about(content: bytes, said: int) -> None:
            file = server.files.upload("trace.log", content, said=said)
            server.mention(CHANNEL, "U0ALICE", "Why?", files=[file])

        yield Place(
            platform=SlackPlatform(slack_settings(server)),
            wrong=SlackPlatform(slack_settings(server, bot_token="xoxb-wrong")),
            ask=ask,
            shown=shown,
            ask_about=ask_about,
            lose_files=server.files.uploads.clear,
        )


@asynccontextmanager
async def discord_place() -> AsyncIterator[Place]:
    async with DiscordServer() as server:
        channel, asker = server.world.channel("help"), server.world.user("alice")

        def shown() -> list[str]:
            everywhere = server.world.channels.values()
            return [m["content"] for place in everywhere for m in server.posted(place)]

        async def ask_about(content: bytes, said: int) -> None:
            file = server.world.files.attach("trace.log", content, said=said)
            await server.mention(channel, asker, "Why?", attachments=[file])

        yield Place(
            platform=platform_for(server),
            wrong=platform_for(server, token="wrong"),
            ask=lambda: server.mention(channel, asker, "How?"),
            shown=shown,
            ask_about=ask_about,
            lose_files=server.world.files.uploads.clear,
        )


@asynccontextmanager
async def terminal_place(lines: Lines) -> AsyncIterator[Place]:
    screen = io.StringIO()
    platform = TerminalPlatform(Console(file=screen, width=100), interactive=False)

    async def ask() -> None:
        lines.put("How?")

    def shown() -> list[str]:
        return [line.strip() for line in screen.getvalue().splitlines() if "answer" in line]

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "trace.log"

        async def ask_about(content: bytes, said: int) -> None:
            """Attach it; here a file is as large as it is."""
            log.write_bytes(content)
            lines.put(f"/attach {log}")
            lines.put("Why?")

        yield Place(
            platform=platform,
            wrong=None,
            ask=ask,
            shown=shown,
            ask_about=ask_about,
            lose_files=log.unlink,
        )
        lines.put("/quit")  # for the thread that may still read


MESSENGERS: list[Platform] = [
    SlackPlatform(SlackSettings(bot_token="xoxb-1", app_token="xapp-1")),
    DiscordPlatform(
        DiscordSettings(token="t"),
        remembered=Memory().get,
        remember=Memory().put,
        tokens=KeptTokens(),
    ),
]
PLACES = {"slack": slack_place, "discord": discord_place}


@asynccontextmanager
async def opened(name: str, lines: Lines) -> AsyncIterator[Place]:
    async with PLACES.get(name, partial(terminal_place, lines))() as place:
        yield place
        for platform in (place.platform, place.wrong):
            if platform:
                await platform.close()


@pytest.fixture(params=["slack", "discord", "terminal"])
async def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    lines = Lines()
    monkeypatch.setattr("builtins.input", lambda prompt: lines.get())
    async with opened(request.param, lines) as place:
        yield place


@pytest.fixture(params=["slack", "discord"])
async def messenger(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A platform with a memory and a token; a terminal has neither."""
    async with opened(request.param, Lines()) as place:
        yield place


@asynccontextmanager
async def running(place: Place, ask: Callable[[], Any] | None = None) -> AsyncIterator[Mention]:
    """Run the platform until the block ends; what somebody asked meanwhile."""
    notebook, stop, ready = Notebook(), asyncio.Event(), asyncio.Event()
    reception: Reception = notebook
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(place.platform.run(reception, stop, ready))
        await ready.wait()
        await (ask or place.ask)()
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


async def read_by(platform: Platform, mention: Mention, limit: int) -> bytes:
    (file,) = mention.files
    return await platform.read_file(mention.thread, file, limit)


async def test_a_file_comes_with_the_question_and_is_read_whole(place: Place) -> None:
    content = b"exit 1\n" * 20_000
    async with running(place, partial(place.ask_about, content, len(content))) as mention:
        (file,) = mention.files
        assert (file.name, file.size, mention.unread) == ("trace.log", len(content), ())
        assert (file.channel, file.message) == (mention.channel, mention.message)
        assert await read_by(place.platform, mention, len(content)) == content


async def test_a_file_is_read_after_the_stop_and_again(place: Place) -> None:
    async with running(place, partial(place.ask_about, b"exit 1", 6)) as mention:
        pass
    for _ in range(2):
        assert await read_by(place.platform, mention, 100) == b"exit 1"


async def test_a_file_that_is_larger_than_the_limit_is_unreadable_whatever_is_said_of_it(
    place: Place,
) -> None:
    async with running(place, partial(place.ask_about, b"x" * 100_000, 10)) as mention:
        with pytest.raises(FileUnreadable, match="larger than 99 kB"):
            await read_by(place.platform, mention, 99_000)


async def test_a_file_that_is_gone_is_unreadable(place: Place) -> None:
    async with running(place, partial(place.ask_about, b"exit 1", 6)) as mention:
        place.lose_files()
        with pytest.raises(FileUnreadable, match="no longer there"):
            await read_by(place.platform, mention, 100)


async def test_a_closed_platform_reads_no_file_and_says_so(messenger: Place) -> None:
    async with running(messenger, partial(messenger.ask_about, b"exit 1", 6)) as mention:
        pass
    await messenger.platform.close()
    with pytest.raises(PlatformError):
        await read_by(messenger.platform, mention, 100)
