"""What benchmarks measure is what their figures say."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import cases
from benchmarks.__main__ import main
from benchmarks.cases.open_runs import CROWDS, VARIES
from benchmarks.frame import TIMED_UNITS
from benchmarks.ledger import Ledger
from benchmarks.load import questions
from benchmarks.outcome import heard, order_of_answers
from servers.slack_deliveries import Delivery

FILES = sorted(Path(cases.__path__[0]).glob("[!_]*.py"))


def made_results(path: Path) -> Iterator[dict[str, ast.expr]]:
    """The arguments with which a benchmark makes each of its results."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Result":
            yield {str(keyword.arg): keyword.value for keyword in node.keywords}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_time_of_a_benchmark_is_given_a_reference(path: Path) -> None:
    made = list(made_results(path))
    assert made
    for given in made:
        if ast.literal_eval(given["unit"]) in TIMED_UNITS:
            reference = given.get("reference")
            assert reference is not None, ast.unparse(given["name"])
            assert ast.unparse(reference) != "None"


def test_ten_thousand_runs_are_open_before_the_first_of_them_ends() -> None:
    (crowd,) = [crowd for crowd in CROWDS if crowd.name == "10,000 at once"]
    assert crowd.run_seconds * (1 - VARIES) > crowd.asking


def test_runs_differ_in_length_and_are_the_same_in_each_run_of_a_benchmark() -> None:
    asked = questions(1_000, 51.0, 69.0, streamed=False)
    lengths = [question.seconds or 0.0 for question in asked]
    assert len(set(lengths)) > 900
    assert 51.0 <= min(lengths) < 52.0
    assert 68.0 < max(lengths) <= 69.0
    assert sum(lengths) / len(lengths) == pytest.approx(60.0, abs=1.0)
    assert asked == questions(1_000, 51.0, 69.0, streamed=False)


def test_elsewhere_than_on_linux_the_benchmarks_say_what_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SystemExit, match=r"The benchmarks need Linux: .* from /proc\."):
        main()


def stage(**fields: object) -> Any:
    return SimpleNamespace(**fields)


async def test_answers_are_read_from_the_top_of_a_thread_to_its_bottom() -> None:
    def message(ts: str, **fields: object) -> dict[str, object]:
        return {"ts": ts, "thread_ts": "1.0", "text": "", **fields}

    messages = [
        message("4.0", bot_id="B1", text="END2.", blocks=["END2."]),
        message("1.0", text="question 1"),
        message("3.0", bot_id="B1", blocks=["It does. END10."]),
        message("2.0", text="END7."),
    ]
    channels = {"C1": SimpleNamespace(messages=messages)}
    slack = SimpleNamespace(workspace=SimpleNamespace(channels=channels))
    assert await order_of_answers(stage(slack=slack)) == [10, 2]


async def test_a_mention_is_heard_once_by_each_process_that_it_is_delivered_to() -> None:
    ledger = Ledger()
    for question in questions(2, 1.0, 2.0, streamed=False):
        ledger.ask(question, 0.0)

    def delivered(number: int, socket: object) -> Delivery:
        text = ledger.asked[number].text
        payload = {"event": {"type": "app_mention", "text": text}}
        return Delivery(kind="events_api", payload=payload, socket=socket)  # type: ignore[arg-type]

    one, other = object(), object()
    deliveries = [delivered(0, one), delivered(0, other), delivered(0, one), delivered(1, other)]
    slack = SimpleNamespace(deliveries=deliveries)
    assert await heard(stage(slack=slack, ledger=ledger)) == {0: 2, 1: 1}
