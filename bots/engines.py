"""The engine of the settings, and the indexes to keep for it: a part of the composition root."""

import secrets
from functools import partial

from core.local_engine.engine import LocalEngine, Questions, SourcesOf, all_sources
from core.local_engine.finder import PageFinder
from core.local_engine.index import LocalIndex
from core.local_engine.sections import Sections
from core.ports import AnswerEngine, DocumentIndex
from core.refresh import MARKS
from core.settings import OpenAISettings, Settings
from core.store import Store


def make_engine(
    settings: Settings,
    store: Store,
    finder: PageFinder,
    questions: Questions,
    sources: SourcesOf = all_sources,
) -> tuple[AnswerEngine, list[DocumentIndex]]:
    """The engine, and the indexes to keep: the local one always, because the fallback uses it."""
    local_index = LocalIndex(store.passages)
    if settings.engine == "openai" and settings.openai is not None:
        engine, index = _make_openai(settings, settings.openai, store)
        return engine, [local_index, index]
    return LocalEngine(finder, questions, sources), [local_index]


def _make_openai(
    all_settings: Settings, settings: OpenAISettings, store: Store
) -> tuple[AnswerEngine, DocumentIndex]:
    from core.openai_engine.client import make_client
    from core.openai_engine.engine import OpenAIEngine
    from core.openai_engine.hosted import hosted_tools
    from core.openai_engine.index import OpenAIIndex
    from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS
    from core.openai_engine.vector_store import VectorStore

    client = make_client(settings)
    vector_store = VectorStore(
        client,
        configured=settings.vector_store_id,
        load=partial(store.values.get, "openai_vector_store"),
        save=partial(store.values.put, "openai_vector_store"),
    )
    marker = partial(store.values.once, MARKS, partial(secrets.token_hex, 4))
    index = OpenAIIndex(client, vector_store=vector_store, marker=marker)
    engine = OpenAIEngine(
        client,
        model=settings.model,
        reasoning_effort=settings.reasoning_effort,
        instructions=all_settings.instructions or DEFAULT_INSTRUCTIONS,
        streams=all_settings.streaming,
        hosted=hosted_tools(settings),
        vector_store=vector_store.id,
        resolve=partial(store.documents.citations, index.name),
        locate=Sections(get_pages=store.documents.get_pages).locate,
    )
    return engine, index
