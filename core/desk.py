"""The desk: where adapters hand in what people ask of Docent."""

import logging
from collections.abc import Callable, Collection, Sequence

from core.attendance import Attendance
from core.domain import Absence, Mention, MessageRef, RefreshReport, ThreadId, Turn
from core.errors import NotAdmin
from core.ports import OnProgress
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
        admins: Collection[str],
        wants: Callable[[str], bool],
        on_turn: Callable[[Turn], None],
        on_change: Callable[[ThreadId], None],
        on_doubt: Callable[[], None],
    ) -> None:
        """`admins` are written `platform:user`; `wants` says whether this process answers there.

        `on_turn` hears of each turn that is on record, `on_change` of a thread where a question was
        edited or deleted, `on_doubt` when there may be something of which they did not hear.
        """
        self._store = store
        self._refresher = refresher
        self._attendance = attendance
        self._admins = frozenset(admins)
        self._wants = wants
        self._on_turn = on_turn
        self._on_change = on_change
        self._on_doubt = on_doubt

    async def take(self, mention: Mention) -> bool:
        """See `Reception.take`."""
        platform = mention.thread.platform
        try:
            turn = await self._store.turns.take(mention, claim=self._wants(platform))
        except BaseException:
            self._on_doubt()  # it may have been written all the same, and only the reply lost
            raise
        if turn is None:
            log.debug("Mention was taken before", extra={"platform": platform})
            return False
        self._on_turn(turn)
        return True

    async def edit(self, mention: Mention) -> None:
        """See `Reception.edit`."""
        platform = mention.thread.platform
        try:
            turn = await self._store.turns.edit(mention, claim=self._wants(platform))
        except BaseException:
            self._on_doubt()
            raise
        if turn is None:
            return
        if turn.revision == 0:  # it was not taken before
            self._on_turn(turn)
            return
        log.info("Question was edited", extra={"turn": turn.id, "platform": platform})
        self._on_change(turn.thread_id)

    async def withdraw(self, message: MessageRef) -> None:
        """See `Reception.withdraw`."""
        try:
            turn = await self._store.turns.withdraw(message)
        except BaseException:
            self._on_doubt()
            raise
        if turn is not None:
            log.info("Question was deleted", extra={"turn": turn.id, "platform": message.platform})
            self._on_change(turn.thread_id)

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
        confirm: bool = False,
    ) -> RefreshReport:
        """See `Reception.refresh`."""
        admin = f"{platform}:{user}"
        if admin not in self._admins:
            log.warning("Refresh refused", extra={"platform": platform, "user": user})
            raise NotAdmin
        log.info("Refresh asked for", extra={"platform": platform, "user": user})
        only = [source] if source else ()
        return await self._refresher.refresh(on_progress, by=admin, only=only, confirm=confirm)
