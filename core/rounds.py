"""Rounds of tool calls: a run ends because the model waits for what comes of them.

The turn is queued again then. The calls are made in the step that starts its next run, which is
told what came of them. A tool that may do harm when it is called twice is not called again where a
call was begun and its end is not known, nor where the question is begun anew after a failed run.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from core.domain import ThreadRef, ToolCall, ToolOutput, ToolSpec, Turn
from core.parallel import each
from core.store import Store
from core.store.tool_calls import CallState, KeptCall
from core.tools import Asker
from core.tools.toolbox import Toolbox

MOST_ROUNDS: Final = 8  # after which the model has to answer with what it knows
MOST_CALLS: Final = 16  # of one round
RESERVE: Final = 0.2  # of the time that is left: the model has to put it into words

INTERRUPTED: Final = (
    "Error: this call was interrupted. It is not known whether it took effect. "
    "Do not make it again; say so in the answer."
)
NEEDS_YES: Final = (
    "Not done yet: the person who asked has to confirm this call, by a button under your answer. "
    "Say shortly what it would do. It is made when they press the button; do not call it again."
)
TOO_MANY: Final = "Error: too many calls at once. Make fewer."
CONFIRMED: Final = "The person has confirmed this call. Make it now, with the same arguments."


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """Makes the calls that runs want."""

    store: Store
    toolbox: Toolbox
    servers: Collection[str] = ()  #: remote servers whose calls are to be confirmed
    channel_of: Callable[[ThreadRef], str] = lambda _: ""  #: in which a thread hangs

    @property
    def has_tools(self) -> bool:
        """Whether there is anything that could be called."""
        return bool(self.toolbox) or bool(self.servers)

    def offered(self, turn: Turn) -> tuple[ToolSpec, ...]:
        """What the next run of a turn may call; nothing in the last round."""
        return self.toolbox.specs(self._asker(turn)) if turn.round < MOST_ROUNDS else ()

    async def outputs(self, turn: Turn, left: float) -> tuple[ToolOutput, ...]:
        """Make the calls of the turn's round that were not made, and say what came of all.

        `left` are the seconds that the turn has left. Raises StoreError, NotOurs.
        """
        within = left * (1 - RESERVE)
        kept = await self.store.tool_calls.of_round(turn)
        for surplus in kept[MOST_CALLS:]:
            await self.store.tool_calls.end(turn, surplus, TOO_MANY)

        async def output(call: KeptCall) -> ToolOutput:
            if call.call.server:
                return await self._permission(turn, call)
            return ToolOutput(call=call.call, text=await self._text(turn, call, within))

        made = await each(kept[:MOST_CALLS], output)
        return (*made, *(ToolOutput(call=each.call, text=TOO_MANY) for each in kept[MOST_CALLS:]))

    async def made(self, turn: Turn, left: float) -> tuple[ToolOutput, ...]:
        """What was called for a question that is begun (anew), or is called by confirming it."""
        outputs: list[ToolOutput] = []
        if turn.confirms is not None:
            outputs += await self._confirmed(turn, left * (1 - RESERVE))
        if turn.attempt or turn.revision:
            for kept in await self.store.tool_calls.made(turn.id):
                if not (kept.call.server or self.toolbox.is_repeatable(kept.call.name)):
                    text = INTERRUPTED if kept.state is CallState.BEGUN else kept.output or ""
                    outputs.append(ToolOutput(call=kept.call, text=text))
        return tuple(outputs)

    async def waiting(self, turn: Turn) -> tuple[str, ...]:
        """What the asker is to confirm under the reply to a turn, each in one line."""
        if not turn.round:
            return ()
        return tuple(map(self._described, await self.store.tool_calls.waiting(turn)))

    async def knows(self, turn: Turn, calls: Sequence[ToolCall]) -> bool:
        """Whether these calls are those of the turn's round."""
        known = {kept.call.id for kept in await self.store.tool_calls.of_round(turn)}
        return {call.id for call in calls} <= known

    async def _text(self, turn: Turn, kept: KeptCall, within: float) -> str:
        match kept.state:
            case CallState.DONE | CallState.WAITING | CallState.DENIED:
                return kept.output or ""
            case CallState.BEGUN if not self.toolbox.is_repeatable(kept.call.name):
                await self.store.tool_calls.end(turn, kept, INTERRUPTED)
                return INTERRUPTED
            case CallState.ASKED | CallState.BEGUN:
                pass
        problem = self.toolbox.problem(kept.call, self._asker(turn))
        if problem is not None:
            await self.store.tool_calls.end(turn, kept, problem)
            return problem
        if self.toolbox.needs_confirmation(kept.call.name):
            await self.store.tool_calls.end(turn, kept, NEEDS_YES, CallState.WAITING)
            return NEEDS_YES
        return await self._call(turn, kept, within)

    async def _call(self, turn: Turn, kept: KeptCall, within: float) -> str:
        """Make a call: on record before it is begun, and its output before anybody is told."""
        await self.store.tool_calls.begin(turn, kept)
        text = await self.toolbox.call(kept.call, self._asker(turn), within)
        # What has taken effect is written down, whoever does not wait for it any more.
        await asyncio.shield(self.store.tool_calls.end(turn, kept, text))
        return text

    async def _permission(self, turn: Turn, kept: KeptCall) -> ToolOutput:
        """Whether a remote server may make a call: where the asker has confirmed just that."""
        if kept.state is CallState.ASKED:
            for confirmed in await self._confirmable(turn):
                if _is_same(confirmed.call, kept.call):
                    await self.store.tool_calls.end(turn, confirmed, CONFIRMED)
                    await self.store.tool_calls.end(turn, kept, "")
                    return ToolOutput(call=kept.call, text="", approved=True)
            await self.store.tool_calls.end(turn, kept, NEEDS_YES, CallState.WAITING)
        approved = kept.state is CallState.DONE
        return ToolOutput(call=kept.call, text="" if approved else NEEDS_YES, approved=approved)

    async def _confirmable(self, turn: Turn) -> list[KeptCall]:
        """What the turn confirms and is not made yet."""
        if turn.confirms is None:
            return []
        confirmed = await self.store.tool_calls.confirmed(turn)
        return [each for each in confirmed if each.state is CallState.WAITING]

    async def _confirmed(self, turn: Turn, within: float) -> list[ToolOutput]:
        """Make the calls that a turn confirms, each once."""

        async def output(kept: KeptCall) -> ToolOutput:
            if kept.call.server:
                return ToolOutput(call=kept.call, text=CONFIRMED)
            return ToolOutput(call=kept.call, text=await self._confirmed_text(turn, kept, within))

        return await each(await self.store.tool_calls.confirmed(turn), output)

    async def _confirmed_text(self, turn: Turn, kept: KeptCall, within: float) -> str:
        match kept.state:
            case CallState.DONE:
                return kept.output or ""
            case CallState.BEGUN if not self.toolbox.is_repeatable(kept.call.name):
                await self.store.tool_calls.end(turn, kept, INTERRUPTED)
                return INTERRUPTED
            case _:
                problem = self.toolbox.problem(kept.call, self._asker(turn))
                return problem or await self._call(turn, kept, within)

    def _asker(self, turn: Turn) -> Asker:
        thread = turn.thread
        return Asker(
            platform=thread.platform,
            tenant=thread.tenant,
            user=turn.author,
            channel=turn.channel,
            thread=thread.key,
            parent=self.channel_of(thread),
        )

    def _described(self, kept: KeptCall) -> str:
        # Small print is plain text: a mark of code would stand there as it is.
        return self.toolbox.describe(kept.call).strip("`")


def _is_same(one: ToolCall, other: ToolCall) -> bool:
    """Whether two calls are of the same function with the same arguments."""
    if (one.server, one.name) != (other.server, other.name):
        return False
    try:
        return bool(json.loads(one.arguments) == json.loads(other.arguments))
    except ValueError:
        return one.arguments == other.arguments
