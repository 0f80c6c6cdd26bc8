"""Everything that the OpenAI SDK can raise becomes an error of core."""

import asyncio
import importlib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAIError, _exceptions

from core.errors import (
    ConversationGone,
    ConversationLocked,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineUnreachable,
    FilesRefused,
)
from core.openai_engine.client import make_client
from core.openai_engine.errors import translate_errors, usable
from core.settings import OpenAISettings
from servers.faults import Fault
from servers.openai_faults import (
    broken_json,
    error,
    html_page,
    out_of_quota,
    rate_limited,
    server_error,
)
from servers.openai_server import OpenAIServer


async def raised(client: AsyncOpenAI, **translation: Any) -> EngineError:
    """What comes out where a request to OpenAI goes wrong."""
    with pytest.raises(EngineError) as caught, translate_errors(**translation):
        usable(openai.types.Model, await client.models.retrieve("gpt-6-luna"))
    return caught.value


# --- every exception of the SDK -------------------------------------------------------------------


def modules_with_exceptions() -> Iterator[str]:
    """Modules of the SDK that define exceptions; its thousands of types are none."""
    root = Path(openai.__path__[0])
    for path in root.rglob("*.py"):
        module = path.relative_to(root.parent).with_suffix("")
        defined = re.search(r"^class \w+\(.*(Error|Exception)\b", path.read_text(), re.MULTILINE)
        if defined and module.parts[1] != "types":
            yield ".".join(module.parts).removesuffix(".__init__")


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from subclasses(subclass)


def sdk_exceptions() -> list[type[BaseException]]:
    """All that derive from the SDK's root, and those beside it in its module of exceptions."""
    for module in modules_with_exceptions():
        importlib.import_module(module)
    beside = [kind for kind in vars(_exceptions).values() if isinstance(kind, type)]
    found = {*subclasses(OpenAIError), *(kind for kind in beside if issubclass(kind, Exception))}
    return sorted(found, key=lambda kind: kind.__qualname__)


def made(kind: type[BaseException]) -> BaseException:
    """An exception of this class, with all that the SDK gives to the most talkative one."""
    status = getattr(kind, "status_code", 418)
    request = httpx2.Request("POST", "https://api.openai.com/v1/responses")
    exception = kind.__new__(kind)
    exception.__dict__.update(
        request=request,
        response=httpx2.Response(status, request=request),
        status_code=status,
        body=None,
        message="",
        code=None,
        param=None,
        type=None,
    )
    return exception


@pytest.mark.parametrize("kind", sdk_exceptions(), ids=lambda kind: kind.__qualname__)
def test_every_exception_of_the_sdk_becomes_one_of_ours(kind: type[BaseException]) -> None:
    cause = made(kind)
    with pytest.raises(EngineError) as caught, translate_errors():
        raise cause
    assert caught.value.__cause__ is cause


def test_the_list_of_exceptions_reaches_into_the_corners_of_the_sdk() -> None:
    names = {kind.__name__ for kind in sdk_exceptions()}
    assert {"RateLimitError", "OAuthError", "StreamAlreadyConsumed"} <= names
    assert {"InvalidWebhookSignatureError", "AgentOutputParseError"} <= names


async def test_being_cancelled_is_no_error() -> None:
    with pytest.raises(asyncio.CancelledError), translate_errors():
        raise asyncio.CancelledError


