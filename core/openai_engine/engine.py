"""Runs at OpenAI: background responses in conversations, with file_search over the documents.

Lives here: the life of a run, request by request. Not here: when to look at it again, and what to
do about a locked or lost conversation; callers decide that.
"""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import cast

import openai
from openai import AsyncOpenAI
from openai.types import ReasoningEffort
from openai.types.conversations import ConversationItemList
from openai.types.responses import (
    FileSearchToolParam,
    Response,
    ResponseInputItemParam,
    ToolParam,
)
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from core.domain import (
    Answer,
    Answered,
    Calls,
    ConversationId,
    Exchange,
    Failed,
    NotAnswered,
    Question,
    RunId,
    RunState,
    ThreadRef,
    ToolOutput,
    Working,
)
from core.errors import ConversationGone
from core.openai_engine.answers import (
    Locate,
    Reading,
    Resolve,
    answer_of,
    read_items,
)
from core.openai_engine.attached import uploads_of
from core.openai_engine.calls import function_tools, since_the_last_output, told
from core.openai_engine.client import POLL_TIMEOUT
from core.openai_engine.creating import create_conversation, create_run, create_stream
from core.openai_engine.documents import only_from
from core.openai_engine.ends import Ended
from core.openai_engine.erasing import Eraser
from core.openai_engine.errors import (
    is_missing,
    is_poisoned,
    is_too_long,
    open_call,
    refuses_streams,
    said_by,
    short_code,
    translate_errors,
    usable,
)
from core.openai_engine.file_troubles import may_be_about_files, uploads_named
from core.openai_engine.hosted import web_domains
from core.openai_engine.input import asked_for, messages, safety_identifier
from core.openai_engine.instructions import instructed
from core.openai_engine.looks import Looks
from core.openai_engine.remote import HostedTools
from core.openai_engine.streams import Streams, no_stream
from core.openai_engine.transcript import (
    INCLUDE,
    ending,
    items_of_turn,
    no_output,
    open_calls,
)
from core.openai_engine.uploads import Uploads
from core.ports import FileKind, Written

log = logging.getLogger(__name__)

ITEMS_AT_ONCE = 20  # most items that one request may add to a conversation
PASSAGES = 8  # shown by a search; OpenAI's 20 make answers slower and dearer, rarely better
METADATA_LENGTH = 512  # most characters in a value of metadata

# Failures that are OpenAI's own, and so may be gone the next time.
_SERVER_LIKE = re.compile(r"server|timeout|timed_out|unavailable|overload|internal|rate_limit")


