"""What a press of a button under a reply does.

A button says which turn it is about, and whoever can send a press can write anything there. So the
turn must be one of the place that the button is in, and who may press what is decided here.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final

from core.buttons import ANSWERED
from core.domain import Button, Mention, ThreadId, ThreadRef, Turn
from core.humans import Humans
from core.press import Press, Pressed
from core.replies import QUIET
from core.store import Store
from core.store.rows import UNSETTLED
from core.talk import CALLED as CALLED_IN

log = logging.getLogger(__name__)

LONGEST_REASON: Final = 2_000  # characters

THANKS: Final = "Thank you for your feedback."
REASON_TAKEN: Final = "Thank you. That helps to mend the documentation."
UNKNOWN: Final = "I do not know this reply any more."
NOT_YOURS: Final = "Only the person who asked can do that."
AT_IT: Final = "I am at it."
ASKED_BEFORE: Final = "I asked this again before: the answer is further down, or on its way."
FORGOTTEN: Final = "I do not have this question any more. Please ask it again."
CALLED: Final = "I have called for a human. I stay quiet here until somebody mentions me."
CALLED_BEFORE: Final = "People have been called to this thread already."
NOBODY: Final = "There is nobody whom I could call."
TOO_LATE: Final = "There is nothing to stop any more."
SHARED: Final = "I share it with everybody here."
SHARED_BEFORE: Final = "It has been shared here already."
NOTHING_TO_SHARE: Final = "There is nothing to share here."
CONFIRM_WITHIN: Final = 3_600.0  # seconds; what somebody wanted long ago may do harm by now
CONFIRMED_BEFORE: Final = "You confirmed this before."
TOO_LATE_TO_CONFIRM: Final = "That was too long ago. Please ask again."
DENIED: Final = "I leave it."
NOTHING_WAITS: Final = "Nothing waits for a confirmation here any more."


@dataclass(frozen=True, kw_only=True, slots=True)
class Presses:
    """Carries presses out."""

    store: Store
    admins: Collection[str]  #: written `platform:user`
    humans: Humans
    take: Callable[[Mention], Awaitable[bool]]  #: what asks a question anew
    #: keeps quiet in a thread: why, and since when
    silence: Callable[[ThreadRef, str, float], Awaitable[None]]
    on_change: Callable[[ThreadId], None]  #: hears of a thread where a run is to be stopped
    on_call: Callable[[], None]  #: hears that there are people to call
    #: whether only the asker sees a thread, and others could
    can_share: Callable[[ThreadRef], bool]
    on_share: Callable[[], None]  #: hears that there is an answer to share

    async def press(self, press: Press) -> Pressed:
        """See `Reception.press`."""
        turn = await self.store.turns.get(press.turn)
        if turn is None or not _is_there(turn, press):
            log.warning("A press that fits no reply", extra={"platform": press.platform})
            return Pressed(said=UNKNOWN)
        if self.can_share(turn.thread) and press.user != turn.author:
            log.warning("A press of somebody else's button", extra={"platform": press.platform})
            return Pressed(said=NOT_YOURS)
        log.info("Button pressed", extra={"turn": turn.id, "button": str(press.button)})
        return await self._carry_out(turn, press)

    async def _carry_out(self, turn: Turn, press: Press) -> Pressed:
        match press.button:
            case Button.HELPFUL:
                return await self._judge(turn, press)
            case Button.UNHELPFUL:
                return await self._judge(turn, press)
            case Button.AGAIN:
                return await self._again(turn, press)
            case Button.HUMAN:
                return await self._call(turn, press)
            case Button.STOP:
                return await self._stop(turn, press)
            case Button.QUIET:
                await self.silence(turn.thread, "stop", press.at)
                return Pressed(said=QUIET)
            case Button.SHARE:
                return await self._share(turn, press)
            case Button.CONFIRM:
                return await self._confirm(turn, press)
            case Button.DENY:
                return await self._deny(turn, press)

    async def _judge(self, turn: Turn, press: Press) -> Pressed:
        feedback = self.store.feedback
        if reason := press.reason.strip():
            await feedback.explain(turn.id, press.user, reason[:LONGEST_REASON], press.at)
            return Pressed(said=REASON_TAKEN)
        helped = press.button is Button.HELPFUL
        await feedback.judge(turn.id, press.user, "helpful" if helped else "unhelpful", press.at)
        return Pressed(said=THANKS, asks_why=not helped)

    async def _again(self, turn: Turn, press: Press) -> Pressed:
        """Ask the same anew. The message of the button names the new turn: once for each reply."""
        if turn.author != press.user:
            return Pressed(said=NOT_YOURS)
        if turn.state in UNSETTLED:  # one whose reply is just being posted may be pressed already
            return Pressed(said=AT_IT)
        question = await self.store.turns.question(turn.id)
        if question is None:
            return Pressed(said=FORGOTTEN)
        files = tuple(kept.file for kept in await self.store.attachments.of(turn))
        mention = Mention(
            thread=turn.thread,
            channel=press.channel,
            message=press.message,
            author=turn.author,
            # To what was said before, which is in the conversation, where it asked nothing itself.
            text=question or ("" if files else CALLED_IN),
            files=files,
            at=press.at,
        )
        return Pressed(said=AT_IT if await self.take(mention) else ASKED_BEFORE)

    async def _confirm(self, turn: Turn, press: Press) -> Pressed:
        """Take the confirmation as a turn of its own, once: the calls are made in its steps."""
        if turn.author != press.user:
            return Pressed(said=NOT_YOURS)
        # Only an answer shows what waits: nobody can have seen it under anything else.
        shown = turn.outcome in ANSWERED and turn.state not in UNSETTLED
        waiting = await self.store.tool_calls.waiting(turn) if shown else []
        if not waiting:
            return Pressed(said=NOTHING_WAITS, settled=True)
        if press.at - max(kept.changed_at for kept in waiting) > CONFIRM_WITHIN:
            return Pressed(said=TOO_LATE_TO_CONFIRM, settled=True)
        mention = Mention(
            thread=turn.thread,
            channel=press.channel,
            message=press.message,
            author=turn.author,
            text=f"Yes, please: {', '.join(kept.call.name for kept in waiting)}.",
            at=press.at,
            confirms=turn.id,
        )
        if not await self.take(mention):
            return Pressed(said=CONFIRMED_BEFORE, settled=True)
        return Pressed(said=AT_IT, settled=True, follows=True)

    async def _deny(self, turn: Turn, press: Press) -> Pressed:
        if turn.author != press.user:
            return Pressed(said=NOT_YOURS)
        denied = await self.store.tool_calls.deny(turn.id)
        return Pressed(said=DENIED if denied else NOTHING_WAITS, settled=True)

    async def _call(self, turn: Turn, press: Press) -> Pressed:
        if not self.humans.can_be_called(turn):
            return Pressed(said=NOBODY)
        is_first = await self.store.calls.add(turn, press.user, press.at)
        await self.silence(turn.thread, "human", press.at)
        if not is_first:
            return Pressed(said=CALLED_BEFORE)
        self.on_call()
        return Pressed(said=CALLED)

    async def _share(self, turn: Turn, press: Press) -> Pressed:
        """Have an answer shown to everybody, once, however often that is asked for."""
        if not self.can_share(turn.thread) or turn.outcome not in ANSWERED:
            return Pressed(said=NOTHING_TO_SHARE)
        if await self.store.turns.question(turn.id) is None:
            return Pressed(said=FORGOTTEN)
        if not await self.store.shares.add(turn, press.at):
            return Pressed(said=SHARED_BEFORE)
        self.on_share()
        return Pressed(said=SHARED)

    async def _stop(self, turn: Turn, press: Press) -> Pressed:
        is_admin = f"{press.platform}:{press.user}" in self.admins
        if turn.author != press.user and not is_admin:
            return Pressed(said=NOT_YOURS)
        if not await self.store.turns.stop(turn):
            return Pressed(said=TOO_LATE)
        self.on_change(turn.thread_id)
        return Pressed(said="")


def _is_there(turn: Turn, press: Press) -> bool:
    """Whether the turn is one of the place where the button is."""
    thread = turn.thread
    if (thread.platform, thread.tenant) != (press.platform, press.tenant):
        return False
    return press.thread == thread if press.thread is not None else press.channel == turn.channel
