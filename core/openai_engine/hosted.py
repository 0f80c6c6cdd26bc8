"""Tools that OpenAI itself calls: remote MCP servers, and its search of the web.

Both come from the settings alone: what a model or a person says never adds a server or a host.
"""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from openai.types.responses import ToolParam, WebSearchToolParam
from openai.types.responses.tool_param import Mcp

from core.domain import Citation
from core.settings import OpenAISettings, RemoteServer

LONGEST_TITLE = 200  # characters
LONGEST_ADDRESS = 2_000
_HOST = re.compile(r"[a-z0-9.-]+")
_TRACKING = ("utm_source", "openai")  # OpenAI puts it on every address that it cites


def hosted_tools(settings: OpenAISettings) -> tuple[ToolParam, ...]:
    """Describe the tools as a request for a response names them; tokens are in it."""
    tools: list[ToolParam] = [_remote(server) for server in settings.remote_servers]
    if settings.web_domains:
        search: WebSearchToolParam = {
            "type": "web_search",
            "filters": {"allowed_domains": list(settings.web_domains)},
        }
        tools.append(search)
    return tuple(tools)


def web_domains(tools: Sequence[ToolParam]) -> tuple[str, ...]:
    """Return the hosts that the search of the web is limited to; () where there is none."""
    found: list[str] = []
    for tool in tools:
        if tool["type"] == "web_search":
            found += (tool.get("filters") or {}).get("allowed_domains") or ()
    return tuple(found)


def web_citation(address: str, title: str, domains: Sequence[str]) -> Citation | None:
    """Return a page of the web as a citation; None where it is on none of the hosts.

    The limit is OpenAI's to keep; what it cites is held to it once more, because an answer lends it
    the bot's word.
    """
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return None
    is_plain = parts.scheme == "https" and port in (None, 443) and parts.username is None
    if not is_plain or len(address) > LONGEST_ADDRESS or not _is_under(host, domains):
        return None
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair != _TRACKING]
    kept = parts.query if _TRACKING[0] not in parts.query else urlencode(query)
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, kept, parts.fragment))
    return Citation(url=url, title=" ".join(title.split())[:LONGEST_TITLE] or url)


def _is_under(host: str, domains: Sequence[str]) -> bool:
    # A browser takes "\\" in an address for "/", and so another part of it for the host.
    return _HOST.fullmatch(host) is not None and any(
        host == domain or host.endswith(f".{domain}") for domain in domains
    )


def _remote(server: RemoteServer) -> Mcp:
    tool: Mcp = {
        "type": "mcp",
        "server_label": server.label,
        "server_url": server.url,
        "allowed_tools": list(server.allowed_tools),
        "require_approval": "always" if server.needs_approval else "never",
    }
    if server.token is not None:
        tool["authorization"] = server.token
    if server.description:
        tool["server_description"] = server.description
    return tool
