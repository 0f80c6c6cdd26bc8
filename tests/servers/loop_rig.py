"""A loop and a desk around a scripted engine and platform, as one process has them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from core.abandoned import AbandonedRuns
from core.answering import Answering
from core.asking import Asking
from core.attachments import Attachments
from core.attendance import Attendance
from core.calling import Calling
from core.delivery import Delivery
from core.desk import Desk
from core.domain import Citation, Mention, Turn, TurnId
from core.drafts import Drafts
from core.gap_report import GapReports
from core.humans import NOBODY, Humans
from core.lease import Lease
from core.limits import Limits
from core.loop import Loop
from core.manners import Manners
from core.pacing import RequestBudget
from core.refresh import Refresher
from core.replies import FindPages, Replies
from core.rounds import Rounds
from core.settings import Admission, CatchUp, FollowUps, Limit
from core.sharing import Sharing
from core.store import Store
from core.tools.toolbox import Toolbox
from servers.mentions import mention
from servers.scripted import RecordingPlatform, ScriptedEngine

HELPFUL = (Citation(url="https://docs.example.com/help", title="Help"),)


async def helpful_pages(question: str, limit: int, sources: Sequence[str]) -> tuple[Citation, ...]:
    return HELPFUL


def manners(
    store: Store,
    *,
    admission: Admission | None = None,
    follow_ups: FollowUps = "thread",
    idle_after: float | None = 86_400.0,
) -> Manners:
    """When to speak: as the settings have it where they say nothing."""
    return Manners(
        store=store,
        admission=admission or Admission(),
        policy_for=lambda _: follow_ups,
        idle_after=idle_after,
    )


class Bench:
    """What one process consists of, and a way to ask it things."""

    def __init__(
        self,
        store: Store,
        engine: ScriptedEngine,
        platform: RecordingPlatform,
        *,
        works: bool = True,
        deadline: float = 30,
        budget: RequestBudget | None = None,
        find_pages: FindPages = helpful_pages,
        user_limit: Limit | None = None,
        catch_up: CatchUp | None = None,
        refreshed_at: float | None = None,
        max_age: float | None = None,
        streaming: bool = True,
        humans: Humans = NOBODY,
        admins: Sequence[str] = (),
        reads_talk: bool = False,
        toolbox: Toolbox | None = None,
        servers: Sequence[str] = (),
    ) -> None:

        async def last_refresh() -> float | None:
            return refreshed_at

        self.store = store
        self.troubles: list[tuple[str, str | None]] = []
        self.stop = asyncio.Event()
        self.lease = Lease(store, platforms=[platform.name], is_worker=works)
        abandoned = AbandonedRuns(store=store, engine=engine)
        rounds = None
        if toolbox is not None:
            rounds = Rounds(store=store, toolbox=toolbox, servers=servers)
        drafts = Drafts(
            store=store, engine=engine, lease=self.lease, is_streaming=lambda _: streaming
        )
        self.loop = Loop(
            store=store,
            answering=Answering(
                store=store,
                engine=engine,
                asking=Asking(
                    store=store,
                    engine=engine,
                    reads_talk=reads_talk,
                    rounds=rounds,
                    attachments=Attachments(
                        store=store, engine=engine, deadline=deadline, retention_days=None
                    ),
                ),
                replies=Replies(
                    find_pages=find_pages,
                    last_refresh=last_refresh,
                    max_age=max_age,
                    invite_url="https://discord.gg/docent",
                ),
                limits=Limits(user=user_limit, channel=None),
                deadline=deadline,
                too_old=catch_up.answer_age if catch_up else None,
                cancel_soon=abandoned.cancel_soon,
                end_drafts=drafts.end,
                on_trouble=self._note_trouble,
            ),
            delivery=Delivery(
                store=store,
                lease=self.lease,
                on_trouble=self._note_trouble,
                outlast=drafts.outlast,
                humans=humans,
            ),
            drafts=drafts,
            lease=self.lease,
            abandoned=abandoned,
            platforms={platform.name: platform},
            budget=budget,
        )
        self.calling = Calling(store=store, humans=humans, platforms={platform.name: platform})
        self.sharing = Sharing(
            store=store, platforms={platform.name: platform}, on_shared=self.loop.scan_soon
        )
        self.desk = Desk(
            store=store,
            refresher=Refresher(store=store, sources=[], indexes=[]),
            attendance=Attendance(store=store, catch_up=catch_up),
            manners=manners(store),
            reports=GapReports(store=store, platforms={platform.name: platform}),
            admins=admins,
            wants=self.lease.wants,
            on_turn=self.loop.notice,
            on_change=self.loop.changed,
            on_doubt=self.loop.scan_soon,
            humans=humans,
            on_call=self.calling.look_soon,
            can_share=platform.can_share,
            on_share=self.sharing.look_soon,
        )
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bench"]:
        """Run the loop while the block lasts, then stop it in good order."""
        await self.lease.join()
        begun = self._hear_of_the_beginning()
        async with asyncio.TaskGroup() as tasks:
            self._task = tasks.create_task(self.loop.run(self.stop))
            waiting = tasks.create_task(begun.wait())
            await asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            yield self
            self.stop.set()

    def _hear_of_the_beginning(self) -> asyncio.Event:
        """What is asked while the loop still looks for what is left over counts as left over."""
        begin, begun = self.loop._begin, asyncio.Event()

        async def hears() -> None:
            await begin()
            begun.set()

        self.loop._begin = hears  # type: ignore[method-assign]
        return begun

    def kill(self) -> None:
        """Die without a word, as far as others can tell."""
        assert self._task is not None
        self._task.cancel()

    async def ask(self, *questions: str, thread: str = "t1", **fields: str) -> list[Mention]:
        """Ask, each question by another author unless one is given: else they go together."""
        asked = []
        for question in questions:
            said = {"author": f"author of {question}", **fields}
            asked.append(mention(question, thread=thread, **said))  # type: ignore[arg-type]
            assert await self.desk.take(asked[-1])
        return asked

    async def idle(self) -> None:
        """Wait until every turn has come to its end."""
        async with asyncio.timeout(60):
            await self.loop.idle.wait()

    async def turn(self, number: int = 1) -> Turn:
        """A turn as it is on record, by its number from 1."""
        turn = await self.store.turns.get(TurnId(number))
        assert turn is not None
        return turn

    def _note_trouble(self, key: str, text: str | None) -> None:
        self.troubles.append((key, text))


Running = Callable[..., AbstractAsyncContextManager[Bench]]


def runner(
    store: Store, engine: ScriptedEngine, platform: RecordingPlatform, **always: Any
) -> Running:
    """What runs a process while a block lasts; takes further options of `Bench`."""

    def run(**options: Any) -> AbstractAsyncContextManager[Bench]:
        return Bench(store, engine, platform, **always, **options).running()

    return run
