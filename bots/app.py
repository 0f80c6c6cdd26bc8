"""The composition root: the one place where stores, engines, indexes and platforms are made.

A third platform adds a line to `make_platforms`, a second engine a line to `_make_engine`.
"""

import logging
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bots import webhook
from bots.discord_bot.adapter import DiscordPlatform
from bots.slack_bot.adapter import SlackPlatform
from bots.terminal_bot.adapter import USER
from core.abandoned import AbandonedRuns
from core.alerts import Alerts, announcer
from core.answering import Answering
from core.attendance import Attendance
from core.breaker import Breaker
from core.delivery import Delivery
from core.desk import Desk
from core.domain import TurnId
from core.evaluation import Evaluation
from core.lease import Lease
from core.limits import Limits
from core.local_engine.engine import LocalEngine, Questions
from core.local_engine.finder import PageFinder
from core.local_engine.index import LocalIndex
from core.local_engine.sections import Sections
from core.loop import Loop
from core.openai_engine.client import make_client
from core.openai_engine.engine import OpenAIEngine
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS
from core.openai_engine.vector_store import VectorStore
from core.ports import AnswerEngine, DocumentIndex, Platform
from core.refresh import Refresher
from core.replies import LastRefresh, Replies
from core.settings import OpenAISettings, Settings
from core.sources import make_sources
from core.store import Store
from core.webhook import DeployHook

log = logging.getLogger(__name__)

WORKER = "worker"  # the role of a process that answers, whoever heard of the question


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """What takes requests to refresh over HTTP."""

    deployed: DeployHook
    port: int | None  #: for a server of its own; None: Slack's takes them


@dataclass(frozen=True, kw_only=True, slots=True)
class Docent:
    """Everything that a running Docent consists of, put together."""

    store: Store
    engine: AnswerEngine
    refresher: Refresher
    desk: Desk
    loop: Loop
    alerts: Alerts
    hook: Hook | None  #: None: nobody may ask for a refresh over HTTP
    finder: PageFinder
    platforms: Mapping[str, Platform]


@dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    """What one process does: hear of what is asked, answer it, or both."""

    listens: frozenset[str]  #: to these platforms
    works: bool  #: above all; one that does not still answers while there is no worker

    @classmethod
    def named(cls, names: Collection[str], settings: Settings) -> "Roles":
        """The roles as the command line names them; without any, all of them."""
        present = {"slack": settings.slack, "discord": settings.discord}
        with_tokens = frozenset(name for name, tokens in present.items() if tokens)
        if not names:
            return cls(listens=with_tokens, works=True)
        return cls(listens=frozenset(names) - {WORKER}, works=WORKER in names)


