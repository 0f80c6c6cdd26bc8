import asyncio
import io
from collections.abc import Iterator, Sequence

import pytest
from rich.console import Console

from bots.terminal_bot.adapter import TerminalPlatform
from bots.terminal_bot.events import Ask, Line, NewThread, Quit, Refresh, read_line
from core.domain import Citation, Mention, MessageId, Post, RefreshReport, Reply, ThreadRef
from core.errors import RefreshBusy
from core.ports import OnProgress


class AnsweringReception:
    """Replies to every mention at once, as the loop would."""

    def __init__(self) -> None:
        self.platform: TerminalPlatform | None = None
        self.mentions: list[Mention] = []
        self.refreshes = 0

    async def take(self, mention: Mention) -> bool:
        assert self.platform is not None
        self.mentions.append(mention)
        (text,) = self.platform.render(Reply(text=f"answer to {mention.text}"))
        post = Post(thread=mention.thread, reply_to=mention.message, marker="m", text=text)
        await self.platform.post(post)
        return True

    async def refresh(self, platform: str, user: str, on_progress: OnProgress) -> RefreshReport:
        self.refreshes += 1
        if self.refreshes > 1:
            raise RefreshBusy
        return RefreshReport(
            added=("u",), changed=(), removed=(), unchanged=0, failed=(), seconds=0
        )


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def reception(screen: io.StringIO) -> AnsweringReception:
    reception = AnsweringReception()
    reception.platform = TerminalPlatform(Console(file=screen, width=80), interactive=False)
    return reception


def type_in(monkeypatch: pytest.MonkeyPatch, lines: Sequence[str]) -> None:
    """Let `input` read these lines, and then the end of the file."""

    def read(prompt: str) -> str:
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    waiting: Iterator[str] = iter(lines)
    monkeypatch.setattr("builtins.input", read)


async def talk(reception: AnsweringReception, stop: asyncio.Event | None = None) -> None:
    assert reception.platform is not None
    async with asyncio.timeout(5):
        await reception.platform.run(reception, stop or asyncio.Event(), asyncio.Event())


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("How do I start? ", Ask(text="How do I start?")),
        ("/new", NewThread()),
        (" /Refresh-Docs", Refresh()),
        ("/quit", Quit()),
        ("", Ask(text="")),
    ],
)
def test_a_line_is_a_command_or_a_question(line: str, meaning: Line) -> None:
    assert read_line(line) == meaning


async def test_each_line_is_asked_in_the_thread_and_its_answer_printed(
    reception: AnsweringReception, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["a", "", "b"])
    await talk(reception)
    assert [mention.text for mention in reception.mentions] == ["a", "b"]
    assert len({mention.thread for mention in reception.mentions}) == 1
    assert len({mention.message for mention in reception.mentions}) == 2
    shown = screen.getvalue()
    assert shown.index("> a") < shown.index("answer to a") < shown.index("> b")


async def test_new_begins_another_thread(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["a", "/new", "b"])
    await talk(reception)
    assert len({mention.thread for mention in reception.mentions}) == 2


async def test_quit_leaves_what_follows_unread(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["/quit", "a"])
    await talk(reception)
    assert reception.mentions == []


async def test_refresh_says_what_was_done_or_why_not(
    reception: AnsweringReception, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, ["/refresh-docs", "/refresh-docs"])
    await talk(reception)
    assert "1 added" in screen.getvalue()
    assert "under way already" in screen.getvalue()


async def test_a_stop_ends_the_talk_while_it_waits_for_a_line(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, released = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def waits_for_ever(prompt: str) -> str:
        loop.call_soon_threadsafe(stop.set)
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result(5)
        raise EOFError

    monkeypatch.setattr("builtins.input", waits_for_ever)
    await talk(reception, stop)
    assert stop.is_set()
    released.set()


async def test_two_sessions_never_share_an_identity(
    reception: AnsweringReception, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = AnsweringReception()
    other.platform = TerminalPlatform(Console(file=io.StringIO()), interactive=False)
    for session in (reception, other):
        type_in(monkeypatch, ["a"])
        await talk(session)
    identities = {(m.channel, m.message) for m in (*reception.mentions, *other.mentions)}
    assert len(identities) == 2


async def test_a_reply_shows_its_sources_with_their_addresses(
    reception: AnsweringReception, screen: io.StringIO
) -> None:
    platform = reception.platform
    assert platform is not None
    link = Citation(url="https://docs.example.com/a", title="Page A")
    (text,) = platform.render(Reply(text="**Yes.**", links=(link,)))
    thread = ThreadRef(platform="terminal", tenant="", key="t")
    await platform.post(Post(thread=thread, reply_to=MessageId("1"), marker="m", text=text))
    shown = screen.getvalue()
    assert "Yes." in shown
    assert "Page A" in shown
    assert "https://docs.example.com/a" in shown