class OpenAIEngine:
    """Answers with a model at OpenAI."""

    name = "openai"
    reads_files = True

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        model: str,
        reasoning_effort: str | None,
        instructions: str,
        vector_store: Callable[[], Awaitable[str | None]],
        resolve: Resolve,
        locate: Locate,
        streams: bool = False,
        hosted: Sequence[ToolParam] = (),
    ) -> None:
        """Use `client`, which `close` closes. `streams`: whether answers are heard as written.

        `hosted` are tools that OpenAI calls by itself.

        `vector_store` names the vector store to search, None while there is none; `resolve` finds
        the pages of documents by their refs, and `locate` the section of a page.
        """
        self._client = client
        self._model = model
        # Which efforts there are depends on the model; OpenAI says so when one is not among them.
        self._effort = cast(ReasoningEffort, reasoning_effort)
        self._instructions = instructions
        self._vector_store = vector_store
        self._resolve = resolve
        self._locate = locate
        self._wants_streams = streams
        self._streams = Streams(client)
        self._looks = Looks(client)
        self._hosted = HostedTools(hosted)
        self._web_domains = web_domains(hosted)
        self._uploads = Uploads(client)

    async def open_conversation(
        self, thread: ThreadRef, history: Sequence[Exchange]
    ) -> ConversationId:
        """Create a conversation that begins with `history`."""
        items = list(messages(history))
        metadata = {
            "docent_platform": thread.platform,
            "docent_thread": thread.key[:METADATA_LENGTH],
        }
        with translate_errors():
            conversation = await create_conversation(self._client, items[:ITEMS_AT_ONCE], metadata)
            for start in range(ITEMS_AT_ONCE, len(items), ITEMS_AT_ONCE):
                usable(
                    ConversationItemList,
                    await self._client.conversations.items.create(
                        conversation, items=items[start : start + ITEMS_AT_ONCE]
                    ),
                )
        return conversation

    async def upload(self, name: str, kind: FileKind, data: bytes, keep: float) -> str:
        """Upload a file that has an end, after 30 days at most; its id."""
        return await self._uploads.upload(name, kind, data, keep)

    async def start(
        self,
        conversation: ConversationId,
        question: Question,
        outputs: Sequence[ToolOutput] = (),
    ) -> RunId:
        """Create a background response, in one request that is never repeated here.

        With two exceptions: where OpenAI refuses it for want of the output of a function call, it
        has had no effect, and goes once more with an output for each call that has none; and where
        it cannot use a remote server, it goes once more without that.
        """
        tools = await self._tools(question)
        asked = told(outputs) or asked_for(question)
        try:
            with translate_errors(in_conversation=True, files=uploads_of(question)):
                try:
                    return await self._create(conversation, question, tools, asked)
                except openai.APIStatusError as error:
                    if self._hosted.blame(said_by(error)):
                        tools = await self._tools(question)
                        return await self._create(conversation, question, tools, asked)
                    named = open_call(error)
                    if named is None:
                        raise
                open_ones = dict.fromkeys((named, *await open_calls(self._client, conversation)))
                known = {output.call.id for output in outputs}
                calls = [call for call in open_ones if call not in known]
                mended = {"conversation": conversation, "calls": calls}
                log.info("Conversation has open calls, which get outputs", extra=mended)
                asked = [*map(no_output, calls), *asked]
                return await self._create(conversation, question, tools, asked)
        except ConversationGone as gone:
            fields = {"conversation": conversation, "turn": question.turn, "because": str(gone)}
            log.info("Conversation is of no use any more", extra=fields)
            raise

    async def recover(self, conversation: ConversationId, question: Question) -> RunState | None:
        """Look for the marker of the turn in the conversation, and for an answer behind it.

        OpenAI adds the items of a run when it completes. What a run leaves that ended otherwise is
        not documented: a question without an answer counts as half-written.
        """
        with translate_errors(in_conversation=True):
            items = await items_of_turn(self._client, conversation, question)
        if items is None:
            return None
        last = since_the_last_output(items)
        reading = read_items(items)
        if reading.calls:
            return Calls(calls=reading.calls)
        reading = read_items(last)
        match ending(last):
            case "completed":
                return await self._completed(reading)
            case "incomplete":
                return await self._incomplete(reading, None)
            case None:
                return Failed(reason="half_written", transient=True)

    def listen(self, run: RunId) -> AsyncIterator[Written]:
        """Hear the stream of the response, from its beginning where it is new to this process."""
        return self._streams.listen(run) if self._wants_streams else no_stream()

    async def check(self, run: RunId) -> RunState:
        """Say what has become of the response; it is retrieved unless its end was heard."""
        if (ended := self._streams.ended(run)) is not None:
            return await self._state_of(run, ended)
        with translate_errors():
            try:
                ended = await self._looks.look(run)
            except openai.APIStatusError as error:
                if is_missing(error):
                    return Failed(reason="run_lost", transient=True)
                raise
        return Working() if ended is None else await self._state_of(run, ended)

    async def _state_of(self, run: RunId, ended: Ended) -> RunState:
        match ended.status:
            case "queued" | "in_progress":
                return Working()
            case "completed":
                return await self._completed(read_items(ended.output))
            case "incomplete":
                return await self._incomplete(read_items(ended.output), ended.reason)
            case "failed":
                if self._hosted.blame(str(ended.error.get("message", ""))):
                    return Failed(reason="remote_server", transient=True)
                return _failed(ended.error)
            case "cancelled":
                return Failed(reason="cancelled", transient=False)
            case unknown:
                status = short_code(unknown, "none")
                log.warning("A run has an unknown status", extra={"run": run, "status": status})
                return Failed(reason="unknown_status", transient=False)

    async def cancel(self, run: RunId) -> None:
        """Cancel the response, if it is still at work."""
        await self._streams.forget(run)
        with translate_errors():
            try:
                usable(Response, await self._client.responses.cancel(run, timeout=POLL_TIMEOUT))
            except (openai.BadRequestError, openai.NotFoundError, openai.ConflictError):
                log.debug("A run had ended before it was cancelled", extra={"run": run})

    async def erase(
        self,
        conversation: ConversationId | None,
        runs: Sequence[RunId],
        uploads: Sequence[str] = (),
    ) -> None:
        """Delete the responses, the files, the items of the conversation, and the conversation."""
        eraser = Eraser(self._client)
        await eraser.erase_runs(runs)
        await self._uploads.delete(uploads)
        if conversation is not None:
            await eraser.erase_conversation(conversation)

    async def close(self) -> None:
        """Close the client."""
        await self._streams.close()
        await self._client.close()

    async def _create(
        self,
        conversation: ConversationId,
        question: Question,
        tools: Sequence[ToolParam],
        asked: Sequence[ResponseInputItemParam],
    ) -> RunId:
        request: ResponseCreateParamsNonStreaming = {
            "model": self._model,
            "conversation": conversation,
            "background": True,
            "store": True,  # by name: some projects drop a response after minutes without it
            "input": list(asked),
            # Neither is kept from one response of a conversation to the next.
            "instructions": instructed(
                self._instructions,
                question.guide,
                tools=bool(question.tools or question.made or question.untold),
            ),
            "tools": list(tools),
            "include": INCLUDE,
            "text": {"verbosity": "low"},
            "truncation": "auto",
            "metadata": {"docent_turn": str(question.turn)},
            "safety_identifier": safety_identifier(question),
        }
        if self._effort:
            request["reasoning"] = {"effort": self._effort}
        if self._wants_streams and self._streams.has_room:
            run = await self._create_stream(request)
            if run is not None:
                return run
        return await create_run(self._client, request)

    async def _create_stream(self, request: ResponseCreateParamsNonStreaming) -> RunId | None:
        """Create a response that is heard; None where that was refused, without effect."""
        created: RunId | None = None
        try:
            async with self._streams.place():
                begun = await create_stream(self._client, request)
                if not isinstance(begun, str):
                    return await self._streams.begin(begun)
                created = begun
        except openai.APIStatusError as error:
            if not refuses_streams(error):
                raise
        log.info("The server has no streams of background responses: runs are looked at")
        self._wants_streams = False
        return created

    async def _tools(self, question: Question) -> list[ToolParam]:
        tools: list[ToolParam] = [*function_tools(question.tools)]
        tools += self._hosted.usable(asking=not question.is_last_round)
        store = await self._vector_store()
        if store is not None:
            search: FileSearchToolParam = {
                "type": "file_search",
                "vector_store_ids": [store],
                "max_num_results": PASSAGES,
            }
            if question.guide.sources:
                search["filters"] = only_from(question.guide.sources)
            tools.append(search)
        return tools

    async def _completed(self, reading: Reading) -> RunState:
        if reading.calls:
            return Calls(calls=reading.calls)
        if not reading.in_docs:
            return NotAnswered(text=reading.text)
        if not reading.text:
            return Failed(reason="empty", transient=True)
        return Answered(answer=await self._answer(reading))

    async def _incomplete(self, reading: Reading, reason: object) -> RunState:
        if not reading.in_docs:
            return NotAnswered(text=reading.text)
        if not reading.text:
            return Failed(reason=short_code(reason, "incomplete"), transient=False)
        return Answered(answer=await self._answer(reading, incomplete=True))

    async def _answer(self, reading: Reading, *, incomplete: bool = False) -> Answer:
        return await answer_of(
            reading,
            self._resolve,
            self._locate,
            incomplete=incomplete,
            web_domains=self._web_domains,
        )


def _failed(error: Mapping[str, object]) -> Failed:
    code = short_code(error.get("code"), "server_error")
    message = str(error.get("message", ""))
    said = message.lower()
    if "conversation" in said and ("not found" in said or "does not exist" in said):
        # Some servers take a question for a conversation that they do not have, and fail then.
        return Failed(reason="conversation_gone", transient=True)
    if is_too_long(code, said):
        return Failed(reason="context_length_exceeded", transient=True)
    if is_poisoned(said):
        return Failed(reason="conversation_poisoned", transient=True)
    if (uploads := uploads_named(code, message)) is not None:
        return Failed(reason=code, transient=True, uploads=uploads)
    transient = _SERVER_LIKE.search(code) is not None
    unexplained = not transient and may_be_about_files(code, message)
    return Failed(reason=code, transient=transient, unexplained=unexplained)
