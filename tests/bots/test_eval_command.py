"""`docent eval` as an operator runs it: a process, over a small documentation."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers.docent_rig import DocentProcess

CORE = Path(__file__).parents[1] / "core"
CORPUS = CORE / "local_corpus"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with a database of the documentation, and how to run a command there."""

    folder: Path

    async def docent(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, and what went to standard error."""
        values = {
            "DATABASE_URL": f"sqlite:///{self.folder / 'docent.db'}",
            "DOCS_SOURCES": f"{CORPUS}=https://docs.example/",
        }
        return await (await DocentProcess.start(self.folder, values, *arguments)).end()

    def write(self, *cases: dict[str, object]) -> str:
        """A file of questions; its name."""
        file = self.folder / "questions.jsonl"
        file.write_text("\n".join(map(json.dumps, cases)), encoding="utf-8")
        return str(file)


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    place = Place(folder=tmp_path)
    code, _, errors = await place.docent("refresh")
    assert (code, errors) == (0, "")
    return place


def committed_cases() -> list[dict[str, object]]:
    """The questions that the tests of the local engine ask, as `docent eval` reads them."""
    cases: list[dict[str, object]] = []
    for line in (CORE / "local_questions.jsonl").read_text().splitlines():
        known = json.loads(line)
        *earlier, question = known["questions"]
        if question.strip():
            expected = {"page": known["page"]} if known["page"] else {"no_answer": True}
            cases.append({"question": question, "earlier": earlier, **expected})
    return cases


async def test_the_figures_of_the_committed_documentation_stay_above_their_thresholds(
    place: Place,
) -> None:
    questions = place.write(*committed_cases())
    code, output, errors = await place.docent("eval", questions, "--json", "--min-recall3", "0.95")
    assert (code, errors) == (0, "")
    found = json.loads(output)
    assert found["engine"] == "local"
    assert found["questions"] == len(found["verdicts"]) >= 60
    assert found["recall"]["1"] >= 0.9
    assert found["recall"]["3"] >= 0.95
    assert found["answered"] >= 0.95
    assert found["not_answered"] >= 0.95
    assert found["failed"] == 0
    assert found["median_seconds"] < 1


async def test_it_says_what_went_wrong_and_exits_with_1_below_the_minimum(place: Place) -> None:
    questions = place.write(
        {"question": "how do I make a backup?", "page": "backups", "fact": "no such text"},
        {"question": "what roles are there?", "page": "no-such-page"},
        {"question": "rate limit", "no_answer": True},
    )
    code, output, errors = await place.docent("eval", questions, "--min-recall3", "0.9")
    assert (code, errors) == (1, "")
    lines = output.splitlines()
    assert lines[0] == "3 questions to the local engine; 0% went right"
    assert "local index: page among the first 3      50%" in lines
    assert "facts found                               0%" in lines
    assert "line 1: the answer lacks no such text" in lines
    assert any(line.startswith("line 2: cites https://docs.example/users-") for line in lines)
    assert any(line.startswith("line 3: answered, though there is no answer") for line in lines)


async def test_without_a_minimum_wrong_answers_are_figures_and_no_failure(place: Place) -> None:
    questions = place.write({"question": "what roles are there?", "page": "no-such-page"})
    assert (await place.docent("eval", questions))[0] == 0


async def test_bad_lines_and_files_are_named(place: Place) -> None:
    questions = place.write({"question": "q", "page": "a"}, {"question": "q"})
    code, output, errors = await place.docent("eval", questions)
    assert (code, output) == (1, "")
    assert "Line 2: say what is expected" in errors
    code, _, errors = await place.docent("eval", "no-such-file")
    assert code == 1
    assert "no-such-file: No such file or directory." in errors
    assert (await place.docent("eval", questions, "--min-recall3", "80"))[0] == 2


async def test_without_documentation_it_says_what_to_run(tmp_path: Path) -> None:
    place = Place(folder=tmp_path)
    code, _, errors = await place.docent("eval", place.write({"question": "q", "page": "a"}))
    assert code == 1
    assert "docent refresh" in errors
