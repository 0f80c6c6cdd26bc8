"""What Docent sends to a platform's API for each kind of reply, as golden files hold it.

The real adapters send it over their SDKs to the loopback servers, which note the calls they get.
Ids and times, which differ each time, are given numbers in the order in which they appear.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from core.buttons import buttons_for, draft_buttons
from core.calling import PLEA, TAG
from core.domain import (
    Answer,
    Button,
    Citation,
    Mention,
    MessageId,
    Post,
    Reply,
    ThreadId,
    ThreadRef,
    Turn,
    TurnId,
    TurnState,
)
from core.errors import PlatformBusy
from core.gap_replies import gap_reply
from core.gap_report import GapReport
from core.gaps import topics_of
from core.ports import Platform
from core.replies import WELCOME, Replies
from core.unanswered import GapKind, PageUse, Usage
from servers.discord_bench import Notebook, connected
from servers.discord_server import DiscordServer
from servers.gaps import gap
from servers.slack_rig import FakeReception, running, slack_settings, thread_on
from servers.slack_server import SlackServer

Calls = list[dict[str, Any]]

SINCE = 1_764_000_000.0
QUESTION = "When does an access token expire? <@1> & @everyone"
TOKENS = Citation(url="https://docs.example.com/tokens/", title="Access tokens")
LIMITS = Citation(url="https://docs.example.com/limits?a=1&b=2", title="Limits [all] | <b>")
ANSWER = Answer(
    text="An access token expires after **ninety days**.\n\nRenew it with `acme renew`:\n\n"
    "1. Open the page _Account_.\n2. Press *Renew*.\n\nSee [the page](https://docs.example.com/tokens/).",
    citations=(TOKENS, LIMITS),
)
STATES = (
    "An access token expires after **ninety days**.\n\n",
    "An access token expires after **ninety days**.\n\nRenew it with `acme renew`:\n\n",
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A platform with a question that waits for its reply."""

    platform: Platform
    turn: Turn
    team: str  #: a channel
    people: tuple[str, ...]
    ask_for_gaps: Callable[[Reply], Awaitable[None]]
    ask_in_private: Callable[[], Awaitable[Turn]]  #: by /ask
    refuse_streams: Callable[[], None] = lambda: None  #: where there is such a thing

    def post_of(self, text: str, buttons: Sequence[Button] = ()) -> Post:
        """A part of the reply, as Delivery would hand it to the platform."""
        return Post(
            thread=self.turn.thread,
            reply_to=self.turn.message,
            marker="0123456789abcdef01234567",
            text=text,
            asker=self.turn.author,
            turn=self.turn.id,
            buttons=tuple(buttons),
        )

    async def reply(self, reply: Reply, outcome: str) -> Post:
        """Post a reply, with the buttons for its outcome; its last part."""
        shares = self.platform.can_share(self.turn.thread)
        buttons = buttons_for(replace(self.turn, outcome=outcome), humans=True, shares=shares)
        (part,) = self.platform.render(reply)
        post = self.post_of(part, buttons)
        await self.platform.post(post)
        return post


# --- the cases ------------------------------------------------------------------------------------


async def find_pages(question: str, count: int, sources: Sequence[str]) -> Sequence[Citation]:
    return (TOKENS, LIMITS)


REPLIES = Replies(find_pages=find_pages, invite_url="https://discord.gg/acme")


async def answer(stage: Stage) -> None:
    """An answer with sources and buttons."""
    await stage.reply(await REPLIES.answer(stage.turn, ANSWER), "answered")


async def confirm(stage: Stage) -> None:
    """What somebody has to confirm before it is done."""
    (part,) = stage.platform.render(Reply(text="May I restart the build of `main`?"))
    await stage.platform.post(stage.post_of(part, (Button.CONFIRM, Button.DENY)))


async def fallback(stage: Stage) -> None:
    """A fallback with pages and buttons."""
    await stage.reply(await REPLIES.fallback(stage.turn), "not_answered")


