"""The local engine over a small documentation, from question to answer, on both databases."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.documents import Document, Page
from core.domain import (
    Answered,
    ConversationId,
    Failed,
    NotAnswered,
    Question,
    RunId,
    RunState,
    ThreadRef,
    TurnId,
)
from core.errors import EngineUnreachable, StoreError
from core.local_engine import LocalEngine, LocalIndex, PageFinder
from core.ports import AnswerEngine, DocumentIndex
from core.store import Store

CORPUS = Path(__file__).with_name("local_corpus")
# One JSON object a line: the questions of a thread, and the page that answers the last; null: none.
QUESTIONS = Path(__file__).with_name("local_questions.jsonl")
THREAD = ThreadRef(platform="terminal", tenant="", key="1")


def read_corpus() -> list[Page]:
    return [
        Page(
            source="corpus",
            url=f"https://docs.example/{path.stem}",
            title=path.read_text().partition("\n")[0].removeprefix("# "),
            markdown=path.read_text(),
            stamp=None,
        )
        for path in sorted(CORPUS.glob("*.md"))
    ]


def read_questions() -> list[tuple[list[str], str | None]]:
    lines = map(json.loads, QUESTIONS.read_text().splitlines())
    return [(line["questions"], line["page"]) for line in lines]


def document(page: Page, ref: str) -> Document:
    return Document(index="local", url=page.url, title=page.title, hash=page.hash, ref=ref)


def page(markdown: str, *, url: str = "https://docs.example/page", title: str = "Page") -> Page:
    return Page(source="test", url=url, title=title, markdown=markdown, stamp=None)


async def ask(store: Store, *questions: str) -> RunState:
    """What the engine says to the last of a thread's questions."""

    async def thread(turn: TurnId) -> Sequence[str]:
        return questions if turn == 7 else ()

    engine: AnswerEngine = LocalEngine(PageFinder(store.passages), thread)
    conversation = await engine.open_conversation(THREAD, [])
    question = Question(turn=TurnId(7), thread=THREAD, author="a", text=questions[-1], asked_at=0.0)
    return await engine.check(await engine.start(conversation, question))


async def pages_of_answer(store: Store, *questions: str) -> list[str]:
    """The pages that the answer cites, the best first; none where there is no answer."""
    match await ask(store, *questions):
        case Answered(answer=answer):
            urls = (citation.url.rpartition("/")[2] for citation in answer.citations)
            return [url.partition("#")[0] for url in urls]
        case state:
            assert state == NotAnswered()
            return []


# --- what it finds -------------------------------------------------------------------------------


async def test_it_finds_the_page_for_questions_as_people_type_them(store: Store) -> None:
    await LocalIndex(store.passages).put(read_corpus())
    answered = [(thread, page) for thread, page in read_questions() if page and len(thread) == 1]
    cited = [await pages_of_answer(store, *thread) for thread, _ in answered]
    wanted = list(zip(answered, cited, strict=True))
    missed = [thread for (thread, page), pages in wanted if page not in pages]
    not_first = [thread for (thread, page), pages in wanted if [page] != pages[:1]]
    assert len(answered) >= 35
    assert len(missed) <= 2, missed
    assert len(not_first) <= 3, not_first


async def test_words_that_most_passages_have_find_what_is_named_after_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.local_engine.finder.LOOKED_AT", 10)
    every = "Set up the server and connect the database with your account. "
    pages = [
        page(every * 3 + f"Number {n}.", url=f"https://docs.example/{n}", title=f"Topic {n}")
        for n in range(40)
    ]
    named = page(every, url="https://docs.example/connect", title="Connect the database")
    await LocalIndex(store.passages).put([*pages, named])
    for question in ("how do i connect the database?", "connect database", "database with server"):
        assert (await pages_of_answer(store, question))[:1] == ["connect"], question


async def test_it_understands_a_follow_up_by_the_questions_before_it(store: Store) -> None:
    await LocalIndex(store.passages).put(read_corpus())
    follow_ups = [(thread, page) for thread, page in read_questions() if page and len(thread) > 1]
    assert len(follow_ups) >= 7
    for thread, page in follow_ups:
        assert (await pages_of_answer(store, *thread))[:1] == [page], thread


async def test_it_knows_when_the_documentation_has_no_answer(store: Store) -> None:
    await LocalIndex(store.passages).put(read_corpus())
    unanswered = [thread for thread, page in read_questions() if page is None]
    assert len(unanswered) >= 20
    assert [thread for thread in unanswered if await pages_of_answer(store, *thread)] == []


async def test_an_answer_shows_the_passage_and_cites_its_section(sqlite_store: Store) -> None:
    await LocalIndex(sqlite_store.passages).put(read_corpus())
    state = await ask(sqlite_store, "what does --dry-run do?")
    assert isinstance(state, Answered)
    assert "**Command line › lantern apply**" in state.answer.text
    assert "shows what would change and changes nothing" in state.answer.text
    [citation, *_] = state.answer.citations
    assert citation.url == "https://docs.example/cli#lantern-apply"
    assert citation.title == "Command line › lantern apply"


async def test_nothing_is_answered_from_an_empty_index(sqlite_store: Store) -> None:
    assert await ask(sqlite_store, "how do I make a backup?") == NotAnswered()


