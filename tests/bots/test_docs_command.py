"""`docent refresh` and `docent docs`, as processes of their own."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from core.store import Store
from servers.docent_rig import BASE_URL, DOCENT, DocentProcess, write_docs
from servers.openai_server import OpenAIServer

Ended = tuple[int, str, str]


class Rig:
    """A folder with documentation, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docs = folder / "docs"
        self.values: dict[str, str] = {
            "DOCS_SOURCES": write_docs(self.docs, self.pages(10)),
            "DATABASE_URL": f"sqlite:///{folder / 'docent.db'}",
        }

    @staticmethod
    def pages(count: int) -> Mapping[str, str]:
        topics = ("zebra", "giraffe", "walrus", "otter", "heron", "badger", "lynx", "newt", "owl")
        return {
            f"p{n}.md": f"# About {topics[n % 9]} {n}\n\nFeed the {topics[n % 9]} with hay.\n"
            for n in range(count)
        }

    async def docent(self, *arguments: str) -> Ended:
        process = await DocentProcess.start(self.folder, self.values, *arguments)
        return await process.end()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    yield Rig(tmp_path)
    await DocentProcess.end_all()


async def test_a_dry_run_prints_the_plan_and_changes_nothing(rig: Rig) -> None:
    code, output, _ = await rig.docent("refresh", "--dry-run")
    assert code == 0
    assert "A refresh would do this; nothing was changed" in output
    assert f"+ {BASE_URL}p3" in output.splitlines()
    code, output, _ = await rig.docent("docs", "list")
    assert (code, output) == (0, "")


@pytest.mark.parametrize(
    ("typed", "code", "left"),
    [(b"yes\n", 0, 4), (b"\n", 3, 10), (b"\x04", 3, 10)],  # the last is Ctrl-D
)
async def test_at_a_terminal_a_refresh_asks_and_only_yes_is_yes(
    rig: Rig, typed: bytes, code: int, left: int
) -> None:
    assert (await rig.docent("refresh"))[0] == 0
    for number in range(6):
        (rig.docs / f"p{number}.md").unlink()
    keyboard, terminal = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            DOCENT,
            "refresh",
            cwd=rig.folder,
            env={"PATH": os.environ["PATH"], **rig.values},  # noqa: TID251
            stdin=terminal,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            assert process.stdout is not None
            await process.stdout.readuntil(b"Remove them? [y/N] ")
            os.write(keyboard, typed)
            _, errors = await process.communicate()
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert (process.returncode, errors.decode()) == (code, "")
    assert len((await rig.docent("docs", "list"))[1].splitlines()) == left


async def test_a_refresh_that_would_remove_much_exits_with_3_until_it_is_confirmed(
    rig: Rig,
) -> None:
    assert (await rig.docent("refresh"))[0] == 0
    for number in range(6):
        (rig.docs / f"p{number}.md").unlink()
    code, output, errors = await rig.docent("refresh")
    assert code == 3
    assert "6 of 10 pages (60%) are no longer in their sources" in output
    assert "docent refresh --yes" in errors
    assert len((await rig.docent("docs", "list"))[1].splitlines()) == 10

    code, output, _ = await rig.docent("refresh", "--yes")
    assert code == 0
    assert "6 removed" in output
    assert len((await rig.docent("docs", "list"))[1].splitlines()) == 4


async def test_one_source_is_refreshed_by_the_name_that_people_call_it(rig: Rig) -> None:
    other = write_docs(rig.folder / "other").replace("docs.example", "other.example")
    rig.values["DOCS_SOURCES"] += f",{other}"
    code, output, _ = await rig.docent("refresh", "--source", "https://other.example.com/")
    assert (code, "2 added" in output) == (0, True)


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--yes", "--source", BASE_URL)])
async def test_a_source_that_there_is_not_is_a_wrong_command_which_names_those_that_there_are(
    rig: Rig, more: Sequence[str]
) -> None:
    code, output, errors = await rig.docent("refresh", "--source", "nothing", *more)
    assert (code, output) == (2, "")
    assert errors == (
        f"--source: DOCS_SOURCES has no source 'nothing': choose one of {BASE_URL}.\n"
    )
    assert (await rig.docent("docs", "list"))[1] == ""


async def test_a_page_that_fails_is_code_1_and_an_empty_one_is_none(rig: Rig) -> None:
    (rig.docs / "empty.md").write_text("")
    code, output, _ = await rig.docent("refresh")
    assert code == 0
    assert "1 skipped" in output
    (rig.docs / "broken.md").write_bytes(b"\xff\xfe\xff")
    code, output, _ = await rig.docent("refresh")
    assert code == 1
    assert "1 failed" in output


