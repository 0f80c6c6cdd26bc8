"""From a stored reply to the thread: each part posted once, in order, whatever fails between."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from core.breaker import OnTrouble
from core.buttons import ANSWERED, buttons_for
from core.domain import (
    Button,
    MessageId,
    MessageRef,
    Post,
    Turn,
    TurnState,
    post_marker,
)
from core.errors import (
    NotOurs,
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)
from core.humans import NOBODY, Humans
from core.lease import Lease
from core.store import Store
from core.store.part_rows import Unposted
from core.work import Work

log = logging.getLogger(__name__)

LONGEST_PAUSE = 900.0  # seconds, whatever a platform asks for
PATIENCE = 6 * 3600.0  # seconds for which a platform that does not answer is tried
NO_WORDS = "…"  # said by a draft that is to go, where the platform does not let us delete it


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """Posts the parts of stored replies."""

    store: Store
    lease: Lease
    on_trouble: OnTrouble  #: hears what only an operator can mend
    #: Waits for a draft of a part that the reply has overtaken; whether there was one.
    outlast: Callable[[Work, int], Awaitable[bool]]
    humans: Humans = NOBODY  #: who can be called by a button

    async def deliver(self, work: Work, now: float) -> float | None:
        """Post what is not posted yet. Seconds until the next try, or None when the turn is over.

        A part whose fate is unknown (the process died, or the platform did not answer) is looked
        for in the thread before it is posted again. One that a draft shows is edited.
        """
        try:
            await self._post_parts(work)
            await self._forget_token(work)
        except (PlatformBusy, PlatformUnreachable, TokenRefused) as error:
            if (wait := self._set_back(work, now, error)) is not None:
                return wait
            await self.abandon(work, "undeliverable")
        except ThreadGone as error:
            log.warning("Reply has no thread: %s", error, extra={"turn": work.turn.id})
            await self.abandon(work, "thread_gone")
        except PlatformRefused as error:
            log.error("Reply was refused: %s", error, extra={"turn": work.turn.id})
            await self.abandon(work, "refused")
        return None

    async def take_back(self, work: Work, now: float) -> float | None:
        """End a turn whose question was deleted, and take away what a draft shows of its answer.

        Seconds until the next try, or None when the turn is over.
        """
        try:
            await self._delete_drafts(work)
        except (PlatformBusy, PlatformUnreachable, TokenRefused) as error:
            if (wait := self._set_back(work, now, error)) is not None:
                return wait
        except PlatformError as error:
            log.warning("Draft stays: %s", error, extra={"turn": work.turn.id})
        await self.abandon(work, work.turn.outcome or "deleted")
        return None

    def _set_back(self, work: Work, now: float, error: PlatformError) -> float | None:
        """Seconds until the next try; None where it was tried for too long."""
        if isinstance(error, TokenRefused):
            self.on_trouble(f"token:{work.platform.name}", str(error))
        if now - work.since >= PATIENCE:
            return None
        asked = error.retry_after if isinstance(error, PlatformBusy) else None
        return work.set_back(min(asked, LONGEST_PAUSE) if asked else None)

    async def _post_parts(self, work: Work) -> None:
        turn = work.turn
        # What was settled just now is known; whatever comes between, the next try reads it again.
        waiting, work.unposted = work.unposted, None
        if waiting is None:
            waiting = await self.store.progress.unposted(turn)
        final = max((part.number for part in waiting if part.text), default=0)
        shown = _drafted(work) | {one.number: one.message for one in waiting if one.message}
        for part in waiting:
            buttons = await self._buttons(work) if part.number == final else ()
            post = _post_of(turn, part.number, part.text, buttons)
            message = shown.get(part.number)
            # A part that is known to be posted leaves the doubt to the next that is not.
            doubtful = message is not None and work.doubtful
            if message is None and work.doubtful:
                message = await work.platform.find(post)
                if message in shown.values():  # parts may look alike: it is another one
                    message = None
                if message is not None and turn.run is None:  # there was no draft: it is the reply
                    await self._note(work, part, message, waiting)
                    continue
            if message is None:
                message = await self._post(work, post)
            elif part.text:
                message = await self._rewrite(work, post, message)
                if await self.outlast(work, part.number):  # it may stand there now
                    message = await self._rewrite(work, post, message)
            else:
                await self._remove(work, part.number, message)
            await self._note(work, part, message, waiting, doubtful=doubtful)
        self.on_trouble(f"token:{work.platform.name}", None)

    async def _buttons(self, work: Work) -> tuple[Button, ...]:
        turn = work.turn
        # Nobody else gets into direct messages, whoever is called.
        others = not work.platform.is_direct(turn.thread)
        humans = others and self.humans.can_be_called(turn)
        shares = work.platform.can_share(turn.thread)
        # No other reply shows what it is that waits.
        may_confirm = turn.round > 0 and turn.outcome in ANSWERED
        confirms = may_confirm and bool(await self.store.tool_calls.waiting(turn))
        return buttons_for(turn, humans=humans, shares=shares, confirms=confirms, others=others)

    async def _note(
        self,
        work: Work,
        part: Unposted,
        message: MessageId,
        waiting: Sequence[Unposted],
        *,
        doubtful: bool = False,
    ) -> None:
        last = part is waiting[-1]
        if last:  # before it is on record: whoever takes our place looks at no turn that is over
            await work.sign.clear()
        posted = self.store.progress.posted(work.turn, part.number, message, last=last)
        work.released = await posted
        work.doubtful, work.setbacks = doubtful, 0

    async def _delete_drafts(self, work: Work) -> None:
        on_record = await self.store.progress.drafts(work.turn)
        shown = _drafted(work) | {number: one.message for number, one in on_record.items()}
        for number, shown_in in shown.items():
            await self._remove(work, number, shown_in)
        if work.doubtful:  # one more may have been posted that is not on record
            post = _post_of(work.turn, len(shown), "")
            if (message := await work.platform.find(post)) is not None:
                await self._remove(work, len(shown), message)

    async def _remove(self, work: Work, number: int, message: MessageId) -> None:
        """Delete a draft; where that is refused, as by rules of a workspace, leave it empty."""
        emptied = _post_of(work.turn, number, NO_WORDS)
        for remove in (
            partial(work.platform.delete, work.turn.thread, message),
            partial(work.platform.edit, emptied, message),
        ):
            try:
                await remove()
            except TokenRefused:
                raise
            except PlatformRefused as error:
                log.info("Draft is not removed: %s", error, extra={"turn": work.turn.id})
            else:
                return
        log.warning("Draft stays", extra={"turn": work.turn.id})

    async def _post(self, work: Work, post: Post) -> MessageId:
        # From here until the id is on record, nobody knows whether it was posted ...
        work.doubtful = True
        if not self.lease.is_valid:
            raise NotOurs  # it may be on its way to the thread from another process
        try:
            return await work.platform.post(post)
        except PlatformBusy:
            work.doubtful = False  # ... unless it was refused at the door
            raise

    async def _rewrite(self, work: Work, post: Post, message: MessageId) -> MessageId:
        """Let a draft be this part; where the platform does not take that, post it anew."""
        try:
            await work.platform.edit(post, message)
        except TokenRefused:
            raise
        except PlatformRefused as error:
            # As in workspaces where messages cannot be edited, or only for a while.
            log.warning("Draft gives way to its reply: %s", error, extra={"turn": work.turn.id})
            posted = await self._post(work, post)
            if posted != message:  # Discord may give the draft for the marker
                with suppress(PlatformError):  # one that stays says less, and nothing wrong
                    await work.platform.delete(work.turn.thread, message)
            return posted
        return message

    async def abandon(self, work: Work, outcome: str) -> None:
        """End a turn whose reply cannot be posted.

        On record, one that was to get the fallback keeps the reason for that: it went unanswered.
        """
        failed = work.turn.outcome if work.turn.state is TurnState.FAILED else None
        await self.store.progress.close(work.turn, TurnState.CANCELLED, failed or outcome)
        await self._forget_token(work)
        work.turn = replace(work.turn, state=TurnState.CANCELLED, outcome=outcome)

    async def _forget_token(self, work: Work) -> None:
        """Erase what the reply was posted by, now that nothing is to be posted any more."""
        if work.platform.is_direct(work.turn.thread):
            await self.store.tokens.erase(_ref_of(work.turn))


def _drafted(work: Work) -> dict[int, MessageId]:
    """The messages of drafts that this process posted, those too that are not on record."""
    return {number: one.message for number, one in (work.drafted or {}).items()}


def _post_of(turn: Turn, number: int, text: str, buttons: tuple[Button, ...] = ()) -> Post:
    return Post(
        thread=turn.thread,
        reply_to=turn.message,
        marker=post_marker(turn, number),
        text=text,
        asker=turn.author,
        turn=turn.id,
        buttons=buttons,
        number=number,
    )


def _ref_of(turn: Turn) -> MessageRef:
    thread = turn.thread
    return MessageRef(
        platform=thread.platform, tenant=thread.tenant, channel=turn.channel, message=turn.message
    )
