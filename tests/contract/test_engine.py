"""What every engine promises, whichever it is."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest

from core.documents import Document, Page
from core.domain import (
    Answered,
    ConversationId,
    Exchange,
    Failed,
    NotAnswered,
    Question,
    ReadFile,
    RunId,
    RunState,
    Turn,
    Working,
)
from core.errors import EngineRefused
from core.local_engine.engine import LocalEngine
from core.local_engine.finder import PageFinder
from core.local_engine.index import LocalIndex
from core.local_engine.sections import Sections
from core.openai_engine.client import make_client
from core.openai_engine.engine import OpenAIEngine
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS
from core.openai_engine.vector_store import VectorStore
from core.ports import AnswerEngine, DocumentIndex
from core.settings import OpenAISettings
from core.store import Store
from servers.attached_files import PDF, PNG
from servers.mentions import mention
from servers.openai_server import OpenAIServer

PAGES = [
    Page(
        source="docs",
        url="https://docs.example.com/tokens",
        title="Access tokens",
        markdown="# Access tokens\n\nAn access token expires after ninety days.",
        stamp=None,
    ),
    Page(
        source="docs",
        url="https://docs.example.com/projects",
        title="Projects",
        markdown="# Projects\n\nA project holds forty members. Archive a project in its menu.",
        stamp=None,
    ),
]


@dataclass(kw_only=True)
class Subject:
    """An engine over PAGES."""

    engine: AnswerEngine
    store: Store

    async def ask(self, text: str, conversation: ConversationId | None = None) -> RunState:
        """Ask in thread t1, and look until the run has ended."""
        turn = await self.take(text)
        opened = conversation or await self.engine.open_conversation(turn.thread, [])
        run = await self.engine.start(opened, question_of(turn))
        return await self.ended(run)

    async def take(self, text: str) -> Turn:
        turn = await self.store.turns.take(mention(text, thread="t1"))
        assert turn is not None
        return turn

    async def ended(self, run: RunId) -> RunState:
        for _ in range(10):
            if not isinstance(state := await self.engine.check(run), Working):
                return state
        raise AssertionError(f"{run} is still at work")


def question_of(turn: Turn) -> Question:
    return Question(
        turn=turn.id,
        thread=turn.thread,
        author=turn.author,
        text=turn.question,
        asked_at=turn.asked_at,
    )


@pytest.fixture(params=["local", "openai"])
async def subject(request: pytest.FixtureRequest, sqlite_store: Store) -> AsyncIterator[Subject]:
    if request.param == "local":
        index = LocalIndex(sqlite_store.passages)
        engine = LocalEngine(PageFinder(sqlite_store.passages), sqlite_store.turns.questions)
        await fill(index, sqlite_store)
        yield Subject(engine=engine, store=sqlite_store)
        await engine.close()
        return
    async with OpenAIServer() as server:
        settings = OpenAISettings(api_key=server.api_key, base_url=server.url)
        client = make_client(settings)
        values = sqlite_store.values
        vector_store = VectorStore(
            client,
            configured=None,
            load=partial(values.get, "store"),
            save=partial(values.put, "store"),
        )
        openai_index = OpenAIIndex(client, vector_store=vector_store)
        openai_engine = OpenAIEngine(
            client,
            model=settings.model,
            reasoning_effort=settings.reasoning_effort,
            instructions=DEFAULT_INSTRUCTIONS,
            vector_store=vector_store.id,
            resolve=partial(sqlite_store.documents.citations, openai_index.name),
            locate=Sections(get_pages=sqlite_store.documents.get_pages).locate,
        )
        await fill(openai_index, sqlite_store)
        yield Subject(engine=openai_engine, store=sqlite_store)
        await openai_engine.close()


async def fill(index: DocumentIndex, store: Store) -> None:
    await store.documents.put_pages(PAGES)
    refs: Sequence[object] = await index.put(PAGES)
    copies = [
        Document(index=index.name, url=page.url, title=page.title, hash=page.hash, ref=str(ref))
        for page, ref in zip(PAGES, refs, strict=True)
    ]
    await store.documents.add(copies)


async def test_an_answer_says_what_the_documentation_says_and_cites_the_page(
    subject: Subject,
) -> None:
    state = await subject.ask("When does an access token expire?")
    assert isinstance(state, Answered)
    assert "ninety days" in state.answer.text
    assert state.answer.citations[0].url == PAGES[0].url
    assert not state.answer.incomplete


async def test_a_question_that_the_documentation_does_not_answer_is_told_apart(
    subject: Subject,
) -> None:
    assert isinstance(await subject.ask("What is the weather in Paris?"), NotAnswered)


async def test_a_run_can_be_looked_at_again_after_it_has_ended(subject: Subject) -> None:
    turn = await subject.take("When does an access token expire?")
    conversation = await subject.engine.open_conversation(turn.thread, [])
    run = await subject.engine.start(conversation, question_of(turn))
    assert await subject.ended(run) == await subject.engine.check(run)


async def test_a_conversation_takes_one_question_after_the_other(subject: Subject) -> None:
    turn = await subject.take("When does an access token expire?")
    conversation = await subject.engine.open_conversation(turn.thread, [])
    await subject.ended(await subject.engine.start(conversation, question_of(turn)))

    state = await subject.ask("How many members does a project hold?", conversation)
    assert isinstance(state, Answered)
    assert "forty members" in state.answer.text


async def test_a_conversation_may_begin_with_a_history(subject: Subject) -> None:
    turn = await subject.take("How many members does a project hold?")
    history = [Exchange(question=f"q{n}", answer=f"a{n}") for n in range(15)]
    conversation = await subject.engine.open_conversation(turn.thread, history)
    run = await subject.engine.start(conversation, question_of(turn))
    assert isinstance(await subject.ended(run), Answered)


async def test_a_run_that_the_engine_does_not_know_may_be_started_again(subject: Subject) -> None:
    unknown = RunId(f"{'local-999999' if subject.engine.name == 'local' else 'resp_unknown'}")
    state = await subject.engine.check(unknown)
    assert isinstance(state, Failed)
    assert state.transient


async def test_cancelling_what_has_ended_or_is_unknown_does_nothing(subject: Subject) -> None:
    turn = await subject.take("When does an access token expire?")
    conversation = await subject.engine.open_conversation(turn.thread, [])
    run = await subject.engine.start(conversation, question_of(turn))
    ended = await subject.ended(run)
    await subject.engine.cancel(run)
    await subject.engine.cancel(RunId("local-999999"))
    assert await subject.engine.check(run) == ended


async def test_a_run_that_was_never_started_left_no_trace(subject: Subject) -> None:
    turn = await subject.take("When does an access token expire?")
    conversation = await subject.engine.open_conversation(turn.thread, [])
    assert await subject.engine.recover(conversation, question_of(turn)) is None


async def test_a_run_whose_id_was_lost_is_found_or_can_be_started_again(subject: Subject) -> None:
    turn = await subject.take("When does an access token expire?")
    conversation = await subject.engine.open_conversation(turn.thread, [])
    lost = await subject.engine.start(conversation, question_of(turn))
    ended = await subject.ended(lost)

    found = await subject.engine.recover(conversation, question_of(turn))
    if found is None:
        found = await subject.ended(await subject.engine.start(conversation, question_of(turn)))
    assert isinstance(found, Answered)
    assert found == ended


async def test_the_answer_to_an_earlier_question_is_no_trace_of_a_later_one(
    subject: Subject,
) -> None:
    turn = await subject.take("When does an access token expire?")
    conversation = await subject.engine.open_conversation(turn.thread, [])
    await subject.ended(await subject.engine.start(conversation, question_of(turn)))

    later = await subject.take("How many members does a project hold?")
    assert await subject.engine.recover(conversation, question_of(later)) is None


async def test_what_was_erased_is_gone_and_may_be_erased_again(subject: Subject) -> None:
    turn = await subject.take("When does an access token expire?")
    conversation = await subject.engine.open_conversation(turn.thread, [])
    run = await subject.engine.start(conversation, question_of(turn))
    await subject.ended(run)
    for _ in range(2):
        await subject.engine.erase(conversation, [run])
        await subject.engine.erase(None, [run, RunId("local-999999")])
        await subject.engine.erase(conversation, [])
    # The local engine keeps nothing that could be erased: what it answers from is the store's.
    kept = isinstance(await subject.engine.check(run), Answered)
    assert kept == (subject.engine.name == "local")


async def test_closing_twice_does_nothing(subject: Subject) -> None:
    await subject.engine.close()
    await subject.engine.close()


# --- attached files -------------------------------------------------------------------------------


async def test_an_engine_that_reads_files_answers_a_question_with_them(subject: Subject) -> None:
    """Others refuse them for good: nothing is tried again."""
    engine = subject.engine
    if not engine.reads_files:
        with pytest.raises(EngineRefused):
            await engine.upload("a.png", "image", PNG, 3_600.0)
        return
    uploads = [
        await engine.upload("a.png", "image", PNG, 3_600.0),
        await engine.upload("b.pdf", "document", PDF, 3_600.0),
    ]
    assert len(set(uploads)) == 2
    turn = await subject.take("When does an access token expire?")
    files = (
        ReadFile(name="a.png", kind="image", upload=uploads[0]),
        ReadFile(name="b.pdf", kind="document", upload=uploads[1]),
        ReadFile(name="c.log", kind="text", text="401 Unauthorized"),
    )
    conversation = await engine.open_conversation(turn.thread, [])
    run = await engine.start(conversation, replace(question_of(turn), files=files))
    assert isinstance(await subject.ended(run), Answered)
    for _ in range(2):  # what is gone is no error
        await engine.erase(conversation, [run], uploads)
