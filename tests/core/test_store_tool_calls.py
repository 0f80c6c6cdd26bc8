"""Calls of which nobody was told, as both databases find them."""

from typing import Any

from sqlalchemy import event

from core.domain import Answer, ConversationId, RunId, ToolCall, Turn, TurnState
from core.store import Store
from core.store.tool_calls import CallState
from servers.mentions import mention


def call(number: int) -> ToolCall:
    return ToolCall(id=f"call_{number}", name="restart", arguments=f'{{"n": {number}}}')


async def asked(store: Store, *numbers: int, outcome: str = "overdue", **said: str) -> Turn:
    """A turn with calls that were begun, and its outcome."""
    turn = await store.turns.take(mention(f"q{numbers}", **said))
    assert turn is not None
    await store.progress.link(turn, "openai", ConversationId("c"))
    await store.progress.began(turn, RunId(f"r{turn.id}"))
    running = await store.turns.get(turn.id)
    assert running is not None
    if numbers:
        await store.tool_calls.asked(running, [call(number) for number in numbers])
        waiting = await store.turns.get(turn.id)
        assert waiting is not None
        for kept in await store.tool_calls.of_round(waiting):
            assert await store.tool_calls.begin(waiting, kept)
        running = waiting
    answer = Answer(text="a") if outcome == "answered" else None
    state = TurnState.ANSWERED if answer else TurnState.FAILED
    assert await store.progress.settle(running, state, outcome, answer, ["a"])
    return running


async def untold(store: Store, turn: Turn, most: int = 10) -> list[str]:
    return [kept.call.id for kept in await store.tool_calls.untold(turn, most)]


async def test_the_latest_calls_since_the_last_answer_are_found_in_their_order(
    store: Store,
) -> None:
    await asked(store, 1, author="U1")
    await asked(store, 2, author="U1", outcome="answered")
    await asked(store, 3, 4, author="U1")
    await asked(store, 5, author="U2")
    await asked(store, 6, author="U1", outcome="stopped")
    await asked(store, 7, author="U1", thread="elsewhere")
    last = await asked(store, 8, author="U1")
    assert await untold(store, last) == ["call_3", "call_4", "call_6"]
    assert await untold(store, last, most=2) == ["call_4", "call_6"]


async def test_a_call_counts_for_the_turn_that_confirmed_it(store: Store) -> None:
    proposed = await asked(store, 1, author="U1", outcome="answered")
    (kept,) = await store.tool_calls.of_round(proposed)
    await store.tool_calls.end(proposed, kept, "May I?", CallState.WAITING)
    confirming = await store.turns.take(mention("yes", author="U1", confirms=proposed.id))
    assert confirming is not None
    assert await store.tool_calls.begin(confirming, kept)
    assert await untold(store, confirming) == []
    await store.progress.settle(confirming, TurnState.FAILED, "overdue", None, ["a"])
    later = await asked(store, author="U1")
    assert await untold(store, later) == ["call_1"]


async def test_calls_that_were_only_wanted_are_not_told(store: Store) -> None:
    turn = await asked(store, 1, 2, author="U1")
    first, second = await store.tool_calls.of_round(turn)
    await store.tool_calls.end(turn, first, "It was restarted.")
    await store.tool_calls.end(turn, second, "May I?", CallState.WAITING)
    assert await untold(store, await asked(store, author="U1")) == ["call_1"]


async def test_no_look_goes_through_all_calls(sqlite_store: Store) -> None:
    turn = await asked(sqlite_store, 1, author="U1")
    sent: list[tuple[str, Any]] = []
    engine = sqlite_store._database._engine.sync_engine

    def on_statement(_connection: Any, _cursor: Any, sql: str, given: Any, *_more: Any) -> None:
        sent.append((f"EXPLAIN QUERY PLAN {sql}", given))

    event.listen(engine, "before_cursor_execute", on_statement)
    await untold(sqlite_store, turn)
    event.remove(engine, "before_cursor_execute", on_statement)
    ((sql, given),) = [each for each in sent if "tool_calls" in each[0]]
    async with sqlite_store._database.read() as connection:
        plan = [str(row[-1]) for row in await connection.exec_driver_sql(sql, given)]
    assert any(line.startswith("SEARCH tool_calls") for line in plan)
    assert not [line for line in plan if line.startswith(("SCAN tool_calls", "SCAN turns"))]
