"""What was heard goes to core, with what there is to know of the person.

What core has to say to somebody whom it does not answer is told to that person alone.
"""

import logging
from collections.abc import Callable
from typing import Final

from bots.slack_bot.acting import whisper
from bots.slack_bot.api import SlackApi
from bots.slack_bot.errors import within
from bots.slack_bot.events import Asked, Deleted, Edited, Heard, Overheard, place
from bots.slack_bot.outsiders import Outsiders
from core.domain import Mention
from core.errors import PlatformError
from core.reception import Reception

log = logging.getLogger(__name__)

WORD_SECONDS: Final = 1.0  #: for a word to somebody who is turned away: the event waits for it
NOT_HERE: Final = "I do not answer here."  #: where a command has to say something


class Door:
    """Where everything that people say comes in. `on_taken` hears of each new question at once."""

    def __init__(
        self,
        api: SlackApi,
        reception: Reception,
        outsiders: Outsiders,
        on_taken: Callable[[Mention], None],
    ) -> None:
        self._api = api
        self._reception = reception
        self._outsiders = outsiders
        self._on_taken = on_taken

    async def hand_over(self, heard: Heard, *, shared: bool = False) -> None:
        """Tell core what was heard, in a channel that may be `shared` with another organisation.

        Who is not answered is told so, at most once in a while. Raises StoreError.
        """
        match heard:
            case Asked(mention):
                told = await self._outsiders.told(mention, shared=shared)
                if await self._reception.take(told):
                    self._on_taken(told)
                else:
                    await self._turn_away(told)
            case Edited(mention):
                await self._reception.edit(await self._outsiders.told(mention, shared=shared))
            case Deleted(message, asked):
                await self._reception.withdraw(message, asked=asked)
            case Overheard():
                await self._reception.overhear(heard.guessed(self._outsiders.guessed))

    async def hand_over_found(self, heard: Heard) -> None:
        """The same for what is found long after: nobody is turned away. Raises StoreError."""
        match heard:
            case Asked(mention):
                await self._reception.take(await self._outsiders.told(mention))
            case Overheard() if heard.remark.edited:  # it may have been taken before, or not
                await self.hand_over(heard.unedited())
                await self.hand_over(heard)
            case _:
                await self.hand_over(heard)

    async def take(self, mention: Mention) -> bool:
        """Take what somebody asks otherwise than by a message; whether it is new.

        Raises StoreError.
        """
        return await self._reception.take(await self._outsiders.told(mention))

    async def refusal(self, mention: Mention) -> str | None:
        """Say what to answer to a command of somebody who may not ask; None: they may.

        Raises StoreError.
        """
        told = await self._outsiders.told(mention)
        said = await self._reception.turned_away(told, again=True)
        return said if said is None else said or NOT_HERE

    async def _turn_away(self, mention: Mention) -> None:
        """Tell somebody who is not answered why, if core wants it."""
        said = await self._reception.turned_away(mention)
        if not said:
            return
        channel, root = place(mention.thread)
        try:
            async with within(WORD_SECONDS):
                if mention.direct:
                    await self._api.post(channel, said, root=root)
                else:
                    # In a thread that nobody has replied in, Slack would show it to nobody.
                    where = root if root != mention.message else None
                    await whisper(self._api, channel, mention.author, said, root=where)
        except PlatformError as error:
            log.info("somebody is not told why there is no answer", extra={"reason": str(error)})