def make_platforms(settings: Settings, store: Store, roles: Roles) -> list[Platform]:
    """The platforms that have their tokens; for no worker, those that it listens or alerts to."""
    platforms: list[Platform] = []
    needed = roles.listens | {(settings.ops_channel or "").partition(":")[0]}
    if settings.slack and (roles.works or "slack" in needed):
        platforms.append(SlackPlatform(settings.slack))
    if settings.discord and (roles.works or "discord" in needed):
        platforms.append(
            DiscordPlatform(
                settings.discord,
                remembered=partial(store.values.get, "discord_commands"),
                remember=partial(store.values.put, "discord_commands"),
            )
        )
    return platforms


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store that the settings name, closed at the end."""
    async with await Store.open(settings.database_url) as store:
        yield store


@asynccontextmanager
async def assemble(
    settings: Settings, store: Store, platforms: Sequence[Platform], *, works: bool = True
) -> AsyncIterator[Docent]:
    """Put a Docent together around its platforms; everything but the store is closed at the end.

    `works`: whether it answers even where other processes would. Raises ConfigError where a
    documentation source is not usable.
    """
    by_name = {platform.name: platform for platform in platforms}
    alerts = Alerts(store.values, announcer(settings.ops_channel, by_name))
    finder = PageFinder(store.passages)
    spared, indexes = _make_engine(settings, store, finder, store.turns.questions)
    engine = Breaker(spared, on_trouble=alerts.report)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.close)
        sources = make_sources(settings.docs_sources, allow_private=settings.docs_allow_private)
        for index in indexes:
            stack.push_async_callback(index.close)
        for source in sources:
            stack.push_async_callback(source.close)
        for platform in platforms:
            stack.push_async_callback(platform.close)
        refresher = Refresher(store=store, sources=sources, indexes=indexes)
        lease = Lease(store, platforms=by_name, is_worker=works)
        loop = _make_loop(
            settings, store, engine, finder, refresher.last_ended, lease, alerts, by_name
        )
        desk = Desk(
            store=store,
            refresher=refresher,
            attendance=Attendance(store=store, catch_up=settings.catch_up),
            # Whoever sits at the machine may refresh: nobody else reaches the terminal platform.
            admins={*settings.admins, f"terminal:{USER}"},
            wants=lease.wants,
            on_turn=loop.notice,
            on_change=loop.changed,
            on_doubt=loop.scan_soon,
        )
        yield Docent(
            store=store,
            engine=engine,
            refresher=refresher,
            desk=desk,
            loop=loop,
            alerts=alerts,
            finder=finder,
            hook=_make_hook(settings, refresher, platforms),
            platforms=by_name,
        )


@asynccontextmanager
async def evaluating(settings: Settings, store: Store) -> AsyncIterator[Evaluation]:
    """The engine of the settings, to be asked what nobody asked on a platform."""
    asked: dict[TurnId, Sequence[str]] = {}

    async def questions(turn: TurnId) -> Sequence[str]:
        return asked.get(turn, ())

    finder = PageFinder(store.passages)
    engine, indexes = _make_engine(settings, store, finder, questions)
    async with AsyncExitStack() as stack:
        for index in indexes:
            stack.push_async_callback(index.close)
        stack.push_async_callback(engine.close)
        yield Evaluation(engine, finder.pages, deadline=settings.run_deadline, asked=asked)


def _make_hook(
    settings: Settings, refresher: Refresher, platforms: Sequence[Platform]
) -> Hook | None:
    if settings.docs_webhook_secret is None:
        return None
    deployed = DeployHook(secret=settings.docs_webhook_secret, refresher=refresher)
    port: int | None = settings.port
    for platform in platforms:
        if isinstance(platform, SlackPlatform) and platform.serves_http:
            platform.routes, port = webhook.routes(deployed), None
    return Hook(deployed=deployed, port=port)


def _make_loop(
    settings: Settings,
    store: Store,
    engine: AnswerEngine,
    finder: PageFinder,
    last_refresh: LastRefresh,
    lease: Lease,
    alerts: Alerts,
    platforms: Mapping[str, Platform],
) -> Loop:
    """The loop, with the steps of a turn."""
    abandoned = AbandonedRuns(store=store, engine=engine)
    answering = Answering(
        store=store,
        engine=engine,
        replies=Replies(
            find_pages=finder.helpful_pages,
            last_refresh=last_refresh,
            max_age=settings.docs_max_age,
            fallback_message=settings.fallback_message,
            invite_url=settings.discord_invite_url,
        ),
        limits=Limits(store=store, user=settings.user_limit, channel=settings.channel_limit),
        deadline=settings.run_deadline,
        too_old=settings.catch_up.answer_age if settings.catch_up else None,
        cancel_soon=abandoned.cancel_soon,
        on_trouble=alerts.report,
    )
    return Loop(
        store=store,
        answering=answering,
        delivery=Delivery(store=store, lease=lease, on_trouble=alerts.report),
        lease=lease,
        abandoned=abandoned,
        platforms=platforms,
    )


def _make_engine(
    settings: Settings, store: Store, finder: PageFinder, questions: Questions
) -> tuple[AnswerEngine, list[DocumentIndex]]:
    """The engine, and the indexes to keep: the local one always, because the fallback uses it."""
    local_index = LocalIndex(store.passages)
    if settings.engine == "openai" and settings.openai is not None:
        engine, index = _make_openai(settings.openai, settings.instructions, store)
        return engine, [local_index, index]
    return LocalEngine(finder, questions), [local_index]


def _make_openai(
    settings: OpenAISettings, instructions: str | None, store: Store
) -> tuple[AnswerEngine, DocumentIndex]:
    client = make_client(settings)
    vector_store = VectorStore(
        client,
        configured=settings.vector_store_id,
        load=partial(store.values.get, "openai_vector_store"),
        save=partial(store.values.put, "openai_vector_store"),
    )
    marker = partial(store.values.once, "marker", partial(secrets.token_hex, 4))
    index = OpenAIIndex(client, vector_store=vector_store, marker=marker)
    engine = OpenAIEngine(
        client,
        model=settings.model,
        reasoning_effort=settings.reasoning_effort,
        instructions=instructions or DEFAULT_INSTRUCTIONS,
        vector_store=vector_store.id,
        resolve=partial(store.documents.citations, index.name),
        locate=Sections(get_pages=store.documents.get_pages).locate,
    )
    return engine, index
