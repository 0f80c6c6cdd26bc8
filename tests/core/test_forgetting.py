"""What engines are to delete is deleted, however often it takes."""

import asyncio
import logging
import time
from collections.abc import Sequence

import pytest

from core import forgetting as forgetting_module
from core.attachments import MOST_DAYS
from core.domain import (
    Answer,
    ConversationId,
    Exchange,
    MessageId,
    MessageRef,
    Question,
    RunId,
    RunState,
    ThreadRef,
    Turn,
    TurnState,
    Working,
)
from core.errors import EngineBusy, EngineRefused, EngineUnreachable, StoreError
from core.forgetting import ROUND, Forgetting
from core.ports import AnswerEngine
from core.store import Store
from servers.attached_files import attached
from servers.mentions import mention

DAY = 86_400.0


class ErasingEngine:
    """Knows only how to erase, and can be told to fail."""

    name = "openai"

    def __init__(self) -> None:
        self.erased: list[ConversationId | None] = []
        self.runs: list[RunId] = []
        self.uploads: list[str] = []
        self.cancelled: list[RunId] = []
        self.errors: dict[str, Exception] = {}  # by conversation, for each attempt
        self.hangs = False

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        raise NotImplementedError

    async def start(self, conversation: ConversationId, question: Question) -> RunId:
        raise NotImplementedError

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        raise NotImplementedError

    async def check(self, run: RunId) -> RunState:
        return Working()

    async def cancel(self, run: RunId) -> None:
        assert run not in self.runs, "erased before it was cancelled"
        self.cancelled.append(run)

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if error := self.errors.get(conversation or ""):
            raise error
        self.erased.append(conversation)
        self.runs.extend(runs)
        self.uploads.extend(uploads)

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def engine() -> ErasingEngine:
    return ErasingEngine()


def forgetting(store: Store, engine: AnswerEngine) -> Forgetting:
    return Forgetting(store=store, engine=engine)


async def begin(store: Store, thread: str, author: str = "UGONE") -> Turn:
    """A question with a conversation `conv_<thread>` and a run `run_<thread>` that is at work."""
    turn = await store.turns.take(mention("private", thread=thread, author=author))
    assert turn is not None
    await store.progress.link(turn, "openai", ConversationId(f"conv_{thread}"))
    assert await store.progress.began(turn, RunId(f"run_{thread}"))
    begun = await store.turns.get(turn.id)
    assert begun is not None
    return begun


async def finish(store: Store, thread: str, author: str = "UGONE") -> Turn:
    turn = await begin(store, thread, author)
    answer = Answer(text="private")
    await store.progress.settle(turn, TurnState.ANSWERED, "answered", answer, ["private"])
    await store.progress.posted(turn, 0, MessageId("p"), last=True)
    return turn


async def left(store: Store) -> list[str | None]:
    return [erasure.conversation for erasure in await store.erasures.waiting("openai")]


async def test_every_conversation_of_a_person_is_deleted_with_its_runs(
    store: Store, engine: ErasingEngine
) -> None:
    for thread in ("a", "b"):
        await finish(store, thread)
    await finish(store, "c", author="U2")
    await store.people.forget("slack", "UGONE")

    assert await forgetting(store, engine).erase() is None
    assert (engine.erased, engine.runs) == (["conv_a", "conv_b"], ["run_a", "run_b"])
    assert await left(store) == []
    assert await forgetting(store, engine).erase() is None
    assert len(engine.erased) == 2


async def test_a_run_at_work_is_cancelled_before_it_is_deleted(
    store: Store, engine: ErasingEngine
) -> None:
    await begin(store, "a")
    await finish(store, "b")
    await store.people.forget("slack", "UGONE")
    assert await forgetting(store, engine).erase() is None
    assert engine.cancelled == ["run_a"]
    assert sorted(engine.runs) == ["run_a", "run_b"]


@pytest.mark.parametrize("error", [EngineBusy(3.0), EngineUnreachable()])
async def test_what_the_engine_did_not_confirm_is_tried_again_by_the_next_call(
    store: Store, engine: ErasingEngine, error: Exception
) -> None:
    for thread in ("a", "b", "c"):
        await finish(store, thread)
    await store.people.forget("slack", "UGONE")
    engine.errors["conv_b"] = error
    assert await forgetting(store, engine).erase() == str(error)
    assert await left(store) == ["conv_b", "conv_c"]

    engine.errors.clear()
    assert (await store.people.forget("slack", "UGONE")).questions == 0
    assert await forgetting(store, engine).erase() is None
    assert engine.erased == ["conv_a", "conv_b", "conv_c"]
    assert await left(store) == []


