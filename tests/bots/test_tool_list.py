"""What `docent doctor` says of tools."""

from pathlib import Path

import pytest

from bots.commands.tool_list import has_tools, told_tools
from core.errors import ConfigError
from core.settings import OpenAISettings, RemoteServer, Settings
from servers.docent_rig import DocentProcess
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


async def test_the_doctor_tells_of_tools_that_are_to_be_mended(tmp_path: Path) -> None:
    values = {"TOOLS": f"{written(tmp_path, CODE)}, {tmp_path / 'gone.py'}"}
    process = await DocentProcess.start(tmp_path, values, "doctor")
    code, output, _ = await process.end()
    (line,) = [line for line in output.splitlines() if line[6:].startswith("tools ")]
    assert code == 1
    assert line.startswith("MEND")
    assert line.endswith("gone.py', which is not there: correct the path.")
