"""Kill -9 at every step, faults everywhere, and every question has exactly one reply all the same.

`make chaos` runs this and prints the figures. A failure names its seed; CHAOS_SEED=… repeats it.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import pytest

from chaos.calls import Ledger
from chaos.figures import Figures, count_up
from chaos.fleet import Fleet
from chaos.kills import Trap
from chaos.plan import DELETED_RUN_SECONDS, TOOLS_SIZE, Fate, Size, make_plan
from chaos.stage import ChaosDiscord, ChaosOpenAI, ChaosSlack, Stage
from chaos.verdict import OPEN, Verdict, read, read_rows
from chaos.world import (
    LOOK_SECONDS,
    REDELIVERY_SECONDS,
    Asked,
    World,
    come_true,
    longest,
)
from core.store import migrate_database
from servers.docent_rig import settings_for

DEFAULT_SEED: Final = 20261122
SEED: Final = int(os.environ.get("CHAOS_SEED", DEFAULT_SEED))  # noqa: TID251
MOST_PROBLEMS: Final = 30  # that are shown
INTRODUCTION_SECONDS: Final = 20.0
# Without any reply, after which no more will come: the longest run, and time to take it over.
QUIET_SECONDS: Final = DELETED_RUN_SECONDS + 20.0


async def chaos(folder: Path, url: str, variant: "Variant") -> tuple[Figures, list[str]]:
    """Play a plan to the end; the figures and what went wrong."""
    plan = make_plan(SEED, variant.size)
    figures, began = Figures(seed=plan.seed, variant=variant.about), time.monotonic()
    await migrate_database(url)
    async with contextlib.AsyncExitStack() as stack:
        dice = random.Random(plan.seed)
        stage = Stage(
            slack=await stack.enter_async_context(ChaosSlack(dice)),
            discord=await stack.enter_async_context(ChaosDiscord(dice)),
            openai=await stack.enter_async_context(
                ChaosOpenAI({one.token: one for one in plan.askings})
            ),
            faults=Counter(),
        )
        stage.slack.redeliver_after(REDELIVERY_SECONDS)
        stage.slack.streams.refusal = variant.refusal
        ledger = Ledger(folder)
        values = settings(stage, url)
        if variant.size.with_calls:
            values["TOOLS"] = ledger.write_functions()
        fleet = Fleet(folder, values, variant.roles, lambda: trap.look())
        trap = Trap(fleet.orders, fleet.kill_sender)
        stage.set_trap(trap)
        world = World(plan, stage, fleet, trap, partial(state_of, url))
        async with fleet:
            await introduced(url)
            async with asyncio.timeout(longest(plan)):
                await world.play()
            played = time.monotonic()
            await all_quiet(world, stage, url)
            settled = time.monotonic()
            codes = await fleet.stop()
        verdict = Verdict(world, stage, fleet, read_rows(url))
        verdict.judge_calls_and_files(ledger)
        count_up(figures, world, stage, fleet, trap, verdict)
        figures.calls = len(ledger.lines())
    figures.seconds = time.monotonic() - began
    figures.asking_seconds, figures.settling_seconds = played - began, settled - played
    problems = verdict.problems
    problems += [f"nobody came to {kill.step} ({kill.platform})" for kill in world.missed]
    problems += ["no draft grew on screen"] if not figures.states else []
    problems += fleet.complaints()
    problems += [f"a process ended with {code} after SIGTERM" for code in codes if code]
    print("\n".join(["", *figures.lines(), *verdict.notes()]))  # noqa: T201
    return figures, problems


def state_of(url: str, asked: Asked) -> str:
    """The state of a question's turn; "" where it was not taken yet."""
    found = (row.state for row in read_rows(url) if row.message == asked.message)
    return next(found, "")


async def introduced(url: str) -> None:
    """Wait until it is on record that somebody hears of each platform.

    What was said before that is nothing that Docent has missed.
    """
    heard = "SELECT name FROM kept_values WHERE name LIKE 'heard:%'"
    await come_true(lambda: len(read(url, heard)) >= 2, INTRODUCTION_SECONDS)


async def all_quiet(world: World, stage: Stage, url: str) -> None:
    """Wait until nothing is open any more; no longer than replies keep coming."""
    seen, last = 0, time.monotonic()
    while time.monotonic() - last < QUIET_SECONDS:
        rows = read_rows(url)
        posts = len(stage.slack.calls_of("chat.postMessage")) + sum(
            len(stage.discord.posted(one)) for one in stage.discord.world.channels.values()
        )
        is_open = any(row.state in OPEN for row in rows)
        taken = {row.message for row in rows}
        awaited = [one for one in world.asked.values() if one.asking.fate is not Fate.DELETED]
        all_taken = all(one.message in taken for one in awaited)
        if all_taken and not is_open and not stage.openai.orphans() and not shows_work(stage):
            return
        if posts > seen:
            seen, last = posts, time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)


def shows_work(stage: Stage) -> bool:
    """Whether a sign of work is shown anywhere in Slack. Those of Discord end by themselves."""
    return any(stage.slack._methods.shown.values())


def settings(stage: Stage, url: str) -> dict[str, str]:
    """What every process is told."""
    return {
        **settings_for(stage.openai, stage.slack, stage.discord),
        "DATABASE_URL": url,
        "USER_LIMIT": "off",
        "CHANNEL_LIMIT": "off",
        "CATCH_UP_MESSAGES": "5000",
        "LOG_FORMAT": "json",
    }


def check(problems: Sequence[str]) -> None:
    """Fail with what went wrong, and how to see it again."""
    shown = [*problems[:MOST_PROBLEMS], *["…"] * (len(problems) > MOST_PROBLEMS)]
    if problems:
        pytest.fail(f"CHAOS_SEED={SEED}: {len(problems)} problems\n" + "\n".join(shown), False)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Which processes play the plan, and on which database."""

    about: str
    roles: Sequence[tuple[str, ...]]
    database: Literal["sqlite", "postgres"]
    refusal: str | None = None  #: of streams in Slack: drafts are messages that are edited then
    size: Size = field(default_factory=Size)


VARIANTS: Final = {
    "one": Variant(about="SQLite, one process", roles=[()], database="sqlite"),
    "three": Variant(
        about="Postgres, three processes, no streams in Slack",
        roles=[(), (), ()],
        database="postgres",
        refusal="not_allowed_for_team",
    ),
    "split": Variant(
        about="Postgres, roles split",
        roles=[("slack",), ("discord",), ("worker",)],
        database="postgres",
    ),
    "tools": Variant(
        about="SQLite, one process, with calls and files",
        roles=[()],
        database="sqlite",
        size=TOOLS_SIZE,
    ),
    "tools-two": Variant(
        about="Postgres, two processes, with calls and files",
        roles=[(), ()],
        database="postgres",
        size=TOOLS_SIZE,
    ),
}


# Played by `make chaos` only: the suite is to stay short.
THOROUGH: Final = {"three", "split", "tools", "tools-two"}


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(variant, id=name, marks=[pytest.mark.thorough] if name in THOROUGH else [])
        for name, variant in VARIANTS.items()
    ],
)
async def test_every_question_has_exactly_one_reply(
    request: pytest.FixtureRequest, tmp_path: Path, variant: Variant
) -> None:
    url = str(request.getfixturevalue(f"{variant.database}_url"))
    _, problems = await chaos(tmp_path, url, variant)
    check(problems)