async def test_a_reader_that_goes_away_does_not_end_the_refresh(rig: Rig) -> None:
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'exec 3>&1; ("$0" refresh; echo $? >&2) | true', DOCENT,
        cwd=rig.folder, env={**rig.values, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert errors.decode().strip() == "0"
    assert len((await rig.docent("docs", "list"))[1].splitlines()) == 10


async def test_a_list_for_other_programs_has_a_page_a_line(rig: Rig) -> None:
    await rig.docent("refresh")
    code, output, _ = await rig.docent("docs", "list")
    rows = [line.split("\t") for line in output.splitlines()]
    assert code == 0
    assert [row[2] for row in rows] == [f"{BASE_URL}p{n}" for n in range(10)]
    assert {row[3] for row in rows} == {"current"}
    assert all(int(row[1]) > 30 for row in rows)
    code, output, _ = await rig.docent("docs", "list", "--state", "missing")
    assert (code, output) == (0, "")


async def test_a_page_is_shown_as_the_index_has_it(rig: Rig) -> None:
    (rig.docs / "odd.md").write_text("# Odd\n\n[bold]no markup[/bold]\n\n```\n\tx\x1b[2J\n```\n")
    await rig.docent("refresh")
    code, output, _ = await rig.docent("docs", "show", f"{BASE_URL}odd#anchor")
    assert code == 0
    assert "Title:   Odd" in output
    assert "Indexes: local current" in output
    assert "[bold]no markup[/bold]" in output
    assert "\tx" in output
    assert "\x1b" not in output
    code, _, errors = await rig.docent("docs", "show", f"{BASE_URL}od")
    assert code == 1
    assert f"Is it {BASE_URL}odd" in errors


async def test_a_search_shows_passages_with_headings_and_scores(rig: Rig) -> None:
    await rig.docent("refresh")
    code, output, _ = await rig.docent("docs", "search", "feed", "the", "walrus", "--limit", "1")
    assert code == 0
    assert "About walrus 2" in output
    assert f"{BASE_URL}p2" in output
    assert output[:4] <= "1.00"
    code, output, errors = await rig.docent("docs", "search", "quantum")
    assert (code, output) == (1, "")
    assert "Nothing comes near it" in errors


async def test_verify_finds_and_repairs_what_differs(rig: Rig) -> None:
    async with OpenAIServer() as server:
        rig.values |= {"OPENAI_API_KEY": server.api_key, "OPENAI_BASE_URL": server.url}
        await rig.docent("refresh")
        code, output, _ = await rig.docent("docs", "verify")
        assert code == 0
        assert "openai: in line with the pages; 10 documents on record" in output

        (held,) = server.vector_stores.all.values()
        del held.files[next(iter(held.files))]
        async with await Store.open(rig.values["DATABASE_URL"]) as store:
            await store.passages.remove([(await store.documents.copies("local"))[0].ref])
        code, output, errors = await rig.docent("docs", "verify")
        assert code == 1
        assert output.count("1 on record, but not there") == 2
        assert "--repair" in errors

        code, output, _ = await rig.docent("docs", "verify", "--repair")
        assert code == 0
        assert len(held.files) == len(server.files.all) == 10


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/files"), ("POST", "/vector_stores/*/file_batches"), ("DELETE", "/files/*")],
)
async def test_a_refresh_that_is_killed_is_finished_by_the_next_without_a_rest(
    rig: Rig, method: str, path: str
) -> None:
    async with OpenAIServer() as server:
        rig.values |= {"OPENAI_API_KEY": server.api_key, "OPENAI_BASE_URL": server.url}
        assert (await rig.docent("refresh"))[0] == 0
        write_docs(rig.docs, {f"p{n}.md": f"# Changed {n}\n\nFeed it.\n" for n in range(5)})
        hold = server.hold(method, path)
        process = await DocentProcess.start(rig.folder, rig.values, "refresh")
        async with asyncio.timeout(30):
            await hold.reached.wait()
        process.kill()
        assert (await process.end())[0] != 0
        hold.release()

        code, output, _ = await rig.docent("refresh")
        assert (code, "0 failed" in output) == (0, True)
        (held,) = server.vector_stores.all.values()
        assert set(held.files) == set(server.files.all)
        assert len(held.files) == 10
        assert (await rig.docent("docs", "verify"))[0] == 0


@pytest.mark.parametrize("arguments", [["docs"], ["docs", "search"], ["docs", "list", "--state"]])
async def test_what_is_written_wrongly_is_code_2(rig: Rig, arguments: list[str]) -> None:
    code, _, errors = await rig.docent(*arguments)
    assert code == 2
    assert "usage:" in errors