# --- busy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "2"}, 2.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "3600"}, 3600.0),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after": "0"}, 0.0),
        ({}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait(
    server: OpenAIServer, client: AsyncOpenAI, headers: dict[str, str], seconds: float | None
) -> None:
    server.fault("GET", "/models/*", rate_limited(**headers))
    busy = await raised(client)
    assert isinstance(busy, EngineBusy)
    assert busy.retry_after == seconds


async def test_a_rate_limit_may_name_a_date(server: OpenAIServer, client: AsyncOpenAI) -> None:
    later, earlier = (formatdate(time.time() + shift, usegmt=True) for shift in (600, -600))
    server.fault(
        "GET", "/models/*", rate_limited(retry_after=later), rate_limited(retry_after=earlier)
    )
    busy = await raised(client)
    assert isinstance(busy, EngineBusy)
    assert busy.retry_after == pytest.approx(600, abs=5)
    busy = await raised(client)
    assert isinstance(busy, EngineBusy)
    assert busy.retry_after == 0


async def test_a_conflict_without_a_code_is_busy(server: OpenAIServer, client: AsyncOpenAI) -> None:
    server.fault("GET", "/models/*", Fault(status=409, body={"detail": "Conflict"}))
    assert isinstance(await raised(client), EngineBusy)


# --- unreachable ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        server_error(500),
        server_error(502),
        server_error(503),
        Fault(status=504, body="upstream timed out"),
        Fault(status=408, body={"detail": "Request Timeout"}),
        html_page(),
        broken_json(),
        Fault(status=200, body="[]", content_type="application/json"),
        Fault(status=200, body="null", content_type="application/json"),
        Fault(status=200, body={}),
        Fault(status=200, body={"id": ""}),
        Fault(status=200, body="", content_type="application/json"),
        Fault(status=200, body="[" * 100_000, content_type="application/json"),
        Fault(status=503, body="[" * 100_000, content_type="application/json"),
        Fault(drop="before"),
        Fault(drop="after"),
    ],
    ids=lambda fault: repr(fault)[:200],
)
async def test_what_is_no_usable_reply_is_unreachable(
    server: OpenAIServer, client: AsyncOpenAI, fault: Fault
) -> None:
    server.fault("GET", "/models/*", fault)
    assert isinstance(await raised(client), EngineUnreachable)


async def test_a_reply_that_takes_too_long_is_unreachable(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.fault("GET", "/models/*", Fault(hang=True))
    assert isinstance(await raised(client.with_options(timeout=0.05)), EngineUnreachable)


async def test_an_outage_is_told_with_the_address_and_what_happened(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    address = server.url.removeprefix("http://").removesuffix("/v1")
    hasty = client.with_options(timeout=openai.Timeout(3.0, read=0.05))
    server.fault("GET", "/models/*", Fault(hang=True))
    assert str(await raised(hasty)) == f"{address} did not answer in 0.05 s."
    server.fault("GET", "/models/*", server_error(502), Fault(status=408), Fault(drop="before"))
    assert str(await raised(client)) == f"{address} answered HTTP 502."
    assert str(await raised(client)) == f"{address} answered HTTP 408."
    assert str(await raised(client)) == f"{address} broke the connection off."
    for odd in (html_page(), broken_json()):
        server.fault("GET", "/models/*", odd)
        assert "OPENAI_BASE_URL" in str(await raised(client))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:1/v1", "127.0.0.1:1 cannot be reached (connection refused)."),
        ("http://[::1]:1/v1", "[::1]:1 cannot be reached ("),
        ("http://me:hunter2@localhost:1/v1", "localhost:1 cannot be reached (connection refused)."),
    ],
)
async def test_a_server_that_is_not_there_is_unreachable(address: str, said: str) -> None:
    async with make_client(OpenAISettings(api_key="sk-test", base_url=address)) as lost:
        unreachable = await raised(lost)
    assert isinstance(unreachable, EngineUnreachable)
    assert str(unreachable).startswith(said)


