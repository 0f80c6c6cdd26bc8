"""What is to be known of people before core is asked whether to answer them, and what they are told
where it does not.
"""

from dataclasses import replace
from typing import Final

import discord

from bots.discord_bot.connection import calls
from bots.discord_bot.events import is_of_bot
from bots.discord_bot.hints import tell
from bots.discord_bot.places import Places
from core.domain import Mention
from core.reception import Reception

NOT_HERE: Final = "I do not answer here."  #: where a command has to say something


class Door:
    """Where questions come in. Methods raise StoreError and PlatformError."""

    def __init__(self, places: Places, reception: Reception, *, tell_roles: bool) -> None:
        """`tell_roles`: whether it matters which roles people have."""
        self._places = places
        self._reception = reception
        self._tell_roles = tell_roles

    async def told(self, message: discord.Message, mention: Mention) -> Mention:
        """The mention, with its author's roles: the history does not tell them, as events do."""
        tenant, author = mention.thread.tenant, message.author
        if not self._tell_roles or not tenant or isinstance(author, discord.Member):
            return mention
        if is_of_bot(message):
            return mention
        async with calls(self._places.client):
            # discord.py's own fetch_member needs the server in its cache.
            member = await self._places.client.http.get_member(int(tenant), author.id)
        return replace(mention, roles=tuple(map(str, member["roles"])))

    async def turn_away(self, mention: Mention) -> bool:
        """Tell somebody who is not answered why, if core wants it; False: they are answered."""
        said = await self._reception.turned_away(mention)
        if said:
            await tell(self._places.client, int(mention.author), said)
        return said is not None

    async def refusal(self, mention: Mention) -> str | None:
        """Say what to answer to a command of somebody who may not ask; None: they may."""
        said = await self._reception.turned_away(mention, again=True)
        return said if said is None else said or NOT_HERE
