"""What adapters may ask of core: the one door by which they come in."""

from collections.abc import Sequence
from typing import Protocol

from core.documents import OnProgress, RefreshReport
from core.domain import Absence, Mention, MessageRef, Remark, Reply
from core.press import Press, Pressed


class Reception(Protocol):
    """What an adapter may ask of core; `core.desk.Desk` is the one implementation."""

    async def take(self, mention: Mention) -> bool:
        """Write the mention down; only then may the platform be acknowledged.

        Returns whether it is new. Taking the same message again changes nothing and returns False,
        and so does taking one that is known to be deleted, or whose author or place is not to be
        answered: see `turned_away`.
        Raises StoreError where it could not be written: do not acknowledge then.
        """
        ...

    async def overhear(self, remark: Remark) -> bool:
        """Hear what is said in a thread without a mention of the bot; it may be a follow-up.

        It is one where somebody asked in the thread before, goes on without a word to others, and
        nobody else has joined in, called the bot off, or let the thread rest for long: then it is
        taken as `take` does. An edited one counts where it was taken, and is not taken otherwise.
        Returns whether it is new. Of one whose text is hidden: whether people are to be told so
        there now, which is the case once in a thread. Most threads are not ours: that costs one
        look into the database. Raises StoreError.
        """
        ...

    async def turned_away(self, mention: Mention, *, again: bool = False) -> str | None:
        """Say what to tell, in private, somebody whom `take` does not answer; None: it does.

        "" where nothing is to be said: to bots, in servers that may not be answered, and to people
        who heard it lately, unless it is to be said `again`, as in reply to a command. The message
        need not be written yet. Raises StoreError.
        """
        ...

    async def edit(self, mention: Mention) -> None:
        """Hear that a message was edited and, as it reads now, asks the bot.

        While it waits for its answer, the new text counts; one that was not taken before is taken
        now. One that has its answer, or whose text is the same, stays as it is. `at` is the time of
        the edit. Raises StoreError.
        """
        ...

    async def withdraw(self, message: MessageRef, *, asked: bool | None = None) -> None:
        """Hear that a message was deleted: where it still waits for an answer, it gets none.

        One that asks the bot and is yet to be taken, as happens after a crash, is not taken any
        more. `asked` says whether it asks the bot; None: the platform does not tell, and so it is
        held to be possible where the channel has had a question. Any message may be named, and any
        number of times. Raises StoreError.
        """
        ...

    async def press(self, press: Press) -> Pressed:
        """Do what a button says, and say what to tell the person.

        The same press twice is done once. One that does not fit (no such reply there, not this
        person's to press, too late) is told so, and changes nothing. Raises StoreError.
        """
        ...

    async def absence(self, listener: str) -> Absence | None:
        """Say what a listener that has just connected may have missed; None: nothing to look for.

        A listener is a connection that hears of a part of the platform's events that is always the
        same: "slack", "discord", "discord/0" for a shard. What it finds, it takes; what was taken
        before, taking changes nothing. Raises StoreError.
        """
        ...

    async def heard(self, listener: str) -> None:
        """Hear that the listener is connected, and has handed over all that came until now.

        To be called when what it missed is found, and every half minute from then on. Never raises.
        """
        ...

    def sources(self) -> Sequence[str]:
        """What people call the sources of the documentation, for a choice of one."""
        ...

    async def refresh(
        self,
        platform: str,
        user: str,
        on_progress: OnProgress,
        *,
        source: str | None = None,
        confirm: str | None = None,
    ) -> RefreshReport:
        """Bring the documents in line with their sources, for an admin, and say what was done.

        With `source`, one of `sources`, only with that one. Where the report has pages `withheld`,
        so many are gone that they stay until the same is asked for with `confirm`: the
        `removals_key` of those that were shown. It counts for just these; where others are gone by
        then, they are withheld again. Raises NotAdmin, UnknownSource, RefreshBusy (with whose
        refresh is under way) or another DocumentsError.
        """
        ...

    async def gaps(self, platform: str, user: str, seconds: float) -> Reply:
        """Tell an admin what went unanswered in the last seconds. Raises NotAdmin, StoreError."""
        ...
