"""Calls of tools: which a model wants to be made, and how far each of them is.

A call is on record before it is made, and its output before the model is told. So a restart knows
what was begun, which is not simply made again, and what only has to be told.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Row,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from core.domain import ToolCall, Turn, TurnId, TurnState
from core.store.database import Database
from core.store.fencing import fence
from core.store.leases import Leases
from core.store.rows import IS_UNSETTLED
from core.store.schema import tool_calls, turns
from core.text import storable


class CallState(StrEnum):
    """How far a call is. The values are stored: never rename."""

    ASKED = "asked"
    BEGUN = "begun"  # whether it took effect is not known
    DONE = "done"
    WAITING = "waiting"  # for the asker's confirmation; the model is told so
    DENIED = "denied"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptCall:
    """A call on record."""

    id: int
    call: ToolCall
    state: CallState
    output: str | None
    changed_at: float


class ToolCalls:
    """Calls by turn. Changes raise NotOurs where another process has the thread."""

    def __init__(self, database: Database, leases: Leases) -> None:
        self._database = database
        self._leases = leases

    async def asked(self, turn: Turn, calls: Sequence[ToolCall]) -> bool:
        """Write down what the turn's run wants, which has ended with it: a new round begins.

        The turn is queued again, for the run that is told what came of the calls. Returns False,
        and changes nothing, where the question was edited or deleted meanwhile.
        """
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            queued = await connection.execute(
                update(turns)
                .where(turns.c.id == turn.id, turns.c.revision == turn.revision)
                .where(turns.c.round == turn.round, IS_UNSETTLED)
                .values(
                    state=TurnState.QUEUED,
                    run=None,
                    attempt=turn.attempt,
                    round=turn.round + 1,
                    started_at=turn.started_at,
                )
            )
            if queued.rowcount == 0:
                return False
            await connection.execute(
                self._database.insert(tool_calls).on_conflict_do_nothing(),
                [_row(turn, call) for call in calls],
            )
        return True

    async def of_round(self, turn: Turn) -> list[KeptCall]:
        """What the turn's last run wanted, in its order."""
        of_round = and_(
            tool_calls.c.turn_id == turn.id,
            tool_calls.c.revision == turn.revision,
            tool_calls.c.attempt == turn.attempt,
            tool_calls.c.round == turn.round,
        )
        return await self._list(of_round)

    async def made(self, turn: TurnId) -> list[KeptCall]:
        """All calls for a turn that were begun, in whatever attempt, oldest first."""
        return await self._list(and_(tool_calls.c.turn_id == turn, _IS_BEGUN))

    async def untold(self, turn: Turn, most: int) -> list[KeptCall]:
        """Calls that were begun for the asker's questions before a turn that got no answer.

        Those of its thread since the last one that got an answer, which may have told of calls
        itself: the latest, up to `most`, oldest first. Calls of remote servers are none of them.
        """
        given = {"of_thread": turn.thread_id, "of_turn": turn.id, "by": turn.author, "most": most}
        async with self._database.read() as connection:
            rows = (await connection.execute(_UNTOLD, given)).all()
        return [_kept(row) for row in reversed(rows)]

    async def waiting(self, turn: Turn) -> list[KeptCall]:
        """What the asker may confirm, as the reply to the turn shows it."""
        shown = and_(
            tool_calls.c.turn_id == turn.id,
            tool_calls.c.revision == turn.revision,
            tool_calls.c.attempt == turn.attempt,
        )
        return await self._list(shown & (tool_calls.c.state == CallState.WAITING))

    async def confirmed(self, turn: Turn) -> list[KeptCall]:
        """What a turn confirms: calls that wait, or were begun because of it.

        Only what the reply showed: what was wanted before the question was edited, or by a run that
        failed, nobody has seen.
        """
        shown = exists().where(
            turns.c.id == tool_calls.c.turn_id,
            turns.c.revision == tool_calls.c.revision,
            turns.c.attempt == tool_calls.c.attempt,
        )
        waits = shown & (tool_calls.c.state == CallState.WAITING)
        ours = or_(waits, tool_calls.c.confirmed_by == turn.id)
        return await self._list(and_(tool_calls.c.turn_id == turn.confirms, ours))

    async def begin(self, turn: Turn, call: KeptCall) -> bool:
        """Write down that a call is about to be made in a step of the turn.

        Returns False, and changes nothing, where the call is not to be made any more: the question
        was edited, deleted or stopped meanwhile, or the asker does not want the call.
        """
        is_wanted = exists().where(
            turns.c.id == turn.id,
            turns.c.revision == turn.revision,
            IS_UNSETTLED,
            turns.c.outcome.is_(None),
        )
        open_call = is_wanted & (tool_calls.c.state != CallState.DENIED)
        return await self._change(turn, call, {"state": CallState.BEGUN}, open_call)

    async def end(
        self, turn: Turn, call: KeptCall, output: str, state: CallState = CallState.DONE
    ) -> None:
        """Write down what came of a call."""
        await self._change(turn, call, {"state": state, "output": storable(output)})

    async def use(self, turn: Turn, call: KeptCall, output: str) -> bool:
        """Let a confirmed call be made that a remote server makes; False: it was before."""
        waits = tool_calls.c.state == CallState.WAITING
        done = {"state": CallState.DONE, "output": storable(output)}
        return await self._change(turn, call, done, waits)

    async def deny(self, turn: TurnId) -> int:
        """Let nothing wait any more for a confirmation of what a turn wanted; how many did."""
        waits = and_(tool_calls.c.turn_id == turn, tool_calls.c.state == CallState.WAITING)
        async with self._database.write() as connection:
            denied = await connection.execute(
                update(tool_calls).where(waits).values(state=CallState.DENIED)
            )
            return denied.rowcount

    async def _change(
        self, turn: Turn, call: KeptCall, values: dict[str, Any], where: Any = None
    ) -> bool:
        values |= {"changed_at": time.time()}
        if turn.confirms is not None:
            values["confirmed_by"] = turn.id
        this = tool_calls.c.id == call.id
        async with self._database.write() as connection:
            await fence(connection, self._leases, turn)
            changed = await connection.execute(
                update(tool_calls).where(this if where is None else this & where).values(values)
            )
            return changed.rowcount > 0

    async def _list(self, which: Any) -> list[KeptCall]:
        query = select(tool_calls).where(which).order_by(tool_calls.c.id)
        async with self._database.read() as connection:
            return [_kept(row) for row in await connection.execute(query)]


