"""The desk: where adapters hand in what people ask of Docent."""

import logging
from collections.abc import Callable, Collection

from core.domain import Mention, RefreshReport, Turn
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
        admins: Collection[str],
        on_turn: Callable[[Turn], None],
        on_doubt: Callable[[], None],
    ) -> None:
        """`admins` are written `platform:user`.

        `on_turn` hears of each turn that is on record, `on_doubt` when one may be of which
        `on_turn` did not hear.
        """
        self._store = store
        self._refresher = refresher
        self._admins = frozenset(admins)
        self._on_turn = on_turn
        self._on_doubt = on_doubt

    async def take(self, mention: Mention) -> bool:
        """See `Reception.take`."""
        try:
            turn = await self._store.turns.take(mention)
        except BaseException:
            self._on_doubt()  # it may have been written all the same, and only the reply lost
            raise
        if turn is None:
            log.debug("Mention was taken before", extra={"platform": mention.thread.platform})
            return False
        self._on_turn(turn)
        return True

    async def refresh(self, platform: str, user: str, on_progress: OnProgress) -> RefreshReport:
        """See `Reception.refresh`."""
        if f"{platform}:{user}" not in self._admins:
            log.warning("Refresh refused", extra={"platform": platform, "user": user})
            raise NotAdmin
        log.info("Refresh asked for", extra={"platform": platform, "user": user})
        return await self._refresher.refresh(on_progress)