@pytest.mark.parametrize(
    ("address", "cause", "said"),
    [
        (
            "https://api.openai.com/v1",
            socket.gaierror(-2, "Name or service not known"),
            "api.openai.com:443 cannot be reached (its name is not known).",
        ),
        (
            "http://proxy.example/v1",
            ssl.SSLCertVerificationError(1, "certificate verify failed"),
            "proxy.example:80 cannot be reached (its certificate is not trusted).",
        ),
        (
            "http://localhost:8321/v1",
            ExceptionGroup("all failed", [ConnectionRefusedError(111, "said"), OSError("said")]),
            "localhost:8321 cannot be reached (connection refused).",
        ),
        (
            "http://localhost:8321/v1",
            ValueError("said"),
            "localhost:8321 cannot be reached (no connection).",
        ),
    ],
    ids=["name", "certificate", "two addresses", "anything"],
)
def test_the_reason_is_looked_for_below_what_the_sdk_raises(
    address: str, cause: Exception, said: str
) -> None:
    lost = openai.APIConnectionError(request=httpx2.Request("GET", address))
    lost.__cause__ = httpx2.ConnectError("All connection attempts failed")
    lost.__cause__.__cause__ = cause
    with pytest.raises(EngineUnreachable) as caught, translate_errors():
        raise lost from lost.__cause__
    assert str(caught.value) == said


async def test_a_server_without_tls_is_told_from_one_that_is_not_there(
    server: OpenAIServer,
) -> None:
    address = server.url.replace("http:", "https:")
    async with make_client(OpenAISettings(api_key="sk-test", base_url=address)) as lost:
        assert str(await raised(lost)).endswith(" cannot be reached (no TLS connection).")


# --- refused --------------------------------------------------------------------------------------


def refusal(status: int, message: str, code: str | None = None) -> Fault:
    return error(status, message, code, "invalid_request_error")


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        (refusal(403, "No.", "unsupported_country"), "forbidden", "permissions"),
        (refusal(403, "Identifier blocked."), "identifier_blocked", "safety"),
        (refusal(403, "No.", "invalid_project_identifier"), "forbidden", "permissions"),
        (refusal(404, "No model 'x'.", "model_not_found"), "model_not_found", "OPENAI_MODEL"),
        (refusal(400, "No model 'x'.", "model_not_found"), "model_not_found", "OPENAI_MODEL"),
        (refusal(404, "Vector store 'vs_1' not found."), "vector_store_not_found", "refresh"),
        (Fault(status=404, body={"detail": "Not Found"}), "not_found", "does not have"),
        (refusal(400, "Vector_store 'vs_1' not found"), "vector_store_not_found", "refresh"),
        (refusal(400, "Model 'x' does not exist."), "model_not_found", "OPENAI_MODEL"),
        (refusal(400, "Something was not found."), "bad_request", "400"),
        (refusal(400, "Bad.", "unsupported_value"), "unsupported_value", "400 unsupported_value"),
        (Fault(status=422, body={"detail": [{"msg": "bad"}]}), "bad_request", "422"),
        (Fault(status=400, body="what?"), "bad_request", "400"),
        (refusal(418, "Teapot.", "a code with spaces"), "bad_request", "418"),
        (out_of_quota(), "insufficient_quota", "billing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_refusal_has_a_reason_and_says_what_to_do(
    server: OpenAIServer, client: AsyncOpenAI, fault: Fault, reason: str, words: str
) -> None:
    server.fault("GET", "/models/*", fault)
    refused = await raised(client)
    assert isinstance(refused, EngineRefused)
    assert refused.reason == reason
    assert words in str(refused)


async def test_a_wrong_key_is_refused_and_not_repeated(server: OpenAIServer) -> None:
    key = "sk-secret-9876543210"
    async with make_client(OpenAISettings(api_key=key, base_url=server.url)) as stranger:
        refused = await raised(stranger)
    assert isinstance(refused, EngineRefused)
    assert refused.reason == "unauthorized"
    assert "OPENAI_API_KEY" in str(refused)
    assert key[:7] not in str(refused)


