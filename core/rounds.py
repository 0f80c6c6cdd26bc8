"""Rounds of tool calls: a run ends because the model waits for what comes of them.

The turn is queued again then. The calls are made in the step that starts its next run, which is
told what came of them. A tool that may do harm when it is called twice is not called again where a
call was begun and its end is not known, nor where the question is begun anew after a failed run.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.clock import now
from core.domain import ThreadRef, ToolCall, ToolOutput, ToolSpec, Turn
from core.errors import NotOurs, StoreError
from core.parallel import each
from core.store import Store
from core.store.tool_calls import CallState, KeptCall
from core.tools import Asker
from core.tools.describing import in_order
from core.tools.toolbox import Toolbox

MOST_ROUNDS: Final = 8  # after which the model has to answer with what it knows
MOST_CALLS: Final = 16  # of one round
MOST_WAITING: Final = 5  # for a confirmation: somebody is to read them
CONFIRMED_FOR: Final = 3_600.0  # seconds, in which a call is made that was confirmed
MOST_UNWRITTEN: Final = 100  # outputs that a process remembers for a database that is away
RESERVE: Final = 0.2  # of the time that is left: the model has to put it into words

INTERRUPTED: Final = (
    "Error: this call was interrupted. It is not known whether it took effect. "
    "Do not make it again; say so in the answer."
)
NEEDS_YES: Final = (
    "Not done yet: the person who asked has to confirm this call, as is shown under your answer. "
    "Say shortly what it would do. It is made when they confirm it; do not call it again."
)
TOO_MANY: Final = "Error: too many calls at once. Make fewer."
UNWANTED: Final = "Error: not called. The person does not want it any more."
LATE: Final = "Error: not called. It was confirmed too long ago; the person may ask again."
CONFIRMED: Final = "The person has confirmed this call. Make it now, with the same arguments."


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """Makes the calls that runs want."""

    store: Store
    toolbox: Toolbox
    servers: Collection[str] = ()  #: remote servers whose calls are to be confirmed
    channel_of: Callable[[ThreadRef], str] = lambda _: ""  #: in which a thread hangs
    #: what came of calls and could not be written down, by the numbers of the calls
    _unwritten: dict[int, str] = field(default_factory=dict, init=False, repr=False)

    @property
    def has_tools(self) -> bool:
        """Whether there is anything that could be called."""
        return bool(self.toolbox) or bool(self.servers)

    def offered(self, turn: Turn) -> tuple[ToolSpec, ...]:
        """What the next run of a turn may call; nothing in the last round."""
        return self.toolbox.specs(self._asker(turn)) if turn.round < MOST_ROUNDS else ()

    async def outputs(self, turn: Turn, left: float) -> tuple[ToolOutput, ...]:
        """Make the calls of the turn's round that were not made, and say what came of all.

        `left` are the seconds that the turn has left. Raises StoreError, NotOurs, when all calls
        that were begun have come to their end.
        """
        until = _until(left)
        kept = await self.store.tool_calls.of_round(turn)
        surplus = {call.id for call in (*kept[MOST_CALLS:], *await self._unread(turn, kept))}

        async def output(call: KeptCall) -> ToolOutput:
            if call.id in surplus:
                return ToolOutput(call=call.call, text=await self._ended(turn, call, TOO_MANY))
            if call.call.server:
                return await self._permission(turn, call)
            return ToolOutput(call=call.call, text=await self._text(turn, call, until))

        return tuple(await _all_of(kept, output))

    async def _unread(self, turn: Turn, kept: Sequence[KeptCall]) -> Sequence[KeptCall]:
        """The calls that would wait for a confirmation where enough do already."""
        would_wait = [
            call
            for call in kept
            if call.state is CallState.ASKED
            and (call.call.server or self.toolbox.needs_confirmation(call.call.name))
        ]
        if not would_wait:
            return ()
        room = MOST_WAITING - len(await self.store.tool_calls.waiting(turn))
        return would_wait[max(room, 0) :]

    async def made(self, turn: Turn, left: float) -> tuple[ToolOutput, ...]:
        """What was called for a question that is begun (anew), or is called by confirming it."""
        outputs: list[ToolOutput] = []
        if turn.confirms is not None:
            outputs += await self._confirmed(turn, _until(left))
        if turn.attempt or turn.revision:
            for kept in await self.store.tool_calls.made(turn.id):
                if not (kept.call.server or self.toolbox.is_repeatable(kept.call.name)):
                    outputs.append(ToolOutput(call=kept.call, text=self._made_text(kept)))
        return tuple(outputs)

    async def untold(self, turn: Turn) -> tuple[ToolOutput, ...]:
        """What was called for the asker's questions before a turn that got no answer.

        Who presses “Try again”, or asks in other words, asks by a turn of its own.
        """
        if not self.toolbox:
            return ()
        return tuple(
            ToolOutput(call=kept.call, text=self._made_text(kept))
            for kept in await self.store.tool_calls.untold(turn, MOST_CALLS)
            if not self.toolbox.is_repeatable(kept.call.name)
        )

    async def waiting(self, turn: Turn) -> tuple[str, ...]:
        """What the asker is to confirm under the reply to a turn, each in one line."""
        if not turn.round:
            return ()
        return tuple(map(self._described, await self.store.tool_calls.waiting(turn)))

    async def begun(self, turn: Turn) -> tuple[str, ...]:
        """What was called because the asker confirmed it by this turn, each in one line."""
        if turn.confirms is None:
            return ()
        confirmed = await self.store.tool_calls.confirmed(turn)
        begun = [kept for kept in confirmed if kept.state in (CallState.BEGUN, CallState.DONE)]
        return tuple(map(self._described, begun))

    async def knows(self, turn: Turn, calls: Sequence[ToolCall]) -> bool:
        """Whether these calls are those of the turn's round."""
        known = {kept.call.id for kept in await self.store.tool_calls.of_round(turn)}
        return {call.id for call in calls} <= known

    async def _text(self, turn: Turn, kept: KeptCall, until: float) -> str:
        match kept.state:
            case CallState.DONE | CallState.WAITING | CallState.DENIED:
                return kept.output or ""
            case CallState.BEGUN if self._is_made(kept):
                return await self._ended(turn, kept, self._made_text(kept))
            case CallState.ASKED | CallState.BEGUN:
                pass
        problem = self.toolbox.problem(kept.call, self._asker(turn))
        if problem is not None:
            return await self._ended(turn, kept, problem)
        if self.toolbox.needs_confirmation(kept.call.name):
            await self.store.tool_calls.end(turn, kept, NEEDS_YES, CallState.WAITING)
            return NEEDS_YES
        return await self._call(turn, kept, until)

    def _is_made(self, kept: KeptCall) -> bool:
        """Whether a call that was begun is not to be made (again)."""
        return kept.id in self._unwritten or not self.toolbox.is_repeatable(kept.call.name)

    def _made_text(self, kept: KeptCall) -> str:
        """What is known of a call that was begun, without making it again."""
        if kept.state is CallState.BEGUN:
            return self._unwritten.get(kept.id, INTERRUPTED)
        return kept.output or ""

    async def _call(self, turn: Turn, kept: KeptCall, until: float) -> str:
        """Make a call: on record before it is begun, and its output before anybody is told."""
        if not await self.store.tool_calls.begin(turn, kept):
            return UNWANTED
        within = until - time.monotonic()
        text = await self.toolbox.call(kept.call, self._asker(turn), within)
        # What has taken effect is written down, whoever does not wait for it any more.
        failed = await asyncio.shield(self._write_down(turn, kept, text))
        if failed is not None:
            raise failed
        return text

    async def _write_down(
        self, turn: Turn, kept: KeptCall, text: str
    ) -> NotOurs | StoreError | None:
        """Put an output on record. Errors are returned: whoever waits may be gone by then."""
        try:
            await self._ended(turn, kept, text)
        except StoreError as error:
            while len(self._unwritten) >= MOST_UNWRITTEN:
                del self._unwritten[next(iter(self._unwritten))]
            self._unwritten[kept.id] = text  # for the next try
            return error
        except NotOurs as error:
            return error
        return None

    async def _ended(self, turn: Turn, kept: KeptCall, text: str) -> str:
        await self.store.tool_calls.end(turn, kept, text)
        self._unwritten.pop(kept.id, None)
        return text

    async def _permission(self, turn: Turn, kept: KeptCall) -> ToolOutput:
        """Whether a remote server may make a call: where the asker has confirmed just that."""
        if kept.state is not CallState.ASKED:
            approved = kept.state is CallState.DONE
            return ToolOutput(call=kept.call, text=kept.output or "", approved=approved)
        if await self._is_confirmed(turn, kept.call):
            await self.store.tool_calls.end(turn, kept, "")
            return ToolOutput(call=kept.call, text="", approved=True)
        problem = self.toolbox.unconfirmable(kept.call)
        state, text = (CallState.DENIED, problem) if problem else (CallState.WAITING, NEEDS_YES)
        await self.store.tool_calls.end(turn, kept, text, state)
        return ToolOutput(call=kept.call, text=text)

    async def _is_confirmed(self, turn: Turn, call: ToolCall) -> bool:
        """Whether the asker has confirmed just that call: each confirmation is good for one."""
        for confirmed in await self._confirmable(turn):
            same = _is_same(confirmed.call, call)
            if same and await self.store.tool_calls.use(turn, confirmed, CONFIRMED):
                return True
        return False

    async def _confirmable(self, turn: Turn) -> list[KeptCall]:
        """What the turn confirms and is not made yet."""
        if turn.confirms is None or _is_late(turn):
            return []
        confirmed = await self.store.tool_calls.confirmed(turn)
        return [each for each in confirmed if each.state is CallState.WAITING]

    async def _confirmed(self, turn: Turn, until: float) -> list[ToolOutput]:
        """Make the calls that a turn confirms, each once."""

        async def output(kept: KeptCall) -> ToolOutput:
            if kept.state is CallState.WAITING and _is_late(turn):
                return ToolOutput(call=kept.call, text=LATE)
            if kept.call.server:  # once it was let be made, nobody knows what became of it
                text = CONFIRMED if kept.state is CallState.WAITING else INTERRUPTED
                return ToolOutput(call=kept.call, text=text)
            return ToolOutput(call=kept.call, text=await self._confirmed_text(turn, kept, until))

        return await _all_of(await self.store.tool_calls.confirmed(turn), output)

    async def _confirmed_text(self, turn: Turn, kept: KeptCall, until: float) -> str:
        match kept.state:
            case CallState.DONE:
                return kept.output or ""
            case CallState.BEGUN if self._is_made(kept):
                return await self._ended(turn, kept, self._made_text(kept))
            case _:
                problem = self.toolbox.problem(kept.call, self._asker(turn))
                return problem or await self._call(turn, kept, until)

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


def _is_late(turn: Turn) -> bool:
    """Whether nothing ran for so long after a confirmation that it does not count any more."""
    return now() - turn.asked_at > CONFIRMED_FOR


def _until(left: float) -> float:
    """When calls have to be at their end, by the monotonic clock."""
    return time.monotonic() + left * (1 - RESERVE)


async def _all_of(
    calls: Sequence[KeptCall], output: Callable[[KeptCall], Awaitable[ToolOutput]]
) -> list[ToolOutput]:
    """Return the outputs of calls. Where one cannot be had, the others come to their end first."""

    async def one(call: KeptCall) -> ToolOutput | NotOurs | StoreError:
        try:
            return await output(call)
        except (NotOurs, StoreError) as error:
            return error

    outputs: list[ToolOutput] = []
    for made in await each(calls, one):
        if isinstance(made, Exception):
            raise made
        outputs.append(made)
    return outputs


def _is_same(one: ToolCall, other: ToolCall) -> bool:
    """Whether two calls are of the same function with the same arguments."""
    if (one.server, one.name) != (other.server, other.name):
        return False
    return in_order(one.arguments) == in_order(other.arguments)
