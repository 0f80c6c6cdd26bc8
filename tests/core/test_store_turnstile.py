"""One writer at a time, questions that come before what else is to be written."""

import asyncio

from core.store.turnstile import Turnstile


async def visit(turnstile: Turnstile, name: str, seen: list[str], *, first: bool = False) -> None:
    async with turnstile.through(first=first):
        seen.append(f"{name} in")
        await asyncio.sleep(0)
        seen.append(f"{name} out")


async def test_one_is_let_through_at_a_time_in_the_order_of_coming() -> None:
    turnstile, seen = Turnstile(), list[str]()
    async with asyncio.timeout(60):
        await asyncio.gather(*(visit(turnstile, str(n), seen) for n in range(3)))
    assert seen == ["0 in", "0 out", "1 in", "1 out", "2 in", "2 out"]


async def test_some_go_before_those_who_came_earlier_but_not_before_who_is_inside() -> None:
    turnstile, seen = Turnstile(), list[str]()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for name in ("a", "b", "c"):
            tasks.create_task(visit(turnstile, name, seen))
        tasks.create_task(visit(turnstile, "x", seen, first=True))
        tasks.create_task(visit(turnstile, "y", seen, first=True))
    assert [step for step in seen if step.endswith("in")] == [
        "a in",
        "x in",
        "y in",
        "b in",
        "c in",
    ]


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    turnstile, seen = Turnstile(), list[str]()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        visits = [tasks.create_task(visit(turnstile, str(n), seen)) for n in range(4)]
        await asyncio.sleep(0)
        visits[1].cancel()
    assert [step for step in seen if step.endswith("in")] == ["0 in", "2 in", "3 in"]


async def test_who_gives_up_in_the_moment_of_being_let_through_passes_it_on() -> None:
    turnstile, seen = Turnstile(), list[str]()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        async with turnstile.through():
            waiting = tasks.create_task(visit(turnstile, "given up", seen))
            tasks.create_task(visit(turnstile, "next", seen))
            await asyncio.sleep(0)
        waiting.cancel()  # it was let through, and has not run yet
    assert seen == ["next in", "next out"]


async def test_it_is_free_again_after_an_error() -> None:
    turnstile, seen = Turnstile(), list[str]()
    try:
        async with turnstile.through():
            raise ValueError
    except ValueError:
        seen.append("raised")
    async with asyncio.timeout(60):
        await visit(turnstile, "next", seen)
    assert seen == ["raised", "next in", "next out"]
