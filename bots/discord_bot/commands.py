"""The application commands: which there are, and what /ask does; acknowledged within 3 s."""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import discord
from discord import app_commands

from bots.discord_bot.about import ASK_ABOUT, About
from bots.discord_bot.attached import attached
from bots.discord_bot.connection import CALL_SECONDS, calls
from bots.discord_bot.door import Door
from bots.discord_bot.events import Channel, ids_of_roles, parent_of, thread_of
from bots.discord_bot.gaps import Gaps
from bots.discord_bot.hints import NOT_TAKEN, cannot_answer
from bots.discord_bot.places import Places
from bots.discord_bot.private import Privacy, place_of_question
from bots.discord_bot.refreshes import Refreshes
from bots.gaps_order import COMMAND
from core.domain import Mention, MessageId, MessageRef
from core.errors import DocentError, PlatformError, PlatformUnreachable, StoreError
from core.mishaps import log_mishap
from core.reception import Reception
from core.text import shortened

_EDIT_SECONDS: Final = 5.0  # an apology that takes longer is not worth the wait
_TRIES: Final = 3
_QUESTION_LENGTH: Final = 1_500
_MESSAGE_LENGTH: Final = 2_000

_APOLOGY: Final = "Something went wrong on my side. Please try again in a moment."

log = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None]], object]


