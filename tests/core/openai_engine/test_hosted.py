"""Remote MCP servers and web search, as the OpenAI server takes them, and pages that are cited."""

import pytest

from core.domain import Answered, Citation, Failed
from core.errors import EngineRefused
from core.openai_engine import remote
from core.openai_engine.answers import answer_of, read_items
from core.openai_engine.client import make_client
from core.openai_engine.hosted import hosted_tools, web_citation, web_domains
from core.settings import OpenAISettings, RemoteServer
from servers import openai_faults
from servers.openai_rig import Docs, make_engine, run_of, state_of
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

SERVERS = (
    RemoteServer(
        label="orders",
        url="https://mcp.acme.dev/",
        allowed_tools=("find_order",),
        token="hunter2",
        description="Orders of the shop",
    ),
    RemoteServer(
        label="helper", url="https://help.acme.dev/", allowed_tools=("a", "b"), needs_approval=False
    ),
)
DOMAINS = ("docs.acme.dev", "acme.io")


def settings_for(server: OpenAIServer) -> OpenAISettings:
    return settings_for_address(server.url, server.api_key)


def settings_for_address(address: str, key: str = "sk-1") -> OpenAISettings:
    return OpenAISettings(
        api_key=key,
        base_url=address,
        remote_servers=SERVERS,
        web_domains=DOMAINS,
    )


async def test_openai_takes_the_tools_and_says_whose_calls_wait_for_approval(
    server: OpenAIServer,
) -> None:
    settings = settings_for(server)
    tools = hosted_tools(settings)
    wanted = [("orders", "find_order", {"id": 7}), ("helper", "a", {})]
    server.script(Script(remote_calls=wanted, text="Done."))
    async with make_client(settings) as client:
        reply = await client.responses.create(
            model="gpt-6-luna", input="Where is it?", tools=list(tools)
        )
    kinds = [item.type for item in reply.output]
    assert kinds == ["mcp_list_tools", "mcp_list_tools", "mcp_approval_request", "mcp_call"]
    (sent,) = server.sent("POST", "/responses")
    assert sent.json["tools"][0] == {
        "type": "mcp",
        "server_label": "orders",
        "server_url": "https://mcp.acme.dev/",
        "server_description": "Orders of the shop",
        "allowed_tools": ["find_order"],
        "require_approval": "always",
        "authorization": "hunter2",
    }
    assert "authorization" not in sent.json["tools"][1]
    assert sent.json["tools"][2] == {
        "type": "web_search",
        "filters": {"allowed_domains": list(DOMAINS)},
    }


UNLISTED = "Error retrieving tool list from MCP server: '{}'. Http status code: 424"


def offered(server: OpenAIServer) -> list[list[str]]:
    """The remote servers that each run was offered, by their labels."""
    tools = [sent.json["tools"] for sent in server.sent("POST", "/responses")]
    return [[tool["server_label"] for tool in each if tool["type"] == "mcp"] for each in tools]


@pytest.mark.parametrize(
    ("named", "left"), [("orders", ["helper"]), ("helper", ["orders"]), ("x", [])]
)
async def test_a_request_that_is_refused_for_a_remote_server_goes_once_more_without_it(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, named: str, left: list[str]
) -> None:
    engine = make_engine(server, Docs(), hosted=hosted_tools(settings_for(server)))
    refusal = openai_faults.error(
        424, UNLISTED.format(named), "http_error", "external_connector_error"
    )
    server.fault("POST", "/responses", refusal)
    server.script(Script(statuses=["completed"], text="It is blue."))
    assert isinstance(await engine.check(await run_of(engine)), Answered)
    await run_of(engine)
    monkeypatch.setattr(remote, "AWAY", -1.0)
    engine_later = make_engine(server, Docs(), hosted=hosted_tools(settings_for(server)))
    server.fault("POST", "/responses", refusal)
    server.fault("POST", "/responses", refusal)
    with pytest.raises(EngineRefused):
        await run_of(engine_later)
    both = ["orders", "helper"]
    assert offered(server) == [both, left, left, both, both]
    await engine.close()
    await engine_later.close()


async def test_a_run_that_fails_for_a_remote_server_is_followed_by_one_without_it(
    server: OpenAIServer,
) -> None:
    engine = make_engine(server, Docs(), hosted=hosted_tools(settings_for(server)))
    script = Script(
        statuses=["failed"], error_code="http_error", error_message=UNLISTED.format("orders")
    )
    assert await state_of(server, engine, script) == Failed(reason="remote_server", transient=True)
    await run_of(engine)
    assert offered(server)[-1] == ["helper"]
    await engine.close()


def test_without_settings_there_are_no_tools() -> None:
    assert hosted_tools(OpenAISettings(api_key="sk-test")) == ()
    assert web_domains(()) == ()


def test_in_the_last_round_no_server_is_offered_that_asks_first() -> None:
    tools = remote.HostedTools(hosted_tools(settings_for_address("https://api.example.com/v1")))
    shown = [tool.get("server_label") for tool in tools.usable(asking=False)]
    assert shown == ["helper", None]  # and the search of the web


async def test_pages_of_the_web_are_cited_in_order_of_use_where_their_host_was_named(
    server: OpenAIServer,
) -> None:
    settings, docs = settings_for(server), Docs()
    links = [
        ("https://acme.io/b?utm_source=openai", "B"),
        ("https://evil.example/acme.io", "Evil"),
        ("https://eu.docs.acme.dev/a", " A\n[x](https://evil.example) "),
        ("https://acme.io/b", "B again"),
    ]
    server.script(Script(statuses=["completed"], text="It is blue.", links=links))
    tools = hosted_tools(settings)
    async with make_client(settings) as client:
        reply = await client.responses.create(
            model="gpt-6-luna", input="Which colour?", tools=list(tools)
        )
    reading = read_items(reply.output)
    answer = await answer_of(reading, docs.resolve, docs.locate, web_domains=web_domains(tools))
    assert answer.citations == (
        Citation(url="https://acme.io/b", title="B"),
        Citation(url="https://eu.docs.acme.dev/a", title="A [x](https://evil.example)"),
    )
    assert (await answer_of(reading, docs.resolve, docs.locate)).citations == ()


@pytest.mark.parametrize(
    "address",
    [
        "http://acme.io/",
        "https://acme.io.evil.example/",
        "https://evilacme.io/",
        "https://bob@acme.io/",
        "https://acme.io:8443/",
        "https://acme.io:port/",
        "https://[acme.io/",
        "javascript:alert(1)//acme.io",
        "https://evil.example\\@acme.io/",
        "https://evil.example\\.acme.io/",
        "https://evil.example%2f.acme.io/",
        "",
        "https://acme.io/" + "x" * 3_000,
    ],
)
def test_an_address_that_is_not_plainly_on_a_named_host_is_not_cited(address: str) -> None:
    assert web_citation(address, "Acme", DOMAINS) is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://acme.io", "https://acme.io"),
        ("https://ACME.io/x#y", "https://ACME.io/x#y"),
        ("https://acme.io/x?a=1&utm_source=openai&b=%C3%A9", "https://acme.io/x?a=1&b=%C3%A9"),
        ("https://acme.io/x?a=~1;b", "https://acme.io/x?a=~1;b"),
    ],
)
def test_an_address_is_cited_without_what_openai_adds_to_it(address: str, shown: str) -> None:
    assert web_citation(address, " ", DOMAINS) == Citation(url=shown, title=shown)


def test_a_title_is_shortened() -> None:
    cited = web_citation("https://acme.io/", "t" * 500, DOMAINS)
    assert cited is not None
    assert cited.title == "t" * 200