async def draft(stage: Stage) -> None:
    """An answer as it begins, with the button that stops it, in a message to be edited."""
    stage.refuse_streams()
    with suppress(PlatformBusy):  # a stream is tried first
        await _write(stage, STATES[:1])
        return
    await _write(stage, STATES[:1])


async def stream(stage: Stage) -> None:
    """An answer as it is written, from its start to its end."""
    message = await _write(stage, STATES)
    (part,) = stage.platform.render(await REPLIES.answer(stage.turn, ANSWER))
    buttons = buttons_for(replace(stage.turn, outcome="answered"), humans=True)
    await stage.platform.edit(stage.post_of(part, buttons), message)


async def call(stage: Stage) -> None:
    """People are called: tagged in the thread, and told in the team's channel."""
    await stage.platform.post(replace(stage.post_of(TAG), people=stage.people))
    link = await stage.platform.link(stage.turn.thread, stage.turn.message)
    await stage.platform.announce(
        stage.team, f"{PLEA} {link}", quote=QUESTION, marker="76543210fedcba9876543210"
    )


async def gaps(stage: Stage) -> None:
    """What went unanswered, told to the admin who asks."""
    questions = (
        gap(1, "How do I export a *table*?", at=SINCE + 1),
        gap(2, "Export tables? @everyone", at=SINCE + 2, author="U2", kinds=(GapKind.UNHELPFUL,)),
        gap(3, "Which plan has single sign-on?", at=SINCE + 3, kinds=(GapKind.HUMAN,)),
    )
    report = GapReport(
        since=SINCE,
        until=SINCE + 604_800.0,
        total=3,
        people=2,
        topics=topics_of(questions),
        unread=0,
        forgotten=0,
        links={TurnId(n): f"https://chat.example.com/{n}" for n in (1, 2, 3)},
        private=frozenset(),
        usage=Usage(
            questions=9,
            cited=(PageUse(url=TOKENS.url, title=TOKENS.title, times=5),),
            uncited=(PageUse(url=LIMITS.url, title=LIMITS.title, times=0),),
            pages=2,
        ),
    )
    await stage.ask_for_gaps(gap_reply(report))


async def private(stage: Stage) -> None:
    """An answer that only its asker sees, with the button that shares it."""
    alone = replace(stage, turn=await stage.ask_in_private())
    await alone.reply(await REPLIES.answer(alone.turn, ANSWER), "answered")


async def shared(stage: Stage) -> None:
    """A private answer is shared: the question in the channel, the answer under it."""
    turn = await stage.ask_in_private()
    root = await stage.platform.share_question(
        turn.thread, turn.author, QUESTION, marker="76543210fedcba9876543210", doubtful=False
    )
    there = replace(turn, thread=root.thread, channel=root.channel, message=root.message)
    await replace(stage, turn=there).reply(await REPLIES.answer(there, ANSWER), "answered")


async def plain(stage: Stage) -> None:
    """A reply without buttons."""
    await stage.reply(REPLIES.small_talk(stage.turn, WELCOME), "small_talk")


CASES: Mapping[str, Callable[[Stage], Awaitable[None]]] = {
    case.__name__: case
    for case in (answer, call, confirm, draft, fallback, gaps, plain, private, shared, stream)
}


async def _write(stage: Stage, states: Sequence[str]) -> MessageId:
    render, message = stage.platform.draft_renderer(stage.turn.thread), None
    for state in states:
        (part,) = render(state)
        message = await stage.platform.draft(stage.post_of(part, draft_buttons()), message)
    assert message is not None
    return message


# --- the platforms --------------------------------------------------------------------------------