async def test_what_the_engine_refuses_does_not_keep_the_rest_from_being_deleted(
    store: Store, engine: ErasingEngine
) -> None:
    for thread in ("a", "b"):
        await finish(store, thread)
    await store.people.forget("slack", "UGONE")
    engine.errors["conv_a"] = EngineRefused("The key may not delete.")
    assert await forgetting(store, engine).erase() == "The key may not delete."
    assert await left(store) == ["conv_a"]


async def test_an_engine_that_hangs_is_left_after_a_while(
    store: Store, engine: ErasingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting_module, "PATIENCE", 0.01)
    await finish(store, "a")
    await store.people.forget("slack", "UGONE")
    engine.hangs = True
    async with asyncio.timeout(60):
        assert await forgetting(store, engine).erase() == str(EngineUnreachable())
    assert await left(store) == ["conv_a"]


async def test_what_was_deleted_but_not_confirmed_before_a_death_is_deleted_again(
    store: Store, engine: ErasingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await finish(store, "a")
    await store.people.forget("slack", "UGONE")

    async def dies(erasure: object) -> None:
        raise StoreError

    with monkeypatch.context() as context:
        context.setattr(store.erasures, "done", dies)
        with pytest.raises(StoreError):
            await forgetting(store, engine).erase()
    assert await forgetting(store, engine).erase() is None
    assert engine.erased == ["conv_a", "conv_a"]
    assert await left(store) == []


async def test_one_engine_is_not_asked_to_delete_what_another_keeps(
    store: Store, engine: ErasingEngine
) -> None:
    await finish(store, "a")
    await store.people.forget("slack", "UGONE")
    engine.name = "another"
    assert await forgetting(store, engine).erase() is None
    assert engine.erased == []
    assert await store.erasures.count() == {"openai": 1}


async def test_an_engine_that_keeps_nothing_need_not_be_in_use_to_be_done_with(
    store: Store, engine: ErasingEngine
) -> None:
    turn = await store.turns.take(mention("private", author="UGONE"))
    assert turn is not None
    await store.progress.link(turn, "local", ConversationId("local"))
    await store.people.forget("slack", "UGONE")
    assert await store.erasures.count() == {"local": 1}
    assert await forgetting(store, engine).erase() is None
    assert await store.erasures.count() == {}


async def test_a_conversation_that_takes_the_place_of_another_lets_that_one_be_deleted(
    store: Store,
) -> None:
    turn = await store.turns.take(mention("a"))
    assert turn is not None
    assert await store.progress.link(turn, "local", ConversationId("local"))
    assert await store.progress.link(turn, "openai", ConversationId("conv_1"))
    assert await store.progress.link(turn, "openai", ConversationId("conv_1"))  # a repeat
    assert await store.erasures.count() == {"local": 1}


async def test_conversations_and_runs_that_were_given_up_before_are_deleted_too(
    store: Store, engine: ErasingEngine
) -> None:
    turn = await begin(store, "a")
    await store.progress.link(turn, "openai", None)
    assert await store.progress.requeue(turn)
    asked_anew = await begin(store, "b")
    assert await store.turns.withdraw(
        MessageRef(
            platform="slack",
            tenant=asked_anew.thread.tenant,
            channel=asked_anew.channel,
            message=asked_anew.message,
        )
    )
    await store.progress.cancelled(RunId("run_b"))
    assert await forgetting(store, engine).erase() is None
    assert sorted(filter(None, engine.erased)) == ["conv_a", "conv_b"]
    assert sorted(engine.runs) == ["run_a", "run_b"]


# --- the hourly round -----------------------------------------------------------------------------


async def test_a_round_forgets_what_is_old_here_and_at_the_engine(
    store: Store, engine: ErasingEngine
) -> None:
    turn = await finish(store, "a")
    await finish(store, "b", author="U2")
    await forgetting(store, engine).tidy(time.time() + 2 * DAY, retention_days=3)
    assert engine.erased == []

    await forgetting(store, engine).tidy(time.time() + 4 * DAY, retention_days=3)
    assert engine.erased == ["conv_a", "conv_b"]
    found = await store.turns.get(turn.id)
    assert found is not None
    assert (found.question, found.conversation) == ("", None)


async def test_without_a_retention_time_a_round_only_finishes_what_was_begun(
    store: Store, engine: ErasingEngine
) -> None:
    await finish(store, "a")
    await finish(store, "b", author="U2")
    await store.people.forget("slack", "UGONE")
    await forgetting(store, engine).tidy(time.time() + 1000 * DAY, retention_days=None)
    assert engine.erased == ["conv_a"]


async def test_of_several_processes_one_does_the_round(store: Store, engine: ErasingEngine) -> None:
    await finish(store, "a")
    await store.people.forget("slack", "UGONE")
    now = time.time()
    each = forgetting(store, engine)
    await asyncio.gather(*(each.tidy(now, None) for _ in range(5)))
    assert engine.erased == ["conv_a"]

    await finish(store, "b", author="U2")
    await store.people.forget("slack", "U2")
    await each.tidy(now + ROUND / 2, None)
    assert engine.erased == ["conv_a"]
    await each.tidy(now + ROUND, None)
    assert engine.erased == ["conv_a", "conv_b"]


async def test_a_round_asks_the_engine_for_no_more_than_its_share(
    store: Store, engine: ErasingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting_module, "AT_ONCE", 2)
    for thread in ("a", "b", "c"):
        await finish(store, thread)
    await store.people.forget("slack", "UGONE")
    await forgetting(store, engine).tidy(time.time(), None)
    assert engine.erased == ["conv_a", "conv_b"]


@pytest.mark.parametrize("error", [EngineUnreachable(), RuntimeError("a bug: private")])
async def test_a_round_that_fails_is_logged_without_anybodys_words(
    store: Store, engine: ErasingEngine, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await finish(store, "a")
    await store.people.forget("slack", "UGONE")
    engine.errors["conv_a"] = error
    await forgetting(store, engine).tidy(time.time(), None)
    assert [line.levelname for line in caplog.records] in (["WARNING"], ["ERROR"])
    assert "private" not in caplog.text
    assert await left(store) == ["conv_a"]


# --- attached files -------------------------------------------------------------------------------


async def with_upload(store: Store, name: str, author: str) -> Turn:
    turn = await store.turns.take(
        mention("private", thread=name, author=author, files=(attached(name),))
    )
    assert turn is not None
    (kept,) = await store.attachments.of(turn)
    await store.attachments.uploaded(turn, kept, "image", "openai", f"file-{name}")
    await store.progress.close(turn, TurnState.DELIVERED, "answered")
    return turn


async def test_the_files_of_a_person_are_deleted_at_the_engine(
    store: Store, engine: ErasingEngine
) -> None:
    await with_upload(store, "a.png", "UGONE")
    await with_upload(store, "b.png", "U2")
    await store.people.forget("slack", "UGONE")
    engine.errors[""] = EngineUnreachable()
    assert await forgetting(store, engine).erase() is not None
    engine.errors.clear()
    assert await forgetting(store, engine).erase() is None
    assert engine.uploads == ["file-a.png"]
    assert await store.erasures.waiting("openai") == []


async def test_a_round_deletes_files_whose_question_is_old(
    store: Store, engine: ErasingEngine
) -> None:
    await with_upload(store, "a.png", "U1")
    await forgetting(store, engine).tidy(time.time() + 2 * DAY, retention_days=3)
    assert engine.uploads == []
    await forgetting(store, engine).tidy(time.time() + 4 * DAY, retention_days=3)
    assert engine.uploads == ["file-a.png"]


async def test_a_round_deletes_files_that_the_engine_should_have_deleted_by_itself(
    store: Store, engine: ErasingEngine
) -> None:
    turn = await with_upload(store, "a.png", "U1")
    await forgetting(store, engine).tidy(time.time() + (MOST_DAYS - 1) * DAY, None)
    assert engine.uploads == []
    await forgetting(store, engine).tidy(time.time() + (MOST_DAYS + 1) * DAY, None)
    assert engine.uploads == ["file-a.png"]
    (kept,) = await store.attachments.of(turn)
    assert (kept.file.name, kept.upload) == ("a.png", None)
