"""The desk: where adapters hand in what people ask of Docent."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from core.attendance import Attendance
from core.clock import now
from core.documents import OnProgress, RefreshReport
from core.domain import Absence, Mention, MessageRef, Remark, Reply, ThreadId, ThreadRef, Turn
from core.errors import NotAdmin
from core.feedback import Presses
from core.gap_replies import EXAMPLES, TOPICS, gap_reply
from core.gap_report import GapReports
from core.humans import NOBODY, Humans
from core.manners import Manners, stops
from core.press import Press, Pressed
from core.refresh import Refresher
from core.store import Store

log = logging.getLogger(__name__)


class Desk:
    """The one implementation of the port `Reception`."""

    def __init__(
        self,
        *,
        store: Store,
        refresher: Refresher,
        attendance: Attendance,
        manners: Manners,
        reports: GapReports,
        admins: Collection[str],
        wants: Callable[[str], bool],
        on_turn: Callable[[Turn], None],
        on_change: Callable[[ThreadId], None],
        on_doubt: Callable[[], None],
        humans: Humans = NOBODY,
        on_call: Callable[[], None] = lambda: None,
        can_share: Callable[[ThreadRef], bool] = lambda _: False,
        on_share: Callable[[], None] = lambda: None,
    ) -> None:
        """`admins` are written `platform:user`; `wants` says whether this process answers there.

        `on_turn` hears of each turn that is on record, `on_change` of a thread where a question was
        edited or deleted, `on_doubt` when there may be something of which they did not hear.
        `on_call` hears that some of the `humans` are to be called, `on_share` that an answer is to
        be shown to others, in a thread that it `can_share`.
        """
        self._store = store
        self._refresher = refresher
        self._attendance = attendance
        self._manners = manners
        self._reports = reports
        self._admins = frozenset(admins)
        self._wants = wants
        self._on_turn = on_turn
        self._on_change = on_change
        self._on_doubt = on_doubt
        self._presses = Presses(
            store=store,
            admins=self._admins,
            humans=humans,
            take=self.again,
            silence=self.silence,
            on_change=on_change,
            on_call=on_call,
            can_share=can_share,
            on_share=on_share,
        )

    async def take(self, mention: Mention) -> bool:
        """See `Reception.take`."""
        if self._is_refused(mention):
            return False
        platform = mention.thread.platform
        with self._in_doubt():
            turn = await self._manners.take(mention, claim=self._wants(platform))
        return self._note(turn, mention)

    async def again(self, mention: Mention) -> bool:
        """Take what somebody who was let in before asks once more, by a button. As `take` does."""
        platform = mention.thread.platform
        with self._in_doubt():
            turn = await self._manners.again(mention, claim=self._wants(platform))
        return self._note(turn, mention)

    async def overhear(self, remark: Remark) -> bool:
        """See `Reception.overhear`."""
        if remark.hidden:
            return await self._manners.wants_hint(remark)
        platform = remark.mention.thread.platform
        with self._in_doubt():
            turn = await self._manners.overhear(remark, claim=self._wants(platform))
        return self._note(turn, remark.mention)

    async def turned_away(self, mention: Mention, *, again: bool = False) -> str | None:
        """See `Reception.turned_away`."""
        return await self._manners.turned_away(mention, again=again)

    async def silence(self, thread: ThreadRef, why: str, at: float, *, end: bool = False) -> None:
        """Keep quiet in a thread from `at` on, until somebody calls; `end` what waits there, too.

        Doing it again changes nothing. Raises StoreError.
        """
        with self._in_doubt():
            turn = await self._manners.silence(thread, why, at=at, end=end)
        if turn is not None:
            self._on_change(turn.thread_id)

    async def edit(self, mention: Mention) -> None:
        """See `Reception.edit`."""
        if self._is_refused(mention):
            return
        platform = mention.thread.platform
        with self._in_doubt():
            turn = await self._manners.edit(mention, claim=self._wants(platform))
        self._note(turn, mention)

    async def withdraw(self, message: MessageRef, *, asked: bool | None = None) -> None:
        """See `Reception.withdraw`."""
        with self._in_doubt():
            turn = await self._store.turns.withdraw(message, asked=asked)
        if turn is not None:
            log.info("Question was deleted", extra={"turn": turn.id, "platform": message.platform})
            self._on_change(turn.thread_id)

    async def press(self, press: Press) -> Pressed:
        """See `Reception.press`."""
        return await self._presses.press(press)

    async def absence(self, listener: str) -> Absence | None:
        """See `Reception.absence`."""
        return await self._attendance.absence(listener)

    async def heard(self, listener: str) -> None:
        """See `Reception.heard`."""
        await self._attendance.heard(listener)

    def sources(self) -> Sequence[str]:
        """See `Reception.sources`."""
        return self._refresher.source_names

    async def refresh(
        self,
        platform: str,
        user: str,
        on_progress: OnProgress,
        *,
        source: str | None = None,
        confirm: str | None = None,
    ) -> RefreshReport:
        """See `Reception.refresh`."""
        admin = f"{platform}:{user}"
        if admin not in self._admins:
            log.warning("Refresh refused", extra={"platform": platform, "user": user})
            raise NotAdmin
        log.info("Refresh asked for", extra={"platform": platform, "user": user})
        only = [source] if source else ()
        return await self._refresher.refresh(on_progress, by=admin, only=only, confirm=confirm)

    async def gaps(self, platform: str, user: str, seconds: float) -> Reply:
        """See `Reception.gaps`."""
        if f"{platform}:{user}" not in self._admins:
            log.warning("Report refused", extra={"platform": platform, "user": user})
            raise NotAdmin("Only admins may see what went unanswered.")
        until = now()
        return gap_reply(
            await self._reports.make(until - seconds, until, topics=TOPICS, examples=EXAMPLES)
        )

    def _is_refused(self, mention: Mention) -> bool:
        refusal = self._manners.refusal(mention)
        if refusal is not None:
            extra = {"platform": mention.thread.platform, "why": str(refusal)}
            log.debug("Somebody is not answered", extra=extra)
        return refusal is not None

    def _note(self, turn: Turn | None, mention: Mention) -> bool:
        """Let the loop hear of a turn that is on record now; whether it is new."""
        extra = {"platform": mention.thread.platform}
        if turn is None:
            log.debug("Nothing new is taken", extra=extra)
            return False
        if turn.revision > 0:
            log.info("Question was edited", extra={"turn": turn.id, **extra})
            self._on_change(turn.thread_id)
            return False
        self._on_turn(turn)
        if stops(mention):  # what was before it is withdrawn
            self._on_change(turn.thread_id)
        return True

    @contextmanager
    def _in_doubt(self) -> Iterator[None]:
        """Whatever goes wrong, it may have been written all the same, and only the reply lost."""
        try:
            yield
        except BaseException:
            self._on_doubt()
            raise