async def slack_calls(case: str) -> Calls:
    """What Slack's API is called with in a case."""
    async with SlackServer() as server:
        reception = FakeReception()
        server.workspace.add_channel("C0TEAM")
        # So that nobody is looked up.
        settings = slack_settings(server, tell_externals=False, private_asks=True)
        async with running(settings, reception) as platform:
            root = server.mention("C0GENERAL", "U1", QUESTION)
            await reception.wait_until_offered()
            before, told = len(server.calls), Calls()

            async def ask_for_gaps(reply: Reply) -> None:
                reception.report_gaps = _given(reply)
                asked = server.slash("/docs-gaps", "", channel="C0GENERAL", user="U1")
                await server.wait_for(lambda: server.answers(asked))
                told.extend({"response_url": answer} for answer in server.answers(asked))

            async def ask_in_private() -> Turn:
                asked = server.slash("/ask", QUESTION, channel="C0GENERAL", user="U1")
                await asked.done.wait()
                told.append({"acknowledgement": asked.reply})
                return _turn_of(reception.taken[-1])

            stage = Stage(
                platform=platform,
                turn=_turn(thread_on("C0GENERAL", root), "C0GENERAL", root, "U1"),
                team="C0TEAM",
                people=("S0TEAM", "U0CAROL"),
                ask_for_gaps=ask_for_gaps,
                ask_in_private=ask_in_private,
                refuse_streams=lambda: setattr(server.streams, "refusal", "not_allowed"),
            )
            await CASES[case](stage)
            calls = [{one.method: dict(one.args)} for one in server.calls[before:]]
            return [*_without_times(calls, r"\d{10}\.?\d{6}"), *told]


async def discord_calls(case: str) -> Calls:
    """What Discord's API is called with in a case."""
    async with DiscordServer() as server, _asked_on_discord(server, case) as (stage, shown):
        before = len(server.all_calls())
        await CASES[case](stage)
        await shown()
        calls = [
            {f"{one.method} {one.path}": dict(one.body)} for one in server.all_calls()[before:]
        ]
        return _without_times(calls, r"\b\d{17,20}\b|interaction-token-\d+")


@asynccontextmanager
async def _asked_on_discord(
    server: DiscordServer, case: str
) -> AsyncIterator[tuple[Stage, Callable[[], Awaitable[object]]]]:
    ann, channel = server.world.user("Ann"), server.world.channel("help")
    team, notebook = server.world.channel("team"), Notebook()
    async with connected(server, notebook=notebook, private_asks=True) as bench:
        await server.wait_for(lambda: server.world.commands)
        await server.mention(channel, ann, QUESTION)
        mention = await notebook.next()
        asked: list[Any] = []

        async def ask_for_gaps(reply: Reply) -> None:
            notebook.report_gaps = _given(reply)
            asked.append(await server.slash("docs-gaps", ann, channel))

        async def ask_in_private() -> Turn:
            asked = await server.slash("ask", ann, channel, {"question": QUESTION})
            turn = _turn_of(await notebook.next())
            await server.wait_for(lambda: asked.acknowledged is not None)
            return turn

        async def shown() -> None:
            for interaction in asked:
                await server.wait_for(lambda: interaction.texts)  # noqa: B023

        yield (
            Stage(
                platform=bench.platform,
                turn=_turn_of(mention),
                team=str(team.id),
                people=("&55", "77"),
                ask_for_gaps=ask_for_gaps,
                ask_in_private=ask_in_private,
            ),
            shown,
        )


def _given(reply: Reply) -> Callable[[], Awaitable[Reply]]:
    async def give() -> Reply:
        return reply

    return give


def _turn_of(mention: Mention) -> Turn:
    return _turn(mention.thread, mention.channel, mention.message, mention.author)


def _turn(thread: ThreadRef, channel: str, message: str, author: str) -> Turn:
    return Turn(
        id=TurnId(12),
        thread_id=ThreadId(1),
        thread=thread,
        channel=channel,
        message=MessageId(message),
        author=author,
        question=QUESTION,
        unread=(),
        state=TurnState.ANSWERED,
        asked_at=1_764_000_000.0,
        started_at=None,
        attempt=1,
        run=None,
        engine=None,
        conversation=None,
        outcome=None,
        revision=0,
        holder=None,
    )


def _without_times(calls: Calls, pattern: str) -> Calls:
    """The calls with a name for each id, the same wherever it stands."""
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return names.setdefault(found[0].replace(".", ""), f"ID{len(names) + 1}")

    text = json.dumps(calls, sort_keys=True, ensure_ascii=False)
    named: Calls = json.loads(re.sub(pattern, name, text))
    return named
