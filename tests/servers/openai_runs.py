"""Responses of the OpenAI server while they are made: how far they are, and what they say."""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from servers.openai_calls import FUNCTION_OUTPUT, Called, RemoteCalled
from servers.openai_conversations import Conversation, with_results
from servers.openai_files import Files
from servers.openai_tools import without_secrets
from servers.openai_vector_stores import Hit
from servers.openai_wire import Json, new_id

ENDED = ("completed", "failed", "incomplete", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a model gets to see."""

    question: str  #: the text of the last message
    history: Sequence[tuple[str, str]]  #: role and text of what was said before, oldest first
    found: Sequence[Hit]  #: by file_search, the best first
    instructions: str
    outputs: Sequence[str] = ()  #: of the calls of functions that it waited for


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a model says."""

    text: str
    cites: Sequence[str] = ()  #: ids of files
    links: Sequence[tuple[str, str]] = ()  #: address and title of pages of the web that it cites


Answerer = Callable[[Asked], Said]


class Pace:
    """How many of its words a model has said in a stream: a test decides it, no clock does."""

    def __init__(self, words: float = 0) -> None:
        self.words = words

    def finish(self) -> None:
        """Let all be said that is left."""
        self.words = math.inf


@dataclass(frozen=True, kw_only=True)
class Script:
    """How one run goes. Unless told otherwise it is answered at the second look.

    A round of calls is a run without a message, and `then` is the run that brings their outputs:

        Script(calls=[("status", {"service": "api"})], then=Script(text="It is up."))
    """

    statuses: Sequence[str] = ("queued", "in_progress", "completed")
    """What the reply to the creation shows, then each look at it; the last stays. A run whose last
    status is `queued` or `in_progress` never ends by itself."""
    seconds: float | None = None  #: the last status comes after this time, however often one looks
    first_word_seconds: float = 0.0  #: of a stream, until its first word
    word_seconds: float = 0.0  #: of a stream, for each word; the end comes with the last of them
    pace: Pace | None = None  #: of a stream, instead of both
    breaks_after: int | None = None  #: events, after which the first stream of a run is cut off
    silent_after: int | None = None  #: events, after which the first stream of a run hangs
    text: str | None = None  #: what is said; None: the answerer says something
    cites: Sequence[str] = ()  #: ids of files that `text` cites
    output: Sequence[Json] | None = None  #: these items in place of a message
    calls: Sequence[Called] = ()
    """Functions that are called, by name and arguments, in parallel and in place of a message. With
    `text`, that is said before them, as a comment. Whether anybody offered them does not matter."""
    remote_calls: Sequence[RemoteCalled] = ()
    """Tools of remote servers that are called, by label, name and arguments: made at once, before
    the message, where the request says that they need no approval; else in place of a message."""
    remote_output: str = "Done."  #: of the calls that remote servers make, approved ones too
    links: Sequence[tuple[str, str]] | None = None
    """Address and title of pages of the web that `text` cites, after a search for them."""
    then: "Script | None" = None
    """How the next run of the conversation goes that brings outputs or approvals; None: as any."""
    error_code: str = "server_error"  #: of a run that fails
    error_message: str = "The server had an error while processing your request."
    reason: str = "max_output_tokens"  #: of a run that stays incomplete
    leaves: Literal["nothing", "input", "call", "output"] = "nothing"
    """What a run leaves in its conversation that does not complete: OpenAI says nothing about that,
    and people have seen all of these. Its input, and a call without output, or all that it said."""


def answer_from_documents(asked: Asked) -> Said:
    """Repeat the best passage, or say as the instructions want it that there is none.

    A model does what it is told: where the instructions name a mark in double brackets, for
    questions that the documentation does not answer, that is what such an answer ends with.
    """
    if asked.found and asked.found[0].score >= 0.5:
        best = asked.found[0]
        return Said(text=best.text, cites=[best.file.id])
    mark = re.search(r"\[\[[\w-]+\]\]", asked.instructions)
    words = "The documentation does not cover this."
    return Said(text=f"{words}\n{mark[0]}" if mark else words)


@dataclass(frozen=True, kw_only=True)
class RunSeen:
    """What the server knows of a run, for those who look at what a bot has done."""

    id: str
    turn: str | None  #: `docent_turn` of its metadata
    conversation: str | None
    status: str
    looks: int  #: how often it was retrieved
    is_read: bool  #: its end was told to somebody, or its answer was listed in the conversation
    is_at_work: bool
    is_deleted: bool


@dataclass
class Run:
    """A response from its creation on."""

    request: Json  #: as it was sent
    script: Script
    conversation: Conversation | None
    input: list[Json]  #: items as they are kept
    id: str = field(default_factory=lambda: new_id("resp_"))
    created_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    position: int = 0
    status: str = ""
    output: list[Json] = field(default_factory=list)
    completed_at: float | None = None
    looks: int = 0  #: how often it was retrieved
    planned: list[Json] | None = None  #: what will be said, where it is streamed
    ends_at: float = 0.0  #: when the last word of a stream is due, by the monotonic clock
    streams: int = 0  #: how often it was streamed
    is_told: bool = False  #: whether somebody was told how it ended
    is_deleted: bool = False

    @property
    def is_over(self) -> bool:
        return self.status in ENDED

    def seen(self) -> "RunSeen":
        listed = self.conversation.listed if self.conversation else set()
        in_items = any(item.get("id") in listed for item in self.output)
        return RunSeen(
            id=self.id,
            turn=(self.request.get("metadata") or {}).get("docent_turn"),
            conversation=self.conversation.id if self.conversation else None,
            status=self.status,
            looks=self.looks,
            is_read=self.is_told or in_items,
            is_at_work=not self.is_over,
            is_deleted=self.is_deleted,
        )

    def due(self, *, looked: bool) -> str:
        """The status that the run should have by now; each look brings it one step further."""
        statuses = self.script.statuses
        if self.planned is not None:
            pace = self.script.pace
            is_said = time.monotonic() >= self.ends_at and (not pace or pace.words == math.inf)
            return statuses[-1] if is_said else "in_progress"
        last = len(statuses) - 1
        if self.script.seconds is None:
            self.position = min(self.position + int(looked), last)
        else:
            part = (time.monotonic() - self.started) / max(self.script.seconds, 1e-9)
            self.position = min(int(part * last), last)
        return statuses[self.position]

    def asked(self, found: Sequence[Hit]) -> Asked:
        """The run as its model sees it."""
        before = self.conversation.items if self.conversation else []
        said = [(item["role"], text_of(item)) for item in before if item["type"] == "message"]
        messages = [text_of(item) for item in self.input if item["type"] == "message"]
        messages = messages or [text for role, text in said if role == "user"]
        outputs = [item["output"] for item in self.input if item["type"] == FUNCTION_OUTPUT]
        return Asked(
            question=messages[-1] if messages else "",
            history=said,
            found=found,
            instructions=self.request.get("instructions") or "",
            outputs=[output for output in outputs if isinstance(output, str)],
        )

    def shape(self, include: list[str]) -> Json:
        """The response as it is shown: what was asked for, and how far it is."""
        request, script = self.request, self.script
        error = {"code": script.error_code, "message": script.error_message}
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": self.status,
            "background": request.get("background", False),
            "completed_at": self.completed_at,
            "error": error if self.status == "failed" else None,
            "incomplete_details": (
                {"reason": script.reason} if self.status == "incomplete" else None
            ),
            "output": [with_results(item, include) for item in self.output],
            "usage": _usage(self.input, self.output) if self.is_over else None,
            "conversation": {"id": self.conversation.id} if self.conversation else None,
        } | _echo(request)


