"""TOOLS, MCP_SERVERS and WEB_SEARCH_DOMAINS: read, checked, and complained of all at once."""

from pathlib import Path

import pytest

from core.config import parse_settings
from core.errors import ConfigError
from core.settings import RemoteServer, Settings

KEY = {"OPENAI_API_KEY": "sk-test"}
GOOD = """
[orders]
url = "https://mcp.acme.dev/"
allowed_tools = ["find_order", "cancel_order"]
token_env = "ORDERS_TOKEN"
description = "Orders of the shop"

[local-helper]
url = "http://127.0.0.1:9000/mcp?key=1"
allowed_tools = ["look_up"]
approval = "never"
"""


def settings_of(folder: Path, toml: str, **more: str) -> Settings:
    path = folder / "mcp.toml"
    path.write_text(toml, encoding="utf-8")
    return parse_settings({**KEY, "MCP_SERVERS": str(path), **more})


def problems_of(folder: Path, toml: str, **more: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        settings_of(folder, toml, **more)
    return list(refusal.value.problems)


def test_servers_are_read_with_their_tokens_from_the_environment(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, GOOD, ORDERS_TOKEN="hunter2")
    assert settings.openai is not None
    assert settings.openai.remote_servers == (
        RemoteServer(
            label="orders",
            url="https://mcp.acme.dev/",
            allowed_tools=("find_order", "cancel_order"),
            needs_approval=True,
            token="hunter2",
            description="Orders of the shop",
        ),
        RemoteServer(
            label="local-helper",
            url="http://127.0.0.1:9000/mcp?key=1",
            allowed_tools=("look_up",),
            needs_approval=False,
        ),
    )
    assert "hunter2" not in repr(settings)
    assert "key=1" not in repr(settings)


def test_without_them_there_are_no_servers_no_web_search_and_no_tools() -> None:
    settings = parse_settings(KEY)
    assert settings.openai is not None
    assert settings.openai.remote_servers == ()
    assert settings.openai.web_domains == ()
    assert settings.tools == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('url = "http://mcp.acme.dev/"', "has no usable url: write https://…"),
        ('url = "https://bob:hunter2@mcp.acme.dev/"', "has no usable url"),
        ('url = "mcp.acme.dev"', "has no usable url"),
        ('url = "https://mcp.acme.dev:99999/"', "has no usable url"),
        ("url = 3", "has no usable url"),
        ("allowed_tools = []", "has no usable allowed_tools: write their names"),
        ('allowed_tools = "look_up"', "has no usable allowed_tools"),
        ('allowed_tools = ["look up"]', "has no usable allowed_tools"),
        ('approval = "sometimes"', 'has an approval that means nothing: write "always"'),
        ("approval = false", "has an approval that means nothing"),
        ('token = "hunter2"', "has 'token', which means nothing: write url, allowed_tools"),
        ('token_env = "Bearer hunter2"', "has a token_env that is no name"),
        ('token_env = "ORDERS_TOKEN"', "needs ORDERS_TOKEN, which is not set: set it."),
        ('token_env = "SLACK_BOT_TOKEN"', "would get SLACK_BOT_TOKEN, which is for something"),
    ],
)
def test_what_is_wrong_with_a_server_is_said_without_its_secrets(
    tmp_path: Path, line: str, problem: str
) -> None:
    kept = {"url": '"https://mcp.acme.dev/"', "allowed_tools": '["look_up"]'}
    key = line.partition(" = ")[0]
    rest = "\n".join(f"{name} = {value}" for name, value in kept.items() if name != key)
    (said,) = problems_of(tmp_path, f"[orders]\n{line}\n{rest}\n")
    assert said.startswith(f"MCP_SERVERS: {tmp_path / 'mcp.toml'} [orders] {problem}")
    assert "hunter2" not in said


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path, '[1st]\nurl = "ftp://x"\nwhat = 1\n[other]\nurl = ""', WEB_SEARCH_DOMAINS="x"
    )
    assert len(problems) == 7
    assert problems_of(tmp_path, "orders = 1")[0].endswith(
        "[orders] is a value: write a table, and its url and allowed_tools."
    )
    assert "is not TOML" in problems_of(tmp_path, "[orders")[0]
    with pytest.raises(ConfigError, match=r"MCP_SERVERS '.*' cannot be read .*: correct the path"):
        parse_settings({**KEY, "MCP_SERVERS": str(tmp_path / "gone.toml")})
    (tmp_path / "latin.toml").write_bytes(b"[\xfc]")
    with pytest.raises(ConfigError, match="save it as UTF-8 text"):
        parse_settings({**KEY, "MCP_SERVERS": str(tmp_path / "latin.toml")})


@pytest.mark.parametrize("toml", ["", "# nothing yet\n"])
def test_a_file_without_servers_is_a_problem(tmp_path: Path, toml: str) -> None:
    (said,) = problems_of(tmp_path, toml)
    assert said.endswith(
        "mcp.toml has no server: write a table for each, as in [orders], or remove the setting."
    )


def test_what_the_local_engine_does_nothing_with_is_known(tmp_path: Path) -> None:
    more = {"TOOLS": "tools.py", "WEB_SEARCH_DOMAINS": "acme.dev", "ORDERS_TOKEN": "x"}
    assert settings_of(tmp_path, GOOD, **more).without_effect == ()
    local = settings_of(tmp_path, GOOD, ENGINE="local", **more)
    assert local.without_effect == ("TOOLS", "MCP_SERVERS", "WEB_SEARCH_DOMAINS")
    assert parse_settings({"TOOLS": "tools.py"}).without_effect == ("TOOLS",)
    assert parse_settings({}).without_effect == ()


def test_hosts_of_the_web_search_are_names_of_hosts() -> None:
    settings = parse_settings({**KEY, "WEB_SEARCH_DOMAINS": "Docs.Acme.dev, acme.dev.\nacme.dev"})
    assert settings.openai is not None
    assert settings.openai.web_domains == ("docs.acme.dev", "acme.dev")


@pytest.mark.parametrize(
    "entry", ["https://acme.dev", "acme", "*.acme.dev", "acme.dev/docs", "127.0.0.1", "a b.dev"]
)
def test_what_is_no_name_of_a_host_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"WEB_SEARCH_DOMAINS has .*: write the name of a host"):
        parse_settings({**KEY, "WEB_SEARCH_DOMAINS": entry})


def test_tools_are_paths() -> None:
    assert parse_settings({"TOOLS": "tools/a.py,\n tools/b"}).tools == ("tools/a.py", "tools/b")