async def test_helpful_pages_are_pages_that_come_near_each_once(store: Store) -> None:
    await LocalIndex(store.passages).put(read_corpus())
    finder = PageFinder(store.passages)
    near = await finder.helpful_pages("can I restore a backup to Dropbox from my phone?", 3)
    assert near[0].url.startswith("https://docs.example/backups")
    pages = [citation.url.partition("#")[0] for citation in near]
    assert len(set(pages)) == len(pages) <= 3
    assert len(await finder.helpful_pages("alerts", 1)) == 1
    assert await finder.helpful_pages("what's the weather in Paris?", 3) == []
    assert await finder.helpful_pages("", 3) == []


# --- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run", ["local-8", "local-", "local-x", "resp_1", "", "local-7-7", "local-" + "9" * 30]
)
async def test_a_run_that_is_not_known_failed_and_may_be_tried_again(
    sqlite_store: Store, run: str
) -> None:
    engine = LocalEngine(PageFinder(sqlite_store.passages), sqlite_store.turns.questions)
    assert await engine.check(RunId(run)) == Failed(reason="run_lost", transient=True)
    await engine.cancel(RunId(run))
    await engine.close()
    await engine.close()


async def test_another_process_gives_the_same_answer_to_the_same_run(sqlite_store: Store) -> None:
    await LocalIndex(sqlite_store.passages).put(read_corpus())
    first = await ask(sqlite_store, "How do I make a backup?")
    assert isinstance(first, Answered)
    assert await ask(sqlite_store, "How do I make a backup?") == first


async def test_a_run_is_named_after_its_turn(sqlite_store: Store) -> None:
    engine = LocalEngine(PageFinder(sqlite_store.passages), sqlite_store.turns.questions)
    question = Question(turn=TurnId(7), thread=THREAD, author="a", text="?", asked_at=0.0)
    assert await engine.start(ConversationId("any"), question) == "local-7"
    assert await engine.start(ConversationId("any"), question) == "local-7"


async def test_a_database_that_fails_is_an_engine_that_cannot_be_reached(
    sqlite_store: Store,
) -> None:
    async def fails(turn: TurnId) -> Sequence[str]:
        raise StoreError()

    with pytest.raises(EngineUnreachable):
        await LocalEngine(PageFinder(sqlite_store.passages), fails).check(RunId("local-7"))


# --- the index -----------------------------------------------------------------------------------


async def test_pages_can_be_found_once_they_are_put_and_not_once_they_are_removed(
    store: Store,
) -> None:
    index: DocumentIndex = LocalIndex(store.passages)
    pages = [page("# Zebras\n\nHow to feed a zebra."), page("# Gnus\n\nGnus.", url="https://g")]
    zebra, gnu = await index.put(pages)
    assert isinstance(zebra, str)
    assert isinstance(gnu, str)
    assert await pages_of_answer(store, "how do I feed zebras?") == ["page"]
    for _ in range(2):
        await index.remove([document(pages[0], zebra)])
        assert await pages_of_answer(store, "how do I feed zebras?") == []
    assert isinstance(await ask(store, "gnus"), Answered)
    await index.close()
    await index.close()


async def test_putting_a_page_again_gives_the_same_copy(store: Store) -> None:
    index = LocalIndex(store.passages)
    zebras = page("How to feed a zebra.")
    assert await index.put([zebras]) == await index.put([zebras])
    assert await store.passages.frequencies([]) == (1, {})


async def test_the_copy_of_a_changed_page_does_not_replace_the_old_one(store: Store) -> None:
    index = LocalIndex(store.passages)
    old = page("How to feed a zebra.")
    new = page("How to feed a gnu.")
    [old_ref], [new_ref] = await index.put([old]), await index.put([new])
    assert old_ref != new_ref
    assert isinstance(old_ref, str)
    assert await store.passages.frequencies(["zebra", "gnu"]) == (2, {"zebra": 1, "gnu": 1})
    await index.remove([document(old, old_ref)])
    assert await store.passages.frequencies(["zebra", "gnu"]) == (1, {"gnu": 1})


async def test_the_same_text_at_two_addresses_is_two_copies(store: Store) -> None:
    index = LocalIndex(store.passages)
    one = page("How to feed a zebra.")
    refs = await index.put([one, replace(one, url="https://docs.example/other")])
    assert len(set(map(str, refs))) == 2
    assert await store.passages.frequencies([]) == (2, {})


async def test_a_page_without_text_is_taken_and_never_found(store: Store) -> None:
    index = LocalIndex(store.passages)
    empty, other = await index.put(
        [page("# Only a title"), page("Text.", url="https://docs.example/2")]
    )
    assert isinstance(empty, str)
    assert await store.passages.refs() == {other}
    copy = Document(index="local", url="https://docs.example/", title="", hash="", ref=empty)
    held = await index.compare([copy])
    assert (held.lost, [orphan.ref for orphan in held.orphans]) == ([], [other])


# --- hostile questions ---------------------------------------------------------------------------


@given(st.lists(st.text(max_size=100), min_size=1, max_size=3))
@example(['"unbalanced'])
@example(["backup* NEAR(alert, 2) OR title:x"])
@example(["'; DROP TABLE passages; --"])
@example(["alert " * 3000])
@example(["\ud800 \0 alert"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_question_gets_an_answer_or_none(store: Store, questions: list[str]) -> None:
    if await store.passages.frequencies([]) == (0, {}):
        await LocalIndex(store.passages).put(read_corpus())
    assert isinstance(await ask(store, *questions), Answered | NotAnswered)
    assert len(await PageFinder(store.passages).helpful_pages(questions[-1], 3)) <= 3
