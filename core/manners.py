"""When Docent speaks: whom it answers, which messages of a thread are for it, when it is quiet.

What a person says is judged before anything is written down. What is remembered of a thread stands
on its row, so that all processes know it; see `core.store.standings`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.clock import now
from core.domain import Mention, Remark, ThreadRef, Turn
from core.replies import is_stop
from core.settings import Admission, FollowUps
from core.store import Store
from core.store.standings import Kind

TOLD_AGAIN: Final = 86_400.0  #: seconds until a person is told the same once more
HINTED_AGAIN: Final = 10 * 365 * 86_400.0  #: seconds; a thread gets one hint
BUCKET_DIGITS: Final = 4  #: hexadecimal ones
TAKEN_OVER: Final = "people"  #: why it is quiet where people talk with each other
#: Platforms where nobody is turned away: whoever sits at the machine may ask.
OPEN_PLATFORMS: Final = ("terminal",)

PolicyFor = Callable[[ThreadRef], FollowUps]
"""Which messages of a thread are questions."""


class Refusal(StrEnum):
    """Why somebody is not answered."""

    BOT = "bot"
    GUILD = "guild"
    CHANNEL = "channel"
    ROLE = "role"
    DIRECT = "direct"
    EXTERNAL = "external"


OF_PLACES: Final = (Refusal.GUILD, Refusal.CHANNEL)  #: whoever it is

#: What the person is told in private. A bot might answer it, and people of a server that is not
#: meant to have the bot hear nothing.
SAID: Final = {
    Refusal.BOT: "",
    Refusal.GUILD: "",
    Refusal.CHANNEL: "I do not answer in this channel.",
    Refusal.ROLE: "I answer people with certain roles only, and you have none of them.",
    Refusal.DIRECT: "I do not answer direct messages. Please ask me in a channel.",
    Refusal.EXTERNAL: "I answer members of this organisation only.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manners:
    """Judges what is said, and takes what is for Docent. Methods that wait raise StoreError."""

    store: Store
    admission: Admission
    policy_for: PolicyFor
    idle_after: float | None  #: seconds after the last turn of a thread; None: it is never idle

    # --- who is answered --------------------------------------------------------------------------

    def refusal(self, mention: Mention) -> Refusal | None:
        """Say why the mention is not to be answered, from what it says of itself; None: it is."""
        platform, allowed = mention.thread.platform, self.admission
        if platform in OPEN_PLATFORMS:
            return None
        if mention.bot:
            known = {f"{platform}:{number}" for number in mention.bot}
            return None if known & allowed.bots else Refusal.BOT
        if mention.direct:
            return self._refusal_of_direct(mention)
        if _shuts_out(allowed.guilds, platform, mention.thread.tenant):
            return Refusal.GUILD
        if _shuts_out(allowed.channels, platform, mention.channel, mention.parent):
            return Refusal.CHANNEL
        if _shuts_out(allowed.roles, platform, *mention.roles):
            return Refusal.ROLE
        return Refusal.EXTERNAL if mention.external and not allowed.external else None

    def _refusal_of_direct(self, mention: Mention) -> Refusal | None:
        platform, tenant, allowed = mention.thread.platform, mention.thread.tenant, self.admission
        if not allowed.direct_messages:
            return Refusal.DIRECT
        # Where direct messages belong to no server, whoever writes them might come from any.
        if _shuts_out(allowed.guilds, platform, tenant) or _shuts_out(allowed.roles, platform):
            return Refusal.DIRECT
        return Refusal.EXTERNAL if mention.external and not allowed.external else None

    async def turned_away(self, mention: Mention, *, again: bool = False) -> str | None:
        """See `Reception.turned_away`."""
        refusal = self.refusal(mention)
        if refusal is None:
            return None
        said = SAID[refusal]
        if said and not again:
            key = f"told:{_bucket(mention, refusal)}"
            said = said if await self.store.values.claim(key, now(), TOLD_AGAIN) else ""
        return said

    # --- what is taken ----------------------------------------------------------------------------

    async def take(self, mention: Mention, *, claim: bool) -> Turn | None:
        """Take what calls us: see `Turns.take`. A word that tells us to be quiet makes us so."""
        return await self.store.intake.take(mention, claim=claim, kind=_kind(mention, "call"))

    async def again(self, mention: Mention, *, claim: bool) -> Turn | None:
        """Take what is asked once more by a button. Where we are quiet, we stay so."""
        return await self.store.turns.take(mention, claim=claim, kind="again")

    async def edit(self, mention: Mention, *, claim: bool) -> Turn | None:
        """Let the new text of what calls us count: see `Turns.edit`."""
        return await self.store.turns.edit(mention, claim=claim, kind=_kind(mention, "call"))

    async def overhear(self, remark: Remark, *, claim: bool) -> Turn | None:
        """Take what is a follow-up; else note what it means that it was said. See `Reception`."""
        mention = remark.mention
        if remark.edited:
            kind = _kind(mention, "follow_up")
            return await self.store.turns.edit(mention, claim=claim, kind=kind, may_take=False)
        if not await self._is_follow_up(remark):
            return None
        return await self.store.turns.take(mention, claim=claim, kind=_kind(mention, "follow_up"))

    async def wants_hint(self, remark: Remark) -> bool:
        """Whether people are to be told that the text of a follow-up is kept back from us.

        True once in a thread, for one of all processes.
        """
        if not await self._is_follow_up(remark):
            return False
        thread = remark.mention.thread
        key = f"hinted:{thread.platform}:{thread.tenant}:{thread.key}"
        return await self.store.values.claim(key, now(), HINTED_AGAIN)

    async def silence(
        self, thread: ThreadRef, why: str, *, at: float | None = None, end: bool = True
    ) -> Turn | None:
        """Keep quiet in a thread from `at` (now) until somebody calls us there.

        What waits for an answer there, or has a run, is withdrawn unless `end` is False. Returns a
        turn of the thread where that was so. Doing it again changes nothing. Raises StoreError.
        """
        when = now() if at is None else at
        return await self.store.turns.silence(thread, why, when, end=end)

    async def _is_follow_up(self, remark: Remark) -> bool:
        """Whether a remark goes on with what was asked; where people talk, that is remembered."""
        mention, refusal = remark.mention, self.refusal(remark.mention)
        if mention.bot or refusal in OF_PLACES or self.policy_for(mention.thread) != "thread":
            return False
        standing = await self.store.standings.of(mention.thread, mention.author, mention.at)
        # What was left to people then, and is found once more, is left to them for ever.
        if standing is None or standing.quiet or standing.was_quiet(mention.at):
            return False
        if remark.to_others or refusal or not standing.has_asked:
            # Where it comes late, the call that came after it counts all the same.
            await self.store.standings.quieten(standing.thread, TAKEN_OVER, mention.at)
            return False
        if self.idle_after is not None and mention.at - standing.last_at > self.idle_after:
            return False
        return remark.hidden or _has_files(mention) or any(map(str.isalnum, mention.text))


def stops(mention: Mention) -> bool:
    """Whether all that a message says is that we are to be quiet in its thread."""
    return is_stop(mention.text) and not _has_files(mention)


def _has_files(mention: Mention) -> bool:
    return bool(mention.files or mention.unread)


def _kind(mention: Mention, else_it_is: Kind) -> Kind:
    """What a message is: bots tell us nothing."""
    return "stop" if stops(mention) and not mention.bot else else_it_is


def _bucket(mention: Mention, refusal: Refusal) -> str:
    """What person and reason are remembered by: without a name, and in a bounded number of rows.

    Of two that share one, the second may hear it a day late.
    """
    thread = mention.thread
    where = mention.parent or mention.channel if refusal is Refusal.CHANNEL else ""
    about = (refusal, thread.platform, thread.tenant, mention.author, where)
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:BUCKET_DIGITS]


def _shuts_out(allowed: frozenset[str], platform: str, *ids: str) -> bool:
    """Whether a list that has entries for the platform has none of these."""
    if not allowed:
        return False
    of_platform = {each for each in allowed if each.startswith(f"{platform}:")}
    return bool(of_platform) and not of_platform & {f"{platform}:{each}" for each in ids}
