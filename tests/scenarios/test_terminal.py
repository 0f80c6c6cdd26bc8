"""`docent chat` with an engine that calls functions: there are no buttons, but commands."""

from pathlib import Path

from servers.docent_rig import DocentProcess, settings_for, write_docs
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

TOOLS = '''
"""What may be restarted."""

from pathlib import Path

from core.tools import tool


@tool(confirm=True)
def restart(service: str) -> str:
    """Restart a service."""
    with Path({calls!r}).open("a") as file:
        file.write(f"restart {{service}}\\n")
    return f"{{service}} was restarted"
'''


async def chat(openai: OpenAIServer, folder: Path, *lines: str) -> str:
    """What is on the screen after these lines."""
    (folder / "ops.py").write_text(TOOLS.format(calls=str(folder / "calls.txt")), encoding="utf-8")
    values = {
        **settings_for(openai),
        "DATABASE_URL": f"sqlite:///{folder / 'docent.db'}",
        "DOCS_SOURCES": write_docs(folder / "docs"),
        "TOOLS": str(folder / "ops.py"),
    }
    process = await DocentProcess.start(folder, values, "chat")
    code, output, errors = await process.end("\n".join(lines), seconds=60)
    assert code == 0, errors
    return " ".join(output.split())


def proposing(service: str) -> Script:
    return Script(calls=[("restart", {"service": service})], then=Script(text="I would do that."))


async def test_what_the_model_proposes_is_done_when_it_is_confirmed_at_the_prompt(
    openai: OpenAIServer, tmp_path: Path
) -> None:
    openai.script(proposing("api"), Script(text="It was restarted."), Script(text="Ninety days."))
    shown = await chat(
        openai, tmp_path, "Restart the api", "/confirm", "/confirm", "When does it expire?"
    )
    order = [
        "I would do that.",
        "Type /confirm",
        "I am at it.",
        "It was restarted.",
        "There is nothing to confirm.",
        "Ninety days.",
    ]
    places = [shown.index(said) for said in order]
    assert places == sorted(places)
    assert (tmp_path / "calls.txt").read_text() == "restart api\n"


async def test_what_is_cancelled_at_the_prompt_is_left(
    openai: OpenAIServer, tmp_path: Path
) -> None:
    openai.script(proposing("api"))
    shown = await chat(openai, tmp_path, "Restart the api", "/cancel", "/confirm")
    assert shown.index("I leave it.") < shown.index("There is nothing to confirm.")
    assert not (tmp_path / "calls.txt").exists()


async def test_who_comes_before_any_page_was_read_is_told_what_to_do(tmp_path: Path) -> None:
    write_docs(tmp_path / "docs")
    values = {"DOCS_SOURCES": "docs"}
    code, output, errors = await (await DocentProcess.start(tmp_path, values, "chat")).end("Hm?")
    assert code == 0
    assert "I cannot reply" in output
    assert "`docent refresh`" in errors
    code, output, errors = await (await DocentProcess.start(tmp_path, values, "docs", "list")).end()
    assert (code, output) == (0, "")
    assert "`docent refresh`" in errors


async def test_without_documentation_and_sources_there_is_nothing_to_ask(tmp_path: Path) -> None:
    code, output, errors = await (await DocentProcess.start(tmp_path, {}, "chat")).end("Hm?")
    assert (code, output) == (2, "")
    assert "DOCS_SOURCES is not set" in errors


async def test_a_folder_without_pages_leads_to_what_is_to_be_mended(tmp_path: Path) -> None:
    """Not from one command to the next, and back to the first."""
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    values = {"DOCS_SOURCES": "."}
    code, output, _ = await (await DocentProcess.start(tmp_path, values, "refresh")).end()
    assert code == 1
    assert "Nothing could be read: there is no documentation yet" in output
    assert "- .: . has no page: no .md, " in output

    code, output, errors = await (await DocentProcess.start(tmp_path, values, "chat")).end("Hm?")
    assert code == 0
    assert "the last refresh left no page. `docent doctor` says why" in errors

    code, output, _ = await (await DocentProcess.start(tmp_path, values, "doctor")).end()
    assert code == 1
    assert "with 0 pages of documentation: the last refresh left none." in output
    assert "MEND  documentation  . has no page: no .md, " in output
