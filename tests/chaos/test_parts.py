"""The suite's own parts: what a plan promises, how posts are read, when a trap springs."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from chaos.calls import (
    Witness,
    interrupted_in,
    next_calls,
    problems_of_calls,
    problems_of_files,
)
from chaos.deletions import InVain
from chaos.drafts import drafts_left
from chaos.fleet import Death
from chaos.kills import Trap
from chaos.mischief import DISTURBANCES, ORDERS
from chaos.plan import (
    AUTHORS,
    NAMED,
    OF_CALLS,
    OF_DRAFTS,
    OF_FILES,
    PLATFORMS,
    TOOLS_SIZE,
    Asking,
    Fate,
    Kill,
    Plan,
    Size,
    Step,
    make_plan,
)
from chaos.stage import (
    ChaosDiscord,
    ChaosOpenAI,
    ChaosSlack,
    Stage,
    answer_text,
    is_answer,
    is_middle,
)
from chaos.verdict import Given, Row, is_overtaken, read_replies
from core.domain import ToolCall, ToolOutput
from core.drafts import LISTENING_LOOK
from core.openai_engine.calls import told_before
from core.openai_engine.transcript import NO_OUTPUT
from core.rounds import INTERRUPTED
from servers.openai_calls import call_item
from servers.openai_conversations import Conversation
from servers.slack_workspace import BOT_ID, BOT_USER

seeds = st.integers(min_value=0, max_value=2**32)


def replies_of(*posts: str) -> list[Given]:
    return list(read_replies(posts))


# --- the plan ---------------------------------------------------------------------------------


@given(seeds)
def test_a_plan_comes_out_of_its_seed_alone(seed: int) -> None:
    assert make_plan(seed, Size()) == make_plan(seed, Size())


def test_two_seeds_give_two_plans() -> None:
    assert make_plan(1, Size()).waves != make_plan(2, Size()).waves


@given(seeds)
def test_a_plan_has_as_much_of_everything_as_the_issue_asks_for(seed: int) -> None:
    plan = make_plan(seed, Size())
    askings = plan.askings
    assert len(askings) >= 300
    assert len({one.token for one in askings}) == len(askings)
    for platform in PLATFORMS:
        of_platform = [one for one in askings if one.platform == platform]
        assert len({one.thread for one in of_platform}) == 30
        assert len({one.author for one in of_platform}) > 2
        assert {one.fate for one in of_platform} == set(Fate)
    ordered = {order.kind for wave in plan.waves for order in wave.orders}
    assert ordered == {*ORDERS, *DISTURBANCES}


@given(seeds)
def test_every_named_step_is_planned_on_every_platform_that_has_it(seed: int) -> None:
    planned = {(kill.step, kill.platform) for kill in make_plan(seed, Size()).kills}
    expected = {(step, platform) for step in NAMED for platform in PLATFORMS}
    expected.remove((Step.ACKNOWLEDGED, "discord"))
    assert planned == {*expected, (Step.RANDOM, None), (Step.ALL_AT_ONCE, None)}


@given(seeds)
def test_threads_and_long_answers_begin_before_every_death_that_needs_them(seed: int) -> None:
    plan = make_plan(seed, Size())
    begun: set[tuple[str, int]] = set()
    for wave in plan.waves:
        fresh = {(one.platform, one.thread) for one in wave.askings} - begun
        begun |= fresh
        kill = wave.kill
        if kill and kill.step is Step.CONVERSATION_OPENED:
            assert kill.platform in {platform for platform, _ in fresh}
        if kill and kill.step is Step.PART_POSTED:
            assert any(one.lines > 2 for one in wave.askings if one.platform == kill.platform)


@given(seeds)
def test_runs_take_long_where_somebody_is_to_die_of_a_draft(seed: int) -> None:
    for wave in make_plan(seed, Size()).waves:
        if wave.kill and wave.kill.step in OF_DRAFTS:
            concerned = [one for one in wave.askings if one.platform == wave.kill.platform]
            assert concerned
            assert all(one.run_seconds >= OF_DRAFTS[wave.kill.step] for one in concerned)
            assert not any("stream" in order.kind for order in wave.orders)


@given(seeds)
def test_runs_are_looked_at_where_somebody_is_to_die_of_a_look(seed: int) -> None:
    for wave in make_plan(seed, Size()).waves:
        if wave.kill and wave.kill.step is Step.POLLING:
            concerned = [one for one in wave.askings if one.platform == wave.kill.platform]
            assert concerned
            assert all(one.falls_silent and one.run_seconds > LISTENING_LOOK for one in concerned)


@given(seeds)
def test_who_deletes_a_question_asks_nothing_else_that_could_share_its_answer(seed: int) -> None:
    for asking in make_plan(seed, Size()).askings:
        assert (asking.author == AUTHORS) == (asking.fate is Fate.DELETED)


@given(seeds)
def test_calls_and_files_are_planned_before_every_death_that_needs_them(seed: int) -> None:
    for wave in make_plan(seed, TOOLS_SIZE).waves:
        if wave.kill and wave.kill.step in (*OF_CALLS, *OF_FILES):
            concerned = [one for one in wave.askings if one.platform == wave.kill.platform]
            assert any(one.calls and "png" in one.files for one in concerned)


# --- calls and files --------------------------------------------------------------------------


def asking(**more: Any) -> Asking:
    given: dict[str, Any] = {"token": "qs0001", "platform": "slack", "thread": 0, "author": 0}
    return Asking(**given | {"pause": 0.0, "lines": 1, "run_seconds": 0.1} | more)


def called(name: str, step: int, output: str | None = "It is ordered.") -> Iterator[dict[str, Any]]:
    item = call_item(name, {"token": "qs0001", "step": step})
    yield item
    if output is not None:
        yield {"type": "function_call_output", "call_id": item["call_id"], "output": output}


def test_a_model_calls_one_round_after_the_other_and_nothing_twice() -> None:
    one = asking(calls=(("order", "look"), ("slow_order",)))
    conversation = Conversation(metadata={})
    for names in one.calls:
        wanted = next_calls([one], [], conversation)
        assert [name for name, _ in wanted] == list(names)
        for name, arguments in wanted:
            conversation.items += called(name, arguments["step"])  # type: ignore[index, arg-type]
    assert next_calls([one], [], conversation) == []


@pytest.mark.parametrize("output", [INTERRUPTED, NO_OUTPUT])
def test_a_call_of_which_nothing_is_known_is_not_made_again(output: str) -> None:
    conversation = Conversation(metadata={}, items=[*called("order", 0, None)])
    (item,) = conversation.items
    told = [{"type": "function_call_output", "call_id": item["call_id"], "output": output}]
    assert next_calls([asking(calls=(("order",),))], told, conversation) == []
    assert list(interrupted_in(told, conversation)) == ["order qs0001 0"]


def test_a_model_does_not_call_what_it_is_told_was_called_before_the_question() -> None:
    call = ToolCall(id="call_1", name="order", arguments='{"token": "qs0001", "step": 0}')
    made = told_before([ToolOutput(call=call, text=INTERRUPTED)])
    assert next_calls([asking(calls=(("order",),))], made, None) == []
    assert list(interrupted_in(made, None)) == ["order qs0001 0"]


@pytest.mark.parametrize(
    ("ledger", "problems"),
    [
        (["order qs0001 0", "look qs0001 0", "look qs0001 0"], []),
        (["order qs0001 0"] * 2 + ["look qs0001 0"], ["called 2 times: order qs0001 0"]),
        (["order qs0001 0"], ["answered without calling: look qs0001 0"]),
    ],
)
def test_a_call_counts_once_in_the_ledger_unless_it_may_be_repeated(
    ledger: list[str], problems: list[str]
) -> None:
    askings = [asking(calls=(("order", "look"),))]
    assert list(problems_of_calls(askings, ledger, Witness())) == problems


def test_a_call_that_is_said_to_be_interrupted_may_be_missing_in_the_ledger() -> None:
    witness = Witness(interrupted={"order qs0001 0"})
    assert list(problems_of_calls([asking(calls=(("order",),))], [], witness)) == []


def test_a_file_that_was_uploaded_again_although_that_was_on_record_is_a_problem() -> None:
    assert list(problems_of_files(Witness(), ["qs0001.png", "qs0002.png"])) == []
    assert len(list(problems_of_files(Witness(), ["qs0001.png", "qs0001.png"]))) == 1


# --- reading replies ----------------------------------------------------------------------------


def cut(text: str, parts: int) -> list[str]:
    lines = text.split("\n\n")
    size = -(-len(lines) // parts)
    return ["\n\n".join(lines[at : at + size]) for at in range(0, len(lines), size)]


def test_a_reply_in_parts_is_read_as_one() -> None:
    parts = cut(answer_text(7, ["qs0001 v1", "qs0002 v2"], 9), 3)
    assert [is_middle(part) for part in parts] == [False, True, False]
    assert all(map(is_answer, parts))
    assert replies_of(*parts) == [
        Given(answer="a0007", tokens=("qs0001 v1", "qs0002 v2"), is_complete=True)
    ]


@pytest.mark.parametrize("order", [[0, 2], [0, 1], [1, 2], [0, 2, 1], [0, 1, 1, 2], [0, 1, 2, 2]])
def test_parts_that_are_missing_repeated_or_out_of_order_are_no_complete_reply(
    order: list[int],
) -> None:
    parts = cut(answer_text(7, ["qs0001 v1"], 9), 3)
    assert not any(reply.is_complete for reply in replies_of(*(parts[one] for one in order)))


def test_two_replies_are_two_also_where_they_are_the_same() -> None:
    text = answer_text(7, ["qs0001 v1"], 1)
    assert [reply.is_complete for reply in replies_of(text, text)] == [True, True]


def test_parts_of_two_replies_in_one_another_are_seen() -> None:
    first, second = cut(answer_text(7, ["qs0001 v1"], 4), 2)
    other = answer_text(8, ["qs0002 v1"], 1)
    assert not all(reply.is_complete for reply in replies_of(first, other, second))


def test_a_post_that_is_no_answer_is_kept_as_it_is() -> None:
    assert replies_of("I cannot reply at this time.") == [
        Given(answer="", tokens=(), is_complete=False, text="I cannot reply at this time.")
    ]


# --- drafts that are left ---------------------------------------------------------------------


BUTTONS = {
    "stop": [{"components": [{"custom_id": "docent:stop:7"}]}],
    "helpful": [{"components": [{"custom_id": "docent:helpful:7"}]}],
}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    dice = random.Random(1)
    async with ChaosSlack(dice) as slack, ChaosDiscord(dice) as discord, ChaosOpenAI({}) as openai:
        yield Stage(slack=slack, discord=discord, openai=openai, faults=Counter())


def said_in_slack(stage: Stage, **more: Any) -> str:
    workspace = stage.slack.workspace
    (channel, *_) = workspace.channels.values()
    message = workspace.write(channel, BOT_USER, "Answer", thread_ts=None, bot_id=BOT_ID, **more)
    return str(message["ts"])


async def test_a_reply_is_no_draft(stage: Stage) -> None:
    said_in_slack(stage, metadata={}, blocks=[{"value": "helpful:7"}])
    world = stage.discord.world
    world.write(world.channel("help"), world.bot, "Answer", components=BUTTONS["helpful"])
    assert list(drafts_left(stage)) == []


@pytest.mark.parametrize("more", [{}, {"metadata": {}, "blocks": [{"value": "stop:7"}]}])
async def test_a_draft_that_is_left_in_slack_is_seen(stage: Stage, more: dict[str, Any]) -> None:
    said_in_slack(stage, **more)
    (problem,) = drafts_left(stage)
    assert problem.startswith("a draft is left")


async def test_a_message_that_is_still_streamed_is_seen(stage: Stage) -> None:
    stage.slack.streams.begin(said_in_slack(stage, metadata={}))
    (problem,) = drafts_left(stage)
    assert problem.startswith("still streaming")


async def test_a_draft_that_is_left_in_discord_is_seen(stage: Stage) -> None:
    world = stage.discord.world
    world.write(world.channel("help"), world.bot, "Answer", components=BUTTONS["stop"])
    (problem,) = drafts_left(stage)
    assert problem.startswith("a draft is left: discord")


# --- the trap -----------------------------------------------------------------------------------


@pytest.fixture
def killed() -> list[web.Request]:
    return []


@pytest.fixture
def trap(tmp_path: Path, killed: list[web.Request]) -> Iterator[Trap]:
    yield Trap(tmp_path, killed.append)
    assert not list(tmp_path.iterdir())


REQUEST = cast(web.Request, object())


def test_a_trap_springs_at_the_passage_that_it_waits_for_and_only_once(
    trap: Trap, killed: list[web.Request]
) -> None:
    trap.arm(Kill(step=Step.POLLING, platform="slack", passage=2))
    came = [(Step.POLLING, "discord"), (Step.RUN_CREATED, "slack"), *[(Step.POLLING, "slack")] * 3]
    sprung = [trap.reached(step, platform, REQUEST) for step, platform in came]  # type: ignore[arg-type]
    assert sprung == [False, False, False, True, False]
    assert killed == [REQUEST]
    assert trap.hits == {(Step.POLLING, "slack"): 1}


def test_a_death_inside_a_process_is_known_by_the_mark_that_it_leaves(
    trap: Trap, tmp_path: Path
) -> None:
    trap.arm(Kill(step=Step.ROW_WRITTEN, platform="slack", passage=2))
    orders = sorted(tmp_path.iterdir())
    assert [order.name for order in orders] == ["row written.slack.1", "row written.slack.2"]
    trap.look()
    assert not trap.sprung.is_set()
    for order in orders:
        order.unlink()
    Path(tmp_path, "row written.slack.hit").touch()
    trap.look()
    assert trap.sprung.is_set()
    assert trap.hits.total() == 1


def test_a_plan_counts_its_kills() -> None:
    plan: Plan = make_plan(1, Size(random_kills=2, outages=1))
    assert len(plan.kills) == 2 * len(NAMED) - 1 + 2 + 1


# --- deletions in vain ----------------------------------------------------------------------------


def in_vain(**more: Any) -> InVain:
    """Deleted at 100, half a minute before the run ended."""
    given: dict[str, Any] = {
        "platform": "slack",
        "deleted_at": 100.0,
        "acknowledged_at": None,
        "ended_at": 130.0,
    }
    return InVain(**given | more)


def death(at: float, *roles: str) -> Death:
    return Death(name="0", roles=roles, at=at)


def test_an_answer_to_a_deleted_question_has_no_excuse_while_nobody_dies() -> None:
    assert in_vain().excuse([]) is None


@pytest.mark.parametrize("at", [99.5, 100.0, 129.0])
def test_a_death_between_a_deletion_and_the_end_of_the_run_excuses_an_answer(at: float) -> None:
    assert in_vain().excuse([death(at)])
    assert in_vain().excuse([death(at, "slack")])


@pytest.mark.parametrize("at", [90.0, 131.0])
def test_a_death_long_before_a_deletion_or_after_the_run_excuses_nothing(at: float) -> None:
    assert in_vain().excuse([death(at)]) is None


@pytest.mark.parametrize("role", ["discord", "worker"])
def test_the_death_of_a_process_that_could_not_hear_excuses_nothing(role: str) -> None:
    assert in_vain().excuse([death(110.0, role)]) is None


def test_what_was_acknowledged_before_the_run_ended_has_no_excuse() -> None:
    assert in_vain(acknowledged_at=129.0).excuse([death(110.0)]) is None
    assert in_vain(acknowledged_at=131.0).excuse([death(110.0)])


def test_a_run_that_ends_right_after_the_deletion_excuses_the_answer_unless_it_was_known() -> None:
    assert in_vain(ended_at=101.0).excuse([])
    assert in_vain(ended_at=101.0, acknowledged_at=100.1).excuse([]) is None


# --- the order of replies ---------------------------------------------------------------------


def test_what_was_asked_and_taken_first_is_answered_first() -> None:
    assert is_overtaken(row(1, asked_at=1.0), by=row(2, asked_at=2.0))
    assert not is_overtaken(row(2, asked_at=1.0), by=row(1, asked_at=2.0))  # found long after
    assert not is_overtaken(row(2, asked_at=2.0), by=row(1, asked_at=1.0))


def row(number: int, *, asked_at: float) -> Row:
    return Row(
        id=number, platform="slack", channel="C1", message=f"m{number}", state="delivered",
        outcome=None, attempt=1, run=None, leader=None, asked_at=asked_at,
    )  # fmt: skip
