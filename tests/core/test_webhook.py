"""A deploy hook: who may ask for a refresh over HTTP, and what comes of it."""

import asyncio
import hashlib
import hmac

import pytest

from core.errors import WebhookRefused
from core.refresh import Refresher
from core.store import Store
from core.webhook import TOLERANCE, DeployHook, check_signature
from servers.scripted_docs import ScriptedIndex, ScriptedSource

SECRET = "a secret of the deploy hook"
BODY = b'{"ref": "refs/heads/main"}'
NOW = 1_795_341_600.0


def signed(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("header", ["X-Docent-Signature-256", "x-hub-signature-256"])
@pytest.mark.parametrize("body", [BODY, b"", b"\xff\x00"])
def test_a_request_signed_with_the_secret_is_taken(header: str, body: bytes) -> None:
    check_signature(SECRET, body, {header: signed(body)}, NOW)
    check_signature(SECRET, body, {header: signed(body).upper()}, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Docent-Signature-256": ""},
        {"X-Docent-Signature-256": "sha256="},
        {"X-Docent-Signature-256": signed(BODY).removeprefix("sha256=")},
        {"X-Docent-Signature-256": signed(BODY + b" ")},
        {"X-Docent-Signature-256": signed(BODY, "another secret")},
        {"X-Docent-Signature-256": signed(BODY)[:-1]},
        {"X-Docent-Signature-256": "sha256=\u00e9"},
        {"X-Docent-Signature-256": signed(BODY), "X-Docent-Timestamp": f"{NOW:.0f}"},
    ],
)
def test_every_other_request_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRefused, match="DOCS_WEBHOOK_SECRET"):
        check_signature(SECRET, BODY, headers, NOW)


@pytest.mark.parametrize(
    ("stamp", "is_taken"),
    [
        (f"{NOW:.0f}", True),
        (f"{NOW - TOLERANCE:.0f}", True),
        (f"{NOW - TOLERANCE - 1:.0f}", False),
        (f"{NOW + TOLERANCE + 1:.0f}", False),
        ("", False),
        ("yesterday", False),
        ("-1", False),
        ("\u0664", False),
        ("9" * 400, False),
    ],
)
def test_a_timestamp_is_signed_too_and_has_to_be_of_now(stamp: str, is_taken: bool) -> None:
    signature = signed(stamp.encode() + b"." + BODY)
    headers = {"X-Docent-Signature-256": signature, "X-Docent-Timestamp": stamp}
    if is_taken:
        check_signature(SECRET, BODY, headers, NOW)
        return
    with pytest.raises(WebhookRefused, match="too old"):
        check_signature(SECRET, BODY, headers, NOW)


async def test_a_request_refreshes_once_for_all_that_come_meanwhile(sqlite_store: Store) -> None:
    source = ScriptedSource({"https://d/a": "a"})
    listed, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def wait_at_the_list(point: str) -> None:
        if point == "list":
            listed.release()
            await go_on.wait()

    source.hook = wait_at_the_list
    index = ScriptedIndex()
    refresher = Refresher(store=sqlite_store, sources=[source], indexes=[index])
    hook = DeployHook(secret=SECRET, refresher=refresher, pause=0.0)
    headers = {"X-Docent-Signature-256": signed(BODY)}
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(hook.run())
        with pytest.raises(WebhookRefused):
            hook.receive(BODY, {})
        hook.receive(BODY, headers)
        await listed.acquire()
        source.pages["https://d/b"] = "deployed while the first refresh was under way"
        for _ in range(3):
            hook.receive(BODY, headers)
        go_on.set()
        await listed.acquire()
        await refresher.idle.wait()
        running.cancel()
    assert set(index.content) == {"https://d/a", "https://d/b"}
    assert listed.locked()  # there was no third refresh


async def test_a_request_during_somebody_elses_refresh_is_not_forgotten(
    sqlite_store: Store,
) -> None:
    index = ScriptedIndex()
    source = ScriptedSource({"https://d/a": "a"})
    refresher = Refresher(store=sqlite_store, sources=[source], indexes=[index])
    done = asyncio.Event()

    async def tell(point: str) -> None:
        if point == "was put":
            done.set()

    index.hook = tell
    hook = DeployHook(secret=SECRET, refresher=refresher, pause=0.0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        async with sqlite_store.exclusive("refresh") as held:
            assert held
            running = tasks.create_task(hook.run())
            hook.receive(BODY, {"X-Docent-Signature-256": signed(BODY)})
            for _ in range(50):
                await asyncio.sleep(0)
            assert index.content == {}
        await done.wait()
        await refresher.idle.wait()
        running.cancel()
    assert index.content == {"https://d/a": "a"}


async def test_a_refresh_that_fails_does_not_end_the_hook(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    refresher = Refresher(store=sqlite_store, sources=[], indexes=[])
    hook = DeployHook(secret=SECRET, refresher=refresher, pause=0.0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(hook.run())
        for _ in range(2):
            hook.receive(BODY, {"X-Docent-Signature-256": signed(BODY)})
            for _ in range(10):
                await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
    assert caplog.text.count("There is no documentation to read") == 2
