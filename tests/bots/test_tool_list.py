"""What `docent doctor` says of tools."""

from pathlib import Path

import pytest

from bots.commands.tool_list import has_tools, told_in_vain, told_tools
from core.errors import ConfigError
from core.settings import OpenAISettings, RemoteServer, Settings
from servers.docent_rig import DocentProcess, write_docs
from servers.tool_rig import written

CODE = '''
    @tool
    def free() -> str:
        """For all."""
        return ""

    @tool(allow=("admins", "slack:U1"), confirm=True)
    def guarded() -> str:
        """For some."""
        return ""
'''


def test_everything_that_can_be_called_is_told_without_secrets(tmp_path: Path) -> None:
    servers = (
        RemoteServer(label="a", url="https://a.example/?key=hunter2", allowed_tools=("x", "y")),
        RemoteServer(
            label="b",
            url="https://b.example/",
            allowed_tools=("z",),
            needs_approval=False,
            token="hunter2",
        ),
    )
    openai = OpenAISettings(
        api_key="sk-hunter2", remote_servers=servers, web_domains=("acme.dev", "acme.io")
    )
    settings = Settings(openai=openai, tools=(str(written(tmp_path, CODE)),))
    assert has_tools(settings)
    assert list(told_tools(settings)) == [
        "free, guarded (admins; some; confirmed)",
        "a at a.example: x, y (confirmed)",
        "b at b.example: z",
        "web search in acme.dev, acme.io",
    ]
    assert not has_tools(Settings(openai=OpenAISettings(api_key="sk-test")))


def test_a_file_that_is_not_usable_is_an_error_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which is not there"):
        list(told_tools(Settings(tools=(str(tmp_path / "gone.py"),))))


@pytest.mark.parametrize(
    ("names", "begins"),
    [(("TOOLS",), "TOOLS has no"), (("TOOLS", "MCP_SERVERS"), "TOOLS and MCP_SERVERS have no")],
)
def test_what_has_no_effect_is_told_with_what_to_do(names: tuple[str, ...], begins: str) -> None:
    said = told_in_vain(Settings(without_effect=names))
    assert said is not None
    assert said.startswith(f"{begins} effect: the local engine calls nothing. Set OPENAI_API_KEY")
    assert told_in_vain(Settings(tools=("tools.py",))) is None


async def test_the_doctor_tells_of_tools_that_the_local_engine_does_not_call(
    tmp_path: Path,
) -> None:
    docs = write_docs(tmp_path / "docs")
    values = {"TOOLS": str(written(tmp_path, CODE)), "DOCS_SOURCES": docs}
    process = await DocentProcess.start(tmp_path, values, "doctor")
    code, output, _ = await process.end()
    lines = output.splitlines()
    (found,) = (number for number, line in enumerate(lines) if line.startswith("note  tools"))
    assert lines[found].endswith("free, guarded (admins; some; confirmed)")
    assert lines[found + 1].strip().startswith("TOOLS has no effect")
    assert (code, lines[-1]) == (0, "Nothing has to be mended; read the notes.")


async def test_at_the_prompt_it_is_said_that_the_local_engine_calls_no_tools(
    tmp_path: Path,
) -> None:
    values = {"TOOLS": str(written(tmp_path, CODE)), "DOCS_SOURCES": write_docs(tmp_path / "docs")}
    process = await DocentProcess.start(tmp_path, values, "chat")
    code, _, errors = await process.end()
    assert code == 0
    assert errors.count("TOOLS has no effect: the local engine calls nothing.") == 1


async def test_a_key_of_a_tool_stands_where_the_settings_do(tmp_path: Path) -> None:
    code = "from core.tools import secret\nKEY = secret('ORDERS_KEY')\n"
    path = written(tmp_path, code + '@tool\ndef look() -> str:\n    "Look."\n    return KEY\n')
    values = {"TOOLS": str(path), "DOCS_SOURCES": write_docs(tmp_path / "docs")}

    async def said() -> tuple[int, str]:
        process = await DocentProcess.start(tmp_path, values, "doctor")
        code, output, errors = await process.end()
        assert "hunter2" not in output + errors
        return code, next(line for line in output.splitlines() if line[6:].startswith("tools "))

    ended, line = await said()
    assert ended == 1
    assert line.endswith(
        "needs ORDERS_KEY, which is not set: set it in the environment or in .env."
    )
    (tmp_path / ".env").write_text("ORDERS_KEY=hunter2\n", encoding="utf-8")
    ended, line = await said()
    assert ended == 0
    assert line.endswith(" look")


async def test_the_doctor_tells_of_tools_that_are_to_be_mended(tmp_path: Path) -> None:
    values = {"TOOLS": f"{written(tmp_path, CODE)}, {tmp_path / 'gone.py'}"}
    process = await DocentProcess.start(tmp_path, values, "doctor")
    code, output, _ = await process.end()
    (line,) = [line for line in output.splitlines() if line[6:].startswith("tools ")]
    assert code == 1
    assert line.startswith("MEND")
    assert line.endswith("gone.py', which is not there: correct the path.")
