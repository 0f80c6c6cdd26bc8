"""`docent eval`: ask questions whose answers are known, and say how well it did."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bots.app import evaluating, open_store
from core.cases import read_cases
from core.config import load_settings
from core.errors import CasesUnreadable, NoSources
from core.evaluation import RANKS, Figures, Verdict, figures
from core.log import set_up_logging

SHOWN = 20  # questions that went wrong, and are named


async def main(options: argparse.Namespace) -> int:
    """Ask and print; 1 where a question failed, or recall at 3 is below what was asked for."""
    settings = load_settings()
    set_up_logging("ERROR", settings.log_format)
    cases = read_cases(_text_of(options.questions))
    async with open_store(settings, must_exist=True) as store:
        if await store.documents.count() == 0:
            raise NoSources("There is no documentation in the database: run `docent refresh`.")
        async with evaluating(settings, store) as evaluation:
            verdicts = await evaluation.run(cases)
    found = figures(verdicts)
    if options.json:
        print(json.dumps(_as_json(settings.engine, found, verdicts), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_report(settings.engine, found, verdicts)))
    return 1 if found.failed or _is_below(found, options.min_recall3) else 0


def _is_below(found: Figures, wanted: float | None) -> bool:
    # Where no question names a page there is no recall, and a minimum of it is not met.
    return wanted is not None and (found.recall[3] is None or found.recall[3] < wanted)


def _text_of(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CasesUnreadable([f"{name}: {error.strerror}."]) from None
    except UnicodeDecodeError:
        raise CasesUnreadable([f"{name} is not written in UTF-8."]) from None


def _report(engine: str, found: Figures, verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield f"{found.questions} questions to the {engine} engine; {found.right:.0%} went right"
    yield ""
    for rank in RANKS:
        yield f"local index: page among the first {rank}   {_percent(found.recall[rank])}"
    yield f"answered, of those with an answer     {_percent(found.answered)}"
    yield f"answers that cite the page            {_percent(found.cited)}"
    yield f"facts found                           {_percent(found.facts)}"
    yield f"not answered, of those without one    {_percent(found.not_answered)}"
    yield f"failed                                {found.failed:>6}"
    yield (
        f"seconds a question                    {found.median_seconds:>6.2f} (median), "
        f"{found.slowest_seconds:.2f} (slowest)"
    )
    wrong = [verdict for verdict in verdicts if not verdict.is_right]
    if wrong:
        yield ""
    for verdict in wrong[:SHOWN]:
        yield f"line {verdict.case.line}: {_trouble(verdict)}"
    if len(wrong) > SHOWN:
        yield f"… and {len(wrong) - SHOWN} more; --json has all."


def _percent(share: float | None) -> str:
    return "     -" if share is None else f"{share:>6.0%}"


def _trouble(verdict: Verdict) -> str:
    """What is wrong with an answer, in a few words."""
    if verdict.failure:
        return f"failed ({verdict.failure})"
    if verdict.case.no_answer:
        return f"answered, though there is no answer; cites {_listed(verdict.cited)}"
    if not verdict.answered:
        return "not answered"
    if verdict.missing:
        return f"the answer lacks {_listed(verdict.missing)}"
    return f"cites {_listed(verdict.cited)}, not {' or '.join(verdict.case.pages)}"


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts) or "nothing"


def _as_json(engine: str, found: Figures, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "engine": engine,
        **asdict(found),
        "verdicts": [
            {
                "line": verdict.case.line,
                "question": verdict.case.question,
                "right": verdict.is_right,
                "rank": verdict.rank or None,
                "answered": verdict.answered,
                "cited": verdict.cited,
                "missing": verdict.missing,
                "failure": verdict.failure or None,
                "seconds": round(verdict.seconds, 3),
            }
            for verdict in verdicts
        ],
    }
