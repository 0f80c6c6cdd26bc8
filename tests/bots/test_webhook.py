"""Requests of a deploy hook, over a real socket."""

import asyncio
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bots import webhook
from core.refresh import Refresher
from core.sources import make_sources
from core.store import Store
from core.webhook import LARGEST_BODY, SIGNATURE_OF_HOSTS, DeployHook
from servers.docent_rig import write_docs

SECRET = "a secret of some length"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {SIGNATURE_OF_HOSTS: f"sha256={digest}"}


@pytest.fixture
async def address(sqlite_store: Store, tmp_path: Path) -> AsyncIterator[str]:
    sources = make_sources([write_docs(tmp_path / "docs")])
    hook = DeployHook(
        secret=SECRET, refresher=Refresher(store=sqlite_store, sources=sources, indexes=[])
    )
    stop, port = asyncio.Event(), free_port()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(webhook.serve(hook, port, stop))
        working = tasks.create_task(hook.run())
        address = f"http://127.0.0.1:{port}"
        await reached(address)
        yield address
        stop.set()
        working.cancel()
        await serving


async def reached(address: str) -> None:
    """Wait until the server takes connections."""
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{address}/healthz") as reply:
                    assert await reply.text() == "ok"
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0)


async def send(address: str, body: bytes, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}{webhook.PATH}", data=body, headers=headers) as reply,
    ):
        return reply.status


async def test_a_signed_request_refreshes_the_documentation(
    address: str, sqlite_store: Store
) -> None:
    assert await send(address, b"{}", signed(b"{}")) == 202
    async with asyncio.timeout(60):
        while await sqlite_store.documents.known() == {}:  # noqa: ASYNC110 (the store has no event)
            await asyncio.sleep(0)


@pytest.mark.parametrize("headers", [{}, signed(b"{}", "another secret"), signed(b"other")])
async def test_a_request_that_is_not_signed_is_refused(
    address: str, headers: dict[str, str]
) -> None:
    assert await send(address, b"{}", headers) == 401


async def test_a_body_that_is_too_large_is_not_read_to_its_end(address: str) -> None:
    body = b"x" * (LARGEST_BODY + 1)
    assert await send(address, body, signed(body)) == 413


async def test_a_port_that_another_process_has_ends_nothing_else(sqlite_store: Store) -> None:
    hook = DeployHook(
        secret=SECRET, refresher=Refresher(store=sqlite_store, sources=[], indexes=[])
    )
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        async with asyncio.timeout(60):
            await webhook.serve(hook, port, asyncio.Event())
