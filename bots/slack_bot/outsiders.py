"""Who of the people in Slack is no member of ours: a guest, or of another organisation.

Slack says it in the list of members, and of each person when it is asked (users.list, users.info:
the scope users:read), and the events of shared channels say it in part. An answer is good for an
hour. Who is not in what was read of the list is asked for while Slack waits for an acknowledgement.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from weakref import WeakValueDictionary

from bots.slack_bot.api import Bot, SlackApi
from bots.slack_bot.errors import translated, within
from core.domain import Mention
from core.errors import PlatformBusy, PlatformError, PlatformRefused

log = logging.getLogger(__name__)

LOOKUP_SECONDS: Final = 0.8  #: of the 3 s in which an event or a command is acknowledged
KEPT_SECONDS: Final = 3_600.0
RETRY_SECONDS: Final = 60.0  #: after a failure
LIST_SECONDS: Final = 3_000.0  #: from one reading of the list of members to the next
PAGE_SECONDS: Final = 4.0  #: between two of its pages; Slack allows some 20 a minute (tier 2)
MOST_PAGES: Final = 25  #: that are read, of LARGEST_PAGE members each
REFUSED_SECONDS: Final = 600.0  #: after a refusal, as where the scope is missing
NOT_READ: Final = "The list of Slack's members is not read"
_REMEMBERED: Final = 10_000  #: people; the oldest is forgotten

_Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Known:
    outsider: bool | None  #: None: Slack did not say
    until: float


class Outsiders:
    """Tells members from others. Where it does not matter (`ask` is False), Slack is not asked."""

    def __init__(self, api: SlackApi, bot: Bot, *, ask: bool) -> None:
        self._api = api
        self._bot = bot
        self._ask = ask
        self._known: dict[str, _Known] = {}
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._told = False

    async def told(self, mention: Mention, *, shared: bool = False) -> Mention:
        """The mention, with whether its author is an outsider. Never raises.

        Where Slack does not say: in a channel that is `shared` with others everybody may be one,
        and is held to be; in any other, nobody is, unless the event says so. Else a call that fails
        would silence the bot for those whom it is for.
        """
        if mention.bot:
            return mention
        outsider = await self._is_outsider(mention.author) if self._ask else False
        return _told(mention, self._judged(mention, outsider, shared=shared))

    async def keep_reading(self) -> None:
        """Read the list of members again and again. What fails is left to `told`."""
        while self._ask:
            pause = LIST_SECONDS
            try:
                await self._read_list()
            except PlatformRefused as error:
                log.debug(NOT_READ, extra={"reason": str(error)})
            except PlatformError as error:
                log.debug(NOT_READ, extra={"reason": str(error)})
                asked = error.retry_after if isinstance(error, PlatformBusy) else None
                pause = min(asked or RETRY_SECONDS, LIST_SECONDS)
            await asyncio.sleep(pause)

    def guessed(self, mention: Mention) -> Mention:
        """The same without a call: for one who has asked before, and so was looked up then."""
        known = self._known.get(mention.author)
        outsider = known.outsider if known else None
        return _told(mention, self._judged(mention, outsider, shared=False))

    def _judged(self, mention: Mention, outsider: bool | None, *, shared: bool) -> bool:
        if not self._ask:
            return False
        return mention.external or shared if outsider is None else outsider

    async def _is_outsider(self, user: str) -> bool | None:
        """Ask Slack, once for all who want to know at the same time."""
        known = self._known.get(user)
        if known is not None and known.until >= time.monotonic():
            return known.outsider
        asking = self._asking.setdefault(user, asyncio.Lock())
        async with asking:
            known = self._known.get(user)
            if known is None or known.until < time.monotonic():
                known = await self._look_up(user)
            self._remember(user, known)
            return known.outsider

    def _remember(self, user: str, known: _Known) -> None:
        self._known.pop(user, None)
        self._known[user] = known
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    async def _read_list(self) -> None:
        cursor = None
        for _ in range(MOST_PAGES):
            page = await self._api.members(self._bot.team, cursor=cursor)
            until = time.monotonic() + KEPT_SECONDS
            for member in page.items:
                with suppress(AttributeError, TypeError, KeyError):  # an odd entry
                    outsider = self._reads_as_outsider(member)
                    self._remember(str(member["id"]), _Known(outsider, until))
            cursor = page.cursor
            if not cursor:
                return
            await asyncio.sleep(PAGE_SECONDS)

    async def _look_up(self, user: str) -> _Known:
        try:
            async with within(LOOKUP_SECONDS):
                with translated():
                    reply = await self._api.client.users_info(user=user)
                    outsider = self._reads_as_outsider(reply["user"])
        except PlatformError as error:
            self._complain(error)
            refused = isinstance(error, PlatformRefused)
            return _Known(None, time.monotonic() + (REFUSED_SECONDS if refused else RETRY_SECONDS))
        return _Known(outsider, time.monotonic() + KEPT_SECONDS)

    def _reads_as_outsider(self, user: _Json) -> bool:
        if user.get("is_restricted") or user.get("is_ultra_restricted") or user.get("is_stranger"):
            return True
        ours = {self._bot.team, self._bot.enterprise} - {None}
        team, of_enterprise = user.get("team_id"), user.get("enterprise_user") or {}
        # In a large organisation a colleague's home may be another of its workspaces.
        return bool(team) and not ours & {team, of_enterprise.get("enterprise_id")}

    def _complain(self, error: PlatformError) -> None:
        log.log(
            logging.DEBUG if self._told else logging.WARNING,
            "Slack does not say who is a guest; all count as members, but in shared channels",
            extra={"reason": str(error)},
        )
        self._told = True


def _told(mention: Mention, external: bool) -> Mention:
    return mention if mention.external is external else replace(mention, external=external)