class Commands:
    """What the commands do. `start` runs a piece of work for as long as the bot takes any."""

    def __init__(
        self,
        places: Places,
        reception: Reception,
        door: Door,
        start: Start,
        privacy: Privacy,
        *,
        private: bool,
    ) -> None:
        """`private`: whether nobody but the asker sees what is asked, and the answer."""
        self._privacy = privacy
        self._private = private
        self._places = places
        self._door = door
        self._client = places.client
        self._reception = reception
        self.refreshes = Refreshes(self._client, reception, start)
        about = About(places, reception, door)
        self._tree = _tree(
            self._client,
            self.refreshes,
            Gaps(self._client, reception, start),
            ask=lambda interaction, asked: start(self._ask(interaction, asked)),
            about=lambda interaction, message: start(about.ask(interaction, message)),
        )

    async def sync(
        self,
        remembered: Callable[[], Awaitable[str | None]],
        remember: Callable[[str], Awaitable[None]],
    ) -> None:
        """Tell Discord about the commands, where they changed since it was told; never raises.

        Discord takes only so many changes a day, and this runs at every start.
        """
        commands = [command.to_dict(self._tree) for command in self._tree.get_commands()]
        told = json.dumps([self._client.application_id, commands], sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()
        try:
            if await remembered() == digest:
                return
            async with calls(self._client):
                await self._tree.sync()
            await remember(digest)
        except DocentError as error:
            log.warning("Discord may show old commands", extra={"error": str(error)})

    async def _ask(self, interaction: discord.Interaction, asked: "_Asked") -> None:
        where = {"interaction_id": interaction.id}
        try:
            await self._take(interaction, asked)
        except StoreError:
            log.error("A question could not be written down", extra=where)
            await self._try_edit(interaction, NOT_TAKEN)
        except PlatformError as error:
            log.warning("A question could not be taken", extra={**where, "error": str(error)})
            await self._try_edit(interaction, NOT_TAKEN)
        except Exception as error:  # noqa: BLE001 (whatever it is, the asker hears of it)
            log_mishap(log, "A question could not be taken", error, **where)
            await self._try_edit(interaction, _APOLOGY)

    async def _take(self, interaction: discord.Interaction, asked: "_Asked") -> None:
        channel, asker = interaction.channel, interaction.user.display_name
        if channel is None:
            return  # of a kind that discord.py does not know yet
        question, mention = asked.question, _mention(interaction, channel, asked)
        refusal = await self._door.refusal(mention)
        alone = place_of_question(interaction) if self._private else None
        if refusal is None and alone is not None:
            await self._take_privately(interaction, replace(mention, thread=alone[0]), alone[1])
            return
        if refusal is None and (missing := self._places.missing(channel)):
            refusal = cannot_answer(channel.id, missing)
        if refusal is not None:
            async with calls(self._client):
                await interaction.response.send_message(refusal, ephemeral=True)
            return
        await self._defer(interaction)
        shown = f"**{_plain(asker)}** asks: {_plain(question)}"
        response = await self._show(interaction, shown + _named(asked.file))
        thread = thread_of(channel, response.id)
        self._places.asked(thread, interaction.user.id)
        if not isinstance(channel, discord.Thread | discord.DMChannel):
            self._places.expect(thread, question, asker)
        message = MessageId(str(response.id))
        files = tuple(replace(file, message=message) for file in mention.files)
        await self._reception.take(replace(mention, thread=thread, message=message, files=files))

    async def _take_privately(
        self, interaction: discord.Interaction, mention: Mention, question: MessageRef
    ) -> None:
        """Take a question that only its asker sees; then acknowledge it, by showing that we think.

        Where Discord does not take that any more, the answer goes to the asker directly.
        """
        try:
            await self._privacy.keep(interaction, question)
            await self._reception.take(mention)
        except StoreError:
            log.error("A question could not be written down")
            async with calls(self._client):
                await interaction.response.send_message(NOT_TAKEN, ephemeral=True)
        else:
            await self._defer(interaction, ephemeral=True)
        finally:
            self._privacy.responded(question)

    async def _defer(self, interaction: discord.Interaction, *, ephemeral: bool = False) -> None:
        """Acknowledge. Without a reply nobody knows whether it worked; the first edit will tell."""
        with suppress(PlatformUnreachable):
            async with calls(self._client):
                await interaction.response.defer(thinking=True, ephemeral=ephemeral)

    async def _show(
        self, interaction: discord.Interaction, text: str
    ) -> discord.InteractionMessage:
        """Show the question, also where the reply is lost a few times: only it tells the id."""
        for _ in range(_TRIES - 1):
            with suppress(PlatformUnreachable):
                return await self._edit(interaction, shortened(text, _MESSAGE_LENGTH))
        return await self._edit(interaction, shortened(text, _MESSAGE_LENGTH))

    async def _edit(
        self, interaction: discord.Interaction, text: str, seconds: float = CALL_SECONDS
    ) -> discord.InteractionMessage:
        async with calls(self._client, seconds):
            return await interaction.edit_original_response(content=text)

    async def _try_edit(self, interaction: discord.Interaction, text: str) -> None:
        with suppress(PlatformError):
            await self._edit(interaction, text, _EDIT_SECONDS)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody wrote behind /ask."""

    question: str
    file: discord.Attachment | None


class _Tree(app_commands.CommandTree[discord.Client]):
    async def on_error(
        self, interaction: discord.Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        log.error("A command could not be run", extra={"error": type(error).__name__})
        with suppress(PlatformError):
            async with calls(self.client):
                await interaction.response.send_message(_APOLOGY, ephemeral=True)


def _tree(
    client: discord.Client,
    refreshes: Refreshes,
    gaps: Gaps,
    *,
    ask: Callable[[discord.Interaction, "_Asked"], object],
    about: Callable[[discord.Interaction, discord.Message], object],
) -> _Tree:
    """Declare the commands, for servers that invited the bot and for its direct messages."""
    tree = _Tree(
        client,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True),
        allowed_installs=app_commands.AppInstallationType(guild=True),
    )

    @tree.command(name="ask", description="Ask the documentation a question")
    @app_commands.describe(
        question="What you want to know", file="What it is about: a log, a picture, a document"
    )
    async def _(
        interaction: discord.Interaction,
        question: app_commands.Range[str, 1, _QUESTION_LENGTH],
        file: discord.Attachment | None = None,
    ) -> None:
        ask(interaction, _Asked(question, file))

    @tree.command(name="refresh-docs", description="Read the documentation again (admins only)")
    @app_commands.describe(source="Only this source; without it, all of them")
    async def refresh_docs(interaction: discord.Interaction, source: str = "") -> None:
        refreshes.command(interaction, source)

    @refresh_docs.autocomplete("source")
    async def _(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        return await refreshes.choices(current)

    @tree.command(name=COMMAND.lstrip("/"), description="What went unanswered (admins only)")
    @app_commands.describe(since="How far back, such as 7d or 24h; without it, a week")
    async def _(interaction: discord.Interaction, since: str = "") -> None:
        gaps.command(interaction, since)

    @tree.context_menu(name=ASK_ABOUT)
    async def _(interaction: discord.Interaction, message: discord.Message) -> None:
        about(interaction, message)

    return tree


def _mention(interaction: discord.Interaction, channel: Channel, asked: _Asked) -> Mention:
    """What a command asks, before there is a message of it."""
    return Mention(
        thread=thread_of(channel, interaction.id),
        channel=str(channel.id),
        message=MessageId(str(interaction.id)),
        author=str(interaction.user.id),
        text=asked.question.strip(),
        at=interaction.created_at.timestamp(),
        files=attached((asked.file,) if asked.file else (), channel.id, interaction.id),
        parent=parent_of(channel),
        direct=isinstance(channel, discord.DMChannel),
        roles=ids_of_roles(interaction.user),
    )


def _plain(text: str) -> str:
    """Text that Discord shows as it is, whatever stands in it."""
    return discord.utils.escape_markdown(text)


def _named(file: discord.Attachment | None) -> str:
    """The name of a file, for those who see the question only."""
    return f" ({_plain(file.filename)})" if file else ""
