"""Functions of the team that the model calls, seen from a thread, on both platforms."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.store import migrate_database
from servers.docent_rig import DocentProcess, docent_running
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer
from servers.people import buttons_of

QUESTION = "Is the api up?"
FILE = '''
"""What the operations team lets people ask."""

import asyncio
from pathlib import Path

from core.tools import Asker, tool

CALLS = Path({calls!r})
BEGAN = CALLS.with_name("began")


def note(line):
    with CALLS.open("a") as file:
        file.write(line + "\\n")


@tool
async def status(service: str, asker: Asker) -> str:
    """Say whether a service is up."""
    note(f"status {{service}} for {{asker.platform}}")
    return f"{{service}}: up since Monday"


@tool(confirm=True)
def restart(service: str) -> str:
    """Restart a service."""
    note(f"restart {{service}}")
    return f"{{service}} was restarted"


@tool(seconds=600)
async def migrate() -> str:
    """Take long."""
    note("migrate")
    await asyncio.to_thread(BEGAN.write_text, "It is on its way.")
    await asyncio.Event().wait()
    return "never"
'''


class Calls:
    """What the functions note of their calls."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def made(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    return Calls(tmp_path / "calls.txt")


@pytest.fixture
def values(people_values: dict[str, str], tmp_path: Path, calls: Calls) -> dict[str, str]:
    path = tmp_path / "ops.py"
    path.write_text(FILE.format(calls=str(calls.path)), encoding="utf-8")
    return {**people_values, "TOOLS": str(path)}


@pytest.mark.parametrize("streaming", ["true", "false"])
async def test_the_answer_says_what_a_function_of_the_team_returned(
    people: Any, values: dict[str, str], openai: OpenAIServer, calls: Calls, streaming: str
) -> None:
    openai.script(
        Script(
            calls=[("status", {"service": "api"}), ("status", {"service": "web"})],
            text="Let me look.",
            then=Script(text="Both are up since Monday."),
        )
    )
    async with docent_running({**values, "STREAMING": streaming}):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        (message,) = await people.dressed(1)
        assert people.replies() == ["Both are up since Monday."]
        assert "Helpful" in buttons_of(message)
    asked = [f"status {service} for {people.name}" for service in ("api", "web")]
    assert sorted(calls.made()) == asked
    first, second = (sent.json for sent in openai.sent("POST", "/responses"))
    offered = [tool.get("name") for tool in first["tools"]]
    assert [name for name in offered if name] == ["status", "restart", "migrate"]
    assert outputs_of(second) == ["api: up since Monday", "web: up since Monday"]


async def test_a_function_that_asks_for_it_is_called_when_the_asker_has_confirmed(
    people: Any, values: dict[str, str], openai: OpenAIServer, calls: Calls
) -> None:
    openai.script(
        Script(calls=[("restart", {"service": "api"})], then=Script(text="I would restart it.")),
        Script(text="It was restarted."),
    )
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, "Restart the api, please")
        (text,) = await people.replied(1)
        (message,) = people.posted()
        assert "restart" in text
        assert "api" in text
        assert calls.made() == []
        await people.press(message, "Confirm", people.bob)
        await people.told("Only the person who asked")
        await people.press(message, "Confirm", people.alice)
        await people.replied(2)
        assert people.replies()[1] == "It was restarted."
    assert calls.made() == ["restart api"]


async def test_what_the_asker_calls_off_is_not_done(
    people: Any, values: dict[str, str], openai: OpenAIServer, calls: Calls
) -> None:
    openai.script(
        Script(calls=[("restart", {"service": "api"})], then=Script(text="I would restart it."))
    )
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, "Restart the api, please")
        await people.replied(1)
        (message,) = people.posted()
        await people.press(message, "Cancel", people.alice)
        await people.server.wait_for(lambda: "Confirm" not in buttons_of(people.posted()[0]))
    assert calls.made() == []


async def test_who_tries_again_does_not_have_it_called_unawares_a_second_time(
    people: Any, values: dict[str, str], openai: OpenAIServer, calls: Calls
) -> None:
    failed = Script(statuses=["failed"], error_code="invalid_prompt")
    openai.script(
        Script(calls=[("status", {"service": "api"})], then=failed), Script(text="It is up.")
    )
    async with docent_running(values):
        await people.ready()
        await people.ask(people.alice, QUESTION)
        (fallback,) = await people.dressed(1)
        await people.press(fallback, "Try again", people.alice)
        assert (await people.replied(2))[1] == "It is up."
    assert len(calls.made()) == 1
    first, _, again = (json.dumps(sent.json["input"]) for sent in openai.sent("POST", "/responses"))
    said = "calls that were made for earlier questions of the same person"
    assert (said in first, said in again) == (False, True)
    assert "api: up since Monday" in again


async def test_a_function_under_way_when_the_process_dies_is_not_called_again(
    people: Any, values: dict[str, str], openai: OpenAIServer, calls: Calls, tmp_path: Path
) -> None:
    openai.script(Script(calls=[("migrate", {})], then=Script(text="I cannot tell.")))
    began = tmp_path / "began"
    os.mkfifo(began)
    await migrate_database(values["DATABASE_URL"])
    process = await DocentProcess.start(tmp_path, values, "run")
    await people.ready()
    await people.ask(people.alice, "Migrate, please")
    async with asyncio.timeout(60):
        await asyncio.to_thread(began.read_text)
    process.kill()
    await process.end()
    process = await DocentProcess.start(tmp_path, values, "run")
    assert await people.replied(1) == ["I cannot tell."]
    process.terminate()
    assert (await process.end())[0] == 0
    assert calls.made() == ["migrate"]
    _, second = (sent.json for sent in openai.sent("POST", "/responses"))
    (output,) = outputs_of(second)
    assert "not known whether it took effect" in output


def outputs_of(request: Any) -> list[str]:
    """What a request tells the model of its calls."""
    return [item["output"] for item in request["input"] if item["type"] == "function_call_output"]


async def test_a_remote_server_makes_a_call_when_the_asker_has_confirmed_it(
    people: Any, people_values: dict[str, str], openai: OpenAIServer, tmp_path: Path
) -> None:
    path = tmp_path / "mcp.toml"
    path.write_text(
        '[orders]\nurl = "https://mcp.acme.dev/"\nallowed_tools = ["cancel_order"]\n',
        encoding="utf-8",
    )
    wanted = [("orders", "cancel_order", {"id": 7})]
    openai.script(
        Script(remote_calls=wanted, then=Script(text="I would cancel order 7.")),
        Script(remote_calls=wanted, then=Script(text="It is cancelled.")),
    )
    async with docent_running({**people_values, "MCP_SERVERS": str(path)}):
        await people.ready()
        await people.ask(people.alice, "Cancel order 7, please")
        (text,) = await people.replied(1)
        assert "orders: cancel" in text
        (message,) = people.posted()
        await people.press(message, "Confirm", people.alice)
        await people.replied(2)
        assert people.replies()[1] == "It is cancelled."
    sent = [each.json["input"] for each in openai.sent("POST", "/responses")]
    approvals = [
        item for items in sent for item in items if item["type"] == "mcp_approval_response"
    ]
    assert [item["approve"] for item in approvals] == [False, True]