@pytest.mark.parametrize("odd", [{"a": 1}, ["a"], 429, None, True], ids=repr)
async def test_what_is_no_text_in_a_refusal_changes_nothing(
    server: OpenAIServer, client: AsyncOpenAI, odd: Any
) -> None:
    said = {"error": dict.fromkeys(("code", "type", "param", "message"), odd)}
    statuses = {503: EngineUnreachable, 429: EngineBusy, 401: EngineRefused, 422: EngineRefused}
    for status, kind in statuses.items():
        server.fault("GET", "/models/*", Fault(status=status, body=said))
        assert type(await raised(client)) is kind
        server.fault("GET", "/models/*", Fault(status=status, body=said))
        assert type(await raised(client, in_conversation=True, files=["file-1"])) in (
            kind,
            FilesRefused,
        )


async def test_what_a_server_says_is_never_part_of_our_message(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    for status in (400, 401, 403, 404, 422, 429, 500):
        server.fault("GET", "/models/*", refusal(status, "my password is hunter2", "odd"))
        assert "hunter2" not in str(await raised(client))


# --- conversations --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 409, 423])
async def test_a_locked_conversation_is_known_by_its_code(
    server: OpenAIServer, client: AsyncOpenAI, status: int
) -> None:
    server.fault("GET", "/models/*", refusal(status, "Busy.", "conversation_locked"))
    assert isinstance(await raised(client), ConversationLocked)


async def test_a_lock_without_its_code_is_known_by_its_words(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    said = "Another process is currently operating on this conversation. Please retry."
    server.fault("GET", "/models/*", refusal(400, said))
    assert isinstance(await raised(client), ConversationLocked)


@pytest.mark.parametrize(
    "fault",
    [
        refusal(404, "Conversation with id 'conv_1' not found."),
        refusal(404, "Not there.", "conversation_not_found"),
        refusal(400, "Not there.", "conversation_not_found"),
        refusal(400, "Conversation 'conv_1' not found."),
        Fault(status=404, body={"detail": "Conversation conv_1 not found"}),
        refusal(400, "No tool output found for function call call_1."),
        refusal(400, "No tool call found for function call output with call_id call_1."),
        refusal(400, "Item 'rs_1' was provided without its required following item."),
    ],
    ids=lambda fault: str(fault.body),
)
async def test_a_conversation_that_is_gone_or_spoilt_has_to_be_rebuilt(
    server: OpenAIServer, client: AsyncOpenAI, fault: Fault
) -> None:
    server.fault("GET", "/models/*", fault)
    assert isinstance(await raised(client), ConversationGone)


async def test_something_missing_is_the_conversation_where_the_request_names_one(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    anything = Fault(status=404, body={"detail": "Not Found"})
    model = refusal(404, "The model 'x' does not exist", "model_not_found")
    store = refusal(404, "Vector store with id 'vs_1' not found.")
    server.fault("GET", "/models/*", anything, model, store)
    assert isinstance(await raised(client, in_conversation=True), ConversationGone)
    assert isinstance(await raised(client, in_conversation=True), EngineRefused)
    assert isinstance(await raised(client, in_conversation=True), EngineRefused)


# --- the client -----------------------------------------------------------------------------------


async def test_the_client_never_repeats_a_request_by_itself(
    server: OpenAIServer, client: AsyncOpenAI
) -> None:
    server.fault("GET", "/models/*", server_error())
    await raised(client)
    assert len(server.sent("GET", "/models/*")) == 1


async def test_the_client_goes_to_openai_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    async with make_client(OpenAISettings(api_key="sk-test")) as ours:
        assert str(ours.base_url) == "https://api.openai.com/v1/"


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("NO_PROXY", True),
        ("FTP_PROXY", True),
        ("HTTP_PROXY", False),
        ("https_proxy", False),
        ("ALL_PROXY", False),
    ],
)
async def test_the_sdks_own_transport_is_taken_where_there_is_a_proxy_to_go_through(
    monkeypatch: pytest.MonkeyPatch, name: str, is_ours: bool
) -> None:
    for scheme in ("http", "https", "all", "ftp", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with make_client(OpenAISettings(api_key="sk-test")) as ours:
        assert (ours.transport is not None) is is_ours
