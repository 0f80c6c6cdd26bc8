"""The tools that the model may call, besides its search of the documentation, as settings say them.

MCP_SERVERS names a TOML file with a table for each remote server:

    [helper]
    url = "https://mcp.acme.dev/"
    allowed_tools = ["look_up"]
    approval = "always"
    token_env = "HELPER_TOKEN"
"""

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from core.setting_reader import VARIABLE, Reader, reason, remedy
from core.settings import SETTINGS, EngineName, RemoteServer

MOST_SERVERS = 20
MOST_DOMAINS = 100  # that OpenAI takes
KEYS = ("url", "allowed_tools", "approval", "token_env", "description")

_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
_TOOL = re.compile(r"[\w./:-]{1,128}", re.ASCII)
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


def read_servers(reader: Reader) -> tuple[RemoteServer, ...]:
    """Read the file that MCP_SERVERS names; what is wrong goes to the reader's problems."""
    name = reader.optional("MCP_SERVERS")
    if name is None:
        return ()
    try:
        tables = tomllib.loads(Path(name).expanduser().read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        reader.problem(f"MCP_SERVERS: {name} is not TOML: {error}. Correct that line.")
        return ()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: ~nobody
        problem = f"MCP_SERVERS {name!r} cannot be read ({reason(error)}): {remedy(error)}."
        reader.problem(problem)
        return ()
    if not tables:
        reader.problem(
            f"MCP_SERVERS: {name} has no server: write a table for each, as in [orders], or remove "
            "the setting."
        )
    if len(tables) > MOST_SERVERS:
        reader.problem(f"MCP_SERVERS: {name} has {len(tables)} servers: keep {MOST_SERVERS}.")
        return ()
    servers = (_Table(reader, name, label, table).server() for label, table in tables.items())
    return tuple(server for server in servers if server is not None)


def without_effect(reader: Reader, engine: EngineName) -> tuple[str, ...]:
    """Name what lets something be called, where the engine calls nothing."""
    if engine != "local":
        return ()
    return tuple(
        name for name in ("TOOLS", "MCP_SERVERS", "WEB_SEARCH_DOMAINS") if reader.is_set(name)
    )


def read_domains(reader: Reader) -> tuple[str, ...]:
    """Read WEB_SEARCH_DOMAINS; what is wrong with it goes to the reader's problems."""
    domains = []
    for entry in reader.list("WEB_SEARCH_DOMAINS"):
        domain = entry.lower().removesuffix(".")
        if _HOST.fullmatch(domain):
            domains.append(domain)
        else:
            reader.problem(
                f"WEB_SEARCH_DOMAINS has {entry!r}: write the name of a host, such as "
                "docs.acme.dev, which stands for the hosts under it, too."
            )
    if len(domains) > MOST_DOMAINS:
        reader.problem(f"WEB_SEARCH_DOMAINS has {len(domains)} hosts: keep {MOST_DOMAINS}.")
    return tuple(dict.fromkeys(domains))


class _Table:
    """One table of the file; a value that is wrong becomes a problem, and is left out."""

    def __init__(self, reader: Reader, file: str, label: str, table: object) -> None:
        self._reader = reader
        self._where = f"MCP_SERVERS: {file} [{label}]"
        self._label = label
        self._table: Mapping[str, object] = table if isinstance(table, dict) else {}
        self._is_table = isinstance(table, dict)

    def server(self) -> RemoteServer | None:
        """The server; None where something is wrong with it."""
        before = len(self._reader.problems)
        for problem in self._problems():
            self._reader.problem(f"{self._where} {problem}")
        token = self._token() if self._is_table else None
        if len(self._reader.problems) > before:
            return None
        return RemoteServer(
            label=self._label,
            url=self._text("url"),
            allowed_tools=tuple(self._names()),
            needs_approval=self._text("approval") != "never",
            token=token,
            description=self._text("description"),
        )

    def _problems(self) -> Iterator[str]:
        if not self._is_table:
            yield "is a value: write a table, and its url and allowed_tools."
            return
        if not _LABEL.fullmatch(self._label):
            yield "is no label: begin with a letter; up to 64 letters, digits, - and _."
        for key in self._table:
            if key not in KEYS:
                yield f"has {key!r}, which means nothing: write {', '.join(KEYS)}."
        if not _is_safe(self._text("url")):
            yield "has no usable url: write https://… in full, without a login in it."
        if not self._names():
            yield 'has no usable allowed_tools: write their names, as in ["look_up", "find_order"].'
        if self._table.get("approval", "always") not in ("always", "never"):
            yield 'has an approval that means nothing: write "always" or "never".'
        if len(self._text("description")) > 1000:
            yield "has a description of more than 1,000 characters: shorten it."

    def _names(self) -> list[str]:
        given = self._table.get("allowed_tools")
        names = given if isinstance(given, list) else []
        usable = [name for name in names if isinstance(name, str) and _TOOL.fullmatch(name)]
        return usable if len(usable) == len(names) else []

    def _token(self) -> str | None:
        if "token_env" not in self._table:
            return None
        name = self._text("token_env")
        if not VARIABLE.fullmatch(name):
            self._reader.problem(
                f"{self._where} has a token_env that is no name: write the name of a variable of "
                "the environment or of .env that holds the token, never the token itself."
            )
            return None
        if any(setting.name == name for setting in SETTINGS):
            self._reader.problem(
                f"{self._where} would get {name}, which is for something else: put its token "
                "into a variable of its own."
            )
            return None
        token = self._reader.variable(name)
        if token is None:
            self._reader.problem(f"{self._where} needs {name}, which is not set: set it.")
        return token

    def _text(self, key: str) -> str:
        value = self._table.get(key, "")
        return value.strip() if isinstance(value, str) else ""


def _is_safe(url: str) -> bool:
    """Whether a token can be sent there: encrypted, or not leaving the machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or re.search(r"\s", url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
