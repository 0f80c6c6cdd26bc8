"""Refreshes into a vector store on a loopback server, by processes that may be killed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler
from openai import AsyncOpenAI

from core.documents import RefreshReport
from core.openai_engine.client import make_client
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.vector_store import VectorStore
from core.refresh import ANY_REMOVALS, MARKS, Refresher
from core.refresh.refresher import unseen
from core.settings import OpenAISettings
from core.store import Store
from servers.faults import Fault
from servers.openai_rig import AT_ONCE
from servers.openai_server import OpenAIServer
from servers.openai_vector_stores import StoredFile
from servers.scripted_docs import ScriptedSource

MARKER = "0123abcd"
PAGES = {f"https://d/{name}": f"text of {name}" for name in "abc"}
LATER = {"https://d/b": "new text of b", "https://d/c": "text of c", "https://d/d": "text of d"}


class Rig:
    """OpenAI, our database and a documentation, for one process of Docent after the other."""

    def __init__(self, server: OpenAIServer, store: Store) -> None:
        self.server = server
        self.store = store
        self.source = ScriptedSource(dict(PAGES))
        self.timing = AT_ONCE
        self.configured: str | None = None
        self.mark = MARKER

    def client(self) -> AsyncOpenAI:
        return make_client(OpenAISettings(api_key=self.server.api_key, base_url=self.server.url))

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Refresher]:
        async with self.client() as client:
            values = self.store.values
            vector_store = VectorStore(
                client,
                configured=self.configured,
                load=partial(values.get, "openai_vector_store"),
                save=partial(values.put, "openai_vector_store"),
                pauses=(0.0, 0.0),
            )
            index = OpenAIIndex(
                client,
                vector_store=vector_store,
                marker=partial(values.once, MARKS, lambda: self.mark),
                timing=self.timing,
            )
            index.batch_size = 2
            yield Refresher(store=self.store, sources=[self.source], indexes=[index])

    async def refresh(self) -> RefreshReport:
        async with self.process() as refresher:
            return await refresher.refresh(unseen, confirm=ANY_REMOVALS)

    def held(self, vector_store: str | None = None) -> list[StoredFile]:
        stores = self.server.vector_stores.all
        chosen = [stores[vector_store]] if vector_store else stores.values()
        return [file for one in chosen for file in one.files.values()]

    def found(self) -> set[str]:
        """Addresses of the pages that a search can find."""
        return {str(f.attributes.get("url")) for f in self.held() if f.status == "completed"}

    def is_in_line(
        self, theirs: Collection[str] = frozenset(), marks: Collection[str] = frozenset()
    ) -> None:
        """The vector store holds the pages, each once and as it is; no file is left anywhere."""
        ours = [file for file in self.held() if file.file.id not in theirs]
        contents = sorted(file.file.content.decode().split("\n\n")[-1].strip() for file in ours)
        assert contents == sorted(self.source.pages.values())
        assert {file.attributes["docent"] for file in ours} <= {self.mark, *marks}
        assert {f.file.id for f in ours} | set(theirs) == set(self.server.files.all)

    async def differences(self) -> list[int]:
        """How many copies are lost, orphans, missing, stale: as `docs verify` says."""
        async with self.process() as refresher:
            (check,) = await refresher.verify(unseen)
        return [len(part) for part in (check.lost, check.orphans, check.missing, check.stale)]


@dataclass(frozen=True, kw_only=True)
class Kills(Fault):
    """Requests pass until the process dies: at the reply to one of them, or before it arrives."""

    passes: int
    effect: bool
    rig: Rig
    stays: frozenset[str]
    seen: list[str] = field(default_factory=list)
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(
        self, request: web.Request, handler: Handler, stopping: asyncio.Event
    ) -> web.StreamResponse:
        assert self.stays <= self.rig.found()
        self.seen.append(f"{request.method} {request.path}")
        if len(self.seen) <= self.passes:
            return await handler(request)
        if len(self.seen) == self.passes + 1 and self.effect:
            await handler(request)
        self.dead.set()
        await stopping.wait()
        return web.Response()


async def killed(
    rig: Rig,
    pages: Mapping[str, str],
    passes: int,
    effect: bool,
    refresh: Callable[[], Coroutine[None, None, RefreshReport]] | None = None,
) -> bool:
    """Refresh until the process is killed at a request; False where it ended before."""
    stays = frozenset(rig.found() & pages.keys())
    kills = Kills(passes=passes, effect=effect, rig=rig, stays=stays)
    rig.server.break_down(kills)
    rig.source.pages = dict(pages)
    refreshing = asyncio.create_task((refresh or rig.refresh)())  # noqa: TID251 (it is to be killed)
    dying = asyncio.create_task(kills.dead.wait())  # noqa: TID251
    async with asyncio.timeout(60):
        await asyncio.wait([refreshing, dying], return_when=asyncio.FIRST_COMPLETED)
        for task in (refreshing, dying):
            task.cancel()
        ended = await asyncio.gather(refreshing, dying, return_exceptions=True)
    rig.server.mend()
    assert not isinstance(ended[0], AssertionError)
    return kills.dead.is_set()
