"""`docent report`, as a process of its own."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bots.commands.report import _harmless
from core.domain import Citation
from core.store import Store, migrate_database
from servers.docent_rig import DocentProcess
from servers.gaps import asked, settled
from servers.mentions import mention

Ended = tuple[int, str, str]


class Rig:
    """A database with questions, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.values = {
            "DATABASE_URL": f"sqlite:///{folder / 'docent.db'}",
            "DISCORD_TOKEN": "nobody-is-asked",
        }

    async def fill(self) -> None:
        async with await Store.open(self.values["DATABASE_URL"]) as store:
            place = {"platform": "discord", "tenant": "7"}
            await asked(store, "How do I export invoices?", thread="1/11", message="11", **place)
            await asked(
                store, "Export of invoices", thread="1/12", message="12", author="U2", **place
            )
            await asked(store, "=HYPERLINK(1)\n\x1b[31mred", "overdue", thread="D/1")
            answered = await store.turns.take(mention("Dark mode?", thread="x"))
            assert answered is not None
            cited = (Citation(url="https://d.example/dark", title="+Dark mode"),)
            await settled(store, answered, "answered", cited)

    async def report(self, *arguments: str) -> Ended:
        process = await DocentProcess.start(self.folder, self.values, "report", *arguments)
        return await process.end()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    yield Rig(tmp_path)
    await DocentProcess.end_all()


async def test_the_text_has_topics_numbers_questions_links_and_pages(rig: Rig) -> None:
    await rig.fill()
    code, output, errors = await rig.report()
    lines = [line.rstrip() for line in output.splitlines()]
    assert (code, errors) == (0, "")
    assert lines[0].startswith("What went unanswered, ")
    assert lines[1] == "3 questions by 3 people; 4 questions got a reply in all."
    (topic,) = [line for line in lines if "export, invoices" in line]
    assert topic.startswith("   2  export, invoices  (2 people, last on ")
    assert "      How do I export invoices?" in lines
    assert "      https://discord.com/channels/7/1/11" in lines
    assert "   1  +Dark mode  https://d.example/dark" in lines
    assert "\x1b" not in output


async def test_where_nothing_went_unanswered_the_text_says_so(rig: Rig) -> None:
    await migrate_database(rig.values["DATABASE_URL"])
    code, output, _ = await rig.report("--since", "24h")
    assert code == 0
    assert "Nothing went unanswered in this time. 0 questions got a reply." in output


async def test_the_csv_has_a_row_for_each_question_and_no_formula(rig: Rig) -> None:
    await rig.fill()
    code, output, _ = await rig.report("--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(output)))
    assert [row["topic"] for row in rows] == ["1", "1", "2"]
    assert {row["question"] for row in rows} == {
        "How do I export invoices?",
        "Export of invoices",
        "'=HYPERLINK(1) [31mred",
    }
    assert [row["unanswered"] for row in rows] == ["not_answered", "not_answered", "failed"]
    assert rows[2]["outcome"] == "overdue"
    assert {row["link"] for row in rows} == {
        "https://discord.com/channels/7/1/11",
        "https://discord.com/channels/7/1/12",
        "",
    }


async def test_the_pages_come_as_csv_too(rig: Rig) -> None:
    await rig.fill()
    code, output, _ = await rig.report("--format", "csv", "--pages")
    assert code == 0
    assert list(csv.reader(io.StringIO(output))) == [
        ["times_cited", "title", "url"],
        ["1", "'+Dark mode", "https://d.example/dark"],
    ]


async def test_the_json_has_all_of_it(rig: Rig) -> None:
    await rig.fill()
    code, output, _ = await rig.report("--format", "json", "--since", "2020-01-01")
    assert code == 0
    found: dict[str, Any] = json.loads(output)
    assert found["since"] == "2020-01-01T00:00:00Z"
    assert (found["questions"], found["unanswered"], found["people"]) == (4, 3, 3)
    first, second = found["topics"]
    assert first["words"] == ["export", "invoices"]
    assert first["people"] == 2
    assert first["unanswered"] == {"not_answered": 2}
    assert {one["link"] for one in first["questions"]} == {
        "https://discord.com/channels/7/1/11",
        "https://discord.com/channels/7/1/12",
    }
    assert second["questions"][0]["question"] == "=HYPERLINK(1)\n\x1b[31mred"
    assert second["questions"][0]["link"] is None
    assert found["pages"] == [
        {"url": "https://d.example/dark", "title": "+Dark mode", "times_cited": 1}
    ]


@pytest.mark.parametrize("since", ["yesterday", "7", "2026-13-01", "1900-01-01"])
async def test_a_time_that_cannot_be_read_is_refused_with_an_example(rig: Rig, since: str) -> None:
    code, _, errors = await rig.report("--since", since)
    assert code == 2
    assert "write 7d, 24h or 2026-11-01" in errors


async def test_a_day_that_is_to_come_is_told_apart_from_what_is_no_time(rig: Rig) -> None:
    code, _, errors = await rig.report("--since", "2999-01-01")
    assert code == 2
    assert "'2999-01-01' is in the future: write a day that has begun" in errors


@pytest.mark.parametrize(
    ("cell", "harmless"),
    [
        ("=1+1", "'=1+1"),
        ("  @SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("+4", "'+4"),
        ("\t=1", "'=1"),
        ("\r\n=1", "'=1"),
        ("＝1", "'＝1"),
        ("a;=1", "a;'=1"),
        ("a | -1", "a |' -1"),
        ("one\ntwo", "one two"),
        ("well-known = fine", "well-known = fine"),
        ('say "hi", please', 'say "hi", please'),
    ],
)
def test_no_cell_is_a_formula(cell: str, harmless: str) -> None:
    assert _harmless(cell) == harmless