def _row(turn: Turn, call: ToolCall) -> dict[str, Any]:
    return {
        "turn_id": turn.id,
        "revision": turn.revision,
        "attempt": turn.attempt,
        "round": turn.round + 1,
        "call": storable(call.id),
        "name": storable(call.name),
        "arguments": storable(call.arguments),
        "server": storable(call.server),
        "run": turn.run,
        "state": CallState.ASKED,
        "changed_at": time.time(),
    }


def _kept(row: Row[Any]) -> KeptCall:
    return KeptCall(
        id=row.id,
        call=ToolCall(id=row.call, name=row.name, arguments=row.arguments, server=row.server),
        state=CallState(row.state),
        output=row.output,
        changed_at=row.changed_at,
    )


# --- statements: built once, because that takes longer than what most of them do ------------------

_IS_BEGUN = tool_calls.c.state.in_((CallState.BEGUN, CallState.DONE))
_IS_EARLIER = and_(
    turns.c.thread_id == bindparam("of_thread", type_=BigInteger),
    turns.c.id < bindparam("of_turn", type_=BigInteger),
    turns.c.author == bindparam("by"),
)
_LAST_ANSWERED = (
    select(turns.c.id)
    .where(_IS_EARLIER, turns.c.outcome == "answered")
    .order_by(turns.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_UNANSWERED = (
    select(turns.c.id, turns.c.confirms)
    .where(_IS_EARLIER, turns.c.id > func.coalesce(_LAST_ANSWERED, literal_column("0")))
    .cte("unanswered")
)
# Two queries, and no OR: for one, Postgres looks through all calls, the latest first.
_OF_IT = select(tool_calls).where(_IS_BEGUN, tool_calls.c.server == "")
_ITS_OWN = _OF_IT.where(
    tool_calls.c.turn_id.in_(select(_UNANSWERED.c.id)), tool_calls.c.confirmed_by.is_(None)
)
_CONFIRMED_BY_IT = _OF_IT.where(
    tool_calls.c.turn_id.in_(select(_UNANSWERED.c.confirms)),
    tool_calls.c.confirmed_by.in_(select(_UNANSWERED.c.id)),
)
_BOTH = union_all(_ITS_OWN, _CONFIRMED_BY_IT).subquery()
_UNTOLD = select(_BOTH).order_by(_BOTH.c.id.desc()).limit(bindparam("most"))
