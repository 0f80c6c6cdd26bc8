"""The composition root: the one place where stores, engines, indexes and platforms are made.

A third platform adds a line to `make_platforms`, a second engine a line to `_make_engine`.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bots.discord_bot.adapter import DiscordPlatform
from bots.slack_bot.adapter import SlackPlatform
from bots.terminal_bot.adapter import USER
from core.answering import Answering
from core.delivery import Delivery
from core.desk import Desk
from core.local_engine.engine import LocalEngine
from core.local_engine.finder import PageFinder
from core.local_engine.index import LocalIndex
from core.loop import Loop
from core.openai_engine.client import make_client
from core.openai_engine.engine import OpenAIEngine
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS
from core.openai_engine.vector_store import VectorStore
from core.ports import AnswerEngine, DocumentIndex, Platform
from core.refresh import Refresher
from core.replies import Replies
from core.settings import OpenAISettings, Settings
from core.sources import make_sources
from core.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Docent:
    """Everything that a running Docent consists of, put together."""

    store: Store
    engine: AnswerEngine
    refresher: Refresher
    desk: Desk
    loop: Loop
    platforms: Mapping[str, Platform]


def make_platforms(settings: Settings, store: Store, wanted: Sequence[str]) -> list[Platform]:
    """The platforms that have their tokens; only those `wanted`, where any are named."""
    platforms: list[Platform] = []
    if settings.slack and (not wanted or "slack" in wanted):
        platforms.append(SlackPlatform(settings.slack))
    if settings.discord and (not wanted or "discord" in wanted):
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
    settings: Settings, store: Store, platforms: Sequence[Platform]
) -> AsyncIterator[Docent]:
    """Put a Docent together around its platforms; everything but the store is closed at the end.

    Raises ConfigError where a documentation source is not usable.
    """
    async with AsyncExitStack() as stack:
        finder = PageFinder(store.passages)
        engine, indexes = _make_engine(settings, store, finder)
        sources = make_sources(settings.docs_sources)
        stack.push_async_callback(engine.close)
        for index in indexes:
            stack.push_async_callback(index.close)
        for source in sources:
            stack.push_async_callback(source.close)
        for platform in platforms:
            stack.push_async_callback(platform.close)
        by_name = {platform.name: platform for platform in platforms}
        refresher = Refresher(store=store, sources=sources, indexes=indexes)
        replies = Replies(
            find_pages=finder.helpful_pages,
            fallback_message=settings.fallback_message,
            invite_url=settings.discord_invite_url,
        )
        loop = Loop(
            store=store,
            answering=Answering(
                store=store, engine=engine, replies=replies, deadline=settings.run_deadline
            ),
            delivery=Delivery(store=store),
            platforms=by_name,
        )
        # Whoever sits at the machine may refresh: nobody else reaches the terminal platform.
        admins = {*settings.admins, f"terminal:{USER}"}
        desk = Desk(
            store=store,
            refresher=refresher,
            admins=admins,
            on_turn=loop.notice,
            on_doubt=loop.scan_soon,
        )
        yield Docent(
            store=store,
            engine=engine,
            refresher=refresher,
            desk=desk,
            loop=loop,
            platforms=by_name,
        )


def _make_engine(
    settings: Settings, store: Store, finder: PageFinder
) -> tuple[AnswerEngine, list[DocumentIndex]]:
    """The engine, and the indexes to keep: the local one always, because the fallback uses it."""
    local_index = LocalIndex(store.passages)
    if settings.engine == "openai" and settings.openai is not None:
        engine, index = _make_openai(settings.openai, settings.instructions, store)
        return engine, [local_index, index]
    return LocalEngine(finder, store.turns.questions), [local_index]


def _make_openai(
    settings: OpenAISettings, instructions: str | None, store: Store
) -> tuple[AnswerEngine, DocumentIndex]:
    client = make_client(settings)
    vector_store = VectorStore(
        client,
        configured=settings.vector_store_id,
        load=partial(store.values.get, "openai_vector_store"),
        save=partial(_remember_new_vector_store, store),
    )
    index = OpenAIIndex(client, vector_store=vector_store)
    engine = OpenAIEngine(
        client,
        model=settings.model,
        reasoning_effort=settings.reasoning_effort,
        instructions=instructions or DEFAULT_INSTRUCTIONS,
        vector_store=vector_store.id,
        resolve=partial(store.documents.citations, index.name),
    )
    return engine, index


async def _remember_new_vector_store(store: Store, vector_store: str) -> None:
    # The old one's documents went with it: forgotten, they are put into the new one.
    await store.documents.forget_index(OpenAIIndex.name)
    await store.values.put("openai_vector_store", vector_store)
