"""A report of what went unanswered in a time: by topic, with links, and how pages were used."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.domain import TurnId
from core.errors import PlatformError, ThreadGone
from core.gaps import Topic, topics_of
from core.ports import Platform
from core.store import Store
from core.unanswered import Gap, Usage

log = logging.getLogger(__name__)

MOST_READ = 3_000  # questions that are put together in about a second; of more, the latest
MOST_LINKS = 200  # of one platform, which may have to be asked for each
LINK_SECONDS = 15.0  # for all links of one platform: one that is away must not hold a report up


@dataclass(frozen=True, kw_only=True, slots=True)
class GapReport:
    """What went unanswered from `since` up to `until`."""

    since: float
    until: float
    total: int  #: questions that went unanswered
    people: int  #: who asked those that were read
    topics: Sequence[Topic]  #: of those that were read and have a text; the largest first
    unread: int  #: more than MOST_READ
    forgotten: int  #: whose text is deleted
    links: Mapping[TurnId, str]  #: where a question can be seen; not there for every question
    private: frozenset[TurnId]  #: asked in direct messages: not to be shown to others
    usage: Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class GapReports:
    """Makes such reports."""

    store: Store
    platforms: Mapping[str, Platform]  #: that know links to their questions

    async def make(
        self,
        since: float,
        until: float,
        *,
        topics: int | None = None,
        examples: int | None = None,
    ) -> GapReport:
        """Report. Links are looked for in so many topics, and for so many questions of each.

        Platforms that cannot be reached give none. Raises StoreError.
        """
        gaps, total = await self.store.gaps.within(since, until, MOST_READ)
        usage = await self.store.gaps.usage(since, until)
        # In a thread: questions are answered meanwhile.
        found = await asyncio.to_thread(topics_of, gaps)
        shown = [gap for topic in found[:topics] for gap in topic.gaps[:examples]]
        return GapReport(
            since=since,
            until=until,
            total=total,
            people=len({gap.person for gap in gaps}),
            topics=found,
            unread=total - len(gaps),
            forgotten=len(gaps) - sum(len(topic.gaps) for topic in found),
            links=await self._links([gap for gap in shown if not self._is_private(gap)]),
            private=frozenset(gap.turn for gap in gaps if self._is_private(gap)),
            usage=usage,
        )

    def _is_private(self, gap: Gap) -> bool:
        platform = self.platforms.get(gap.thread.platform)
        return platform is None or platform.is_direct(gap.thread)  # None: nobody here can tell

    async def _links(self, gaps: Sequence[Gap]) -> dict[TurnId, str]:
        links: dict[TurnId, str] = {}
        for name, platform in self.platforms.items():
            there = [gap for gap in gaps if gap.thread.platform == name][:MOST_LINKS]
            try:
                async with asyncio.timeout(LINK_SECONDS):
                    for gap in there:
                        with suppress(ThreadGone):  # somebody has deleted it
                            if link := await platform.link(gap.thread, gap.message.message):
                                links[gap.turn] = link
            except (PlatformError, TimeoutError) as error:
                reason = str(error) or "no answer in time"
                log.warning("No links: %s", reason, extra={"platform": name})
        return links
