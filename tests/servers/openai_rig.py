"""The engine and the index at the loopback OpenAI server, with what a store would do for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openai import AsyncOpenAI

from core.documents import Page
from core.domain import Answer, Answered, Citation, Question, RunId, RunState, ThreadRef, TurnId
from core.openai_engine.client import make_client
from core.openai_engine.engine import OpenAIEngine
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS
from core.openai_engine.patience import Timing
from core.openai_engine.vector_store import VectorStore
from core.settings import OpenAISettings
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

THREAD = ThreadRef(platform="slack", tenant="T1", key="C1/1700000000.000100")


ASKED_AT = 1_795_341_600.0  # 2026-11-22 10:00 UTC


def question(text: str = "How do I install it?", author: str = "U1", turn: int = 7) -> Question:
    return Question(turn=TurnId(turn), thread=THREAD, author=author, text=text, asked_at=ASKED_AT)


@dataclass
class Docs:
    """What a store would know: the vector store to search, and pages by the ids of their files."""

    vector_store: str | None = None
    pages: dict[str, Citation] = field(default_factory=dict)
    #: by the address of the page and the words before the mark
    sections: dict[tuple[str, str], Citation] = field(default_factory=dict)

    async def find_store(self) -> str | None:
        return self.vector_store

    async def locate(self, citation: Citation, sentence: str) -> Citation:
        return self.sections.get((citation.url, sentence), citation)

    async def resolve(self, refs: Sequence[str]) -> Mapping[str, Citation]:
        return {ref: self.pages[ref] for ref in refs if ref in self.pages}


def make_engine(server: OpenAIServer, docs: Docs, **options: Any) -> OpenAIEngine:
    client = make_client(OpenAISettings(api_key=server.api_key, base_url=server.url))
    defaults: dict[str, Any] = {
        "model": "gpt-6-luna",
        "reasoning_effort": "low",
        "instructions": DEFAULT_INSTRUCTIONS,
        "vector_store": docs.find_store,
        "resolve": docs.resolve,
        "locate": docs.locate,
    }
    return OpenAIEngine(client, **(defaults | options))


async def run_of(engine: OpenAIEngine, asked: Question | None = None) -> RunId:
    conversation = await engine.open_conversation(THREAD, [])
    return await engine.start(conversation, asked or question())


async def state_of(server: OpenAIServer, engine: OpenAIEngine, script: Script) -> RunState:
    """What a run that goes like this is said to be."""
    server.script(script)
    return await engine.check(await run_of(engine))


async def answer_of(server: OpenAIServer, engine: OpenAIEngine, **script: Any) -> Answer:
    state = await state_of(server, engine, Script(statuses=["completed"], **script))
    assert isinstance(state, Answered)
    return state.answer


def message(*texts: str, **more: Any) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": parts,
        **more,
    }


def function_call() -> dict[str, Any]:
    return {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "look_up",
        "arguments": "{}",
    }


async def filled_store(server: OpenAIServer, **files: dict[str, Any]) -> str:
    """A vector store on the server with these Markdown files and attributes."""
    client = make_client(OpenAISettings(api_key=server.api_key, base_url=server.url))
    async with client:
        store = await client.vector_stores.create(name="docs")
        for name, attributes in files.items():
            content = f"# {name}\n\nAbout {name} and how to install it."
            file = await client.files.create(
                file=(f"{name}.md", content.encode()), purpose="assistants"
            )
            await client.vector_stores.files.create(
                store.id, file_id=file.id, attributes=attributes
            )
            await client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)
    return store.id


def file_id(server: OpenAIServer, name: str) -> str:
    return next(file.id for file in server.files.all.values() if file.name == f"{name}.md")


def cited(*files: tuple[str, str]) -> list[dict[str, Any]]:
    """A message that cites files by id and name."""
    annotations = [
        {"type": "file_citation", "file_id": ref, "filename": name, "index": 4}
        for ref, name in files
    ]
    said = message("Yes.")
    said["content"][0]["annotations"] = annotations
    return [said]


# --- for the index --------------------------------------------------------------------------------


def page(url: str = "https://docs.example/guide/install", **more: Any) -> Page:
    fields = {"source": "docs", "title": "Installing", "markdown": "Run pip.", "stamp": None}
    return Page(url=url, **(fields | more))


@dataclass
class Remembered:
    """What a store would keep: the id of the vector store that we made."""

    id: str | None = None
    saved: list[str] = field(default_factory=list)

    async def load(self) -> str | None:
        return self.id

    async def save(self, made: str) -> None:
        self.id = made
        self.saved.append(made)


def make_vector_store(
    client: AsyncOpenAI, remembered: Remembered, configured: str | None = None
) -> VectorStore:
    return VectorStore(
        client,
        configured=configured,
        load=remembered.load,
        save=remembered.save,
        pauses=(0.0, 0.0),
    )


AT_ONCE = Timing(
    pauses=(0.0, 0.0),
    first_look=0.0,
    longest_look=0.0,
    patience=5.0,
    uploads_per_second=10_000.0,
)
IMPATIENT = Timing(pauses=(), first_look=0.0, patience=1.0, patience_per_file=0.0)


def pages(count: int) -> list[Page]:
    return [page(f"https://docs.example/page-{number}") for number in range(count)]


def make_index(
    client: AsyncOpenAI, remembered: Remembered, timing: Timing = AT_ONCE
) -> OpenAIIndex:
    return OpenAIIndex(client, vector_store=make_vector_store(client, remembered), timing=timing)


def held(server: OpenAIServer) -> dict[str, str]:
    """Names of the files in vector stores, with their statuses."""
    stores = server.vector_stores.all.values()
    return {file.file.name: file.status for store in stores for file in store.files.values()}


def uploaded(server: OpenAIServer) -> list[str]:
    return sorted(file.name for file in server.files.all.values())