def text_of(item: Json) -> str:
    return "".join(part.get("text") or "" for part in item["content"])


def search_item(questions: Sequence[str], hits: Sequence[Hit]) -> Json:
    return {
        "id": new_id("fs_"),
        "type": "file_search_call",
        "status": "completed",
        "queries": list(questions),
        "results": [hit.shape() for hit in hits],
    }


def message_item(said: Said, files: Files, status: str) -> Json:
    """A message with a citation at its end for each file that it cites."""
    annotations: list[Json] = [
        {
            "type": "file_citation",
            "file_id": ref,
            "filename": files.all[ref].name if ref in files.all else "gone.md",
            "index": len(said.text),
        }
        for ref in said.cites
    ]
    annotations += [
        {
            "type": "url_citation",
            "url": url,
            "title": title,
            "start_index": 0,
            "end_index": len(said.text),
        }
        for url, title in said.links
    ]
    part = {"type": "output_text", "text": said.text, "annotations": annotations, "logprobs": []}
    return {
        "id": new_id("msg_"),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [part],
    }


def _echo(request: Json) -> Json:
    """What a response repeats of its request, with OpenAI's defaults for the rest."""
    defaults: dict[str, Any] = {
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": "",
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
    }
    echo = {name: request.get(name, default) for name, default in defaults.items()}
    return echo | {"tools": without_secrets(echo["tools"] or [])}


def _usage(given: Sequence[Json], made: Sequence[Json]) -> Json:
    """Tokens, at four characters each."""
    tokens_in, tokens_out = len(str(given)) // 4, len(str(made)) // 4
    return {
        "input_tokens": tokens_in,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": tokens_out,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens_in + tokens_out,
    }
